"""Levels that others measured in two flats, predicted where the fit has not seen any.

The figures are those that were reached, within a few hundredths of a dB; sources and licence are
in ``notebooks/measured/SOURCE.md``.
"""

from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.campaign import RadioConfig, read_campaign
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    estimate,
)
from vlmrt_dist.prediction import evaluate
from vlmrt_dist.scene import SceneModel, load_scene

MEASURED = Path(__file__).parents[2] / "notebooks" / "measured"
BLE = MEASURED / "flat_ble"
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
        solver=LevenbergMarquardt(loss="huber", folds=0),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "links", "rms_db"),
    [
        ("cal89.csv", 530, (3.41, 2.70, 3.78, 4.05)),
        ("test.csv", 288, (3.76, 3.08, 4.11, 4.18)),
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
