"""Being told to stop (SIGTERM): by ``ray job stop``, a batch system, or an operating system."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

_waiting = False
_held = 0
_sentence = b""


class Stopped(BaseException):
    """Raised in the main thread on SIGTERM; nothing but the outermost caller is to catch it."""


def raise_on_sigterm(sentence: str = "") -> None:
    """Turn SIGTERM into :class:`Stopped`; nothing happens outside the main thread.

    :param sentence: what to say then on standard error, at once: ``ray job stop`` grants three
        seconds, which ending the actors may outlast
    """
    global _sentence
    if threading.current_thread() is threading.main_thread():
        _sentence = sentence.encode()
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
            _stop()


@contextlib.contextmanager
def handler_kept() -> Iterator[None]:
    """Put this process's SIGTERM handler back, which ``ray.init`` replaces by one of its own."""
    before: Any = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is _on_sigterm:
            signal.signal(signal.SIGTERM, before)


def _on_sigterm(*_: Any) -> None:
    global _waiting
    if _held:
        _waiting = True
    else:
        _stop()


def _stop() -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, _sentence)
    raise Stopped
