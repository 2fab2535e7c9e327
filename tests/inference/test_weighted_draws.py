"""Weighted draws from a posterior."""

import numpy as np
import pytest
import scipy.stats

from vlmrt_dist.inference.weighted_draws import WeightedDraws

FAR = scipy.stats.norm(3.0, 0.5)
"""The distribution whose quantiles the weighted draws have to show."""


@pytest.fixture
def draws() -> WeightedDraws:
    """Uniform draws, weighed as a normal distribution; those above 3 belong to the second mode."""
    x = np.random.default_rng(3).uniform(0.0, 6.0, (20_000, 1))
    weight = FAR.pdf(x[:, 0])
    return WeightedDraws(x, weight / weight.sum(), (x[:, 0] > 3.0).astype(np.int64))


@pytest.mark.parametrize("share", [0.025, 0.2, 0.5, 0.975])
def test_quantiles_are_those_of_the_distribution_that_the_weights_stand_for(
    draws: WeightedDraws, share: float
) -> None:
    assert draws.quantile(0, share) == pytest.approx(FAR.ppf(share), abs=0.03)


def test_the_ends_of_the_shares_are_the_outermost_draws(draws: WeightedDraws) -> None:
    assert draws.quantile(0, 0.0) == draws.x.min()
    assert draws.quantile(0, 1.0) <= draws.x.max()


def test_shares_of_the_modes_add_up(draws: WeightedDraws) -> None:
    assert draws.share_of(0) == pytest.approx(0.5, abs=0.02)
    assert draws.share_of(0) + draws.share_of(1) == pytest.approx(1.0)


def test_equal_weights_are_all_effective(draws: WeightedDraws) -> None:
    equal = WeightedDraws(draws.x, np.full(20_000, 1 / 20_000), draws.mode)
    assert equal.effective == pytest.approx(20_000)
    assert draws.effective < 10_000
