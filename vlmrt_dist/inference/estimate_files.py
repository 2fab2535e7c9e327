"""Result files read back: the numbers that :func:`~vlmrt_dist.inference.export.write_estimate`
wrote, as :class:`MaterialNumbers`."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vlmrt_dist.errors import StorageError
from vlmrt_dist.inference.export import SUFFIXES
from vlmrt_dist.inference.material_numbers import QUANTITIES, MaterialNumbers
from vlmrt_dist.store import UnreadableFile, read_limited

MAX_BYTES = 64 * 2**20
"""Largest result file [bytes]; also what a Parquet file may unpack to."""

MAX_OBJECTS = 1_000_000

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Permittivity = Annotated[float, Field(ge=1.0, allow_inf_nan=False)]


class _Row(BaseModel):
    """What is used of a row."""

    model_config = ConfigDict(extra="ignore")

    name: str
    frequency: _Positive
    conductivity: _NotNegative
    verdict: str
    relative_permittivity: _Permittivity | None = None
    relative_permittivity_verdict: str | None = None
    thickness: _Positive | None = None
    thickness_verdict: str | None = None


def read_estimate(path: str | os.PathLike[str]) -> MaterialNumbers:
    """The numbers of a result file (.parquet, .csv, .json), as ``vlmrt estimate --out`` writes it.

    :raises StorageError: if it cannot be read or is no such file
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise StorageError(f"cannot read {path}: its name must end in {' or '.join(SUFFIXES)}")
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        raise StorageError(f"cannot read {path}: {error}") from None
    try:
        found = {".csv": _from_csv, ".json": _from_json, ".parquet": _from_parquet}[suffix](content)
        rows = [_checked(row, number) for number, row in enumerate(found, start=1)]
        return _numbers(rows)
    except ValueError as error:
        raise StorageError(
            f"{path} is not an estimate as vlmrt estimate --out writes it: {error}"
        ) from None


def _numbers(rows: list[_Row]) -> MaterialNumbers:
    """:raises ValueError: if the rows do not belong together"""
    if not rows:
        raise ValueError("it has no row")
    names = tuple(row.name for row in rows)
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise ValueError(f"object {twice[:60]!r} has two rows")
    if len({row.frequency for row in rows}) > 1:
        raise ValueError("its rows have several frequencies")
    values, verdicts = {}, {}
    for quantity in QUANTITIES:
        column = [getattr(row, quantity) for row in rows]
        if all(value is None for value in column):
            continue
        if any(value is None for value in column):
            raise ValueError(f"{quantity} is missing in some rows")
        values[quantity] = np.array(column, np.float64)
        verdict = "verdict" if quantity == "conductivity" else f"{quantity}_verdict"
        verdicts[quantity] = tuple(getattr(row, verdict) or "" for row in rows)
    return MaterialNumbers(names, rows[0].frequency, values, verdicts)


def _checked(row: Any, number: int) -> _Row:
    """:raises ValueError: if a row lacks something or holds what cannot be"""
    if not isinstance(row, dict):
        raise ValueError(f"row {number} is no object")
    try:
        return _Row.model_validate({k: None if v == "" else v for k, v in row.items()})
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"row {number}: {detail['loc'][0]}: {detail['msg']}") from None


def _from_csv(content: bytes) -> list[Any]:
    try:
        text = content.decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"it cannot be read as CSV ({error})") from None


def _from_json(content: bytes) -> list[Any]:
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise ValueError("it cannot be read as JSON") from None
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it has no rows")
    return rows


def _from_parquet(content: bytes) -> list[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(
            pa.BufferReader(content),
            thrift_string_size_limit=16 * 2**20,
            thrift_container_size_limit=1_000_000,
            page_checksum_verification=True,
        )
        meta = file.metadata
        groups = (meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
        if meta.num_rows > MAX_OBJECTS or sum(groups) > MAX_BYTES:
            raise ValueError(f"more than {MAX_OBJECTS} objects, or {MAX_BYTES} bytes")
        columns = [name for name in _Row.model_fields if name in file.schema_arrow.names]
        return list(file.read(columns=columns).to_pylist())
    except (pa.ArrowException, OSError, NotImplementedError):
        raise ValueError("it cannot be read as Parquet, or is damaged") from None
