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
from vlmrt_dist.scene import SceneModel


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
    return save_figure(figure, path)


def _draw_histories(axes: Any, rows: Sequence[Row], color: str) -> None:
    for row in rows:
        history = 100.0 * np.array(row.mre_history)
        axes.plot(np.arange(1, len(history) + 1), history, color=color, alpha=0.35, lw=0.8)


def draw_objects(axes: Any, scene: SceneModel, colors: Sequence[str]) -> None:
    """Objects from above, low ones first, each in its colour [K]."""
    order = np.argsort([item.vertices[:, 2].max() for item in scene.objects], kind="stable")
    for k in order:
        item = scene.objects[k]
        corners = item.vertices[item.faces][:, :, :2]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        upright = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) < 1e-9
        faint = np.ptp(item.vertices[:, 2]) == 0.0  # a floor would hide what stands on it
        for faces, width in ((corners[~upright], 0.0), (corners[upright], 2.0)):
            axes.add_collection(
                PolyCollection(
                    list(faces), facecolor=colors[k], edgecolor=colors[k],
                    alpha=0.12 if faint else 0.6, lw=width,
                )
            )  # fmt: skip


def save_figure(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as its name says, .png or .pdf."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.lower().removeprefix("."), dpi=120)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomic(path, content.getvalue())
