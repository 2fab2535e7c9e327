"""Levels at many points of one transmitter, with derivatives, a block of paths at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Area, Campaign, MeasurementSetup, RadioConfig
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.mean_length import path_lengths
from vlmrt_dist.field.objective import Levels
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths import LINKS_AT_ONCE, PathTable
from vlmrt_dist.scene import SceneModel

BLOCK = 4 * LINKS_AT_ONCE
"""Points that are held at a time: some 60,000 paths in the paper's room at depth 4."""


class LengthsAt(NamedTuple):
    """How path lengths are weighted and counted, see :func:`~vlmrt_dist.field.path_lengths`.

    :param materials: material parameters [K] that the paths' powers are those of
    :param area: the part of the plan in which length counts; None: everywhere
    """

    materials: Materials
    area: Area | None


class PointLevels(NamedTuple):
    """:param rows: [P'] points
    :param levels: for each of the materials the :class:`Levels` there ([1, P'], derivatives
        [P', K])
    :param length_m: [P'] mean length of their paths [m], if it was asked for
    """

    rows: IntArray
    levels: list[Levels]
    length_m: FloatArray | None


def point_levels(
    scene: SceneModel,
    tx: FloatArray,
    points: FloatArray,
    radio: RadioConfig,
    materials: Sequence[Materials],
    wanted: Sequence[Parameter] = (),
    lengths: LengthsAt | None = None,
) -> Iterator[PointLevels]:
    """Levels at points, and their derivatives, a block at a time.

    Neighbouring points are traced fastest together: give them tile by tile.

    :param tx: transmitter [3] [m]
    :param points: receivers [P,3] [m], none of them on a surface or on the transmitter
    :param materials: material parameters [K] at the carrier of ``radio``; a result for each
    :param wanted: parameters to differentiate by
    :param lengths: ask for the lengths of the paths too
    :return: points that a path reaches along a face are in no block: what arrives there is not
        defined
    :raises CampaignError: if the transmitter is on a surface
    """
    for begin in range(0, len(points), BLOCK):
        index = np.arange(begin, min(begin + BLOCK, len(points)))
        for some, table, campaign in _tables(scene, tx, points, index, radio):
            objective = ReplayObjective(scene, campaign, radio, table)
            levels = (objective.levels({radio.frequency: each}, wanted) for each in materials)
            found = None
            if lengths is not None:
                at, area = {radio.frequency: lengths.materials}, lengths.area
                found = path_lengths(scene, campaign, radio, at, area=area, table=table)
                found = found[campaign.present]
            yield PointLevels(some, [_present(each, campaign) for each in levels], found)


def _tables(
    scene: SceneModel, tx: FloatArray, points: FloatArray, index: IntArray, radio: RadioConfig
) -> Iterator[tuple[IntArray, PathTable, Campaign]]:
    """Paths to the points at ``index``; halves it until those are left out that a path grazes."""
    parts = np.split(index, range(LINKS_AT_ONCE, len(index), LINKS_AT_ONCE))
    planned = Campaign.from_setups([MeasurementSetup(tx, points[part]) for part in parts])
    campaign = planned.with_rss(np.where(planned.present, 0.0, np.nan))
    try:
        table = trace(scene, campaign, radio, cache=False)
    except NumericalError:
        if len(index) > 1:
            for half in np.array_split(index, 2):
                yield from _tables(scene, tx, points, half, radio)
        return
    yield index, table, campaign


def _present(levels: Levels, campaign: Campaign) -> Levels:
    """The levels [1, P'] of receivers that exist, the setups' one after another."""
    there = np.flatnonzero(campaign.present.ravel())
    by: dict[Parameter, sp.csr_matrix] = {name: d[there] for name, d in levels.by.items()}
    layers: dict[Parameter, sp.csr_matrix] = {n: d[there] for n, d in levels.layers.items()}
    return Levels(levels.rss.reshape(1, -1)[:, there], by, layers)
