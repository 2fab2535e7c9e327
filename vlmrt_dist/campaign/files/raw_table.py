"""Tables as they stand in a file: headings, cells, line numbers. Nothing is understood yet.

Text is read with whatever separator, encoding and comment lines it has; Parquet and Arrow tables
keep the types of their columns. Size, rows, columns and cells are bounded before they are kept.
"""

from __future__ import annotations

import csv
import functools
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import IntArray
from vlmrt_dist.campaign.files.headings import STANDARD
from vlmrt_dist.campaign.files.problems import Problems, printable
from vlmrt_dist.campaign.files.units_of_columns import FACTORS
from vlmrt_dist.store import Limits, UnreadableFile, read_limited, read_parquet

MAX_BYTES = 256 * 2**20
"""Largest measurement file [bytes]; also what a Parquet file may unpack to."""

MAX_ROWS = 2_000_000

MAX_COLUMNS = 4096

MAX_CELLS = 32_000_000

MAX_CELL = 1000
"""Longest cell [characters]."""

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}

_COMMENT_MARKS = ("#", "%", "//")

_LINES_SEARCHED = 200
"""The header is searched in so many lines."""

_CHUNK = 65536
"""Rows that are held as Python text at once."""

Known = Callable[[str], bool]
"""Whether a heading is understood."""


@dataclass(frozen=True)
class RawTable:
    """A table as it was read.

    :param name: file, as in messages
    :param table: a ``pyarrow.Table``, headings as they are written
    :param lines: line of the file of each row, the first being 1 (rows from 1 where there are none)
    :param decimal_comma: cells are text, in which numbers have a decimal comma
    :param units: cells of a line of units below the header, by column; None: there is no such line
    :param remarks: how the text was read, where that was not obvious
    """

    name: str
    table: Any
    lines: IntArray
    decimal_comma: bool = False
    units: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()

    @functools.cached_property
    def headings(self) -> list[str]:
        """Names of the columns as they are written, without characters that move a cursor."""
        return [printable(name) for name in self.table.column_names]


def read_raw_table(path: str | os.PathLike[str], known: Known, problems: Problems) -> RawTable:
    """The table in a file.

    :param known: tells the header from other lines, and a separator from others
    :return: what could be read; lines that could not be are among ``problems``
    """
    suffix, name = Path(path).suffix.lower(), os.fspath(path)
    if suffix not in (*TEXT_SUFFIXES, ".parquet"):
        hint = ""
        if suffix in (".xlsx", ".xls", ".ods"):
            hint = "; save the sheet as CSV"
        problems.add(0, f"its name must end in {', '.join(TEXT_SUFFIXES)} or .parquet{hint}")
        return _empty(name)
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        problems.add(0, str(error))
        return _empty(name)
    if suffix == ".parquet":
        return _parquet(name, content, problems)
    return _text(name, content, known, problems)


def raw_table_of(table: Any, name: str, problems: Problems) -> RawTable:
    """A ``pyarrow.Table`` as a raw table; rows are counted from 1."""
    columns, rows = table.num_columns, table.num_rows
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS:
        problems.add(0, _too_large())
        return _empty(name)
    if not _is_valid(table):
        problems.add(0, "it is damaged, or a name or a text in it is not UTF-8")
        return _empty(name)
    return RawTable(name, table, np.arange(1, rows + 1))


def _is_valid(table: Any) -> bool:
    """Whether names and texts of a ``pyarrow.Table`` are UTF-8, and lists lie within it."""
    import pyarrow as pa

    try:
        table.column_names  # noqa: B018 - they are decoded here
        table.validate(full=True)
    except (pa.ArrowException, UnicodeDecodeError):
        return False
    return True


def _empty(name: str) -> RawTable:
    import pyarrow as pa

    return RawTable(name, pa.table({}), np.zeros(0, dtype=np.int64))


def _too_large() -> str:
    return (
        f"more than {MAX_ROWS} rows, {MAX_COLUMNS} columns or {MAX_CELLS} cells; divide the "
        "campaign"
    )


def _parquet(name: str, content: bytes, problems: Problems) -> RawTable:
    try:
        table = read_parquet(content, Limits(MAX_BYTES, MAX_ROWS, MAX_COLUMNS))
    except UnreadableFile as error:
        problems.add(0, str(error))
        return _empty(name)
    return raw_table_of(table, name, problems)


def _text(name: str, content: bytes, known: Known, problems: Problems) -> RawTable:
    text, remarks = _decoded(content, problems)
    if text is None:
        return _empty(name)
    layout = _layout(text, known)
    if layout is None:
        problems.add(0, "the file is empty; its first line must be " + ",".join(STANDARD))
        return _empty(name)
    if len(layout.header) > MAX_COLUMNS:
        problems.add(layout.line, _too_large())
        return _empty(name)
    if layout.separator != ",":
        remarks.append(f"columns are separated by {SEPARATORS[layout.separator]}")
    if layout.skipped:
        remarks.append(f"{layout.skipped} lines above the header are skipped")
    table, lines = _rows(text, layout, problems)
    raw = _without_units_row(RawTable(name, table, lines))
    comma = (layout.separator != "," or '"' in text) and _has_decimal_commas(raw)
    if comma:
        remarks.append("numbers have a decimal comma")
    return replace(raw, decimal_comma=comma, remarks=tuple(remarks))


def _decoded(content: bytes, problems: Problems) -> tuple[str | None, list[str]]:
    """The text of a file: UTF-8, UTF-16 with a byte-order mark, else Windows-1252."""
    if content.startswith(b"PK\x03\x04"):
        problems.add(0, "it is a workbook or an archive, not text; save the sheet as CSV")
        return None, []
    remarks = []
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = content.decode("utf-16")
            remarks.append("the text is UTF-16")
        else:
            text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        remarks.append("the text is not UTF-8 and was read as Windows-1252")
    if "\0" in text:
        problems.add(text.count("\n", 0, text.index("\0")) + 1, "the file is not text")
        return None, []
    return text, remarks


@dataclass(frozen=True)
class _Layout:
    """Where the header of a text is, and what separates its columns.

    :param line: number of the header's line
    :param in_comment: the header is a comment line
    :param skipped: lines above it that are neither blank nor comments
    """

    separator: str
    header: list[str]
    line: int
    in_comment: bool
    skipped: int


def _layout(text: str, known: Known) -> _Layout | None:
    """The header: of the first lines the one with the most headings that are understood, else the
    first one; comment lines count only where they have two of them."""
    found: list[tuple[int, int, _Layout]] = []
    first, skipped = None, 0
    for number, line in _first_lines(text):
        comment = line.lstrip().startswith(_COMMENT_MARKS)
        bare = line.strip().lstrip("#%/ ") if comment else line.strip("\r\n")
        first = first or (None if comment else (number, line))
        marked = False
        for separator in SEPARATORS:
            if separator == " " and marked:
                continue  # spaces within headings
            cells = _cells(bare, separator)
            score = sum(known(cell) for cell in cells[: MAX_COLUMNS + 1])
            if separator == " ":
                # Headings of several words, with wider gaps between them.
                apart = re.split(r"\s{2,}|\t", bare.strip())
                of_words = sum(known(cell) for cell in apart[: MAX_COLUMNS + 1])
                score, cells = max((score, cells), (of_words, apart), key=lambda each: each[0])
            marked |= score >= 2
            if score >= (2 if comment else 1):
                layout = _Layout(separator, cells, number, comment, skipped)
                found.append((score, -len(cells) if separator == " " else 0, layout))
        skipped += not comment
    if found:
        return max(found, key=lambda each: each[:2])[2]  # of equals the first
    if first is None:
        return None
    separator = next((s for s in SEPARATORS if len(_cells(first[1], s)) > 1), ",")
    return _Layout(separator, _cells(first[1], separator), first[0], False, 0)


def _first_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and content of the first lines, and of the last comments above each."""
    comments: deque[tuple[int, str]] = deque(maxlen=_LINES_SEARCHED)
    count = 0
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if not line.strip():
            continue
        if line.lstrip().startswith(_COMMENT_MARKS):
            comments.append((number, line[: 2**18]))
            continue
        yield from comments
        comments.clear()
        yield number, line[: 2**18]
        count += 1
        if count >= _LINES_SEARCHED:
            return


def _cells(line: str, separator: str) -> list[str]:
    """The cells of one line; none of a line whose quotes do not match."""
    text = line.strip() if separator == " " else line.strip("\r\n")
    try:
        row = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in row]


class _Lines:
    """Lines of a text without comments; ``number`` is that of the last one handed out."""

    def __init__(self, text: str, layout: _Layout) -> None:
        self.number = 0
        self._lines = iter(io.StringIO(text, newline=""))
        self._strip = layout.separator == " "
        self._first = layout.line + 1

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            if self.number < self._first or line.lstrip().startswith(_COMMENT_MARKS):
                continue
            yield " ".join(line.split()) + "\n" if self._strip else line


def _rows(text: str, layout: _Layout, problems: Problems) -> tuple[Any, IntArray]:
    """Rows below the header as a table of text, and their line numbers."""
    import pyarrow as pa

    width = len(layout.header)
    schema = pa.schema([pa.field(name or "(no name)", pa.string()) for name in layout.header])
    lines = _Lines(text, layout)
    numbers: list[int] = []
    batches: list[Any] = []
    rows: list[list[str]] = []
    reader = csv.reader(lines, delimiter=layout.separator, skipinitialspace=True, strict=True)

    def flush() -> None:
        columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        batches.append(pa.record_batch(columns, schema=schema))
        rows.clear()

    try:
        for fields in reader:
            if not any(fields):
                continue
            if len(fields) > width and not any(cell.strip() for cell in fields[width:]):
                del fields[width:]
            if len(fields) != width:
                problems.add(lines.number, _wrong_count(len(fields), width, layout.separator))
            elif len(long := max(fields, key=len)) > MAX_CELL:
                problems.add(lines.number, f"has a cell of {len(long)} characters")
            else:
                rows.append(fields)
                numbers.append(lines.number)
            if len(numbers) > MAX_ROWS or len(numbers) * width > MAX_CELLS:
                problems.add(lines.number, _too_large())
                break
            if problems.full:
                break
            if len(rows) == _CHUNK:
                flush()
    except csv.Error as error:
        problems.add(lines.number, f"cannot be read as CSV ({error})")
    if rows:
        flush()
    return pa.Table.from_batches(batches, schema=schema), np.array(numbers, dtype=np.int64)


def _wrong_count(count: int, expected: int, separator: str) -> str:
    text = f"has {count} fields, the header {expected}"
    if count > expected and separator == ",":
        return text + "; if its numbers have a decimal comma, separate the columns by semicolons"
    return text


def _without_units_row(raw: RawTable) -> RawTable:
    """A table whose first row states the units of its columns, without that row."""
    if raw.table.num_rows == 0:
        return raw
    cells = [str(column[0].as_py()).strip("[]() ") for column in raw.table.columns]
    known = {unit for units in FACTORS.values() for unit in units}
    stated = [cell.casefold().replace("μ", "µ") for cell in cells if cell]
    if not stated or any(cell not in known for cell in stated):
        return raw
    return replace(raw, table=raw.table.slice(1), lines=raw.lines[1:], units=tuple(cells))


_DECIMAL_COMMA = re.compile(r"(?:[<>]=?|[≤≥])?\s*[+-]?\d{1,15},\d{1,15}([eE][+-]?\d{1,3})?")
_DECIMAL_POINT = re.compile(r"(?:[<>]=?|[≤≥])?\s*[+-]?\d{0,15}\.\d{1,15}([eE][+-]?\d{1,3})?")


def _has_decimal_commas(raw: RawTable) -> bool:
    """Whether numbers have decimal commas, and none a decimal point."""
    return _some_cell(raw, ",", _DECIMAL_COMMA) and not _some_cell(raw, ".", _DECIMAL_POINT)


def _some_cell(raw: RawTable, mark: str, pattern: re.Pattern[str]) -> bool:
    """Whether some cell with ``mark`` is of the pattern."""
    import pyarrow.compute as pc

    for column in raw.table.columns:
        for cell in column.filter(pc.match_substring(column, mark)):
            if pattern.fullmatch(cell.as_py().strip()):
                return True
    return False
