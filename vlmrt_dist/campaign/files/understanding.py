"""Which column of a table is what: headings to fields, with what the user says about them."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from dataclasses import dataclass, field

from vlmrt_dist.campaign.files.cells import Column
from vlmrt_dist.campaign.files.headings import (
    STANDARD,
    Meaning,
    field_of_level,
    meaning_of,
    squeezed,
    unit_of,
    unknown_unit,
)
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.problems import Problems, shown
from vlmrt_dist.campaign.files.raw_table import RawTable
from vlmrt_dist.campaign.files.units_of_columns import known_unit

BARE = ("x", "y", "z", "latitude", "longitude", "easting", "northing", "height", "altitude")
"""Positions of an antenna that the heading does not name."""

LEVEL_FIELDS = ("rss_dbm", "path_gain_db", "path_loss_db")
"""Where a file has several of these, the first is used."""

MAX_LISTED = 12
"""So many headings are named in a message."""


@dataclass
class Understanding:
    """Quantities of the columns of a table.

    :param raw: the table
    :param fields: index of the column of each field
    :param meanings: meaning of each column [columns]; None where the heading is not understood
    :param names: columns that may name the transmitter of a row, the likeliest first
    """

    raw: RawTable
    fields: dict[str, int] = field(default_factory=dict)
    meanings: list[Meaning | None] = field(default_factory=list)
    names: list[int] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def heading(self, name: str) -> str:
        """The heading of a field's column."""
        return self.raw.headings[self.fields[name]]

    def column(self, name: str) -> Column:
        """The column of a field."""
        return self.column_at(self.fields[name])

    def column_at(self, index: int, meaning: Meaning | None = None) -> Column:
        """A column by its index, named in messages by its heading."""
        found = meaning or self.meanings[index] or Meaning("transmitter", "name")
        return Column(
            self.raw.headings[index],
            self.raw.table.column(index),
            found,
            self.raw.lines,
            self.raw.decimal_comma,
        )

    def unit(self, name: str) -> str:
        """The unit of a field's column, in its usual letters."""
        found = self.meanings[self.fields[name]]
        return unit_of(found) if found else ""

    def without(self, *names: str) -> None:
        """Leave fields aside, because others say the same better."""
        for name in names:
            self.fields.pop(name, None)

    def unused(self, used: set[int]) -> list[str]:
        """Headings of the columns that nothing was taken from."""
        return [name for index, name in enumerate(self.raw.headings) if index not in used]


def is_understood(heading: str, options: ReadingOptions) -> bool:
    """Whether a heading has a meaning, of its own or by the options."""
    return _mapped(heading, options) is not None or meaning_of(heading) is not None


def understand(
    raw: RawTable, options: ReadingOptions, bare_side: str, problems: Problems
) -> Understanding:
    """The fields of a table.

    :param bare_side: antenna that columns such as "x" and "latitude" are of, "tx" or "rx"
    """
    result = Understanding(raw)
    candidates: dict[str, list[tuple[int, int, int]]] = {}
    for index, heading in enumerate(raw.headings):
        stated = _mapped(heading, options)
        meaning = stated or meaning_of(heading)
        if meaning is not None and raw.units is not None and meaning.unit is None:
            unit = known_unit(raw.units[index], meaning.dimension)
            meaning = dataclasses.replace(meaning, unit=unit)
        result.meanings.append(meaning)
        if meaning is None:
            continue
        name, bare = meaning.field, 0
        if name in BARE:
            if bare_side == "rx" and "antenna" in squeezed(heading):
                result.meanings[-1] = None  # whose antenna's height it is nobody can tell
                continue
            name, bare = f"{bare_side}_{name}", 1
        rank = -1 if stated else meaning.rank
        candidates.setdefault(name, []).append((bare, rank, index))
    for name, found in candidates.items():
        found.sort()
        result.fields[name] = found[0][2]
        same = [index for bare, rank, index in found if (bare, rank) == found[0][:2]]
        if len(same) > 1:
            headings = ", ".join(shown(raw.headings[index]) for index in same[:MAX_LISTED])
            problems.add(
                0,
                f"several columns are {name}: {headings}; keep one of them"
                + (
                    ""
                    if len({raw.headings[i] for i in same}) < len(same)
                    else f", or choose it by --column {name}={raw.headings[same[0]]}"
                ),
            )
    result.names = [index for _, _, index in candidates.get("transmitter", [])]
    best = next((name for name in LEVEL_FIELDS if name in result), None)
    result.without(*(name for name in LEVEL_FIELDS if name != best))
    return result


def check_mapping(options: ReadingOptions, tables: list[RawTable], problems: Problems) -> None:
    """Headings that the options name, but no table has, are problems."""
    present = {heading.strip().casefold() for raw in tables for heading in raw.headings}
    for heading in options.meanings():
        if heading.casefold() not in present:
            every = [each for raw in tables for each in raw.headings]
            problems.add(0, f"there is no column {shown(heading)}; the columns are {listed(every)}")


def check_header(raw: RawTable, understood: Understanding, problems: Problems) -> bool:
    """Whether the first line is a header at all."""
    names = raw.headings
    if sum(_is_number(name) for name in names) >= max(len(names) - 1, 1):
        problems.add(
            1,
            "the first line holds numbers, so the header is missing; put a line above it that "
            f"names the columns, as in {','.join(STANDARD[:8])}",
        )
        return False
    return True


def not_understood(understood: Understanding) -> str:
    """The headings that are not understood, as the end of a message; empty if there are none."""
    others = [
        heading
        for heading, meaning in zip(understood.raw.headings, understood.meanings, strict=True)
        if meaning is None
    ]
    if not others:
        return ""
    units = [
        f"; the unit {shown(unit)} of {shown(heading)} is not known"
        for heading in others
        if (unit := unknown_unit(heading))
    ]
    return f"; not understood: {listed(others)}" + "".join(units[:MAX_LISTED])


def level_hint(understood: Understanding) -> str:
    """How to say which column holds the levels: the first one with a unit of power, if there is one
    that is not understood."""
    for heading, meaning in zip(understood.raw.headings, understood.meanings, strict=True):
        if meaning is None and len(heading) <= 40 and (field := field_of_level(heading)):
            return f"if {shown(heading)} does, say --column {shlex.quote(f'{field}={heading}')}"
    return "if one does, say --column rss_dbm=HEADING"


def suggestion(missing: str, understood: Understanding) -> str:
    """A heading that is not understood and differs from ``missing`` by a typing error only."""
    others = {
        heading.casefold(): heading
        for heading, meaning in zip(understood.raw.headings, understood.meanings, strict=True)
        if meaning is None and len(heading) <= 40
    }
    close = difflib.get_close_matches(missing, others, n=1, cutoff=0.85)
    return f" (is {shown(others[close[0]])} meant for {missing}?)" if close else ""


def listed(headings: list[str]) -> str:
    """Some headings, and how many more there are."""
    more = len(headings) - MAX_LISTED
    return ", ".join(shown(name) for name in headings[:MAX_LISTED]) + (
        f" and {more} more" if more > 0 else ""
    )


def _mapped(heading: str, options: ReadingOptions) -> Meaning | None:
    """The meaning that the options give a heading; exact letters go before other cases."""
    given = options.meanings()
    name = heading.strip()
    if name in given:
        return given[name]
    return {each.casefold(): meaning for each, meaning in given.items()}.get(name.casefold())


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ".")[:64])
    except ValueError:
        return False
    return True
