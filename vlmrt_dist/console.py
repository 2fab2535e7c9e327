"""Output to a terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from vlmrt_dist.errors import StorageError
from vlmrt_dist.progress import Progress

PHASES = {
    "trace": "tracing setups",
    "fit": "fitting",
    "render": "rendering",
    "pool": "tracing candidates",
    "choose": "choosing",
    "target": "trying sizes",
    "map": "mapping cells",
}
"""Labels of the progress bar, by the phase that :data:`~vlmrt_dist.progress.Progress` names."""


MOST_ROWS = 40
"""Most objects that a table on the terminal shows; files and JSON hold all of them."""

MOST_NAMES = 12
"""Most names in a sentence."""


CLOSED = "standard output is closed; the results would be lost"


@contextlib.contextmanager
def results_only() -> Iterator[None]:
    """Keep what libraries print away from standard output, also what they print in C or C++."""
    if sys.stdout is None:
        raise StorageError(CLOSED)
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # C's own buffer, while it still goes elsewhere
        os.dup2(saved, 1)
        os.close(saved)


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(phase: str, done: int, total: int) -> None:
            label = PHASES.get(phase, phase)
            if phase not in tasks:
                tasks[phase] = bar.add_task(label, total=None)
            shown = label if total else f"{label}, step {done}"
            bar.update(tasks[phase], completed=done, total=total or None, description=shown)

        yield update


SHOWN = 8
"""Points that the live table shows."""


@contextlib.contextmanager
def point_bar(what: str) -> Iterator[Progress]:
    """Progress over points on standard error, with the time that remains: on a terminal a live
    table of those done last, above a bar; plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_progress(what)
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.table import Table

    bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    task = bar.add_task(escape(what), total=None)
    last: list[tuple[float, str]] = []
    clock = time.monotonic()

    def shown() -> Group:
        if not last:
            return Group(bar)
        table = Table("after", "done", expand=True)
        for seconds, name in last:
            table.add_row(_duration(seconds), escape(name))
        return Group(table, bar)

    with Live(shown(), console=Console(stderr=True)) as live:

        def step(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            if name:
                last.append((time.monotonic() - clock, name))
                del last[:-SHOWN]
            live.update(shown(), refresh=True)

        yield step


def _plain_progress(what: str) -> Progress:
    """A line a point; those that were done at the first call do not count for the time left."""
    begin: list[tuple[int, float]] = []

    def line(name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if not begin:
            begin.append((done, now))
        before, clock = begin[0]
        left = ""
        if before < done < total:
            left = f", {_duration((now - clock) / (done - before) * (total - done))} left"
        say(f"{what}: {done} of {total} points{left} {name}".rstrip())

    return line


def _duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def counted(number: int, word: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def show(*things: Any) -> None:
    """Print tables and text on standard output, wide enough for a table without a screen."""
    from rich.console import Console

    with _standard_output():
        console = Console()
        if not console.is_terminal:
            console = Console(width=180)
        try:
            for thing in things:
                console.print(thing, soft_wrap=isinstance(thing, str), highlight=False)
            sys.stdout.flush()
        except SystemExit:  # rich ends the process where nobody reads any more
            raise BrokenPipeError from None


def print_result(text: str) -> None:
    """Print on standard output.

    :raises StorageError: if it cannot be written to
    """
    with _standard_output():
        print(text, flush=True)


@contextlib.contextmanager
def _standard_output() -> Iterator[None]:
    """:raises StorageError: if standard output is closed, or cannot be written to"""
    if sys.stdout is None:
        raise StorageError(CLOSED)
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has had enough, as in `vlmrt ... | head`
    except OSError as error:
        raise StorageError(f"cannot write standard output: {error.strerror}") from None


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Names in a sentence, the first of them if there are many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def first_rows(rank: Sequence[float], most: int = MOST_ROWS) -> list[int]:
    """Rows of a table that are shown, in its own order: all if they are few, else those of the
    lowest rank.

    :param rank: of each row; inf: it is not shown among many
    """
    if len(rank) <= most:
        return list(range(len(rank)))
    order = sorted(range(len(rank)), key=lambda k: rank[k])[:most]
    return sorted(k for k in order if math.isfinite(rank[k]))


def tallied(words: Sequence[str]) -> str:
    """How often each word occurs, the most frequent first: "30 weak, 2 fixed"."""
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error comes from Ctrl-C, which Dr.Jit turns into a RuntimeError inside a loop."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def say_interrupted(words: str) -> None:
    """Say that Ctrl-C ended the work. Pressed again while Python shuts down, it does nothing any
    more; it would leave a traceback."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(words)


def say(text: str) -> None:
    """Print on standard error, if it can be written to."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line, without the place in the code; replaces ``warnings.showwarning``."""
    say(f"warning: {message}")
