"""Figure of medians and ranges, a line for each case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Where

FLOOR = 1e-4
"""Errors below are as good as none [%] and are drawn here, for else ten decades would hide the
others."""


def draw_ranges(
    axes: Any, found: Mapping[str, Mapping[str, Sequence[float]]], colors: Mapping[str, Any]
) -> None:
    """Medians and 10 to 90 % of numbers [%], by case (a line) and series (a colour)."""
    for place, by_series in enumerate(found.values()):
        for shift, (series, color) in enumerate(colors.items()):
            values = np.maximum(by_series.get(series, ()), FLOOR)
            if not len(values):
                continue
            y = place + 0.22 * (shift - (len(colors) - 1) / 2.0)
            low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
            axes.plot([low, high], [y, y], color=color, lw=2)
            axes.plot(middle, y, "<" if middle <= FLOOR else "o", color=color, ms=6)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)


def ranges_figure(
    title: str,
    xlabel: str,
    panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    path: Where,
) -> Where:
    """Panels side by side, as a PNG at ``path`` and a PDF.

    :param panels: by title of the panel, case and series: numbers [%]
    """
    lines = max(len(found) for found in panels.values())
    names = list(dict.fromkeys(s for p in panels.values() for by in p.values() for s in by))
    colors = {name: f"C{shade}" for shade, name in enumerate(names)}
    figure = Figure(figsize=(5.6 * len(panels) + 1.2, 1.8 + 0.5 * lines), layout="constrained")
    figure.suptitle(title)
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True, sharex=True)[0]
    for axes, (name, found) in zip(every, panels.items(), strict=True):
        draw_ranges(axes, found, colors)
        axes.set(xscale="log", xlabel=xlabel, title=name)
    handles = [every[0].plot([], [], "o-", color=c, label=n)[0] for n, c in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), fontsize=8)
    return save_both(figure, path)
