"""Figures: what a person would rather look at than read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from vlmrt_dist.files import write_atomic
from vlmrt_dist.ledger import Row
from vlmrt_dist.report import OPTIMIZER_NAMES, Printed, groups
from vlmrt_dist.results import Estimate
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign

MAX_INTERVALS = 40

VERDICT_COLORS = {
    "estimated": "#2a7f62",
    "weak": "#e0a030",
    "unidentifiable": "#b0b0b0",
    "saturated": "#c0392b",
    "fixed": "#4a6fa5",
}


def estimate_figure(
    scene: SceneModel,
    campaign: Campaign,
    result: Estimate,
    path: Path,
    *,
    truth: np.ndarray | None = None,
) -> Path:
    """The plan of the measurement, and prior and posterior of every object, as a PNG at ``path``.

    :param truth: [K] true conductivities, drawn where they are known [S/m]
    """
    figure = Figure(figsize=(12.0, 5.2), layout="constrained")
    plan, intervals = figure.subplots(1, 2, width_ratios=(1.0, 1.35))
    _draw_plan(plan, scene, campaign, result)
    _draw_intervals(intervals, result, truth)
    return _save(figure, path)


def comparison_figure(
    title: str,
    column: str,
    symbol: str,
    paper: Mapping[Any, Printed],
    rows: Sequence[Row],
    path: Path,
) -> Path:
    """The error against ``column`` and along the iterations, as a PNG at ``path``."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    values = list(paper)
    place = np.arange(len(values))
    left.plot(place, [paper[v].mre for v in values], "ks--", label="paper, as printed")
    methods = sorted({(r.optimizer, r.protocol) for r in rows})
    for shade, method in enumerate(methods):
        picked = [dict(groups(rows, column, v)).get(method, []) for v in values]
        there = [i for i, some in enumerate(picked) if some]
        quantiles = np.array(
            [np.quantile([100.0 * r.mre for r in picked[i]], [0.5, 0.1, 0.9]) for i in there]
        ).T
        # Dodged sideways, so that error bars of equal height stay apart.
        x = place[there] + 0.06 * (shade - len(methods) / 2)
        left.errorbar(
            x,
            quantiles[0],
            yerr=np.abs(quantiles[1:] - quantiles[0]),
            fmt="o-",
            color=f"C{shade}",
            capsize=3,
            label=f"{OPTIMIZER_NAMES[method[0]]}, {method[1]}",
        )
        _draw_histories(right, picked[there[-1]] if there else [], f"C{shade}")
    left.set(yscale="log", xlabel=symbol, ylabel="MRE [%]: median, 10 % to 90 % of the seeds")
    left.set_xticks(place, [str(v) for v in values])
    right.set(
        xscale="log",
        yscale="log",
        xlabel="iteration",
        ylabel=f"MRE [%], every seed at {symbol} = {values[-1]}",
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend(fontsize=8)
    return _save(figure, path)


def _draw_histories(axes: Any, rows: Sequence[Row], color: str) -> None:
    for row in rows:
        history = 100.0 * np.array(row.mre_history)
        axes.plot(np.arange(1, len(history) + 1), history, color=color, alpha=0.35, lw=0.8)


def _draw_plan(axes: Any, scene: SceneModel, campaign: Campaign, result: Estimate) -> None:
    """Objects from above, low ones first, coloured by verdict; links from transmitters."""
    order = np.argsort([item.vertices[:, 2].max() for item in scene.objects], kind="stable")
    for k in order:
        item = scene.objects[k]
        color = VERDICT_COLORS[result.verdict[k]]
        corners = item.vertices[item.faces][:, :, :2]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        upright = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) < 1e-9
        faint = np.ptp(item.vertices[:, 2]) == 0.0  # a floor would hide what stands on it
        for faces, width in ((corners[~upright], 0.0), (corners[upright], 2.0)):
            axes.add_collection(
                PolyCollection(
                    list(faces), facecolor=color, edgecolor=color, alpha=0.12 if faint else 0.6,
                    lw=width,
                )
            )  # fmt: skip
    for m, setup in enumerate(campaign.setups):
        tx = setup.tx
        for rx in setup.rx:
            axes.plot([tx[0], rx[0]], [tx[1], rx[1]], color=f"C{m}", lw=0.6, alpha=0.6)
        axes.plot(*setup.rx[:, :2].T, "o", ms=4, color="#1a9641")
        axes.plot(*tx[:2], "^", ms=9, color="#d7191c")
    axes.set(title="Tx red, Rx green; objects by verdict", xlabel="x [m]", ylabel="y [m]")
    axes.set_aspect("equal")
    axes.autoscale_view()


def _draw_intervals(axes: Any, result: Estimate, truth: np.ndarray | None) -> None:
    """95 % intervals before (grey) and after (coloured) the measurement."""
    shown = [k for k, verdict in enumerate(result.verdict) if verdict != "fixed"]
    left_out = len(shown) - MAX_INTERVALS
    shown = shown[:MAX_INTERVALS]  # more lines than that cannot be read
    for row, k in enumerate(shown):
        color = VERDICT_COLORS[result.verdict[k]]
        axes.plot([result.prior_low[k], result.prior_high[k]], [row, row], color="#d8d8d8", lw=9)
        axes.plot([result.low[k], result.high[k]], [row, row], color=color, lw=4)
        axes.plot(result.conductivity[k], row, "|", color="k", ms=11)
        if truth is not None:
            axes.plot(truth[k], row, "x", color="k", ms=7)
    # Names come from files: a $ in one is no mathematics.
    axes.set_yticks(range(len(shown)), [result.names[k] for k in shown], parse_math=False)
    axes.invert_yaxis()
    marks = "grey: prior, coloured: estimate" + ("" if truth is None else ", ×: truth")
    if left_out > 0:
        marks += f"; {left_out} more objects not drawn"
    axes.set(xscale="log", xlabel="conductivity [S/m]", title=f"95 % intervals; {marks}")
    axes.grid(axis="x", alpha=0.3)
    present = [v for v in VERDICT_COLORS if v in {result.verdict[k] for k in shown}]
    handles = [axes.plot([], [], color=VERDICT_COLORS[v], lw=4, label=v)[0] for v in present]
    axes.legend(handles=handles, fontsize=8)


def _save(figure: Figure, path: Path) -> Path:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomic(path, content.getvalue())
