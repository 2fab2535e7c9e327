"""Weights of minima beside those of many particles."""

from dataclasses import replace

import numpy as np
import pytest

from vlmrt_dist.studies import Weights, WeightsTask, told_within, two_minima_problems

SUITE = {problem.name: problem for problem in two_minima_problems()}


def test_a_row_holds_what_is_compared() -> None:
    task = WeightsTask(SUITE["thin_walls_2"], 1.5, 64, 2)
    found = Weights.of(task.measure("minima"))
    assert (found.name, found.width) == ("thin_walls_2", 1.5)
    assert found.excess.min() == 0.0
    assert found.reference.shape == (2, len(found.weight))
    assert found.evaluations > 10
    assert task.key != WeightsTask(SUITE["thin_walls_2"], 1.5, 64, 3).key


def test_problems_are_counted_whose_weights_are_all_near_their_references() -> None:
    reference = np.array([[0.70, 0.30], [0.74, 0.26]])
    good = Weights("a", 1.0, np.zeros(2), np.array([0.75, 0.25]), reference, 100, 1.0)
    bad = replace(good, weight=np.array([0.8, 0.2]))
    assert told_within([good, bad], 0.2) == (1, 2)
    np.testing.assert_allclose(good.ratio, [0.75 / 0.72, 0.25 / 0.28])
    np.testing.assert_allclose(good.error[0], 0.02 / 0.72, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["thin_walls_apart", "partition_loud", "coated_concrete"])
def test_weights_agree_with_many_particles(name: str) -> None:
    found = Weights.of(WeightsTask(SUITE[name], np.inf, 2048, 2).measure("minima"))
    np.testing.assert_allclose(found.weight, found.reference.mean(axis=0), rtol=0.25)
