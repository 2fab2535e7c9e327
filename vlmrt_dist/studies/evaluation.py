"""The rows of points: their methods run on all seeds, on paths traced once."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import restarts
from vlmrt_dist.engine import choose_variant, engine_versions
from vlmrt_dist.field import power_loss
from vlmrt_dist.inference import (
    Assumptions,
    ConductivityPrior,
    Evaluator,
    Prior,
    QuantityEstimate,
    build_problem,
    mean_relative_error,
    unknowns_of,
)
from vlmrt_dist.store import Row
from vlmrt_dist.studies.adam_runs import AdamRun, Measured, adam_runs
from vlmrt_dist.studies.levels import StudyLevels, held_out_db, study_levels
from vlmrt_dist.studies.methods import MethodFit, cramer_rao, run_method, unheard
from vlmrt_dist.studies.point import Method, Point
from vlmrt_dist.studies.truths import Truth
from vlmrt_dist.units import dbm_to_watts, watts_to_dbm


def evaluate(point: Point) -> list[Row]:
    """The rows of one point, one for each optimizer and seed.

    Where no link has a path, the estimate stays where it began, with outcome "no_signal".
    """
    return evaluate_together([point])[0]


def evaluate_together(points: Sequence[Point]) -> list[list[Row]]:
    """The rows of points that differ in their start, label, positions and seeds only, point by
    point.

    :param points: with equal :attr:`~vlmrt_dist.studies.point.Point.companions`; what they share is
        traced and simulated once, and Adam's runs of all go side by side
    """
    alike: dict[str, list[int]] = {}
    for number, each in enumerate(points):
        alike.setdefault(each.of_shared_levels, []).append(number)
    parts = [[points[i] for i in some] for some in alike.values()]
    levels = [study_levels(part) for part in parts]
    measured = [
        _measured(part[0], each) if each.heard.any() else None
        for part, each in zip(parts, levels, strict=True)
    ]
    heard = [i for i, each in enumerate(measured) if each is not None]
    adams: list[dict[Method, AdamRun]] = [{} for _ in parts]
    for method in points[0].optimizers:
        if method.startswith("adam"):
            runs = adam_runs(points[0], method, [each for each in measured if each is not None])
            for i, run in zip(heard, runs, strict=True):
                adams[i][method] = run
    found: dict[int, list[Row]] = {}
    for i, some in enumerate(alike.values()):
        rows = _rows(parts[i], levels[i], measured[i], adams[i])
        found |= zip(some, rows, strict=True)
    return [found[i] for i in range(len(points))]


def _measured(point: Point, levels: StudyLevels) -> Measured:
    return Measured(*levels.kept(point), levels.start, levels.free)


def _rows(
    points: Sequence[Point],
    levels: StudyLevels,
    measured: Measured | None,
    adams: Mapping[Method, AdamRun],
) -> list[list[Row]]:
    """The rows of points that differ in their start and label only.

    :param measured: None: no link has a path
    :param adams: what Adam's methods found
    """
    point = points[0]
    bounds: list[FloatArray] = []
    if measured is not None:
        fits, bounds, losses = _fits(point, levels, measured, adams)
    else:
        fits = _unheard(point, levels)
        losses = np.full(len(fits), np.nan)
    held_out = held_out_db(point, fits, levels.truth)
    runs = len(levels.seeds)
    rows: list[list[Row]] = []
    for number, each in enumerate(points):
        shared = _shared_columns(each, levels)
        configuration = {o: each.configuration(o) for o in each.optimizers}
        rows.append([])
        for key, (optimizer, seed) in each.row_keys.items():
            s = number * len(each.seeds) + each.seeds.index(seed)
            f = each.optimizers.index(optimizer) * runs + s
            rows[-1].append(Row(
                **shared,
                **_columns_of(fits[f], levels, s),
                key=key,
                configuration=configuration[optimizer],
                optimizer=optimizer,
                seed=seed,
                held_out_db=float(held_out[f]),
                loss=float(losses[f]),
                crb=bounds[s].tolist() if bounds else [],
            ))  # fmt: skip
    return rows


def _fits(
    point: Point,
    levels: StudyLevels,
    measured: Measured,
    adams: Mapping[Method, AdamRun],
) -> tuple[list[MethodFit], list[FloatArray], FloatArray]:
    """Fits method by method, the seeds of each in order; Cramér-Rao bounds [K] of each seed; and
    the loss (8) of each fit."""
    campaign, table, objective, rss, start, _ = measured
    sigma = levels.truth.conductivity
    evaluator = Evaluator(objective, table.num_paths, table.certificate, table.num_fragile)
    bounds: list[FloatArray] = []
    fits: list[MethodFit] = []
    for method in point.optimizers:
        problems = [
            build_problem(
                point.scene, campaign.with_rss(watts_to_dbm(rss[s])),
                _assumptions(point, method, s), evaluator, prior,
            )
            for s, prior in enumerate(_priors(point, levels, method))
        ]  # fmt: skip
        if not bounds:
            bounds = [cramer_rao(*each) for each in zip(problems, sigma, strict=True)]
        fits += run_method(method, levels.seeds, problems, start, sigma, adams.get(method))
    thetas = np.array([fit.theta for fit in fits]).reshape(-1, *start.shape)
    losses = np.concatenate([objective.value_and_grad(x).loss.sum(axis=1) for x in thetas])
    for f, fit in enumerate(fits):
        if fit.level_dbm is not None:
            own = rss[f % len(levels.seeds)][None]
            level = dbm_to_watts(fit.level_dbm).reshape(own.shape)
            losses[f] = power_loss(level, own)[0].sum()
    return fits, bounds, losses


def _unheard(point: Point, levels: StudyLevels) -> list[MethodFit]:
    fits = []
    for method in point.optimizers:
        assumed = _assumptions(point, method, 0)
        for start, prior in zip(levels.start, _priors(point, levels, method), strict=True):
            unknowns = unknowns_of(
                point.scene, point.campaign, point.radio, prior, assumed.parameters,
                noise=assumed.noise,
            )  # fmt: skip
            fits.append(unheard(start, unknowns))
    return fits


def _assumptions(point: Point, method: Method, seed: int) -> Assumptions:
    """Assumptions of a method about the seed with index ``seed``; only "map" has a prior, as in the
    paper the others' start stands in its place."""
    prior = Prior(point.prior_width) if point.priors is None else point.priors[seed]
    return Assumptions(
        point.radio, prior if method == "map" else Prior(np.inf), point.parameters, point.noise,
        point.loss,
    )  # fmt: skip


def _priors(point: Point, levels: StudyLevels, method: Method) -> Sequence[ConductivityPrior]:
    if method == "map":
        return levels.priors
    none = np.full(point.scene.num_objects, np.inf)
    return [
        ConductivityPrior(x, none, prior.free)
        for x, prior in zip(levels.start, levels.priors, strict=True)
    ]


def _shared_columns(point: Point, levels: StudyLevels) -> dict[str, Any]:
    """Columns that all rows of a point share."""
    scene, radio, table, heard = point.scene, point.radio, levels.table, levels.heard
    return {
        "study": point.study,
        "label": json.dumps(point.label, sort_keys=True),
        "initial": str(point.initial),
        "engine": "replay",
        "protocol": point.reported_protocol,
        "combining": radio.combining,
        "max_depth": radio.max_depth,
        "samples_per_src": radio.samples_per_src,
        "path_set": radio.path_set,
        "noise_db": point.noise_db,
        "complete_to": table.certificate,
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


def _columns_of(fit: MethodFit, levels: StudyLevels, seed: int) -> dict[str, Any]:
    """Columns of one fit of the seed with index ``seed``."""
    start, sigma = levels.start[seed], levels.truth.conductivity[seed]
    free = levels.free
    return {
        "initial_mre": mean_relative_error(start[free], sigma[free]),
        "mre": mean_relative_error(fit.theta[free], sigma[free]),
        "iterations": fit.iterations,
        "outcome": fit.outcome,
        "seconds_fit": fit.seconds,
        "conductivity": fit.theta.tolist(),
        "std": fit.known.std.tolist(),
        "low": fit.known.low.tolist(),
        "high": fit.known.high.tolist(),
        "verdict": list(fit.known.verdict),
        "contradicts_prior": list(fit.known.contradicts_prior),
        "coverage": float(np.mean(fit.known.holds(sigma)[free])),
        "truth": sigma.tolist(),
        "mre_history": fit.history.tolist(),
        "loss_history": fit.losses.tolist(),
        **_permittivity_columns(fit.permittivity, levels.truth, seed),
    }


def _permittivity_columns(
    known: QuantityEstimate | None, truth: Truth, seed: int
) -> dict[str, list[Any]]:
    if known is None or truth.permittivity is None:
        return {
            "permittivity": [],
            "permittivity_std": [],
            "permittivity_verdict": [],
            "permittivity_truth": [],
        }
    return {
        "permittivity": known.value.tolist(),
        "permittivity_std": known.std.tolist(),
        "permittivity_verdict": list(known.verdict),
        "permittivity_truth": truth.permittivity[seed].tolist(),
    }


def hardware() -> str:
    """Device, cores and processor of this machine, in words."""
    device = "GPU" if choose_variant().startswith("cuda") else "CPU"
    return f"{device}, {usable_cores()} cores, {platform.machine()}"
