import dataclasses

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError, SceneError
from vlmrt_dist.field import Flaws, perturbed, simulate
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    estimate,
    level_posterior,
)
from vlmrt_dist.prediction import Evaluation, evaluate
from vlmrt_dist.prediction.link_errors import distance_bins
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)


@pytest.fixture(scope="module")
def truth(room: SceneModel) -> np.ndarray:
    return perturbed(room.conductivity(RADIO.frequency), 3, spread=0.8, limit=0.9)


@pytest.fixture(scope="module")
def known(room: SceneModel, campaign: Campaign, truth: np.ndarray) -> Campaign:
    flaws = Flaws(gain_offset_db=3.0)
    return simulate(
        room, campaign, conductivity=truth, radio=RADIO, noise_db=0.05, flaws=flaws, seed=1
    )


@pytest.fixture(scope="module")
def result(room: SceneModel, known: Campaign) -> Estimate:
    return estimate(
        room, known, radio=RADIO, noise=Noise(gain_offset_db=np.inf),
        solver=LevenbergMarquardt(folds=0, posterior="normal"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def trial(room: SceneModel, campaign: Campaign, truth: np.ndarray) -> Campaign:
    """The transmitters of the calibration, with its offsets, and other receivers."""
    rx = random_campaign(room, 3, 10, seed=5).rx
    places = Campaign(campaign.tx, rx)
    flaws = Flaws(gain_offset_db=3.0)
    return simulate(
        room, places, conductivity=truth, radio=RADIO, noise_db=0.05, flaws=flaws, seed=1
    )


@pytest.fixture(scope="module")
def found(room: SceneModel, trial: Campaign, known: Campaign, result: Estimate) -> Evaluation:
    return evaluate(room, trial, estimate=result, calibration=known)


def test_errors_are_those_of_levels_computed_by_hand(
    room: SceneModel, trial: Campaign, result: Estimate, found: Evaluation
) -> None:
    plain = simulate(room.with_materials(conductivity=result.fitted), trial, radio=RADIO)
    assert plain.rss_dbm is not None
    assert trial.rss_dbm is not None
    assert result.joint is not None
    error = plain.rss_dbm + result.joint.x[-3:, None] - trial.rss_dbm
    model = found["calibrated scene"]
    np.testing.assert_allclose(model.error_db, error[trial.present], atol=1e-9)
    assert model.rms_db == pytest.approx(np.sqrt((error[trial.present] ** 2).mean()))
    assert model.mean_db == pytest.approx(error[trial.present].mean())
    bound = np.sort(np.abs(model.error_db))
    assert bound[0] < model.quantiles_db[0] < model.quantiles_db[1] < bound[-1]


def test_calibration_beats_what_is_fitted_by_hand(found: Evaluation) -> None:
    order = [model.name for model in sorted(found.models, key=lambda m: m.rms_db)]
    assert order[0] == "calibrated scene"
    assert order[-1] == "constant"
    assert found["calibrated scene"].rms_db < 0.08
    assert found["calibrated scene"].inside > 0.8
    assert np.isnan(found["constant"].inside)


def test_an_excess_loss_is_part_of_the_prediction(
    room: SceneModel, known: Campaign, trial: Campaign
) -> None:
    boxes = tuple(name for name in room.names if name.startswith("box"))
    lossy = estimate(
        room, known, radio=RADIO, solver=LevenbergMarquardt(folds=0, posterior="normal"),
        noise=Noise(gain_offset_db=np.inf, excess_loss_db_per_m=1.0),
        parameters=Parameters(fixed=boxes),
    )  # fmt: skip
    assert "not_identified" not in lossy.verdict  # such a one would show its prior
    assert lossy.excess_loss is not None
    assert lossy.joint is not None
    here = level_posterior(room, lossy.calibration, known)
    np.testing.assert_allclose(here.level_dbm, lossy.links.replayed_dbm, atol=1e-6)
    entry = int(lossy.joint.entry["excess_loss"].max())
    assert (here.jacobian[:, entry] < -0.5).all()  # metres
    assert np.isfinite(evaluate(room, trial, estimate=lossy).models[0].error_db).all()


def test_an_offset_of_the_test_data_is_taken_out(
    room: SceneModel, trial: Campaign, known: Campaign, result: Estimate
) -> None:
    assert trial.rss_dbm is not None
    shifted = trial.with_rss(trial.rss_dbm + np.array([[20.0], [-7.0], [3.0]]))
    by_setup = evaluate(room, shifted, estimate=result, calibration=known, offset="setup")
    same = evaluate(room, trial, estimate=result, calibration=known, offset="setup")
    for one, other in zip(by_setup.models, same.models, strict=True):
        np.testing.assert_allclose(one.error_db, other.error_db, atol=1e-9)
        assert abs(one.mean_db) < 1e-9
    raw = evaluate(room, shifted, estimate=result, calibration=known)
    whole = evaluate(room, shifted, estimate=result, calibration=known, offset="campaign")
    error = raw.models[0].error_db
    np.testing.assert_allclose(whole.models[0].error_db, error - error.mean())
    assert raw.models[0].inside < 0.2
    assert "one offset for each setup" in by_setup.protocol


def test_an_unknown_transmitter_has_the_prior_of_its_offset(
    room: SceneModel, trial: Campaign, result: Estimate
) -> None:
    stranger = trial.tx + np.array([0.0, 0.05, 0.0])
    elsewhere = dataclasses.replace(trial, tx=stranger, simulated_from=None)
    far = evaluate(room, elsewhere, estimate=result).models[0]
    assert far.low_db is not None
    np.testing.assert_allclose(far.low_db, -1.96 * 30.0, rtol=0.01)  # the width of no prior
    near = evaluate(room, trial, estimate=result).models[0]
    assert near.high_db is not None
    assert near.high_db.max() < 0.6


def test_links_that_cannot_be_compared_are_counted(
    room: SceneModel, trial: Campaign, result: Estimate
) -> None:
    floor = np.zeros(trial.present.shape, bool)
    floor[0, :2] = True
    some = trial.with_rss(trial.rss_dbm, censored=floor)
    found = evaluate(room, some, estimate=result)
    assert list(found.left_out.values()) == [2]
    assert len(found.measured_dbm) == trial.num_links - 2
    assert "left out: 2 links" in str(found)


def test_it_is_told_in_tables_and_plain_values(found: Evaluation) -> None:
    text = str(found)
    for words in ("RMS error by distance", "RMS error by setup", "log-distance and loss per wall",
                  "nothing was fitted on the test data", "exponent"):  # fmt: skip
        assert words in text
    assert "<table>" in found._repr_html_()
    plain = found.to_dict()
    assert plain["models"][0]["rms_db"] == found.models[0].rms_db
    row = found.rows()[0]
    assert row["calibrated_scene_error_db"] == row["calibrated_scene_dbm"] - row["measured_dbm"]
    assert found.units()["distance"] == "m"


def test_without_the_calibration_campaign_there_are_no_fitted_models(
    room: SceneModel, trial: Campaign, result: Estimate, known: Campaign
) -> None:
    alone = evaluate(room, trial, estimate=result)
    assert [model.name for model in alone.models] == ["calibrated scene"]
    offset = evaluate(room, trial, estimate=result, offset="setup")
    assert [m.name for m in offset.models] == ["calibrated scene", "scene with ITU values"]
    simple = evaluate(room, trial, calibration=known, radio=RADIO, offset="setup")
    assert simple.models[0].name == "scene with ITU values"


def test_slips_are_refused(room: SceneModel, trial: Campaign, result: Estimate) -> None:
    with pytest.raises(ConfigurationError, match="give an estimate"):
        evaluate(room, trial)
    with pytest.raises(ConfigurationError, match="unknown offset 'all'"):
        evaluate(room, trial, estimate=result, offset="all")  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="positions only"):
        evaluate(room, Campaign(trial.tx, trial.rx, present=trial.present), estimate=result)
    fewer = SceneModel("fewer", room.objects[:-1], room.bounds)
    with pytest.raises(SceneError, match="fewer"):
        evaluate(fewer, trial, estimate=result)


@pytest.mark.parametrize(
    ("low", "high", "edges"), [(0.8, 9.5, [0, 2, 10]), (3.0, 3.0, None), (120.0, 870.0, [100, 200])]
)
def test_bins_are_round_and_hold_all(low: float, high: float, edges: list[float] | None) -> None:
    found = distance_bins(np.array([low, high]))
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 9
    if edges is not None:
        assert found[:2].tolist() == edges[:2]


def test_shadowing_is_learned_from_the_calibration_and_corrects_nearby_links(
    room: SceneModel, trial: Campaign, known: Campaign, result: Estimate
) -> None:
    slope = np.array([1.0, -1.0, 1.0])[:, None]  # a slow variation over the room [dB/m]
    tilted = []
    for campaign in (known, trial):
        assert campaign.rss_dbm is not None
        tilted.append(campaign.with_rss(campaign.rss_dbm + slope * campaign.rx[:, :, 0]))
    found = evaluate(room, tilted[1], estimate=result, calibration=tilted[0], shadowing=True)
    corrected = found["calibrated scene and shadowing"]
    assert found.models[1] is corrected
    assert corrected.rms_db < 0.8 * found["calibrated scene"].rms_db
    assert "correlated over" in corrected.description


def test_shadowing_needs_a_calibration(room: SceneModel, trial: Campaign, result: Estimate) -> None:
    with pytest.raises(ConfigurationError, match="learned from the residuals of a calibration"):
        evaluate(room, trial, estimate=result, shadowing=True)
