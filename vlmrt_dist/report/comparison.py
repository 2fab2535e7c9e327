"""Tables and figures from rows: the paper's printed numbers beside ours."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.errors import StorageError
from vlmrt_dist.paths.path_table import COMPLETE_TOLERANCE
from vlmrt_dist.report.paper import Printed
from vlmrt_dist.store.ledger import Row
from vlmrt_dist.store.places import LocalPlace, Place, place_of

PointProgress = Callable[[int, int, str], None]


STORAGE_HELP = (
    "Folder, or URL of object storage (s3://bucket/folder), for what is written "
    "[default: results; in a Ray job ~/vlmrt_results of its node]."
)


OPTIMIZER_NAMES = {
    "adam": "Adam, η = 1e-3 (paper mode)",
    "adam_fine": "Adam, η = 1e-4",
    "adam_log": "Adam on ln σ",
    "levenberg_marquardt": "Levenberg-Marquardt",
    "map": "Levenberg-Marquardt with the prior",
}


def show(*things: Any) -> None:
    """Print tables and text on standard output, wide enough for a table without a screen."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str), highlight=False)


STEP_NOTE = (
    "† Adam circles the answer at a distance proportional to its step, as the gradient of loss "
    "(8) does not fade: η = 1e-3 S/m is 6 % of marble's conductivity. A tenth of it goes below."
)
INCOMPLETE_NOTE = (
    "‡ the path sets are not complete: the last solve still added {share:.0e} of a link's power"
)

MISSING_NOTE = (
    "§ the estimate rests on one solve, which misses paths that the truth has: the error is theirs"
)


def comparison(
    title: str,
    column: str,
    symbol: str,
    paper: Mapping[Any, Printed | None],
    rows: Sequence[Row],
) -> list[Any]:
    """A rich table, each of our numbers with the paper's in the next column, and its footnotes.

    Ours are medians over the seeds, the error with its 10 % and 90 % quantiles. Tracing is done
    once for all seeds; fitting is the time of one seed (Adam's seeds run side by side).

    :param column: field of a row that the paper's table varies
    :param symbol: what the paper calls it
    :param paper: what it prints for each value; None where it has none
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(symbol, no_wrap=True)
    table.add_column("method", no_wrap=True)
    table.add_column("protocol", no_wrap=True)
    for name in (
        "MRE [%]", "paper", "10 … 90 % [%]", "fit [s]", "paper", "iter.", "paper", "s / iter.",
        "paper", "tracing [s]", "held out [dB]",
    ):  # fmt: skip
        style = "dim" if name == "paper" else None
        # Escaped, for [s] would strike through.
        table.add_column(escape(name), justify="right", no_wrap=True, style=style)
    notes: dict[str, None] = {}  # an ordered set
    for value, printed in paper.items():
        table.add_section()
        for (optimizer, protocol), some in groups(rows, column, value):
            mre = 100.0 * np.array([r.mre for r in some])
            fit = np.array([r.seconds_fit for r in some])
            iterations = np.array([r.iterations for r in some])
            low, high = np.quantile(mre, [0.1, 0.9])
            mark = ""
            if some[0].protocol == "independent" and not some[0].complete:
                mark = " §"
                notes[MISSING_NOTE] = None
            elif optimizer == "adam" and printed and np.median(mre) > printed.mre:
                mark = " †"
                notes[STEP_NOTE] = None
            elif some[0].incomplete > COMPLETE_TOLERANCE:
                mark = " ‡"
                notes[INCOMPLETE_NOTE.format(share=some[0].incomplete)] = None
            table.add_row(
                str(value),
                OPTIMIZER_NAMES[optimizer],
                protocol,
                _percent(float(np.median(mre))) + mark,
                f"{printed.mre:.3f}" if printed else "",
                f"{_percent(low)} … {_percent(high)}",
                f"{np.median(fit):.2g}",
                f"{printed.seconds:.0f}" if printed else "",
                f"{np.median(iterations):.0f}",
                str(printed.iterations) if printed else "",
                f"{np.median(fit / np.maximum(iterations, 1)):.1e}",
                f"{printed.per_iteration:.2f}" if printed else "",
                f"{some[0].seconds_trace:.1f}",
                f"{np.median([r.held_out_db for r in some]):.1e}",
            )
    return [table, *notes]


SHOWN = 8
"""Points that the live table shows."""


@contextmanager
def progress_bar(what: str) -> Iterator[PointProgress]:
    """Progress over points on standard error, with the time that remains: on a terminal a live
    table of those done last, above a bar; plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_progress(what)
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.table import Table

    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
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

        def step(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total)
            if name:
                last.append((time.monotonic() - clock, name))
                del last[:-SHOWN]
            live.update(shown(), refresh=True)

        yield step


def _plain_progress(what: str) -> PointProgress:
    """A line a point: what was there at the first call took no time."""
    begin: list[tuple[int, float]] = []

    def line(done: int, total: int, name: str) -> None:
        now = time.monotonic()
        if not begin:
            begin.append((done, now))
        before, clock = begin[0]
        left = ""
        if before < done < total:
            left = f", {_duration((now - clock) / (done - before) * (total - done))} left"
        text = f"{what}: {done} of {total} points{left} {name}".rstrip()
        print(text, file=sys.stderr, flush=True)

    return line


def _duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def storage_folder(given: str | None) -> Place:
    """The place that results go to.

    :param given: the folder or URL that the user named; None: ``results`` here, or, inside a Ray
        job, ``vlmrt_results`` in the home folder of the node that runs the driver
    :raises StorageError: if it is no storage that is known, or a relative folder inside a Ray job,
        where it would be lost
    """
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if given is None:
        return place_of(Path.home() / "vlmrt_results" if in_job else Path("results"))
    place = place_of(given)
    if in_job and isinstance(place, LocalPlace) and not place.path.is_absolute():
        raise StorageError(
            f"inside a Ray job the relative folder {given!r} lies in Ray's session folder and is "
            "lost with it; name an absolute one, or a URL, with --storage"
        )
    return place


def groups(rows: Sequence[Row], column: str, value: Any) -> list[tuple[tuple[str, str], list[Row]]]:
    """The rows with ``value`` in ``column``, by (optimizer, protocol)."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if getattr(row, column) == value:
            groups.setdefault((row.optimizer, row.protocol), []).append(row)
    return sorted(groups.items())


def _percent(value: float) -> str:
    if value >= 1.0:
        return f"{value:.3g}"
    return f"{value:.3f}" if value >= 5e-4 else f"{value:.0e}"
