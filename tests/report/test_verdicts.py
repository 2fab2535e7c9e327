"""Verdicts: intervals of effects, and what they are held against."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlmrt_dist.report.verdicts import (
    Interval,
    Verdict,
    at_least,
    bootstrap,
    exponent,
    paired,
    ratio,
    ratio_of_medians,
    ratio_of_seeds,
    within,
)


@pytest.mark.parametrize(
    ("interval", "count", "verdict"),
    [
        (Interval(2.0, 1.1, 3.0), 50, "holds"),
        (Interval(2.0, 1.09, 3.0), 50, "undecided"),
        (Interval(1.0, 0.9, 1.09), 50, "not reproduced"),
        (Interval(1.0, 0.9, 1.1), 50, "undecided"),
        (Interval(9.0, 8.0, 10.0), 49, "undecided"),
        (Interval(math.inf, 5.0, math.inf), 50, "holds"),
    ],
)
def test_a_verdict_needs_the_whole_interval_and_enough_seeds(
    interval: Interval, count: int, verdict: Verdict
) -> None:
    assert at_least(interval, 1.1, count) == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(11.4, 10.5, 12.3), "undecided"),
        (Interval(8.5, 8.1, 8.9), "undecided"),
        (Interval(12.6, 10.5, 14.0), "holds"),
        (Interval(7.9, 7.0, 9.0), "not reproduced"),
    ],
)
def test_near_a_round_number_of_the_paper_nothing_is_decided(
    interval: Interval, verdict: Verdict
) -> None:
    assert at_least(interval, 10.0, 100) == verdict


@pytest.mark.parametrize(
    ("interval", "count", "verdict"),
    [
        (Interval(1.0, 0.8, 1.2), 4, "holds"),
        (Interval(1.0, 0.6, 1.2), 4, "undecided"),
        (Interval(0.1, 0.0, 0.6), 4, "not reproduced"),
        (Interval(1.0, 0.8, 1.2), 3, "undecided"),
        (Interval(math.nan, -math.inf, math.inf), 9, "undecided"),
    ],
)
def test_a_growth_is_held_against_a_range(interval: Interval, count: int, verdict: Verdict) -> None:
    assert within(interval, 0.7, 1.3, count) == verdict


def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    """Of 60 sets of 60 seeds, log-normal errors whose medians are 1.5 apart; 95 % ± 3 · 2.8 %."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        common = rng.normal(0.0, 0.5, 60)
        errors = np.exp([common + rng.normal(math.log(1.5), 0.3, 60),
                         common + rng.normal(0.0, 0.3, 60)])  # fmt: skip
        _, low, high = bootstrap(errors, ratio_of_medians)
        held += low <= 1.5 <= high
    assert held / 60 >= 0.865


def test_pairs_narrow_the_interval_of_a_ratio_of_seeds() -> None:
    rng = np.random.default_rng(0)
    base = np.exp(rng.normal(0.0, 2.0, 80))
    value, low, high = bootstrap(np.array([3.0 * base, base]), ratio_of_seeds(0.9))
    assert (value, low, high) == pytest.approx((3.0, 3.0, 3.0))


def test_the_same_rows_give_the_same_interval() -> None:
    errors = np.random.default_rng(0).uniform(1.0, 2.0, (3, 70))
    assert bootstrap(errors, ratio_of_medians) == bootstrap(errors, ratio_of_medians)


def test_only_seeds_that_all_groups_have_are_compared() -> None:
    values = paired([{0: 1.0, 1: 2.0, 5: math.nan}, {5: 3.0, 1: 4.0}])
    np.testing.assert_array_equal(values, [[2.0, math.inf], [4.0, 3.0]])


def test_two_that_never_arrive_are_equal() -> None:
    found = ratio(
        np.array([math.inf, math.inf, 2.0, 0.0]), np.array([math.inf, 2.0, math.inf, 0.0])
    )
    np.testing.assert_array_equal(found, [1.0, math.inf, 0.0, 1.0])


def test_an_exponent_and_its_t_interval() -> None:
    sizes = [1, 2, 4, 8]
    value, low, high = exponent(sizes, [3.0 * n**1.5 for n in sizes])
    assert value == pytest.approx(1.5)
    assert high - low < 1e-6
    noisy = [3.0 * n**1.5 * f for n, f in zip(sizes, (1.2, 0.8, 1.2, 0.8), strict=True)]
    value, low, high = exponent(sizes, noisy)
    x, y = np.log(sizes), np.log(noisy)
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    error = math.sqrt((residual**2).sum() / 2 / ((x - x.mean()) ** 2).sum())
    assert high - low == pytest.approx(2 * 4.302653 * error)  # t of 2 degrees of freedom
    assert math.isnan(exponent([1, 2], [1.0, 2.0]).value)
    assert exponent([1, 2, 4], [0.1, 0.1, 0.1]) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
