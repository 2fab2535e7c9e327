"""Transmitters that stand in a table of their own, and which of them each row or column is of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign.files.antennas import kind_of, places, stated_places
from vlmrt_dist.campaign.files.cells import names, numbers
from vlmrt_dist.campaign.files.headings import squeezed
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems, shown
from vlmrt_dist.campaign.files.raw_table import RawTable
from vlmrt_dist.campaign.files.understanding import (
    LEVEL_FIELDS,
    Understanding,
    check_header,
    listed,
    understand,
)
from vlmrt_dist.campaign.files.units_of_columns import (
    LOWEST_CARRIER,
    Dimension,
    frequency_unit,
)

LEVEL_WORDS = ("rssi", "rss", "rsrp", "level", "power", "dbm", "path_?loss", "pl", "path_?gain")
"""Words around the name of a transmitter in the heading of its column."""

PLAIN_NAMES = (
    "name", "id", "number", "nr", "no", "node", "nodeid", "station", "stationid", "gateway",
    "gatewayid", "router", "wap", "wapid", "device", "deviceid", "label",
)  # fmt: skip
"""Headings that name a transmitter in a table of transmitters only."""

_WHOLE = re.compile(r"[0-9]{1,30}(?:\.0*)?")
_SERIAL = re.compile(r"(?:[a-z_ -]*?)[a-z]+[_ -]?\d{1,6}")
_MAC = re.compile(r"(?:[0-9a-f]{2}[:_.-]?){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class Transmitters:
    """Transmitters and their names.

    :param names: names of the transmitters [T] in each column that names them, by its heading; an
        empty one is no name
    :param points: [T,3] [m], in the scene
    :param frequency: carrier [T] [Hz]; NaN where none is stated
    :param power: transmit power [T] [dBm]; NaN where none is stated
    :param remarks: what was not used of their table
    """

    names: dict[str, list[str]]
    points: FloatArray
    frequency: FloatArray
    power: FloatArray
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.points)

    def finder(self, heading: str) -> Callable[[str], int]:
        """The transmitter of a name in a column of names: -1 if there is none.

        Letter case does not matter, nor separators in a name with letters (``AP-1``, ``ap 1``) as
        long as no other transmitter is called alike.
        """
        exact: dict[str, int] = {}
        loose: dict[str, int] = {}
        for index, name in enumerate(self.names[heading]):
            if name:
                exact[_key(name)] = index
                loose[_loose_key(name)] = -1 if _loose_key(name) in loose else index
        loose.pop("", None)
        return lambda name: exact.get(_key(name), loose.get(_loose_key(name), -1)) if name else -1


def _key(name: str) -> str:
    """A name in small letters; of whole numbers 7, 007 and 7.0 are one."""
    text = " ".join(name.split()).casefold()
    return str(int(text.partition(".")[0])) if _WHOLE.fullmatch(text) else text


def _loose_key(name: str) -> str:
    """The letters and digits of a name that has both; else nothing."""
    text = squeezed(name)
    return text if re.search(r"[a-z]", text) else ""


def table_of_antennas(
    raw: RawTable, side: str, options: ReadingOptions, problems: Problems
) -> Transmitters | None:
    """The antennas of a table: a name or cell identity each, and a position.

    :param side: "tx" or "rx"
    """
    found = understand(raw, options, side, problems)
    if not check_header(raw, found, problems):
        return None
    own = "transmitter" if side == "tx" else "receiver"
    named = [found.fields[own]] if own in found else []
    named += found.names
    if "setup" in found:
        named.append(found.fields["setup"])
    named += [i for i, heading in enumerate(raw.headings) if squeezed(heading) in PLAIN_NAMES]
    named = named or [i for i, meaning in enumerate(found.meanings) if meaning is None][:1]
    placed = places(found, side, options, problems)
    if not named:
        problems.add(0, f"the {own}s have no names; name the column, as in --column {own}=HEADING")
    if placed is None or problems:
        return None
    for row in np.flatnonzero(placed.without).tolist():
        problems.add(raw.lines[row], f"the {own} has no position")
    distinct = _names_that_are_distinct(found, list(dict.fromkeys(named)), own, problems)
    used = {*named, *(found.fields[name] for name in placed.used)}
    frequency = _of_all(found, "frequency", used, problems)
    power = _of_all(found, "tx_power_dbm", used, problems)
    ignored = found.unused(used)
    remarks = (f"of {raw.name} not used: {listed(ignored)}",) if ignored else ()
    return Transmitters(distinct, placed.points, frequency, power, remarks)


def _names_that_are_distinct(
    found: Understanding, named: list[int], what: str, problems: Problems
) -> dict[str, list[str]]:
    """The columns in which no two antennas have one name; a problem if there is none."""
    raw = found.raw
    result: dict[str, list[str]] = {}
    twice = []
    for index in named:
        quiet = Problems()
        given = names(found.column_at(index), quiet)
        first: dict[str, int] = {}
        same = [row for row, name in enumerate(given)
                if name and first.setdefault(_key(name), row) != row]  # fmt: skip
        if not same and any(given) and not quiet:
            result[raw.headings[index]] = given
        twice += [(row, first[_key(given[row])], given[row]) for row in same]
    if not result:
        for row, known, name in twice:
            problems.add(
                raw.lines[row],
                f"the {what} {shown(name)} stands in line {raw.lines[known]} already",
            )
        if not twice:
            problems.add(0, f"the {what}s have no names")
    return result


def _of_all(found: Understanding, name: str, used: set[int], problems: Problems) -> FloatArray:
    """A number that the table states of every antenna, or of none (NaN)."""
    none = np.full(len(found.raw.lines), np.nan)
    if name not in found:
        return none
    column = found.column(name)
    values = numbers(column, problems)
    if values.missing.all():
        return none
    used.add(found.fields[name])
    for row in np.flatnonzero(values.missing).tolist():
        problems.add(column.lines[row], f"{column.name} is empty, but other lines have one")
    stated = values.values[np.isfinite(values.values)]
    if name != "frequency" or (stated >= LOWEST_CARRIER).all():
        return values.values
    unit = frequency_unit(stated) if column.meaning.unit is None else None
    if unit is None:
        problems.add(
            0,
            f"{column.name} is below {LOWEST_CARRIER:g} Hz; state its unit, as in "
            f"--column frequency_mhz={column.name}",
        )
        return none
    return numbers(column, problems, unit).values


def stated_transmitters(
    options: ReadingOptions, found: Understanding, problems: Problems
) -> Transmitters:
    """The transmitters of ``options.tx``, in the kind of coordinates that the file has."""
    given = options.positions()
    kind = kind_of(found, "rx") or "x"
    points = stated_places(list(given.values()), kind, options, problems)
    none = np.full(len(given), np.nan)
    return Transmitters({"--tx": list(given)}, points, none, none)


@dataclass(frozen=True)
class Match:
    """The transmitters of rows, or of columns, by their names.

    :param column: column that names the transmitter of each row
    :param which: transmitter of each row [n]; -1 where there is none of the name
    :param given: names of the rows [n]
    :param known: names of the transmitters [T]
    """

    column: int
    which: IntArray
    given: list[str]
    known: list[str]


def match_rows(found: Understanding, antennas: Transmitters, columns: list[int]) -> Match | None:
    """The column that names the antenna of each row, and the one of the antennas' table that it
    goes with: those with the most names in common, of equals those of one heading.

    A column of another heading counts only if no other has a name in common, and all of its own
    are known.

    :param columns: columns whose headings say that they name such antennas
    """
    best = _best_match(found, antennas, columns)
    if best is not None and (best.which >= 0).any():
        return best
    others = [index for index, meaning in enumerate(found.meanings) if meaning is None]
    other = _best_match(found, antennas, others)
    if other is not None and (other.which >= 0).all():
        return other
    return best


def _best_match(
    found: Understanding, transmitters: Transmitters, columns: list[int]
) -> Match | None:
    best: tuple[tuple[int, bool], Match] | None = None
    for index in columns:
        given = names(found.column_at(index), Problems())
        for heading, known in transmitters.names.items():
            find = transmitters.finder(heading)
            which = np.array([find(name) for name in given], dtype=np.int64)
            same = squeezed(heading) == squeezed(found.raw.headings[index])
            score = (int((which >= 0).sum()), same)
            if best is None or score > best[0]:
                best = (score, Match(index, which, given, known))
    return best[1] if best else None


def match_columns(
    found: Understanding, transmitters: Transmitters
) -> tuple[dict[int, int], list[str]]:
    """Columns that hold the levels of one transmitter each, which that is, and the names of all
    transmitters [T]."""
    taken = {index for name, index in found.fields.items() if name not in LEVEL_FIELDS}
    best: tuple[dict[int, int], list[str]] = ({}, [""] * len(transmitters))
    for heading, known in transmitters.names.items():
        find = transmitters.finder(heading)
        columns = {}
        for index, each in enumerate(found.raw.headings):
            which = [find(text) for text in spellings(each)] if index not in taken else []
            if max(which, default=-1) >= 0:
                columns[index] = next(t for t in which if t >= 0)
        if len(columns) > len(best[0]):
            best = (columns, known)
    return best


def looks_wide(found: Understanding) -> list[str]:
    """Headings that look like transmitters, each with a column of levels of its own."""
    serial = []
    for heading, meaning in zip(found.raw.headings, found.meanings, strict=True):
        texts = [text.strip().casefold()[:60] for text in spellings(heading)]
        if meaning is None and any(_SERIAL.fullmatch(t) or _MAC.fullmatch(t) for t in texts):
            serial.append(heading)
    return serial if len(serial) > 1 else []


def kind_of_cells(heading: str) -> tuple[str, Dimension]:
    """Quantity in the column of a transmitter, by the words around its name."""
    name = heading.strip().casefold()
    if re.match(r"path[ _]?loss|pl[ _\[(]", name):
        return "path_loss_db", "loss"
    return ("path_gain_db", "loss") if re.match(r"path[ _]?gain", name) else ("rss_dbm", "level")


def spellings(heading: str) -> list[str]:
    """The name that a heading may hold beside words for a level and its unit."""
    text = heading.strip()[:200]
    result = [text]
    brackets = re.fullmatch(r"([^\[({]*)[\[({]([^\])}]*)[\])}]", text)
    if brackets:
        result += [brackets[1], brackets[2]]
    for part in list(result):
        bare = re.sub(r"[_\s-]*dbm?$", "", part.strip(), flags=re.IGNORECASE)
        for word in LEVEL_WORDS:
            bare_word = re.sub(rf"^{word}[_\s.:-]*|[_\s.:-]*{word}$", "", bare, flags=re.IGNORECASE)
            if bare_word != bare:
                result.append(bare_word)
        result.append(bare)
    return [each for each in result if each.strip()]
