"""Figures that several sweeps draw from their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vlmrt_dist.figures import save_figure
from vlmrt_dist.ledger import Row
from vlmrt_dist.storage import Where


def convergence_figure(title: str, curves: Mapping[str, Sequence[Row]], path: Where) -> Where:
    """Adam's loss and error along the iterations, as a PNG at ``path``: the median of the seeds of
    each curve, and from 10 % to 90 % of them. A seed that has stopped keeps its last value."""
    figure = Figure(figsize=(12.0, 4.8), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    for shade, (label, rows) in enumerate(curves.items()):
        _draw_quantiles(left, [np.array(r.loss_history) for r in rows], shade, label)
        _draw_quantiles(right, [100.0 * np.array(r.mre_history) for r in rows], shade, label)
    for axes, what in ((left, "loss (8)"), (right, "MRE [%]")):
        axes.set(xscale="log", yscale="log", xlabel="iteration")
        axes.set_ylabel(f"{what}: median, 10 % to 90 % of the seeds")
        axes.grid(alpha=0.3)
    right.legend(fontsize=8)
    return save_figure(figure, path)


def _draw_quantiles(
    axes: Any, histories: Sequence[NDArray[np.float64]], shade: int, label: str
) -> None:
    histories = [h for h in histories if len(h)]
    if not histories:
        return
    longest = max(len(h) for h in histories)
    filled = np.array([np.pad(h, (0, longest - len(h)), mode="edge") for h in histories])
    low, middle, high = np.quantile(filled, [0.1, 0.5, 0.9], axis=0)
    step = np.arange(1, longest + 1)
    axes.plot(step, middle, color=f"C{shade}", label=label)
    axes.fill_between(step, low, high, color=f"C{shade}", alpha=0.15, lw=0.0)


def progress_figure(
    title: str,
    ylabel: str,
    curves: Mapping[str, Mapping[int, Sequence[float]]],
    target: float,
    path: Where,
) -> Where:
    """A number against the links measured, as a PNG at ``path``: median, 10 % to 90 % of the seeds.

    :param curves: by name: links -> the numbers of the seeds
    :param target: drawn as a line
    """
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.subplots()
    for shade, (label, by_links) in enumerate(curves.items()):
        links = sorted(by_links)
        low, middle, high = np.array([np.quantile(by_links[n], [0.1, 0.5, 0.9]) for n in links]).T
        axes.plot(links, middle, "o-", color=f"C{shade}", label=label)
        axes.fill_between(links, low, high, color=f"C{shade}", alpha=0.15, lw=0.0)
    axes.axhline(target, color="k", ls="--", lw=1.0)
    axes.set(yscale="log", xlabel="links measured", ylabel=ylabel, title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save_figure(figure, path)
