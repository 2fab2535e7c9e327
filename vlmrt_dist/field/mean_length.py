"""Mean length of each link's paths, weighted by their power."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Area, Campaign, RadioConfig, carriers_of
from vlmrt_dist.field.materials import Materials
from vlmrt_dist.field.path_power import path_powers
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.field.walls import walls_of
from vlmrt_dist.paths import PathTable, path_points
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

NEGLIGIBLE = 1e-4
"""Share of the power of a link's strongest path below which a path does not count, where the part
of its length in an area is asked for."""


def path_lengths(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    materials: Mapping[float, Materials],
    *,
    area: Area | None = None,
    table: PathTable | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """[M, N] power-weighted mean length Σ P_i L_i / Σ P_i of the paths of each link [m].

    P_i is the power that path i carries by itself. A link whose direct path dominates has the
    distance of its antennas, one that is reached by reflections more.

    :param materials: material parameters [K] at each carrier [Hz]
    :param area: count only what of each path lies in this part of the plan, at any height; None:
        all of it
    :param table: the links' paths, where they are traced already
    :return: NaN where no path arrives
    """
    table = table or trace(scene, campaign, radio, progress=progress)
    power = np.zeros(table.num_paths)
    for carrier in carriers_of(scene, campaign, radio):
        rows = np.flatnonzero(np.isin(table.setup, carrier.setups))
        at = materials[carrier.radio.frequency]
        walls = walls_of(scene, carrier.radio.frequency)
        power[rows] = path_powers(table.rows(rows), carrier.radio, at, walls)
    links = campaign.present.size
    length, weight = table.length, power
    if area is not None:
        strongest = np.zeros(links)
        np.maximum.at(strongest, table.link, power)
        weight = np.where(power > NEGLIGIBLE * strongest[table.link], power, 0.0)
        kept = np.flatnonzero(weight)
        length = np.zeros(table.num_paths)
        length[kept] = _inside(scene, campaign, table.rows(kept), area)
    total = np.bincount(table.link, weight, links)
    sums = np.bincount(table.link, weight * length, links)
    mean = np.divide(sums, total, out=np.full(links, np.nan), where=total > 0.0)
    return mean.reshape(campaign.present.shape)


def _inside(scene: SceneModel, campaign: Campaign, table: PathTable, area: Area) -> FloatArray:
    """[P] length [m] of each path in an area."""
    # Setups of a padded campaign number their receivers one after another.
    number = np.cumsum(campaign.present, axis=1) - 1
    packed = number[table.setup, table.receiver].astype(np.int32)
    table = dataclasses.replace(table, receiver=packed)
    points = path_points(scene, campaign.setups, table)
    begin, end = points[:, :-1].reshape(-1, 3), points[:, 1:].reshape(-1, 3)
    length = np.linalg.norm(end - begin, axis=1)
    return (length * area.share_of(begin, end)).reshape(table.num_paths, -1).sum(axis=1)
