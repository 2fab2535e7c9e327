"""Many estimations: points (a configuration, several seeds), here or on a pool of Ray actors.

A point is evaluated as one batch: its paths are traced once, and its seeds, which differ in the
true conductivities, run side by side. What comes out are flat rows for the ledger.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist import metrics
from vlmrt_dist.answers import quantity_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.estimation import LEARNING_RATE, Optimizer, mean_relative_error
from vlmrt_dist.fitting import Fit, appraise, fit_doubting_prior, starting_points
from vlmrt_dist.ledger import Ledger, Row
from vlmrt_dist.losses import Objective
from vlmrt_dist.optimizers import (
    MAX_CONDUCTIVITY,
    MIN_CONDUCTIVITY,
    LeastSquares,
    adam,
    levenberg_marquardt,
)
from vlmrt_dist.posterior import MIN_NOISE_DB, Posterior, Verdict
from vlmrt_dist.priors import Initial, MaterialPrior, Prior, initial_conductivity, prior_of
from vlmrt_dist.problem import PRIOR_WIDTH
from vlmrt_dist.quantities import Quantity
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, random_campaign
from vlmrt_dist.simulation import perturbed
from vlmrt_dist.units import watts_to_dbm
from vlmrt_dist.unknowns import KINDS, Unknowns, unknowns_of

Protocol = Literal["same_paths", "independent"]
Method = Optimizer | Literal["map"]
"""An optimizer without a prior, as in the paper, or "map": as :func:`vlmrt_dist.estimate` does it,
Levenberg-Marquardt with the prior, several starts, and a prior that is widened where the levels
contradict it."""

NUM_STARTS = 8

PERMITTIVITY_SEED = 2_000_003
"""Added to a truth's seed for its permittivities."""

TRUTH_SEED = 1_000_003
"""Added to the path seed for the truth of the ``independent`` protocol."""

HELD_OUT_RECEIVERS, HELD_OUT_SEED = 8, 20_251
"""The random setup that every fit is tried on, though none has seen it."""

STUDY_VERSION = 2
"""Part of every key: raise it when the same point would give other rows."""

ENGINE_VERSIONS = ("sionna-rt", "drjit", "mitsuba", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Point:
    """One configuration of a study, for several seeds.

    :param study: name of the study
    :param scene: K objects; their own conductivities are the ITU values that truths vary about
    :param campaign: positions of M setups of N receivers
    :param radio: radio configuration of the estimation
    :param optimizers: which methods, on the same paths
    :param initial: where they start
    :param protocol: whether the truth is simulated on the estimation's own paths
    :param seeds: a truth each, and the noise on its levels
    :param label: what distinguishes the point within its study, for tables and figures
    :param noise_db: standard deviation of the normal error of each level, known to the fit [dB]
    :param priors: a belief for each seed, its medians and widths those of "map"; ``initial="vlm"``
        starts there; None: the ITU values of the scene's own material classes
    :param prior_width: where ``priors`` is None: standard deviation of ln σ that "map" takes. The
        truths' own is 0.1 (:func:`~vlmrt_dist.simulation.perturbed`)
    :param unknowns: "conductivity", or "relative_permittivity" beside it ("map" only). The truths
        of permittivities are as wide as their prior, normal and truncated at twice that
    :param groups: "material" ties objects of one class, in the truth and in the estimate
    :param gain_offset_db: standard deviation of an unknown offset of each setup's levels ("map"
        only)
    :param widths: see :func:`vlmrt_dist.estimate`
    :raises ConfigurationError: if there are not as many priors as seeds, or ``initial="vlm"`` has
        none to start at, or something makes no sense
    """

    study: str
    scene: SceneModel
    campaign: Campaign
    radio: RadioConfig
    optimizers: tuple[Method, ...]
    initial: Initial
    protocol: Protocol
    seeds: tuple[int, ...]
    label: dict[str, float | str] = field(default_factory=dict)
    noise_db: float = 0.0
    priors: tuple[MaterialPrior, ...] | None = None
    prior_width: float = PRIOR_WIDTH
    unknowns: tuple[str, ...] = ("conductivity",)
    groups: Literal["material"] | None = None
    gain_offset_db: float | None = None
    widths: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.priors is not None and len(self.priors) != len(self.seeds):
            raise ConfigurationError("a point needs one prior for each of its seeds")
        if self.priors is None and self.initial == "vlm":
            raise ConfigurationError("a point that starts at 'vlm' needs priors to start at")
        if not (np.isfinite(self.noise_db) and self.noise_db >= 0.0):
            raise ConfigurationError("noise_db must be a finite number, not negative [dB]")
        if not self.prior_width > 0.0:
            raise ConfigurationError("prior_width must be positive; use inf for no prior")
        if "conductivity" not in self.unknowns or set(self.unknowns) - {
            "conductivity",
            "relative_permittivity",
        }:
            raise ConfigurationError(
                "a point's unknowns are conductivity, alone or with relative_permittivity"
            )
        more = len(self.unknowns) > 1 or self.groups is not None or self.gain_offset_db is not None
        if more and set(self.optimizers) != {"map"}:
            raise ConfigurationError(
                "only the method 'map' knows permittivities, groups and offsets"
            )

    @property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) of everything that determines the rows."""
        parts = [
            self.scene.key,
            self.campaign.key,
            self.radio.key,
            list(self.optimizers),
            str(self.initial),
            self.protocol,
            list(self.seeds),
            self.label,
            self.noise_db,
            [_plain(prior) for prior in self.priors or ()],
            self.prior_width,
            list(self.unknowns),
            self.groups,
            self.gain_offset_db,
            self.widths,
            {name: version(name) for name in ENGINE_VERSIONS},
            STUDY_VERSION,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def true_radio(self) -> RadioConfig:
        """What the true levels are simulated with."""
        if self.protocol == "same_paths":
            return self.radio
        return self.radio.replace(seed=self.radio.seed + TRUTH_SEED)

    def __str__(self) -> str:
        label = " ".join(f"{k}={v}" for k, v in self.label.items())
        return f"{label} {self.protocol}"


def run(
    points: Sequence[Point],
    ledger: Ledger,
    *,
    num_actors: int = 0,
    actor_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Row]:
    """Evaluate every point that the ledger does not hold yet, and return the rows of all.

    Each point's rows are published as soon as they are there, so a run that was killed goes on
    where it stopped when it is started again.

    :param points: what to evaluate
    :param ledger: where rows are looked up and published
    :param num_actors: Ray actors that evaluate points; 0: this process does
    :param actor_options: ``num_gpus`` and ``placement`` of
        :func:`~vlmrt_dist.pool.map_on_actors`
    :param progress: called with the points done, the points in all, and the point
    """
    found = {point.key: ledger.read(point.study, point.key) for point in points}
    missing = [point for point in points if found[point.key] is None]
    done = len(points) - len(missing)
    if progress is not None:
        progress(done, len(points), "")
    if num_actors > 0:
        evaluations = _on_actors(missing, num_actors, actor_options or {})
    else:
        evaluations = enumerate(map(evaluate, missing))
    for index, rows in evaluations:
        point = missing[index]
        ledger.publish(point.study, point.key, rows)
        _tell(rows)
        found[point.key] = rows
        done += 1
        if progress is not None:
            progress(done, len(points), str(point))
    return [row for point in points for row in found[point.key] or []]


def _tell(rows: Sequence[Row]) -> None:
    """Tell the metrics of a point that is done."""
    for row in rows:
        metrics.estimated(
            row.study,
            row.engine,
            loss=row.loss,
            mre=row.mre,
            iterations=row.iterations,
            seconds=row.seconds_fit,
        )
    metrics.traced(rows[0].study, rows[0].engine, rows[0].num_paths, rows[0].seconds_trace)


def evaluate(point: Point) -> list[Row]:
    """The rows of one point, one for each optimizer and seed.

    Where no link has a path, the estimate stays where it began, with outcome "no_signal".
    """
    # Imported late: these wake up the ray tracer, which the driver of a pool must not.
    from vlmrt_dist.objective import ReplayObjective
    from vlmrt_dist.tracing import trace

    scene, radio, seeds = point.scene, point.radio, point.seeds
    table = trace(scene, point.campaign, radio)
    itu = scene.conductivity(radio.frequency)
    free = prior_of(scene, radio, np.inf).free
    priors = [
        prior_of(scene, radio, point.prior_width, given=given)
        for given in point.priors or (None,) * len(seeds)
    ]
    planned = point.campaign.with_rss(np.where(point.campaign.present, 0.0, np.nan))
    same = ReplayObjective(scene, planned, radio, table)
    truth = _truth(point, free)
    rss = truth.received(same)
    if point.protocol == "independent":
        paths = trace(scene, point.campaign, point.true_radio)
        rss = truth.received(ReplayObjective(scene, planned, point.true_radio, paths))
    # A link that either side cannot hear is no measurement.
    heard = point.campaign.present & (rss > 0.0).all(axis=0) & (same.rss(itu[None])[0] > 0.0)
    start = np.array(
        [
            initial_conductivity(point.initial, prior, np.random.default_rng([seed, 1]))
            for seed, prior in zip(seeds, priors, strict=True)
        ]
    )
    # A belief in metal or vacuum is no value to start at.
    start = np.where(free, np.clip(start, MIN_CONDUCTIVITY, MAX_CONDUCTIVITY), itu)
    error_db = np.array([_errors(seed, rss.shape[1:]) for seed in seeds]) * point.noise_db
    rss = rss * 10.0 ** (error_db / 10.0)
    shared: dict[str, Any] = {
        "study": point.study,
        "key": point.key,
        "label": json.dumps(point.label, sort_keys=True),
        "initial": str(point.initial),
        "engine": "replay",
        "protocol": point.protocol,
        "combining": radio.combining,
        "max_depth": radio.max_depth,
        "samples_per_src": radio.samples_per_src,
        "complete": radio.complete,
        "noise_db": point.noise_db,
        "incomplete": table.incomplete,
        "num_objects": scene.num_objects,
        "num_setups": int(heard.any(axis=1).sum()),
        "num_links": int(heard.sum()),
        "num_paths": table.num_paths,
        "seconds_trace": float(table.seconds.sum()),
        "names": list(scene.names),
        "hardware": hardware(),
        "versions": json.dumps({name: version(name) for name in ENGINE_VERSIONS}),
    }
    objective = None
    campaign = point.campaign
    if heard.any():
        campaign, kept = _keep(point.campaign, heard), heard.any(axis=1)
        rss = np.where(heard, rss, np.nan)[:, kept]
        table = table.setups(np.flatnonzero(kept).tolist())
        objective = ReplayObjective(scene, campaign, radio, table, measured=rss)
    sigma = truth.conductivity
    fits: list[_Fit] = []  # method by method, the seeds of each in order
    for optimizer in point.optimizers:
        believed = priors
        if optimizer != "map":  # as in the paper: no prior, the start stands in its place
            none = np.full(scene.num_objects, np.inf)
            believed = [Prior(x, none, free) for x in start]
        asked = [_question(point, campaign, p, r) for p, r in zip(believed, rss, strict=True)]
        if objective is None:
            fits += [_unheard(x, question) for x, question in zip(start, asked, strict=True)]
        elif optimizer == "map":
            fits += _fit_map(objective, asked, start, seeds, sigma)
        elif optimizer == "levenberg_marquardt":
            fits += _fit_least_squares(objective, asked, start, sigma)
        else:
            fits += _fit_adam(optimizer, objective, asked, start, sigma)
    held_out = _held_out_db(point, np.array([fit.theta for fit in fits]), sigma)
    which = [(o, s) for o in point.optimizers for s in range(len(point.seeds))]
    return [
        Row(
            **shared,
            optimizer=optimizer,
            seed=point.seeds[s],
            initial_mre=mean_relative_error(start[s][free], sigma[s][free]),
            mre=mean_relative_error(fit.theta[free], sigma[s][free]),
            held_out_db=float(held_out_db),
            loss=fit.loss,
            iterations=fit.iterations,
            outcome=fit.outcome,
            seconds_fit=fit.seconds,
            conductivity=fit.theta.tolist(),
            std=fit.known.std.tolist(),
            low=fit.known.low.tolist(),
            high=fit.known.high.tolist(),
            verdict=list(fit.known.verdict),
            contradicts_prior=list(fit.known.contradicts_prior),
            coverage=float(np.mean(_inside(fit.known, sigma[s])[free])),
            truth=sigma[s].tolist(),
            mre_history=fit.history.tolist(),
            **_permittivity_columns(fit.permittivity, truth.permittivity, s),
        )
        for (optimizer, s), fit, held_out_db in zip(which, fits, held_out, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Truth:
    """What S seeds have drawn.

    :param conductivity: [S, K] at the reference carrier [S/m]
    :param permittivity: [S, K] the same of ε_r; None where it is known
    :param gain_db: [S, M] offset of all levels of a setup [dB]
    """

    unknowns: Unknowns
    conductivity: NDArray[np.float64]
    permittivity: NDArray[np.float64] | None
    gain_db: NDArray[np.float64]

    def received(self, objective: Objective) -> NDArray[np.float64]:
        """[S, M, N] received powers [W], offsets included."""
        if self.permittivity is None:
            rss = objective.rss(self.conductivity)
        else:
            x = self.unknowns.at_conductivity(self.conductivity)
            entry = self.unknowns.entry["relative_permittivity"]
            x[:, entry[entry >= 0]] = np.log(self.permittivity[:, entry >= 0])
            rss = np.array([objective.levels(self.unknowns.materials(row), ()).rss for row in x])
        return rss * 10.0 ** (self.gain_db[:, :, None] / 10.0)


def _truth(point: Point, free: NDArray[np.bool_]) -> _Truth:
    """Conductivities as in the paper; permittivities and offsets as wide as their priors. Objects
    that are tied by their material share a draw."""
    scene, radio = point.scene, point.radio
    shared = list(range(scene.num_objects))
    if point.groups == "material":
        shared = [scene.materials.index(m) for m in scene.materials]
    itu = scene.conductivity(radio.frequency)
    one = np.ones(scene.num_objects)
    factor = np.array([perturbed(one, seed)[shared] for seed in point.seeds])
    sigma = np.where(free, itu * factor, itu)  # what is fixed is known
    permittivity = None
    if "relative_permittivity" in point.unknowns:
        width = point.widths.get("relative_permittivity", KINDS["relative_permittivity"].width)
        draws = [perturbed(one, PERMITTIVITY_SEED + s, width, 2.0 * width) for s in point.seeds]
        known = scene.relative_permittivity(radio.frequency)
        permittivity = np.where(free, known * np.array(draws)[:, shared], known)
    gain = np.zeros((len(point.seeds), point.campaign.num_setups))
    if point.gain_offset_db is not None:
        size = min(point.gain_offset_db, KINDS["gain"].width)
        shape = gain.shape[1]
        gain = size * np.array(
            [np.random.default_rng([s, 4]).standard_normal(shape) for s in point.seeds]
        )
    belief = prior_of(scene, radio, np.inf)
    apart = unknowns_of(scene, point.campaign, radio, belief, quantities=point.unknowns)
    return _Truth(apart, sigma, permittivity, gain)


@dataclass(frozen=True, eq=False)
class _Question:
    """One seed's unknowns and levels, and which objects are free."""

    unknowns: Unknowns
    data: LeastSquares
    free: NDArray[np.bool_]

    def known(self, fit: Fit) -> Quantity:
        """What a fit says about the conductivities."""
        return quantity_of("conductivity", self.unknowns, fit, self.unknowns.known.conductivity)

    def permittivity(self, fit: Fit) -> Quantity | None:
        """The same of the permittivities, if they are unknown."""
        if "relative_permittivity" not in self.unknowns.entry:
            return None
        known = self.unknowns.known.relative_permittivity
        return quantity_of("relative_permittivity", self.unknowns, fit, known)


def _question(
    point: Point, campaign: Campaign, prior: Prior, rss: NDArray[np.float64]
) -> _Question:
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
    )
    return _Question(unknowns, data, prior.free)


@dataclass(frozen=True, eq=False)
class _Fit:
    """:param theta: [K] where the method ended; its error is the row's
    :param known: what is said of every object, the prior where unidentifiable
    :param permittivity: the same of ε_r, where it was unknown
    """

    theta: NDArray[np.float64]
    known: Quantity
    permittivity: Quantity | None
    loss: float
    iterations: int
    outcome: str
    seconds: float
    history: NDArray[np.float64]


def _inside(known: Quantity, truth: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (known.low <= truth) & (truth <= known.high)


def _permittivity_columns(
    known: Quantity | None, truth: NDArray[np.float64] | None, seed: int
) -> dict[str, Any]:
    if known is None or truth is None:
        empty: dict[str, list[Any]] = {
            "permittivity": [], "permittivity_std": [], "permittivity_verdict": [],
            "permittivity_truth": [],
        }  # fmt: skip
        return empty
    return {
        "permittivity": known.value.tolist(),
        "permittivity_std": known.std.tolist(),
        "permittivity_verdict": list(known.verdict),
        "permittivity_truth": truth[seed].tolist(),
    }


def _unheard(start: NDArray[np.float64], question: _Question) -> _Fit:
    """Nothing was received, so nothing is known."""
    unknowns = question.unknowns
    width = np.minimum(unknowns.width, unknowns.vague)
    size = len(width)
    verdict: tuple[Verdict, ...] = tuple("unidentifiable" for _ in range(size))
    nothing = Posterior(width, width, np.zeros(size, bool), np.zeros((0, 0)), verdict)
    fit = Fit(unknowns.mean, 0, "no_signal", 1.0, unknowns.width, nothing, np.zeros(0))
    known, permittivity = question.known(fit), question.permittivity(fit)
    return _Fit(start, known, permittivity, np.nan, 0, "no_signal", 0.0, np.zeros(0))


def _fit_adam(
    optimizer: Optimizer,
    objective: Objective,
    questions: Sequence[_Question],
    start: NDArray[np.float64],
    truth: NDArray[np.float64],
) -> list[_Fit]:
    """All seeds side by side; the seconds of the batch are shared out evenly."""
    free = questions[0].free
    clock = time.perf_counter()
    run = adam(
        objective,
        start,
        learning_rate=LEARNING_RATE[optimizer],
        logarithmic=optimizer == "adam_log",
        free=free,
    )
    seconds = (time.perf_counter() - clock) / len(start)
    history = (np.abs(run.path - truth)[..., free] / truth[:, free]).mean(axis=2)
    fits = []
    for s, (theta, question) in enumerate(zip(run.theta, questions, strict=True)):
        x = question.unknowns.at_conductivity(theta)
        fit = appraise(question.unknowns.predict(objective), question.data, x)
        loss, steps, ended = float(run.loss[s]), int(run.iterations[s]), run.outcome[s]
        known = question.known(fit)
        fits.append(_Fit(theta, known, None, loss, steps, ended, seconds, history[:steps, s]))
    return fits


def _fit_least_squares(
    objective: Objective,
    questions: Sequence[_Question],
    start: NDArray[np.float64],
    truth: NDArray[np.float64],
) -> list[_Fit]:
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
        loss = _loss(objective, theta, s, len(start))
        fits.append(_Fit(theta, known, None, loss, fit.evaluations, fit.outcome, seconds, history))
    return fits


def _fit_map(
    objective: Objective,
    questions: Sequence[_Question],
    start: NDArray[np.float64],
    seeds: Sequence[int],
    truth: NDArray[np.float64],
) -> list[_Fit]:
    """One seed after another, as :func:`~vlmrt_dist.estimation.estimate` does it."""
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
        loss = _loss(objective, theta, s, len(start))
        known, permittivity = question.known(fit), question.permittivity(fit)
        fits.append(
            _Fit(theta, known, permittivity, loss, fit.evaluations, fit.outcome, seconds, history)
        )
    return fits


def _loss(objective: Objective, theta: NDArray[np.float64], seed: int, seeds: int) -> float:
    """Loss (8) of one seed's conductivities against that seed's levels."""
    return float(objective.value_and_grad(np.tile(theta, (seeds, 1))).loss[seed].sum())


def _errors(seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Standard normal errors of the levels of one seed."""
    return np.random.default_rng([seed, 2]).standard_normal(shape)


def _plain(prior: MaterialPrior) -> list[Any]:
    """A prior as what a key is made of."""
    arrays = [np.asarray(x, np.float64).tolist() for x in (prior.c, prior.d, prior.width)]
    return [list(prior.names), list(prior.materials), *arrays]


def _held_out_db(
    point: Point, theta: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[F] root mean square error [dB] on links of one random setup that no fit has seen.

    :param theta: [F, K] the fits of all seeds, optimizer by optimizer
    :param truth: [S, K] the seeds' truths
    """
    from vlmrt_dist.objective import ReplayObjective
    from vlmrt_dist.tracing import trace

    fresh = random_campaign(point.scene, 1, HELD_OUT_RECEIVERS, seed=HELD_OUT_SEED)
    fresh = fresh.with_rss(np.zeros(fresh.present.shape))
    rss = []
    for radio, sigma in ((point.radio, theta), (point.true_radio, truth)):
        table = trace(point.scene, fresh, radio)
        rss.append(ReplayObjective(point.scene, fresh, radio, table).rss(sigma))
    there = (rss[0] > 0.0).all(axis=0) & (rss[1] > 0.0).all(axis=0)
    if not there.any():
        return np.full(len(theta), np.nan)
    true_rss = np.tile(rss[1][:, there], (len(theta) // len(truth), 1))
    error = watts_to_dbm(rss[0][:, there] / true_rss) - 30.0
    return np.sqrt((error**2).mean(axis=1))


def _keep(campaign: Campaign, heard: NDArray[np.bool_]) -> Campaign:
    """The campaign without links that are not heard, and without setups left empty."""
    kept = heard.any(axis=1)
    return dataclasses.replace(
        campaign,
        tx=campaign.tx[kept],
        rx=np.where(heard[..., None], campaign.rx, np.nan)[kept],
        rss_dbm=None,
        noise_db=0.0,
        present=heard[kept],
    )


def _on_actors(
    points: Sequence[Point], num_actors: int, options: Mapping[str, Any]
) -> Iterator[tuple[int, list[Row]]]:
    """Evaluate points on a pool of Ray actors; yields them by their number, as they come."""
    from vlmrt_dist.pool import map_on_actors

    if points:
        names, study = [str(point) for point in points], points[0].study
        yield from map_on_actors(evaluate, points, num_actors, names=names, study=study, **options)


def hardware() -> str:
    """What the evaluation ran on, in words."""
    from vlmrt_dist.llvm import choose_variant

    device = "GPU" if choose_variant().startswith("cuda") else "CPU"
    return f"{device}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"
