"""The methods that a study compares, each on all of its seeds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference import (
    Fit,
    LevenbergMarquardt,
    Mode,
    Posterior,
    Problem,
    QuantityEstimate,
    Unknowns,
    appraise,
    appraise_adam,
    fit_least_squares,
    levenberg_marquardt,
    mean_relative_error,
    quantity_of,
)
from vlmrt_dist.studies.adam_runs import AdamRun
from vlmrt_dist.studies.point import Method


@dataclass(frozen=True, eq=False)
class MethodFit:
    """Fit of one method for one seed.

    :param theta: [K] where the method ended [S/m]; its error is the row's
    :param known: what is said of every object, the prior where not identified
    :param permittivity: the same of ε_r, where it was unknown
    :param seconds: time of the fit [s]
    :param history: [I] relative error along the iterations
    :param losses: [I] loss along Adam's iterations
    :param fitted_permittivity: [K] ε_r where the method ended
    :param level_dbm: [L] levels at the fit where more than conductivities was unknown; None: those
        that ``theta`` gives
    """

    theta: FloatArray
    known: QuantityEstimate
    permittivity: QuantityEstimate | None
    iterations: int
    outcome: str
    seconds: float
    history: FloatArray
    losses: FloatArray = field(default_factory=lambda: np.zeros(0))
    fitted_permittivity: FloatArray | None = None
    level_dbm: FloatArray | None = None


def run_method(
    method: Method,
    seeds: Sequence[int],
    problems: Sequence[Problem],
    start: FloatArray,
    truth: FloatArray,
    adam: AdamRun | None = None,
) -> list[MethodFit]:
    """The fits of all seeds by one method.

    :param seeds: [S]
    :param problems: one for each seed, on the same paths
    :param start: [S, K] initial conductivities [S/m]
    :param truth: [S, K] true ones [S/m]
    :param adam: what :func:`~vlmrt_dist.studies.adam_runs.adam_runs` found; None: it is not Adam
    """
    if adam is not None:
        return _adam(adam, problems, truth)
    if method == "map":
        return _with_prior(seeds, problems, start, truth)
    return _maximum_likelihood(problems, start, truth)


def cramer_rao(problem: Problem, theta: FloatArray) -> FloatArray:
    """[K] smallest standard deviation of ln σ that the links alone allow at ``theta`` [K]."""
    x = problem.unknowns.at_conductivity(theta)
    alone = replace(problem.data, prior_width=np.inf, censored=None)
    fit = appraise(problem.predict, alone, x, expected=True)
    entry = problem.unknowns.entry["conductivity"]
    return np.where(entry >= 0, fit.knowledge.std[entry], 0.0)


def unheard(start: FloatArray, unknowns: Unknowns) -> MethodFit:
    """The fit of a campaign in which nothing was received: it stays where it began.

    :param start: [K] initial conductivities [S/m]
    """
    width = np.minimum(unknowns.width, unknowns.vague)
    size = len(width)
    nothing = Posterior(width, width, np.zeros(size, bool), np.zeros((0, 0)))
    mode = Mode(unknowns.mean, np.nan, 1.0)
    fit = Fit(
        unknowns.mean, 0, "no_signal", 1.0, unknowns.width, nothing, np.zeros(0), modes=(mode,)
    )
    return MethodFit(
        start, _conductivity(unknowns, fit), _permittivity(unknowns, fit), 0, "no_signal", 0.0,
        np.zeros(0), fitted_permittivity=_fitted_permittivity(unknowns, fit),
    )  # fmt: skip


def _conductivity(unknowns: Unknowns, fit: Fit) -> QuantityEstimate:
    return quantity_of("conductivity", unknowns, fit, unknowns.known.conductivity)


def _permittivity(unknowns: Unknowns, fit: Fit) -> QuantityEstimate | None:
    if "relative_permittivity" not in unknowns.entry:
        return None
    known = unknowns.known.relative_permittivity
    return quantity_of("relative_permittivity", unknowns, fit, known)


def _fitted_permittivity(unknowns: Unknowns, fit: Fit) -> FloatArray | None:
    if "relative_permittivity" not in unknowns.entry:
        return None
    value = unknowns.values("relative_permittivity", fit.x)
    return np.where(np.isnan(value), unknowns.known.relative_permittivity, value)


def _free(problems: Sequence[Problem]) -> BoolArray:
    return problems[0].prior.free


def _adam(adam: AdamRun, problems: Sequence[Problem], truth: FloatArray) -> list[MethodFit]:
    """What is said of the seeds' runs, which are done."""
    free, run = _free(problems), adam.result
    history = (np.abs(run.path - truth)[..., free] / truth[:, free]).mean(axis=2)
    fits = []
    for s, problem in enumerate(problems):
        fit = appraise_adam(problem, run, s)
        steps = fit.evaluations
        known = _conductivity(problem.unknowns, fit)
        fits.append(
            MethodFit(
                run.theta[s],
                known,
                None,
                steps,
                fit.outcome,
                adam.seconds,
                history[:steps, s],
                run.losses[:steps, s],
            )
        )
    return fits


def _maximum_likelihood(
    problems: Sequence[Problem], start: FloatArray, truth: FloatArray
) -> list[MethodFit]:
    """One seed after another, one start, and no prior, as the paper has none."""
    fits = []
    free = _free(problems)
    for s, problem in enumerate(problems):
        unknowns = problem.unknowns
        clock = time.perf_counter()
        begin = unknowns.at_conductivity(start[s])[None]
        fit = levenberg_marquardt(problem.predict, problem.data, begin)
        seconds = time.perf_counter() - clock
        path = [unknowns.conductivity(x) for x in fit.path]
        history = np.array([mean_relative_error(x[free], truth[s][free]) for x in path])
        known = _conductivity(unknowns, appraise(problem.predict, problem.data, fit.x))
        theta = unknowns.conductivity(fit.x)
        fits.append(MethodFit(theta, known, None, fit.evaluations, fit.outcome, seconds, history))
    return fits


def _with_prior(
    seeds: Sequence[int], problems: Sequence[Problem], start: FloatArray, truth: FloatArray
) -> list[MethodFit]:
    """One seed after another, as :func:`~vlmrt_dist.estimate` does it."""
    fits, free = [], _free(problems)
    for s, problem in enumerate(problems):
        unknowns = problem.unknowns
        clock = time.perf_counter()
        rng = np.random.default_rng([seeds[s], 3])
        fit = fit_least_squares(problem, LevenbergMarquardt(), start[s], rng)
        seconds = time.perf_counter() - clock
        theta = unknowns.conductivity(fit.x)
        history = np.array([mean_relative_error(theta[free], truth[s][free])])
        more = set(unknowns.quantity) != {"conductivity"}
        fits.append(
            MethodFit(
                theta,
                _conductivity(unknowns, fit),
                _permittivity(unknowns, fit),
                fit.evaluations,
                fit.outcome,
                seconds,
                history,
                fitted_permittivity=_fitted_permittivity(unknowns, fit),
                level_dbm=problem.predict(fit.x)[0] if more else None,
            )
        )
    return fits
