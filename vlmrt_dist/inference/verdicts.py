"""Intervals of each unknown, several where minima are apart, and its verdict.

Where the posterior is normal, the interval is the estimate ± 1.96 standard deviations. Otherwise it
comes from weighted draws. About each minimum it is equal-tailed; the shares are such that all
intervals of an unknown together hold 95 % of its posterior. Minima whose intervals overlap in this
unknown are one interval, and minima that together hold less than 2.5 % are left out.

An end of an interval is open where the links set no bound on that side, which takes two signs. The
posterior is the prior times what the links say (the likelihood, averaged over the other unknowns),
so the ratio of the two densities is the likelihood: it must be high at that end and low at the
other. And the levels must be explained as well with the unknown at the end of the range searched,
see :mod:`~vlmrt_dist.inference.open_ends`. The interval then reaches to that end, and its other end
is one-sided: the unknown lies beyond it with a probability of 95 %.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.special

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.parameters import Unknowns
from vlmrt_dist.inference.posterior import NORMAL_95, Posterior
from vlmrt_dist.inference.weighted_draws import WeightedDraws

Verdict = Literal["estimated", "weak", "at_least", "at_most", "several", "not_identified", "fixed"]
"""Verdict on an unknown: "estimated": known within a narrow interval; "weak": within a wide one;
"at_least", "at_most": the links set a bound on one side only; "several": one of several values that
are apart; "not_identified": the links do not narrow the prior; "fixed": it was not unknown."""

WEAK, NOT_IDENTIFIED = 0.5, 0.9
"""From these shares of the prior's standard deviation on, an unknown is weak or not identified."""

NO_PRIOR_WEAK, NO_PRIOR_NOT_IDENTIFIED = 0.05, 0.2
"""The same as shares of the width that stands for no prior. For ln σ they are 0.25, a factor of 1.6
either way at 95 %, beyond which nothing is called estimated however wide the prior was; and 1,
where without a prior not even the order of magnitude is known."""

NORMAL_90 = 1.6448536269514722
"""Distance of a one-sided 95 % bound in standard deviations."""

ENTANGLED = 0.95
"""Two unknowns whose errors are correlated beyond this, and neither of which is estimated, are
only known together."""

AT_END = 0.02
"""So near to an end of the range searched, an estimate is at the end."""

HELD = 0.95
"""Share of the posterior that the intervals hold."""

NEGLIGIBLE = 0.025
"""Minima that hold less than this share of the posterior together are left out."""

TAIL = 0.1
"""Share of the draws by which the density at an end is judged."""

OPEN, CLOSED = 0.15, 0.25
"""Density over prior at an end, in units of that inside, from which the end may be open, and up to
which it is closed."""

LARGEST = 0.75
"""Quantile of the densities inside that stands for the largest; the largest of ten is noisy."""


class Part(NamedTuple):
    """One interval of an unknown.

    :param low: lower end
    :param high: upper end
    :param value: median of the posterior within it
    :param weight: share of the posterior about its minima
    :param open_low: the links set no lower end
    :param open_high: the links set no upper end
    """

    low: float
    high: float
    value: float
    weight: float
    open_low: bool = False
    open_high: bool = False


@dataclass(frozen=True, eq=False)
class Marginals:
    """Value, intervals and verdict of each of X unknowns by itself.

    :param verdict: [X]
    :param x: [X] posterior median; of several intervals that of the one with the heaviest minimum
    :param low: [X] lower end of the 95 % interval, of several the lowest
    :param high: [X] upper end, of several the highest
    :param std: [X] standard deviation of the normal distribution with a 95 % interval as wide
    :param parts: [X] the intervals where there are several or one is open; else none
    :param inside_prior: [X] share of the posterior that lies in the prior's 95 % interval as it was
        stated; NaN where the posterior is normal
    """

    verdict: tuple[Verdict, ...]
    x: FloatArray
    low: FloatArray
    high: FloatArray
    std: FloatArray
    parts: tuple[tuple[Part, ...], ...]
    inside_prior: FloatArray


def limits(given: FloatArray, vague: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[X] standard deviations from which unknowns are weak, and from which they are not identified.

    :param given: [X] standard deviations before the measurement; infinite for no prior
    :param vague: [X] those that stand for no prior
    """
    width = np.minimum(given, vague)
    weak = np.minimum(WEAK * width, NO_PRIOR_WEAK * vague)
    lost = np.where(np.isinf(given), NO_PRIOR_NOT_IDENTIFIED * vague, NOT_IDENTIFIED * width)
    return np.minimum(weak, lost), lost


def marginals(fit: Fit, unknowns: Unknowns) -> Marginals:
    """Intervals and verdicts after a fit; what is not identified keeps the estimate here, and is
    shown as its prior by whoever speaks of objects."""
    found = _normal(fit, unknowns)
    if fit.draws is None:
        return found
    weak, _ = limits(fit.width, unknowns.vague)
    verdict, parts = list(found.verdict), list(found.parts)
    x, low, high, std, inside = (
        each.copy() for each in (found.x, found.low, found.high, found.std, found.inside_prior)
    )
    stated = np.minimum(unknowns.width, unknowns.vague)
    ends = fit.open_ends if fit.open_ends.size else np.zeros((2, len(fit.x)), bool)
    for k in np.flatnonzero(fit.knowledge.seen).tolist():
        prior = Bounded(unknowns.mean[k], fit.width[k], unknowns.low[k], unknowns.high[k])
        values = fit.draws.x[:, k]
        told = _parts(values, fit.draws, prior, ends[:, k])
        best = _part_of(told, values, fit.draws)
        x[k], low[k], high[k] = told[best].value, told[0].low, told[-1].high
        std[k] = (high[k] - low[k]) / (2.0 * NORMAL_95)
        # The range searched may cut a wide prior; intervals as wide as what is left say nothing.
        verdict[k] = _verdict(told, weak[k], NOT_IDENTIFIED * prior.spread)
        parts[k] = told if verdict[k] in ("at_least", "at_most", "several") else ()
        near = np.abs(values - unknowns.mean[k]) <= NORMAL_95 * stated[k]
        inside[k] = float(fit.draws.weight[near].sum())
    return Marginals(tuple(verdict), x, low, high, std, tuple(parts), inside)


def contradicted(fit: Fit, unknowns: Unknowns, found: Marginals) -> BoolArray:
    """[X] unknowns whose prior the levels contradict.

    The fit has widened the prior, the links narrow it, and where the posterior is not normal, less
    than 5 % of it lies in the 95 % interval of the prior that was stated.
    """
    widened = (fit.width > unknowns.width) & np.isfinite(fit.width)
    told = np.array([verdict != "not_identified" for verdict in found.verdict], bool)
    return widened & told & ~(found.inside_prior > 1.0 - HELD)


def entangled(knowledge: Posterior, verdict: tuple[Verdict, ...]) -> list[tuple[int, int]]:
    """Pairs of unknowns that the links only tell together."""
    unsure = ~np.isin(verdict, ["estimated", "fixed"])[knowledge.seen]
    where = np.flatnonzero(knowledge.seen)[unsure]
    some = knowledge.covariance[np.ix_(unsure, unsure)]
    std = np.sqrt(np.diag(some))
    first, second = np.nonzero(np.triu(np.abs(some) > ENTANGLED * np.outer(std, std), 1))
    return [(int(where[i]), int(where[j])) for i, j in zip(first, second, strict=True)]


def _normal(fit: Fit, unknowns: Unknowns) -> Marginals:
    """Verdicts from the normal posterior; an estimate at an end of the range is one-sided."""
    x, std = fit.x, fit.knowledge.std
    weak, lost = limits(fit.width, unknowns.vague)
    low, high = x - NORMAL_95 * std, x + NORMAL_95 * std
    ended_low, ended_high = x <= unknowns.low + AT_END, x >= unknowns.high - AT_END
    verdict: list[Verdict] = []
    parts: list[tuple[Part, ...]] = []
    for k in range(len(x)):
        open_ = std[k] < lost[k] and bool(ended_low[k] or ended_high[k])
        parts.append(())
        if std[k] >= lost[k]:
            verdict.append("not_identified")
        elif open_ and ended_high[k]:
            low[k], high[k] = x[k] - NORMAL_90 * std[k], unknowns.high[k]
            verdict.append("at_least")
            parts[k] = (Part(low[k], high[k], x[k], 1.0, open_high=True),)
        elif open_:
            low[k], high[k] = unknowns.low[k], x[k] + NORMAL_90 * std[k]
            verdict.append("at_most")
            parts[k] = (Part(low[k], high[k], x[k], 1.0, open_low=True),)
        else:
            verdict.append("weak" if std[k] >= weak[k] else "estimated")
    unknown = np.full(len(x), np.nan)
    return Marginals(tuple(verdict), x.copy(), low, high, std.copy(), tuple(parts), unknown)


def _verdict(parts: tuple[Part, ...], weak: float, lost: float) -> Verdict:
    """The verdict on the intervals of one unknown.

    :param weak: standard deviation from which one interval is wide
    :param lost: from which all intervals together say nothing
    """
    width = sum(part.high - part.low for part in parts) / (2.0 * NORMAL_95)
    one = parts[0]
    if len(parts) == 1 and one.open_high != one.open_low:
        return "at_least" if one.open_high else "at_most"
    if width >= lost:
        return "not_identified"
    if len(parts) > 1:
        return "several"
    return "weak" if width >= weak else "estimated"


class Bounded(NamedTuple):
    """Normal prior of one unknown within the range searched, up to a constant factor; flat over the
    range where the standard deviation is infinite."""

    mean: float
    std: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Standard deviation of a normal distribution with a 95 % interval as wide."""
        if np.isinf(self.std):
            return HELD * (self.high - self.low) / (2.0 * NORMAL_95)
        a, b = scipy.special.ndtr((np.array([self.low, self.high]) - self.mean) / self.std)
        shares = a + (b - a) * np.array([0.5 - 0.5 * HELD, 0.5 + 0.5 * HELD])
        low, high = self.std * scipy.special.ndtri(shares)
        return float(high - low) / (2.0 * NORMAL_95)

    def mass(self, low: float, high: float) -> float:
        """Share of the prior between two values."""
        low, high = max(low, self.low), min(high, self.high)
        if np.isinf(self.std):
            return max(high - low, 0.0) / (self.high - self.low)
        a, b = (low - self.mean) / self.std, (high - self.mean) / self.std
        if a > 0.0:  # the tail above, whose shares would cancel
            a, b = -b, -a
        return float(scipy.special.ndtr(b) - scipy.special.ndtr(a))


def _parts(
    values: FloatArray, draws: WeightedDraws, prior: Bounded, ends: BoolArray
) -> tuple[Part, ...]:
    """Intervals of one unknown that together hold 95 % of its posterior, ascending.

    :param values: [S] the draws of this unknown
    :param ends: [2] lower and upper end of the range that explain the levels
    """
    groups = apart(values, draws)
    total = sum(float(draws.weight[group].sum()) for group in groups)
    found = []
    for place, group in enumerate(groups):
        some = SortedDraws.of(values[group], draws.weight[group])
        open_low = bool(ends[0]) and place == 0 and some.may_be_open(prior, upper=False)
        last = place == len(groups) - 1
        open_high = bool(ends[1]) and last and some.may_be_open(prior, upper=True)
        outside = 1.0 - HELD / total  # of this share of the posterior
        below = 0.0 if open_low else outside if open_high else 0.5 * outside
        above = 0.0 if open_high else outside if open_low else 0.5 * outside
        found.append(
            Part(
                prior.low if open_low else some.quantile(below),
                prior.high if open_high else some.quantile(1.0 - above),
                some.quantile(0.5),
                float(draws.weight[group].sum()) / total,
                open_low,
                open_high,
            )
        )
    return tuple(found)


def apart(values: FloatArray, draws: WeightedDraws) -> list[BoolArray]:
    """[S] the draws about minima that are apart in one unknown, ascending, without minima that hold
    a negligible share; those whose 95 % intervals overlap belong together.

    :param values: [S] the draws of this unknown
    """
    spans = []
    for mode in np.unique(draws.mode[draws.weight > 0.0]).tolist():
        member = draws.mode == mode
        some = SortedDraws.of(values[member], draws.weight[member])
        spans.append((some.quantile(0.5 - 0.5 * HELD), some.quantile(0.5 + 0.5 * HELD), member))
    spans.sort(key=lambda span: span[0])
    groups: list[BoolArray] = []
    reach = -np.inf
    for low, high, member in spans:
        if groups and low <= reach:
            groups[-1] = groups[-1] | member
        else:
            groups.append(member)
        reach = max(reach, high)
    weight = np.array([float(draws.weight[group].sum()) for group in groups])
    order = np.argsort(weight)
    light = order[np.cumsum(weight[order]) < NEGLIGIBLE * weight.sum()]
    return [group for place, group in enumerate(groups) if place not in set(light.tolist())]


def _part_of(parts: tuple[Part, ...], values: FloatArray, draws: WeightedDraws) -> int:
    """The interval of the heaviest minimum, so that all unknowns are told of the same one."""
    share = np.bincount(draws.mode, draws.weight)
    member = draws.mode == int(np.argmax(share))
    middle = SortedDraws.of(values[member], draws.weight[member]).quantile(0.5)
    distance = [max(part.low - middle, middle - part.high, 0.0) for part in parts]
    return int(np.argmin(distance))


class SortedDraws(NamedTuple):
    """Draws of one unknown in ascending order, with the share of the weight that each reaches."""

    values: FloatArray
    reached: FloatArray

    @staticmethod
    def of(values: FloatArray, weight: FloatArray) -> SortedDraws:
        """Draws [S] of one unknown, and their weights [S]."""
        order = np.argsort(values)
        reached = np.cumsum(weight[order])
        return SortedDraws(values[order], reached / reached[-1])

    def quantile(self, share: float) -> float:
        """The smallest value at which the weights reach a share of all."""
        place = int(np.searchsorted(self.reached, share - 1e-12))
        return float(self.values[min(place, len(self.values) - 1)])

    def may_be_open(self, prior: Bounded, *, upper: bool) -> bool:
        """Whether the density over the prior is high at one end and low at the other."""
        cuts = [self.quantile(share) for share in np.linspace(TAIL, 1.0 - TAIL, 10)]
        inner = (1.0 - 2.0 * TAIL) / 9.0
        masses = [prior.mass(low, high) for low, high in itertools.pairwise(cuts)]
        inside = [inner / mass for mass in masses if mass > 0.0]
        most = float(np.quantile(inside, LARGEST)) if inside else np.inf
        below, above = prior.mass(-np.inf, cuts[0]), prior.mass(cuts[-1], np.inf)
        here, there = (above, below) if upper else (below, above)
        return OPEN * most * here <= TAIL and CLOSED * most * there >= TAIL
