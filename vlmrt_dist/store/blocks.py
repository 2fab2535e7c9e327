"""A table of a study as numbered Parquet files, called blocks, in which each row stands once.

Rows are appended under a lock of the folder: those that are there already are left out, the others
go to the last block, which is replaced by a longer one until it is full. So any reader sees a row
once or not at all, at any moment, and a process that is killed leaves whole files. Where there are
no locks, in object storage, a block is never changed: the next number is created only if nobody
else has taken it, and who comes second looks at what was written before it tries the number after.

Compaction merges blocks into few large ones. In a folder the merged blocks take the place of the
old ones in one step, an exchange of two folders. Where that is not possible the merged block is
written first and its parts are removed then; in between a plain reader of the files sees rows
twice, :meth:`Blocks.read` does not.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.atomic_files import UnreadableFile
from vlmrt_dist.store.checksummed_parquet import Damaged, sealed, unsealed
from vlmrt_dist.store.folder_exchange import exchange, prepared_folder
from vlmrt_dist.store.folder_lock import folder_lock
from vlmrt_dist.store.foreign_parquet import Limits, read_within
from vlmrt_dist.store.places import LocalPlace, Place, Stamp, unique
from vlmrt_dist.store.read_only import is_read_only

BLOCK_ROWS, BLOCK_BYTES = 4096, 1 << 20
"""A block with so many rows or bytes is full."""

MERGED_ROWS, MERGED_BYTES = 200_000, 64 << 20
"""Compaction merges blocks up to so many rows or bytes."""

MANY = 64
"""From so many blocks on that could be merged, a driver compacts a study by itself."""

LIMITS = Limits(1 << 29, 10 * MERGED_ROWS, 1000)
"""Largest size that a file may unpack to."""

THREADS = 8
"""Files are read by so many threads."""

ATTEMPTS = 100
"""How often reading begins again because a compaction has removed files meanwhile, and how often a
number is tried that another writer may take."""

_BLOCK = re.compile(r"(?:\d{9}-)?(\d{9})\.parquet")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class _Gone(Exception):
    """A file that was listed is no longer there."""


@dataclass(frozen=True)
class Compaction:
    """Numbers of files before and after a compaction.

    :param before: files before it
    :param after: files after it
    """

    before: int
    after: int


@dataclass(frozen=True)
class _Block:
    """Keys of a file, as long as it is the same.

    :param stamp: of the file whose keys these are
    """

    stamp: Stamp
    keys: pa.Array


class Blocks:
    """The blocks of one table of a study.

    :param folder: where they are; made when the first is written
    :param damaged: where files go that are not what was written
    :param schema: columns of the rows; its metadata name the version
    :param name: the rows in messages, such as "rows of depth"
    :param scratch: beginning of the names of the lock file and of the folder in which merged blocks
        are prepared; None: in object storage
    """

    def __init__(
        self, folder: Place, damaged: Place, schema: pa.Schema, name: str, scratch: Path | None
    ) -> None:
        self.folder, self.damaged, self.schema, self.name = folder, damaged, schema, name
        self._scratch = scratch
        self._blocks: dict[str, _Block] = {}
        self._known: set[str] = set()

    def keys(self) -> Set[str]:
        """Keys of all rows.

        :raises StorageError: if the folder cannot be read
        """
        self._update()
        return self._known

    def read(self, keys: Iterable[str] | None = None) -> pa.Table:
        """All rows, or those with one of ``keys``, in no order.

        :raises StorageError: if the folder cannot be read
        """
        wanted = None if keys is None else set(keys)
        for _ in range(ATTEMPTS):
            try:
                return self._read_once(wanted)
            except _Gone:
                continue
        raise StorageError(f"cannot read {self.folder}: its files change all the time")

    def append(self, table: pa.Table) -> None:
        """Add those of the rows that are not there yet.

        :raises StorageError: if the folder cannot be written to, or a key is none
        """
        for key in table["key"].to_pylist():
            if not _KEY.fullmatch(key):
                raise StorageError(f"{key!r} is no key of a row; use letters, digits, - and _")
        with self._lock() as alone:
            add = self._extend if alone else self._create
            for begin in range(0, table.num_rows, BLOCK_ROWS):
                add(table.slice(begin, BLOCK_ROWS))
            if len(self._small()) > MANY:
                self._merge(alone)

    def compact(self) -> Compaction:
        """Merge small blocks into large ones.

        :raises StorageError: if the folder cannot be read or written to
        """
        with self._lock() as alone:
            self._update()
            before = len(self._blocks)
            self._merge(alone)
            self._update()
        return Compaction(before, len(self._blocks))

    @contextlib.contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether nobody else writes during the block."""
        if self._scratch is None:
            yield False
            return
        with folder_lock(self._scratch.with_name(f"{self._scratch.name}.lock")) as alone:
            yield alone

    def _update(self) -> None:
        """Look at the files that are new or have changed since the last time."""
        for _ in range(ATTEMPTS):
            stamps = self._stamps()
            kept = {n: b for n, b in self._blocks.items() if stamps.get(n) == b.stamp}
            try:
                tables = self._opened([n for n in stamps if n not in kept], columns=("key",))
            except _Gone:
                continue
            gone = self._blocks.keys() - kept.keys() - tables.keys()
            self._blocks = kept
            if gone:
                self._known = {key for block in kept.values() for key in block.keys.to_pylist()}
            for name, table in tables.items():
                self._remember(name, stamps[name], table)
            return
        raise StorageError(f"cannot read {self.folder}: its files change all the time")

    def _remember(self, name: str, stamp: Stamp, table: pa.Table) -> None:
        keys = table["key"].combine_chunks()
        self._blocks[name] = _Block(stamp, keys)
        self._known.update(keys.to_pylist())

    def _stamps(self) -> dict[str, Stamp]:
        found = self.folder.stamps()
        return {name: found[name] for name in sorted(found) if name.endswith(".parquet")}

    def _missing(self, table: pa.Table) -> pa.Table:
        """The rows whose key is in no block."""
        self._update()
        place: dict[str, int] = {}
        for i, key in enumerate(table["key"].to_pylist()):
            if key not in self._known:
                place.setdefault(key, i)
        return table.take(pa.array(place.values(), pa.int64())).combine_chunks()

    def _extend(self, table: pa.Table) -> None:
        """Add rows to the last block, or to a new one; nobody else writes meanwhile."""
        fresh = self._missing(table)
        if not fresh.num_rows:
            return
        number, last = self._last()
        if last is None:
            number += 1
        else:
            content = (self.folder / last).read()
            if content is not None:
                fresh = pa.concat_tables([unsealed(content).read(), fresh])
        self._write(f"{number:09d}.parquet", fresh)

    def _last(self) -> tuple[int, str | None]:
        """The highest number in use, also by files of another version, and the last block if rows
        may be added to it."""
        numbered = {int(m[1]): name for name in self._stamps() if (m := _BLOCK.fullmatch(name))}
        number = max(numbered, default=0)
        name = numbered.get(number)
        if name is None or "-" in name or name not in self._blocks:
            return number, None
        block = self._blocks[name]
        full = len(block.keys) >= BLOCK_ROWS or block.stamp.size >= BLOCK_BYTES
        return number, None if full else name

    def _create(self, table: pa.Table) -> None:
        """Add rows as a block of their own, beside others who do the same."""
        for _ in range(ATTEMPTS):
            fresh = self._missing(table)
            if not fresh.num_rows:
                return
            name = f"{self._last()[0] + 1:09d}.parquet"
            if (self.folder / name).create(sealed(fresh)):
                return
        raise StorageError(f"cannot write to {self.folder}: other writers are always faster")

    def _write(self, name: str, table: pa.Table) -> None:
        file = self.folder / name
        file.write(sealed(table))
        stamp = self.folder.stamps().get(name)
        if stamp is not None:
            self._remember(name, stamp, table)

    def _small(self) -> list[str]:
        """Blocks that are worth merging."""
        return [
            name for name, block in self._blocks.items()
            if len(block.keys) < MERGED_ROWS // 2 and block.stamp.size < MERGED_BYTES // 2
        ]  # fmt: skip

    def _groups(self) -> list[list[str]]:
        """Blocks that become one each, two or more of them."""
        groups: list[list[str]] = [[]]
        rows = size = 0
        for name in sorted(self._small()):
            block = self._blocks[name]
            rows, size = rows + len(block.keys), size + block.stamp.size
            if groups[-1] and (rows > MERGED_ROWS or size > MERGED_BYTES):
                groups.append([])
                rows, size = len(block.keys), block.stamp.size
            groups[-1].append(name)
        return [group for group in groups if len(group) > 1]

    def _merge(self, alone: bool) -> None:
        groups = self._groups()
        if not groups or (alone and self._merge_at_once(groups)):
            return
        for group in groups:
            name, merged = self._merged(group)
            (self.folder / name).create(sealed(merged))
            for part in group:
                (self.folder / part).remove()
        self._update()

    def _merged(self, group: Sequence[str]) -> tuple[str, pa.Table]:
        """Name and rows of the block that takes the place of a group."""
        tables = self._opened(group)
        numbers = [int(m[1]) for name in group if (m := _BLOCK.fullmatch(name))] or [0]
        name = f"{min(numbers):09d}-{max(numbers):09d}.parquet"
        return name, _once(pa.concat_tables(tables.values()))

    def _merge_at_once(self, groups: Sequence[Sequence[str]]) -> bool:
        """Prepare a folder with the merged blocks and the others, and exchange it for the present
        one; False where the file system cannot."""
        if self._scratch is None or not isinstance(self.folder, LocalPlace):
            return False
        merged = {part for group in groups for part in group}
        with prepared_folder(self._scratch.with_name(f"{self._scratch.name}.new")) as new:
            for group in groups:
                name, table = self._merged(group)
                (LocalPlace(new) / name).write(sealed(table))
            if not exchange(self.folder.path, new, keep=lambda name: name not in merged):
                return False
        self._update()
        return True

    def _read_once(self, wanted: set[str] | None) -> pa.Table:
        names = list(self._stamps())
        if wanted is not None:
            self._update()
            names = [n for n, b in self._blocks.items()
                     if not wanted.isdisjoint(b.keys.to_pylist())]  # fmt: skip
        tables = self._opened(names).values()
        together = pa.concat_tables(tables) if tables else self.schema.empty_table()
        if wanted is not None and not wanted.issuperset(together["key"].to_pylist()):
            asked = pa.array(wanted, pa.string())
            together = together.filter(pc.is_in(together["key"], asked))
        return _once(together)

    def _opened(
        self, names: Sequence[str], columns: Sequence[str] | None = None
    ) -> dict[str, pa.Table]:
        """Tables of the files that are whole and of this version; damaged ones are set aside.

        :param columns: those to read; None: all
        :raises _Gone: if a file is no longer there
        """
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda name: self._open(self.folder / name, columns), names))
        tables, other = {}, 0
        for name, one in zip(names, found, strict=True):
            if isinstance(one, Damaged):
                self._set_aside(name, str(one))
            elif one is None:
                other += 1
            else:
                tables[name] = one
        if other:
            warnings.warn(
                f"{other} files with {self.name} are of another version of this package and left "
                f"out: {self.folder}",
                stacklevel=2,
            )
        return tables

    def _open(self, file: Place, columns: Sequence[str] | None) -> pa.Table | Damaged | None:
        content = file.read()
        if content is None:
            raise _Gone
        try:
            return self._judged(content, columns)
        except Damaged as error:
            return error

    def _judged(self, content: bytes, columns: Sequence[str] | None = None) -> pa.Table | None:
        """The rows of a file; None if it is of another version.

        :raises Damaged: if it is not what was written
        """
        file = unsealed(content)
        version = b"vlmrt_schema_version"
        if (file.schema_arrow.metadata or {}).get(version) != self.schema.metadata[version]:
            return None
        if not file.schema_arrow.equals(self.schema):
            raise Damaged("its columns are not those of this table")
        try:
            table = read_within(content, file, LIMITS, columns)
            table.validate(full=True)
        except UnreadableFile as error:
            raise Damaged(str(error)) from None
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise Damaged(f"it cannot be read: {error}") from None
        if any(column.null_count for column in table.columns):
            raise Damaged("it lacks values")
        if not all(map(_KEY.fullmatch, table["key"].to_pylist())):
            raise Damaged("it holds a key that is none")
        return table

    def _set_aside(self, name: str, why: str) -> None:
        file, target = self.folder / name, self.damaged / unique(name)
        if is_read_only():
            warnings.warn(f"{file} is damaged ({why}); its rows are left out", stacklevel=2)
            return
        try:
            file.move_to(target)  # type: ignore[arg-type]
        except StorageError as error:
            raise StorageError(f"{file} is damaged ({why}) and stays in the way: {error}") from None
        content = target.read()
        with contextlib.suppress(Damaged):
            if content is not None:
                self._judged(content)
                file.create(content)  # another driver has replaced it in between
                return
        warnings.warn(
            f"{file} is damaged ({why}); it was moved to {target}, and the next run computes its "
            "rows again",
            stacklevel=2,
        )


def _once(table: pa.Table) -> pa.Table:
    """The rows with each key once: the first of them."""
    if pc.count_distinct(table["key"]).as_py() == table.num_rows:
        return table
    _, first = np.unique(table["key"].to_numpy(zero_copy_only=False), return_index=True)
    return table.take(pa.array(np.sort(first)))
