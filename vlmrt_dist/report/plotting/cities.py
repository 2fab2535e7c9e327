"""Figure of cities from above, buildings coloured by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.report.plotting.figures import RX_COLOR, TX_COLOR, save_both
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import Where

UNSEEN, FIXED = "unseen", "fixed"

COLORS = {
    "estimated": "#1a7f37",
    "weak": "#f28e2b",
    "at_least": "#c9a227",
    "at_most": "#b5651d",
    "several": "#c0392b",
    "not_identified": "#7b4fb5",
    UNSEEN: "#c4c4c4",
    FIXED: "#ececec",
}
"""Colour of each verdict; "not_identified" objects affect some level, but too little."""

LABELS = {
    "estimated": "estimated",
    "weak": "weak",
    "at_least": "at least",
    "at_most": "at most",
    "several": "several values",
    "not_identified": "seen, not identified",
    UNSEEN: "not seen",
    FIXED: "metal (no conductivity to estimate)",
}

MARGIN = 40.0
"""Margin around the antennas [m]."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One scene with its campaign.

    :param kinds: for each of K objects one of :data:`COLORS`
    """

    title: str
    scene: SceneModel
    campaign: Campaign
    kinds: Sequence[str]


def city_figure(panels: Sequence[Panel], path: Where) -> Where:
    """Panels side by side, as a PNG at ``path`` and a PDF.

    Walls are lines and roofs areas, in the colour of their object; the background has the colour of
    the ground. Each panel shows the part of the scene around the antennas.
    """
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(5.4 * columns, 5.2 * lines + 0.5), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel)
    handles: list[Any] = [Line2D([], [], color=COLORS[k], lw=4, label=LABELS[k]) for k in COLORS]
    handles += [
        Line2D([], [], marker="^", ls="", ms=8, color=TX_COLOR, mec="k", label="transmitter"),
        Line2D([], [], marker="o", ls="", ms=4, color=RX_COLOR, label="receiver"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)
    return save_both(figure, path)


def _draw(axes: Any, panel: Panel) -> None:
    scene, campaign = panel.scene, panel.campaign
    rx = campaign.rx[campaign.present]
    places = np.concatenate([campaign.tx, rx])[:, :2]
    low, high = places.min(0) - MARGIN, places.max(0) + MARGIN
    boxes = scene.bounding_boxes[:, :, :2]
    ground = int(np.ptp(boxes, axis=1).prod(axis=1).argmax())
    shown = ((boxes[:, 0] <= high) & (boxes[:, 1] >= low)).all(axis=1)
    order = list(COLORS)[::-1]  # objects of the best verdict are drawn last
    for above, kind in enumerate(order):
        some = [
            scene.objects[k]
            for k in np.flatnonzero(shown)
            if k != ground and panel.kinds[int(k)] == kind
        ]
        if not some:
            continue
        flat, upright = _from_above(np.concatenate([o.vertices[o.faces] for o in some]))
        axes.add_collection(
            PolyCollection(list(flat), facecolor=COLORS[kind], lw=0.0, alpha=0.7, zorder=1 + above)
        )
        width = 0.8 if kind in (UNSEEN, FIXED) else 2.4
        axes.add_collection(
            LineCollection(list(upright), color=COLORS[kind], lw=width, zorder=1.5 + above)
        )
    axes.set_facecolor((*_rgb(COLORS[panel.kinds[ground]]), 0.10))
    for m, setup in enumerate(campaign.setups):
        for place in setup.rx:
            axes.plot(*np.array([setup.tx, place])[:, :2].T, color="k", lw=0.25, alpha=0.35,
                      zorder=8)  # fmt: skip
        axes.plot(*setup.rx[:, :2].T, "o", ms=2.6, color=RX_COLOR, zorder=9)
        axes.plot(*campaign.tx[m, :2], "^", ms=7, color=TX_COLOR, mec="k", mew=0.7, zorder=10)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x [m]", ylabel="y [m]")
    axes.set_title(panel.title, fontsize=10)
    axes.set_aspect("equal")


def _from_above(
    triangles: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Plans [A,3,2] of triangles that are not upright, and distinct lines [B,2,2] of the others."""
    flat = triangles[:, :, :2]
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    upright = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) < 1e-6
    sides = np.stack([flat[upright], np.roll(flat[upright], -1, axis=1)], axis=2)
    length = np.linalg.norm(sides[:, :, 1] - sides[:, :, 0], axis=2)
    lines = sides[np.arange(len(sides)), length.argmax(axis=1)] if len(sides) else sides[:, 0]
    order = np.lexsort(lines.reshape(-1, 4).T[:2])
    return flat[~upright], np.unique(np.round(lines[order], 3), axis=0)


def _rgb(color: str) -> tuple[float, float, float]:
    return tuple(int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5))  # type: ignore[return-value]
