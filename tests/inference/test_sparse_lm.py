"""Fits of many unknowns, against linear algebra and against scipy's dense solver."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference import sparse_lm as normal_equations
from vlmrt_dist.inference.least_squares import (
    MAX_DENSE_UNKNOWNS,
    LeastSquares,
    LeastSquaresResult,
    Predict,
    levenberg_marquardt,
)
from vlmrt_dist.inference.sparse_lm import least_squares

START, X = float(np.log(0.03)), 120
LOW, HIGH = np.full(X, np.log(1e-5)), np.full(X, np.log(1e3))


def links(
    *, unseen: int = 0, pairs: int = 0, decades: float = 0.0, noise: float = 0.0
) -> tuple[Predict, FloatArray, FloatArray]:
    """Five links an unknown, each of which sees four of them, a little bent; their levels; truth.

    :param unseen: unknowns that no link sees
    :param pairs: pairs of which every link sees both alike, or neither
    :param decades: powers of ten that the unknowns' influences differ by
    """
    rng = np.random.default_rng(1)
    matrix = np.zeros((5 * X, X))
    for row in matrix:
        row[rng.choice(X - unseen, 4, replace=False)] = 5.0 * rng.normal(size=4)
    matrix[:, 1 : 2 * pairs : 2] = matrix[:, 0 : 2 * pairs : 2]
    sparse = sp.csr_matrix(matrix * 10.0 ** rng.uniform(-decades, 0.0, X))

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        bent = sparse @ (x - START)
        slope = 1.0 + 0.3 * np.cos(bent)
        return sparse @ x + 0.3 * np.sin(bent), sp.csr_matrix(sp.diags(slope) @ sparse)

    truth = START + 0.2 * rng.standard_normal(X)
    return predict, predict(truth)[0] + noise * rng.standard_normal(5 * X), truth


def fitted(predict: Predict, level: FloatArray, noise: float, width: float) -> LeastSquaresResult:
    data = LeastSquares(
        level, np.full(len(level), noise), np.ones(len(level), bool), np.full(X, START), width,
        LOW, HIGH,
    )  # fmt: skip
    return levenberg_marquardt(predict, data, data.prior[None])


def linear(matrix: FloatArray, target: FloatArray) -> Any:
    sparse = sp.csr_matrix(matrix)
    return lambda x: (sparse @ x - target, sparse)


def test_that_many_unknowns_are_solved_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_DENSE_UNKNOWNS < X
    predict, level, _ = links()
    monkeypatch.setattr(normal_equations, "least_squares", None)
    with pytest.raises(TypeError, match="not callable"):
        fitted(predict, level, 1e-3, np.inf)


@pytest.mark.parametrize("sparse", [True, False])
def test_a_linear_problem_has_the_answer_of_linear_algebra(
    sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normal_equations, "SPARSE", 2.0 if sparse else 0.0)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, X)) * (rng.uniform(size=(300, X)) < 0.05)
    target = rng.normal(size=300)
    free = np.full(X, np.inf)
    found = least_squares(
        linear(matrix, target), np.zeros(X), -free, free, tolerance=1e-12, max_evaluations=30
    )
    expected, rest, *_ = np.linalg.lstsq(matrix, target)
    np.testing.assert_allclose(found.x, expected, rtol=1e-6, atol=1e-9)
    assert found.cost == pytest.approx(0.5 * float(rest[0]))
    assert found.converged


@pytest.mark.parametrize("width", [0.5, np.inf])
def test_the_same_minimum_as_by_singular_values(
    width: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict, level, _ = links(noise=0.1)
    mine = fitted(predict, level, 0.1, width)
    monkeypatch.setattr("vlmrt_dist.inference.least_squares.MAX_DENSE_UNKNOWNS", X)
    dense = fitted(predict, level, 0.1, width)
    assert mine.cost == pytest.approx(dense.cost, rel=1e-9)
    np.testing.assert_allclose(mine.x, dense.x, atol=1e-5)
    assert mine.evaluations <= dense.evaluations + 5


@pytest.mark.parametrize("decades", [0.0, 4.0, 8.0])
def test_unknowns_of_any_influence_are_found(decades: float) -> None:
    """The weakest changes no level by more than 1e-7 dB, and there is no noise."""
    predict, level, truth = links(decades=decades)
    found = fitted(predict, level, 1e-3, np.inf)
    assert found.outcome == "converged"
    assert found.evaluations <= 30
    np.testing.assert_allclose(found.x, truth, atol=1e-6)


def test_what_no_link_sees_stays_and_the_rest_is_found() -> None:
    predict, level, truth = links(unseen=30)
    found = fitted(predict, level, 1e-3, np.inf)
    assert (found.x[-30:] == START).all()
    np.testing.assert_allclose(found.x[:-30], truth[:-30], atol=1e-9)
    assert found.evaluations <= 10


def test_of_what_is_only_seen_together_the_sum_is_found() -> None:
    predict, level, truth = links(pairs=25)
    found = fitted(predict, level, 1e-3, np.inf)
    both, true = (x[:50].reshape(-1, 2).sum(axis=1) for x in (found.x, truth))
    np.testing.assert_allclose(both, true, atol=1e-8)
    np.testing.assert_allclose(found.x[50:], truth[50:], atol=1e-8)
    assert np.abs(found.x - START).max() < 2.0  # neither of a pair runs away
    assert found.evaluations <= 10


def test_everything_at_once_with_a_prior_is_as_good_as_by_singular_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predict, level, _ = links(unseen=30, pairs=25, decades=4.0, noise=0.1)
    mine = fitted(predict, level, 0.1, 0.5)
    monkeypatch.setattr("vlmrt_dist.inference.least_squares.MAX_DENSE_UNKNOWNS", X)
    dense = fitted(predict, level, 0.1, 0.5)
    assert mine.cost == pytest.approx(dense.cost, rel=1e-9)
    np.testing.assert_allclose(mine.x, dense.x, atol=1e-5)


def test_the_answer_stays_within_the_bounds_and_on_them_where_it_is_pulled_out() -> None:
    rng = np.random.default_rng(3)
    matrix = np.eye(X) + 0.1 * rng.normal(size=(X, X)) / np.sqrt(X)
    truth = rng.uniform(-2.0, 2.0, X)
    visited: list[FloatArray] = []
    base = linear(matrix, matrix @ truth)

    def residuals(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        visited.append(x)
        return base(x)

    one = np.ones(X)
    found = least_squares(residuals, np.zeros(X), -one, one, tolerance=1e-12, max_evaluations=100)
    assert found.converged
    assert all((np.abs(x) <= 1.0).all() for x in visited)
    from scipy.optimize import lsq_linear

    expected = lsq_linear(matrix, matrix @ truth, (-1.0, 1.0), tol=1e-14)
    np.testing.assert_allclose(found.x, expected.x, atol=1e-5)
    assert (np.abs(found.x) == 1.0).sum() > 30


def test_a_step_to_where_levels_are_not_finite_is_shortened() -> None:
    def residuals(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        level = np.where(x > 0.7, np.nan, np.expm1(2.0 * x))
        return level - np.expm1(1.2), sp.csr_matrix(sp.diags(2.0 * np.exp(2.0 * x)))

    one = np.ones(X)
    found = least_squares(residuals, -one, -5.0 * one, 5.0 * one, tolerance=1e-12,
                          max_evaluations=100)  # fmt: skip
    np.testing.assert_allclose(found.x, 0.6, atol=1e-9)


def test_few_evaluations_are_said_to_be_too_few() -> None:
    predict, level, _ = links()
    data = LeastSquares(
        level, np.full(len(level), 1e-3), np.ones(len(level), bool), np.full(X, START), np.inf,
        LOW, HIGH,
    )  # fmt: skip
    found = levenberg_marquardt(predict, data, data.prior[None], max_evaluations=3)
    assert (found.outcome, found.evaluations) == ("max_iterations", 3)


def test_a_start_at_the_minimum_ends_at_once() -> None:
    predict, _, truth = links()
    data = LeastSquares(
        predict(truth)[0], np.full(5 * X, 1e-3), np.ones(5 * X, bool), truth, 0.5, LOW, HIGH
    )
    found = levenberg_marquardt(predict, data, truth[None])
    assert found.outcome == "converged"
    assert found.evaluations <= 2
    np.testing.assert_array_equal(found.x, truth)
