"""Many estimations: points (a configuration, several seeds), here or on a pool of Ray actors.

A point is evaluated as one batch: its paths are traced once, and its seeds, which differ in the
true conductivities, run side by side. What comes out are flat rows for the ledger.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, random_campaign
from vlmrt_dist.distributed import STUDY_METRICS, ActorOptions, restarts
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Materials, normalized_absolute_error
from vlmrt_dist.inference import (
    Prior,
    Quantity,
    initial_conductivity,
    mean_relative_error,
    prior_of,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY
from vlmrt_dist.store import Ledger, Row
from vlmrt_dist.studies.methods import (
    MethodFit,
    cramer_rao,
    fit_adam,
    fit_least_squares,
    fit_map,
    question_of,
    unheard,
)
from vlmrt_dist.studies.point import Method, Point, Protocol
from vlmrt_dist.studies.truths import Truth, level_errors, truth_of
from vlmrt_dist.units import dbm_to_watts, watts_to_dbm

__all__ = ["Method", "Point", "Protocol", "evaluate", "hardware", "run"]

HELD_OUT_RECEIVERS, HELD_OUT_SEED = 8, 20_251
"""The random setup that every fit is tried on, though none has seen it."""


def run(
    points: Sequence[Point],
    ledger: Ledger,
    *,
    workers: ActorOptions | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Evaluate what the ledger does not hold yet, and return the rows of all points.

    Rows are published as soon as they are there, so a run that was killed goes on where it stopped
    when it is started again. What a point lacks, such as seeds that are new, is evaluated as one
    batch; what it has is not done again.

    :param points: what to evaluate
    :param ledger: where rows are looked up and published
    :param workers: Ray actors that evaluate points; None: this process does
    :param progress: called with the point, the points done and the points in all
    """
    found: dict[tuple[str, str], Row] = {}
    for study in dict.fromkeys(point.study for point in points):
        asked = [key for point in points if point.study == study for key in point.row_keys]
        found |= {(study, key): row for key, row in ledger.read(study, asked).items()}
    lacking = [{key for key in p.row_keys if (p.study, key) not in found} for p in points]
    parts = [(i, part) for i, keys in enumerate(lacking) for part in points[i].parts(keys)]
    left = [sum(i == index for i, _ in parts) for index in range(len(points))]
    if progress is not None:
        progress("", left.count(0), len(points))
    missing = [part for _, part in parts]
    if workers is not None:
        evaluations = _on_actors(missing, workers)
    else:
        evaluations = enumerate(map(evaluate, missing))
    for number, rows in evaluations:
        index, part = parts[number]
        publish(ledger, rows)
        found |= {(part.study, row.key): row for row in rows}
        left[index] -= 1
        if progress is not None and left[index] == 0:
            progress(str(part), left.count(0), len(points))
    return [found[point.study, key] for point in points for key in point.row_keys]


def publish(ledger: Ledger, rows: Sequence[Row]) -> None:
    """Keep the rows of a point that is done, and tell the metrics."""
    ledger.publish(rows[0].study, rows)
    for row in rows:
        STUDY_METRICS.tell_estimation(
            row.study,
            row.engine,
            loss=row.loss,
            mre=row.mre,
            iterations=row.iterations,
            seconds=row.seconds_fit,
        )
    STUDY_METRICS.tell_tracing(
        rows[0].study, rows[0].engine, rows[0].num_paths, rows[0].seconds_trace
    )


def evaluate(point: Point) -> list[Row]:
    """The rows of one point, one for each optimizer and seed.

    Where no link has a path, the estimate stays where it began, with outcome "no_signal".
    """
    # Imported late: these wake up the ray tracer, which the driver of a pool must not.
    from vlmrt_dist.field import ReplayObjective, trace

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
    truth = truth_of(point, free)
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
    error_db = np.array([level_errors(seed, rss.shape[1:]) for seed in seeds]) * point.noise_db
    rss = rss * 10.0 ** (error_db / 10.0)
    shared: dict[str, Any] = {
        "study": point.study,
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
        "scene": scene.key,
        "tx": point.campaign.tx.ravel().tolist(),
        "rx": point.campaign.rx.ravel().tolist(),
        "seconds_trace": float(table.seconds.sum()),
        "names": list(scene.names),
        "restarts": restarts(),
        "hardware": hardware(),
        "versions": json.dumps(engine_versions()),
    }
    objective = None
    campaign = point.campaign
    if heard.any():
        campaign, kept = _keep(point.campaign, heard), heard.any(axis=1)
        rss = np.where(heard, rss, np.nan)[:, kept]
        table = table.setups(np.flatnonzero(kept).tolist())
        objective = ReplayObjective(scene, campaign, radio, table, measured=rss)
    sigma = truth.conductivity
    bounds: list[FloatArray] = []
    fits: list[MethodFit] = []  # method by method, the seeds of each in order
    for optimizer in point.optimizers:
        believed = priors
        if optimizer != "map":  # as in the paper: no prior, the start stands in its place
            none = np.full(scene.num_objects, np.inf)
            believed = [Prior(x, none, free) for x in start]
        asked = [question_of(point, campaign, p, r) for p, r in zip(believed, rss, strict=True)]
        if objective is not None and not bounds:
            bounds = [cramer_rao(objective, *each) for each in zip(asked, sigma, strict=True)]
        if objective is None:
            fits += [unheard(x, question) for x, question in zip(start, asked, strict=True)]
        elif optimizer == "map":
            fits += fit_map(objective, asked, start, seeds, sigma)
        elif optimizer == "levenberg_marquardt":
            fits += fit_least_squares(objective, asked, start, sigma)
        else:
            fits += fit_adam(optimizer, objective, asked, start, sigma, point.learning_rate)
    losses = np.full(len(fits), np.nan)
    if objective is not None:
        thetas = np.array([fit.theta for fit in fits]).reshape(-1, *start.shape)
        losses = np.concatenate([objective.value_and_grad(x).loss.sum(axis=1) for x in thetas])
        for f, fit in enumerate(fits):
            if fit.level_dbm is not None:
                measured = rss[f % len(seeds)][None]
                level = dbm_to_watts(fit.level_dbm).reshape(measured.shape)
                losses[f] = normalized_absolute_error(level, measured)[0].sum()
    held_out = _held_out_db(point, fits, truth)
    which = [(o, s) for o in point.optimizers for s in range(len(point.seeds))]
    configuration = {o: point.configuration(o) for o in point.optimizers}
    return [
        Row(
            **shared,
            key=key,
            configuration=configuration[optimizer],
            optimizer=optimizer,
            seed=point.seeds[s],
            initial_mre=mean_relative_error(start[s][free], sigma[s][free]),
            mre=mean_relative_error(fit.theta[free], sigma[s][free]),
            held_out_db=float(held_out_db),
            loss=float(loss),
            iterations=fit.iterations,
            outcome=fit.outcome,
            seconds_fit=fit.seconds,
            conductivity=fit.theta.tolist(),
            std=fit.known.std.tolist(),
            crb=bounds[s].tolist() if bounds else [],
            low=fit.known.low.tolist(),
            high=fit.known.high.tolist(),
            verdict=list(fit.known.verdict),
            contradicts_prior=list(fit.known.contradicts_prior),
            coverage=float(np.mean(_inside(fit.known, sigma[s])[free])),
            truth=sigma[s].tolist(),
            mre_history=fit.history.tolist(),
            loss_history=fit.losses.tolist(),
            **_permittivity_columns(fit.permittivity, truth.permittivity, s),
        )
        for key, (optimizer, s), fit, loss, held_out_db in zip(
            point.row_keys, which, fits, losses, held_out, strict=True
        )
    ]


def _inside(known: Quantity, truth: FloatArray) -> BoolArray:
    return (known.low <= truth) & (truth <= known.high)


def _permittivity_columns(
    known: Quantity | None, truth: FloatArray | None, seed: int
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


def _held_out_db(point: Point, fits: Sequence[MethodFit], truth: Truth) -> FloatArray:
    """[F] root mean square error [dB] on links of one random setup that no fit has seen, without
    the setups' offsets; NaN where none is asked for.

    :param fits: those of all seeds, optimizer by optimizer
    :param truth: the seeds' truths
    """
    from vlmrt_dist.field import ReplayObjective, trace

    if not point.held_out:
        return np.full(len(fits), np.nan)
    fresh = random_campaign(point.scene, 1, HELD_OUT_RECEIVERS, seed=HELD_OUT_SEED)
    fresh = fresh.with_rss(np.zeros(fresh.present.shape))
    theta = np.array([fit.theta for fit in fits])
    found = [x for fit in fits if (x := fit.fitted_permittivity) is not None]
    rss = []
    for radio, sigma, permittivity in (
        (point.radio, theta, np.array(found) if found else None),
        (point.true_radio, truth.conductivity, truth.permittivity),
    ):
        table = trace(point.scene, fresh, radio)
        objective = ReplayObjective(point.scene, fresh, radio, table)
        if permittivity is None:
            rss.append(objective.rss(sigma))
            continue
        each = [Materials(*x, point.scene.thickness) for x in zip(sigma, permittivity, strict=True)]
        rss.append(np.array([objective.levels({radio.frequency: x}, ()).rss for x in each]))
    there = (rss[0] > 0.0).all(axis=0) & (rss[1] > 0.0).all(axis=0)
    if not there.any():
        return np.full(len(theta), np.nan)
    true_rss = np.tile(rss[1][:, there], (len(theta) // len(point.seeds), 1))
    error = watts_to_dbm(rss[0][:, there] / true_rss) - 30.0
    # Row by row: added up together, other seeds would change the last bit.
    return np.array([np.sqrt(np.mean(each)) for each in np.ascontiguousarray(error**2)])


def _keep(campaign: Campaign, heard: BoolArray) -> Campaign:
    """The campaign without links that are not heard, and without setups left empty."""
    kept = heard.any(axis=1)
    return dataclasses.replace(
        campaign,
        tx=campaign.tx[kept],
        rx=np.where(heard[..., None], campaign.rx, np.nan)[kept],
        rss_dbm=None,
        noise_db=0.0,
        present=heard[kept],
        censored=None,  # type: ignore[arg-type]  # none, as many as are kept
        frequency=None if campaign.frequency is None else campaign.frequency[kept],
    )


def _on_actors(points: Sequence[Point], workers: ActorOptions) -> Iterator[tuple[int, list[Row]]]:
    """Evaluate points on a pool of Ray actors; yields them by their number, as they come."""
    from vlmrt_dist.distributed import map_on_actors

    if points:
        names, study = [str(point) for point in points], points[0].study
        yield from map_on_actors(evaluate, points, workers, names=names, study=study)


def hardware() -> str:
    """What the evaluation ran on, in words."""
    from vlmrt_dist.engine import choose_variant

    device = "GPU" if choose_variant().startswith("cuda") else "CPU"
    return f"{device}, {len(os.sched_getaffinity(0))} cores, {platform.machine()}"
