"""Figure of readings: their ranges beside the printed numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.report.printed_numbers import by_reading
from vlmrt_dist.store import Row, Where

MARGIN = 3.0
"""Factor by which an axis reaches beyond the printed numbers; what lies further off is drawn at its
edge."""


def readings_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """Errors above, iterations below; a column for each table and choice of positions."""
    found = list(by_reading(rows))
    places = list(dict.fromkeys(positions for positions, _, _ in found))
    columns = [(table, p) for p in places for table in (1, 2)]
    figure = Figure(figsize=(4.2 * len(columns), 7.2), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    readings = list(dict.fromkeys(reading for _, reading, _ in found))
    printed: dict[str, list[float]] = {"mre": [], "iterations": []}
    for column, (table, place) in enumerate(columns):
        for row, name in enumerate(printed):
            here = axes[row, column]
            sizes: list[int] = []
            for positions, reading, cells in found:
                some = [c for c in cells if (c.table, c.column) == (table, name)]
                if positions != place or not some:
                    continue
                sizes = [c.size for c in some]
                low, middle, high = np.array([c.range for c in some]).T
                x = np.arange(len(some)) + 0.1 * (readings.index(reading) - len(readings) / 2)
                here.errorbar(x, middle, yerr=[middle - low, high - middle], fmt="o", ms=4,
                              capsize=2, color=f"C{readings.index(reading)}",
                              label=reading.replace("_", " "))  # fmt: skip
                paper = None if reading != readings[0] else "paper, as printed"
                here.plot(np.arange(len(some)), [c.printed for c in some], "k_", ms=26, mew=2,
                          label=paper)  # fmt: skip
                printed[name] += [c.printed for c in some]
            here.set_xticks(range(len(sizes)), [f"{s:g}" for s in sizes])
            here.set_xlabel("D" if table == 1 else "U")
            here.grid(alpha=0.3)
            if row == 0:
                here.set_title(f"Table {table}, {place} positions", fontsize=10)
    for row, (name, label) in enumerate((("mre", "MRE [%]"), ("iterations", "iterations"))):
        axes[row, 0].set(yscale="log", ylabel=f"{label}: median, 10 to 90 %")
        if printed[name]:
            axes[row, 0].set_ylim(min(printed[name]) / MARGIN, max(printed[name]) * MARGIN)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    return save_both(figure, path)
