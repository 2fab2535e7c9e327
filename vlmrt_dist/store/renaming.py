"""Renaming in one step, with the conditions that Linux offers beside those of ``os.rename``."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

EXCHANGE = 2
"""Each of the two takes the other's name."""

NO_REPLACE = 1
"""Fail if the new name is taken."""

_AT_FDCWD = -100


def rename(source: Path, target: Path, condition: int) -> None:
    """Rename ``source`` to ``target`` in one step.

    :param condition: :data:`EXCHANGE` or :data:`NO_REPLACE`
    :raises FileExistsError: if ``target`` is there and must not be
    :raises OSError: if the system or the file system cannot do it
    """
    names = os.fsencode(source), os.fsencode(target)
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError as error:
        raise OSError(0, "the system knows no conditional renaming") from error
    if call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], condition) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(source), None, os.fspath(target))
