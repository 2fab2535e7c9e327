"""Parts of an estimate: a parameter of every object, the setups' offsets, the links, a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.inference.verdicts import Part, Verdict
from vlmrt_dist.inference.weighted_draws import WeightedDraws


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
    :param value: [K] posterior median; the prior's where not identified; where there are several
        intervals, that of the one with the heaviest minimum
    :param std: [K] standard deviation of its logarithm (of an exponent: of itself); 0 where fixed
    :param low: [K] lower end of the 95 % interval, of several the lowest; see
        :mod:`~vlmrt_dist.inference.verdicts`
    :param high: [K] upper end, of several the highest; of an open interval the end of the range
        searched
    :param prior: [K] prior median
    :param prior_low: [K] lower end of the prior's 95 % interval
    :param prior_high: [K] upper end
    :param verdict: [K]
    :param contradicts_prior: [K] the levels contradict the prior, which was widened; never where
        not identified
    :param parts: [K] the intervals where there are several or one is open, else none
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
    parts: tuple[tuple[Part, ...], ...] = ()

    def parts_of(self, k: int) -> tuple[Part, ...]:
        """The intervals of one object, at least one."""
        if self.parts and self.parts[k]:
            return self.parts[k]
        return (Part(float(self.low[k]), float(self.high[k]), float(self.value[k]), 1.0),)

    def holds(self, truth: FloatArray) -> BoolArray:
        """[K] whether each true value lies in one of its object's intervals."""
        return np.array([
            any(part.low <= true <= part.high for part in self.parts_of(k))
            for k, true in enumerate(truth.tolist())
        ], bool)  # fmt: skip


class LayerEstimates(NamedTuple):
    """The Λ layers of objects that have layers.

    :param names: [Λ] "object/layer"
    :param materials: [Λ]
    :param quantities: "conductivity", "relative_permittivity" and "thickness" of the layers, as far
        as they were unknown of anything
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    quantities: dict[str, QuantityEstimate]


@dataclass(frozen=True, eq=False)
class Alternative:
    """One of several solutions that explain the levels about equally well.

    :param weight: share of the posterior about it
    :param cost: half the sum of squared residuals, prior included
    :param residual_db: root mean square residual of the links used [dB]
    :param values: for each quantity that is unknown the values of the objects [K]; NaN where fixed,
        but for the conductivity; of "gain" the offsets of :class:`Gains` [dB]; of
        "layer_conductivity" and its like those of the layers [Λ]
    """

    weight: float
    cost: float
    residual_db: float
    values: dict[str, FloatArray]


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


class DelayOffsets(NamedTuple):
    """The offsets of measured delays, where they were unknown.

    :param value: [G] by how much measured delays exceed those of the paths [ns]
    :param std: [G] standard deviation [ns]
    :param verdict: [G]
    :param names: [G] what shares each: "setup 1, receiver 2", "setup 1", ...
    :param of_link: [M, N] the offset of each link, -1 where there is none
    """

    value: FloatArray
    std: FloatArray
    verdict: tuple[Verdict, ...]
    names: tuple[str, ...]
    of_link: IntArray


class Clutter(NamedTuple):
    """Scatter of the levels beside their declared noise.

    :param value: standard deviation at one metre [dB/√m]
    :param low: lower end of its 95 % interval, the shortest one
    :param high: upper end; both are ``value`` where that was given
    :param fitted: whether the levels told it
    """

    value: float
    low: float
    high: float
    fitted: bool


class ExcessLoss(NamedTuple):
    """Mean loss of the levels a metre of path beyond the model's, where it was unknown.

    :param value: positive where furniture attenuates, negative where the model lacks paths [dB/m]
    :param low: lower end of its 95 % interval [dB/m]
    :param high: upper end [dB/m]
    :param std: standard deviation [dB/m]
    :param verdict: whether the levels tell it
    """

    value: float
    low: float
    high: float
    std: float
    verdict: Verdict


class DeviceEstimate(NamedTuple):
    """Estimate of one unknown of a device.

    :param quantity: "tx_yaw", "tx_pitch", "tx_roll", "tx_x", "tx_y", "tx_z", those of "rx", or
        "tx_power"
    :param device: which
    :param value: difference to what was stated: degrees, metres, or dB
    :param std: standard deviation
    :param low: lower end of the 95 % interval
    :param high: upper end
    :param verdict: whether the levels tell it
    :param unit: "°", "m" or "dB"
    """

    quantity: str
    device: str
    value: float
    std: float
    low: float
    high: float
    verdict: Verdict
    unit: str


class JointPosterior(NamedTuple):
    """Posterior of everything that was unknown.

    :param entry: for each quantity the entry of each object [K], -1 where fixed; objects of a group
        share theirs. For "gain" and "excess_loss" that of each link [M · N]
    :param matrix: [X, X] covariance of the logarithms (of an exponent: of itself)
    :param quantity: [X] what each unknown is
    :param label: [X] the object, group or setup that it belongs to
    :param x: [X] logarithms (of an exponent: itself) at the best minimum
    :param draws: weighted draws where the normal posterior about it does not hold; None: it does
    """

    entry: dict[str, IntArray]
    matrix: FloatArray
    quantity: tuple[str, ...]
    label: tuple[str, ...]
    x: FloatArray
    draws: WeightedDraws | None = None


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
