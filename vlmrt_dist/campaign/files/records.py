"""The lines of a measurement file, each on its own: read, and checked cell by cell.

What cannot be used is reported with its line and what to write instead; nothing is repaired.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from vlmrt_dist.campaign.files.columns import COLUMNS, REQUIRED, wrong_columns

Problem = tuple[int, str]
"""A line's number (0: the whole file) and what is wrong with it."""

MAX_BYTES = 256 * 2**20
"""Largest measurement file [bytes]; also what a Parquet file may unpack to."""

MAX_LINKS = 2_000_000

MAX_SHOWN = 40
"""So much of a cell [characters] is repeated in a message."""

SEPARATORS = {";": "semicolons", "\t": "tabs", " ": "spaces"}

LOWEST_CARRIER = 1e6
"""Frequencies [Hz] below this were meant in another unit: no material is tabulated there."""

NO_LEVEL = (
    "is no level; leave the line out, or write the lowest level that the receiver can tell with a "
    "< before it, as in <-95"
)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*[A-Za-zµμ°%/]+")
_NO_READING = ("-", "--", "na", "n/a", "none", "null")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


class Line(NamedTuple):
    """A line as it was read: its number, and text or plain values by column."""

    number: int
    values: dict[str, Any]


def _coordinate(value: Any) -> float:
    number = _parsed(value)
    if not math.isfinite(number):
        raise ValueError("must be a finite number of metres")
    return number


def _level(value: Any) -> float | None:
    if _is_blank(value):
        return None
    if isinstance(value, str) and value.strip().lower() in _NO_READING:
        raise ValueError(f"{_shown(value)} {NO_LEVEL}")
    number = _parsed(value)
    if not math.isfinite(number):
        raise ValueError(f"{_shown(value)} {NO_LEVEL} (zero watts have no level in dBm)")
    return number


def _noise(value: Any) -> float | None:
    if _is_blank(value):
        return None
    number = _parsed(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError("must be finite and not negative")
    return number


def _carrier(value: Any) -> float | None:
    if _is_blank(value):
        return None
    number = _parsed(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError("must be a positive, finite number of hertz")
    if number < LOWEST_CARRIER:
        unit, factor = ("GHz", 1e9) if number < 1000.0 else ("MHz", 1e6)
        raise ValueError(
            f"is {number:g} Hz, which is no carrier; {number:g} {unit} are {number * factor:g}"
        )
    return number


def _yes_or_no(value: Any) -> bool | None:
    if _is_blank(value):
        return None
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(f"{_shown(value)} is neither 1 (true) nor 0 (false)")
    return text in _TRUE


def _setup_name(value: Any) -> str:
    if value is None or isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
        raise ValueError("must be a name or a whole number")
    name = str(value).strip()
    if not name or len(name) > 200:
        raise ValueError("is empty" if not name else "is longer than 200 characters")
    return name


def _parsed(value: Any) -> float:
    """A number; Python's own notations such as 1_000 are not numbers in a measurement file."""
    if _is_blank(value):
        raise ValueError("is empty")
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("is not a number")
        return float(value)
    text = value.strip()
    if _NUMBER.fullmatch(text) or text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    hint = ""
    if _DECIMAL_COMMA.fullmatch(text):
        hint = f"; write a decimal point: {text.replace(',', '.')}"
    elif unit := _WITH_UNIT.fullmatch(text):
        hint = f"; write the number alone: {unit[1]}"
    elif _NUMBER.fullmatch(text.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-")):
        hint = "; write its minus sign as a hyphen, -"
    raise ValueError(f"{_shown(text)} is not a number{hint}")


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _shown(value: Any) -> str:
    text = str(value).strip()
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


_Coordinate = Annotated[float, BeforeValidator(_coordinate)]


class Link(BaseModel):
    """One measurement: a line that passed on its own.

    An optional cell that is empty, or whose column is absent, is None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: int
    setup: Annotated[str, BeforeValidator(_setup_name)]
    tx_x: _Coordinate
    tx_y: _Coordinate
    tx_z: _Coordinate
    rx_x: _Coordinate
    rx_y: _Coordinate
    rx_z: _Coordinate
    rss_dbm: Annotated[float | None, BeforeValidator(_level)] = None
    noise_db: Annotated[float | None, BeforeValidator(_noise)] = None
    censored: Annotated[bool | None, BeforeValidator(_yes_or_no)] = None
    frequency: Annotated[float | None, BeforeValidator(_carrier)] = None

    @property
    def tx(self) -> tuple[float, float, float]:
        """Position of the transmitter [m]."""
        return (self.tx_x, self.tx_y, self.tx_z)

    @property
    def rx(self) -> tuple[float, float, float]:
        """Position of the receiver [m]."""
        return (self.rx_x, self.rx_y, self.rx_z)


def read_links(content: bytes, suffix: str, problems: list[Problem]) -> list[Link]:
    """The lines of a ``.csv`` or ``.parquet`` file that can be used; the others go to ``problems``.

    Lines are numbered as an editor does, the header being line 1 (Parquet: rows from 1 on).
    """
    lines = (_csv_lines if suffix == ".csv" else _parquet_lines)(content, problems)
    return [link for link in (_checked(line, problems) for line in lines) if link is not None]


def _checked(line: Line, problems: list[Problem]) -> Link | None:
    values = dict(line.values)
    below = False
    level = values.get("rss_dbm")
    if isinstance(level, str) and level.strip().startswith("<"):
        below, values["rss_dbm"] = True, level.strip()[1:]
        if _is_blank(values["rss_dbm"]):
            problems.append((line.number, "rss_dbm is a < without the receiver's floor after it"))
            return None
    values.setdefault("censored", below)
    try:
        link = Link(line=line.number, **values)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            what = detail["msg"].removeprefix("Value error, ")
            problems.append((line.number, f"{detail['loc'][0]} {what}"))
        return None
    if below and link.censored is False:
        problems.append((line.number, "rss_dbm has a <, but censored says that it was heard"))
        return None
    return link.model_copy(update={"censored": True}) if below else link


def _csv_lines(content: bytes, problems: list[Problem]) -> Iterator[Line]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = content.count(b"\n", 0, error.start) + 1
        problems.append((bad, "the file is not UTF-8 text; save it as CSV UTF-8"))
        return
    if "\0" in text:
        problems.append((text.count("\n", 0, text.index("\0")) + 1, "the file is not text"))
        return
    separator = _separator(text)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    header: list[str] | None = None
    count = 0
    try:
        for fields in reader:
            if not fields:
                continue
            if header is None:
                header = [field.strip() for field in fields]
                if separator != ",":
                    problems.append(
                        (
                            reader.line_num,
                            f"columns are separated by {SEPARATORS[separator]}; separate them by "
                            "commas, and write numbers with a decimal point",
                        )
                    )
                wrong = wrong_columns(header)
                if wrong:
                    problems.extend((reader.line_num, text) for text in wrong)
                    return
                continue
            if len(fields) != len(header):
                problems.append((reader.line_num, _wrong_count(fields, len(header))))
                continue
            count += 1
            if count > MAX_LINKS:
                problems.append((reader.line_num, f"more than {MAX_LINKS} measurements"))
                return
            yield Line(reader.line_num, dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        problems.append((reader.line_num, f"cannot be read as CSV ({error})"))
    if header is None and not problems:
        problems.append((0, "the file is empty; its first line must be " + ",".join(COLUMNS)))


def _separator(text: str) -> str:
    """The separator of the columns; cells of a file with a wrong one are checked too."""
    first = next((line for line in text[: 2**16].splitlines() if line.strip()), "")
    for mark in SEPARATORS:
        # Decimal commas may stand beside semicolons; spaces often follow the right commas.
        alone = mark in first.strip() and "," not in first
        if alone or (mark != " " and first.count(mark) >= len(REQUIRED) - 1):
            return mark
    return ","


def _wrong_count(fields: list[str], expected: int) -> str:
    text = f"has {len(fields)} fields, the header {expected}"
    if len(fields) > expected and not any(field.strip() for field in fields[expected:]):
        return text + "; there are commas at its end"
    if len(fields) > expected:
        return text + "; numbers have a decimal point, 3.5 and not 3,5"
    return text


def _parquet_lines(content: bytes, problems: list[Problem]) -> Iterator[Line]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            pa.BufferReader(content),
            thrift_string_size_limit=16 * 2**20,
            thrift_container_size_limit=1_000_000,
            page_checksum_verification=True,
        )
        header = list(file.schema_arrow.names)
        wrong = wrong_columns(header)
        if wrong:
            problems.extend((0, text) for text in wrong)
            return
        meta = file.metadata
        groups = (meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
        if meta.num_rows > MAX_LINKS or sum(groups) > MAX_BYTES:
            problems.append((0, f"more than {MAX_LINKS} measurements, or {MAX_BYTES} bytes"))
            return
        number = 0
        for batch in file.iter_batches(batch_size=65536):
            for row in batch.to_pylist():
                number += 1
                yield Line(number, row)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError):
        # The library's own words may repeat bytes of the file.
        problems.append((0, "it is not a Parquet file that can be read, or it is damaged"))
