"""Rows and timings of studies: their columns, units and Arrow schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vlmrt_dist.store.columns import Columns

SCHEMA_VERSION = "6"


@dataclass(frozen=True)
class Row:
    """The result of one estimation. Units stand in :data:`SCHEMA`.

    ``complete_to`` is the depth to which the path sets hold every path, -1 where the paths were
    sampled.
    ``seconds_trace`` is the time of tracing the estimation's paths, which all seeds of a point
    share; ``seconds_fit`` is one seed's share of fitting. Lists have an entry for each object:
    ``std`` is the standard deviation of ln σ after the measurement, ``crb`` the smallest one that
    the links alone allow (the Cramér-Rao bound, at the truth, capped at 5), ``low`` and ``high``
    end the 95 % interval; ``coverage`` is the share of the free objects whose truth lies in theirs.
    The ``permittivity`` columns are empty where it was known. ``scene`` is the content key of the
    scene; ``tx`` [M·3] and ``rx`` [M·N·3] are the positions that were planned, NaN where a setup
    has no receiver. ``key`` is the content hash of
    everything that determines this row, ``configuration`` the same without the seed and what is
    drawn with it. ``restarts`` counts how often its actor had to be started again for it.
    """

    study: str
    key: str
    configuration: str
    label: str
    seed: int
    optimizer: str
    initial: str
    engine: str
    protocol: str
    combining: str
    max_depth: int
    samples_per_src: int
    path_set: str
    noise_db: float
    complete_to: int
    num_objects: int
    num_setups: int
    num_links: int
    num_paths: int
    scene: str
    tx: list[float]
    rx: list[float]
    outcome: str
    iterations: int
    initial_mre: float
    mre: float
    held_out_db: float
    loss: float
    seconds_trace: float
    seconds_fit: float
    names: list[str]
    conductivity: list[float]
    std: list[float]
    crb: list[float]
    low: list[float]
    high: list[float]
    verdict: list[str]
    contradicts_prior: list[bool]
    coverage: float
    truth: list[float]
    mre_history: list[float]
    loss_history: list[float]
    permittivity: list[float]
    permittivity_std: list[float]
    permittivity_verdict: list[str]
    permittivity_truth: list[float]
    restarts: int
    hardware: str
    versions: str

    @classmethod
    def stored(cls, columns: Columns, index: int) -> Row:
        """Row ``index`` of stored columns, which are looked up when they are asked for: a million
        rows cost what is read of them."""
        row = object.__new__(cls)
        object.__setattr__(row, "_stored", (columns, index))
        return row

    if not TYPE_CHECKING:  # so that the type checker knows no other attributes than the columns

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            columns, index = self._stored
            return columns.value(name, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return Row, tuple(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True)
class Timing:
    """The time that one computation took; NaN or -1: not measured.

    ``key`` is the content hash of what was timed, so that a second run finds it;
    ``seconds_gradient`` is that of a value with its gradient.
    """

    study: str
    key: str
    label: str
    engine: str
    num_objects: int
    num_setups: int
    num_links: int
    num_paths: int
    max_depth: int
    samples_per_src: int
    seconds_scene: float
    seconds_trace: float
    seconds_value: float
    seconds_gradient: float
    seconds_jacobian: float
    seconds_fit: float
    iterations: int
    mre: float
    peak_bytes: int
    outcome: str
    hardware: str
    versions: str


_UNITS = {
    "initial_mre": "1",
    "mre": "1",
    "mre_history": "1",
    "loss_history": "1",
    "held_out_db": "dB",
    "noise_db": "dB",
    "coverage": "1",
    "std": "1",
    "crb": "1",
    "low": "S/m",
    "high": "S/m",
    "loss": "1",
    "seconds_trace": "s",
    "seconds_fit": "s",
    "seconds_scene": "s",
    "seconds_value": "s",
    "seconds_gradient": "s",
    "seconds_jacobian": "s",
    "peak_bytes": "B",
    "tx": "m",
    "rx": "m",
    "conductivity": "S/m",
    "truth": "S/m",
    "permittivity": "1",
    "permittivity_std": "1",
    "permittivity_truth": "1",
}

_TYPES: dict[str, pa.DataType] = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "list[str]": pa.list_(pa.string()),
    "list[float]": pa.list_(pa.float64()),
    "list[bool]": pa.list_(pa.bool_()),
}

HISTORIES = ("mre_history", "loss_history")
"""Columns that are kept in a table of their own: an entry for each iteration."""


def _schema(row_class: type, names: Iterable[str]) -> pa.Schema:
    types = {f.name: str(f.type) for f in fields(row_class)}
    return pa.schema(
        [
            pa.field(name, _TYPES[types[name]], metadata={"unit": _UNITS.get(name, "")})
            for name in names
        ],
        metadata={"vlmrt_schema_version": SCHEMA_VERSION},
    )


# The study is no column of the files: the folder's name gives it to readers.
SCHEMA = _schema(Row, [f.name for f in fields(Row) if f.name not in ("study", *HISTORIES)])
"""Arrow schema of a row, with each column's unit in its metadata."""

HISTORY_SCHEMA = _schema(Row, ["key", *HISTORIES])
"""Arrow schema of what is kept of a row's iterations."""

TIMING_SCHEMA = _schema(Timing, [f.name for f in fields(Timing) if f.name != "study"])
"""Arrow schema of a timing."""

SCHEMAS = {"rows": SCHEMA, "histories": HISTORY_SCHEMA, "timings": TIMING_SCHEMA}
"""Schema of each table of the ledger."""


def column(rows: Sequence[Row] | Sequence[Timing], name: str) -> list[Any]:
    """Values of one column in rows; for stored ones without making an attribute of each.

    :param name: a column other than ``study``
    """
    places = [vars(row).get("_stored", (None, 0)) for row in rows]
    columns = places[0][0] if places else None
    if columns is None or any(each is not columns for each, _ in places):
        return [getattr(row, name) for row in rows]
    values = columns.decoded(name)
    return [values[index] for _, index in places]


def table_of(name: str, rows: Sequence[Row] | Sequence[Timing]) -> pa.Table:
    """Rows as a table of the ledger.

    :param name: "rows", "histories" or "timings"
    """
    schema = SCHEMAS[name]
    columns = {column: [getattr(row, column) for row in rows] for column in schema.names}
    return pa.Table.from_pydict(columns, schema=schema)


def label_of(row: Row | Timing) -> dict[str, Any] | None:
    """The label of a row within its study as a mapping; None where the text is no JSON object."""
    try:
        label = json.loads(row.label)
    except (ValueError, RecursionError):
        return None
    return label if isinstance(label, dict) else None
