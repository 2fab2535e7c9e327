"""Table and figure of errors on truths that are made otherwise than estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES
from vlmrt_dist.report.plotting.ranges import ranges_figure
from vlmrt_dist.store import Row, Where, label_of

METHODS = ("adam", "levenberg_marquardt", "map")

ADDS = {"power": "powers added", "coherent": "coherent"}


def inverse_crime_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table of errors by truth, and how often the intervals hold it."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("paths", "truth", "Adam MRE \\[%]", "Levenberg-M. MRE \\[%]",
                 "with prior: MRE \\[%]", "coverage \\[%]"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    for adds, cases in _cases(rows).items():
        table.add_section()
        for truth, by_method in cases.items():
            errors = [
                f"{np.median([100.0 * r.mre for r in by_method[m]]):.3g}" if m in by_method else ""
                for m in METHODS
            ]
            inside = [r.coverage for r in by_method.get("map", ())]
            share = f"{100 * np.mean(inside):.0f}" if inside else ""
            table.add_row(ADDS.get(adds, adds), truth, *errors, share)
    return table


def inverse_crime_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """The errors by truth and method, a panel for each way in which paths add up."""
    panels = {
        ADDS.get(adds, adds): {
            truth: {OPTIMIZER_NAMES[m]: [100.0 * r.mre for r in some]
                    for m, some in by_method.items()}
            for truth, by_method in cases.items()
        }
        for adds, cases in _cases(rows).items()
    }  # fmt: skip
    label = "MRE [%]: median, 10 % to 90 % (◂ below the axis)"
    return ranges_figure(title, label, panels, path)


def _cases(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, list[Row]]]]:
    """Rows by combining, truth and method."""
    found: dict[str, dict[str, dict[str, list[Row]]]] = {}
    for row in rows:
        truth = str((label_of(row) or {})["truth"])
        by_truth = found.setdefault(row.combining, {})
        by_truth.setdefault(truth, {}).setdefault(row.optimizer, []).append(row)
    return found
