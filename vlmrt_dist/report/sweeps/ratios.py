"""Replay against other ways: tables of seconds and ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmrt_dist.report.paper import HARDWARE, TABLE_1
from vlmrt_dist.studies import PhaseSeconds, Ratio, StepSeconds, Traced, hardware

PHASES = ("trace", "compile", "fit", "uncertainty")


def ratio_tables(results: Sequence[Ratio]) -> list[Any]:
    """A rich table for each title."""
    from rich.markup import escape
    from rich.table import Table

    tables = []
    for title in dict.fromkeys(r.table for r in results):
        table = Table(title=title, title_justify="left")
        for name in ("what", "seconds", "ratio", "to"):
            table.add_column(name, justify="right" if name in ("seconds", "ratio") else "left")
        for r in results:
            if r.table == title:
                table.add_row(escape(r.name), f"{r.seconds:.3g}", f"{r.ratio:.4g}", escape(r.to))
        tables.append(table)
    return tables


def phases_table(results: Sequence[PhaseSeconds]) -> Any:
    """A rich table of where the time of whole estimations goes."""
    from rich.markup import escape
    from rich.table import Table

    title = "One estimation from nothing, kernels compiled before"
    table = Table(title=title, title_justify="left")
    for name in ("paths", "number", *(f"{p} [s]" for p in PHASES), "tracing's share", "MRE [%]"):
        table.add_column(escape(name), justify="left" if name == "paths" else "right")
    for each in results:
        total = sum(each.seconds.values())
        table.add_row(
            each.name, str(each.num_paths), *(f"{each.seconds.get(p, 0.0):.3g}" for p in PHASES),
            f"{100 * each.seconds['trace'] / total:.1f} %", f"{100 * each.mre:.2g}",
        )  # fmt: skip
    return table


def tracing_table(rows: Sequence[Traced]) -> Any:
    """A rich table of the exact search beside unions of Sionna's solves."""
    from rich.markup import escape
    from rich.table import Table

    title = "Tracing: processor seconds, the exact search on one thread, nothing in the cache"
    table = Table(title=title, title_justify="left")
    for name in ("what", "exact [s]", "paths", "union of solves [s]", "paths", "times as long",
                 "only exact", "only union"):  # fmt: skip
        table.add_column(escape(name), justify="left" if name == "what" else "right")
    for row in rows:
        table.add_row(
            row.what, f"{row.seconds:.3g}", _count(row.num_paths),
            "" if row.united_seconds is None else f"{row.united_seconds:.3g}",
            _count(row.united_paths), "" if row.ratio is None else f"{row.ratio:.0f}",
            _count(row.only_exact), _count(row.only_united),
        )  # fmt: skip
    return table


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def steps_beside_the_paper(results: Sequence[StepSeconds]) -> list[Any]:
    """A rich table of our seconds and the paper's, each on its own machine, and a caveat."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Beside the paper's Table 1 (seconds)", title_justify="left")
    for name in ("D", "paper: an iteration", "retrace: an iteration", "replay: an iteration",
                 "paper: to convergence", "at MRE [%]", "tracing, one solve",
                 "Levenberg-Marquardt to 0.1 %"):  # fmt: skip
        table.add_column(escape(name), justify="right")
    for each in results:
        printed = TABLE_1[each.depth]
        table.add_row(
            str(each.depth), f"{printed.per_iteration:.2f}", f"{each.retrace:.2g}",
            f"{each.replay:.2g}", f"{printed.seconds:.0f}", f"{printed.mre:.3f}",
            f"{each.tracing:.2g}", f"{each.fit:.2g}",
        )  # fmt: skip
    return [
        table,
        f"the paper's seconds: {HARDWARE}, positions by VLMSel, until its rule (13) holds; ours: "
        f"{hardware()}, D-optimal positions, same_paths. Other machines and other rules of "
        "stopping: what may be compared is within each column, and retrace with replay",
    ]
