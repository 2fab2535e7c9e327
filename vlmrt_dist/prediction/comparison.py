"""Errors of predicted levels where somebody has measured, beside those of models fitted by hand.

Everything is fitted to a *calibration* campaign; the *test* campaign judges. Of the test data at
most one offset a setup, or one for all, may be fitted too (transmit powers and cables are often not
known); the answer says which. Error is predicted minus measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, CampaignLike, RadioConfig, as_campaign, check_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import (
    Calibration,
    EstimateLike,
    LevelPosterior,
    calibration_of,
    centred,
    level_posterior,
)
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.prediction.baselines import (
    PathLossModel,
    at_transmitters,
    fit_path_loss,
    intercepts,
)
from vlmrt_dist.prediction.evaluation import Evaluation, Offset
from vlmrt_dist.prediction.link_errors import ModelErrors
from vlmrt_dist.prediction.link_geometry import LinkGeometry, link_geometry
from vlmrt_dist.prediction.shadowing import fit_shadowing
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneLike, SceneModel
from vlmrt_dist.units import watts_to_dbm

PROTOCOLS: dict[str, str] = {
    "none": "nothing was fitted on the test data",
    "setup": "one offset for each setup was fitted on the test data, to every model",
    "campaign": "one offset for all setups was fitted on the test data, to every model",
}

Level = Literal["stated", "campaign", "setup"]
"""Levels fitted to the calibration data: of the hand-fitted models one
for all setups, or one for each where nothing was known of the transmit powers ("setup"); for the
scene with ITU values the same, but nothing where the stated transmit power was trusted
("stated")."""

LEVELS: dict[str, str] = {
    "stated": "hand-fitted models have one level for all setups, fitted on the calibration data",
    "campaign": "hand-fitted models and ITU values have one level for all setups, fitted on the "
    "calibration data",
    "setup": "hand-fitted models and ITU values have a level for each setup, fitted on the "
    "calibration data",
}

CALIBRATED, ITU = "calibrated scene", "scene with ITU values"
SHADOWED = "calibrated scene and shadowing"


def evaluate(
    scene: SceneLike,
    test: CampaignLike,
    *,
    estimate: EstimateLike | None = None,
    calibration: CampaignLike | None = None,
    offset: Offset = "none",
    radio: RadioConfig | None = None,
    noise_db: float | None = None,
    shadowing: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Error statistics of an estimate at a test campaign, beside those of simpler models.

    The simpler models are the scene with ITU values, and a constant, a log-distance law and one
    with a loss for each wall, fitted to ``calibration`` by least squares; see :data:`Level` for
    their offsets. A setup's offset is that which the calibration found for its transmitter, unless
    ``offset`` says otherwise.

    :param scene: K objects with the materials from before the calibration
    :param test: measured campaign that nothing was fitted to
    :param estimate: calibrated values, or the file of an estimate; None: the simpler models only
    :param calibration: the campaign that the estimate was made from; None: no fitted models
    :param offset: "setup" or "campaign" fits one offset for each setup, or one for all, to the test
        data
    :param radio: default: that of the estimate, or of a live scene
    :param noise_db: standard deviation of a level's error about the model [dB], which widens the
        intervals; default: that of the estimate
    :param shadowing: one more model: the calibrated scene, corrected by what the residuals of the
        calibration tell of nearby links, see :mod:`~vlmrt_dist.prediction.shadowing`
    :param progress: called along the setups
    :raises CampaignError: if a campaign holds no levels or does not fit the scene
    :raises SceneError: if the estimate is of another scene
    :raises ConfigurationError: if there is nothing to evaluate, or the estimate does not carry its
        posterior
    """
    known = None if estimate is None else calibration_of(estimate)
    if known is None and calibration is None:
        raise ConfigurationError("give an estimate, or the campaign that models are fitted to")
    if shadowing and (known is None or calibration is None):
        raise ConfigurationError(
            "shadowing is learned from the residuals of a calibration: give the estimate and the "
            "campaign that it was made from"
        )
    check_offset(offset)
    if radio is None and known is not None and known.origin is not None:
        radio = known.origin.radio
    room, radio = scene_and_radio(scene, radio)
    trial = measured(room, as_campaign(test, room, radio))
    fitted = None if calibration is None else measured(room, as_campaign(calibration, room, radio))
    posterior = None
    level: Level = "setup" if offset == "setup" else "campaign"
    if known is not None:
        posterior = level_posterior(room, known, trial, radio=radio, progress=progress)
        room = known.scene_of(room)
        level = level_of(known)
    columns = simple_models(room, trial, fitted, radio, level, progress)
    if posterior is not None:
        first = [Column(CALIBRATED, "", posterior.level_dbm)]
        if shadowing and known is not None and fitted is not None:
            here = level_posterior(room, known, fitted, radio=radio, progress=progress).level_dbm
            first.append(_shadowed(fitted, here, trial, posterior.level_dbm))
        columns = [*first, *columns]
    if offset == "none" and fitted is None and level != "stated":
        columns = [c for c in columns if c.name != ITU]  # nothing tells its offsets
    protocol = PROTOCOLS[offset] if fitted is None else f"{PROTOCOLS[offset]}; {LEVELS[level]}"
    return compare(trial, columns, offset, protocol, posterior, noise_db)


def _shadowed(fitted: Campaign, here: FloatArray, test: Campaign, level: FloatArray) -> Column:
    """The calibrated scene with the shadowing that its residuals at ``fitted`` show.

    :param here: [M', N'] its levels at ``fitted`` [dBm]
    :param level: [M, N] its levels at ``test`` [dBm]
    """
    assert fitted.rss_dbm is not None
    residual = fitted.rss_dbm - here
    used = fitted.present & ~fitted.censored & np.isfinite(residual)
    found = fit_shadowing(_transmitters(fitted)[used], fitted.rx[used], residual[used])
    mean, _ = found.predict(_transmitters(test)[test.present], test.rx[test.present])
    corrected = level.copy()
    corrected[test.present] += mean
    return Column(SHADOWED, str(found), corrected)


def _transmitters(campaign: Campaign) -> FloatArray:
    """[M, N, 3] transmitter of each link."""
    return np.broadcast_to(campaign.tx[:, None], campaign.rx.shape)


@dataclass(frozen=True, eq=False)
class Column:
    """A model's levels at all links.

    :param level_dbm: [M, N]; NaN where it states none
    """

    name: str
    description: str
    level_dbm: FloatArray


def compare(
    test: Campaign,
    columns: list[Column],
    offset: Offset,
    protocol: str,
    posterior: LevelPosterior | None,
    noise_db: float | None,
) -> Evaluation:
    """The errors of models at the links for which all of them state a level.

    :param posterior: of the first column's levels; None: it has no intervals
    :param noise_db: of a link about the first model
    :raises CampaignError: if no link is left
    """
    assert test.rss_dbm is not None
    heard = np.all([np.isfinite(column.level_dbm) for column in columns], axis=0)
    used = test.present & ~test.censored & heard
    if not used.any():
        raise CampaignError("no test link has a measured level and a path in the model")
    left_out = {
        "at or beyond an end of the receiver's range": int((test.present & test.censored).sum()),
        "no path in the model": int((test.present & ~test.censored & ~heard).sum()),
    }
    setup, receiver = np.nonzero(used)
    group = {"none": np.full(len(setup), -1), "setup": setup, "campaign": np.zeros_like(setup)}
    level = test.rss_dbm[used]
    models = []
    for column in columns:
        error = centred(column.level_dbm[used] - level, group[offset])
        models.append(ModelErrors(column.name, column.description, level + error, error))
    if posterior is not None:
        noise = posterior.noise_db[used] if noise_db is None else np.full(len(setup), noise_db)
        index = np.flatnonzero(used.ravel())
        low, high = posterior.bounds_db(index, group[offset], noise_db=noise)
        models[0] = replace(models[0], low_db=low, high_db=high)
    distance = np.linalg.norm(test.rx - test.tx[:, None], axis=2)[used]
    return Evaluation(
        setup, receiver, distance, level, tuple(models), offset, protocol,
        {reason: count for reason, count in left_out.items() if count},
    )  # fmt: skip


def simple_models(
    scene: SceneModel,
    test: Campaign,
    fitted: Campaign | None,
    radio: RadioConfig,
    level: Level,
    progress: Progress | None,
) -> list[Column]:
    """Levels of the uncalibrated scene and of hand-fitted models at ``test``.

    :param fitted: campaign that they are fitted to; None: the uncalibrated scene only, as it is
    """
    itu = own_levels(scene, test, radio, progress)
    if fitted is None:
        return [Column(ITU, "", itu)]
    assert fitted.rss_dbm is not None
    here = own_levels(scene, fitted, radio, progress)
    there = link_geometry(scene, test, radio, progress)
    links = link_geometry(scene, fitted, radio, progress)
    used = fitted.present & ~fitted.censored & np.isfinite(here)
    if not used.any():
        raise CampaignError("no calibration link has a measured level and a path in the model")
    itu = itu + itu_offsets(fitted.rss_dbm - here, used, fitted.tx, test.tx, level)[:, None]
    models = hand_models(links, fitted.rss_dbm, used, level)
    return [
        Column(ITU, "", itu),
        *(Column(m.name, m.description, m.levels(there)) for m in models),
    ]


def hand_models(
    links: LinkGeometry, level_dbm: FloatArray, used: BoolArray, level: Level
) -> list[PathLossModel]:
    """The models that are fitted by hand, the best first."""
    return [
        fit_path_loss(terms, links, level_dbm, used, per_setup=level == "setup")
        for terms in ("walls", "distance", "constant")
    ]


def itu_offsets(
    residual: FloatArray, used: BoolArray, known: FloatArray, tx: FloatArray, level: Level
) -> FloatArray:
    """[M] offsets of the uncalibrated scene at transmitters ``tx``, from its residuals [M', N'] in
    the calibration data."""
    if level == "stated":
        return np.zeros(len(tx))
    return at_transmitters(intercepts(residual, used, per_setup=level == "setup"), known, tx)


def level_of(estimate: Calibration) -> Level:
    """Levels that the simpler models fit beside a calibration."""
    offsets = None if estimate.origin is None else estimate.origin.offsets
    if offsets is None:
        return "stated"
    free = offsets.by == "transmitter" and np.isinf(offsets.width_db)
    return "setup" if free else "campaign"


def own_levels(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, progress: Progress | None
) -> FloatArray:
    """[M, N] levels [dBm] of the scene's own materials; NaN where no path arrives."""
    from vlmrt_dist.field import ReplayObjective, trace  # imports Dr.Jit

    empty = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
    table = trace(scene, campaign, radio, progress=progress)
    objective = ReplayObjective(scene, empty, radio, table)
    power = objective.rss(scene.conductivity(radio.frequency)[None])[0]
    heard = np.nan_to_num(power) > 0.0
    return np.where(heard, watts_to_dbm(np.where(heard, power, 1.0)), np.nan)


def measured(scene: SceneModel, campaign: Campaign) -> Campaign:
    """The campaign, checked.

    :raises CampaignError: if it holds no levels or does not fit the scene
    """
    check_campaign(scene, campaign)
    if campaign.rss_dbm is None:
        raise CampaignError(
            "the campaign holds positions only, no levels; measure or simulate it (vlmrt simulate)"
        )
    return campaign


def check_offset(offset: str) -> None:
    """:raises ConfigurationError: if there is no such choice"""
    if offset not in get_args(Offset):
        raise ConfigurationError(
            f"unknown offset {offset!r}; use one of {', '.join(get_args(Offset))}"
        )
