"""Which of the numbers that the paper prints each reading of it can give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmrt_dist.report.paper import TABLE_1
from vlmrt_dist.report.printed_numbers import (
    LIKELIHOOD_NOTE,
    PAPER_SCATTER,
    Cell,
    by_reading,
)
from vlmrt_dist.store import Row


def readings_table(title: str, rows: Sequence[Row]) -> list[Any]:
    """A rich table of hits, a line for each reading and choice of positions, and its notes."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    columns = [(n, c) for n in (1, 2) for c in ("mre", "iterations")]
    table.add_column("positions", no_wrap=True)
    table.add_column("reading", no_wrap=True)
    for number, column in columns:
        sizes = "D = " + ", ".join(map(str, TABLE_1)) if number == 1 else "U = 3, 4, 5, 6 k"
        name = "MRE" if column == "mre" else "iter."
        table.add_column(f"T{number} {name}, {sizes}", no_wrap=True)
    table.add_column("inside", justify="right", no_wrap=True)
    table.add_column("ln L", justify="right", no_wrap=True)
    last = None
    for positions, reading, cells in by_reading(rows):
        if last not in (None, positions):
            table.add_section()
        last = positions
        marks = [
            " ".join(_mark(c) for c in cells if (c.table, c.column) == wanted)
            for wanted in columns
        ]  # fmt: skip
        table.add_row(
            positions, reading, *marks, f"{sum(c.inside for c in cells)} of {len(cells)}",
            f"{sum(c.log_likelihood for c in cells):.1f}",
        )  # fmt: skip
    return [table, "✓ inside, < all of ours are larger, > all are smaller (10 … 90 % of the seeds)",
            LIKELIHOOD_NOTE, PAPER_SCATTER]  # fmt: skip


def _mark(cell: Cell) -> str:
    if cell.inside:
        return "✓"
    return "<" if cell.printed < cell.range[0] else ">"
