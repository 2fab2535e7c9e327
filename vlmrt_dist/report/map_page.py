"""A radio map as one HTML page without network, and as lines of text."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference import RadioMap
from vlmrt_dist.report.plotting.coverage import panels_of, section
from vlmrt_dist.report.templates import document, in_script
from vlmrt_dist.scene import SceneModel

COLOURS = {"viridis": ("Viridis", False), "RdBu_r": ("RdBu", False), "magma_r": ("YlOrRd", True)}
"""Plotly's scale for each of the figure's, and whether it is turned round."""


def map_page(found: RadioMap, scene: SceneModel | None = None) -> str:
    """The map as an HTML document: one quantity of one transmitter at a time, values under the
    pointer, in the light or dark that the reader prefers.

    :param scene: whose section at the map's height is drawn
    """
    lines = map_lines(found)
    quantities = [
        _quantity(title, unit, values, scale) for title, unit, values, scale in panels_of(found)
    ]
    half = found.size / 2.0
    content = {
        "quantities": quantities,
        "first": 0 if found.calibrated_dbm is None else 1,
        "x": found.x.tolist(),
        "y": found.y.tolist(),
        "region": [[float(v[0] - half), float(v[-1] + half)] for v in (found.x, found.y)],
        "tx": found.tx.tolist(),
        "said": lines[1:],
        "walls": [[], []] if scene is None else _broken(section(scene, found.height)),
    }
    return document(
        "map.html", styles=["report.css", "scene.css"], script="map.js",
        title="Radio map" if scene is None else f"Radio map of {scene.name}",
        about=f"{lines[0]}; {found.frequency / 1e9:g} GHz, {found.tx_power_dbm:g} dBm",
        data=in_script(json.dumps(content, allow_nan=False)),
    )  # fmt: skip


def map_lines(found: RadioMap) -> list[str]:
    """A line about the cells, then one for each transmitter: range of levels and uncertainty."""
    lines = [
        f"{found.free.size:,} cells of {found.size:g} m at z = {found.height:g} m; in "
        f"{int((~found.free).sum()):,} no antenna can be"
    ]
    for t, place in enumerate(found.tx):
        level, std = found.level_dbm[t], found.std_db[t]
        there = np.isfinite(level)
        where = ", ".join(f"{x:g}" for x in place)
        if not there.any():
            lines.append(f"transmitter {t + 1} at ({where}): no path arrives in any cell")
            continue
        text = (
            f"transmitter {t + 1} at ({where}): {level[there].min():.1f} to "
            f"{level[there].max():.1f} dBm in {int(there.sum()):,} cells; standard deviation "
            f"{np.median(std[there]):.2g} dB (median), {std[there].max():.2g} dB at most"
        )
        if found.difference_db is not None:
            change = found.difference_db[t][there]
            text += f"; calibration moved it by {np.sqrt((change**2).mean()):.2g} dB (RMS)"
        lines.append(text)
    return lines


def _quantity(
    title: str, unit: str, values: FloatArray, scale: tuple[str, float | None, float | None]
) -> dict[str, Any]:
    name, low, high = scale
    there = values[np.isfinite(values)]
    if high is None and len(there):
        high = float(there.max())
    colours, reverse = COLOURS[name]
    encoded = [base64.b64encode(each.astype("<f4").tobytes()).decode() for each in values]
    return {
        "name": title, "unit": unit, "low": low, "high": high, "colours": colours,
        "reverse": reverse, "maps": encoded,
    }  # fmt: skip


def _broken(segments: FloatArray) -> list[list[float | None]]:
    """x and y of segments, with a gap behind each."""
    rounded = np.round(segments, 3)
    return [
        [value for first, last in rounded[:, :, c].tolist() for value in (first, last, None)]
        for c in (0, 1)
    ]
