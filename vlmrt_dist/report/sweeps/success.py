"""Table and figure of how often optimizers find the materials at random placements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from vlmrt_dist.report.claims import NEAR, iterations_until
from vlmrt_dist.report.plotting.ranges import FLOOR
from vlmrt_dist.report.plotting.sweep_figures import cdf_figure
from vlmrt_dist.store import Row, Where, label_of

STARTS = {"itu": "VLMInit", "random": "RandInit", "uniform": "UnifInit",
          "uniform_table": "UnifInit, table"}  # fmt: skip

OPEN = 5.0
"""Cramér-Rao bound of ln σ from which the links leave an object open; that of rows ends there."""


def success_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table of success, error, iterations and time for each method and start; in brackets
    the binomial 95 % interval of the success, as if runs at one placement were independent."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    near = f"{100 * NEAR:g} %"
    for name in ("method", "start", f"error ≤ {near}", "of determined", "MRE \\[%]",
                 "10 … 90 % \\[%]", f"iter. to {near}", "fit \\[ms]"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    for (method, start), some in by_method(rows).items():
        good = [r for r in some if r.mre <= NEAR]
        interval = binomtest(len(good), len(some)).proportion_ci(method="wilson")
        told = [r for r in some if max(r.crb, default=OPEN) < OPEN]
        share = np.mean([r.mre <= NEAR for r in told]) if told else np.nan
        low, middle, high = 100.0 * np.quantile([r.mre for r in some], [0.1, 0.5, 0.9])
        steps = np.median([iterations_until(r, NEAR) for r in good]) if good else np.inf
        table.add_row(
            method, start,
            f"{100 * len(good) / len(some):.1f} % ({100 * interval.low:.1f} … "
            f"{100 * interval.high:.1f})",
            f"{100 * share:.1f} % of {len(told)}",
            f"{middle:.2g}", f"{low:.2g} … {high:.2g}",
            f"{steps:.0f}" if np.isfinite(steps) else "never",
            f"{1e3 * np.median([r.seconds_fit for r in some]):.3g}",
        )  # fmt: skip
    return table


def success_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """The errors at the end, as shares of runs; errors below the axis are drawn at its end."""
    errors = {
        f"{method}, {start}": [max(100.0 * r.mre, FLOOR) for r in some]
        for (method, start), some in by_method(rows).items()
    }
    return cdf_figure(title, f"MRE at the end [%] ({FLOOR:g}: that or less)", errors, path)


def by_method(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by method, with the reading of the paper's, and start."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        reading = str((label_of(row) or {}).get("reading", "literal")).replace("_", " ")
        method = "Levenberg-Marquardt" if row.optimizer != "adam" else f"Adam, {reading}"
        found.setdefault((method, STARTS.get(row.initial, row.initial)), []).append(row)
    return dict(sorted(found.items(), key=lambda item: item[0][1], reverse=True))
