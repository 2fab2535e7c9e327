from typing import Any

import numpy as np
import pytest

from vlmrt_dist.prediction.baselines import (
    at_transmitters,
    fit_path_loss,
)
from vlmrt_dist.prediction.link_geometry import LinkGeometry


def links(seed: int = 0, count: int = 3) -> LinkGeometry:
    rng = np.random.default_rng(seed)
    return LinkGeometry(
        tx=10.0 * rng.random((count, 3)),
        present=np.ones((count, 12), bool),
        distance=rng.uniform(1.0, 30.0, (count, 12)),
        walls=rng.integers(0, 4, (count, 12, 2)).astype(float),
        classes=("brick", "concrete"),
    )


def level_of(some: LinkGeometry, level: Any) -> np.ndarray:
    loss = some.walls @ np.array([3.0, 7.0])
    return np.asarray(level)[:, None] - 22.0 * np.log10(some.distance) - loss


@pytest.mark.parametrize("per_setup", [True, False])
def test_a_model_is_found_again(per_setup: bool) -> None:
    here, there = links(0), links(1)
    level = [-40.0, -43.0, -35.0] if per_setup else [-40.0] * 3
    used = np.ones((3, 12), bool)
    model = fit_path_loss("walls", here, level_of(here, level), used, per_setup=per_setup)
    assert model.exponent == pytest.approx(2.2)
    assert model.losses_db == pytest.approx({"brick": 3.0, "concrete": 7.0})
    np.testing.assert_allclose(model.intercept_dbm, level)
    # Another transmitter has the mean of the levels.
    np.testing.assert_allclose(model.levels(there), level_of(there, [np.mean(level)] * 3))
    assert model.description == (
        "exponent 2.20, 3.0 dB a surface of brick, 7.0 dB a surface of concrete"
    )


def test_losses_are_not_negative_and_unused_links_do_not_count() -> None:
    here = links()
    gain = level_of(here, [-40.0] * 3) + 9.0 * here.walls[:, :, 0]  # a wall that amplifies
    used = np.ones((3, 12), bool)
    used[0, 3] = False
    gain[0, 3] = np.nan
    model = fit_path_loss("walls", here, gain, used, per_setup=False)
    assert model.losses_db["brick"] == 0.0
    assert np.isfinite(model.levels(here)).all()


def test_a_constant_is_the_mean() -> None:
    here = links()
    level = level_of(here, [-40.0, -50.0, -60.0])
    used = np.ones((3, 12), bool)
    used[2] = False  # no link of this setup is left: it has the mean of the others
    model = fit_path_loss("constant", here, level, used, per_setup=True)
    means = level[:2].mean(axis=1)
    np.testing.assert_allclose(model.intercept_dbm, [*means, means.mean()])
    assert model.description == ""


def test_values_follow_their_transmitters() -> None:
    known = np.array([[0.0, 0, 0], [1.0, 0, 0], [1.0, 0, 0]])
    tx = np.array([[1.0, 0, 0], [0.0, 0, 0], [9.0, 0, 0]])
    values = at_transmitters(np.array([1.0, 3.0, 5.0]), known, tx)
    np.testing.assert_allclose(values, [4.0, 1.0, 3.0])
