"""Sizes of what the package keeps between runs, and their limit.

The cache folder holds path tables, kernels of the engine, compiled functions of the path search and
answers of models. The first three can be made again, so the oldest of them are removed when all
together pass the limit; answers cost money and stay until they are cleared. Only files with names
that the package gives are counted and removed. Several processes may do so at a time: a file that
another one has removed is no error, and who has opened it keeps it.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store.cache import cache_folder

LIMIT_VARIABLE = "VLMRT_CACHE_MAX_GB"
"""Environment variable with the limit [GB, 10⁹ bytes]; "inf": none."""

DEFAULT_GB = 20.0

LOWERED_TO = 0.9
"""Share of the limit that is left after a removal, so that not every new file causes one."""

LOOK_AFTER = 0.01
"""The size is looked at anew after so much of the limit was written."""

UNFINISHED = 86_400.0
"""A file under a temporary name that is older than this was left by a process that was killed [s].
"""

_DIGEST = r"[0-9a-f]{64}"
_TEMPORARY = re.compile(r"\..+\.tmp")


class CacheKind(NamedTuple):
    """One kind of what is kept.

    :param folder: in the cache folder
    :param pattern: names of its files
    :param text: what it is, for people
    :param made_again: whether it may be removed to keep the limit
    """

    folder: str
    pattern: str
    text: str
    made_again: bool = True


KINDS = {
    "paths": CacheKind("paths", rf"(campaign-)?{_DIGEST}\.arrow", "path tables"),
    "kernels": CacheKind("kernels", r"[0-9a-f]{32}\..+\.bin", "kernels of Dr.Jit"),
    "compiled": CacheKind("compiled", r".+\.nb[ci]", "compiled path search"),
    "answers": CacheKind("vlm", rf"{_DIGEST}\.json", "answers of models", made_again=False),
}


@dataclass(frozen=True)
class CacheFile:
    """A file of the cache.

    :param used: when it was written or last used, as far as that is known [s since 1970]
    """

    path: Path
    size: int
    used: float


def max_cache_bytes() -> float:
    """The limit of :data:`LIMIT_VARIABLE` [bytes].

    :raises ConfigurationError: if it is no number of GB
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        value = float(text) if text else DEFAULT_GB
    except ValueError:
        value = math.nan
    if not value >= 0.0:
        raise ConfigurationError(
            f"{LIMIT_VARIABLE}={text[:40]!r} is no limit of the cache; give gigabytes, such as 20, "
            "or inf for none"
        )
    return value * 1e9


def cache_files(kind: str) -> list[CacheFile]:
    """The files of one of :data:`KINDS`; none where its folder is a link, which may be shared."""
    top = cache_folder() / KINDS[kind].folder
    if top.is_symlink():
        return []
    pattern = re.compile(KINDS[kind].pattern)
    return [each for each in _files(top) if _is_ours(each, pattern)]


def _is_ours(file: CacheFile, pattern: re.Pattern[str]) -> bool:
    if _TEMPORARY.fullmatch(file.path.name):
        return time.time() - file.used > UNFINISHED
    return pattern.fullmatch(file.path.name) is not None


def _files(folder: Path) -> Iterator[CacheFile]:
    """Regular files below a folder; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        yield from _files(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        state = entry.stat(follow_symlinks=False)
                        yield CacheFile(Path(entry.path), state.st_size, state.st_mtime)
    except OSError:
        return  # no such folder, or another process has removed it


def trim_cache(most: float | None = None) -> int:
    """Remove the oldest files until the rest is within the limit.

    :param most: limit [bytes]; None: that of :data:`LIMIT_VARIABLE`
    :return: bytes removed
    :raises ConfigurationError: if the variable is no number of GB
    """
    limit = max_cache_bytes() if most is None else most
    files = [each for name in KINDS if KINDS[name].made_again for each in cache_files(name)]
    size = total = sum(each.size for each in files)
    if total <= limit:
        return 0
    for each in sorted(files, key=lambda file: (file.used, file.path)):
        if size <= LOWERED_TO * limit:
            break
        _remove(each)
        size -= each.size
    return total - size


def clear_cache(files: Iterable[CacheFile]) -> int:
    """Remove files of the cache.

    :return: how many were there
    """
    return sum(map(_remove, files))


def _remove(file: CacheFile) -> bool:
    """Whether the file was there; its folder goes with the last file of a compiled search."""
    try:
        file.path.unlink()
    except OSError:
        return False
    top = cache_folder()
    for folder in file.path.parents:
        if folder.parent == top or not folder.is_relative_to(top):
            break
        try:
            folder.rmdir()
        except OSError:
            break
    return True


def mark_used(path: Path) -> None:
    """Note that a file of the cache was used, so that others are older."""
    with contextlib.suppress(OSError):
        os.utime(path)


class _Written:
    """Bytes that this process has added since the size was looked at; None: not yet."""

    since: int | None = None


def count_written(path: Path) -> None:
    """Note that a file was added to the cache, and keep the limit: the size is looked at after the
    first one of a process and then now and again.

    :raises ConfigurationError: if the limit is no number of GB
    """
    limit = max_cache_bytes()
    if math.isinf(limit):
        return
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if _Written.since is not None and _Written.since + size < LOOK_AFTER * limit:
            _Written.since += size
            return
    _Written.since = 0
    trim_cache(limit)
