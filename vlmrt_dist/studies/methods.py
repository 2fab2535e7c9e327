"""The methods that a study compares, each on all of its seeds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.field import Objective
from vlmrt_dist.inference import (
    LEARNING_RATE,
    MIN_NOISE_DB,
    Fit,
    LeastSquares,
    Optimizer,
    Posterior,
    Prior,
    Quantity,
    Unknowns,
    Verdict,
    adam,
    appraise,
    fit_doubting_prior,
    levenberg_marquardt,
    mean_relative_error,
    quantity_of,
    starting_points,
    unknowns_of,
)
from vlmrt_dist.studies.point import Point
from vlmrt_dist.units import watts_to_dbm

NUM_STARTS = 8


@dataclass(frozen=True, eq=False)
class Question:
    """One seed's unknowns and levels, and which objects are free."""

    unknowns: Unknowns
    data: LeastSquares
    free: BoolArray

    def known(self, fit: Fit) -> Quantity:
        """What a fit says about the conductivities."""
        return quantity_of("conductivity", self.unknowns, fit, self.unknowns.known.conductivity)

    def fitted_permittivity(self, fit: Fit) -> FloatArray | None:
        """[K] what a fit ended at, if they are unknown."""
        if "relative_permittivity" not in self.unknowns.entry:
            return None
        value = self.unknowns.values("relative_permittivity", fit.x)
        return np.where(np.isnan(value), self.unknowns.known.relative_permittivity, value)

    def permittivity(self, fit: Fit) -> Quantity | None:
        """The same of the permittivities, if they are unknown."""
        if "relative_permittivity" not in self.unknowns.entry:
            return None
        known = self.unknowns.known.relative_permittivity
        return quantity_of("relative_permittivity", self.unknowns, fit, known)


def question_of(point: Point, campaign: Campaign, prior: Prior, rss: FloatArray) -> Question:
    """What a method is asked about one seed's received powers [M, N] [W]."""
    unknowns = unknowns_of(
        point.scene,
        campaign,
        point.radio,
        prior,
        quantities=point.unknowns,
        groups=point.groups,
        gain_offset_db=point.gain_offset_db,
        widths=point.widths,
    )
    level = watts_to_dbm(rss).ravel()
    data = LeastSquares(
        level_dbm=level,
        noise_db=np.full(level.shape, max(point.noise_db, MIN_NOISE_DB)),
        used=np.isfinite(level),
        prior=unknowns.mean,
        prior_width=unknowns.width,
        low=unknowns.low,
        high=unknowns.high,
        vague=unknowns.vague,
        loss=point.loss,
    )
    return Question(unknowns, data, prior.free)


@dataclass(frozen=True, eq=False)
class MethodFit:
    """:param theta: [K] where the method ended; its error is the row's
    :param known: what is said of every object, the prior where unidentifiable
    :param permittivity: the same of ε_r, where it was unknown
    :param fitted_permittivity: [K] ε_r where the method ended
    :param level_dbm: [L] levels at the fit where more than conductivities was unknown; None: those
        that ``theta`` gives
    """

    theta: FloatArray
    known: Quantity
    permittivity: Quantity | None
    iterations: int
    outcome: str
    seconds: float
    history: FloatArray
    losses: FloatArray = field(default_factory=lambda: np.zeros(0))
    fitted_permittivity: FloatArray | None = None
    level_dbm: FloatArray | None = None


def cramer_rao(objective: Objective, question: Question, theta: FloatArray) -> FloatArray:
    """[K] smallest standard deviation of ln σ that the links alone allow at ``theta`` [K]."""
    x = question.unknowns.at_conductivity(theta)
    alone = replace(question.data, prior_width=np.inf)
    alone = replace(alone, level_dbm=question.unknowns.predict(objective)(x)[0])
    fit = appraise(question.unknowns.predict(objective), alone, x)
    entry = question.unknowns.entry["conductivity"]
    return np.where(entry >= 0, fit.knowledge.std[entry], 0.0)


def unheard(start: FloatArray, question: Question) -> MethodFit:
    """Nothing was received, so nothing is known."""
    unknowns = question.unknowns
    width = np.minimum(unknowns.width, unknowns.vague)
    size = len(width)
    verdict: tuple[Verdict, ...] = tuple("unidentifiable" for _ in range(size))
    nothing = Posterior(width, width, np.zeros(size, bool), np.zeros((0, 0)), verdict)
    fit = Fit(unknowns.mean, 0, "no_signal", 1.0, unknowns.width, nothing, np.zeros(0))
    known, permittivity = question.known(fit), question.permittivity(fit)
    fitted = question.fitted_permittivity(fit)
    return MethodFit(
        start, known, permittivity, 0, "no_signal", 0.0, np.zeros(0), fitted_permittivity=fitted
    )


def fit_adam(
    optimizer: Optimizer,
    objective: Objective,
    questions: Sequence[Question],
    start: FloatArray,
    truth: FloatArray,
    learning_rate: float | None = None,
) -> list[MethodFit]:
    """All seeds side by side; the seconds of the batch are shared out evenly."""
    free = questions[0].free
    clock = time.perf_counter()
    run = adam(
        objective,
        start,
        learning_rate=learning_rate or LEARNING_RATE[optimizer],
        logarithmic=optimizer == "adam_log",
        free=free,
    )
    seconds = (time.perf_counter() - clock) / len(start)
    history = (np.abs(run.path - truth)[..., free] / truth[:, free]).mean(axis=2)
    fits = []
    for s, (theta, question) in enumerate(zip(run.theta, questions, strict=True)):
        x = question.unknowns.at_conductivity(theta)
        fit = appraise(question.unknowns.predict(objective), question.data, x)
        steps, ended = int(run.iterations[s]), run.outcome[s]
        known = question.known(fit)
        errors, losses = history[:steps, s], run.losses[:steps, s]
        fits.append(MethodFit(theta, known, None, steps, ended, seconds, errors, losses))
    return fits


def fit_least_squares(
    objective: Objective,
    questions: Sequence[Question],
    start: FloatArray,
    truth: FloatArray,
) -> list[MethodFit]:
    """One seed after another, maximum likelihood as the paper has no prior."""
    fits = []
    for s, question in enumerate(questions):
        unknowns, free = question.unknowns, question.free
        predict = unknowns.predict(objective)
        clock = time.perf_counter()
        fit = levenberg_marquardt(predict, question.data, unknowns.at_conductivity(start[s])[None])
        seconds = time.perf_counter() - clock
        theta = unknowns.conductivity(fit.x)
        path = [unknowns.conductivity(x) for x in fit.path]
        history = np.array([mean_relative_error(x[free], truth[s][free]) for x in path])
        known = question.known(appraise(predict, question.data, fit.x))
        fits.append(MethodFit(theta, known, None, fit.evaluations, fit.outcome, seconds, history))
    return fits


def fit_map(
    objective: Objective,
    questions: Sequence[Question],
    start: FloatArray,
    seeds: Sequence[int],
    truth: FloatArray,
) -> list[MethodFit]:
    """One seed after another, as :func:`~vlmrt_dist.inference.estimation.estimate` does it."""
    fits = []
    for s, question in enumerate(questions):
        unknowns, free = question.unknowns, question.free
        predict = unknowns.predict(objective)
        clock = time.perf_counter()
        rng = np.random.default_rng([seeds[s], 3])
        begin = unknowns.at_conductivity(start[s])
        starts = starting_points(begin, question.data, NUM_STARTS, rng)
        fit = fit_doubting_prior(predict, question.data, starts)
        seconds = time.perf_counter() - clock
        theta = unknowns.conductivity(fit.x)
        history = np.array([mean_relative_error(theta[free], truth[s][free])])
        known, permittivity = question.known(fit), question.permittivity(fit)
        more = set(unknowns.quantity) != {"conductivity"}
        level = predict(fit.x)[0] if more else None
        fits.append(
            MethodFit(
                theta,
                known,
                permittivity,
                fit.evaluations,
                fit.outcome,
                seconds,
                history,
                fitted_permittivity=question.fitted_permittivity(fit),
                level_dbm=level,
            )
        )
    return fits
