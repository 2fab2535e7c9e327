import numpy as np
import pytest
import scipy.optimize

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.prediction import Shadowing, fit_shadowing
from vlmrt_dist.prediction.shadowing import _cost

TX = np.array([[0.0, 0.0, 2.0], [8.0, 6.0, 2.0]])


def links(places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Every place as a receiver of both transmitters."""
    return np.repeat(TX, len(places), axis=0), np.tile(places, (2, 1))


def drawn(seed: int, count: int = 100) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Links with residuals of 4 dB, correlated over 1.5 m and by 0.4, and 1.5 dB of noise."""
    rng = np.random.default_rng(seed)
    places = np.column_stack([rng.uniform(0.0, 8.0, (count, 2)), np.full(count, 1.2)])
    tx, rx = links(places)
    gap = np.linalg.norm(rx[:, None] - rx, axis=2)
    same = (tx[:, None] == tx).all(axis=2)
    cov = 16.0 * np.where(same, 1.0, 0.4) * np.exp(-gap / 1.5) + 2.25 * np.eye(len(tx))
    return tx, rx, np.linalg.cholesky(cov) @ rng.standard_normal(len(tx))


@pytest.mark.slow
def test_the_numbers_of_drawn_residuals_are_found() -> None:
    found = [fit_shadowing(*drawn(seed)) for seed in range(4)]
    assert np.mean([f.std_db for f in found]) == pytest.approx(4.0, rel=0.2)
    assert np.mean([f.distance_m for f in found]) == pytest.approx(1.5, rel=0.3)
    assert np.mean([f.between for f in found]) == pytest.approx(0.4, abs=0.15)
    assert np.mean([f.noise_db for f in found]) == pytest.approx(1.5, rel=0.25)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    tx, rx, residual = drawn(5, count=12)
    gap = np.linalg.norm(rx[:, None] - rx, axis=2)
    same = (tx[:, None] == tx).all(axis=2)
    x = np.array([0.7, -0.2, 0.3, 0.4])
    numeric = scipy.optimize.approx_fprime(x, lambda z: _cost(z, gap, same, residual)[0], 1e-6)
    np.testing.assert_allclose(_cost(x, gap, same, residual)[1], numeric, rtol=1e-4, atol=1e-5)


def test_held_out_residuals_are_predicted_with_their_spread() -> None:
    tx, rx, residual = drawn(7, count=200)
    held = np.arange(len(residual)) % 4 == 0
    found = fit_shadowing(tx[~held], rx[~held], residual[~held])
    mean, std = found.predict(tx[held], rx[held])
    error = residual[held] - mean
    assert np.sqrt(np.mean(error**2)) < 0.75 * residual[held].std()
    assert 0.88 <= np.mean(np.abs(error) < 1.96 * std) <= 1.0


def test_one_link_by_hand() -> None:
    place = np.array([[1.0, 1.0, 1.0]])
    known = Shadowing(3.0, 2.0, 0.5, 4.0, TX[:1], place, np.array([5.0]))
    away = place + np.array([2.0, 0.0, 0.0])
    for tx, across in ((TX[:1], 9.0 / np.e), (TX[1:], 4.5 / np.e)):
        mean, std = known.predict(tx, away)
        assert mean[0] == pytest.approx(across / 25.0 * 5.0)
        assert std[0] == pytest.approx(np.sqrt(9.0 - across**2 / 25.0 + 16.0))


def test_far_away_nothing_is_known() -> None:
    found = fit_shadowing(*drawn(1, count=40))
    mean, std = found.predict(TX[:1], np.array([[500.0, 0.0, 1.0]]))
    assert mean[0] == pytest.approx(0.0, abs=1e-6)
    assert std[0] == pytest.approx(np.hypot(found.std_db, found.noise_db))


def test_independent_residuals_show_no_shadowing() -> None:
    tx, rx, _ = drawn(2, count=50)
    noise = np.random.default_rng(0).normal(0.0, 3.0, len(tx))
    found = fit_shadowing(tx, rx, noise)
    mean, _ = found.predict(tx, rx + np.array([0.3, 0.0, 0.0]))
    assert np.sqrt(np.mean(mean**2)) < 1.2


def test_one_transmitter_says_nothing_of_another() -> None:
    tx, rx, residual = drawn(3)
    found = fit_shadowing(tx[:100], rx[:100], residual[:100])
    assert found.between == 0.0


@pytest.mark.parametrize("count", [3, 3001])
def test_too_few_or_too_many_links_are_refused(count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"not from {count}"):
        fit_shadowing(np.zeros((count, 3)), np.zeros((count, 3)), np.zeros(count))


def test_residuals_that_are_not_finite_are_refused() -> None:
    tx, rx, residual = drawn(1)
    residual[3] = np.nan
    with pytest.raises(ConfigurationError, match="finite"):
        fit_shadowing(tx, rx, residual)
