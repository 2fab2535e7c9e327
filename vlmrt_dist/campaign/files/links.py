"""Rows to links: power in delay bins added up, repeats of a link averaged."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.antenna import Antenna
from vlmrt_dist.campaign.files.options import Average
from vlmrt_dist.units import dbm_to_watts, watts_to_dbm

PRIOR_REPEATS = 4.0
"""Weight of the file's mean spread in that of each link, in repeats."""


Bound = Literal["level", "floor", "ceiling", "unheard"]
"""Kind of a level of repeats: a level, a bound from above or from below, or none."""


@dataclass(frozen=True)
class Links:
    """Measured links, one a row.

    :param line: line of the file [n], the first of a link
    :param setup: index of the setup [n]
    :param setups: names of the setups
    :param tx: transmitters [n,3] [m]
    :param rx: receivers [n,3] [m]
    :param rss_dbm: levels [n] [dBm]; NaN where there is none
    :param noise_db: declared standard deviation of each [n] [dB]; NaN where there is none
    :param censored: the level is only a bound: a receiver's floor, or where saturated its ceiling
        [n]
    :param saturated: the true level lies at or above the one given [n]
    :param unheard: no level, since the link was not heard [n]
    :param frequency: carriers [n] [Hz]; NaN where none is stated
    :param kinds: antennas that occur; none where the file states none
    :param tx_antenna: which of them each transmitter has [n]
    :param rx_antenna: which each receiver has [n]
    """

    line: IntArray
    setup: IntArray
    setups: tuple[str, ...]
    tx: FloatArray
    rx: FloatArray
    rss_dbm: FloatArray
    noise_db: FloatArray
    censored: BoolArray
    saturated: BoolArray
    unheard: BoolArray
    frequency: FloatArray
    kinds: tuple[Antenna, ...]
    tx_antenna: IntArray
    rx_antenna: IntArray

    def __len__(self) -> int:
        return len(self.line)

    def take(self, rows: IntArray | BoolArray) -> Links:
        """Some of the rows."""
        arrays = {
            each.name: getattr(self, each.name)[rows]
            for each in dataclasses.fields(self)
            if each.name not in ("setups", "kinds")
        }
        return Links(setups=self.setups, kinds=self.kinds, **arrays)


def same_links(links: Links) -> IntArray:
    """Number of the link of each row [n]: equal for equal setup, carrier, positions and antennas;
    links are numbered in the order in which they first appear."""
    carriers = np.nan_to_num(links.frequency, nan=-1.0)
    key = np.column_stack(
        [links.setup, carriers, links.tx, links.rx, links.tx_antenna, links.rx_antenna]
    )
    key = key + 0.0
    bits = np.ascontiguousarray(key).view([("", np.float64)] * key.shape[1]).ravel()
    _, first, group = np.unique(bits, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[group.reshape(-1)], dtype=np.int64)


def summed_over_delay(links: Links) -> Links:
    """One row a link: the power of its delay bins, in watts, added up.

    Bins at the receiver's floor add nothing where others were heard; where none was, the sum of
    the floors is the level that the link lies below. With a bin that saturates the sum does too.
    """
    group, below = same_links(links), links.censored & ~links.saturated
    _, first = np.unique(group, return_index=True)
    watts = np.nan_to_num(dbm_to_watts(links.rss_dbm), nan=0.0)
    heard = np.bincount(group, np.where(below, 0.0, watts))
    floors = np.bincount(group, np.where(below, watts, 0.0))
    saturated = np.bincount(group, links.saturated) > 0
    silent = heard == 0.0
    total = np.where(silent, floors, heard)
    return dataclasses.replace(
        links.take(first),
        rss_dbm=np.where(total > 0.0, watts_to_dbm(total), np.nan),
        censored=saturated | (silent & (total > 0.0)),
        saturated=saturated,
        unheard=total == 0.0,
    )


def averaged(links: Links, average: Average) -> Links:
    """One row a link: the mean of its repeats, and their spread as its noise.

    "db" averages levels: the mean of errors that are normal in decibels, which is what an
    estimation assumes. "power" averages watts, for fading that is to be averaged out. A link that
    was not always heard, or not always below saturation, has the median of its repeats, those not
    heard being the lowest and those that saturate the highest: it is censored, saturated, or
    unheard, where that is one of them. The noise of a link is the standard deviation
    of its repeats (not of their mean: what repeats at one place share is not averaged out), drawn
    towards that of the whole file by :data:`PRIOR_REPEATS`; a stated noise is kept.
    """
    group = same_links(links)
    count = np.bincount(group)
    if (count == 1).all():
        return links
    order = np.argsort(group, kind="stable")
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    first = links.take(order[start])
    heard = ~(links.censored | links.unheard)
    level = np.where(heard, links.rss_dbm, 0.0)
    num_heard = np.bincount(group, heard)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group, level) / num_heard
        watts = np.bincount(group, np.where(heard, dbm_to_watts(level), 0.0)) / num_heard
        squares = np.bincount(group, np.where(heard, (level - mean[group]) ** 2, 0.0))
    result = mean if average == "db" else watts_to_dbm(np.nan_to_num(watts, nan=1.0))
    rss = np.where(num_heard == count, result, np.nan)
    censored, saturated, unheard = (np.zeros(len(count), dtype=bool) for _ in range(3))
    for link in np.flatnonzero(num_heard < count):
        rows = order[start[link] : start[link] + count[link]]
        rss[link], bound = _median(links.take(rows))
        censored[link], saturated[link] = bound in ("floor", "ceiling"), bound == "ceiling"
        unheard[link] = bound == "unheard"
    declared = np.bincount(group, np.nan_to_num(links.noise_db) ** 2) / count
    noise = np.sqrt(declared)
    if not np.isfinite(links.noise_db).all():
        noise = _spread(np.asarray(squares, dtype=np.float64), num_heard.astype(np.float64))
    return dataclasses.replace(
        first, rss_dbm=rss, noise_db=noise, censored=censored, saturated=saturated, unheard=unheard
    )


def _median(repeats: Links) -> tuple[float, Bound]:
    """Level of repeats of which some are only bounds, and what it is."""
    high = repeats.saturated
    low = (repeats.censored & ~high) | repeats.unheard
    levels = np.sort(np.where(low, -np.inf, np.where(high, np.inf, repeats.rss_dbm)))
    middle = levels[(len(levels) - 1) // 2 : len(levels) // 2 + 1]
    if np.isfinite(middle).all():
        return float(middle.mean()), "level"
    if (middle == np.inf).any() and not (middle == -np.inf).any():
        return float(repeats.rss_dbm[high].min()), "ceiling"
    floors = repeats.rss_dbm[low & repeats.censored]
    if len(floors):
        return float(floors.max()), "floor"
    return float("nan"), "unheard"


def _spread(squares: FloatArray, repeats: FloatArray) -> FloatArray:
    """Standard deviation of the repeats of each link [dB]; NaN if no link was repeated.

    :param squares: sums of squared distances from the mean [L]
    """
    freedom = np.maximum(repeats - 1, 0)
    if freedom.sum() == 0:
        return np.full(len(squares), np.nan)
    pooled = squares.sum() / freedom.sum()
    return np.sqrt((PRIOR_REPEATS * pooled + squares) / (PRIOR_REPEATS + freedom))
