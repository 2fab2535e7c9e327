"""Levels that others measured in two flats, predicted where the fit has not seen any.

The figures are those that were reached, within a few hundredths of a dB; sources and licence are
in ``notebooks/measured/SOURCE.md``.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig, read_campaign
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    estimate,
    level_posterior,
)
from vlmrt_dist.prediction import evaluate, fit_shadowing, leave_one_out
from vlmrt_dist.scene import SceneModel, load_scene

MEASURED = Path(__file__).parents[2] / "notebooks" / "measured"
BLE = MEASURED / "flat_ble"
UWB = MEASURED / "flat_uwb"
UWB_RADIO = RadioConfig(frequency=3.9936e9, tx_power_dbm=-14.3, max_depth=4, line_of_sight="always")
UWB_NOISE = Noise(db=4.0, gain_offset_db=np.inf, gain_shared="campaign")
QUICK = LevenbergMarquardt(folds=0, starts=1, posterior="normal", max_total=100)
SATURATED_DBM = -70.0
"""The receiver's readings end within some 2 dB above this, however near the transmitter."""

BLE_RADIO = RadioConfig(frequency=2.44e9, antenna_pattern="dipole", max_depth=4)


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
        solver=LevenbergMarquardt(loss="huber", folds=0, posterior="normal", max_total=200),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "links", "rms_db"),
    [
        ("cal89.csv", 530, (3.45, 2.74, 3.78, 4.05)),
        ("test.csv", 288, (3.78, 3.09, 4.11, 4.18)),
    ],
)
def test_bluetooth_levels_at_new_positions(
    ble_flat: SceneModel, ble_estimate: Estimate, file: str, links: int, rms_db: tuple[float, ...]
) -> None:
    new = read_campaign(BLE / file, scene=ble_flat)
    found = evaluate(
        ble_flat, new, estimate=ble_estimate, calibration=BLE / "cal60.csv", offset="setup",
        shadowing=True,
    )  # fmt: skip
    assert [model.name for model in found.models[:4]] == [
        "calibrated scene",
        "calibrated scene and shadowing",
        "scene with ITU values",
        "log-distance and loss per wall",
    ]
    assert len(found.measured_dbm) == links  # every link counts
    assert [model.rms_db for model in found.models[:4]] == pytest.approx(rms_db, abs=0.05)
    assert 0.93 < found.models[0].inside < 0.99


@pytest.fixture(scope="module")
def uwb_flat() -> SceneModel:
    return load_scene(UWB / "bare.xml")


@pytest.mark.slow
def test_materials_alone_predict_the_ultra_wideband_links_no_better_than_the_itu_values(
    uwb_flat: SceneModel,
) -> None:
    found = leave_one_out(
        uwb_flat, UWB / "rsl_corr.csv", radio=UWB_RADIO, prior=Prior(width=0.5), noise=UWB_NOISE,
        solver=QUICK,
    )  # fmt: skip
    assert len(found.measured_dbm) == 36
    rms = [model.rms_db for model in found.models]
    assert rms == pytest.approx([4.74, 4.75, 5.03, 6.71, 9.13], abs=0.05)


@pytest.mark.slow
def test_saturation_and_shadowing_are_most_of_the_ultra_wideband_error(
    uwb_flat: SceneModel,
) -> None:
    readings = read_campaign(UWB / "rsl_corr.csv", scene=uwb_flat)
    places = np.argwhere(readings.present)
    error = np.array([uwb_errors(uwb_flat, readings, m, n) for m, n in places.tolist()])
    assert np.sqrt((error**2).mean(axis=0)) == pytest.approx([4.51, 3.94], abs=0.06)


def uwb_errors(flat: SceneModel, readings: Campaign, m: int, n: int) -> tuple[float, float]:
    """Errors [dB] at one link by a fit to the others, without and with shadowing. Saturated levels
    are lower bounds, and predicted readings end at their mean."""
    assert readings.rss_dbm is not None
    keep = readings.present.copy()
    keep[m, n] = False
    saturated = keep & (np.nan_to_num(readings.rss_dbm, nan=-200.0) >= SATURATED_DBM)
    known = dataclasses.replace(
        readings,
        rx=np.where(keep[..., None], readings.rx, np.nan),
        rss_dbm=np.where(saturated, SATURATED_DBM, np.where(keep, readings.rss_dbm, np.nan)),
        present=keep,
        censored=saturated,
        saturated=saturated,
    )
    found = estimate(
        flat, known, radio=UWB_RADIO, prior=Prior(width=0.5), noise=UWB_NOISE, solver=QUICK
    )
    level = level_posterior(flat, found.calibration, readings).level_dbm
    end = float(readings.rss_dbm[saturated].mean())
    tx = np.broadcast_to(readings.tx[:, None], readings.rx.shape)
    heard = keep & ~saturated
    shadowing = fit_shadowing(tx[heard], readings.rx[heard], (readings.rss_dbm - level)[heard])
    mean, _ = shadowing.predict(tx[m, n][None], readings.rx[m, n][None])
    reading = float(readings.rss_dbm[m, n])
    both = min(float(level[m, n]) + float(mean[0]), end)
    return min(float(level[m, n]), end) - reading, both - reading
