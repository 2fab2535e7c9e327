"""Counting how often intervals hold the truth; and that they do."""

import json

import numpy as np
import pytest
import scipy.stats

from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.inference.problem import open_problem
from vlmrt_dist.report import interval_table
from vlmrt_dist.scene import box_room
from vlmrt_dist.store import Timing
from vlmrt_dist.studies.benchmarks.interval_coverage import (
    CoverageTask,
    Tally,
    counted,
    coverage_cases,
    draw_truth,
    held,
)

CASES = {
    (case.name, case.group): case
    for case in coverage_cases(
        (0.5, 1.5, 5.0), (0.1, 1.0), random_campaign(box_room(), 3, 8, seed=0)
    )
}


def test_there_is_a_case_for_each_problem_and_width_and_each_noise_of_the_room() -> None:
    assert len(CASES) == 20 * 3 + 2 + 2


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    tally = Tally(40, 3)
    low, high = tally.ends
    assert scipy.stats.binom.sf(2, 40, low) == pytest.approx(0.025)
    assert scipy.stats.binom.cdf(3, 40, high) == pytest.approx(0.025)
    assert Tally(0, 0).ends == (0.0, 1.0)


def test_tallies_of_a_group_are_added() -> None:
    def row(group: str, **tallies: tuple[int, int]) -> Timing:
        task = CoverageTask(CASES["box_room", "room, 1 dB"], 1)
        timing = Timing.__new__(Timing)
        label = json.dumps({"group": group, "case": str(task), "tallies": tallies})
        object.__setattr__(timing, "label", label)
        return timing

    found = counted([row("a", weak=(3, 1)), row("a", weak=(4, 0), several=(2, 2)), row("b")])
    assert held(found["a"]) == Tally(9, 3)
    assert found == {"a": {"weak": Tally(7, 1), "several": Tally(2, 2)}, "b": {}}
    table = interval_table("title", found)
    assert table.row_count == 2


def test_truths_are_those_of_the_prior_within_the_range() -> None:
    case = CASES["thin_walls_1", "two minima, prior 5"]
    with open_problem(case.scene, case.campaign, case.assumed) as problem:
        rng = np.random.default_rng(0)
        drawn = np.array([draw_truth(problem, rng)[0] for _ in range(4000)])
        low, high, mean = (
            each[0] for each in (problem.unknowns.low, problem.unknowns.high, problem.unknowns.mean)
        )
    assert ((drawn > low) & (drawn < high)).all()
    bounds = (low - mean) / 5.0, (high - mean) / 5.0
    assert scipy.stats.kstest(drawn, scipy.stats.truncnorm(*bounds, mean, 5.0).cdf).pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("thin_walls_2", "two minima, prior 1.5"),
        ("partition_0", "two minima, prior 0.5"),
        ("coated_concrete", "two minima, prior 5"),
        ("box_room", "room, 0.1 dB"),
    ],
)
def test_estimated_answers_hold_the_truth(name: str, group: str) -> None:
    """15 truths each: no more misses than 7 % of the answers would give in one of a thousand."""
    tallies = CoverageTask(CASES[name, group], 15).tallies()["all"]
    for verdict in ("estimated", "several", "at_least", "at_most"):
        tally = tallies.get(verdict, Tally(0, 0))
        assert tally.missed <= scipy.stats.binom.ppf(0.999, tally.answers, 0.07), verdict


@pytest.mark.slow
def test_scattering_coefficients_are_held_and_counted_by_quantity() -> None:
    """Few truths; sweeps/intervals.py has many."""
    tallies = CoverageTask(CASES["rough_room_0", "rough room"], 6).tallies()
    parts = "conductivity", "scattering_coefficient", "xpd_coefficient"
    assert set(tallies) == {"all", *parts}
    for name in parts:
        tally = held(tallies[name])
        assert tally.answers == 6 * 5
        assert tally.missed <= scipy.stats.binom.ppf(0.999, tally.answers, 0.07), name
    assert held(tallies["all"]).answers == 3 * 30
    told = [v for v in tallies["scattering_coefficient"] if v != "not_identified"]
    assert sum(tallies["scattering_coefficient"][v].answers for v in told) >= 10
