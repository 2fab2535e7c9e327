"""Weighted draws from posteriors whose shape is known."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.global_search import explore
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.ridges import Basins, Ridges
from vlmrt_dist.inference.sampling import (
    ENOUGH,
    WEIGHT_ERROR,
    about_minima,
    beyond_normal,
    normal_holds,
    sample,
)
from vlmrt_dist.inference.weighted_draws import WeightedDraws


def toy(bend: float) -> tuple[Any, LeastSquares]:
    """Two levels of two unknowns; ``bend`` makes them curved."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level = np.array([x[0] + bend * x[0] ** 3, x[0] + x[1]])
        slope = [[1.0 + 3.0 * bend * x[0] ** 2, 0.0], [1.0, 1.0]]
        return level, sp.csr_matrix(slope)

    data = LeastSquares(np.zeros(2), np.ones(2), np.ones(2, bool), np.zeros(2), 2.0, -20.0, 20.0)
    return predict, data


def drawn_from(predict: Any, data: LeastSquares, seed: int = 0) -> tuple[WeightedDraws, FloatArray]:
    """Draws, and the minimum that they began at."""
    batch = Batch(predict, data)
    x = levenberg_marquardt(predict, data, data.prior[None]).x
    found = explore(batch, data, x, 10_000)
    return sample(batch, data, found, np.random.default_rng(seed), 20_000), x


def test_draws_agree_with_a_normal_posterior() -> None:
    predict, data = toy(0.0)
    drawn, x = drawn_from(predict, data)
    assert drawn.effective > ENOUGH
    slope = np.array([[1.0, 0.0], [1.0, 1.0]])
    std = np.sqrt(np.diag(np.linalg.inv(slope.T @ slope + np.eye(2) / 4.0)))
    for share, end in ((0.025, -NORMAL_95), (0.975, NORMAL_95)):
        quantile = [drawn.quantile(k, share) for k in range(2)]
        np.testing.assert_allclose(quantile, end * std, rtol=0.2)
    assert normal_holds(Batch(predict, data), data, x, np.random.default_rng(0))


def test_draws_tell_where_a_posterior_is_not_normal() -> None:
    """Flat in the middle, x³ outside: the interval by the slope is far too wide."""
    predict, data = toy(3.0)
    drawn, x = drawn_from(predict, data)
    assert not normal_holds(Batch(predict, data), data, x, np.random.default_rng(0))
    grid = np.linspace(-4.0, 4.0, 801)
    # The second unknown is marginalized by hand: its level's residual has variance 1 + 2².
    cost = 0.5 * (grid + 3.0 * grid**3) ** 2 + 0.5 * (grid / 2.0) ** 2 + 0.5 * grid**2 / 5.0
    share = np.cumsum(np.exp(-cost))
    exact = np.interp([0.025, 0.5, 0.975], share / share[-1], grid)
    found = [drawn.quantile(0, q) for q in (0.025, 0.5, 0.975)]
    np.testing.assert_allclose(found, exact, atol=0.1)


def bimodal(depth: float) -> tuple[Any, LeastSquares]:
    """One unknown with minima at -2 and 2; the second is higher by ``depth``, and twice as wide."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        z = x[0]
        left, right = (z + 2.0) / 0.1, (z - 2.0) / 0.2
        low = left**2 < right**2 + 2.0 * depth
        level = np.array([left if low else np.sqrt(right**2 + 2.0 * depth)])
        slope = 10.0 if low else right / 0.2 / max(level[0], 1e-9)
        return level, sp.csr_matrix([[slope]])

    one = np.ones(1)
    data = LeastSquares(np.zeros(1), one, one > 0, np.zeros(1), np.inf, -8.0, 8.0, spacing=0.5)
    return predict, data


def test_two_modes_have_the_weights_of_their_areas() -> None:
    predict, data = bimodal(1.0)
    drawn, _ = drawn_from(predict, data)
    exact = 2.0 * np.exp(-1.0) / (1.0 + 2.0 * np.exp(-1.0))
    right = drawn.weight[drawn.x[:, 0] > 0.0].sum()
    np.testing.assert_allclose(right, exact, rtol=0.1)
    batch = Batch(predict, data)
    minima = explore(batch, data, np.array([-2.0]), 10_000).minima
    assert len(minima.x) == 2
    basins = Basins(batch, Ridges(data), minima.x, minima.cost)
    np.testing.assert_array_equal(drawn.mode, basins.of(drawn.x))
    np.testing.assert_allclose(drawn.share_of(1), right, atol=1e-3)


def test_ripples_too_low_to_part_minima_are_wider_than_the_normal_posterior_says() -> None:
    def rippled(height: float) -> tuple[Any, LeastSquares]:
        def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
            level = np.array([0.3 * x[0], height * np.sin(8.0 * x[0])])
            return level, sp.csr_matrix([[0.3], [8.0 * height * np.cos(8.0 * x[0])]])

        two = np.ones(2)
        data = LeastSquares(np.zeros(2), two, two > 0, np.zeros(1), np.inf, -8.0, 8.0, spacing=0.3)
        return predict, data

    for height, wider in ((0.6, True), (0.0, False)):
        predict, data = rippled(height)
        batch, here = Batch(predict, data), np.zeros(1)
        found = explore(batch, data, here, 10_000)
        assert len(found.minima.x) == 1
        assert beyond_normal(batch, data, here, found.profiles) == wider


def test_a_minimum_of_little_weight_gets_its_draws() -> None:
    predict, data = bimodal(1.9)
    exact = 2.0 * np.exp(-1.9) / (1.0 + 2.0 * np.exp(-1.9))
    found = [drawn_from(predict, data, seed)[0].share_of(1) for seed in range(3)]
    np.testing.assert_allclose(found, exact, rtol=3.0 * WEIGHT_ERROR)


def test_the_same_seed_makes_the_same_draws() -> None:
    one, other = (drawn_from(*bimodal(0.5), seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.weight, other.weight)


def test_without_evaluations_every_minimum_is_drawn_about_by_its_mass() -> None:
    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        centre, slope = (-2.0, 10.0) if x[0] < 0.5 else (2.0, 5.0)
        return np.array([slope * (x[0] - centre)]), sp.csr_matrix([[slope]])

    data = bimodal(0.0)[1]
    batch = Batch(predict, data)
    landscape = explore(batch, data, np.array([-2.0]), 10_000)
    drawn = about_minima(batch, data, landscape, np.random.default_rng(0))
    shares = [drawn.share_of(0), drawn.share_of(1)]
    np.testing.assert_allclose(shares, [2.0 / 3.0, 1.0 / 3.0], atol=0.03)
    right, left = (drawn.x[drawn.mode == mode, 0] for mode in (0, 1))
    np.testing.assert_allclose([left.mean(), right.mean()], [-2.0, 2.0], atol=0.05)
    np.testing.assert_allclose([left.std(), right.std()], [0.1, 0.2], rtol=0.1)
