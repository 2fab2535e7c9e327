"""Checks of the arrays of a campaign; every error names setup and receiver, counted from 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.errors import CampaignError

MAX_LISTED = 20
"""How many wrong entries one error message names."""


def present(given: Any, shape: tuple[int, ...]) -> BoolArray:
    """Which receivers exist [M,N]; all of them if nothing is given.

    :raises CampaignError: if it is no such array, or a setup has no receiver
    """
    there = np.ones(shape, dtype=bool) if given is None else np.array(given)
    if there.dtype != np.bool_ or there.shape != shape:
        raise CampaignError(f"present must be True or False for each receiver, {shape}")
    for m in np.flatnonzero(~there.any(axis=1)):
        raise CampaignError(f"setup {m + 1} has no receiver; leave it out or give it one")
    return there


def positions(tx: FloatArray, rx: FloatArray, there: BoolArray) -> None:
    """:raises CampaignError: if a coordinate of an antenna that exists is not finite"""
    problems = [f"the transmitter of setup {m + 1}" for m in rows(~np.isfinite(tx).all(axis=1))]
    missing = there & ~np.isfinite(rx).all(axis=2)
    problems += [f"setup {m + 1}, receiver {n + 1}" for m, n in rows(missing)]
    if problems:
        raise CampaignError("positions must be finite numbers: " + listed(problems))


def levels(given: Any, there: BoolArray, observed: BoolArray) -> FloatArray | None:
    """Received levels [M,N] [dBm], NaN where no receiver is; None before the measurement.

    :param observed: [M,N] links of which something else was measured: they may have no level (NaN)
    :raises CampaignError: if the shape is another, or a level not finite
    """
    if given is None:
        return None
    rss = floats("rss_dbm", given)
    if rss.shape != there.shape:
        raise CampaignError(f"rss_dbm must be {there.shape}; got shape {rss.shape}")
    wanted = there & ~(observed & np.isnan(rss))
    wrong = [f"setup {m + 1}, receiver {n + 1}" for m, n in rows(wanted & ~np.isfinite(rss))]
    if wrong:
        raise CampaignError(
            "rss_dbm must be finite (zero watts have no level in dBm): " + listed(wrong)
        )
    rss[~there] = np.nan
    return rss


def checked_noise(given: Any, there: BoolArray) -> float | FloatArray:
    """Standard deviation of the levels [dB]: one number, or [M,N] with NaN where no receiver is.

    :raises CampaignError: if the shape is another, or a number negative or not finite
    """
    values = floats("noise_db", given)
    if values.ndim and values.shape != there.shape:
        raise CampaignError(
            f"noise_db must be one number or {there.shape}; got shape {values.shape}"
        )
    used = values[there] if values.ndim else values
    if not (np.isfinite(used).all() and (used >= 0).all()):
        raise CampaignError("noise_db must be finite and not negative")
    if values.ndim == 0:
        return float(values)
    values[~there] = np.nan
    return values


def marks(name: str, given: Any, there: BoolArray, *, measured: bool) -> BoolArray:
    """Which levels are only a bound [M,N]; none if nothing is given.

    :param name: "censored" or "saturated"
    :param measured: the campaign holds levels
    :raises CampaignError: if it is no such array, or there is no level to be the bound
    """
    marked = np.zeros(there.shape, dtype=bool) if given is None else np.array(given)
    if marked.dtype != np.bool_ or marked.shape != there.shape:
        raise CampaignError(f"{name} must be True or False for each receiver, {there.shape}")
    marked &= there
    if marked.any() and not measured:
        bound = "floor" if name == "censored" else "ceiling"
        raise CampaignError(f"a {name} level needs rss_dbm: the {bound} of its receiver")
    return marked


def frequency(given: Any, num_setups: int) -> FloatArray | None:
    """Carrier of each setup [M] [Hz], or None.

    :raises CampaignError: if it is no such array, or a carrier not positive and finite
    """
    if given is None:
        return None
    carriers = floats("frequency", given)
    if carriers.shape != (num_setups,):
        raise CampaignError(
            f"frequency must be one carrier for each of {num_setups} setups [Hz]; "
            f"got shape {carriers.shape}"
        )
    wrong = [f"setup {m + 1}" for m in rows(~(np.isfinite(carriers) & (carriers > 0)))]
    if wrong:
        raise CampaignError("frequency must be positive and finite [Hz]: " + listed(wrong))
    return carriers


def rows(mask: Any) -> list[Any]:
    """Indices of what is True: numbers for one axis, lists of numbers for more."""
    found = np.argwhere(mask)
    return found[:, 0].tolist() if mask.ndim == 1 else found.tolist()


def listed(problems: list[str]) -> str:
    """Problems as one clause; not more than a reader wants to see."""
    more = len(problems) - MAX_LISTED
    return "; ".join(problems[:MAX_LISTED]) + (f"; and {more} more" if more > 0 else "")


def floats(name: str, values: Any) -> FloatArray:
    """A fresh float64 array.

    :raises CampaignError: if ``values`` are no numbers
    """
    try:
        return np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise CampaignError(f"{name} must be an array of numbers") from error


def read_only(value: Any) -> Any:
    """``value``; an array is made read-only."""
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    return value
