"""Verdicts on claims: an effect with an interval, held against the smallest one that counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from vlmrt_dist.arrays import FloatArray

Verdict = Literal["holds", "not reproduced", "undecided"]

SMALLEST = 1.25
"""Ratio from which a number counts as larger than another: a quarter."""

MIN_SEEDS = 50
"""With fewer seeds a claim is undecided."""

MIN_SIZES = 4
"""The same for the sizes that a growth is fitted to."""

RESAMPLES = 2000
"""Bootstrap samples of the seeds."""

LEVEL = 0.95
"""Probability of every interval."""


class Interval(NamedTuple):
    """An effect and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_number(self.value)} ({_number(self.low)} … {_number(self.high)})"


@dataclass(frozen=True)
class Judged:
    """A claim of the paper and the result of our rows.

    :param source: table or figure of the paper
    :param claim: the claim, in short
    :param verdict: "holds" where the whole interval of the effect is what the claim asks for, "not
        reproduced" where none of it is, "undecided" otherwise
    :param under: what was run: a reading of the paper, or an engine
    :param effect: what is compared, in words
    :param interval: of the effect
    :param asked: what the claim asks of it, in words
    :param numbers: medians of our rows, in words
    :param count: seeds, or sizes
    """

    source: str
    claim: str
    verdict: Verdict
    under: str
    effect: str
    interval: Interval
    asked: str
    numbers: str
    count: str

    @property
    def told(self) -> str:
        """The verdict, and under which reading where a claim was not reproduced."""
        return f"not reproduced under {self.under}" if self.verdict == "not reproduced" else (
            f"{self.verdict} ({self.under})"
        )  # fmt: skip

    def __str__(self) -> str:
        return (
            f"{self.source}, {self.claim}: {self.told}; {self.effect} {self.interval}, asked for: "
            f"{self.asked}; {self.count}; {self.numbers}"
        )


Statistic = Callable[[FloatArray], FloatArray]
"""From the values of paired seeds [..., G, S] to one effect of each sample [...]."""


def paired(groups: Sequence[Mapping[int, float]]) -> FloatArray:
    """[G, S] values of the seeds that all groups have, in the seeds' order; what is no number is
    infinite, worse than any."""
    seeds = sorted(set.intersection(*(set(group) for group in groups)))
    values = np.array([[group[seed] for seed in seeds] for group in groups], np.float64)
    return np.where(np.isnan(values), np.inf, values)


def ratio_of_medians(values: FloatArray) -> FloatArray:
    """The smallest median of the first G - 1 groups over that of the last."""
    middle = np.median(values, axis=-1)
    return ratio(middle[..., :-1].min(axis=-1), middle[..., -1])


def ratio_of_seeds(share: float) -> Statistic:
    """A quantile over the seeds of the first group's value over the second's."""

    def statistic(values: FloatArray) -> FloatArray:
        each = ratio(values[..., 0, :], values[..., 1, :])
        found: FloatArray = np.quantile(each, share, axis=-1, method="inverted_cdf")
        return found

    return statistic


def ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """A ratio in which two that are both infinite, or both zero, are equal."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.asarray(over) / under
    return np.where(np.isnan(found), 1.0, found)


def bootstrap(values: FloatArray, statistic: Statistic) -> Interval:
    """The statistic of paired values [G, S], and its interval over resampled seeds."""
    count = values.shape[1]
    drawn = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    samples = statistic(values[:, drawn].transpose(1, 0, 2))
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], method="inverted_cdf")
    return Interval(float(statistic(values)), float(low), float(high))


def at_least(interval: Interval, asked: float, count: int) -> Verdict:
    """Verdict on a ratio that is asked to be ``asked`` or more, from ``count`` seeds.

    Where more than :data:`SMALLEST` is asked, the number is a round one of the paper ("2", "10
    times"): a ratio within :data:`SMALLEST` of it is undecided, however narrow its interval. There
    two sets of seeds would give two verdicts.
    """
    near = asked / SMALLEST < interval.value < asked * SMALLEST
    if count < MIN_SEEDS or (asked > SMALLEST and near):
        return "undecided"
    if interval.low >= asked:
        return "holds"
    return "not reproduced" if interval.high < asked else "undecided"


def within(interval: Interval, lowest: float, highest: float, count: int) -> Verdict:
    """Verdict on an exponent that is asked to lie in a range, from ``count`` sizes."""
    if count < MIN_SIZES or math.isnan(interval.value):
        return "undecided"
    if lowest <= interval.low and interval.high <= highest:
        return "holds"
    outside = interval.high < lowest or highest < interval.low
    return "not reproduced" if outside else "undecided"


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> Interval:
    """Log-log slope of times against sizes, with the t interval of a least-squares line."""
    if len(set(sizes)) < 3:
        return Interval(math.nan, -math.inf, math.inf)
    x, y = np.log(sizes), np.log(seconds)
    line = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    spread = ((y - np.polyval(line, x)) ** 2).sum() / freedom / ((x - x.mean()) ** 2).sum()
    reach = float(stdtrit(freedom, (1.0 + LEVEL) / 2.0) * np.sqrt(spread))
    return Interval(float(line[0]), float(line[0]) - reach, float(line[0]) + reach)


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")
