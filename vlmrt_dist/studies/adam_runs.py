"""Runs of Adam of points that differ in their start, positions and seeds, side by side.

An iteration of one campaign takes a kernel and a hundred small arrays, however few vectors it
steps, so campaigns of one size are stepped together, with the bits that each has alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.field import Differentiable, walls_of
from vlmrt_dist.inference import ADAMS, Adam, AdamResult, run_adam
from vlmrt_dist.paths import PathTable
from vlmrt_dist.studies.point import Method, Point

if TYPE_CHECKING:
    from vlmrt_dist.field import ReplayObjective


class AdamRun(NamedTuple):
    """:param result: of S vectors
    :param seconds: wall time of each; what ran side by side shares it evenly [s]
    """

    result: AdamResult
    seconds: float


class Measured(NamedTuple):
    """What an estimation of S seeds has, links left out that are not heard.

    :param campaign: M setups of N receivers
    :param table: their paths
    :param objective: replays them
    :param rss: [S, M, N] received powers [W]
    :param start: [S, K] initial conductivities [S/m]
    :param free: [K] objects whose conductivity is unknown
    """

    campaign: Campaign
    table: PathTable
    objective: ReplayObjective
    rss: FloatArray
    start: FloatArray
    free: BoolArray


def adam_runs(point: Point, method: Method, measured: Sequence[Measured]) -> list[AdamRun]:
    """Adam on each of several campaigns.

    :param point: one of those that the campaigns are of
    :param method: one of Adam's
    """
    solver = _solver(point, method)
    sizes: dict[tuple[int, ...], list[int]] = {}
    for i, each in enumerate(measured):
        alone = () if _is_plain(point, each.campaign) else (i,)
        sizes.setdefault((*each.rss.shape, *alone), []).append(i)
    found: dict[int, AdamRun] = {}
    for some in sizes.values():
        together = [measured[i] for i in some]
        found |= zip(some, _together(point, solver, together), strict=True)
    return [found[i] for i in range(len(measured))]


def _solver(point: Point, method: Method) -> Adam:
    most = point.adam.max_iterations
    solver = point.adam if method == "adam" else replace(ADAMS[method], max_iterations=most)
    return replace(solver, rate=point.learning_rate) if point.learning_rate else solver


def _is_plain(point: Point, campaign: Campaign) -> bool:
    """Whether :class:`~vlmrt_dist.field.SideBySide` serves a campaign."""
    radio = point.radio
    other = radio.diffuse_reflection or walls_of(point.scene, radio.frequency) is not None
    return not other and campaign.frequency is None


def _together(point: Point, solver: Adam, measured: Sequence[Measured]) -> list[AdamRun]:
    """Campaigns of one size."""
    from vlmrt_dist.field import SideBySide  # imports Dr.Jit

    clock = time.perf_counter()
    objective: Differentiable = measured[0].objective
    if len(measured) > 1:
        objective = SideBySide(
            point.scene, point.radio, [m.table for m in measured], [m.rss for m in measured]
        )
    start = np.concatenate([m.start for m in measured])
    result = run_adam(objective, start, solver, free=measured[0].free)
    seconds = (time.perf_counter() - clock) / len(start)
    size = len(measured[0].start)
    return [
        AdamRun(_part(result, slice(begin, begin + size)), seconds)
        for begin in range(0, len(start), size)
    ]


def _part(result: AdamResult, some: slice) -> AdamResult:
    return AdamResult(
        result.theta[some], result.loss[some], result.iterations[some], result.outcome[some],
        result.losses[:, some], result.path[:, some],
    )  # fmt: skip
