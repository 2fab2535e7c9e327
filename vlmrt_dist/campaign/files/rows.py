"""Rows of a table, or cells of a wide one, with their transmitters and levels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.files import levels as level_columns
from vlmrt_dist.campaign.files.antennas import AXES_OF, SIDES, Places, kind_of, places
from vlmrt_dist.campaign.files.cells import names, numbers
from vlmrt_dist.campaign.files.headings import Meaning, squeezed
from vlmrt_dist.campaign.files.levels import Levels
from vlmrt_dist.campaign.files.observed_table import VALUES, ObservedTable
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems, shown
from vlmrt_dist.campaign.files.raw_table import RawTable, read_raw_table
from vlmrt_dist.campaign.files.transmitters import (
    Transmitters,
    kind_of_cells,
    looks_wide,
    match_columns,
    match_rows,
    stated_transmitters,
    table_of_antennas,
)
from vlmrt_dist.campaign.files.understanding import (
    Understanding,
    check_mapping,
    is_understood,
    level_hint,
    listed,
    not_understood,
    understand,
)
from vlmrt_dist.console import counted
from vlmrt_dist.errors import MeasurementFileError

WORDS = {"rss_dbm": "level", "path_loss_db": "path loss", "path_gain_db": "path gain"}


class Transmission(NamedTuple):
    """Transmitter of each row [n] as far as it is known; a name is empty where there is none."""

    points: FloatArray
    frequency: FloatArray
    power: FloatArray
    names: list[str]
    known: BoolArray


class Rows(NamedTuple):
    """Rows of the file, or of a wide table each cell of levels, as far as they are understood."""

    row: IntArray
    transmission: Transmission
    levels: Levels

    def take(self, kept: BoolArray) -> Rows:
        """Some of the rows."""
        points, frequency, power, names_of_rows, known = self.transmission
        some = [name for name, keep in zip(names_of_rows, kept, strict=True) if keep]
        return Rows(
            self.row[kept],
            Transmission(points[kept], frequency[kept], power[kept], some, known[kept]),
            self.levels.take(kept),
        )


class TableReader:
    """A table as far as it is read: fields, used columns, notes, whether its levels are stated in
    dBm, and what it holds beside them."""

    def __init__(self, raw: RawTable, options: ReadingOptions, problems: Problems) -> None:
        self.raw, self.options, self.problems = raw, options, problems
        self.found: Understanding = understand(raw, options, "rx", problems)
        self.used: dict[int, str] = {}
        self.notes: list[str] = []
        self.levels_in_dbm = True
        self.observed: ObservedTable | None = None

    def use(self, field: str, text: str) -> None:
        """Note what a field's column is taken as."""
        self.used[self.found.fields[field]] = text

    def use_places(self, side: str, found: Places) -> None:
        """Note the columns that positions were taken from."""
        for name in found.used:
            axis = name.partition("_")[2]
            self.use(name, f"{SIDES[side]}'s {axis} [{self.found.unit(name)}]")


def transmitters_of(reader: TableReader) -> Transmitters | None:
    """The transmitters that the options state, in a file or one by one."""
    options, problems = reader.options, reader.problems
    tables = [reader.raw]
    result = None
    if options.transmitters is not None and options.tx:
        problems.add(0, "give either --transmitters FILE or --tx")
    elif options.transmitters is not None:
        raw, result = _table(options.transmitters, "tx", options)
        tables.append(raw)
    elif options.tx:
        result = stated_transmitters(options, reader.found, problems)
    check_mapping(options, tables, problems)
    if result is not None:
        reader.notes += result.remarks
    return result


def receivers_of(reader: TableReader) -> Places | None:
    """The receiver of each row, by its name in a table of points."""
    found, options, problems = reader.found, reader.options, reader.problems
    if options.points is None:
        return None
    _, points = _table(options.points, "rx", options)
    reader.notes += points.remarks
    match = match_rows(found, points, [found.fields["receiver"]] if "receiver" in found else [])
    if match is None or not (match.which >= 0).any():
        problems.add(
            0,
            f"no column names the receivers of {options.points}; name it, as in "
            "--column receiver=HEADING" + not_understood(found),
        )
        return None
    reader.used[match.column] = "name of the receiver"
    unknown = sorted({n for n, t in zip(match.given, match.which, strict=True) if t < 0})
    if unknown:
        reader.notes.append(f"receivers that are not in {options.points}: {listed(unknown)}")
    return Places(points.points[match.which], match.which < 0, "x", ())


def _table(path: Path, side: str, options: ReadingOptions) -> tuple[RawTable, Transmitters]:
    """A table of antennas.

    :raises MeasurementFileError: if it cannot be used
    """
    own = Problems()
    raw = read_raw_table(path, lambda heading: is_understood(heading, options), own)
    antennas = None if own else table_of_antennas(raw, side, options, own)
    if antennas is None or own:
        raise MeasurementFileError(path, own.sorted())
    return raw, antennas


def rows_of(reader: TableReader, transmitters: Transmitters | None) -> Rows | None:
    """The rows of a table; None, and a problem, if their transmitters are not known."""
    return _wide(reader, transmitters) or _long(reader, transmitters)


def _wide(reader: TableReader, transmitters: Transmitters | None) -> Rows | None:
    """The cells of a table with a column of levels for each transmitter; None if it is none."""
    found, options = reader.found, reader.options
    if transmitters is None:
        return None
    columns, labels = match_columns(found, transmitters)
    if not columns or (len(columns) == 1 and level_columns.level_field(found) and found.names):
        return None
    count = len(found.raw.lines)
    cells = []
    for index, which in columns.items():
        field, dimension = kind_of_cells(found.raw.headings[index])
        meaning = found.meanings[index]
        if meaning is None or meaning.dimension != dimension:
            meaning = Meaning(field, dimension)
        values = numbers(found.column_at(index, meaning), reader.problems)
        reader.levels_in_dbm &= field == "rss_dbm" and meaning.unit in (None, "dbm")
        power = np.full(count, transmitters.power[which])
        cells.append(level_columns.at_one_power(values, field, power, options))
        reader.used[index] = f"{WORDS[field]} of transmitter {labels[which]}"
        if field != "rss_dbm" or np.isfinite(power).any():
            note = referred(options.tx_power_dbm)
            reader.notes += [note] if note not in reader.notes else []
    found.without(*level_columns.LEVEL_FIELDS, "transmitter", "censored", "saturated", "delay")
    silent = [name for t, name in enumerate(labels) if t not in columns.values()]
    if silent:
        reader.notes.append(f"transmitters without a column: {listed(silent)}")
    levels = Levels(
        np.stack([each.rss_dbm for each in cells], axis=1).ravel(),
        np.stack([each.censored for each in cells], axis=1).ravel(),
        np.stack([each.saturated for each in cells], axis=1).ravel(),
        np.stack([each.unheard for each in cells], axis=1).ravel(),
        "rss_dbm",
        sum(each.marks for each in cells),
        empty=all(each.empty for each in cells),
    )
    transmitter_of_cell = np.tile(np.array(list(columns.values()), dtype=np.int64), count)
    row_of_cell = np.repeat(np.arange(count, dtype=np.int64), len(columns))
    return Rows(row_of_cell, _joined(transmitters, transmitter_of_cell, labels), levels)


def _long(reader: TableReader, transmitters: Transmitters | None) -> Rows | None:
    """The rows of a table with a row for each link."""
    found, options, problems = reader.found, reader.options, reader.problems
    count = len(found.raw.lines)
    if transmitters is not None:
        transmission = _named(reader, transmitters)
    else:
        transmission = _own_transmitters(reader)
    if transmission is None:
        return None
    power = transmission.power
    if "tx_power_dbm" in found and level_columns.level_field(found) == "rss_dbm":
        stated = numbers(found.column("tx_power_dbm"), problems)
        for row in np.flatnonzero(stated.missing).tolist():
            problems.add(found.raw.lines[row], f"{found.heading('tx_power_dbm')} is empty")
        power = np.where(np.isfinite(stated.values), stated.values, power)
        reader.use("tx_power_dbm", "transmit power [dBm]")
    levels = level_columns.levels(found, power, options, problems)
    _note_levels(reader, levels, power)
    return Rows(np.arange(count), transmission, levels)


def _joined(transmitters: Transmitters, which: IntArray, labels: list[str]) -> Transmission:
    return Transmission(
        transmitters.points[which],
        transmitters.frequency[which],
        transmitters.power[which],
        [labels[t] if t >= 0 else "" for t in which.tolist()],
        which >= 0,
    )


def _named(reader: TableReader, transmitters: Transmitters) -> Transmission | None:
    """The transmitter of each row by its name."""
    found, problems = reader.found, reader.problems
    setup = [found.fields["setup"]] if "setup" in found else []
    match = match_rows(found, transmitters, [*found.names, *setup])
    if transmitters.names.get("--tx") == [""] or (match is None and len(transmitters) == 1):
        several = sorted(set(match.given if match is not None else ()))
        if len(several) > 1:
            problems.add(
                0,
                f"rows are of several transmitters ({listed(several)}); name each, as in "
                "--tx NAME=X,Y,Z",
            )
            return None
        label = next(iter(transmitters.names.values()))
        return _joined(transmitters, np.zeros(len(found.raw.lines), dtype=np.int64), label)
    if match is None:
        problems.add(
            0,
            "no column names the transmitter of a row; name it, as in "
            "--column transmitter=HEADING" + not_understood(found),
        )
        return None
    heading = found.raw.headings[match.column]
    if not (match.which >= 0).any():
        problems.add(
            0,
            f"no transmitter has a name of the column {shown(heading)} "
            f"({listed(sorted(set(match.given)))}); theirs are {listed(match.known)}",
        )
        return None
    reader.used[match.column] = "name of the transmitter"
    unknown = sorted({n for n, t in zip(match.given, match.which, strict=True) if t < 0})
    if unknown:
        rows = counted(int((match.which < 0).sum()), "row")
        reader.notes.append(
            f"{rows} left out: the position of their transmitter is not known "
            f"({heading}: {listed(unknown)})"
        )
    return _joined(transmitters, match.which, match.known)


def _own_transmitters(reader: TableReader) -> Transmission | None:
    """The transmitters' positions that stand in the table itself."""
    found, problems = reader.found, reader.problems
    if not any(name.startswith("tx_") and name != "tx_power_dbm" for name in found.fields):
        axes = AXES_OF[kind_of(found, "rx") or "x"]
        wide = looks_wide(found) if level_columns.level_field(found) is None else []
        if wide:
            text = (
                f"columns {listed(wide)} look like levels of one transmitter each; give "
                f"--transmitters FILE with columns name, {', '.join(axes)}"
            )
        elif found.names:
            text = (
                f"rows name their transmitter ({found.raw.headings[found.names[0]]}), but where it "
                f"stands is not given; give --transmitters FILE with columns name, "
                f"{', '.join(axes)}, or --tx NAME={','.join(axes).upper()}"
            )
        else:
            text = (
                "missing columns: tx_x, tx_y, tx_z; name them, as in --column tx_x=HEADING, or give"
                f" the one transmitter as --tx {','.join(axes).upper()}" + not_understood(found)
            )
        problems.add(0, text)
        return None
    own = places(found, "tx", reader.options, problems)
    if own is None:
        return None
    reader.use_places("tx", own)
    count = len(found.raw.lines)
    for row in np.flatnonzero(own.without):
        problems.add(found.raw.lines[row], "the transmitter has no position")
    labels = [""] * count
    if found.names and "setup" not in found:
        labels = names(found.column_at(found.names[0]), problems)
        reader.used[found.names[0]] = "name of the transmitter"
    none = np.full(count, np.nan)
    return Transmission(own.points, none, none, labels, np.ones(count, dtype=bool))


def _note_levels(reader: TableReader, levels: Levels, power: FloatArray) -> None:
    """Say what the levels are, where that is not plain."""
    found, common = reader.found, reader.options.tx_power_dbm
    name = levels.field
    if "censored" in found and name is not None:
        reader.use("censored", "whether the level is the receiver's floor")
    if "saturated" in found and name is not None:
        reader.use("saturated", "whether the level is the receiver's ceiling")
    if name is None:
        if any(field in found for field in VALUES):
            return
        if others := not_understood(found):
            reader.notes.append(
                f"no column holds levels, so this is a plan; {level_hint(found)}{others}"
            )
        return
    heading, unit = found.heading(name), found.unit(name)
    reader.levels_in_dbm = name == "rss_dbm" and unit == "dBm"
    if name == "rss_dbm":
        reader.use(name, f"level [{unit}]")
        if "rsrp" in squeezed(heading):
            reader.notes.append(
                f"{heading} is the power of one resource element; estimate has to take the "
                "transmit power of one (--tx-power-dbm), or any offset (--gain-offset-db inf)"
            )
        if (count := reader.options.resource_elements) is not None:
            reader.notes.append(
                f"{heading} is shared among {count} resource elements: levels are those of one, "
                f"{reader.options.share_db:.1f} dB below; estimate has to take the transmit power "
                "of one (--tx-power-dbm), or any offset (--gain-offset-db inf)"
            )
        if np.isfinite(power).any():
            reader.notes.append(referred(common))
        return
    reader.use(name, f"{WORDS[name]} [{unit}], turned into a level")
    reader.notes.append(referred(common))


def referred(power: float) -> str:
    """The note that levels are those of one transmit power [dBm]."""
    return (
        f"levels are those of a transmit power of {power:g} dBm; estimate has to take the same "
        f"(--tx-power-dbm {power:g})"
    )
