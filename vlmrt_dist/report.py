"""Tables and figures from rows: the paper's printed numbers beside ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vlmrt_dist.errors import StorageError
from vlmrt_dist.files import write_atomic
from vlmrt_dist.ledger import Row

PointProgress = Callable[[int, int, str], None]


class Printed(NamedTuple):
    """A row of the paper's Tables 1 and 2, as printed.

    :param mre: mean relative error [%]
    :param seconds: time to convergence [s]
    :param iterations: iterations to convergence
    :param per_iteration: time per iteration [s]
    """

    mre: float
    seconds: float
    iterations: int
    per_iteration: float


OPTIMIZER_NAMES = {
    "adam": "Adam on σ (paper mode)",
    "adam_log": "Adam on ln σ",
    "levenberg_marquardt": "Levenberg-Marquardt",
}


def show(*things: Any) -> None:
    """Print tables and text on standard output, wide enough for a table without a screen."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=130)
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str), highlight=False)


def comparison(title: str, column: str, paper: Mapping[Any, Printed], rows: Sequence[Row]) -> Any:
    """A rich table: for each value of ``column``, the paper's row and one of each of our methods.

    Ours are medians over the seeds, the error with its 10 % and 90 % quantiles; time is that of
    one estimation, tracing included.

    :param column: field of a row that the paper's table varies
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left", expand=False)
    table.add_column(column)
    table.add_column("method", no_wrap=True)
    table.add_column("protocol", no_wrap=True)
    for name in ("MRE [%]", "10 … 90 % [%]", "time [s]", "iter.", "s / iter.", "held out [dB]"):
        table.add_column(name, justify="right", no_wrap=True)
    for value, printed in paper.items():
        table.add_section()
        table.add_row(
            str(value),
            "paper, as printed",
            "",
            f"{printed.mre:.3f}",
            "",
            f"{printed.seconds:.0f}",
            str(printed.iterations),
            f"{printed.per_iteration:.2f}",
            "",
            style="bold",
        )
        for (optimizer, protocol), some in _groups(rows, column, value):
            mre = 100.0 * np.array([r.mre for r in some])
            fit = np.array([r.seconds_fit for r in some])
            # Paths are traced once for all seeds of a point.
            trace = some[0].seconds_trace / len(some)
            iterations = np.array([r.iterations for r in some])
            low, high = np.quantile(mre, [0.1, 0.9])
            table.add_row(
                "",
                OPTIMIZER_NAMES[optimizer],
                protocol,
                _percent(float(np.median(mre))),
                f"{_percent(low)} … {_percent(high)}",
                f"{np.median(fit) + trace:.2g}",
                f"{np.median(iterations):.0f}",
                f"{np.median(fit / iterations):.1e}",
                f"{np.median([r.held_out_db for r in some]):.1e}",
            )
    return table


def comparison_figure(
    title: str, column: str, paper: Mapping[Any, Printed], rows: Sequence[Row], path: Path
) -> Path:
    """The error against ``column`` and along the iterations, as a PNG at ``path``."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    values = list(paper)
    place = np.arange(len(values))
    left.plot(place, [paper[v].mre for v in values], "ks--", label="paper, as printed")
    methods = sorted({(r.optimizer, r.protocol) for r in rows})
    for shade, method in enumerate(methods):
        picked = [dict(_groups(rows, column, v)).get(method, []) for v in values]
        there = [i for i, some in enumerate(picked) if some]
        quantiles = np.array(
            [np.quantile([100.0 * r.mre for r in picked[i]], [0.5, 0.1, 0.9]) for i in there]
        ).T
        # Dodged sideways, so that error bars of equal height stay apart.
        x = place[there] + 0.06 * (shade - len(methods) / 2)
        left.errorbar(
            x,
            quantiles[0],
            yerr=np.abs(quantiles[1:] - quantiles[0]),
            fmt="o-",
            color=f"C{shade}",
            capsize=3,
            label=f"{OPTIMIZER_NAMES[method[0]]}, {method[1]}",
        )
        _draw_histories(right, picked[there[-1]] if there else [], f"C{shade}")
    left.set(yscale="log", xlabel=column, ylabel="MRE [%]: median, 10 % to 90 % of the seeds")
    left.set_xticks(place, [str(v) for v in values])
    right.set(
        xscale="log",
        yscale="log",
        xlabel="iteration",
        ylabel=f"MRE [%], every seed at {column} = {values[-1]}",
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return write_atomic(path, content.getvalue())


@contextmanager
def progress_bar(what: str) -> Iterator[PointProgress]:
    """Progress over points on standard error: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():

        def line(done: int, total: int, name: str) -> None:
            print(f"{what}: {done} of {total} points {name}".rstrip(), file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("")

        def step(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=name)

        yield step


def storage_folder(given: str) -> Path:
    """The folder that results go to.

    :raises StorageError: if a relative one is given inside a Ray job, where it would be lost
    """
    folder = Path(given).expanduser()
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not folder.is_absolute():
        raise StorageError(
            f"inside a Ray job the relative folder {given!r} lies in Ray's session folder and is "
            "lost with it; name an absolute one with --storage"
        )
    return folder


def _groups(
    rows: Sequence[Row], column: str, value: Any
) -> list[tuple[tuple[str, str], list[Row]]]:
    """The rows with ``value`` in ``column``, by optimizer and protocol."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if getattr(row, column) == value:
            groups.setdefault((row.optimizer, row.protocol), []).append(row)
    return sorted(groups.items())


def _draw_histories(axes: Any, rows: Sequence[Row], color: str) -> None:
    for row in rows:
        history = 100.0 * np.array(row.mre_history)
        axes.plot(np.arange(1, len(history) + 1), history, color=color, alpha=0.35, lw=0.8)


def _percent(value: float) -> str:
    return f"{value:.3f}" if value >= 5e-4 else f"{value:.0e}"
