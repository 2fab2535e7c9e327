"""An interactive 3D page of a scene, what was measured in it and what was estimated.

One HTML document with all that it needs: it asks for nothing from a network, which a content
security policy in it forbids too. Names of scenes, objects and materials are untrusted: the page
sets them as text, and escapes them where Plotly would read markup.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, CampaignLike, RadioConfig, as_campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.extras import need
from vlmrt_dist.inference import VERDICT_WORDS, Calibration, Estimate
from vlmrt_dist.paths import NONE, scene_and_radio
from vlmrt_dist.progress import Progress
from vlmrt_dist.report.templates import document, in_script
from vlmrt_dist.report.viewer.colourings import CLASSES, Colouring, colourings_of, lines_of
from vlmrt_dist.report.viewer.links import LinkView, PathRows, view_links
from vlmrt_dist.scene import SceneLike, SceneModel
from vlmrt_dist.store import write_atomic

LABELS = {
    "conductivity": "conductivity", "width": "width of the interval", "verdict": "verdict",
    "residual": "residual of its links", "material": "material",
}  # fmt: skip

NOTEBOOK_HEIGHT = 760
"""Height of the frame in a notebook [pixels]."""


@dataclass(frozen=True)
class SceneView:
    """A 3D page; a notebook shows it, :meth:`write` makes a file of it.

    :param html: the document
    :param title: of the page
    """

    html: str = field(repr=False)
    title: str = "scene"

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as ``.html``; a browser opens it without network.

        :raises ConfigurationError: if the name has another ending
        :raises StorageError: if the place cannot be written to
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise ConfigurationError(f"cannot write {target}: its name must end in .html")
        return write_atomic(target, self.html.encode())

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which cannot reach the notebook around it."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {NOTEBOOK_HEIGHT}px; border: 0"></iframe>'
        )


def view(
    scene: SceneLike,
    campaign: CampaignLike | None = None,
    estimate: Estimate | Calibration | None = None,
    *,
    radio: RadioConfig | None = None,
    paths: bool = True,
    progress: Progress | None = None,
) -> SceneView:
    """An interactive 3D page: objects coloured by conductivity, interval, verdict or residual,
    antennas, and the paths of a link with their powers.

    :param scene: K objects: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``;
        materials that are not stated are shown as unknown
    :param campaign: positions, measured or planned, or a file or data frame of them; None: objects
        only
    :param estimate: of this scene; None: the scene's own materials
    :param radio: what paths are traced with; default: that of the estimate, or of a live scene
    :param paths: trace the links' paths; in a large scene that takes time
    :param progress: called along the tracing
    :raises SceneError: if the estimate is of another scene (the message says what differs)
    :raises CampaignError: if an antenna is on a surface
    :raises ConfigurationError: if a package is missing
    """
    need("plotly", "report", "the 3D page")
    stated = radio is not None
    scene, radio = scene_and_radio(scene, radio)
    if campaign is not None:
        campaign = as_campaign(campaign, scene, radio)
    levels = None
    calibration = estimate if isinstance(estimate, Calibration) else None
    if isinstance(estimate, Estimate):
        calibration = estimate.calibration
        if campaign is not None and estimate.links.measured_dbm.shape == campaign.present.shape:
            levels = estimate.links
    if calibration is not None:
        calibration.scene_of(scene)
        if not stated and calibration.origin is not None:
            radio = calibration.origin.radio
        elif not stated:
            radio = radio.replace(frequency=calibration.frequency)
    links = None
    if campaign is not None and paths:
        links = view_links(scene, campaign, radio, calibration, levels, progress)
    met = None if links is None else links.met_db
    colourings = colourings_of(scene, radio.frequency, calibration, met)
    content = {
        "file": re.sub(r"[^A-Za-z0-9_-]+", "_", scene.name)[:60] or "scene",
        "names": list(scene.names),
        "fitted": levels is not None,
        "lines": lines_of(scene, radio.frequency, calibration, met),
        "colourings": [_coloured(each) for each in colourings],
        **_geometry(scene, campaign),
        **_links(scene, campaign, links),
    }
    title = f"{scene.name}: {scene.num_objects} objects"
    page = document(
        "scene.html", styles=["report.css", "scene.css"], script="scene.js", title=title,
        about=_about(scene, campaign, estimate, links),
        data=in_script(json.dumps(content, allow_nan=False, separators=(",", ":"))),
    )  # fmt: skip
    return SceneView(page, title)


def _coloured(colouring: Colouring) -> dict[str, Any]:
    values = [float(f"{v:.6g}") if np.isfinite(v) else None for v in colouring.values]
    if colouring.scale == CLASSES:
        values = colouring.values.astype(int).tolist()
    return {
        "key": colouring.key, "label": LABELS[colouring.key], "title": colouring.title,
        "scale": colouring.scale, "values": values,
        # Plotly reads markup in the texts of a colour bar.
        "classes": [[html.escape(name[:60], quote=False), color]
                    for name, color in colouring.classes],
    }  # fmt: skip


def _corners(scene: SceneModel) -> tuple[FloatArray, FloatArray]:
    """Lower and upper corner [3] of all objects [m]."""
    boxes = scene.bounding_boxes
    return boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)


def shift_of(scene: SceneModel) -> FloatArray:
    """[3] what is subtracted from coordinates: the middle of a scene that lies far from zero."""
    low, high = _corners(scene)
    far = np.abs(np.stack([low, high])).max() > 4.0 * max(float((high - low).max()), 1.0)
    return np.round((low + high) / 2.0) if far else np.zeros(3)


def _geometry(scene: SceneModel, campaign: Campaign | None) -> dict[str, Any]:
    """Meshes, and the box that is drawn, in coordinates less ``shift``: browsers draw in single
    precision."""
    shift, (low, high) = shift_of(scene), _corners(scene)
    if campaign is not None:
        ends = np.concatenate([campaign.tx, campaign.rx[campaign.present]])
        low, high = np.minimum(low, ends.min(axis=0)), np.maximum(high, ends.max(axis=0))
    sizes = [len(item.vertices) for item in scene.objects]
    first = np.concatenate([[0], np.cumsum(sizes)])
    vertices = np.concatenate([item.vertices for item in scene.objects]) - shift
    faces = np.concatenate(
        [item.faces + at for item, at in zip(scene.objects, first[:-1], strict=True)]
    )
    first_face = np.concatenate([[0], np.cumsum([len(item.faces) for item in scene.objects])])
    return {
        "shift": shift.tolist(),
        "low": (low - shift).tolist(),
        "high": (high - shift).tolist(),
        "mesh": {
            "vertices": _encoded(vertices, "<f4"),
            "faces": _encoded(faces, "<i4"),
            "firstVertex": first.tolist(),
            "firstFace": first_face.tolist(),
        },
        "tx": [] if campaign is None else _rounded(campaign.tx - shift),
        "rx": [] if campaign is None else _rounded(campaign.rx[campaign.present] - shift),
    }


def _links(scene: SceneModel, campaign: Campaign | None, found: LinkView | None) -> dict[str, Any]:
    """The links, and the paths that they number."""
    none: dict[str, Any] = {"power": [], "length": [], "points": [], "steps": []}
    if campaign is None:
        return {"links": [], "paths": none}
    rows = []
    for n, (m, receiver) in enumerate(np.argwhere(campaign.present).tolist()):
        at = (m, receiver)
        row: dict[str, Any] = {
            "name": f"setup {m + 1}, receiver {receiver + 1}", "tx": m, "rx": n,
            "measured": None if campaign.rss_dbm is None else _number(campaign.rss_dbm[at]),
            "bound": "above" if campaign.saturated[at] else "below" if campaign.below[at] else "",
            "known": found is not None,
            "replayed": None, "residual": None, "first": 0, "count": 0, "total": 0,
        }  # fmt: skip
        if found is not None:
            mine = np.flatnonzero(found.paths.link == m * campaign.num_receivers + receiver)
            row |= {
                "replayed": _number(found.replayed_dbm[at]),
                "residual": _number(found.residual_db[at]),
                "first": int(mine[0]) if len(mine) else 0,
                "count": len(mine),
                "total": int(found.num_paths[at]),
            }
        rows.append(row)
    return {
        "links": rows,
        "paths": none if found is None else _paths(found.paths, shift_of(scene)),
    }


def _paths(rows: PathRows, shift: FloatArray) -> dict[str, Any]:
    """Power [dBm], length [m], points [m], and kind and object of each interaction of the paths."""
    depth = (rows.kind != NONE).sum(axis=1)
    points = np.round(rows.points - shift, 3)
    return {
        "power": np.round(rows.power_dbm, 2).tolist(),
        "length": np.round(rows.length, 3).tolist(),
        "points": [points[p, : d + 2].tolist() for p, d in enumerate(depth)],
        "steps": [
            np.stack([rows.kind[p, :d], rows.object[p, :d]], axis=1).tolist()
            for p, d in enumerate(depth)
        ],
    }


def _about(
    scene: SceneModel,
    campaign: Campaign | None,
    estimate: Estimate | Calibration | None,
    links: LinkView | None,
) -> str:
    """A line under the title."""
    parts = []
    if campaign is not None:
        parts.append(f"{campaign.num_setups} setups, {campaign.num_links} links")
    if links is not None:
        parts.append(f"{int(links.num_paths.sum())} paths")
    if isinstance(estimate, Estimate):
        parts.append(f"residual {estimate.residual_db:.2g} dB")
    if estimate is not None:
        calibration = estimate.calibration if isinstance(estimate, Estimate) else estimate
        verdicts = calibration.quantities["conductivity"].verdict
        counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
        parts.append(
            ", ".join(f"{count} {VERDICT_WORDS[verdict]}" for verdict, count in counts.items())
        )
    shift = shift_of(scene)
    if shift.any():
        parts.append("axes count from ({:.0f}, {:.0f}, {:.0f}) m".format(*shift))
    return "; ".join(parts)


def _encoded(values: FloatArray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _rounded(points: FloatArray) -> list[list[float]]:
    return [[round(v, 4) for v in point] for point in points.tolist()]


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
