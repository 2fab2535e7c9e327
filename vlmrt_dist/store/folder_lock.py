"""Exclusive use of a folder by one process at a time, given back when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from vlmrt_dist.errors import StorageError

LONGEST_WAIT = 120.0
"""Seconds after which a lock that another process holds is an error."""


@contextlib.contextmanager
def folder_lock(path: Path, wait: float = LONGEST_WAIT) -> Iterator[bool]:
    """Hold the lock file ``path`` during a block; the operating system releases it when a process
    is killed.

    :param path: made if it is not there; never removed, as another process may wait for it
    :return: False where the file system knows no locks: the block runs all the same, and has to
        work beside others
    :raises StorageError: if the file cannot be made, or another process holds the lock for longer
        than ``wait`` seconds
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StorageError(f"cannot write to {path.parent}: {error.strerror}") from None
    try:
        yield _locked(descriptor, path, wait)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, path: Path, wait: float) -> bool:
    end, pause = time.monotonic() + wait, 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise StorageError(
                    f"another process has held {path} for {wait:g} s; if none is alive that "
                    "writes to this storage, its file server has kept the lock: remove the file"
                ) from None
            time.sleep(pause)
            pause = min(2.0 * pause, 0.1)
        except OSError:  # the file system has no locks
            return False
        else:
            return True
