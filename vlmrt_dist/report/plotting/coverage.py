"""Figure of a radio map: levels before and after calibration, their difference and uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference import RadioMap
from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import Where

MOST_ROWS = 6
"""Most transmitters drawn."""

NOTHING, HATCH = "#e9e9e9", "#b4b4b4"
"""Colours of cells without a level."""

PANEL = 3.6
"""Width of a panel's map [inches]."""


def map_figure(found: RadioMap, path: Where, *, scene: SceneModel | None = None) -> Where:
    """A row of maps for each transmitter: level before and after calibration, their difference, and
    the standard deviation; without an estimate level and standard deviation by the prior.

    Cells without a level are hatched: an antenna cannot be there, or no path arrives.

    :param path: a .png or .pdf
    :param scene: whose section at the map's height is drawn
    """
    rows = min(len(found.tx), MOST_ROWS)
    panels = panels_of(found)
    width, height = np.ptp(found.x) + found.size, np.ptp(found.y) + found.size
    tall = float(np.clip(PANEL * height / width, 1.2, 3.0 * PANEL))
    figure = Figure(
        figsize=(len(panels) * (PANEL + 1.3), rows * (tall + 0.9) + 0.5), layout="constrained"
    )
    walls = np.zeros((0, 2, 2)) if scene is None else section(scene, found.height)
    axes = figure.subplots(rows, len(panels), squeeze=False, sharex=True, sharey=True)
    for t in range(rows):
        for column, (title, unit, values, scale) in enumerate(panels):
            drawn = _draw(axes[t, column], found, values[t], scale, walls)
            figure.colorbar(drawn, ax=axes[t, column], shrink=0.85, label=unit)
            axes[t, column].plot(*found.tx[t, :2], "^", ms=9, mfc="#d7191c", mec="white")
            axes[t, column].set_title(title, fontsize=10)
            if t == rows - 1:
                axes[t, column].set_xlabel("x [m]")
        axes[t, 0].set_ylabel(f"transmitter {t + 1}\ny [m]" if rows > 1 else "y [m]")
    figure.legend(handles=[Patch(fc=NOTHING, ec=HATCH, hatch="////",
                                 label="no level: in an object, outside the region, or no path")],
                  loc="outside lower left", fontsize=8, frameon=False)  # fmt: skip
    more = (
        f"; {len(found.tx) - rows} more transmitters are not drawn" if len(found.tx) > rows else ""
    )
    figure.suptitle(
        f"z = {found.height:g} m, {found.frequency / 1e9:g} GHz, {found.tx_power_dbm:g} dBm, cells "
        f"of {found.size:g} m{more}", fontsize=10,
    )  # fmt: skip
    return save_figure(figure, path)


Scale = tuple[str, float | None, float | None]
"""Name of a colour map, and the values at its ends."""


def panels_of(found: RadioMap) -> list[tuple[str, str, FloatArray, Scale]]:
    """Title, unit, values [T, H, W] and scale of each panel."""
    if found.calibrated_dbm is None or found.difference_db is None:
        return [
            ("level, prior", "dBm", found.prior_dbm, ("viridis", *_ends(found.prior_dbm))),
            ("standard deviation, prior", "dB", found.prior_std_db, ("magma_r", 0.0, None)),
        ]
    both = ("viridis", *_ends(np.concatenate([found.prior_dbm, found.calibrated_dbm])))
    change = float(np.nanmax(np.abs(found.difference_db), initial=1e-9))
    return [
        ("level before calibration", "dBm", found.prior_dbm, both),
        ("level after calibration", "dBm", found.calibrated_dbm, both),
        ("after minus before", "dB", found.difference_db, ("RdBu_r", -change, change)),
        ("standard deviation after", "dB", found.std_db, ("magma_r", 0.0, None)),
    ]


def _ends(values: FloatArray) -> tuple[float | None, float | None]:
    """Ends of a scale of levels: a few cells beside the transmitter would take most of it."""
    there = values[np.isfinite(values)]
    if len(there) == 0:
        return None, None
    low, high = np.percentile(there, [0.5, 99.5])
    return float(low), float(high) if high > low else float(low) + 1.0


def _draw(axes: Any, found: RadioMap, values: FloatArray, scale: Scale, walls: FloatArray) -> Any:
    half = found.size / 2.0
    extent = (found.x[0] - half, found.x[-1] + half, found.y[0] - half, found.y[-1] + half)
    name, low, high = scale
    axes.add_patch(_hatched(extent))
    drawn = axes.imshow(
        np.ma.masked_invalid(values), origin="lower", extent=extent, cmap=colormaps[name],
        vmin=low, vmax=high, interpolation="nearest", aspect="equal",
    )  # fmt: skip
    axes.add_collection(LineCollection(list(walls), colors="0.15", linewidths=0.8))
    axes.set(xlim=extent[:2], ylim=extent[2:])
    return drawn


def _hatched(extent: tuple[float, float, float, float]) -> Any:
    left, right, low, high = extent
    return Rectangle(
        (left, low), right - left, high - low, fc=NOTHING, ec=HATCH, hatch="////", lw=0, zorder=-1
    )  # fmt: skip


def section(scene: SceneModel, height: float) -> FloatArray:
    """[S, 2, 2] segments in which the plane z = ``height`` cuts the scene [m]."""
    import trimesh

    sizes = [len(item.vertices) for item in scene.objects]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    soup = trimesh.Trimesh(
        np.concatenate([item.vertices for item in scene.objects]),
        np.concatenate([item.faces + at for item, at in zip(scene.objects, first, strict=True)]),
        process=False,
    )
    cut = trimesh.intersections.mesh_plane(soup, (0.0, 0.0, 1.0), (0.0, 0.0, height))
    return np.asarray(cut, np.float64).reshape(-1, 2, 3)[:, :, :2]
