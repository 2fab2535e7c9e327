"""Results as rows in Parquet files, published by any number of writers, each row once.

Rows carry the content key of what they hold, so a study that is run again finds what it has and
computes what it lacks. Each file carries a SHA-256 of itself: what was altered or cut is named, set
aside under ``damaged/`` and computed again. Any reader opens a folder of them as one data set,
partitioned by study; :mod:`vlmrt_dist.store.blocks` says how files are written and merged::

    <storage>/rows/study=depth/000000001.parquet
    <storage>/histories/study=depth/000000001.parquet      error and loss along the iterations
    <storage>/timings/study=complexity/000000001.parquet
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Sequence, Set

import pyarrow as pa
import pyarrow.compute as pc

from vlmrt_dist.errors import StorageError
from vlmrt_dist.signals import STOP_SIGNAL
from vlmrt_dist.store.blocks import Blocks, Compaction
from vlmrt_dist.store.columns import Columns
from vlmrt_dist.store.places import LocalPlace, Place, place_of
from vlmrt_dist.store.rows import HISTORIES, SCHEMAS, Row, Timing, table_of

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Ledger:
    """Rows of studies in one place.

    :param storage: a folder, made when the first row is published, or the URL of object storage
        (:mod:`vlmrt_dist.store.places`)
    """

    def __init__(self, storage: str | os.PathLike[str] | Place) -> None:
        self.storage = place_of(storage)
        self._blocks: dict[tuple[str, str], Blocks] = {}

    def keys(self, study: str) -> Set[str]:
        """Keys of the rows that are there and whole.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        return self._table("rows", study).keys()

    def read(self, study: str, keys: Iterable[str]) -> dict[str, Row]:
        """Those of the rows that are there and whole, by key.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        asked = list(dict.fromkeys(keys))
        if not asked:
            return {}
        rows = self._rows(study, self._table("rows", study).read(asked))
        found = {row.key: row for row in rows}
        return {key: found[key] for key in asked if key in found}

    def rows(self, study: str) -> list[Row]:
        """All rows of a study, by configuration and seed.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        table = self._table("rows", study).read()
        by = [(name, "ascending") for name in ("configuration", "seed", "key")]
        rows = self._rows(study, table)
        return [rows[i] for i in pc.sort_indices(table, by).to_pylist()]

    def publish(self, study: str, rows: Sequence[Row]) -> None:
        """Write rows, all together; a reader sees the whole of one or nothing of it.

        A row that is there already, from another driver, stays as it is.

        :raises StorageError: if the place cannot be written to, or a name could leave it
        """
        if rows:
            with STOP_SIGNAL.held_back():
                # Histories first: a driver that is killed in between computes the rows again.
                for table in ("histories", "rows"):
                    self._table(table, study).append(table_of(table, rows))

    def timings(self, study: str) -> list[Timing]:
        """All timings of a study, by key.

        :raises StorageError: if the place cannot be read, or a name could leave it
        """
        found = self._table("timings", study).read().sort_by("key").to_pylist()
        return [Timing(study=study, **values) for values in found]

    def publish_timings(self, study: str, timings: Sequence[Timing]) -> None:
        """Write timings; one that is there already stays as it is.

        :raises StorageError: if the place cannot be written to, or a name could leave it
        """
        if timings:
            with STOP_SIGNAL.held_back():
                self._table("timings", study).append(table_of("timings", timings))

    def compact(self, study: str) -> dict[str, Compaction]:
        """Merge the files of a study into few large ones; by the name of the table.

        :raises StorageError: if the place cannot be read or written to
        """
        with STOP_SIGNAL.held_back():
            return {table: self._table(table, study).compact() for table in SCHEMAS}

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
        return self._table("rows", study).folder

    def _table(self, table: str, study: str) -> Blocks:
        if not _STUDY.fullmatch(study):
            raise StorageError(
                f"{study!r} is no name for a study; use letters, digits, - and _, at most 64"
            )
        if (table, study) not in self._blocks:
            scratch = None
            if isinstance(self.storage, LocalPlace):
                scratch = self.storage.path / ".ledger" / f"{table}.{study}"
            self._blocks[table, study] = Blocks(
                self.storage / table / f"study={study}",
                self.storage / "damaged" / table / f"study={study}",
                SCHEMAS[table], f"{table} of {study}", scratch,
            )  # fmt: skip
        return self._blocks[table, study]

    def _rows(self, study: str, table: pa.Table) -> list[Row]:
        def histories() -> pa.Table:
            keys = table["key"].to_pylist()
            found = self._table("histories", study).read(keys)
            if found.num_rows < len(keys):
                warnings.warn(
                    f"{len(keys) - found.num_rows} rows of {study} have lost their error and loss "
                    "along the iterations; the rows themselves are whole",
                    stacklevel=2,
                )
            return found

        columns = Columns(table, {"study": study}, histories, HISTORIES)
        return [Row.stored(columns, i) for i in range(table.num_rows)]
