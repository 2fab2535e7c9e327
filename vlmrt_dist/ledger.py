"""Results as rows: a Parquet file a point, published whole or not at all.

Files are named by the content key of what they hold, so a study that is run again finds what it
has and computes what it lacks. Any reader opens the folder of a study as one data set.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vlmrt_dist.errors import StorageError
from vlmrt_dist.files import write_atomic
from vlmrt_dist.stopping import held_back

SCHEMA_VERSION = "3"

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Row:
    """The result of one estimation. Units stand in :data:`SCHEMA`.

    ``seconds_trace`` is the time of tracing the estimation's paths, which all seeds of a point
    share; ``seconds_fit`` is one seed's share of fitting. Lists have an entry for each object:
    ``std`` is the standard deviation of ln σ after the measurement, ``crb`` the smallest one that
    the links alone allow (the Cramér-Rao bound, at the truth, capped at 5), ``low`` and ``high``
    end the 95 % interval; ``coverage`` is the share of the free objects whose truth lies in theirs.
    The ``permittivity`` columns are empty where it was known.
    """

    study: str
    key: str
    label: str
    seed: int
    optimizer: str
    initial: str
    engine: str
    protocol: str
    combining: str
    max_depth: int
    samples_per_src: int
    complete: bool
    noise_db: float
    incomplete: float
    num_objects: int
    num_setups: int
    num_links: int
    num_paths: int
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
    hardware: str
    versions: str


_UNITS = {
    "initial_mre": "1",
    "mre": "1",
    "mre_history": "1",
    "loss_history": "1",
    "incomplete": "1",
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

SCHEMA = pa.schema(
    [
        pa.field(f.name, _TYPES[str(f.type)], metadata={"unit": _UNITS.get(f.name, "")})
        for f in fields(Row)
    ],
    metadata={"vlmrt_schema_version": SCHEMA_VERSION},
)
"""Arrow schema of a row, with each column's unit in its metadata."""


class Ledger:
    """Rows of studies under one folder.

    :param storage: folder; made when the first row is published
    """

    def __init__(self, storage: str | os.PathLike[str]) -> None:
        self.storage = Path(storage)

    def folder(self, study: str) -> Path:
        """Where a study's files are.

        :raises StorageError: if the name could leave the storage, or is empty
        """
        if not _STUDY.fullmatch(study):
            raise StorageError(
                f"{study!r} is no name for a study; use letters, digits, - and _, at most 64"
            )
        return self.storage / study

    def read(self, study: str, key: str) -> list[Row] | None:
        """The rows of one point, or None if they are absent or their file is damaged."""
        file = self.folder(study) / f"{key}.parquet"
        if not file.exists():
            return None
        try:
            table = pq.read_table(file, page_checksum_verification=True, partitioning=None)
            return [Row(**values) for values in table.to_pylist()]
        except (pa.ArrowException, OSError, TypeError):
            return None

    def publish(self, study: str, key: str, rows: list[Row]) -> Path:
        """Write the rows of one point; a reader sees all of them or none.

        :raises StorageError: if the folder cannot be written to
        """
        folder = self.folder(study)
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)
        content = io.BytesIO()
        pq.write_table(table, content, write_page_checksum=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error.strerror}") from error
        with held_back():
            return write_atomic(folder / f"{key}.parquet", content.getvalue())
