"""Table and figure of the links that rooms of K objects need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Row, Where, label_of

KNOWN = 0.1
"""Standard deviation of ln σ up to which an object is known."""

MOST = 0.9
"""Share of the objects that are to be known."""

Cells = dict[tuple[str, int], dict[float, list[Row]]]


def links_needed_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table of the share of known objects by links for each object; error in brackets."""
    from rich.table import Table

    cells = _cells(rows)
    ratios = sorted({ratio for some in cells.values() for ratio in some})
    caption = (
        f"objects known to {100 * KNOWN:g} % \\[%], and MRE \\[%]; needed: the fewest links for "
        f"each object, of those tried, that make {100 * MOST:g} % known"
    )
    table = Table(title=title, title_justify="left", caption=caption)
    for name in ("positions", "K", *(f"{r:g} links each" for r in ratios), "needed"):
        table.add_column(name, no_wrap=True)
    for (positions, k), by_ratio in cells.items():
        told = [
            f"{100 * known(by_ratio[r]):.0f} ({_error(by_ratio[r]):.2g})" if r in by_ratio else ""
            for r in ratios
        ]
        enough = needed(by_ratio)
        table.add_row(positions, str(k), *told, f"{enough:g}" if enough else "more")
    return table


def known(rows: Sequence[Row]) -> float:
    """Share of all seeds' objects whose standard deviation of ln σ is :data:`KNOWN` or less."""
    return float(np.mean(np.concatenate([r.std for r in rows]) <= KNOWN))


def needed(by_ratio: Mapping[float, Sequence[Row]]) -> float | None:
    """The fewest links for each object that make :data:`MOST` of them known; None: more."""
    return next((r for r in sorted(by_ratio) if known(by_ratio[r]) >= MOST), None)


def links_needed_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """Known objects (left) and error (right) against links for each object, a line for each K."""
    cells = _cells(rows)
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    sizes = sorted({k for _, k in cells})
    places = list(dict.fromkeys(positions for positions, _ in cells))
    for (positions, k), by_ratio in cells.items():
        x = sorted(by_ratio)
        look = {"color": f"C{sizes.index(k)}", "ls": ["-", "--", ":"][places.index(positions) % 3],
                "marker": "o", "ms": 4, "label": f"K = {k}, {positions}"}  # fmt: skip
        left.plot(x, [100.0 * known(by_ratio[r]) for r in x], **look)
        right.plot(x, [_error(by_ratio[r]) for r in x], **look)
    prior = 100.0 * np.median([r.initial_mre for r in rows])
    right.axhline(prior, color="k", ls="--", lw=1.0)
    right.annotate("the prior alone", (0.98, prior), xycoords=("axes fraction", "data"),
                   ha="right", va="bottom", fontsize=8)  # fmt: skip
    left.axhline(100.0 * MOST, color="k", ls="--", lw=1.0)
    ticks = sorted({ratio for some in cells.values() for ratio in some})
    for axes in (left, right):
        axes.set(xscale="log", xlabel="links for each object")
        axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    left.set(ylabel=f"objects known to {100 * KNOWN:g} % [%]", ylim=(0.0, 102.0))
    right.set(yscale="log", ylabel="MRE [%], median of the truths")
    right.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter(NullFormatter())
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(sizes), fontsize=8)
    return save_both(figure, path)


def _cells(rows: Sequence[Row]) -> Cells:
    """Rows by positions and K, and then by links for each object."""
    found: Cells = {}
    for row in rows:
        label = label_of(row) or {}
        key = str(label["positions"]), int(label["K"])
        found.setdefault(key, {}).setdefault(float(label["links per object"]), []).append(row)
    return found


def _error(rows: Sequence[Row]) -> float:
    return 100.0 * float(np.median([r.mre for r in rows]))
