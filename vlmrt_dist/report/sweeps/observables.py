"""Table of how often the intervals from each observable miss the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmrt_dist.studies import Tally


def observable_table(title: str, found: Mapping[str, Mapping[str, Tally]]) -> Any:
    """For each measurement and quantity the number of intervals, the share that misses the truth,
    and the 95 % interval of that share."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("measured")
    table.add_column("quantity")
    for name in ("intervals", "missed", "missed [%]", "95 % interval [%]"):
        table.add_column(name.replace("[", "\\["), justify="right")
    for words, tallies in found.items():
        for quantity, tally in tallies.items():
            low, high = tally.ends
            table.add_row(
                words, quantity.replace("_", " "), str(tally.answers), str(tally.missed),
                f"{100.0 * tally.share:.1f}", f"{100.0 * low:.1f} … {100.0 * high:.1f}",
            )  # fmt: skip
        table.add_section()
    return table
