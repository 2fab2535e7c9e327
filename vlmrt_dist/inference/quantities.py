"""Parts of an estimate: a parameter of every object, the setups' offsets, the links, a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.inference.posterior import Verdict


@dataclass(frozen=True, eq=False)
class LinkLevels:
    """Measured and replayed levels of the links of M setups with N receivers.

    :param measured_dbm: [M, N] measured levels, the receiver's floor or ceiling where censored
        [dBm]
    :param noise_db: [M, N] standard deviation that was declared for each [dB]
    :param censored: [M, N] where the level is only known to lie at or below the one measured, or
        where saturated at or above it
    :param saturated: [M, N] which of the censored ones lie at or above the one measured
    :param replayed_dbm: [M, N] levels at the estimate [dBm]; NaN where no receiver is or no path
        arrives
    :param held_out_dbm: [M, N] each link's level as a fit to other links predicts it [dBm]; NaN
        where that was not done
    """

    measured_dbm: FloatArray
    noise_db: FloatArray
    censored: BoolArray
    saturated: BoolArray
    replayed_dbm: FloatArray
    held_out_dbm: FloatArray

    @property
    def residual_db(self) -> FloatArray:
        """[M, N] measured minus replayed; zero where both lie beyond a receiver's floor or
        ceiling."""
        return self._beside(self.replayed_dbm)

    @property
    def held_out_residual_db(self) -> FloatArray:
        """[M, N] the same for levels predicted by fits that have not seen the link."""
        return self._beside(self.held_out_dbm)

    @property
    def standardised(self) -> FloatArray:
        """[M, N] residuals in units of the declared noise."""
        return self.residual_db / self.noise_db

    def _beside(self, level: FloatArray) -> FloatArray:
        return bounded(self.measured_dbm - level, self.censored, self.saturated)


@dataclass(frozen=True, eq=False)
class QuantityEstimate:
    """One parameter of K objects.

    :param unit: of the values; "" for a ratio
    :param value: [K] posterior median; the prior's where unidentifiable
    :param std: [K] standard deviation of its logarithm (of an exponent: of itself); 0 where fixed
    :param low: [K] lower end of the 95 % interval
    :param high: [K] upper end
    :param prior: [K] prior median
    :param prior_low: [K] lower end of the prior's 95 % interval
    :param prior_high: [K] upper end
    :param verdict: [K]
    :param contradicts_prior: [K] the levels contradict the prior, which was widened
    """

    unit: str
    value: FloatArray
    std: FloatArray
    low: FloatArray
    high: FloatArray
    prior: FloatArray
    prior_low: FloatArray
    prior_high: FloatArray
    verdict: tuple[Verdict, ...]
    contradicts_prior: tuple[bool, ...]


class Gains(NamedTuple):
    """The G offsets of levels, where they were unknown: one for each setup, or as they are shared.

    :param value: [G] measured minus predicted [dB]
    :param std: [G] standard deviation [dB]
    :param verdict: [G]
    :param names: [G] what shares each: "setup 1", "transmitter of setups 1, 3", ...
    :param of_link: [M, N] the offset of each link, -1 where no receiver is
    """

    value: FloatArray
    std: FloatArray
    verdict: tuple[Verdict, ...]
    names: tuple[str, ...]
    of_link: IntArray

    @property
    def by_link(self) -> FloatArray:
        """[M, N] offset of each link [dB]; zero where no receiver is."""
        return np.where(self.of_link >= 0, self.value[self.of_link], 0.0)


class JointCovariance(NamedTuple):
    """Posterior covariance of everything that was unknown.

    :param entry: for each quantity the entry of each object [K], -1 where fixed; objects of a group
        share theirs. For "gain" that of each link [M · N]
    :param matrix: [X, X] covariance of the logarithms (of an exponent: of itself)
    """

    entry: dict[str, IntArray]
    matrix: FloatArray


def bounded(residual: FloatArray, censored: BoolArray, saturated: BoolArray) -> FloatArray:
    """Measured minus predicted levels [dB], zero where a censored level's bound is kept.

    :param censored: the true level is at or below the measured one, or where saturated at or above
    """
    beyond = np.where(saturated, np.maximum(residual, 0.0), np.minimum(residual, 0.0))
    return np.where(censored, beyond, residual)


def root_mean_square(values: FloatArray) -> float:
    """Of those that are numbers; NaN if none is."""
    numbers = values[~np.isnan(values)]
    return float(np.sqrt((numbers**2).mean())) if len(numbers) else float("nan")
