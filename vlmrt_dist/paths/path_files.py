"""Path tables as Arrow files: streamed setup by setup, read by memory map.

A file holds one record batch, a row a path and the rows of a setup together, so that every column
is one piece of memory: NumPy sees it where the operating system mapped it, and all processes of a
machine that read a file share its pages. Any reader of Arrow files (``pyarrow.ipc.open_file``,
``pandas.read_feather``, DuckDB and Polars by way of either) opens it; units are in the fields'
metadata. What has no row of its own stands in the schema's metadata as JSON, ``vlmrt_facts``, with
its SHA-256 and the content hash of each setup's rows: what was altered or cut off is refused.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import IntArray
from vlmrt_dist.errors import NumericalError, StorageError
from vlmrt_dist.paths.edge_rows import EDGE_COLUMNS
from vlmrt_dist.paths.path_table import (
    DIFFRACTION,
    PER_SETUP,
    ROWS,
    PathTable,
    concatenate_setups,
)
from vlmrt_dist.store import replacing

FORMAT = "vlmrt paths 2"
"""Format that a file states; raise the number when the same table would be written otherwise."""

_COUNTS = ("num_setups", "num_receivers", "num_objects")
_DTYPES = {"kind": np.uint8} | dict.fromkeys(("setup", "receiver", "object", "plane"), np.int32)
_KINDS = {"0": "none", "1": "reflection", "2": "transmission", "3": "diffraction"}
_UNITS = {"length": "m", "margin": "m", "rotation": "cos, sin"}

_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError,
    MemoryError, NumericalError,
)  # fmt: skip


def stream_paths(
    path: str | os.PathLike[str], tables: Iterable[PathTable], *, request: str = ""
) -> None:
    """Write the setups of ``tables``, in order, as one table, holding one of them at a time.

    A reader sees all of it or nothing: columns wait in unnamed files beside ``path`` until the
    last table has come; if one of them cannot be made, nothing is left.

    :param request: what the paths were traced from, for :func:`load_paths` to compare
    :raises StorageError: if the place cannot be written to
    :raises ValueError: if the tables belong to different scenes, or there are none
    """
    with contextlib.ExitStack() as stack:
        waiting: dict[str, IO[bytes]] = {}
        facts: dict[str, Any] = {"kind": _KINDS}
        sizes: list[IntArray] = []
        lists: dict[str, list[NDArray[Any]]] = {name: [] for name in PER_SETUP}
        keys: list[str] = []
        alike = None
        names: tuple[str, ...] = ROWS
        for table in tables:
            shape = (table.num_receivers, table.num_objects, table.max_depth)
            if alike is None:
                alike, names = shape, table.columns
                with _writing(path):
                    waiting = {n: stack.enter_context(_unnamed(path)) for n in names}
            if shape != alike or table.columns != names:
                raise ValueError("path tables of different scenes or depths cannot be joined")
            order = np.argsort(table.setup, kind="stable")
            with _writing(path):
                for name in names:
                    value = getattr(table, name)[order]
                    if name == "setup":
                        value += np.int32(len(keys))
                    waiting[name].write(memoryview(value.reshape(-1)))
            sizes.append(np.bincount(table.setup, minlength=table.num_setups))
            keys += table.setup_keys()
            for name in PER_SETUP:
                lists[name].append(getattr(table, name))
        if alike is None:
            raise ValueError("at least one path table is needed")
        facts |= dict(zip((*_COUNTS, "max_depth"), (len(keys), *alike), strict=True))
        facts["rows"] = [0, *np.cumsum(np.concatenate(sizes)).tolist()]
        facts["keys"] = keys
        facts["request"] = request
        for name in PER_SETUP:
            facts[name] = _packed(np.concatenate(lists[name]))
        with _writing(path):
            columns = {name: _mapped(file, _dtype(name)) for name, file in waiting.items()}
            _write(Path(path), columns, facts)


def load_paths(
    path: str | os.PathLike[str],
    setups: Sequence[int] | None = None,
    *,
    request: str | None = None,
) -> PathTable:
    """The table that :func:`stream_paths` wrote, by memory map.

    Its columns are the file's own bytes; only where several ``setups`` are picked are they copied.
    What is returned was compared with its content hash, which reads it once; the rows of other
    setups are not touched.

    :param setups: which of them, renumbered in the order given; default: all
    :param request: what they have to be traced from; None: anything
    :raises StorageError: if the file is absent, cut off or altered, or was traced from another
        request
    """
    import pyarrow as pa

    try:
        facts, columns = _opened(path)
        if request is not None and facts.get("request") != request:
            raise ValueError("it was traced from something else")
        if setups is None:
            table = _whole(facts, columns)
        else:
            parts = [_one(facts, columns, m) for m in setups]
            table = parts[0] if len(parts) == 1 else concatenate_setups(parts)
        _check_ranges(table)
        expected = facts["keys"] if setups is None else [facts["keys"][m] for m in setups]
        whole = table.setup_keys() == expected
    except FileNotFoundError:
        raise StorageError(f"there is no file {path}") from None
    except (pa.ArrowException, *_DAMAGED) as error:
        raise StorageError(f"{path} holds no path table: {error}; trace again") from error
    if not whole:
        raise StorageError(f"{path} is damaged: its paths are not those written; trace again")
    return table


def _opened(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The file's facts, checked, and its columns as they are mapped, unread."""
    import pyarrow as pa

    with pa.memory_map(os.fspath(path)) as source:
        file = pa.ipc.open_file(source)
        metadata = file.schema.metadata or {}
        text = metadata[b"vlmrt_facts"]
        if metadata[b"vlmrt_format"] != FORMAT.encode():
            raise ValueError(f"its format is not {FORMAT!r}")
        if metadata[b"vlmrt_sha256"] != hashlib.sha256(text).hexdigest().encode():
            raise ValueError("what it says of itself was altered")
        facts = json.loads(text)
        names = file.schema.names
        if file.num_record_batches != 1 or names not in (list(ROWS), [*ROWS, "edge"]):
            raise ValueError("its columns are others")
        batch = file.get_batch(0)
    batch.validate()
    columns = {}
    for name in names:
        array = batch.column(name)
        if pa.types.is_fixed_size_list(array.type):
            array = array.values
        if array.null_count or not array.type.equals(pa.from_numpy_dtype(_dtype(name))):
            raise ValueError(f"{name} has another type")
        # Not Arrow's to_numpy, which imports pandas: most of a second at the start of a command.
        value = np.frombuffer(array.buffers()[1], _dtype(name), len(array))
        columns[name] = value.reshape(facts["rows"][-1], *_tail(name, facts["max_depth"]))
    return facts, columns


def _check_ranges(table: PathTable) -> None:
    """:raises ValueError: if a path belongs to a link or an object that there is not"""
    bounds = {
        "setup": table.num_setups, "receiver": table.num_receivers,
        "object": table.num_objects, "kind": DIFFRACTION + (table.edge is not None), "plane": 2**31,
    }  # fmt: skip
    for name, end in bounds.items():
        column = getattr(table, name)
        if column.size and not (column.min() >= 0 and column.max() < end):
            raise ValueError(f"{name} is out of range")


def _whole(facts: dict[str, Any], columns: dict[str, NDArray[Any]]) -> PathTable:
    number = np.arange(facts["num_setups"], dtype=np.int32)
    if not np.array_equal(columns["setup"], np.repeat(number, np.diff(facts["rows"]))):
        raise ValueError("its paths are numbered otherwise")
    values: dict[str, Any] = {name: facts[name] for name in _COUNTS}
    values |= columns | {name: _unpacked(facts, name) for name in PER_SETUP}
    return PathTable(**values)


def _one(facts: dict[str, Any], columns: dict[str, NDArray[Any]], setup: int) -> PathTable:
    if not 0 <= setup < facts["num_setups"]:
        raise IndexError(f"it holds {facts['num_setups']} setups and none numbered {setup}")
    first, stop = facts["rows"][setup : setup + 2]
    values: dict[str, Any] = {name: facts[name] for name in _COUNTS}
    values |= {name: column[first:stop] for name, column in columns.items()}
    values |= {name: _unpacked(facts, name)[setup : setup + 1] for name in PER_SETUP}
    return PathTable(**values | {"num_setups": 1, "setup": np.zeros(stop - first, np.int32)})


def _write(target: Path, columns: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
    import pyarrow as pa

    fields, arrays = [], []
    for name in columns:
        array = pa.array(columns[name])
        tail = _tail(name, facts["max_depth"])
        if tail:
            kind = pa.list_(array.type, int(np.prod(tail)))
            array = pa.Array.from_buffers(kind, facts["rows"][-1], [None], children=[array])
        fields.append(pa.field(name, array.type, metadata={"unit": _UNITS.get(name, "")}))
        arrays.append(array)
    text = json.dumps(facts, allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    metadata = {"vlmrt_format": FORMAT, "vlmrt_facts": text, "vlmrt_sha256": digest}
    schema = pa.schema(fields, metadata=metadata)
    with (
        replacing(target) as waiting,
        pa.OSFile(str(waiting), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        writer.write_batch(pa.record_batch(arrays, schema=schema))


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(_DTYPES.get(name, np.float64))


def _tail(name: str, depth: int) -> tuple[int, ...]:
    """Shape of one path's entry in a column."""
    if name in ("kind", "object", "plane", "cosine"):
        return (depth,)
    if name == "rotation":
        return (depth + 1, 2)
    if name == "edge":
        return (EDGE_COLUMNS,)
    return (2,) if name in ("tx_field", "rx_field") else ()


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    """An array as JSON, NaN and last bits included."""
    content = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"dtype": values.dtype.str, "shape": list(values.shape), "base64": content}


def _unpacked(facts: dict[str, Any], name: str) -> NDArray[Any]:
    packed = facts[name]
    content = base64.b64decode(packed["base64"])
    return np.frombuffer(content, packed["dtype"]).reshape(packed["shape"])


def _unnamed(path: str | os.PathLike[str]) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=Path(path).parent)


def _mapped(file: IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The bytes written to ``file``, as the operating system maps them."""
    file.flush()
    if os.fstat(file.fileno()).st_size == 0:
        return np.zeros(0, dtype)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype)


@contextlib.contextmanager
def _writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """:raises StorageError: where the operating system refuses to write"""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
