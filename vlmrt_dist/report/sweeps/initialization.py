"""Starts compared: the table behind the paper's Figures 3 and 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.claims import NEAR, iterations_until
from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES
from vlmrt_dist.store import Row


def starts_table(title: str, by_start: Mapping[str, Sequence[Row]]) -> Any:
    """A rich table of errors and iterations, for each start and method.

    :param by_start: rows by the name of the start; "VLMInit" gets a line without iterations
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in ("start", "method", "initial MRE [%]", "MRE [%]", "10 … 90 % [%]",
                   f"iter. to {100 * NEAR:g} %", "arrived"):  # fmt: skip
        table.add_column(column, no_wrap=True)
    for name, mine in by_start.items():
        table.add_section()
        for method in dict.fromkeys(row.optimizer for row in mine):
            some = [r for r in mine if r.optimizer == method]
            low, middle, high = np.quantile([100.0 * r.mre for r in some], [0.1, 0.5, 0.9])
            steps = np.array([iterations_until(r, NEAR) for r in some])
            typical = np.median(steps)
            table.add_row(
                name, OPTIMIZER_NAMES[method],
                f"{100.0 * np.median([r.initial_mre for r in some]):.3g}",
                f"{middle:.3g}", f"{low:.2g} … {high:.2g}",
                f"{typical:.0f}" if np.isfinite(typical) else "never",
                f"{np.isfinite(steps).sum()} of {len(steps)}",
            )  # fmt: skip
        if name == "VLMInit":
            start = f"{100.0 * np.median([r.initial_mre for r in mine]):.3g}"
            count = len({row.seed for row in mine})
            table.add_row("VLMInit w/o DRT", "none", start, start, "", "never", f"0 of {count}")
    return table
