"""Table of the links that edges make heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmrt_dist.studies import MECHANISMS


def edge_table(title: str, found: Sequence[Mapping[str, Any]]) -> Any:
    """For each scene the links, how many are heard without and with diffraction, what the strongest
    mechanism of those heard is, and what diffraction adds to links heard without it."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("scene")
    columns = ("links", "heard without", "heard with", *MECHANISMS, "gain [dB]", "largest [dB]")
    for name in columns:
        table.add_column(name.replace("[", "\\["), justify="right")
    for row in found:
        gains = (row["median_gain_db"], row["largest_gain_db"])
        table.add_row(
            row["scene"], str(row["links"]), str(row["heard_without"]), str(row["heard"]),
            *(str(row["strongest"][name]) for name in MECHANISMS),
            *("–" if gain is None else f"{gain:.2f}" for gain in gains),
        )  # fmt: skip
    return table
