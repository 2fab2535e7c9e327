"""Signals that end a program: SIGTERM, which ``ray job stop``, a batch system or an operating
system sends, and SIGINT of Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class Stopped(BaseException):
    """Raised in the main thread on SIGTERM; nothing but the outermost caller is to catch it."""


class StopSignal:
    """Turns SIGTERM into :class:`Stopped`.

    A process has one handler of a signal, so it has one object of this class,
    :data:`STOP_SIGNAL`; until :meth:`install` it changes nothing.
    """

    def __init__(self) -> None:
        self._sentence = b""
        self._held = 0
        self._waiting = False
        self._before: Any = None

    def install(self, sentence: str = "") -> None:
        """Raise :class:`Stopped` on SIGTERM from now on; does nothing outside the main thread.

        :param sentence: written to standard error at once when the signal comes: ``ray job stop``
            grants three seconds, which ending the actors may outlast
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._sentence = sentence.encode()
        before = signal.signal(signal.SIGTERM, self._handle)
        if before != self._handle:
            self._before = before

    def restore(self) -> None:
        """Put the handler back that was there before :meth:`install`, and forget a signal that
        waits."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        self._sentence, self._waiting, self._before = b"", False, None

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """Finish the block first: a SIGTERM that comes meanwhile is raised at its end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._waiting and self._held == 0:
                self._waiting = False
                self._stop()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Install this handler again after the block, in which ``ray.init`` replaces it."""
        before: Any = signal.getsignal(signal.SIGTERM)
        try:
            yield
        finally:
            if before == self._handle:
                signal.signal(signal.SIGTERM, before)

    def _handle(self, *_: Any) -> None:
        if self._held:
            self._waiting = True
        else:
            self._stop()

    def _stop(self) -> NoReturn:
        with contextlib.suppress(OSError):
            os.write(2, self._sentence)
        raise Stopped


STOP_SIGNAL = StopSignal()
"""The handler of this process."""


def end_imports_at_once() -> None:
    """Let Ctrl-C end this program at once, with a word, whenever it comes during an import: the
    exception would pass through modules that turn it into another, or into an abort. At any other
    moment it is Python's ``KeyboardInterrupt``.

    Does nothing outside the main thread, or where Ctrl-C has a handler of somebody else.
    """
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    above = frame
    while above is not None:
        if above.f_code.co_filename == "<frozen importlib._bootstrap>" and not _ray_runs():
            with contextlib.suppress(OSError):
                os.write(2, b"interrupted\n")
            os._exit(INTERRUPTED)
        above = above.f_back
    signal.default_int_handler(number, frame)


def _ray_runs() -> bool:
    """Whether there are processes that Python's exit handlers have to end."""
    ray = sys.modules.get("ray")
    return bool(getattr(ray, "is_initialized", bool)())
