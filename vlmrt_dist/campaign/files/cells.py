"""Cells of a column to numbers, names and flags; each that is none of these is a problem.

A cell may state its unit (``-38.5 dBm``), and a level may be ``<-95``, below that floor, or
``>-30``, above what the receiver can tell. Cells that say that there is no value (empty, ``-``,
``NaN``, ``n/a``) are told apart from wrong ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.files.headings import Meaning
from vlmrt_dist.campaign.files.problems import MAX_NAME, MAX_PROBLEMS, Problems, printable, shown
from vlmrt_dist.campaign.files.units_of_columns import converted, known_unit, known_units

MAX_NUMBER = 64
"""Longest text [characters] that is read as a number."""

NO_VALUE = ("", "-", "--", "---", "nan", "na", "n/a", "none", "null", "nil", "#n/a", "?")
"""Cells that stand for no value, in small letters."""

BOUNDS = {"<": "floor", ">": "ceiling"}
"""Marks before a level that is only a bound: below the receiver's floor, above its ceiling."""

_MARKS = {"<": "<", "≤": "<", ">": ">", "≥": ">"}

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*([A-Za-zµμ°]{{1,10}})")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_COMPASS = {"N": 1.0, "E": 1.0, "S": -1.0, "W": -1.0}
_INFINITE = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
_TRUE, _FALSE = ("1", "true", "yes", "1.0"), ("0", "false", "no", "0.0")


@dataclass(frozen=True)
class Column:
    """One column of a raw table, with what is needed to read it.

    :param name: as messages call it
    :param data: a ``pyarrow.ChunkedArray``
    :param lines: line of each cell [n]
    :param decimal_comma: numbers in text have a decimal comma
    """

    name: str
    data: Any
    meaning: Meaning
    lines: IntArray
    decimal_comma: bool = False


@dataclass(frozen=True)
class Numbers:
    """Numbers of a column.

    :param values: [n], converted to the campaign's units; NaN where there is none
    :param missing: cells that say that there is no value [n]
    :param below: cells with a < before them [n]
    :param above: cells with a > before them [n]
    """

    values: FloatArray
    missing: BoolArray
    below: BoolArray
    above: BoolArray


def numbers(column: Column, problems: Problems, unit: str | None = None) -> Numbers:
    """The numbers of a column; NaN where a cell is a problem.

    :param unit: unit of cells that state none, where the heading does not; None: the default
    """
    count = len(column.lines)
    missing, below, above = (np.zeros(count, dtype=bool) for _ in range(3))
    raw = _plain(column)
    if raw is None:
        for line in column.lines[:MAX_PROBLEMS]:
            problems.add(line, f"{column.name} is not a number")
        return Numbers(np.full(count, np.nan), missing, below, above)
    stated: dict[int, str] = {}
    if isinstance(raw, np.ndarray):
        values = raw.astype(np.float64)
        missing = np.isnan(values)
    else:
        values = np.full(count, np.nan)
        for row, cell in enumerate(raw):
            if problems.full:
                break
            if cell is None or cell.strip().casefold() in NO_VALUE:
                missing[row] = True
                continue
            try:
                values[row], mark, found = _number(cell, column)
            except ValueError as error:
                problems.add(column.lines[row], f"{column.name} {error}")
                continue
            below[row], above[row] = mark == "<", mark == ">"
            if found is not None:
                stated[row] = found
    values = _in_campaign_units(values, column, unit, stated, problems)
    return Numbers(values, missing, below, above)


def _in_campaign_units(
    values: FloatArray, column: Column, unit: str | None, stated: dict[int, str], problems: Problems
) -> FloatArray:
    dimension = column.meaning.dimension
    usual = column.meaning.unit or unit
    by_unit: dict[str | None, list[int]] = {}
    for row, unit_of_cell in stated.items():
        by_unit.setdefault(unit_of_cell, []).append(row)
    result = values.copy()
    others = np.ones(len(values), dtype=bool)
    others[list(stated)] = False
    for given, chosen in [*by_unit.items(), (usual, np.flatnonzero(others))]:
        rows, name = np.asarray(chosen, dtype=np.int64), given
        if name is None or len(rows) == 0:
            continue
        some = values[rows]
        negative = np.flatnonzero(some < 0.0)
        try:
            result[rows] = converted(some, dimension, name)
        except ValueError:
            for row in rows[negative]:
                problems.add(column.lines[row], f"{column.name} is a negative power in {name}")
            result[rows] = np.nan
    return result


def _plain(column: Column) -> Any:
    """An array of numbers, or a list of text and None; None of cells that are neither."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data = column.data
    kind = data.type
    if pa.types.is_dictionary(kind):
        data = pc.cast(data, kind.value_type)
        kind = data.type
    if pa.types.is_decimal(kind):
        data, kind = pc.cast(data, pa.float64()), pa.float64()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.fill_null(pc.cast(data, pa.float64(), safe=False), math.nan).to_numpy()
    if pa.types.is_null(kind):
        return np.full(len(data), np.nan)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _text_or_numbers(data, column)
    return None


def _text_or_numbers(data: Any, column: Column) -> Any:
    """Numbers where every cell is a plain one, as in most files; else the text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pc.cast(data, pa.string()))
    if column.decimal_comma:
        text = pc.replace_substring(text, ",", ".")
    try:
        parsed = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return data.to_pylist()
    values = pc.fill_null(parsed, math.nan).to_numpy()
    return values if np.isfinite(values).all() else data.to_pylist()


def _number(cell: str, column: Column) -> tuple[float, str, str | None]:
    """Number, the < or > before it (or nothing), and the unit that stands behind it.

    :raises ValueError: with what is wrong, and what to write instead
    """
    text = cell.strip()
    mark = _MARKS.get(text[:1], "") if column.meaning.dimension == "level" else ""
    if mark:
        text = text[1:].removeprefix("=").strip()
        if not text:
            raise ValueError(f"is a {mark} without the receiver's {BOUNDS[mark]} after it")
    if column.decimal_comma and _DECIMAL_COMMA.fullmatch(text[:MAX_NUMBER]):
        text = text.replace(",", ".")
    text = text.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")
    if len(text) <= MAX_NUMBER:
        if _NUMBER.fullmatch(text) or text.casefold() in _INFINITE:
            return float(text), mark, None
        parts = _WITH_UNIT.fullmatch(text)
        unit = known_unit(parts[2], column.meaning.dimension) if parts else None
        if parts is not None and unit is not None:
            return float(parts[1]), mark, unit
        if parts is not None and column.meaning.dimension == "angle" and parts[2] in _COMPASS:
            return float(parts[1]) * _COMPASS[parts[2]], mark, None
        if parts is not None:
            units = known_units(column.meaning.dimension)
            raise ValueError(f"{shown(text)} is not a number; units that may follow one: {units}")
        if _DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text):
            point = text.replace(",", ".")
            raise ValueError(f"{shown(text)} is not a number; write a decimal point: {point}")
    raise ValueError(f"{shown(text)} is not a number")


def names(column: Column, problems: Problems) -> list[str]:
    """The names in a column; empty where there is none, whole numbers without decimals."""
    result = []
    for row, cell in enumerate(_names_plain(column)):
        if isinstance(cell, bool) or not isinstance(cell, (str, int, float, type(None))):
            problems.add(column.lines[row], f"{column.name} must be a name or a whole number")
            cell = None
        if isinstance(cell, float):
            if cell.is_integer():
                cell = int(cell)
            elif not math.isnan(cell):
                problems.add(column.lines[row], f"{column.name} must be a name or a whole number")
                cell = None
            else:
                cell = None
        if isinstance(cell, str) and len(cell) > MAX_NAME:
            problems.add(column.lines[row], f"{column.name} is longer than {MAX_NAME} characters")
        name = "" if cell is None else printable(str(cell))
        result.append("" if name.casefold() in NO_VALUE else name)
    return result


def _names_plain(column: Column) -> list[Any]:
    """The cells as Python values; empty tuples where they can be no names."""
    import pyarrow as pa

    kind, types = column.data.type, pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    plain = (
        types.is_string, types.is_large_string, types.is_string_view, types.is_integer,
        types.is_floating, types.is_boolean, types.is_null,
    )  # fmt: skip
    if not any(is_kind(kind) for is_kind in plain):
        return [()] * len(column.data)
    return list(column.data.to_pylist())


def flags(column: Column, problems: Problems) -> BoolArray:
    """The flags of a column: 1, true, yes; 0, false, no."""
    values = np.zeros(len(column.lines), dtype=bool)
    for row, cell in enumerate(_names_plain(column)):
        if problems.full:
            break
        text = "" if cell is None else str(cell)[:MAX_NAME].strip().casefold()
        if not text:
            problems.add(column.lines[row], f"{column.name} is empty")
        elif text not in _TRUE + _FALSE:
            problems.add(
                column.lines[row],
                f"{column.name} {shown(text)} is neither 1 (true) nor 0 (false)",
            )
        values[row] = text in _TRUE
    return values
