"""The folder in which path tables and answers of models are kept between runs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

VARIABLE = "VLMRT_CACHE_DIR"
"""Environment variable that names the folder; default: ``~/.cache/vlmrt_dist``."""

_temporary: ContextVar[Path | None] = ContextVar("temporary cache folder", default=None)


def cache_folder() -> Path:
    """The folder: that of :func:`empty_cache` within its block, else the one that
    :data:`VARIABLE` names, which is read at every call."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else Path.home() / ".cache" / "vlmrt_dist"
    return _temporary.get() or folder


@contextlib.contextmanager
def empty_cache() -> Iterator[Path]:
    """Use an empty folder within the block, in this thread, so that nothing is found in it; it is
    removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        token = _temporary.set(Path(folder))
        try:
            yield Path(folder)
        finally:
            _temporary.reset(token)
