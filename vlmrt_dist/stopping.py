"""Being told to stop (SIGTERM): by ``ray job stop``, a batch system, or an operating system."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

_waiting = False
_held = 0


class Stopped(BaseException):
    """Raised in the main thread on SIGTERM; nothing but the outermost caller is to catch it."""


def raise_on_sigterm() -> None:
    """Turn SIGTERM into :class:`Stopped`; nothing happens outside the main thread."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _on_sigterm)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """What is done here is done whole: a SIGTERM meanwhile is raised at its end."""
    global _held, _waiting
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if _waiting and _held == 0:
            _waiting = False
            raise Stopped


@contextlib.contextmanager
def handler_kept() -> Iterator[None]:
    """Put this process's SIGTERM handler back, which ``ray.init`` replaces by one of its own."""
    before: Any = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is _on_sigterm:
            raise_on_sigterm()


def _on_sigterm(*_: Any) -> None:
    global _waiting
    if _held:
        _waiting = True
    else:
        raise Stopped
