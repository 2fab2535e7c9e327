"""Positions of a study's rows, over the plan of the room if it is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.report.data import StudyRows, label_of
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import Row

MOST_PLANS = 4
"""Most plans of one study."""

ROOM_OBJECTS = 5
"""Floor and walls of the paper's room; further objects are boxes."""


@dataclass(frozen=True)
class Plan:
    """Positions of a campaign.

    :param title: of the configuration
    :param outlines: name and corners [C,2] [m] of each object from above; empty for a scene that
        this package cannot make
    :param tx: M transmitters [M,3] [m]
    :param rx: for each setup its receivers [N,3] [m]
    """

    title: str
    outlines: tuple[tuple[str, FloatArray], ...]
    tx: FloatArray
    rx: tuple[FloatArray, ...]
    scene: SceneModel | None
    campaign: Campaign


def plans_of(study: StudyRows) -> tuple[list[Plan], int]:
    """The plans of a study's different positions, and the number of those left out.

    If each seed has its own positions, those of the first are drawn; the same positions in scenes
    that only differ in their materials are drawn once.
    """
    first: dict[str, Row] = {}
    for group in sorted(study.groups, key=lambda g: g.rows[0].seed):
        row, label = group.rows[0], group.label
        if any(other.seed == row.seed and other.tx != row.tx for other in group.rows[1:]):
            continue  # many placements, none of them this group's own
        alone = "positions" in label and "scene" not in label
        name = str(label["positions"]) if alone else row.label
        first.setdefault(name, row)
    plans: list[Plan] = []
    seen = set()
    for row in sorted(first.values(), key=lambda r: known_scene(r) is None):
        apart = row.scene if "scene" in label_of(row) else ""
        key = (apart, tuple(row.tx), str(row.rx))
        if not row.tx or key in seen:
            continue
        seen.add(key)
        plans.append(_plan(row, _title(row)))
    if len(plans) == 1:
        plans = [dataclasses.replace(plans[0], title="Positions")]
    return plans[:MOST_PLANS], max(0, len(plans) - MOST_PLANS)


def _title(row: Row) -> str:
    label = label_of(row)
    if "positions" in label:
        where = f" in {label['scene']}" if "scene" in label else ""
        return f"Positions: {label['positions']}{where}"
    return "Positions: " + ", ".join(f"{k} = {v}" for k, v in label.items())


def _plan(row: Row, title: str) -> Plan:
    tx = np.array(row.tx, float).reshape(-1, 3)
    rx = np.array(row.rx, float).reshape(len(tx), -1, 3)
    there = np.isfinite(rx).all(axis=2)
    scene = known_scene(row)
    outlines = () if scene is None else _outlines(scene)
    campaign = Campaign(tx, rx, present=there)
    return Plan(title, outlines, tx, tuple(r[t] for r, t in zip(rx, there, strict=True)),
                scene, campaign)  # fmt: skip


def known_scene(row: Row) -> SceneModel | None:
    """The row's scene, if it is a room that :func:`~vlmrt_dist.scene.paper_room.box_room` makes."""
    boxes = row.num_objects - ROOM_OBJECTS
    room = _room(boxes) if 1 <= boxes <= 200 else None
    return room if room is not None and room.key == row.scene else None


@cache
def _room(boxes: int) -> SceneModel:
    return box_room(boxes)


def _outlines(scene: SceneModel) -> tuple[tuple[str, FloatArray], ...]:
    """Objects from above, the low ones first."""
    found = []
    for item in sorted(scene.objects, key=lambda o: float(o.vertices[:, 2].max())):
        corners = item.vertices[:, :2]
        try:
            corners = corners[ConvexHull(corners).vertices]
        except QhullError:  # upright: a line from above
            order = np.lexsort(corners.T)
            corners = corners[order[[0, -1]]]
        found.append((item.name, np.asarray(corners, np.float64)))
    return tuple(found)
