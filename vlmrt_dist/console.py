"""What goes to a terminal's two streams: results to one, everything else to the other."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer

from vlmrt_dist.errors import StorageError, VlmrtError
from vlmrt_dist.inference.multistart import Progress
from vlmrt_dist.signals import Stopped, raise_on_sigterm

KEPT = "what is finished is kept, the same command goes on from there"

PHASES = {
    "trace": "tracing setups",
    "fit": "fitting",
    "render": "rendering",
    "pool": "tracing candidates",
    "choose": "choosing",
    "target": "trying sizes",
}
"""What the progress bar calls the phases of a long piece of work."""


@contextlib.contextmanager
def results_only() -> Iterator[None]:
    """Keep what libraries print away from standard output, also what they print in C or C++."""
    if sys.stdout is None:
        raise StorageError("standard output is closed; the results would be lost")
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
            if phase not in tasks:
                tasks[phase] = bar.add_task(PHASES.get(phase, phase))
            bar.update(tasks[phase], completed=done, total=total or None)

        yield update


def print_result(text: str) -> None:
    """Print on standard output; say so if that fails.

    :raises StorageError: if it cannot be written to
    """
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise  # the reader has had enough, as in `vlmrt ... | head`
    except OSError as error:
        raise StorageError(f"cannot write standard output: {error.strerror}") from None


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it began with Ctrl-C; Dr.Jit turns one inside a loop into its own RuntimeError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def say_interrupted(words: str) -> None:
    """Say that Ctrl-C ended the work. Pressed again while Python shuts down, it does nothing any
    more; it would leave a traceback."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    say(words)


def is_stop(error: BaseException | None) -> bool:
    """Whether it began with SIGTERM."""
    while error is not None and not isinstance(error, Stopped):
        error = error.__cause__ or error.__context__
    return error is not None


def run_script(main: Callable[..., None], description: str | None) -> None:
    """Run a sweep's ``main`` as a command: options from its signature, errors as one sentence.

    Exit codes: 2 for an error that its user can mend, 130 after Ctrl-C, 143 after SIGTERM.

    :param description: what ``--help`` says; a sweep's own docstring
    """

    @functools.wraps(main)
    def guarded(**options: Any) -> None:
        raise_on_sigterm(f"stopped (SIGTERM); {KEPT}\n")
        try:
            main(**options)
        except VlmrtError as error:
            say(f"error: {error}")
            raise typer.Exit(2) from None
        except BaseException as error:
            if is_stop(error):
                raise typer.Exit(143) from None
            if not is_interrupt(error):
                raise
            say_interrupted(f"interrupted; {KEPT}")
            raise typer.Exit(130) from None

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    # A backspace alone on a line keeps a paragraph's line breaks.
    app.command(help=(description or "").replace("\n\n", "\n\n\b\n"))(guarded)
    app()


def say(text: str) -> None:
    """Print on standard error."""
    typer.echo(text, err=True)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line, without the place in the code; replaces ``warnings.showwarning``."""
    say(f"warning: {message}")
