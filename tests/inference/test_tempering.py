"""Particles that follow the posterior from the prior."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.stats

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.tempering import particles


def needles() -> tuple[Any, LeastSquares]:
    """Two narrow minima in two unknowns without a prior, at (-6, 3) and (5, -7); the second has
    four times the area of the first and costs 0.7 more."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        apart = np.array([(x - [-6.0, 3.0]) / 0.05, (x - [5.0, -7.0]) / 0.1])
        near = int(np.square(apart[0]).sum() > np.square(apart[1]).sum() + 1.4)
        level = np.append(apart[near], np.sqrt(1.4) * near)
        return level, sp.csr_matrix(np.append(np.eye(2) / (0.05, 0.1)[near], [[0.0, 0.0]], axis=0))

    three = np.ones(3)
    data = LeastSquares(np.zeros(3), three, three > 0.0, np.zeros(2), np.inf, -10.0, 10.0)
    return predict, data


def test_particles_find_narrow_minima_and_their_areas() -> None:
    predict, data = needles()
    exact = 4.0 * np.exp(-0.7) / (1.0 + 4.0 * np.exp(-0.7))
    shares = []
    for seed in range(2):
        found = particles(Batch(predict, data), data, 128, 10**6, np.random.default_rng(seed)).x
        right = found[:, 0] > 0.0
        shares.append(right.mean())
        np.testing.assert_allclose(found[right].mean(axis=0), [5.0, -7.0], atol=0.05)
        np.testing.assert_allclose(found[~right].mean(axis=0), [-6.0, 3.0], atol=0.05)
    assert abs(np.mean(shares) - exact) < 0.15


def test_particles_have_the_spread_of_a_normal_posterior_cut_at_the_range() -> None:
    """One level of slope 1 with noise 1 and a prior of width 1 about 0, above -0.3 only."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        return x.copy(), sp.csr_matrix([[1.0]])

    one = np.ones(1)
    data = LeastSquares(np.zeros(1), one, one > 0.0, np.zeros(1), 1.0, -0.3, 10.0)
    found = particles(Batch(predict, data), data, 1024, 10**6, np.random.default_rng(0)).x
    std = np.sqrt(0.5)
    exact = scipy.stats.truncnorm(-0.3 / std, 10.0 / std, 0.0, std)
    assert found.min() >= -0.3
    np.testing.assert_allclose(found.mean(), exact.mean(), atol=0.06)
    np.testing.assert_allclose(found.std(), exact.std(), atol=0.06)


def test_particles_end_with_their_evaluations() -> None:
    predict, data = needles()
    batch = Batch(predict, data)
    found = particles(batch, data, 64, 500, np.random.default_rng(0)).x
    assert batch.evaluations < 500 + 64 * 7
    assert ((found >= -10.0) & (found <= 10.0)).all()


def test_particles_that_end_early_stand_for_the_posterior_by_their_weights() -> None:
    """A level of slope 20 with noise 1 and a prior of width 1: the posterior is twenty times
    narrower than where particles begin."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        return 20.0 * x, sp.csr_matrix([[20.0]])

    one = np.ones(1)
    data = LeastSquares(10.0 * one, one, one > 0.0, np.zeros(1), 1.0, -10.0, 10.0)
    found = particles(Batch(predict, data), data, 1024, 8000, np.random.default_rng(0))
    std = 1.0 / np.sqrt(401.0)
    assert found.x.std() > 2.0 * std
    x, mean = found.x[:, 0], found.weight @ found.x[:, 0]
    np.testing.assert_allclose(mean, 200.0 / 401.0, atol=0.2 * std)
    np.testing.assert_allclose(np.sqrt(found.weight @ (x - mean) ** 2), std, rtol=0.15)
