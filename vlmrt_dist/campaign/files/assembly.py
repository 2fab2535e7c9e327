"""Rows of a table to links: carriers, noise, setups; one row a link."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.antenna import Antenna
from vlmrt_dist.campaign.files.antenna_columns import ANGLES, WORDS, antennas_of_rows
from vlmrt_dist.campaign.files.antennas import SIDES, Places, places
from vlmrt_dist.campaign.files.cells import names, numbers
from vlmrt_dist.campaign.files.levels import Levels
from vlmrt_dist.campaign.files.links import Links, averaged, same_links, summed_over_delay
from vlmrt_dist.campaign.files.observed import holds_delay_bins, observed_of, with_links
from vlmrt_dist.campaign.files.observed_table import VALUES
from vlmrt_dist.campaign.files.problems import Problems
from vlmrt_dist.campaign.files.rows import Rows, TableReader, receivers_of, rows_of
from vlmrt_dist.campaign.files.transmitters import Transmitters
from vlmrt_dist.campaign.files.understanding import LEVEL_FIELDS
from vlmrt_dist.campaign.files.units_of_columns import LOWEST_CARRIER, frequency_unit, shown_unit
from vlmrt_dist.console import counted

MANY_SETUPS = 20
"""From so many setups on it is said that fewer would do."""


def links_of(reader: TableReader, transmitters: Transmitters | None) -> Links | None:
    """The links of a table; None, and a problem, if it cannot be understood."""
    found, problems, options = reader.found, reader.problems, reader.options
    rows = rows_of(reader, transmitters)
    receivers = receivers_of(reader) if options.points else places(found, "rx", options, problems)
    frequency = _frequency(reader)
    noise = _noise(reader)
    if rows is None or receivers is None:
        return None
    reader.use_places("rx", receivers)
    kept = rows.take(rows.transmission.known & ~receivers.without[rows.row])
    row, transmission, levels = kept
    carriers = transmission.frequency
    frequency = np.where(np.isfinite(carriers), carriers, frequency[row])
    kinds, of_tx, of_rx = _antennas(reader)
    setup, setups = _setups(reader, kept, frequency, of_tx)
    links = Links(
        line=found.raw.lines[row],
        setup=setup,
        setups=setups,
        tx=transmission.points,
        rx=receivers.points[row],
        rss_dbm=levels.rss_dbm,
        noise_db=noise[row],
        censored=levels.censored,
        saturated=levels.saturated,
        unheard=levels.unheard,
        frequency=frequency,
        kinds=kinds,
        tx_antenna=of_tx[row],
        rx_antenna=of_rx[row],
    )
    reader.observed = observed_of(reader, row, links)
    _note_rows_left_out(reader, rows, receivers)
    if problems:
        usable = np.isfinite(links.tx).all(axis=1) & np.isfinite(links.rx).all(axis=1)
        return links.take(usable & (np.isfinite(links.rss_dbm) | (levels.field is None)))
    links = _links(reader, links, levels)
    _note_if_exchanged_is_smaller(reader, links)
    return links


def _links(reader: TableReader, links: Links, levels: Levels) -> Links:
    """One row a link, those with a level first."""
    observed = reader.observed
    if observed is None:
        return _one_row_a_link(reader, links, levels)
    of_levels = links.take(~observed.without_level)
    if levels.field is not None and len(of_levels):
        of_levels = _one_row_a_link(reader, of_levels, levels)
    else:
        of_levels = of_levels.take(np.zeros(len(of_levels), bool))
    return with_links(observed, of_levels)


def _note_rows_left_out(reader: TableReader, rows: Rows, receivers: Places) -> None:
    without = int(receivers.without.sum())
    if without:
        reader.notes.append(f"{counted(without, 'row')} left out for want of a position")
    marks = rows.levels.marks
    if reader.observed is not None:  # what holds another value is no level that was not heard
        marks -= int((reader.observed.used & ~np.isfinite(reader.observed.links.rss_dbm)).sum())
    if marks <= 0 or rows.levels.empty:
        return
    floor = reader.options.noise_floor_dbm
    what = (
        "left out; --noise-floor-dbm FLOOR keeps them as below that floor"
        if floor is None
        else f"censored at {floor:g} dBm"
    )
    reader.notes.append(f"not heard: {marks} of {counted(len(rows.row), 'reading')}, {what}")


def _frequency(reader: TableReader) -> FloatArray:
    """Carrier of each row [n] [Hz]; NaN where none is stated, everywhere if there is a problem."""
    found, problems = reader.found, reader.problems
    none = np.full(len(found.raw.lines), np.nan)
    if "frequency" not in found:
        return none
    column, lines = found.column("frequency"), found.raw.lines
    values = numbers(column, problems)
    if values.missing.all():
        return none
    wrong = (values.values <= 0.0) | np.isinf(values.values)
    for row in np.flatnonzero(wrong).tolist():
        problems.add(lines[row], f"{column.name} must be a positive, finite frequency")
    for row in np.flatnonzero(values.missing).tolist():
        problems.add(lines[row], f"{column.name} is empty, but other lines have one")
    unit, low = column.meaning.unit, values.values < LOWEST_CARRIER
    if unit is None and not wrong.any() and low.any():
        unit = frequency_unit(values.values[np.isfinite(values.values)])
        if unit is None:
            row = int(np.flatnonzero(low)[0])
            problems.add(
                lines[row],
                f"{column.name} is {values.values[row]:g} Hz, which is no carrier; state one unit "
                f"for the column, as in --column frequency_ghz={column.name}",
            )
            return none
        values = numbers(column, problems, unit)
        reader.notes.append(f"{column.name} states no unit and was read as {shown_unit(unit)}")
    elif unit is not None:
        for row in np.flatnonzero(low).tolist():
            problems.add(
                lines[row],
                f"{column.name} is {values.values[row]:g} Hz, which is no carrier; check its unit",
            )
    reader.use("frequency", f"carrier [{shown_unit(unit or 'hz')}]")
    return none if wrong.any() else values.values


def _noise(reader: TableReader) -> FloatArray:
    """Declared noise of each row [n] [dB]; NaN where none is."""
    found, problems = reader.found, reader.problems
    if "noise_db" not in found:
        return np.full(len(found.raw.lines), np.nan)
    values = numbers(found.column("noise_db"), problems)
    reader.use("noise_db", "standard deviation of the level [dB]")
    heading, lines = found.heading("noise_db"), found.raw.lines
    if not values.missing.all():
        for row in np.flatnonzero(values.missing & _in_decibels(reader)).tolist():
            problems.add(lines[row], f"{heading} is empty, but other lines have one")
    for row in np.flatnonzero((values.values < 0.0) | np.isinf(values.values)).tolist():
        problems.add(lines[row], f"{heading} must be finite and not negative")
    return values.values


def _antennas(reader: TableReader) -> tuple[tuple[Antenna, ...], IntArray, IntArray]:
    """The antennas that the file states, if any, and which of them the transmitter and the receiver
    of each row have [n]."""
    found, none = reader.found, np.zeros(len(reader.found.raw.lines), dtype=np.int64)
    file = Path(found.raw.name)
    folder = file.parent if file.is_file() else None
    sides = {p: antennas_of_rows(found, p, folder, reader.problems) for p in ("tx_", "rx_")}
    if not any(sides.values()):
        return (), none, none
    number: dict[Antenna, int] = {}
    which = []
    for prefix, told in sides.items():
        kinds, index = told or ((Antenna(),), none)
        places = np.array([number.setdefault(kind, len(number)) for kind in kinds])
        which.append(places[index])
        for name in (*ANGLES, *WORDS):
            if prefix + name in found:
                unit = f" [{found.unit(prefix + name)}]" if name in ANGLES else ""
                reader.use(prefix + name, f"{SIDES[prefix[:2]]}'s {name.replace('_', ' ')}{unit}")
        if told is None:
            reader.notes.append(
                f"antennas of the {SIDES[prefix[:2]]}s are not stated: isotropic, vertical"
            )
    return tuple(number), which[0], which[1]


def _in_decibels(reader: TableReader) -> BoolArray:
    """[n] rows of the file with a value that a noise in decibels belongs to."""
    found = reader.found
    if not any(field in found for field in VALUES):
        return np.ones(len(found.raw.lines), bool)
    fields = [field for field in (*LEVEL_FIELDS, "magnitude_db") if field in found]
    there = [~numbers(found.column(field), Problems()).missing for field in fields]
    return np.any([np.zeros(len(found.raw.lines), bool), *there], axis=0)


def _setups(
    reader: TableReader, rows: Rows, frequency: FloatArray, antenna: IntArray
) -> tuple[IntArray, tuple[str, ...]]:
    """Setup of each row, and the names of the setups.

    A column states it; else the rows of one transmitter (by position, name and antenna) and carrier
    are one.
    """
    found = reader.found
    setups = [""] * len(rows.row)
    if "setup" in found and found.fields["setup"] not in reader.used:
        reader.use("setup", "setup")
        heading = found.heading("setup")
        given = names(found.column("setup"), reader.problems)
        for row in (row for row, name in enumerate(given) if not name):
            reader.problems.add(found.raw.lines[row], f"{heading} is empty")
        setups = [given[row] for row in rows.row.tolist()]
        # What a stated setup shares is checked, so only a transmitter's name divides it.
        key: list[tuple[object, ...]] = list(zip(setups, rows.transmission.names, strict=True))
    else:
        points = map(tuple, rows.transmission.points.tolist())
        carriers = np.nan_to_num(frequency, nan=-1.0).tolist()
        own = antenna[rows.row].tolist()
        key = list(zip(rows.transmission.names, points, carriers, own, strict=True))
    number = {each: code for code, each in enumerate(dict.fromkeys(key))}
    texts = [" ".join(text for text in each if isinstance(text, str) and text) for each in number]
    if not all(texts) or len(set(texts)) < len(texts):
        texts = [f"{text} {code}".strip() for code, text in enumerate(texts, start=1)]
    return np.array([number[each] for each in key], dtype=np.int64), tuple(texts)


def _one_row_a_link(reader: TableReader, links: Links, levels: Levels) -> Links:
    """Links with their delay bins summed, their repeats averaged, and none that was not heard."""
    planned = levels.field is None or levels.empty
    if planned and levels.field is not None:
        reader.notes.append("no level stands in any row: this is a plan")
    if planned:
        group = same_links(links)
        _, first = np.unique(group, return_index=True)
        if len(first) < len(links):
            reader.notes.append(
                f"{counted(len(links) - len(first), 'row')} left out: repeats of a link"
            )
        return links.take(first)
    if holds_delay_bins(reader) and len(links):
        bins = len(links)
        summed = summed_over_delay(links)
        if len(summed) < bins:
            reader.use("delay", f"delay [{reader.found.unit('delay')}]")
            reader.notes.append(
                f"{bins} powers in delay bins added up to levels: {counted(len(summed), 'link')}"
            )
            links = summed
    count = len(links)
    if count:
        links = averaged(links, reader.options.average)
    if len(links) < count:
        spread = links.noise_db[np.isfinite(links.noise_db)]
        noise = ""
        if "noise_db" not in reader.found and len(spread):
            noise = f"; their spread, {np.median(spread):.2g} dB in the median, is their noise_db"
        how = "in decibels" if reader.options.average == "db" else "as power"
        reader.notes.append(
            f"{counted(count, 'reading')} of {counted(len(links), 'link')} averaged {how}{noise}"
        )
    if links.unheard.any():
        silent = int(links.unheard.sum())
        links = links.take(~links.unheard)
        reader.notes.append(
            f"{counted(silent, 'link')} left out for want of a level, {len(links)} remain"
        )
    return links


def _note_if_exchanged_is_smaller(reader: TableReader, links: Links) -> None:
    """Say that moving transmitters and few receivers are better exchanged."""
    setups = len(np.unique(links.setup))
    receivers = len(np.unique(links.rx, axis=0))
    if setups >= MANY_SETUPS and setups > 4 * receivers:
        reader.notes.append(
            f"{setups} setups, since the transmitter moves, but {counted(receivers, 'receiver')}: "
            "with equal antennas the two may be exchanged (name the tx_ columns rx_, the rx_ "
            f"columns tx_), which makes {counted(receivers, 'setup')} of them"
        )
