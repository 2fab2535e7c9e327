"""Ridges between minima, and the basins that they part."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.ridges import SAME, Basins, Ridges

LEFT, RIGHT = np.array([-2.0, 1.0]), np.array([2.0, 1.0])


def two_wells(height: float) -> tuple[Any, LeastSquares]:
    """Minima at x = ±2, y = 1 with a ridge of ``height`` at x = 0."""

    def predict(x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        depth = np.sqrt(2.0 * height)
        level = np.array([depth * (1.0 - (x[0] / 2.0) ** 2), 3.0 * (x[1] - 1.0)])
        return level, sp.csr_matrix([[-depth * x[0] / 2.0, 0.0], [0.0, 3.0]])

    one = np.ones(2)
    data = LeastSquares(np.zeros(2), one, one > 0.0, np.zeros(2), np.inf, -8.0, 8.0)
    return predict, data


def test_a_ridge_is_where_the_cost_is_highest_and_is_searched_for_once() -> None:
    predict, data = two_wells(8.0)
    batch, ridges = Batch(predict, data), Ridges(data)
    assert ridges.known(LEFT, RIGHT) is None
    (found,) = ridges.between(batch, LEFT[None], RIGHT[None], np.zeros(1))
    assert found.unknown == 0
    assert abs(found.value) < 0.5
    np.testing.assert_allclose(found.height, 8.0, rtol=0.1)
    assert not found.same
    spent = batch.evaluations
    assert ridges.between(batch, RIGHT[None], LEFT[None], np.zeros(1)) == [found]
    assert ridges.known(RIGHT, LEFT) == found
    assert batch.evaluations == spent


def test_minima_without_a_ridge_are_one() -> None:
    predict, data = two_wells(0.5 * SAME)
    (found,) = Ridges(data).between(Batch(predict, data), LEFT[None], RIGHT[None], np.zeros(1))
    assert found.same
    (same,) = Ridges(data).between(Batch(predict, data), LEFT[None], LEFT[None], np.zeros(1))
    assert same.height == 0.0


def test_points_belong_to_the_minimum_on_their_side() -> None:
    predict, data = two_wells(8.0)
    minima, cost = np.stack([RIGHT, LEFT]), np.zeros(2)
    basins = Basins(Batch(predict, data), Ridges(data), minima, cost)
    points = np.array([[1.0, 5.0], [-0.7, 1.0], [7.0, -3.0], [-7.0, 1.0]])
    np.testing.assert_array_equal(basins.of(points), [0, 1, 0, 1])
    alone = Basins(Batch(predict, data), Ridges(data), minima[:1], cost[:1])
    np.testing.assert_array_equal(alone.of(points), 0)
