"""Table and figure of error and remaining uncertainty against the carrier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES
from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.report.plotting.ranges import FLOOR
from vlmrt_dist.store import Row, Where, label_of


def frequency_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table with a line for each carrier."""
    from rich.table import Table

    table = Table(title=title, title_justify="left",
                  caption="* some material is continued beyond its tabulated range")  # fmt: skip
    for name in ("carrier \\[GHz]", "σ \\[S/m]", "Adam MRE \\[%]", "Levenberg-M. MRE \\[%]",
                 "with prior: MRE \\[%]", "mean std of ln σ", "estimated",
                 "coverage \\[%]"):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for carrier, some in _by_carrier(rows).items():
        told = _tabulated(some)
        by_method = {m: [r for r in some if r.optimizer == m] for m in OPTIMIZER_NAMES}
        prior = by_method["map"]
        truth = np.array([r.truth for r in some])
        verdicts = np.array([r.verdict for r in prior])
        table.add_row(
            f"{carrier:g}{'' if told else ' *'}",
            f"{truth.min():.2g} … {truth.max():.2g}",
            _error(by_method["adam"]), _error(by_method["levenberg_marquardt"]), _error(prior),
            f"{100 * np.mean([r.std for r in prior]):.3g} %",
            f"{100 * np.mean(verdicts == 'estimated'):.0f} %",
            f"{100 * np.mean([r.coverage for r in prior]):.0f}",
        )  # fmt: skip
    return table


def frequency_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """Error by method (left), and what levels leave open of each object (right), against the
    carrier; hollow where a material is continued beyond its range."""
    figure = Figure(figsize=(11.0, 4.8), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    carriers = _by_carrier(rows)
    x = np.array(list(carriers))
    told = np.array([_tabulated(some) for some in carriers.values()])
    for shade, method in enumerate(("adam", "levenberg_marquardt", "map")):
        errors = [[100.0 * r.mre for r in some if r.optimizer == method]
                  for some in carriers.values()]  # fmt: skip
        if all(errors):
            low, middle, high = np.maximum(
                np.array([np.quantile(e, [0.1, 0.5, 0.9]) for e in errors]), FLOOR
            ).T
            left.fill_between(x, low, high, color=f"C{shade}", alpha=0.15, lw=0.0)
            _marked(left, x, middle, told, f"C{shade}", OPTIMIZER_NAMES[method])
    with_prior = [[r for r in some if r.optimizer == "map"] for some in carriers.values()]
    names = with_prior[0][0].names
    std = 100.0 * np.array([np.median([r.std for r in some], axis=0) for some in with_prior])
    walls = [k for k, name in enumerate(names) if name.startswith("wall")]
    lines = {name: std[:, k] for k, name in enumerate(names) if k not in walls}
    if walls:
        lines["walls (mean)"] = std[:, walls].mean(axis=1)
    for shade, (name, values) in enumerate(lines.items()):
        _marked(right, x, values, told, f"C{shade}", name.replace("_", " "))
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="carrier [GHz]")
        axes.set_xticks(x, [f"{c:g}" for c in x])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if axes is right else (1.0,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    prior = 100.0 * np.median([r.initial_mre for r in rows])
    left.axhline(prior, color="k", ls="--", lw=1.0, label="prior alone")
    left.legend(fontsize=8)
    left.set_ylabel("MRE [%]: median, 10 % to 90 %")
    right.set_ylabel("std of ln σ with the prior [%], median")
    return save_both(figure, path)


def _marked(
    axes: Any, x: FloatArray, y: FloatArray, told: BoolArray, color: str, label: str
) -> None:
    axes.plot(x, y, "-", color=color, label=label)
    axes.plot(x[told], y[told], "o", color=color, ms=5)
    axes.plot(x[~told], y[~told], "o", color=color, ms=5, mfc="white")


def _tabulated(rows: Sequence[Row]) -> bool:
    return (label_of(rows[0]) or {}).get("P.2040") == "tabulated"


def _by_carrier(rows: Sequence[Row]) -> dict[float, list[Row]]:
    found: dict[float, list[Row]] = {}
    for row in rows:
        found.setdefault(float((label_of(row) or {})["carrier [GHz]"]), []).append(row)
    return dict(sorted(found.items()))


def _error(rows: Sequence[Row]) -> str:
    return f"{100.0 * np.median([r.mre for r in rows]):.3g}" if rows else ""
