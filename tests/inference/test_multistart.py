"""Least squares on made-up levels, without a scene."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares, Predict, levenberg_marquardt
from vlmrt_dist.inference.multistart import held_out_levels, search


def data_of(level: FloatArray, width: float, **more: Any) -> LeastSquares:
    links = len(level)
    return LeastSquares(
        level, np.ones(links), np.ones(links, bool), np.zeros(1), width, -20.0, 20.0, **more
    )


def constant(links: int) -> Predict:
    """One unknown that all levels are equal to."""
    return lambda x: (np.full(links, x[0]), sp.csr_matrix(np.ones((links, 1))))


def test_without_a_prior_too_a_robust_loss_reaches_as_far_as_the_noise_that_shows() -> None:
    error = 6.0 * np.random.default_rng(0).exponential(size=60)
    predict, data = constant(60), data_of(error, np.inf, loss="huber")
    fit = search(predict, data, np.zeros((1, 1))).fit
    assert fit.scale > 2.0

    def best(scale: float) -> float:
        louder = replace(data, noise_db=data.noise_db * scale)
        return float(levenberg_marquardt(predict, louder, np.zeros((1, 1))).x[0])

    declared, shown = best(1.0), best(fit.scale)
    assert abs(declared - shown) > 0.3
    assert abs(fit.x[0] - shown) < 0.2 * abs(declared - shown)


def test_without_a_prior_squares_stay_where_they_are() -> None:
    error = 6.0 * np.random.default_rng(0).standard_normal(30)
    fit = search(constant(30), data_of(error, np.inf), np.zeros((1, 1))).fit
    np.testing.assert_allclose(fit.x, error.mean())
    assert fit.scale > 2.0


def test_links_left_out_are_predicted_from_the_right_minimum() -> None:
    """Between the prior's mean, 0, and the truth, 5, the levels rise and fall."""
    gain = np.random.default_rng(1).uniform(1.0, 2.0, 20)

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level, slope = x[0] - 2.0 * np.sin(2.0 * x[0]), 1.0 - 4.0 * np.cos(2.0 * x[0])
        return gain * level, sp.csr_matrix((gain * slope)[:, None])

    truth = predict(np.array([5.0]))[0]
    data = data_of(truth, 10.0)
    alone = levenberg_marquardt(predict, data, np.zeros((1, 1)))
    assert abs(alone.x[0] - 5.0) > 1.0
    rng = np.random.default_rng(0)
    found = held_out_levels(predict, data, np.array([5.0]), 5, rng)
    np.testing.assert_allclose(found, truth, rtol=1e-2)
