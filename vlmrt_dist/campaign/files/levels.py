"""Received levels of rows: from levels, path loss or path gain, and what was not heard."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign.files.cells import Numbers, flags, numbers
from vlmrt_dist.campaign.files.headings import squeezed
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems
from vlmrt_dist.campaign.files.understanding import LEVEL_FIELDS, Understanding

NO_LEVELS = (100.0, -9999.0, -1000.0, -999.0, 999.0, 1000.0, 9999.0)
"""Levels [dBm] that instruments and data sets write where nothing was received."""

LARGEST_LOSS_DB = 400.0
"""Path losses beyond this are ratios."""


@dataclass(frozen=True)
class Levels:
    """Levels of rows.

    :param rss_dbm: [n] [dBm]; NaN where there is none
    :param censored: the level is only a bound: a receiver's floor, or where saturated its ceiling
        [n]
    :param saturated: the true level lies at or above the one given [n]
    :param unheard: there is no level, since nothing was heard [n]
    :param field: the column that they come from; None: there is none, it is a plan
    :param marks: how many rows were not heard
    :param empty: no cell holds anything, and there is no floor: it is a plan
    """

    rss_dbm: FloatArray
    censored: BoolArray
    saturated: BoolArray
    unheard: BoolArray
    field: str | None
    marks: int = 0
    empty: bool = False

    def take(self, rows: BoolArray) -> Levels:
        """Some of the rows; the counts stay those of all."""
        return dataclasses.replace(
            self,
            rss_dbm=self.rss_dbm[rows],
            censored=self.censored[rows],
            saturated=self.saturated[rows],
            unheard=self.unheard[rows],
        )


def level_field(understood: Understanding) -> str | None:
    """The field that the levels are in; None: there is none."""
    return next((name for name in LEVEL_FIELDS if name in understood), None)


def levels(
    understood: Understanding, power: FloatArray, options: ReadingOptions, problems: Problems
) -> Levels:
    """The level of each row of a table that has a column of them.

    :param power: transmit power of each row [n] [dBm]; NaN where none is stated
    """
    count = len(understood.raw.lines)
    no = np.zeros(count, dtype=bool)
    name = level_field(understood)
    if name is None:
        return Levels(np.full(count, np.nan), no, no, no, None)
    found = numbers(understood.column(name), problems, _linear(understood, name))
    _check_losses(understood, name, found, problems)
    _check_elements(understood, name, options, problems)
    if name == "rss_dbm":
        for row in np.flatnonzero(found.values == np.inf).tolist():
            problems.add(understood.raw.lines[row], f"{understood.heading(name)} is infinite")
    result = at_one_power(found, name, power, options)
    saturated = (result.saturated | _saturated(understood, name, found, problems)) & ~result.unheard
    marked = _censored(understood, name, found, options, problems)
    censored = (result.censored | saturated | marked) & ~result.unheard
    return dataclasses.replace(result, censored=censored, saturated=saturated)


def _censored(
    understood: Understanding,
    name: str,
    found: Numbers,
    options: ReadingOptions,
    problems: Problems,
) -> BoolArray:
    """[n] what a column says to be only a bound."""
    if "censored" not in understood:
        return np.zeros(len(found.values), dtype=bool)
    marked = flags(understood.column("censored"), problems)
    for row in np.flatnonzero(found.below & ~marked).tolist():
        problems.add(
            understood.raw.lines[row],
            f"{understood.heading(name)} has a <, but censored says that it was heard",
        )
    if options.noise_floor_dbm is None:
        for row in np.flatnonzero(marked & found.missing).tolist():
            problems.add(
                understood.raw.lines[row],
                f"is censored, but has no {understood.heading(name)}: write the receiver's "
                "floor there",
            )
    return marked


def _saturated(
    understood: Understanding, name: str, found: Numbers, problems: Problems
) -> BoolArray:
    """[n] what a column says to be the receiver's ceiling."""
    if "saturated" not in understood:
        return np.zeros(len(found.values), dtype=bool)
    marked = flags(understood.column("saturated"), problems)
    level, lines = understood.heading(name), understood.raw.lines
    wrong = {
        f"{level} has a >, but saturated says that the receiver was not": found.above & ~marked,
        f"{level} has a <, but saturated says that it was too loud": found.below & marked,
        f"is saturated, but has no {level}: write the receiver's ceiling there": (
            found.missing & marked
        ),
    }
    for text, rows in wrong.items():
        for row in np.flatnonzero(rows).tolist():
            problems.add(lines[row], text)
    return marked


def at_one_power(found: Numbers, name: str, power: FloatArray, options: ReadingOptions) -> Levels:
    """Levels as they were with the transmit power of the options.

    :param name: what the numbers are: rss_dbm, path_loss_db or path_gain_db
    :param power: transmit power of each row [n] [dBm]; NaN where none is stated
    """
    values = found.values
    unheard = found.missing | np.isin(values, options.unheard)
    if name == "rss_dbm":
        unheard |= np.isin(values, NO_LEVELS) | (values == -np.inf)
        rss = values + np.where(np.isfinite(power), options.tx_power_dbm - power, 0.0)
        rss = rss - options.share_db
    else:
        sign = -1.0 if name == "path_loss_db" else 1.0
        unheard |= values == -sign * np.inf
        rss = options.tx_power_dbm + sign * values
    marks = int(unheard.sum())
    rss = np.where(unheard, np.nan, rss)
    saturated = found.above & ~unheard
    if options.saturation_dbm is not None:
        saturated |= ~unheard & (rss >= options.saturation_dbm - options.share_db)
    saturated &= ~found.below
    censored = (found.below & ~unheard) | saturated
    if options.noise_floor_dbm is not None:
        rss = np.where(unheard, options.noise_floor_dbm - options.share_db, rss)
        return Levels(rss, censored | unheard, saturated, np.zeros_like(unheard), name, marks)
    return Levels(rss, censored, saturated, unheard, name, marks, empty=bool(found.missing.all()))


def _linear(understood: Understanding, name: str) -> str | None:
    """The unit of a path gain without one: no gain in decibels lies between 0 and 1 throughout."""
    column = understood.column(name)
    if name != "path_gain_db" or column.meaning.unit is not None:
        return None
    values = numbers(column, Problems()).values
    values = values[np.isfinite(values)]
    return "linear" if len(values) and (values >= 0.0).all() and (values < 1.0).all() else None


def _check_elements(
    understood: Understanding, name: str, options: ReadingOptions, problems: Problems
) -> None:
    """Refuse to share among resource elements what is of one already, or is no power."""
    heading = understood.heading(name)
    of_one = "rsrp" in squeezed(heading)
    if options.resource_elements is not None and (of_one or name != "rss_dbm"):
        what = "the power of one resource element already" if of_one else "no power"
        problems.add(0, f"{heading} is {what}: leave --resource-elements out, it is for RSSI")


def _check_losses(understood: Understanding, name: str, found: Numbers, problems: Problems) -> None:
    values = found.values[np.isfinite(found.values)]
    if name == "rss_dbm" or len(values) == 0:
        return
    heading, usual = understood.heading(name), float(np.median(values))
    other = "path_gain_db" if name == "path_loss_db" else "path_loss_db"
    wrong_sign = usual < 0.0 if name == "path_loss_db" else usual > 0.0
    if wrong_sign:
        problems.add(
            0,
            f"{heading} is {usual:g} dB in the median, which is no {name[:9].replace('_', ' ')}; "
            f"if it is the other, say --column {other}={heading}",
        )
    elif abs(usual) > LARGEST_LOSS_DB:
        problems.add(
            0,
            f"{heading} is {usual:g} in the median, too much for decibels; if it is a ratio, say "
            f"--column {name.removesuffix('_db')}_linear={heading}",
        )
