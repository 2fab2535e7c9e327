"""Results as rows: a Parquet file a row, published whole or not at all, by any number of writers.

Files are named by the content key of what they hold, so a study that is run again finds what it
has and computes what it lacks. Each carries a SHA-256 of itself: what was altered or cut is named,
set aside under ``damaged/`` and computed again. Any reader opens a folder of them as one data set,
partitioned by study::

    <storage>/rows/study=depth/<key>.parquet
    <storage>/histories/study=depth/<key>.parquet      error and loss along the iterations
    <storage>/timings/study=complexity/<key>.parquet
"""

from __future__ import annotations

import itertools
import json
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from vlmrt_dist.errors import StorageError
from vlmrt_dist.signals import STOP_SIGNAL
from vlmrt_dist.store.checksummed_parquet import Damaged, sealed, unsealed
from vlmrt_dist.store.places import Place, place_of, unique

SCHEMA_VERSION = "6"

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_THREADS, _PART = 16, 32
"""Files are read by so many threads, so many at a time."""


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

_HISTORIES = ("mre_history", "loss_history")


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
SCHEMA = _schema(Row, [f.name for f in fields(Row) if f.name not in ("study", *_HISTORIES)])
"""Arrow schema of a row, with each column's unit in its metadata."""

HISTORY_SCHEMA = _schema(Row, ["key", *_HISTORIES])
"""Arrow schema of what is kept of a row's iterations."""

TIMING_SCHEMA = _schema(Timing, [f.name for f in fields(Timing) if f.name != "study"])
"""Arrow schema of a timing."""

_SCHEMAS = {"rows": SCHEMA, "histories": HISTORY_SCHEMA, "timings": TIMING_SCHEMA}


def label_of(row: Row | Timing) -> dict[str, Any] | None:
    """The label of a row within its study as a mapping; None where the text is no JSON object."""
    try:
        label = json.loads(row.label)
    except ValueError:
        return None
    return label if isinstance(label, dict) else None


class Ledger:
    """Rows of studies in one place.

    :param storage: a folder, made when the first row is published, or the URL of object storage
        (:mod:`vlmrt_dist.store.places`)
    """

    def __init__(self, storage: str | os.PathLike[str] | Place) -> None:
        self.storage = place_of(storage)

    def read(self, study: str, keys: Iterable[str]) -> dict[str, Row]:
        """Those of the rows that are there and whole.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        asked = list(dict.fromkeys(keys))
        here = set(self._keys("rows", study))
        return self._rows(study, [key for key in asked if key in here])

    def rows(self, study: str) -> list[Row]:
        """All rows of a study, by configuration and seed.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        found = self._rows(study, self._keys("rows", study)).values()
        return sorted(found, key=lambda row: (row.configuration, row.seed, row.key))

    def publish(self, study: str, rows: Sequence[Row]) -> None:
        """Write rows, one after another; a reader sees the whole of one or nothing of it.

        A row that is there already, from another driver, stays as it is.

        :raises StorageError: if the place cannot be written to, or a name could leave it
        """
        for row in rows:
            # A row without its history is none, so it comes last.
            with STOP_SIGNAL.held_back():
                self._create("histories", study, row)
                self._create("rows", study, row)

    def timings(self, study: str) -> list[Timing]:
        """All timings of a study, by key.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        found = self._read("timings", study, sorted(self._keys("timings", study)))
        return [Timing(study=study, **values) for values in found.values()]

    def publish_timings(self, study: str, timings: Sequence[Timing]) -> None:
        """Write timings; one that is there already stays as it is.

        :raises StorageError: if the place cannot be written to, or a name could leave it
        """
        for timing in timings:
            with STOP_SIGNAL.held_back():
                self._create("timings", study, timing)

    def studies(self) -> list[str]:
        """Names of the studies that have rows or timings."""
        return sorted(
            {
                name.removeprefix("study=")
                for table in ("rows", "timings")
                for name in (self.storage / table).names()
                if name.startswith("study=") and _STUDY.fullmatch(name.removeprefix("study="))
            }
        )

    def folder(self, study: str) -> Place:
        """Place of a study's rows.

        :raises StorageError: if the name could leave the storage, or is empty
        """
        return self._folder("rows", study)

    def _folder(self, table: str, study: str) -> Place:
        if not _STUDY.fullmatch(study):
            raise StorageError(
                f"{study!r} is no name for a study; use letters, digits, - and _, at most 64"
            )
        return self.storage / table / f"study={study}"

    def _file(self, table: str, study: str, key: str) -> Place:
        if not _KEY.fullmatch(key):
            raise StorageError(f"{key!r} is no key of a row; use letters, digits, - and _")
        return self._folder(table, study) / f"{key}.parquet"

    def _keys(self, table: str, study: str) -> list[str]:
        names = self._folder(table, study).names()
        keys = [name.removesuffix(".parquet") for name in names if name.endswith(".parquet")]
        return [key for key in keys if _KEY.fullmatch(key)]

    def _create(self, table: str, study: str, row: Row | Timing) -> None:
        schema = _SCHEMAS[table]
        columns = {name: [getattr(row, name)] for name in schema.names}
        content = sealed(pa.Table.from_pydict(columns, schema=schema))
        file = self._file(table, study, row.key)
        if file.create(content) or self._read(table, study, [row.key]):
            return
        file.create(content)  # what was there was damaged, and is set aside now

    def _rows(self, study: str, keys: Sequence[str]) -> dict[str, Row]:
        found = self._read("rows", study, keys)
        histories = self._read("histories", study, list(found))
        return {
            key: Row(study=study, **values, **{n: histories[key][n] for n in _HISTORIES})
            for key, values in found.items()
            if key in histories
        }

    def _read(self, table: str, study: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Values of the files that are there and whole, by key; the others are set aside."""
        files = [self._file(table, study, key) for key in keys]
        whole: list[pa.Table] = []
        other = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            parts = [
                zip(files[i : i + _PART], keys[i : i + _PART], strict=True)
                for i in range(0, len(keys), _PART)
            ]
            found = itertools.chain.from_iterable(pool.map(_opened, parts))
            for file, one in zip(files, found, strict=True):
                if isinstance(one, Damaged):
                    self._set_aside(file, table, study, str(one))
                elif one is None:
                    continue
                elif one.schema.metadata[b"vlmrt_schema_version"] == SCHEMA_VERSION.encode():
                    whole.append(one)
                else:
                    other += 1
        if other:
            warnings.warn(
                f"{other} {table} of {study} are of another version of this package and left out",
                stacklevel=2,
            )
        if not whole:
            return {}
        together = pa.concat_tables(whole).combine_chunks()
        columns = [column.to_pylist() for column in together.columns]
        names = _SCHEMAS[table].names
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        return {row["key"]: row for row in rows}

    def _set_aside(self, file: Place, table: str, study: str, why: str) -> None:
        name = str(file).rpartition("/")[2]
        target: Any = self.storage / "damaged" / table / f"study={study}" / unique(name)
        try:
            file.move_to(target)
        except StorageError as error:
            raise StorageError(f"{file} is damaged ({why}) and stays in the way: {error}") from None
        content = target.read()
        if content is not None and not isinstance(_judged(content, name), Damaged):
            file.create(content)  # another driver has mended it in between
            return
        warnings.warn(
            f"{file} is damaged ({why}); it was moved to {target} and is computed again by the "
            "next run",
            stacklevel=2,
        )


def _opened(files: Iterable[tuple[Place, str]]) -> list[pa.Table | Damaged | None]:
    """The table of each file, the reason why it is damaged, or None if there is no file."""
    return [_open(file, key) for file, key in files]


def _open(file: Place, key: str) -> pa.Table | Damaged | None:
    content = file.read()
    if content is None:
        return None
    return _judged(content, f"{key}.parquet")


def _judged(content: bytes, name: str) -> pa.Table | Damaged:
    try:
        table = unsealed(content)
    except Damaged as error:
        return error
    if [f"{key}.parquet" for key in table["key"].to_pylist()] != [name]:
        return Damaged("it holds another row than its name says")
    return table
