"""Measurement files: campaigns as CSV or Parquet, one line a link.

The columns are ``setup, tx_x, tx_y, tx_z, rx_x, rx_y, rx_z`` [m], ``rss_dbm`` [dBm] (absent in a
planned campaign) and optionally ``noise_db`` [dB]. Nothing is dropped or repaired: every line that
cannot be used is reported with its number.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from vlmrt_dist.errors import CampaignError, MeasurementFileError
from vlmrt_dist.files import UnreadableFile, read_limited, write_atomic
from vlmrt_dist.setups import Campaign

MAX_BYTES = 256 * 2**20
"""Largest measurement file [bytes]; also what a Parquet file may unpack to."""

MAX_LINKS = 2_000_000
MAX_PADDED_LINKS = 20_000_000
"""Most entries of the padded [M,N] arrays; one setup of very many receivers beside many small ones
would otherwise cost far more memory than its file."""

POSITIONS = ("tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z")
REQUIRED = ("setup", *POSITIONS)
OPTIONAL = ("rss_dbm", "noise_db")
COLUMNS = REQUIRED + OPTIONAL

PLACEHOLDER_GAP_DB = 20.0
"""A reading of exactly 0 dBm this far above all others stands for a missing one."""

WATTS_LIKE = 1e-2
"""Levels [dBm] that all lie this near to zero are watts, or zeros."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_campaign(path: str | os.PathLike[str]) -> Campaign:
    """The campaign in a measurement file, ``.csv`` or ``.parquet``.

    Setups are numbered in the order in which they first appear; their lines need not be together.
    Without a column ``rss_dbm`` the campaign is a planned one. In a CSV file blank lines are
    allowed and a byte-order mark and either line ending are understood; numbers have a decimal
    point, columns are separated by commas.

    :raises MeasurementFileError: with every problem and its line number (CSV: of the file, the
        header being line 1; Parquet: the row, counted from 1)
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise MeasurementFileError(path, [(0, "its name must end in .csv or .parquet")])
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None
    problems: list[tuple[int, str]] = []
    lines = (_csv_lines if suffix == ".csv" else _parquet_lines)(content, problems)
    links = [link for link in (_checked(line, problems) for line in lines) if link is not None]
    if problems:
        raise MeasurementFileError(path, sorted(problems))
    if not links:
        raise MeasurementFileError(path, [(0, "the campaign is empty: there is no measurement")])
    problems = [*_inconsistent_setups(links), *_inconsistent_columns(links)]
    if problems:
        raise MeasurementFileError(path, sorted(problems))
    try:
        return _campaign(links)
    except CampaignError as error:
        raise MeasurementFileError(path, [(0, str(error))]) from None


def write_campaign(campaign: Campaign, path: str | os.PathLike[str]) -> Path:
    """Write a campaign as ``.csv`` or ``.parquet``; all digits are kept.

    Setups are named 1 to M. ``rss_dbm`` is left out of a planned campaign, ``noise_db`` where it
    is zero everywhere. The file appears whole or not at all.

    :return: the path written
    :raises CampaignError: if the name ends in neither
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise CampaignError(f"cannot write {target}: its name must end in .csv or .parquet")
    setup, receiver = np.nonzero(campaign.present)
    values = np.concatenate([campaign.tx[setup], campaign.rx[setup, receiver]], axis=1)
    columns: dict[str, list[Any]] = {"setup": (setup + 1).tolist()}
    columns.update(zip(POSITIONS, values.T.tolist(), strict=True))
    if campaign.rss_dbm is not None:
        columns["rss_dbm"] = campaign.rss_dbm[setup, receiver].tolist()
    noise = np.broadcast_to(campaign.noise_db, campaign.present.shape)[setup, receiver]
    if noise.any():
        columns["noise_db"] = noise.tolist()
    return write_atomic(target, (_to_csv if suffix == ".csv" else _to_parquet)(columns))


def _to_csv(columns: dict[str, list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _to_parquet(columns: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, write_page_checksum=True)
    return buffer.getvalue()


class _Line(NamedTuple):
    """A line as it was read: its number, and text or plain values by column."""

    number: int
    values: dict[str, Any]


def _coordinate(value: Any) -> float:
    number = _parsed(value)
    if not math.isfinite(number):
        raise ValueError("must be a finite number of metres")
    return number


def _level(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _parsed(value)
    if not math.isfinite(number):
        raise ValueError("must be finite; RSS of zero watts has no dBm value, leave the line out")
    return number


def _noise(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = _parsed(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError("must be finite and not negative")
    return number


def _parsed(value: Any) -> float:
    """A number; Python's own notations such as 1_000 are not numbers in a measurement file."""
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text) or text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            return float(text)
        raise ValueError("is empty" if not text else "is not a number")
    if value is None:
        raise ValueError("is empty")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("is not a number")
    return float(value)


def _setup_name(value: Any) -> str:
    if value is None or isinstance(value, (bool, float)) or not isinstance(value, (str, int)):
        raise ValueError("must be a name or a whole number")
    name = str(value).strip()
    if not name or len(name) > 200:
        raise ValueError("is empty" if not name else "is longer than 200 characters")
    return name


_Coordinate = Annotated[float, BeforeValidator(_coordinate)]


class _Link(BaseModel):
    """One measurement: a line that passed on its own."""

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
    has_rss: bool
    has_noise: bool

    @property
    def tx(self) -> tuple[float, float, float]:
        return (self.tx_x, self.tx_y, self.tx_z)

    @property
    def rx(self) -> tuple[float, float, float]:
        return (self.rx_x, self.rx_y, self.rx_z)


def _checked(line: _Line, problems: list[tuple[int, str]]) -> _Link | None:
    has = {"has_rss": "rss_dbm" in line.values, "has_noise": "noise_db" in line.values}
    try:
        return _Link(line=line.number, **line.values, **has)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            what = detail["msg"].removeprefix("Value error, ")
            problems.append((line.number, f"{detail['loc'][0]} {what}"))
        return None


def _csv_lines(content: bytes, problems: list[tuple[int, str]]) -> Iterator[_Line]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = content.count(b"\n", 0, error.start) + 1
        problems.append((bad, "the file is not UTF-8 text"))
        return
    if "\0" in text:
        problems.append((text.count("\n", 0, text.index("\0")) + 1, "the file is not text"))
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    count = 0
    try:
        for fields in reader:
            if not fields:
                continue
            if header is None:
                header = [field.strip() for field in fields]
                wrong = _wrong_columns(header)
                if wrong:
                    problems.extend((reader.line_num, text) for text in wrong)
                    return
                continue
            if len(fields) != len(header):
                problems.append(
                    (reader.line_num, f"has {len(fields)} fields, the header {len(header)}")
                )
                continue
            count += 1
            if count > MAX_LINKS:
                problems.append((reader.line_num, f"more than {MAX_LINKS} measurements"))
                return
            yield _Line(reader.line_num, dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        problems.append((reader.line_num, f"cannot be read as CSV ({error})"))
    if header is None and not problems:
        problems.append((0, "the file is empty; its first line must be " + ",".join(COLUMNS)))


def _parquet_lines(content: bytes, problems: list[tuple[int, str]]) -> Iterator[_Line]:
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
        wrong = _wrong_columns(header)
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
                yield _Line(number, row)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError):
        # The library's own words may repeat bytes of the file.
        problems.append((0, "it is not a Parquet file that can be read, or it is damaged"))


def _wrong_columns(header: list[str]) -> list[str]:
    problems = []
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in dict.fromkeys(header) if name not in COLUMNS]
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if missing:
        separator = any(mark in name for mark in ";\t" for name in header)
        hint = " (columns are separated by commas)" if separator else ""
        problems.append(f"missing columns: {', '.join(missing)}{hint}")
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in unknown[:10])
        problems.append(f"unknown columns: {shown}; known are {', '.join(COLUMNS)}")
    if twice:
        shown = ", ".join(repr(name[:40]) for name in twice[:10])
        problems.append(f"columns that appear more than once: {shown}")
    return problems


def _inconsistent_setups(links: list[_Link]) -> Iterator[tuple[int, str]]:
    first: dict[str, _Link] = {}
    for link in links:
        known = first.setdefault(link.setup, link)
        if known.tx != link.tx:
            yield (
                link.line,
                f"the transmitter of setup {link.setup!r} is elsewhere than in line {known.line}; "
                "a setup has one transmitter",
            )


def _inconsistent_columns(links: list[_Link]) -> Iterator[tuple[int, str]]:
    for name, given in (("rss_dbm", links[0].has_rss), ("noise_db", links[0].has_noise)):
        empty = [link for link in links if getattr(link, name) is None]
        if given and 0 < len(empty) < len(links):
            for link in empty:
                yield link.line, f"{name} is empty, but other lines have one"
    levels = [(link.line, link.rss_dbm) for link in links if link.rss_dbm is not None]
    if levels and all(abs(level) < WATTS_LIKE for _, level in levels):
        yield (
            levels[0][0],
            "every rss_dbm is almost zero: these are watts or missing values; convert them to dBm "
            "(10 log10(P / 1 mW)) or leave the lines out",
        )
        return
    others = max((level for _, level in levels if level != 0.0), default=math.inf)
    if others < -PLACEHOLDER_GAP_DB:
        for line, level in levels:
            if level == 0.0:
                yield (
                    line,
                    "rss_dbm is exactly 0 dBm, far above every other reading: it stands for a "
                    "missing one; leave the line out",
                )


def _campaign(links: list[_Link]) -> Campaign:
    by_setup: dict[str, list[_Link]] = {}
    for link in links:
        by_setup.setdefault(link.setup, []).append(link)
    shape = (len(by_setup), max(len(group) for group in by_setup.values()))
    if shape[0] * shape[1] > MAX_PADDED_LINKS:
        raise CampaignError(
            f"{shape[0]} setups padded to {shape[1]} receivers are too many; split the campaign"
        )
    tx = np.empty((shape[0], 3))
    rx = np.full((*shape, 3), np.nan)
    rss, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    present = np.zeros(shape, dtype=bool)
    for m, group in enumerate(by_setup.values()):
        n = len(group)
        tx[m] = group[0].tx
        rx[m, :n] = [link.rx for link in group]
        rss[m, :n] = [math.nan if link.rss_dbm is None else link.rss_dbm for link in group]
        noise[m, :n] = [link.noise_db or 0.0 for link in group]
        present[m, :n] = True
    level = noise[present]
    return Campaign(
        tx,
        rx,
        rss_dbm=None if links[0].rss_dbm is None else rss,
        noise_db=float(level[0]) if (level == level[0]).all() else noise,
        present=present,
    )
