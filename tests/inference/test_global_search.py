"""Profiles lead from one minimum to others that lie far away."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.batches import Batch, descend
from vlmrt_dist.inference.global_search import Points, distinct, explore, suspicious
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.multistart import search
from vlmrt_dist.inference.ridges import Ridges

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


def basins(data: LeastSquares) -> tuple[FloatArray, FloatArray]:
    """First unknown and cost of every minimum, by brute force on a fine lattice, that no way leads
    out of which is less than 0.7 high. The levels are linear in the second unknown."""
    first = np.linspace(-9.0, 9.0, 3601)
    apart = 8.0 * np.sin(2.0 * ANGLES[:, None] * first) - data.level_dbm[:, None]
    second = np.clip(-apart.mean(axis=0) / 3.0, -9.0, 9.0)
    cost = 0.5 * (((apart + 3.0 * second) / data.noise_db[:, None]) ** 2).sum(axis=0)
    kept = []
    for i in 1 + np.flatnonzero((cost[1:-1] < cost[:-2]) & (cost[1:-1] < cost[2:])):
        lower = np.flatnonzero(cost < cost[i])
        nearest = [*lower[lower < i][-1:], *lower[lower > i][:1]]
        ways = [cost[min(i, j) : max(i, j)].max() for j in nearest]
        if all(way > cost[i] + 0.7 for way in ways):
            kept.append(i)
    return first[kept], cost[kept]


@pytest.mark.parametrize("width", [2.0, np.inf])
def test_the_minimum_that_fits_is_found_from_one_that_does_not(width: float) -> None:
    data = problem(width)
    stuck = levenberg_marquardt(predict, data, data.prior[None])
    assert abs(stuck.x[0] - TRUTH[0]) > 1.0
    batch = Batch(predict, data)
    found = explore(batch, data, stuck.x, 10_000)
    assert found.complete
    assert found.begin == pytest.approx(stuck.cost)
    np.testing.assert_allclose(found.minima.x[0], TRUTH, atol=0.1)
    fit = search(predict, data, data.prior[None]).fit
    np.testing.assert_allclose(fit.x, TRUTH, atol=0.1)
    assert fit.cost < stuck.cost
    assert fit.modes[0].weight > 0.9


def test_every_minimum_within_the_noise_is_kept() -> None:
    quiet = problem(np.inf)
    data = replace(quiet, noise_db=120.0 * quiet.noise_db, spacing=0.6)
    place, cost = basins(data)
    near = cost < cost.min() + 4.0
    assert near.sum() > 2
    batch = Batch(predict, data)
    begin = levenberg_marquardt(predict, data, data.prior[None]).x
    found = explore(batch, data, begin, 10_000).minima
    for first in place[near]:
        assert np.abs(found.x[:, 0] - first).min() < 0.1


def test_nothing_is_suspected_of_a_fit_with_one_minimum() -> None:
    data = problem(np.inf)

    def line(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        rows = np.column_stack([ANGLES, np.ones(len(ANGLES))])
        return rows @ x, sp.csr_matrix(rows)

    known = replace(data, level_dbm=line(np.array([1.0, 2.0]))[0])
    assert not suspicious(Batch(line, known), known, np.array([1.0, 2.0]))


def test_a_search_ends_at_its_limit() -> None:
    data = problem(np.inf)
    batch = Batch(predict, data)
    found = explore(batch, data, TRUTH, 1)
    assert not found.complete
    fit = search(predict, data, data.prior[None], max_total=30).fit
    assert "max_total" in fit.reason


def test_descents_end_where_scipy_does() -> None:
    data = problem(2.0)
    starts = np.random.default_rng(0).uniform(-4.0, 4.0, (12, 2))
    ended = descend(Batch(predict, data), starts, 60)
    for x, cost in zip(ended.x, ended.cost, strict=True):
        polished = levenberg_marquardt(predict, data, x[None])
        assert cost - polished.cost < 0.01


def test_points_in_one_basin_are_one_minimum() -> None:
    data = problem(np.inf)
    batch = Batch(predict, data)
    x = np.array([TRUTH, TRUTH + np.array([1e-3, 0.0]), TRUTH - np.array([0.0, 2e-3])])
    one = distinct(batch, Ridges(data), Points(x, batch.cost(x)))
    assert len(one.x) == 1
    assert one.cost[0] == batch.cost(x).min()


def test_a_fit_with_one_minimum_stays_where_it_is() -> None:
    data = problem(np.inf)

    def line(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        rows = np.column_stack([ANGLES, np.ones(len(ANGLES))])
        return rows @ x, sp.csr_matrix(rows)

    fit = search(line, data, data.prior[None]).fit
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
    fit = search(levels, data, data.prior[None]).fit
    np.testing.assert_allclose(fit.x[:2], TRUTH, atol=0.1)
