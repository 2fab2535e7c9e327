"""Figures shared by several sweeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Row, Timing, Where
from vlmrt_dist.studies import backward


def convergence_figure(title: str, curves: Mapping[str, Sequence[Row]], path: Where) -> Where:
    """Adam's loss and error along the iterations, as a PNG at ``path`` and a PDF: the median of the
    seeds of each curve, and from 10 % to 90 % of them. A seed that has stopped keeps its last
    value."""
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
    if right.get_legend_handles_labels()[0]:  # least squares have no such iterations
        right.legend(fontsize=8)
    return save_both(figure, path)


def _draw_quantiles(axes: Any, histories: Sequence[FloatArray], shade: int, label: str) -> None:
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
    """A number against the links measured, as a PNG at ``path`` and a PDF: median,
    10 % to 90 % of the seeds.

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
    return save_both(figure, path)


def cdf_figure(
    title: str, xlabel: str, samples: Mapping[str, Sequence[float]], path: Where
) -> Where:
    """The share of samples at or below each value, as a PNG at ``path`` and a PDF.

    :param samples: by name: the samples of each curve, positive
    """
    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    for label, values in samples.items():
        axes.ecdf(values, label=f"{label}: median {np.median(values):.3g}")
    axes.set(xscale="log", xlabel=xlabel, ylabel="share of samples", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save_both(figure, path)


SIZES: dict[str, Callable[[Timing], int]] = {
    "K": lambda timing: timing.num_objects,
    "M": lambda timing: timing.num_setups,
    "D": lambda timing: timing.max_depth,
    "U": lambda timing: timing.samples_per_src,
}
"""What may vary, by its symbol in the paper."""

FIXED = {"K": "objects K (M = 1)", "M": "setups M (K = 9)", "D": "depth D (K = 9, M = 1)",
         "U": "rays U (K = 9, M = 1)"}  # fmt: skip


def complexity_figure(title: str, timings: Sequence[Timing], path: Where) -> Where:
    """Seconds of building the scene, of the forward and of the backward pass, against each size
    that varies, for every engine, as a PNG at ``path`` and a PDF."""
    there = [v for v in SIZES if any(json.loads(t.label)["varies"] == v for t in timings)]
    figure = Figure(figsize=(5.5 * min(len(there), 2), 4.2 * -(-len(there) // 2)),
                    layout="constrained")  # fmt: skip
    figure.suptitle(title)
    panels = figure.subplots(-(-len(there) // 2), min(len(there), 2), squeeze=False, sharey=True)
    for axes, varies in zip(panels.flat, there, strict=False):
        _draw_times(axes, varies, [t for t in timings if json.loads(t.label)["varies"] == varies])
    handles, names = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=8)
    return save_both(figure, path)


def _draw_times(axes: Any, varies: str, timings: Sequence[Timing]) -> None:
    size = SIZES[varies]
    for line, engine in (("-", "retrace"), ("--", "replay")):
        some = [t for t in timings if t.engine == engine]
        for shade, (name, seconds) in enumerate(
            {
                "scene building": [t.seconds_scene for t in some],
                "forward": [t.seconds_value for t in some],
                "backward": [backward(t) for t in some],
            }.items()
        ):
            label = f"{engine}: {name}"
            axes.plot([size(t) for t in some], seconds, f"o{line}", color=f"C{shade}", ms=4,
                      label=label)  # fmt: skip
    ticks = sorted({size(t) for t in timings})
    axes.set(xscale="log", yscale="log", xlabel=FIXED[varies], ylabel="time [s]")
    axes.set_xticks(ticks, [str(x) for x in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
