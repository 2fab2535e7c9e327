"""The folder in which path tables and answers of models are kept between runs."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

VARIABLE = "VLMRT_CACHE_DIR"
"""Environment variable that names the folder; default: ``~/.cache/vlmrt_dist``."""

_temporary: ContextVar[Path | None] = ContextVar("temporary cache folder", default=None)


def cache_folder() -> Path:
    """The folder: that of :func:`empty_cache` within its block, else the one that
    :data:`VARIABLE` names, which is read at every call; for a user without a home a folder that is
    removed when the process ends."""
    temporary = _temporary.get()
    if temporary is not None:
        return temporary
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    try:
        return Path.home() / ".cache" / "vlmrt_dist"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return _folder_of_this_process(os.getpid())


@functools.cache
def _folder_of_this_process(process: int) -> Path:
    """A new folder; one that cannot be written to where there is no room for it."""
    try:
        folder = tempfile.mkdtemp(prefix="vlmrt_dist-")
    except OSError:
        return Path(os.devnull, "vlmrt_dist")
    atexit.register(_remove, folder, process)
    return Path(folder)


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # not in a child that was forked
        shutil.rmtree(folder, ignore_errors=True)


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
