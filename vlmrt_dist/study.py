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
from vlmrt_dist.estimation import LEARNING_RATE, Optimizer, mean_relative_error
from vlmrt_dist.ledger import Ledger, Row
from vlmrt_dist.optimizers import LeastSquares, adam, levenberg_marquardt
from vlmrt_dist.posterior import MIN_NOISE_DB
from vlmrt_dist.priors import Initial, initial_conductivity, prior_of
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, random_campaign
from vlmrt_dist.simulation import perturbed
from vlmrt_dist.units import watts_to_dbm

Protocol = Literal["same_paths", "independent"]

TRUTH_SEED = 1_000_003
"""Added to the path seed for the truth of the ``independent`` protocol."""

HELD_OUT_RECEIVERS, HELD_OUT_SEED = 8, 20_251
"""The random setup that every fit is tried on, though none has seen it."""

STUDY_VERSION = 1
"""Part of every key: raise it when the same point would give other rows."""

ENGINE_VERSIONS = ("sionna-rt", "drjit", "mitsuba", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Point:
    """One configuration of a study, for several seeds.

    :param study: name of the study
    :param scene: K objects; their own conductivities are the ITU values that truths vary about
    :param campaign: positions of M setups of N receivers
    :param radio: radio configuration of the estimation
    :param optimizers: which optimizers, on the same paths
    :param initial: where they start
    :param protocol: whether the truth is simulated on the estimation's own paths
    :param seeds: a truth each
    :param label: what distinguishes the point within its study, for tables and figures
    """

    study: str
    scene: SceneModel
    campaign: Campaign
    radio: RadioConfig
    optimizers: tuple[Optimizer, ...]
    initial: Initial
    protocol: Protocol
    seeds: tuple[int, ...]
    label: dict[str, float | str] = field(default_factory=dict)

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

    scene, radio = point.scene, point.radio
    table = trace(scene, point.campaign, radio)
    itu = scene.conductivity(radio.frequency)
    prior = prior_of(scene, radio, np.inf)
    drawn = np.array([perturbed(itu, seed) for seed in point.seeds])
    truth = np.where(prior.free, drawn, itu)  # what is fixed is known
    planned = point.campaign.with_rss(np.where(point.campaign.present, 0.0, np.nan))
    same = ReplayObjective(scene, planned, radio, table)
    rss = same.rss(truth)
    if point.protocol == "independent":
        paths = trace(scene, point.campaign, point.true_radio)
        rss = ReplayObjective(scene, planned, point.true_radio, paths).rss(truth)
    # A link that either side cannot hear is no measurement.
    heard = point.campaign.present & (rss > 0.0).all(axis=0) & (same.rss(itu[None])[0] > 0.0)
    start = np.array(
        [
            initial_conductivity(point.initial, prior, np.random.default_rng([seed, 1]))
            for seed in point.seeds
        ]
    )
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
    if heard.any():
        campaign, kept = _keep(point.campaign, heard), heard.any(axis=1)
        rss = np.where(heard, rss, np.nan)[:, kept]
        table = table.setups(np.flatnonzero(kept).tolist())
        objective = ReplayObjective(scene, campaign, radio, table, measured=rss)
    free = prior.free
    fits: list[_Fit] = []  # optimizer by optimizer, the seeds of each in order
    for optimizer in point.optimizers:
        if objective is None:
            fits += [_Fit(x, float("nan"), 0, "no_signal", 0.0, np.zeros(0)) for x in start]
        elif optimizer == "levenberg_marquardt":
            fits += _fit_least_squares(objective, free, start, truth, rss)
        else:
            fits += _fit_adam(optimizer, objective, free, start, truth)
    held_out = _held_out_db(point, np.array([fit.theta for fit in fits]), truth)
    which = [(o, s) for o in point.optimizers for s in range(len(point.seeds))]
    return [
        Row(
            **shared,
            optimizer=optimizer,
            seed=point.seeds[s],
            initial_mre=mean_relative_error(start[s][free], truth[s][free]),
            mre=mean_relative_error(fit.theta[free], truth[s][free]),
            held_out_db=float(held_out_db),
            loss=fit.loss,
            iterations=fit.iterations,
            outcome=fit.outcome,
            seconds_fit=fit.seconds,
            conductivity=fit.theta.tolist(),
            truth=truth[s].tolist(),
            mre_history=fit.history.tolist(),
        )
        for (optimizer, s), fit, held_out_db in zip(which, fits, held_out, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Fit:
    theta: NDArray[np.float64]
    loss: float
    iterations: int
    outcome: str
    seconds: float
    history: NDArray[np.float64]


def _fit_adam(
    optimizer: Optimizer,
    objective: Any,
    free: NDArray[np.bool_],
    start: NDArray[np.float64],
    truth: NDArray[np.float64],
) -> list[_Fit]:
    """All seeds side by side; the seconds of the batch are shared out evenly."""
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
    return [
        _Fit(
            run.theta[s],
            float(run.loss[s]),
            int(run.iterations[s]),
            run.outcome[s],
            seconds,
            history[: run.iterations[s], s],
        )
        for s in range(len(start))
    ]


def _fit_least_squares(
    objective: Any,
    free: NDArray[np.bool_],
    start: NDArray[np.float64],
    truth: NDArray[np.float64],
    rss: NDArray[np.float64],
) -> list[_Fit]:
    """One seed after another, maximum likelihood as the paper has no prior."""
    fits = []
    for s in range(len(start)):
        level = watts_to_dbm(rss[s]).ravel()
        data = LeastSquares(
            level_dbm=level,
            noise_db=np.full(level.shape, MIN_NOISE_DB),
            used=np.isfinite(level),
            prior=start[s],
            prior_width=np.inf,
            free=free,
        )
        clock = time.perf_counter()
        fit = levenberg_marquardt(objective, data, start[s][None])
        seconds = time.perf_counter() - clock
        loss = objective.value_and_grad(np.tile(fit.theta, (len(start), 1))).loss[s].sum()
        history = np.array([mean_relative_error(x[free], truth[s][free]) for x in fit.path])
        fits.append(_Fit(fit.theta, loss, fit.evaluations, fit.outcome, seconds, history))
    return fits


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
