"""Exchange of two folders in one step, so that a reader finds the old files or the new ones."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.renaming import EXCHANGE, rename


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

    :param keep: whether an entry of ``folder`` stays
    :return: False, and nothing is changed, where the system or the file system cannot do it, or the
        folder holds something else than files
    """
    try:
        staying = [entry for entry in list(os.scandir(folder)) if keep(entry.name)]
        if not all(entry.is_file(follow_symlinks=False) for entry in staying):
            return False
        for entry in staying:
            os.link(entry.path, new / entry.name)
        rename(folder, new, EXCHANGE)
    except OSError:
        return False
    for entry in list(os.scandir(new)):  # what somebody has put there meanwhile
        if keep(entry.name) and not os.path.lexists(folder / entry.name):
            os.rename(entry.path, folder / entry.name)
    return True
