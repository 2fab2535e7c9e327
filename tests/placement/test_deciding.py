"""The setup that decides between solutions."""

import dataclasses

import numpy as np
import pytest

import vlmrt_dist as vd
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference import Alternative, Estimate
from vlmrt_dist.inference.quantities import Gains
from vlmrt_dist.placement.deciding import Differences
from vlmrt_dist.placement.sequential import plan_next
from vlmrt_dist.studies import two_minima_problems

SIGMAS = (0.005, 23.0)


def of(
    levels: FloatArray, *, centred: bool = False, weight: FloatArray | None = None
) -> Differences:
    shares = np.full(len(levels), 1.0 / len(levels)) if weight is None else weight
    return Differences(levels, np.ones(levels.shape[1:], bool), shares, 0.5, centred)


def test_the_links_that_differ_most_are_chosen() -> None:
    rng = np.random.default_rng(0)
    levels = rng.normal(-60.0, 5.0, (2, 4, 12))
    apart = np.abs(levels[0] - levels[1])
    best = np.sort(apart, axis=1)[:, -3:]
    setup, receivers = of(levels).choice(3)
    assert setup == int(np.argmax((best**2).sum(axis=1)))
    assert receivers == np.argsort(-apart[setup])[:3].tolist()


def test_with_an_unknown_offset_only_differences_between_receivers_count() -> None:
    levels = np.full((2, 2, 6), -60.0)
    levels[1, 0] += 20.0  # an offset would explain it
    levels[1, 1, 2], levels[1, 1, 4] = -55.0, -65.0
    assert of(levels).choice(2)[0] == 0
    setup, receivers = of(levels, centred=True).choice(2)
    assert (setup, set(receivers)) == (1, {2, 4})


def test_a_solution_that_is_hardly_possible_does_not_decide_the_choice() -> None:
    levels = np.full((3, 2, 4), -60.0)
    levels[2, 0] += 30.0  # tells the third from the others
    levels[1, 1] += 3.0  # tells the first two apart
    assert of(levels, weight=np.array([0.5, 0.49, 0.01])).choice(2)[0] == 1
    assert of(levels, weight=np.array([0.4, 0.2, 0.4])).choice(2)[0] == 0


def test_candidates_that_no_path_reaches_are_left_out() -> None:
    levels = np.full((2, 1, 4), -60.0)
    levels[1, 0] = [-40.0, -59.0, -58.0, -60.0]
    found = dataclasses.replace(of(levels), heard=np.array([[False, True, True, True]]))
    assert found.choice(2) == (0, [2, 1])


@pytest.fixture(scope="module")
def ambiguous() -> tuple[vd.SceneModel, vd.Campaign, Estimate]:
    """The corridor whose walls are weak dielectrics or metal."""
    problem = next(each for each in two_minima_problems() if each.name == "thin_walls_1")
    campaign = problem.measured()
    solver = vd.LevenbergMarquardt(folds=0, posterior="normal")
    result = vd.estimate(
        problem.scene, campaign, radio=problem.radio, parameters=problem.parameters,
        noise=problem.noise, solver=solver,
    )  # fmt: skip
    sigma = problem.scene.conductivity(problem.radio.frequency)
    walls = np.isin(problem.scene.names, ["left", "right"])
    solutions = tuple(
        Alternative(0.5, 20.0, 1.0, {"conductivity": np.where(walls, value, sigma)})
        for value in SIGMAS
    )
    return problem.scene, campaign, dataclasses.replace(result, solutions=solutions)


def test_a_plan_decides_between_solutions(
    ambiguous: tuple[vd.SceneModel, vd.Campaign, Estimate],
) -> None:
    scene, campaign, result = ambiguous
    radio = vd.RadioConfig(max_depth=3)
    pool = vd.CandidateOptions(num_tx=6, num_rx=20, height=(1.0, 2.0))
    ahead = plan_next(scene, campaign, result, num_receivers=4, radio=radio, candidates=pool)
    assert ahead.level_dbm.shape == (2, 4)
    floor = float(np.nanmin(result.links.measured_dbm))
    for level, sigma in zip(ahead.level_dbm, SIGMAS, strict=True):
        walls = scene.with_materials(conductivity=dict.fromkeys(("left", "right"), sigma))
        found = vd.simulate(walls, ahead.campaign, radio=radio, noise_db=0.0).rss_dbm
        assert found is not None
        np.testing.assert_allclose(level, np.maximum(found[0], floor), atol=1e-6)
    decided = np.abs(ahead.level_dbm[0] - ahead.level_dbm[1])
    assert decided[0] == decided.max()
    lines = ahead.sentences()
    assert len(lines) == 1
    assert "2 solutions explain what is measured. The link from (" in lines[0]
    assert f"{ahead.level_dbm[0, 0]:.1f} dBm by solution 1" in lines[0]
    # More than links that were placed for their information.
    one = dataclasses.replace(result, solutions=())
    usual = plan_next(scene, campaign, one, num_receivers=4, radio=radio, candidates=pool)
    assert usual.sentences() == []
    levels = []
    for sigma in SIGMAS:
        walls = scene.with_materials(conductivity=dict.fromkeys(("left", "right"), sigma))
        found = vd.simulate(walls, usual.campaign, radio=radio, noise_db=0.0).rss_dbm
        assert found is not None
        levels.append(np.maximum(found[0], floor))
    assert np.square(decided).sum() >= np.square(levels[0] - levels[1]).sum()


def test_little_difference_is_said(
    ambiguous: tuple[vd.SceneModel, vd.Campaign, Estimate],
) -> None:
    scene, campaign, result = ambiguous
    sigma = result.solutions[0].values["conductivity"]
    alike = tuple(
        dataclasses.replace(each, values={"conductivity": sigma * factor})
        for each, factor in zip(result.solutions, (1.0, 1.001), strict=True)
    )
    offsets = Gains(
        np.zeros(1), np.ones(1), ("weak",), ("setup 1",), np.zeros(campaign.present.shape, int)
    )
    same = dataclasses.replace(result, solutions=alike, gains=offsets)
    pool = vd.CandidateOptions(num_tx=2, num_rx=6, height=(1.0, 2.0))
    radio = vd.RadioConfig(max_depth=3)
    ahead = plan_next(scene, campaign, same, num_receivers=2, radio=radio, candidates=pool)
    assert "does not tell solutions 1 and 2 apart: at all" in ahead.sentences()[1]
    assert "little against the noise" in ahead.sentences()[1]
