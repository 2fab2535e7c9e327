"""Weighted draws from posteriors whose shape is known."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.multistart import fit_with_prior_check
from vlmrt_dist.inference.sampling import sample


def toy(bend: float) -> tuple[Any, LeastSquares]:
    """Two levels of two unknowns; ``bend`` makes them curved."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level = np.array([x[0] + bend * x[0] ** 3, x[0] + x[1]])
        slope = [[1.0 + 3.0 * bend * x[0] ** 2, 0.0], [1.0, 1.0]]
        return level, sp.csr_matrix(slope)

    data = LeastSquares(np.zeros(2), np.ones(2), np.ones(2, bool), np.zeros(2), 2.0, -20.0, 20.0)
    return predict, data


def test_draws_agree_with_a_normal_posterior() -> None:
    predict, data = toy(0.0)
    fit = fit_with_prior_check(predict, data, np.zeros((1, 2)))
    drawn = sample(predict, data, fit, np.random.default_rng(0), draws=4000)
    assert drawn.effective > 2000
    high = [drawn.quantile(k, 0.975) for k in range(2)]
    np.testing.assert_allclose(high, 1.96 * fit.knowledge.std, rtol=0.1)


def test_draws_tell_where_a_posterior_is_not_normal() -> None:
    """Flat in the middle, x³ outside: the interval by the slope is far too wide."""
    predict, data = toy(3.0)
    fit = fit_with_prior_check(predict, data, np.zeros((1, 2)))
    drawn = sample(predict, data, fit, np.random.default_rng(0), draws=4000)
    assert drawn.quantile(0, 0.975) < 0.7 * 1.96 * fit.knowledge.std[0]
