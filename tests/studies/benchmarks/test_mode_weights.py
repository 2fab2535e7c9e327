"""Weights of minima beside their references."""

from dataclasses import replace

import numpy as np
import pytest

from vlmrt_dist.inference import (
    LevenbergMarquardt,
    fit_least_squares,
    lattice_shares,
    louder,
    open_problem,
    particle_shares,
)
from vlmrt_dist.studies import Weights, WeightsTask, told_within, two_minima_problems

SUITE = {problem.name: problem for problem in two_minima_problems()}


def test_a_row_holds_what_is_compared() -> None:
    task = WeightsTask(SUITE["thin_walls_2"], 1.5, 64, 2)
    found = Weights.of(task.measure("minima"))
    assert (found.name, found.width) == ("thin_walls_2", 1.5)
    assert found.by == "lattice"
    assert found.reference.shape == (2, len(found.weight))
    np.testing.assert_allclose(found.weight, found.reference.mean(axis=0), rtol=0.1)
    assert found.evaluations > 10
    assert task.key != WeightsTask(SUITE["thin_walls_2"], 1.5, 64, 3).key


def test_problems_are_counted_whose_weights_are_all_near_their_references() -> None:
    reference = np.array([[0.70, 0.30], [0.74, 0.26]])
    good = Weights("a", 1.0, np.array([0.75, 0.25]), reference, "particles", 100, 1.0)
    bad = replace(good, weight=np.array([0.8, 0.2]))
    assert told_within([good, bad], 0.2) == (1, 2)
    np.testing.assert_allclose(good.ratio, [0.75 / 0.72, 0.25 / 0.28])
    np.testing.assert_allclose(good.error[0], 0.02 / 0.72, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["partition_0", "partition_loud"])
def test_weights_agree_with_the_lattice(name: str) -> None:
    found = Weights.of(WeightsTask(SUITE[name], np.inf, 2048, 2).measure("minima"))
    assert found.by == "lattice"
    np.testing.assert_allclose(found.reference[0], found.reference[1], rtol=0.05)
    np.testing.assert_allclose(found.weight, found.reference.mean(axis=0), rtol=0.2)


@pytest.mark.slow
def test_particles_agree_with_the_lattice() -> None:
    """The reference of problems with more unknowns, where both can be made."""
    case = SUITE["partition_loud"]
    campaign = case.measured()
    with open_problem(case.scene, campaign, case.assumptions(np.inf)) as problem:
        fit = fit_least_squares(
            problem, LevenbergMarquardt(), problem.prior.median, np.random.default_rng(0)
        )
        data = louder(problem.data, fit)
        particles = particle_shares(problem.predict, data, fit.modes, 2048, 1)
        lattice = lattice_shares(problem.predict, data, fit.modes, 1.0)
    np.testing.assert_allclose(particles, lattice, atol=0.05)
