import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import Flaws, simulate
from vlmrt_dist.inference import (
    Calibration,
    Estimate,
    LevenbergMarquardt,
    Noise,
    Prior,
    estimate,
    write_estimate,
)
from vlmrt_dist.inference.options import PosteriorShape
from vlmrt_dist.prediction import predict
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=1)
SOLVER = LevenbergMarquardt(folds=0, starts=1, posterior="normal")


@pytest.fixture(scope="module")
def result(room: SceneModel, campaign: Campaign) -> Estimate:
    flaws = Flaws(gain_offset_db=2.0)
    levels = simulate(room, campaign, radio=RADIO, noise_db=0.5, flaws=flaws, seed=3)
    return estimate(room, levels, radio=RADIO, solver=SOLVER, noise=Noise(gain_offset_db=4.0))


@pytest.fixture(scope="module")
def places(room: SceneModel, campaign: Campaign) -> Campaign:
    """The first transmitter of the estimate, and another one."""
    other = random_campaign(room, 2, 5, seed=4)
    return Campaign(np.stack([campaign.tx[0], other.tx[1]]), other.rx)


def test_two_intervals_are_told_apart(room: SceneModel, result: Estimate, places: Campaign) -> None:
    found = predict(result, room, places)
    plain = simulate(room.with_materials(conductivity=result.fitted), places, radio=RADIO)
    assert plain.rss_dbm is not None
    assert result.joint is not None
    offset = np.where(found.setup == 0, result.joint.x[-3], 0.0)
    heard = np.isfinite(found.level_dbm)
    level = plain.rss_dbm[plain.present] + offset[heard]
    np.testing.assert_allclose(found.level_dbm[heard], level, atol=1e-9)
    assert found.offset_known.tolist() == [True] * 5 + [False] * 5
    np.testing.assert_allclose(found.noise_db, 0.5 * result.noise_scale)
    some = heard & found.offset_known
    half, wide = found.high_dbm - found.level_dbm, found.measured_high_dbm - found.level_dbm
    np.testing.assert_allclose(wide[some], np.hypot(half[some], 1.96 * found.noise_db[some]), 1e-3)
    assert half[some].max() < 2.0
    assert half[heard & ~found.offset_known].min() > 1.95 * 4.0
    louder = predict(result, room, places, noise_db=3.0)
    np.testing.assert_array_equal(louder.low_dbm, found.low_dbm)
    assert (louder.measured_low_dbm[heard] < found.measured_low_dbm[heard]).all()


def test_a_prediction_is_told(room: SceneModel, result: Estimate, places: Campaign) -> None:
    found = predict(result, room, places)
    text = str(found)
    assert "95 % interval of the mean level" in text
    assert "the offset of setup 2 was not estimated" in text
    assert "standard deviation of 4 dB" in text
    assert "<table>" in found._repr_html_()
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["units"]["measured_low_dbm"] == "dBm"
    assert told["units"]["noise_db"] == "dB"
    assert [row["receiver"] for row in told["links"]] == [1, 2, 3, 4, 5] * 2
    assert found.rows()[0]["level_dbm"] == found.level_dbm[0]


def test_the_file_of_an_estimate_will_do(
    tmp_path: Path, room: SceneModel, result: Estimate, campaign: Campaign, places: Campaign
) -> None:
    strange: Any = {}
    file = tmp_path / "estimate.json"
    write_estimate(result, file, scene=room, campaign=campaign, radio=RADIO)
    found = predict(file, room, places)
    expected = predict(result, room, places).level_dbm
    np.testing.assert_allclose(found.level_dbm, expected, atol=1e-9)
    with pytest.raises(ConfigurationError, match=r"read_estimate.*not dict"):
        predict(strange, room, places)


def test_slips_are_refused(room: SceneModel, result: Estimate, places: Campaign) -> None:
    bare = Calibration(result.names, result.materials, 3.5e9, result.calibration.quantities)
    with pytest.raises(ConfigurationError, match="does not carry its posterior"):
        predict(bare, room, places)
    with pytest.raises(ConfigurationError, match="noise_db"):
        predict(result, room, places, noise_db=float("nan"))
    inside = Campaign(np.array([[3.0, 3.0, 0.3]]), places.rx[:1])
    with pytest.raises(CampaignError, match="is inside"):
        predict(result, room, inside)


def covered(
    room: SceneModel, seed: int, posterior: PosteriorShape
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the true level, and a measured one, lie in their intervals: truths drawn from the
    prior, at the receivers of two measured transmitters and a new one."""
    rng = np.random.default_rng(seed)
    own = room.conductivity(RADIO.frequency)
    truth = own * np.exp(0.5 * rng.standard_normal(len(own)))
    every = random_campaign(room, 3, 8, seed=100 + seed)
    offset = 3.0 * rng.standard_normal((3, 1))
    quiet = simulate(room, every, conductivity=truth, radio=RADIO)
    known = quiet.subset([0, 1])
    assert known.rss_dbm is not None
    noisy = known.rss_dbm + offset[:2] + rng.standard_normal(known.rss_dbm.shape)
    solver = dataclasses.replace(SOLVER, posterior=posterior)
    found = estimate(
        room, known.with_rss(noisy, noise_db=1.0), radio=RADIO, prior=Prior(0.5), solver=solver,
        noise=Noise(gain_offset_db=3.0),
    )  # fmt: skip
    rx = random_campaign(room, 3, 8, seed=500 + seed).rx
    trial = simulate(room, Campaign(quiet.tx, rx), conductivity=truth, radio=RADIO)
    assert trial.rss_dbm is not None
    told = predict(found, room, trial, noise_db=1.0)
    level = (trial.rss_dbm + offset)[trial.present]
    measured = level + rng.standard_normal(len(level))
    inside = (told.low_dbm <= level) & (level <= told.high_dbm)
    return inside, (told.measured_low_dbm <= measured) & (measured <= told.measured_high_dbm)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:no path reaches")
@pytest.mark.parametrize(("posterior", "seeds"), [("normal", 80), ("sampled", 12)])
def test_intervals_hold_95_percent(room: SceneModel, posterior: PosteriorShape, seeds: int) -> None:
    both = [covered(room, seed, posterior) for seed in range(seeds)]
    # What the levels of a seed share are its three offsets: three independent trials a seed.
    mean, measured = (float(np.concatenate(each).mean()) for each in zip(*both, strict=True))
    assert 0.90 < mean < 0.98, mean
    assert 0.90 < measured < 0.98, measured
