"""Reading without leaving a trace: no row, no figure, no entry of a cache is written or moved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from vlmrt_dist.errors import StorageError

_active: ContextVar[bool] = ContextVar("read only", default=False)


@contextlib.contextmanager
def nothing_written() -> Iterator[None]:
    """Write nothing within the block, in this thread: caches are only read, damaged files stay
    where they are, and writing to a place is an error."""
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def is_read_only() -> bool:
    """Whether a block of :func:`nothing_written` is being run."""
    return _active.get()


def check_writable(place: object) -> None:
    """:raises StorageError: within a block of :func:`nothing_written`"""
    if is_read_only():
        raise StorageError(f"{place} is not written to in a dry run; leave --dry-run out")
