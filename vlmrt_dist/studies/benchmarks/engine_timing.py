"""Time of one iteration by engine, as in the paper's Figure 1."""

from __future__ import annotations

import gc
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cores import own_cores
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Engine
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.evaluation import hardware
from vlmrt_dist.studies.point import content_key

TIMING_VERSION = 1
"""Part of every key: raise it when something else is timed."""

WARM_UP, BUILDS = 3, 11
REPEATS: dict[Engine, int] = {"retrace": 7, "replay": 200}


@dataclass(frozen=True, eq=False)
class Timed:
    """Subject of a timing: one engine, scene and campaign.

    :param study: name of the study
    :param label: what distinguishes it there
    :param campaign: M setups; what was measured does not matter to the time
    """

    study: str
    label: dict[str, float | str]
    engine: Engine
    scene: SceneModel
    campaign: Campaign
    radio: RadioConfig

    @property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) of what is timed; the hardware is not part of it."""
        parts = [
            self.label, self.engine, self.scene.key, self.campaign.key, self.radio.key,
            REPEATS[self.engine], engine_versions(),
            TIMING_VERSION, SCHEMA_VERSION,
        ]  # fmt: skip
        return content_key(parts)

    def __str__(self) -> str:
        return " ".join([self.engine, *(f"{k}={v}" for k, v in self.label.items())])


def measure(timed: Timed) -> Timing:
    """Time it: medians over repeats of warm kernels, with other conductivities in each.

    ``seconds_scene`` is the time of loading the geometry into Sionna, which replay needs for its
    single tracing as well; ``seconds_trace`` is that tracing.
    """
    # Imported late: these import Dr.Jit, which the driver of a pool must not.
    from vlmrt_dist.field import ReplayObjective, RetraceObjective, trace
    from vlmrt_dist.paths import LiveScene

    scene, campaign, radio = timed.scene, timed.campaign, timed.radio
    measured = np.full((1, *campaign.present.shape), 1e-9)
    per_object = timed.engine == "retrace"  # replay differentiates without Sionna
    # Each scene is dropped before the next: Dr.Jit compiles the materials of all that are alive
    # into every kernel.
    loads = [_clocked(lambda: LiveScene(scene, radio, material_per_object=per_object))[1]
             for _ in range(BUILDS)]  # fmt: skip
    gc.collect()
    num_paths, seconds_trace = -1, math.nan
    objective: ReplayObjective | RetraceObjective
    if timed.engine == "retrace":
        objective = RetraceObjective(scene, campaign, radio, measured)
    else:
        table, seconds_trace = _clocked(lambda: trace(scene, campaign, radio, cache=False))
        num_paths = table.num_paths
        objective = ReplayObjective(scene, campaign, radio, table, measured)
    sigma, repeats = scene.conductivity(radio.frequency), REPEATS[timed.engine]
    value, gradient = _medians(objective.rss, objective.value_and_grad, sigma, repeats)
    return nothing_timed(
        timed.study, timed.key, json.dumps(timed.label, sort_keys=True), timed.engine, radio,
        num_objects=scene.num_objects, num_setups=campaign.num_setups,
        num_links=campaign.num_links, num_paths=num_paths,
        seconds_scene=statistics.median(loads), seconds_trace=seconds_trace,
        seconds_value=value, seconds_gradient=gradient,
    )  # fmt: skip


def nothing_timed(
    study: str, key: str, label: str, engine: Engine, radio: RadioConfig, **known: Any
) -> Timing:
    """A row of this machine and these versions in which nothing is measured yet.

    :param key: content hash of what is to be timed
    :param label: JSON object of what distinguishes it
    :param known: other fields of :class:`~vlmrt_dist.store.rows.Timing`
    """
    counts = dict.fromkeys(
        ("num_objects", "num_setups", "num_links", "num_paths", "iterations", "peak_bytes"), -1
    )
    names = ("scene", "trace", "value", "gradient", "jacobian", "fit")
    values: dict[str, Any] = {
        **counts,
        **{f"seconds_{name}": math.nan for name in names},
        "mre": math.nan,
        "outcome": "measured",
        "max_depth": radio.max_depth,
        "samples_per_src": radio.samples_per_src,
        "hardware": f"{hardware()}, threads: {own_cores()}",  # --threads, an actor's share
        "versions": json.dumps(engine_versions()),
    }
    return Timing(study=study, key=key, label=label, engine=engine, **(values | known))


def median_seconds(work: Callable[[], Any], count: int, warm_up: int = 1) -> float:
    """Median wall seconds of ``count`` calls after some that do not count."""
    seconds = [_clocked(work)[1] for _ in range(warm_up + count)]
    return float(np.median(seconds[warm_up:]))


def backward(timing: Timing) -> float:
    """Seconds of the backward pass: value with gradient, less the value alone; NaN where the
    difference is lost in the spread."""
    seconds = timing.seconds_gradient - timing.seconds_value
    return seconds if seconds > 0.0 else math.nan


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Log-log slope of a least-squares line: 0 is constant, 1 linear; NaN with fewer than two."""
    x, y = np.asarray(sizes, np.float64), np.asarray(seconds, np.float64)
    there = np.isfinite(y) & (y > 0.0)
    if len(set(x[there])) < 2:
        return math.nan
    return float(np.polyfit(np.log(x[there]), np.log(y[there]), 1)[0])


def _clocked(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def _medians(
    value: Callable[[FloatArray], Any],
    gradient: Callable[[FloatArray], Any],
    sigma: FloatArray,
    repeats: int,
) -> tuple[float, float]:
    """Median seconds of each, taken in turn, so that what else the machine does meets both."""
    seconds = np.zeros((2, WARM_UP + repeats))
    for i in range(seconds.shape[1]):
        for j, call in enumerate((value, gradient)):
            theta = sigma[None] * (1.0 + 1e-4 * (2 * i + j))
            seconds[j, i] = _clocked(partial(call, theta))[1]
    first, second = np.median(seconds[:, WARM_UP:], axis=1)
    return float(first), float(second)
