"""Table and figure of positions beside the best that a long search finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.report.plotting.ranges import draw_ranges
from vlmrt_dist.report.sweeps.positions import labelled
from vlmrt_dist.store import Row, Where


def best_positions_table(
    title: str, rows: Sequence[Row], found: Mapping[str, Sequence[float]], search: str
) -> Any:
    """A rich table of predicted standard deviations and errors.

    :param found: by way of choosing: predicted mean standard deviation of ln σ of each choice
    :param search: name of the long search in it
    """
    from rich.table import Table

    best = min(found[search])
    table = Table(title=title, title_justify="left")
    for name in ("positions", "choices", "predicted std", "10 … 90 %", "over the best",
                 "MRE \\[%] of fits", "coverage \\[%]"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    for name, stds in found.items():
        some = labelled(rows, positions=name)
        low, middle, high = np.quantile(stds, [0.1, 0.5, 0.9])
        middle = best if name == search else middle
        table.add_row(
            name, str(len(stds)), f"±{100 * middle:.3g} %",
            f"{100 * low:.3g} … {100 * high:.3g}", f"{middle / best:.2f}",
            f"{100 * np.median([r.mre for r in some]):.3g}",
            f"{100 * np.mean([r.coverage for r in some]):.0f}",
        )  # fmt: skip
    return table


def best_positions_figure(
    title: str, found: Mapping[str, Sequence[float]], search: str, path: Where
) -> Where:
    """Predicted uncertainty of each way (left), and how the best of the search falls (right)."""
    figure = Figure(figsize=(11.0, 4.4), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    ways = {name: {"": [100.0 * s for s in stds]} for name, stds in found.items()}
    draw_ranges(left, ways, {"": "C0"})
    best = 100.0 * np.minimum.accumulate(found[search])
    left.axvline(best[-1], color="k", ls="--", lw=1.0)
    left.annotate("best found", (best[-1], 0.0), xytext=(4, 0), textcoords="offset points",
                  fontsize=8)  # fmt: skip
    left.set(xscale="log", xlabel="predicted mean std of ln σ [%]: median, 10 % to 90 %")
    ticks = [5, 10, 20, 50]
    left.set_xticks(ticks, [str(t) for t in ticks])
    left.minorticks_off()
    right.step(np.arange(1, len(best) + 1), best, where="post")
    right.plot(np.arange(1, len(best) + 1), 100.0 * np.array(found[search]), "o", ms=4, alpha=0.5)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="exchanges of the long search", ylabel="mean std [%]: each, and best so far")
    right.grid(alpha=0.3)
    return save_both(figure, path)
