"""Levels that others measured in two flats, predicted where the fit has not seen any.

The figures are those that were reached, within a few hundredths of a dB; sources and licence are
in ``notebooks/measured/SOURCE.md``.
"""

from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, read_campaign
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    estimate,
)
from vlmrt_dist.scene import SceneModel, load_scene

MEASURED = Path(__file__).parents[2] / "notebooks" / "measured"
BLE = MEASURED / "flat_ble"
BLE_RADIO = RadioConfig(frequency=2.44e9, antenna_pattern="dipole", max_depth=4)


def error_after_offsets(scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> float:
    """Root mean square error [dB] of a scene's levels, after one offset for each setup."""
    level = simulate(scene, campaign, radio=radio).rss_dbm
    assert level is not None
    assert campaign.rss_dbm is not None
    error: FloatArray = np.where(campaign.present, campaign.rss_dbm - level, np.nan)
    assert np.isfinite(error[campaign.present]).all()  # every link counts
    error = error - np.nanmean(error, axis=1, keepdims=True)
    return float(np.sqrt(np.nanmean(error**2)))


@pytest.fixture(scope="module")
def ble_flat() -> SceneModel:
    return load_scene(BLE / "bare.xml")


@pytest.fixture(scope="module")
def ble_estimate(ble_flat: SceneModel) -> Estimate:
    return estimate(
        ble_flat,
        read_campaign(BLE / "cal60.csv", scene=ble_flat),
        radio=BLE_RADIO,
        prior=Prior(width=0.5),
        parameters=Parameters(
            ("conductivity", "relative_permittivity"),
            groups="material",
            widths={"relative_permittivity": 0.15},
        ),
        noise=Noise(db=4.0, gain_offset_db=np.inf),
        solver=LevenbergMarquardt(loss="huber", folds=0),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "itu_db", "calibrated_db"),
    [("cal89.csv", 3.78, 3.41), ("test.csv", 4.12, 3.76)],
)
def test_the_calibrated_flat_predicts_bluetooth_levels_at_new_positions(
    ble_flat: SceneModel,
    ble_estimate: Estimate,
    file: str,
    itu_db: float,
    calibrated_db: float,
) -> None:
    new = read_campaign(BLE / file, scene=ble_flat)
    before = error_after_offsets(ble_flat, new, BLE_RADIO)
    after = error_after_offsets(ble_estimate.calibrated_scene, new, BLE_RADIO)
    assert before == pytest.approx(itu_db, abs=0.02)
    assert after == pytest.approx(calibrated_db, abs=0.05)
