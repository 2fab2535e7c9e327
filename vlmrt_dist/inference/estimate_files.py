"""Result files read back: what :func:`~vlmrt_dist.inference.export.write_estimate` wrote, as a
:class:`Calibration`."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.export import RESULT_SUFFIXES
from vlmrt_dist.inference.parameters import KINDS
from vlmrt_dist.inference.posterior_document import read_document
from vlmrt_dist.inference.quantities import LayerEstimates, QuantityEstimate
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.verdicts import Part, Verdict
from vlmrt_dist.store import Limits, UnreadableFile, read_limited, read_parquet

MAX_BYTES = 64 * 2**20
"""Largest result file [bytes]; also what a Parquet file may unpack to."""

MAX_OBJECTS = 1_000_000

MAX_COLUMNS = 1000

MAX_CONTAINERS = 2_000_000
"""Most lists and objects of a JSON file; each takes some sixty bytes of memory."""

MAX_PARTS = 100
"""Most intervals of one object."""

LOWEST = {
    "conductivity": 0.0,
    "relative_permittivity": 1.0,
    "thickness": 0.0,
    "exponent": -math.inf,
    "penetration_loss": 0.0,
    "scattering_coefficient": 0.0,
    "xpd_coefficient": 0.0,
}
"""Smallest value of each quantity that a file may hold."""

_NUMBERS = ("std", "low", "high", "prior", "prior_low", "prior_high")

_Number = Annotated[
    float, BeforeValidator(lambda value: math.nan if value in (None, "") else value)
]
"""A number, NaN where the cell is empty."""


Checked = TypeVar("Checked", bound=BaseModel)


class _Part(BaseModel):
    """One of several intervals, or an open one; an open end is null."""

    model_config = ConfigDict(extra="ignore")

    low: Annotated[float | None, Field(allow_inf_nan=False)]
    high: Annotated[float | None, Field(allow_inf_nan=False)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    weight: Annotated[float, Field(ge=0.0, le=1.0)]


def _part_rows(text: Any) -> Any:
    """:raises ValueError: if the text is no JSON"""
    if text in (None, "", ()):
        return ()
    try:
        found = json.loads(text)
    except (TypeError, RecursionError, ValueError):
        raise ValueError("is no list of intervals as JSON") from None
    if not isinstance(found, list) or len(found) > MAX_PARTS:
        raise ValueError(f"is no list of at most {MAX_PARTS} intervals")
    return tuple(found)


class _Object(BaseModel):
    """Columns that describe the object of a row."""

    model_config = ConfigDict(extra="ignore")

    name: str
    material: str
    frequency: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    layer: Annotated[bool, BeforeValidator(lambda value: value or False)] = False


class _Value(BaseModel):
    """Columns of one quantity."""

    model_config = ConfigDict(extra="ignore")

    value: _Number
    std: _Number = math.nan
    low: _Number = math.nan
    high: _Number = math.nan
    prior: _Number = math.nan
    prior_low: _Number = math.nan
    prior_high: _Number = math.nan
    verdict: Verdict
    contradicts_prior: bool = False
    parts: Annotated[tuple[_Part, ...], BeforeValidator(_part_rows)] = ()


EstimateLike = Estimate | Calibration | str | os.PathLike[str]
"""An estimate, what was read of one, or the path of its file."""


def calibration_of(estimate: EstimateLike) -> Calibration:
    """The calibrated values in any of these.

    :raises StorageError: if a file cannot be read or is none of an estimate
    :raises ConfigurationError: if it is something else
    """
    if isinstance(estimate, Estimate):
        return estimate.calibration
    if isinstance(estimate, (str, os.PathLike)):
        return read_estimate(estimate)
    if not isinstance(estimate, Calibration):
        raise ConfigurationError(
            "an estimate is what vd.estimate returns, what vd.read_estimate read, or the path of a "
            f"result file, not {type(estimate).__name__}"
        )
    return estimate


def read_estimate(path: str | os.PathLike[str]) -> Calibration:
    """The estimate in a result file (.parquet, .csv, .json), as ``vlmrt estimate --out`` writes it.

    A .csv holds the values of the objects only, neither their covariances nor what they were
    estimated from, so that no levels can be predicted from it.

    :raises StorageError: if it cannot be read or is no such file
    """
    suffix = Path(path).suffix.lower()
    if suffix not in RESULT_SUFFIXES:
        raise StorageError(
            f"cannot read {path}: its name must end in {' or '.join(RESULT_SUFFIXES)}"
        )
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        raise StorageError(f"cannot read {path}: {error}") from None
    try:
        read = {".csv": _from_csv, ".json": _from_json, ".parquet": _from_parquet}[suffix]
        rows, document = read(content)
        found = _calibration(rows)
        if document is None:
            return found
        layers = 0 if found.layers is None else len(found.layers.names)
        told = read_document(document, len(found.names), layers)
        return replace(found, joint=told.joint, origin=told.origin)
    except ValueError as error:
        raise StorageError(
            f"{path} is not an estimate as vlmrt estimate --out writes it: {error}"
        ) from None


def _calibration(rows: list[Any]) -> Calibration:
    """:raises ValueError: if a row lacks something, or the rows do not belong together"""
    if not rows:
        raise ValueError("it has no row")
    objects = [_checked(_Object, row, number, "") for number, row in enumerate(rows, start=1)]
    names = tuple(each.name for each in objects)
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise ValueError(f"object {twice[:60]!r} has two rows")
    if len({each.frequency for each in objects}) > 1:
        raise ValueError("its rows have several frequencies")
    first = next((k for k, each in enumerate(objects) if each.layer), len(objects))
    if first == 0 or not all(each.layer for each in objects[first:]):
        raise ValueError("rows of layers do not stand behind those of objects")
    materials = tuple(each.material for each in objects)
    layers = None
    if first < len(objects):
        behind = _quantities(rows[first:], first, ())
        layers = LayerEstimates(names[first:], materials[first:], behind)
    quantities = _quantities(rows[:first], 0, ("conductivity",))
    frequency = objects[0].frequency
    return Calibration(names[:first], materials[:first], frequency, quantities, layers=layers)


def _quantities(
    rows: list[Any], before: int, always: tuple[str, ...]
) -> dict[str, QuantityEstimate]:
    """The quantities that rows speak of.

    :param before: rows before these in the file
    :param always: quantities that have to be there
    :raises ValueError: if a value is missing or impossible
    """
    return {
        name: _quantity(name, rows, before)
        for name in LOWEST
        if name in always or any(row.get(name) not in (None, "") for row in rows)
    }


def _quantity(name: str, rows: list[Any], before: int) -> QuantityEstimate:
    """:raises ValueError: if a value is missing or impossible"""
    prefix = "" if name == "conductivity" else f"{name}_"
    found = []
    for number, row in enumerate(rows, start=before + 1):
        words = (*_NUMBERS, "verdict", "contradicts_prior", "parts")
        cells = {word: row[prefix + word] for word in words if row.get(prefix + word) is not None}
        entry = _checked(_Value, {**cells, "value": row.get(name)}, number, prefix or f"{name} ")
        known = math.isfinite(entry.value) and entry.value >= LOWEST[name]
        # An exponent of an object that is fixed is not known.
        if not known and not (name == "exponent" and entry.verdict == "fixed"):
            raise ValueError(f"row {number}: {name} is missing or impossible")
        found.append(entry)

    def column(field: str) -> FloatArray:
        return np.array([getattr(entry, field) for entry in found])

    return QuantityEstimate(
        unit=KINDS[name].unit,
        value=column("value"),
        std=column("std"),
        low=column("low"),
        high=column("high"),
        prior=column("prior"),
        prior_low=column("prior_low"),
        prior_high=column("prior_high"),
        verdict=tuple(entry.verdict for entry in found),
        contradicts_prior=tuple(entry.contradicts_prior for entry in found),
        parts=tuple(tuple(_part(part, entry) for part in entry.parts) for entry in found),
    )


def _part(part: _Part, entry: _Value) -> Part:
    """An interval whose open ends are where the row's interval ends."""
    return Part(
        entry.low if part.low is None else part.low,
        entry.high if part.high is None else part.high,
        part.value, part.weight, part.low is None, part.high is None,
    )  # fmt: skip


def _checked(kind: type[Checked], row: Any, number: int, prefix: str) -> Checked:
    """:raises ValueError: if a row lacks something or holds what cannot be"""
    if not isinstance(row, dict):
        raise ValueError(f"row {number} is no object")
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        field = f"{prefix}{detail['loc'][0]}"
        if detail["type"] == "missing":
            raise ValueError(f"row {number} has no {field}") from None
        raise ValueError(f"row {number}: {field}: {detail['msg']}") from None


def _from_csv(content: bytes) -> tuple[list[Any], None]:
    try:
        text = content.decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True)), None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"it cannot be read as CSV ({error})") from None


def _from_json(content: bytes) -> tuple[list[Any], Any]:
    if content.count(b"[") + content.count(b"{") > MAX_CONTAINERS:
        raise ValueError(f"it has more than {MAX_CONTAINERS} lists and objects")
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise ValueError("it cannot be read as JSON") from None
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ValueError("it has no rows")
    about = document.get("provenance")
    return rows, about.get("posterior") if isinstance(about, dict) else None


def _from_parquet(content: bytes) -> tuple[list[Any], Any]:
    try:
        table = read_parquet(content, Limits(MAX_BYTES, MAX_OBJECTS, MAX_COLUMNS))
        table.validate(full=True)
        rows = list(table.to_pylist())
    except UnreadableFile as error:
        raise ValueError(str(error)) from None
    except (OverflowError, ArithmeticError, ValueError):  # Arrow's are ValueErrors
        raise ValueError("it holds a value that is none of an estimate's") from None
    posterior = (table.schema.metadata or {}).get(b"posterior")
    try:
        return rows, None if posterior is None else json.loads(posterior)
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise ValueError("its posterior cannot be read as JSON") from None
