"""Profiles lead from one minimum to others that lie far away."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.global_search import further_starts
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.multistart import fit_with_prior_check

ANGLES = np.linspace(0.3, 1.2, 12)
TRUTH = np.array([4.0, 0.4])


def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
    """Levels that rise and fall with the first unknown, each at its own pace, so that there are
    several minima, of which one fits; the second shifts them all."""
    first, second = x
    level = 8.0 * np.sin(2.0 * ANGLES * first) + 3.0 * second
    slope = np.column_stack(
        [16.0 * ANGLES * np.cos(2.0 * ANGLES * first), np.full(len(ANGLES), 3.0)]
    )
    return level, sp.csr_matrix(slope)


def problem(width: float) -> LeastSquares:
    level, _ = predict(TRUTH)
    noise = 0.1 * np.random.default_rng(2).standard_normal(len(level))
    return LeastSquares(
        level_dbm=level + noise,
        noise_db=np.full(len(level), 0.1),
        used=np.ones(len(level), bool),
        prior=np.array([-2.0, 0.0]),
        prior_width=width,
        low=-9.0,
        high=9.0,
    )


@pytest.mark.parametrize("width", [2.0, np.inf])
def test_the_minimum_that_fits_is_found_from_one_that_does_not(width: float) -> None:
    data = problem(width)
    stuck = levenberg_marquardt(predict, data, data.prior[None])
    assert abs(stuck.x[0] - TRUTH[0]) > 1.0
    starts, evaluations = further_starts(predict, data, stuck.x, np.array([True, True]))
    assert starts
    assert evaluations < 200
    assert [s.cost for s in starts] == sorted(s.cost for s in starts)
    best = levenberg_marquardt(predict, data, np.array([s.x for s in starts]))
    np.testing.assert_allclose(best.x, TRUTH, atol=0.1)
    fit = fit_with_prior_check(predict, data, data.prior[None])
    np.testing.assert_allclose(fit.x, TRUTH, atol=0.1)
    assert fit.cost < stuck.cost


def test_profiles_of_no_unknown_cost_nothing_but_the_present_value() -> None:
    data = problem(np.inf)
    starts, evaluations = further_starts(predict, data, TRUTH, np.zeros(2, bool))
    assert starts == []
    assert evaluations == 1


def test_a_fit_with_one_minimum_stays_where_it_is() -> None:
    data = problem(np.inf)

    def line(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        rows = np.column_stack([ANGLES, np.ones(len(ANGLES))])
        return rows @ x, sp.csr_matrix(rows)

    fit = fit_with_prior_check(line, data, data.prior[None])
    exact = np.linalg.lstsq(np.column_stack([ANGLES, np.ones(len(ANGLES))]), data.level_dbm)[0]
    np.testing.assert_allclose(fit.x, np.clip(exact, -9.0, 9.0), rtol=1e-3)


def test_of_many_unknowns_the_doubtful_one_is_looked_for_elsewhere() -> None:
    """The same two, and fifty that one level each states: more than profiles are made for."""
    few, many = problem(2.0), 50

    def levels(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level, slope = predict(x[:2])
        return np.concatenate([level, x[2:]]), sp.block_diag([slope, sp.eye(many)], "csr")

    data = replace(
        few,
        level_dbm=np.concatenate([few.level_dbm, np.zeros(many)]),
        noise_db=np.full(len(few.noise_db) + many, 0.1),
        used=np.ones(len(few.used) + many, bool),
        prior=np.concatenate([[1.2, 0.0], np.zeros(many)]),
        prior_width=0.3,
    )
    stuck = levenberg_marquardt(levels, data, data.prior[None])
    assert abs(stuck.x[0] - TRUTH[0]) > 1.0
    fit = fit_with_prior_check(levels, data, data.prior[None])
    np.testing.assert_allclose(fit.x[:2], TRUTH, atol=0.1)
