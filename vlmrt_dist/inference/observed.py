"""The observables of a campaign as rows of a least-squares problem, and how well they are met."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, DelayMoment, DelayPower, Observable, joined
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.quantities import bounded, root_mean_square
from vlmrt_dist.units import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from vlmrt_dist.inference.options import Noise
    from vlmrt_dist.inference.parameters import Unknowns

SLACK_NS = 3.0
"""Largest lead of a measured delay over the straight path, for errors of the positions [ns]."""


ABOVE_FLOOR_DB = 10.0
"""Least excess of a bin over its noise at which it holds a path [dB]."""


class ObservedRows(NamedTuple):
    """The R rows of all observables.

    :param value: [R] measured
    :param noise: [R] standard deviation
    :param used: [R] rows that the model has a value for
    :param censored: [R] the true value lies at or below
    :param link: [R] number of the link
    """

    value: FloatArray
    noise: FloatArray
    used: BoolArray
    censored: BoolArray
    link: IntArray

    def link_of_all(self, num_links: int) -> IntArray:
        """[L + R] link of each level, and of each row behind the levels."""
        return np.concatenate([np.arange(num_links), self.link])


class ObservableFit(NamedTuple):
    """Residuals of an estimate over the measured values of one kind.

    :param name: what was measured
    :param unit: of its values; "1" for a ratio
    :param num_used: values that were used, a complex one counting as two
    :param num_unused: values that no path of the model contributes to
    :param num_censored: of those used, how many only are known to lie below a receiver's floor
    :param residual: root mean square of measured minus replayed, in that unit
    :param standardised: the same in units of the declared noise
    :param measured: [R] measured values
    :param replayed: [R] values at the estimate; NaN where not used
    """

    name: str
    unit: str
    num_used: int
    num_unused: int
    num_censored: int
    residual: float
    standardised: float
    measured: FloatArray
    replayed: FloatArray


def noise_of(block: Observable, noise: Noise) -> FloatArray:
    """[R] declared noise of a block; NaN where none is."""
    if noise.db is not None and block.unit == "dB" and np.ndim(noise.db) == 0:
        return np.full(len(block.row_setup), float(np.asarray(noise.db)))
    return block.noise


def check_observables(campaign: Campaign, noise: Noise) -> None:
    """Refuse observables that cannot be fitted as they are.

    :raises CampaignError: if a value has no noise, a link's delays begin before its straight path,
        or a block is not measured
    :raises ConfigurationError: if offsets of delays are unknown and none was measured, or positions
        are
    """
    if not campaign.observables:
        if noise.delay_offset_ns is not None:
            raise ConfigurationError(
                "delay_offset_ns is an offset of measured delays, and the campaign has none"
            )
        return
    if noise.position_m is not None:
        raise ConfigurationError(
            "position_m lets positions be unknown with received powers only; leave it out, give "
            f"position_error_m, or leave out the {campaign.observables[0].name}"
        )
    for block in campaign.observables:
        if not np.isfinite(block.measured).all():
            raise CampaignError(f"the {block.name} is planned, not measured; leave it out")
        missing = ~(noise_of(block, noise) > 0.0)
        if missing.any():
            some = np.flatnonzero(missing)[0]
            raise CampaignError(
                f"{int(missing.sum())} values of the {block.name} have no noise (the first at "
                f"setup {block.row_setup[some] + 1}, receiver {block.row_receiver[some] + 1}): "
                f"{_REMEDY[block.unit]}"
            )
        if noise.delay_offset_ns is None:
            _check_earliest(campaign, block)


_REMEDY = {
    "dB": "give --noise-db (Noise(db=...)), or a column noise_db",
    "ns": "give a column noise_ns with its standard deviation",
    "1": "give a column noise with the standard deviation of its real and imaginary part",
}


def _check_earliest(campaign: Campaign, block: Observable) -> None:
    """:raises CampaignError: if power arrives before the straight path"""
    if not isinstance(block, (DelayPower, DelayMoment)) or block.counted_from == "first_path":
        return
    if isinstance(block, DelayMoment) and block.moment == "rms_spread":
        return
    straight = np.linalg.norm(
        campaign.tx[block.setup] - campaign.rx[block.setup, block.receiver], axis=1
    )
    direct = 1e9 * straight / SPEED_OF_LIGHT
    if isinstance(block, DelayPower):
        early = ~block.below & (block.stop_ns + SLACK_NS + 4.0 * block.pulse_ns < direct)
        early &= ~(block.power_dbm <= block.floor_dbm + ABOVE_FLOOR_DB)
        arrival = block.stop_ns
    else:
        early, arrival = block.value_ns + SLACK_NS < direct, block.value_ns
    if early.any():
        i = int(np.flatnonzero(early)[0])
        raise CampaignError(
            f"{block.name}: setup {block.setup[i] + 1}, receiver {block.receiver[i] + 1} has a "
            f"delay of {arrival[i]:.4g} ns, but the straight path takes {direct[i]:.4g} ns "
            f"({int(early.sum())} such values); if delays count from the first path, name the "
            "column excess_delay_ns; if the clocks are not aligned, give --delay-offset-ns"
        )


def observed_rows(
    campaign: Campaign, noise: Noise, used: BoolArray, predict: Predict, unknowns: Unknowns
) -> ObservedRows:
    """The rows of all observables, those without a predicted value being left aside.

    :param used: [M, N] links that a path reaches
    :param unknowns: at whose prior mean values are predicted
    """
    blocks, link = campaign.observables, unknowns.row_link
    if not len(link):
        none = np.zeros(0, bool)
        return ObservedRows(np.zeros(0), np.zeros(0), none, none, link)
    there = used.ravel()[link]
    there &= np.isfinite(predict(unknowns.mean)[0][used.size :])
    return ObservedRows(
        joined(blocks, lambda b: b.measured),
        joined(blocks, lambda b: noise_of(b, noise)),
        there,
        joined(blocks, lambda b: b.censored).astype(bool),
        link,
    )


def fits_of(campaign: Campaign, value: FloatArray, data: LeastSquares) -> tuple[ObservableFit, ...]:
    """Residuals of an estimate over the measured values of each block.

    :param value: [L + R] levels and values at the estimate
    :param data: their noise, and which of them were used
    """
    found, start = [], campaign.present.size
    for block in campaign.observables:
        rows = slice(start, start + len(block.row_setup))
        start = rows.stop
        there, hidden = data.used[rows], block.censored
        residual = bounded(block.measured - value[rows], hidden, np.zeros_like(hidden))
        residual = np.where(there, residual, np.nan)
        found.append(
            ObservableFit(
                block.name,
                block.unit,
                int(there.sum()),
                int((~there).sum()),
                int((there & hidden).sum()),
                root_mean_square(residual),
                root_mean_square(residual / data.noise_db[rows]),
                block.measured,
                np.where(there, value[rows], np.nan),
            )
        )
    return tuple(found)
