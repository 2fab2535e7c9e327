"""How the functions of the path search are compiled: by Numba, once, kept on disk.

Importing this module imports Numba (about a second); modules that hold compiled functions are
therefore imported where paths are searched, never by ``import vlmrt_dist``.

Numba keeps compiled functions beside their source and looks at that one file to see whether they
are stale, though other modules are compiled into them, too. Here they are kept in the cache folder
under a digest of all sources, which is right after every change, needs no writable installation,
and serves every copy of the package: a clone, or what Ray unpacks for a job on each node.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from vlmrt_dist.console import say
from vlmrt_dist.engine import check_address_space
from vlmrt_dist.store import cache_folder, is_read_only

check_address_space()
import numba  # noqa: E402
from numba.core.caching import UserProvidedCacheLocator  # noqa: E402

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Decorator of compiled functions that make no arrays.

    Compiled functions release the GIL, so that threads run side by side, and keep IEEE arithmetic
    in the order written, so that results have the same bits everywhere. Without arrays of their
    own they count no references, which halves the time of a search.
    """
    return _compiled(function, _nrt=False)


def allocating(function: Function) -> Function:
    """Decorator of compiled functions that make arrays."""
    return _compiled(function)


def inlined(function: Function) -> Function:
    """Decorator of compiled functions that are made part of those that call them.

    A call passes every array of its arguments by value, which takes longer than most nodes of a
    search; so functions that are called for each node from one or two places are not called.
    """
    return _compiled(function, _nrt=False, forceinline=True)


class DigestFolder(UserProvidedCacheLocator):
    """Where Numba keeps a compiled function: in the folder of the digest, whatever the place of its
    source."""

    def get_cache_path(self) -> str:
        """The folder."""
        return _folder()


def _compiled(function: Function, **options: bool) -> Function:
    folder = _folder()
    config = numba.config
    before = config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES
    config.CACHE_DIR = folder
    config.CACHE_LOCATOR_CLASSES = f"{__name__}.{DigestFolder.__name__}"
    try:
        make = numba.njit(cache=bool(folder), nogil=True, error_model="numpy", **options)
        made: Function = make(function)
    finally:
        config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
    return made


@functools.cache
def announce_compilation() -> None:
    """Say on standard error, once in a process, that functions are about to be compiled, where
    nothing compiled is found."""
    folder = _folder()
    if folder and any(Path(folder).rglob("*.nbc")):
        return
    why = "a dry run writes nothing" if is_read_only() else "no cache folder can be written to"
    kept = f"kept in {folder}" if folder else f"not kept, since {why}"
    say(f"compiling the path search, about a minute; the result is {kept}")


@functools.cache
def _folder() -> str:
    """Where compiled functions are kept; empty where nothing can be written."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    for place in _places():
        folder = place / "compiled" / digest.hexdigest()[:16]
        try:
            if not is_read_only():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return str(folder)
    return ""


def _places() -> Iterator[Path]:
    """Folders to keep compiled code in, the preferred one first: where other caches are, then the
    user's own."""
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield cache_folder()
    with contextlib.suppress(RuntimeError):
        named = os.environ.get("XDG_CACHE_HOME")
        yield (Path(named) if named else Path.home() / ".cache") / "vlmrt_dist"
