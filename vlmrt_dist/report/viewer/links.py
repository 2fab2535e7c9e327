"""Links of a campaign for the 3D page: levels, residuals, and the paths with their powers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig, carriers_of
from vlmrt_dist.field import ReplayObjective, path_powers, trace, walls_of
from vlmrt_dist.inference import Calibration, LinkLevels, bounded, calibrated_materials
from vlmrt_dist.paths import NONE, PathTable, path_points
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import watts_to_dbm

PATHS_OF_LINK = 40
"""Most paths of a link that a page holds, the strongest."""

PATHS_OF_PAGE = 12_000
"""Most paths of all links together, some 150 bytes each."""


@dataclass(frozen=True, eq=False)
class PathRows:
    """P paths of a page, link by link, the strongest first.

    :param link: [P] setup · N + receiver
    :param power_dbm: [P]
    :param length: [P] [m]
    :param points: [P, D + 2, 3] transmitter, interactions, receiver [m]
    :param kind: [P, D]
    :param object: [P, D]
    """

    link: IntArray
    power_dbm: FloatArray
    length: FloatArray
    points: FloatArray
    kind: IntArray
    object: IntArray


@dataclass(frozen=True, eq=False)
class LinkView:
    """Links of M setups with N receivers.

    :param replayed_dbm: [M, N] levels by the paths; NaN where no receiver is or no path arrives
    :param residual_db: [M, N] measured minus replayed; NaN where that is not known
    :param met_db: [K] residual of the links that meet each object: root of the mean square,
        weighted with the share of each link's power that passes by the object; None: not measured
    :param num_paths: [M, N] paths found
    :param paths: those that the page holds
    """

    replayed_dbm: FloatArray
    residual_db: FloatArray
    met_db: FloatArray | None
    num_paths: IntArray
    paths: PathRows


def view_links(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    calibration: Calibration | None,
    levels: LinkLevels | None = None,
    progress: Progress | None = None,
) -> LinkView:
    """The links of a campaign, traced and replayed.

    :param calibration: materials to replay with; None: the scene's own
    :param levels: of an estimate of this campaign; None: they are replayed
    """
    table = trace(scene, campaign, radio, progress=progress)
    power = np.zeros(table.num_paths)
    carriers = carriers_of(scene, campaign, radio)
    at = {}
    for carrier in carriers:
        frequency = carrier.radio.frequency
        at[frequency] = calibrated_materials(scene, calibration, frequency)
        rows = np.flatnonzero(np.isin(table.setup, carrier.setups))
        walls = walls_of(scene, frequency)
        power[rows] = path_powers(table.rows(rows), carrier.radio, at[frequency], walls)
    if levels is None:
        silent = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
        rss = ReplayObjective(scene, silent, radio, table).levels(at, ()).rss
        replayed = watts_to_dbm(rss)
        replayed[~(rss > 0.0)] = np.nan
        residual = np.full(replayed.shape, np.nan)
        if campaign.rss_dbm is not None:
            residual = campaign.rss_dbm - replayed
            residual = bounded(residual, campaign.censored, campaign.saturated)
    else:
        replayed, residual = levels.replayed_dbm, levels.residual_db
    met = None if campaign.rss_dbm is None else _met(table, power, residual)
    return LinkView(
        replayed, residual, met, table.paths_per_link, _strongest(scene, campaign, table, power)
    )


def _met(table: PathTable, power: FloatArray, residual: FloatArray) -> FloatArray:
    """[K] residual of the links that meet each object; NaN where none does."""
    path, step = np.nonzero(table.kind != NONE)
    pairs = np.unique(np.stack([path, table.object[path, step]]), axis=1)
    shape = (table.num_setups * table.num_receivers, table.num_objects)
    share = sp.coo_matrix((power[pairs[0]], (table.link[pairs[0]], pairs[1])), shape).tocsr()
    total = np.bincount(table.link, power, shape[0])
    known = np.isfinite(residual.ravel()) & (total > 0.0)
    weight = np.where(known, 1.0 / np.where(total > 0.0, total, 1.0), 0.0)
    square = np.where(known, residual.ravel(), 0.0) ** 2
    sums = np.asarray(share.T @ (weight * square)), np.asarray(share.T @ weight)
    mean = np.divide(*sums, out=np.full(shape[1], np.nan), where=sums[1] > 0.0)
    return np.sqrt(mean)


def _strongest(
    scene: SceneModel, campaign: Campaign, table: PathTable, power: FloatArray
) -> PathRows:
    order = np.lexsort((-power, table.link))
    link = table.link[order]
    first = np.searchsorted(link, link, side="left")
    rank = np.arange(len(link)) - first
    links = max(1, len(np.unique(link)))
    most = min(PATHS_OF_LINK, max(1, PATHS_OF_PAGE // links))
    index = order[(rank < most) & (power[order] > 0.0)]
    if len(index) > PATHS_OF_PAGE:  # more links than paths: the first of them
        index = index[:PATHS_OF_PAGE]
    kept = table.rows(index)
    # Setups of a padded campaign number their receivers one after another.
    number = np.cumsum(campaign.present, axis=1) - 1
    packed = number[kept.setup, kept.receiver].astype(np.int32)
    points = path_points(scene, campaign.setups, replace(kept, receiver=packed))
    return PathRows(
        kept.link, watts_to_dbm(power[index]), kept.length, points,
        kept.kind.astype(np.int64), kept.object.astype(np.int64),
    )  # fmt: skip
