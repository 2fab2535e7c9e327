"""Antenna patterns against Sionna's own, and against the gains that they are defined by."""

import numpy as np
import pytest

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.paths.sionna_scene import dr, mi, rt


def directions(count: int = 400) -> np.ndarray:
    """Random unit vectors [count, 3]."""
    vector = np.random.default_rng(3).normal(size=(count, 3))
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)


@pytest.mark.parametrize("polarization", ["V", "H"])
@pytest.mark.parametrize("pattern", ["iso", "dipole", "hw_dipole", "tr38901"])
def test_fields_are_sionnas(pattern, polarization) -> None:
    direction = directions()
    _, field = antenna_field(pattern, polarization, direction)
    array = rt.PlanarArray(num_rows=1, num_cols=1, pattern=pattern, polarization=polarization)
    theta = np.arccos(direction[:, 2]).astype(np.float32)
    phi = np.arctan2(direction[:, 1], direction[:, 0]).astype(np.float32)
    sionnas = array.antenna_pattern.patterns[0](mi.Float(theta), mi.Float(phi))
    expected = np.column_stack([np.broadcast_to(dr.real(f).numpy(), theta.shape) for f in sionnas])
    np.testing.assert_allclose(field, expected, atol=2e-6)  # float32


def test_theta_is_the_unit_vector_of_growing_zenith_angle() -> None:
    direction = directions()
    theta_hat, _ = antenna_field("iso", "V", direction)
    np.testing.assert_allclose(np.linalg.norm(theta_hat, axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose((theta_hat * direction).sum(1), 0.0, atol=1e-12)
    assert (theta_hat[:, 2] <= 0.0).all()


@pytest.mark.parametrize(
    ("pattern", "gain_dbi", "direction"),
    [
        ("iso", 0.0, [0.6, 0.0, 0.8]),
        ("dipole", 1.761, [0.0, 1.0, 0.0]),
        ("hw_dipole", 2.156, [1.0, 0.0, 0.0]),
        ("tr38901", 8.0, [1.0, 0.0, 0.0]),
        ("tr38901", -22.0, [-1.0, 0.0, 0.0]),
    ],
)
def test_gains_are_those_of_the_definitions(pattern, gain_dbi, direction) -> None:
    _, field = antenna_field(pattern, "V", np.array([direction]))
    assert 10.0 * np.log10((field**2).sum()) == pytest.approx(gain_dbi, abs=2e-3)


def test_a_dipole_radiates_nothing_along_its_axis() -> None:
    for pattern in ("dipole", "hw_dipole"):
        _, field = antenna_field(pattern, "V", np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]))
        np.testing.assert_allclose(field, 0.0, atol=1e-9)


def test_no_directions_have_no_fields() -> None:
    radio = RadioConfig()
    theta_hat, field = antenna_field(radio.antenna_pattern, radio.polarization, np.zeros((0, 3)))
    assert (theta_hat.shape, field.shape) == ((0, 3), (0, 2))
