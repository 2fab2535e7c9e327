"""Intervals and verdicts of one unknown, held against posteriors that are known in closed form."""

from typing import get_args

import numpy as np
import pytest
import scipy.stats

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.field import Materials
from vlmrt_dist.inference.answers import quantity_of
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.parameters import Unknowns
from vlmrt_dist.inference.posterior import NORMAL_95, Posterior
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.verdicts import (
    NORMAL_90,
    Marginals,
    Verdict,
    contradicted,
    entangled,
    limits,
    marginals,
)
from vlmrt_dist.inference.weighted_draws import Mode, WeightedDraws
from vlmrt_dist.inference.wording import VERDICT_WORDS

MEAN = float(np.log(0.03))


def unknowns(width: float, count: int = 1) -> Unknowns:
    ones = np.ones(count)
    names = tuple(f"o{k}" for k in range(count))
    return Unknowns(
        ("conductivity",) * count, names, MEAN * ones, width * ones,
        {"conductivity": np.arange(count)}, Materials(0.03 * ones, 5.0 * ones, 0.1 * ones), (),
        3.5e9, 1,
    )  # fmt: skip


def fit_of(
    std: float | FloatArray,
    width: float = 0.5,
    x: float = MEAN,
    used_width: float | None = None,
    draws: WeightedDraws | None = None,
    covariance: FloatArray | None = None,
    open_ends: bool = False,
) -> Fit:
    """A fit of one unknown, or of as many as there are standard deviations."""
    deviation = np.atleast_1d(np.asarray(std, np.float64))
    count = len(deviation)
    used = np.full(count, width if used_width is None else used_width)
    prior = np.minimum(used, 5.0)
    matrix = np.diag(deviation**2) if covariance is None else covariance
    known = Posterior(deviation, prior, np.ones(count, bool), matrix)
    at = np.full(count, x)
    return Fit(
        at, 1, "converged", 1.0, used, known, np.zeros(3), 0.0, (Mode(at, 0.0, 1.0),), draws,
        open_ends=np.full((2, count), open_ends),
    )  # fmt: skip


def drawn(values: FloatArray, weight: FloatArray | None = None, mode: object = 0) -> WeightedDraws:
    weight = np.ones(len(values)) if weight is None else weight
    modes = np.broadcast_to(np.asarray(mode, np.int64), len(values))
    return WeightedDraws(values[:, None], weight / weight.sum(), modes)


def told(fit: Fit, width: float = 0.5) -> Marginals:
    return marginals(fit, unknowns(width, len(fit.x)))


def shown(fit: Fit, width: float = 0.5) -> QuantityEstimate:
    return quantity_of("conductivity", unknowns(width), fit, np.array([0.03]))


def plateau(start: float, width: float, rng: np.random.Generator, count: int = 4000) -> FloatArray:
    """Draws of the prior above ``start``: the links say only that x lies there."""
    if np.isinf(width):
        return rng.uniform(start, np.log(1e3), count)
    low = (start - MEAN) / width
    high = (np.log(1e3) - MEAN) / width
    return np.asarray(
        scipy.stats.truncnorm.rvs(low, high, MEAN, width, size=count, random_state=rng)
    )


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.1, "estimated"),
        (0.49, "estimated"),
        (0.51, "weak"),
        (0.89, "weak"),
        (0.91, "not_identified"),
    ],
)
def test_verdicts_by_the_share_of_the_prior_that_is_left(share: float, verdict: Verdict) -> None:
    assert told(fit_of(share * 0.5)).verdict == (verdict,)


def test_a_wide_interval_is_weak_however_wide_the_prior_was() -> None:
    for width in (2.0, 4.5, np.inf):
        assert told(fit_of(0.24, width), width).verdict == ("estimated",)
        assert told(fit_of(0.6, width), width).verdict == ("weak",)
    assert told(fit_of(1.1, np.inf), np.inf).verdict == ("not_identified",)
    assert told(fit_of(1.1, 4.5), 4.5).verdict == ("weak",)


def test_no_limit_of_weak_lies_above_that_of_not_identified() -> None:
    given = np.array([1e-3, 0.1, 0.5, 5.0, 100.0, np.inf])
    weak, lost = limits(given, np.full(6, 5.0))
    assert (weak <= lost).all()
    assert (weak <= 0.25).all()


def test_an_estimate_at_the_end_of_the_range_is_one_sided() -> None:
    high = shown(fit_of(0.1, x=float(np.log(1e3))))
    assert high.verdict == ("at_least",)
    np.testing.assert_allclose([high.low[0], high.high[0]], [1e3 * np.exp(-NORMAL_90 * 0.1), 1e3])
    assert high.parts[0][0].open_high
    low = shown(fit_of(0.1, x=float(np.log(1e-5))))
    assert low.verdict == ("at_most",)
    np.testing.assert_allclose([low.low[0], low.high[0]], [1e-5, 1e-5 * np.exp(NORMAL_90 * 0.1)])
    assert told(fit_of(0.5, x=float(np.log(1e3)))).verdict == ("not_identified",)


def test_normal_draws_give_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(MEAN + 0.1, 0.1, 20_000)
    found = told(fit_of(0.1, draws=drawn(values)))
    assert found.verdict == ("estimated",)
    ends = MEAN + 0.1 + 0.1 * NORMAL_95 * np.array([-1.0, 1.0])
    np.testing.assert_allclose([found.low[0], found.high[0]], ends, atol=0.01)
    np.testing.assert_allclose(found.std, 0.1, atol=0.003)
    assert found.parts == ((),)


def test_weights_count() -> None:
    values = np.random.default_rng(1).uniform(MEAN - 2.0, MEAN + 2.0, 40_000)
    found = told(fit_of(0.1, draws=drawn(values, np.exp(-0.5 * ((values - MEAN) / 0.1) ** 2))))
    np.testing.assert_allclose(found.std, 0.1, atol=0.005)
    np.testing.assert_allclose(found.x, MEAN, atol=0.01)


@pytest.mark.parametrize(("start", "width"), [(0.05, 0.5), (5.0, 1.5), (5.0, np.inf), (0.5, 5.0)])
def test_a_plateau_gives_a_lower_bound(start: float, width: float) -> None:
    values = plateau(np.log(start), width, np.random.default_rng(2))
    quantity = shown(fit_of(0.3, width, draws=drawn(values), open_ends=True), width)
    assert quantity.verdict == ("at_least",)
    (part,) = quantity.parts[0]
    assert part.open_high
    assert not part.open_low
    np.testing.assert_allclose(quantity.low[0], np.exp(np.quantile(values, 0.05)), rtol=0.02)
    np.testing.assert_allclose(quantity.high[0], 1e3)
    assert quantity.holds(np.array([start * 3.0])).all()
    assert not quantity.holds(np.array([start * 0.9])).any()


def test_a_plateau_below_gives_an_upper_bound() -> None:
    values = np.random.default_rng(3).uniform(np.log(1e-5), MEAN - 1.0, 4000)
    found = told(fit_of(0.3, np.inf, draws=drawn(values), open_ends=True), np.inf)
    assert found.verdict == ("at_most",)
    assert found.parts[0][0].open_low
    np.testing.assert_allclose(found.low, np.log(1e-5))


def test_an_end_that_does_not_explain_the_levels_is_not_open() -> None:
    """A normal posterior of a wide likelihood far above the prior: there the prior sets the upper
    end, as it does on a plateau, but the levels would not allow any value."""
    values = np.random.default_rng(9).normal(MEAN + 0.5, 0.35, 4000)
    assert told(fit_of(0.35, draws=drawn(values), open_ends=True)).verdict == ("at_least",)
    assert told(fit_of(0.35, draws=drawn(values))).verdict == ("weak",)


@pytest.mark.parametrize("width", [0.5, 2.0, 5.0])
def test_draws_of_the_prior_identify_nothing(width: float) -> None:
    values = plateau(np.log(1e-5), width, np.random.default_rng(4))
    quantity = shown(fit_of(0.1, width, draws=drawn(values)), width)
    assert quantity.verdict == ("not_identified",)
    np.testing.assert_allclose(quantity.value, 0.03)
    np.testing.assert_allclose(quantity.low, quantity.prior_low)
    np.testing.assert_allclose(quantity.high, quantity.prior_high)
    assert quantity.parts == ((),)


def test_minima_that_are_apart_are_several_values_with_their_shares() -> None:
    rng = np.random.default_rng(5)
    first = rng.normal(np.log(0.0046), 0.05, 3000)
    second = plateau(np.log(5.0), np.inf, rng, 1000)
    values = np.concatenate([first, second])
    mode = np.repeat([1, 0], [3000, 1000])
    quantity = shown(fit_of(0.05, np.inf, draws=drawn(values, mode=mode), open_ends=True), np.inf)
    assert quantity.verdict == ("several",)
    low, high = quantity.parts[0]
    assert (low.open_low, low.open_high, high.open_low, high.open_high) == (
        False, False, False, True
    )  # fmt: skip
    np.testing.assert_allclose([low.weight, high.weight], [0.75, 0.25])
    np.testing.assert_allclose(quantity.value, low.value)  # the heavier one
    np.testing.assert_allclose(low.value, 0.0046, rtol=0.01)
    np.testing.assert_allclose([quantity.low[0], quantity.high[0]], [low.low, 1e3])
    inside = quantity.holds(np.array([0.0046])), quantity.holds(np.array([100.0]))
    assert all(each.all() for each in inside)
    assert not quantity.holds(np.array([0.1])).any()


def test_all_intervals_together_hold_95_percent() -> None:
    rng = np.random.default_rng(6)
    sizes = (6000, 3800, 200)  # the last holds less than 2.5 %, and is left out
    values = np.concatenate([
        rng.normal(MEAN + shift, 0.05, size)
        for shift, size in zip((0.0, 2.0, 4.0), sizes, strict=True)
    ])  # fmt: skip
    mode = np.repeat([0, 1, 2], sizes)
    found = told(fit_of(0.05, np.inf, draws=drawn(values, mode=mode)), np.inf)
    assert len(found.parts[0]) == 2
    inside = np.zeros(len(values), bool)
    for part in found.parts[0]:
        inside |= (part.low <= values) & (values <= part.high)
    assert inside.mean() == pytest.approx(0.95, abs=0.002)


def test_minima_that_overlap_in_one_unknown_are_one_interval_in_it() -> None:
    """Two minima: apart in the second unknown, equal in the first."""
    rng = np.random.default_rng(7)
    mode = np.repeat([0, 1], 2000)
    x = np.stack(
        [rng.normal(MEAN, 0.1, 4000), rng.normal(MEAN + 2.0 * mode, 0.1)],
        axis=1,
    )
    draws = WeightedDraws(x, np.full(4000, 1.0 / 4000), mode)
    found = told(fit_of(np.array([0.1, 0.1]), draws=draws))
    assert found.verdict == ("estimated", "several")
    assert found.parts[0] == ()
    np.testing.assert_allclose(found.std[0], 0.1, atol=0.01)


def test_a_contradicted_prior_is_judged_by_the_shape() -> None:
    def contradicts(fit: Fit) -> bool:
        return bool(contradicted(fit, unknowns(0.5), told(fit))[0])

    far = fit_of(0.1, x=MEAN + 3.0, used_width=1.5)
    assert contradicts(far)
    assert not contradicts(fit_of(0.1, x=MEAN + 3.0))  # the fit kept the prior
    values = np.random.default_rng(8).normal(MEAN + 3.0, 0.1, 2000)
    assert contradicts(fit_of(0.1, used_width=1.5, draws=drawn(values)))
    # A second minimum inside the prior: it is not contradicted.
    both = np.concatenate([values, values[:500] - 3.0])
    mode = np.repeat([0, 1], [2000, 500])
    assert not contradicts(fit_of(0.1, used_width=1.5, draws=drawn(both, mode=mode)))


def test_what_is_not_identified_contradicts_no_prior() -> None:
    """The first edition said both of one object."""
    fit = fit_of(1.4, x=MEAN + 1.0, used_width=1.5)
    quantity = shown(fit)
    assert quantity.verdict == ("not_identified",)
    assert quantity.contradicts_prior == (False,)


def test_unknowns_that_only_appear_together_are_named_as_a_pair() -> None:
    apart = fit_of(np.array([0.4, 0.4]))
    assert entangled(apart.knowledge, ("weak", "weak")) == []
    matrix = 0.16 * np.array([[1.0, -0.99], [-0.99, 1.0]])
    together = fit_of(np.array([0.4, 0.4]), covariance=matrix)
    assert entangled(together.knowledge, ("weak", "not_identified")) == [(0, 1)]
    assert entangled(together.knowledge, ("estimated", "weak")) == []


def test_every_verdict_has_a_label() -> None:
    assert set(VERDICT_WORDS) == set(get_args(Verdict))
