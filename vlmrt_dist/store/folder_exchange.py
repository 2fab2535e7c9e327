"""Exchange of two folders in one step, so that a reader finds the old files or the new ones."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from vlmrt_dist.errors import StorageError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextlib.contextmanager
def prepared_folder(path: Path) -> Iterator[Path]:
    """An empty folder at ``path`` for the block to fill; what lies there afterwards, and what a
    process that was killed has left there before, is removed.

    :raises StorageError: if it cannot be made
    """
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.mkdir(parents=True)
        yield path
    except OSError as error:
        raise StorageError(f"cannot write to {path}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(path, ignore_errors=True)


def exchange(folder: Path, new: Path, keep: Callable[[str], bool]) -> bool:
    """Exchange ``folder`` and ``new``, after the files of ``folder`` that are to stay have got a
    second name in ``new``.

    :param keep: whether a file of ``folder`` stays
    :return: False, and nothing is changed, where the system or the file system cannot do it
    """
    try:
        for entry in os.scandir(folder):
            if keep(entry.name) and entry.is_file(follow_symlinks=False):
                os.link(entry.path, new / entry.name)
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = os.fsencode(folder), os.fsencode(new)
    done: int = rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    return done == 0
