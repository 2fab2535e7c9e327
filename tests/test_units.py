import numpy as np
import pytest

from vlmrt_dist import units


def test_known_levels() -> None:
    np.testing.assert_allclose(units.dbm_to_watts([0.0, 30.0, 44.0]), [1e-3, 1.0, 25.11886432])
    np.testing.assert_allclose(units.watts_to_dbm([1e-3, 1.0]), [0.0, 30.0], atol=1e-12)


def test_levels_and_watts_are_inverse_over_the_whole_range() -> None:
    levels = np.linspace(-250.0, 100.0, 1001)
    np.testing.assert_allclose(units.watts_to_dbm(units.dbm_to_watts(levels)), levels, atol=1e-11)


def test_zero_watts_is_minus_infinity_without_a_warning() -> None:
    assert units.watts_to_dbm(0.0) == -np.inf


def test_negative_power_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        units.watts_to_dbm([1.0, -1e-9])


def test_wavelength() -> None:
    assert units.wavelength(units.SPEED_OF_LIGHT) == 1.0


@pytest.mark.parametrize("frequency", [0.0, -1.0, float("nan"), float("inf")])
def test_wavelength_needs_a_frequency(frequency: float) -> None:
    with pytest.raises(ValueError, match="hertz"):
        units.wavelength(frequency)
