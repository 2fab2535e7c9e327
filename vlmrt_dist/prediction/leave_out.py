"""Evaluation from one campaign: each link, setup or receiver is predicted by fits without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import scipy.sparse as sp
import scipy.sparse.csgraph as csgraph
import scipy.spatial

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, CampaignLike, RadioConfig, as_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import (
    SAME_PLACE,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    Solver,
    estimate,
    level_posterior,
)
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.prediction.comparison import (
    CALIBRATED,
    ITU,
    LEVELS,
    PROTOCOLS,
    Column,
    Level,
    check_offset,
    compare,
    hand_models,
    itu_offsets,
    level_of,
    measured,
    own_levels,
)
from vlmrt_dist.prediction.evaluation import Evaluation, Offset
from vlmrt_dist.prediction.link_geometry import LinkGeometry, link_geometry
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneLike

LeaveOut = Literal["link", "setup", "receiver"]
"""Links left out at a time: one, all of a setup, or all of a receiver's place."""


def leave_one_out(
    scene: SceneLike,
    campaign: CampaignLike,
    *,
    by: LeaveOut = "link",
    offset: Offset = "none",
    radio: RadioConfig | None = None,
    prior: Prior | MaterialPrior | None = None,
    parameters: Parameters | None = None,
    noise: Noise | None = None,
    solver: Solver | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Errors at links that the fit has not seen, the calibration and the simpler models beside.

    An offset of a setup is found from its other links; where none are left, it is the prior's
    mean. The simpler models have offsets as in :func:`evaluate`.

    :param scene: K objects with the materials from before the calibration
    :param campaign: measured campaign
    :param by: what is left out at a time; a receiver is a place, within a centimetre
    :param offset: "setup" or "campaign" fits one offset for each setup, or one for all, to the
        errors of the links left out
    :param radio: see :func:`vlmrt_dist.estimate`, as are prior, parameters, noise and solver
    :param progress: called as "folds"
    :raises ConfigurationError: if a choice does not exist
    :raises CampaignError: if the campaign holds no levels, or less than two parts to leave out
    """
    check_offset(offset)
    if by not in get_args(LeaveOut):
        raise ConfigurationError(f"unknown leave-out {by!r}; use one of link, setup, receiver")
    room, radio = scene_and_radio(scene, radio)
    whole = measured(room, as_campaign(campaign, room, radio))
    noise, solver = noise or Noise(), solver or LevenbergMarquardt(folds=0)
    itu = own_levels(room, whole, radio, None)
    part = _parts(whole, by, np.isfinite(itu))
    count = int(part.max()) + 1
    if count < 2:
        raise CampaignError(f"there is only one {by} to leave out; at least two are needed")
    links = link_geometry(room, whole, radio)
    shape = whole.present.shape
    columns: dict[str, FloatArray] = {CALIBRATED: np.full(shape, np.nan)}
    bounds = np.full((2, *shape), np.nan)
    fitted: Level = "stated"
    for k in range(count):
        held = part == k
        kept = _without(whole, held)
        found = estimate(
            room, kept, radio=radio, prior=prior, parameters=parameters,
            noise=_of_setups(noise, whole, kept), solver=solver,
        ).calibration  # fmt: skip
        asked, setups = _only(whole, held)
        posterior = level_posterior(room, found, asked)
        columns[CALIBRATED][held] = posterior.level_dbm[held[setups]]
        index = np.flatnonzero(held[setups].ravel())
        bounds[:, held] = posterior.bounds_db(index, noise_db=posterior.noise_db.ravel()[index])
        fitted = level_of(found)
        for name, values in _simple(whole, links, itu, ~held & (part >= 0), fitted).items():
            columns.setdefault(name, np.full(shape, np.nan))[held] = values[held]
        if progress is not None:
            progress("folds", k + 1, count)
    every = [Column(name, "", values) for name, values in columns.items()]
    protocol = f"each {by} was predicted by fits without it ({count} fits); {PROTOCOLS[offset]}; "
    result = compare(whole, every, offset, protocol + LEVELS[fitted], None, None)
    if offset != "none":
        return result
    low, high = bounds[:, result.setup, result.receiver]
    first = replace(result.models[0], low_db=low, high_db=high)
    return replace(result, models=(first, *result.models[1:]))


def _simple(
    whole: Campaign, links: LinkGeometry, itu: FloatArray, used: BoolArray, level: Level
) -> dict[str, FloatArray]:
    """Levels [M, N] of the simpler models, fitted to the links in ``used``."""
    assert whole.rss_dbm is not None
    used = used & ~whole.censored & np.isfinite(itu)
    if not used.any():
        raise CampaignError("too few links have a measured level and a path in the model")
    offset = itu_offsets(whole.rss_dbm - itu, used, whole.tx, whole.tx, level)
    found = {ITU: itu + offset[:, None]}
    for model in hand_models(links, whole.rss_dbm, used, level):
        found[model.name] = model.levels(links)
    return found


def _parts(campaign: Campaign, by: LeaveOut, heard: BoolArray) -> IntArray:
    """[M, N] number of the part that each link belongs to; -1 where none is to be predicted."""
    there = campaign.present & ~campaign.censored & heard
    part = np.full(there.shape, -1)
    setup = np.nonzero(there)[0]
    if by == "link":
        part[there] = np.arange(len(setup))
    elif by == "setup":
        part[there] = np.unique(setup, return_inverse=True)[1]
    else:
        part[there] = _places(campaign.rx[there])
    return part


def _places(points: FloatArray) -> IntArray:
    """[P] number of the place of each point [P, 3]: those within a centimetre share theirs."""
    pairs = scipy.spatial.KDTree(points).query_pairs(SAME_PLACE, output_type="ndarray")
    near = sp.csr_matrix((np.ones(len(pairs)), tuple(pairs.T)), (len(points), len(points)))
    return np.asarray(csgraph.connected_components(near, directed=False)[1], np.int64)


def _without(campaign: Campaign, held: BoolArray) -> Campaign:
    """The campaign without some links, and without setups that have none left."""
    present = campaign.present & ~held
    kept = np.flatnonzero(present.any(axis=1))
    return _masked(campaign, present).subset(kept.tolist()) if len(kept) else campaign


def _only(campaign: Campaign, held: BoolArray) -> tuple[Campaign, IntArray]:
    """The links in ``held``, as a campaign; and which setups of the whole one it has."""
    setups = np.flatnonzero(held.any(axis=1))
    return _masked(campaign, held).subset(setups.tolist()), setups


def _masked(campaign: Campaign, present: BoolArray) -> Campaign:
    """The campaign with only some receivers; setups without one keep all, to be taken out."""
    present = present | (campaign.present & ~present.any(axis=1, keepdims=True))
    assert campaign.rss_dbm is not None
    noise = campaign.noise_db
    return replace(
        campaign,
        rx=np.where(present[..., None], campaign.rx, np.nan),
        rss_dbm=np.where(present, campaign.rss_dbm, np.nan),
        noise_db=noise if isinstance(noise, float) else np.where(present, noise, np.nan),
        present=present,
        censored=campaign.censored & present,
        saturated=campaign.saturated & present,
    )


def _of_setups(noise: Noise, whole: Campaign, kept: Campaign) -> Noise:
    """The noise for a campaign of fewer setups.

    :raises ConfigurationError: if it is stated link by link and a setup was left out
    """
    if noise.db is None or np.ndim(noise.db) == 0 or kept.num_setups == whole.num_setups:
        return noise
    raise ConfigurationError("state the noise of each link in the campaign: noise_db in the file")
