"""Weights of the minima of problems with several, beside their references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import WEIGHT_BOUND, Weights


def minima_table(title: str, found: Sequence[Weights]) -> Any:
    """For each problem its minima, the weight that is farthest from its reference, the standard
    error of that reference, and what the fit took."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("problem")
    heads = ("prior width", "minima", "weight", "reference", "differs [%]", "its error [%]",
             "by", "evaluations", "fit [CPU s]")  # fmt: skip
    for name in heads:
        table.add_column(name.replace("[", "\\["), justify="right")
    for each in found:
        worst = int(np.argmax(np.abs(each.ratio - 1.0)))
        reference, off = each.reference.mean(axis=0)[worst], each.ratio[worst] - 1.0
        table.add_row(
            each.name, f"{each.width:g}", str(len(each.weight)), f"{each.weight[worst]:.4f}",
            f"{reference:.4f}", f"{100.0 * off:+.0f}",
            f"{100.0 * each.error[worst]:.0f}", each.by, f"{each.evaluations:,}",
            f"{each.seconds:.1f}",
        )  # fmt: skip
    return table


def minima_figure(found: Sequence[Weights], path: Place) -> Place:
    """Draw the weights over their references."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 5.0), layout="constrained")
    axes = figure.subplots()
    for each in found:
        reference = each.reference.mean(axis=0)
        axes.errorbar(
            reference, each.weight, xerr=each.error * reference, fmt="o", ms=4, label=each.name
        )
    ends = np.array([2e-3, 1.3])
    axes.plot(ends, ends, color="k", lw=0.8)
    axes.fill_between(
        ends, (1.0 - WEIGHT_BOUND) * ends, (1.0 + WEIGHT_BOUND) * ends, color="0.9", zorder=0
    )
    axes.set(
        xscale="log", yscale="log", xlim=ends, ylim=ends,
        xlabel="share of the posterior about a minimum, by quadrature or particles",
        ylabel="weight that the fit tells",
    )  # fmt: skip
    axes.legend(fontsize=6, ncols=2)
    axes.grid(alpha=0.3)
    return save_both(figure, path)
