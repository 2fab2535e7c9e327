"""Cameras of a scene, and the walls and ceilings left out so that its inside is visible.

All follows from the geometry and nothing from names, so it works for any scene.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene import SceneModel

VIEWS = ("overhead", "perspective")

FIELD_OF_VIEW = 40.0
"""Horizontal field of view [degrees]."""

ELEVATION = 40.0
"""Elevation of the perspective camera above the horizon [degrees]."""

AZIMUTHS = (-57.0, 33.0, 123.0, 213.0)
"""Possible azimuths of the perspective camera, from the x axis [degrees]."""

LIGHT_BEHIND = 25.0
"""Azimuth of the brightest light, from the camera's left backwards [degrees]."""

MARGIN = 1.06
"""Width of the picture in units of the scene's."""

SPANNING = 0.95
"""Least width, in x and y as a share of the scene's, of an object that may be the room itself."""

THIN = 0.25
"""Greatest thickness of a panel, as a share of its shorter side."""

SAME_PLANE = 0.02
"""Greatest distance of panels of one wall or ceiling, as a share of the scene's diagonal."""

ROOFED, WALLED = 0.5, 0.3
"""Least share of the scene's plan, or elevation, that a ceiling, or wall, covers."""

OUTSIDE = 0.1
"""Greatest share of the scene's surface on the outer side of an outer wall."""

SET_IN = 0.003
"""Greatest protrusion of a window from its wall, as a share of the diagonal."""

STUB = 0.08
"""Height of the stub of a wall that is cut away, as a share of the wall's."""


class Camera(NamedTuple):
    """A pinhole camera.

    :param origin: position [3] [m]
    :param target: a point in the middle of the picture [3] [m]
    :param up: direction that is upwards in the picture [3]
    :param fov: horizontal field of view [degrees]
    :param light: azimuth of the brightest light, at the camera's left [degrees]
    """

    origin: FloatArray
    target: FloatArray
    up: FloatArray
    light: float
    fov: float = FIELD_OF_VIEW

    @property
    def distance(self) -> float:
        """From the camera to its target [m]."""
        return float(np.linalg.norm(self.origin - self.target))


class Seen(NamedTuple):
    """The visible part of a scene.

    :param camera: the camera
    :param triangles: corners [T,3,3] [m] of the parts that are left of all objects
    :param owner: [T] index of each triangle's object
    """

    camera: Camera
    triangles: FloatArray
    owner: IntArray


def look_at_scene(scene: SceneModel, view: str, aspect: float) -> Seen:
    """A camera for one of ``VIEWS``, and the part of the scene that it shows.

    The overhead camera is above the middle, with x to the right and y upwards. The perspective one
    is outside and above, at the corner from which the least has to be cut away.

    A ceiling or roof between the camera and the inside is left out. So is an outer wall between
    them, except for a low stub, with the doors and windows set into it. Both are recognised as
    flat panels (thin objects, or coplanar faces of an object that spans the scene) that
    together cover a good part of the scene, and have the camera on one side and nearly all the
    rest on the other. Curved walls and partitions inside stay.

    :param aspect: width of the picture over its height
    :raises SceneError: if the scene has no surface
    """
    surfaces = _Surfaces(scene)
    if not surfaces.areas.max() > 0.0:
        raise SceneError(f"scene {scene.name!r} has no surface that could be seen")
    if view == "overhead":
        up = np.array([0.0, 1.0, 0.0])
        return surfaces.seen_by(_framed(surfaces.box, np.array([0.0, 0.0, 1.0]), up, aspect))
    sights = []
    for azimuth in np.radians(AZIMUTHS):
        flat, high = np.cos(np.radians(ELEVATION)), np.sin(np.radians(ELEVATION))
        direction = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), high])
        camera = _framed(surfaces.box, direction, np.array([0.0, 0.0, 1.0]), aspect)
        sights.append(surfaces.seen_by(camera))
    left = [float(_areas(sight.triangles).sum()) for sight in sights]
    # The first of those that are equal but for rounding.
    return next(s for s, area in zip(sights, left, strict=True) if area >= 0.999 * max(left))


def framing_box(scene: SceneModel) -> FloatArray:
    """Lower and upper corner [2,3] [m] of the part of a scene that a picture has to show.

    Flat ground around the standing objects is left out.
    """
    boxes = scene.bounding_boxes
    height = np.ptp(boxes[:, :, 2])
    standing = np.ptp(boxes[:, :, 2], axis=1) > 0.01 * height
    shown = boxes[standing] if standing.any() else boxes
    return np.array([shown[:, 0].min(axis=0), shown[:, 1].max(axis=0)])


@dataclass(frozen=True, eq=False)
class _Panel:
    """A flat part of the scene: a thin object, or faces in one plane.

    :param faces: indices among all triangles of the scene
    :param normal: unit vector [3]
    :param low, high: extent along the normal [m]
    :param area: of one side [m²]
    """

    faces: IntArray
    normal: FloatArray
    low: float
    high: float
    area: float


class _Surfaces:
    """All triangles of a scene, and the walls and ceilings among them."""

    def __init__(self, scene: SceneModel) -> None:
        self.triangles = np.concatenate([o.vertices[o.faces] for o in scene.objects])
        sizes = [len(o.faces) for o in scene.objects]
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.box = framing_box(scene)
        self.extent = self.box[1] - self.box[0]
        self.diagonal = float(np.linalg.norm(self.extent))
        self.normals, self.areas = _normals(self.triangles), _areas(self.triangles)
        self.centres = self.triangles.mean(axis=1)

    def seen_by(self, camera: Camera) -> Seen:
        """The triangles, without the walls and ceilings that hide the inside from the camera."""
        gone = np.zeros(len(self.triangles), bool)
        limit = np.full(len(self.triangles), np.inf)
        for group in self.walls:
            side = self._outer_side(group, camera)
            if side is None:
                continue
            faces = self._with_inserts(group)
            if side[2] > 0.5:
                gone[faces] = True
            else:
                heights = self.triangles[group.faces][..., 2]
                low, high = float(heights.min()), float(heights.max())
                limit[faces] = np.minimum(limit[faces], low + STUB * (high - low))
        # Lowering the vertices keeps the upper side of a wall closed, slicing would not.
        gone |= self.triangles[..., 2].min(axis=1) >= limit
        pressed = self.triangles.copy()
        pressed[..., 2] = np.minimum(pressed[..., 2], limit[:, None])
        gone |= (_areas(pressed) == 0.0) & (self.areas > 0.0)
        return Seen(camera, pressed[~gone], self.owner[~gone])

    @functools.cached_property
    def walls(self) -> list[_Panel]:
        """Panels merged plane by plane, if they cover a good part of the scene."""
        waiting = sorted(self._panels(), key=lambda panel: -panel.area)
        found = []
        while waiting:
            seed = waiting[0]
            normals = np.array([panel.normal for panel in waiting])
            same = np.abs(normals @ seed.normal) > 0.99
            middle = np.array([self.centres[p.faces].mean(axis=0) for p in waiting]) @ seed.normal
            same &= np.abs(middle - middle[0]) < SAME_PLANE * self.diagonal
            same[0] = True
            group = [panel for panel, there in zip(waiting, same, strict=True) if there]
            waiting = [panel for panel, there in zip(waiting, same, strict=True) if not there]
            faces = np.concatenate([panel.faces for panel in group])
            along = self.triangles[faces] @ seed.normal
            area = sum(panel.area for panel in group)
            wall = _Panel(faces, seed.normal, float(along.min()), float(along.max()), area)
            if self._covers(wall):
                found.append(wall)
        return found

    def _panels(self) -> list[_Panel]:
        panels = []
        # Includes the ground, so that a lone house on it does not count as a room.
        whole = np.ptp(self.triangles.reshape(-1, 3)[:, :2], axis=0)
        for first, size in zip(self.first, np.bincount(self.owner), strict=True):
            faces = np.arange(first, first + size)
            panel = self._panel(faces)
            points = self.triangles[faces].reshape(-1, 3)
            if panel is not None:
                panels.append(panel)
            elif (np.ptp(points[:, :2], axis=0) >= SPANNING * whole).all():
                panels += [p for part in self._planes(faces) if (p := self._panel(part))]
        return panels

    def _panel(self, faces: IntArray) -> _Panel | None:
        """The faces as one panel, or None if they are not flat."""
        normals, areas = self.normals[faces], self.areas[faces]
        if not areas.max() > 0.0:
            return None
        normal = normals[np.argmax(areas)]
        points = self.triangles[faces].reshape(-1, 3)
        along = points @ normal
        level = np.cross(normal, [0.0, 0.0, 1.0] if abs(normal[2]) < 0.9 else [1.0, 0.0, 0.0])
        level /= np.linalg.norm(level)
        sides = np.ptp(points @ np.column_stack([level, np.cross(normal, level)]), axis=0)
        thickness = float(np.ptp(along))
        if thickness > THIN * sides.min():
            return None
        parallel = float(areas[np.abs(normals @ normal) > 0.99].sum())
        sheet = thickness < 1e-6 * self.diagonal
        area = parallel if sheet else parallel / 2
        return _Panel(faces, normal, float(along.min()), float(along.max()), area)

    def _planes(self, faces: IntArray) -> list[IntArray]:
        """The faces, plane by plane."""
        normals = self.normals[faces]
        step = 0.002 * self.diagonal
        offset = np.round(np.einsum("ti,ti->t", self.centres[faces], normals) / step)
        labels = np.column_stack([np.round(normals, 2) + 0.0, offset])
        _, plane = np.unique(labels, axis=0, return_inverse=True)
        order = np.argsort(plane, kind="stable")
        return np.split(faces[order], np.cumsum(np.bincount(plane))[:-1])

    def _covers(self, panel: _Panel) -> bool:
        x, y, z = np.abs(panel.normal)
        if z > 0.5:
            return bool(panel.area * z >= ROOFED * self.extent[0] * self.extent[1])
        width = (y * self.extent[0] + x * self.extent[1]) / np.hypot(x, y)
        return bool(panel.area >= WALLED * width * self.extent[2])

    def _outer_side(self, panel: _Panel, camera: Camera) -> FloatArray | None:
        """The panel's normal on the camera's side; None if that is not the outer side."""
        normal, low, high = panel.normal, panel.low, panel.high
        if camera.origin @ normal < low:
            normal, low, high = -normal, -high, -low
        if camera.origin @ normal <= high:
            return None
        rest = np.ones(len(self.triangles), bool)
        rest[panel.faces] = False
        along = self.centres @ normal
        inside = float(self.areas[rest & (along < low)].sum())
        outside = float(self.areas[rest & (along > high)].sum())
        outer = inside > 0.0 and outside <= OUTSIDE * (inside + outside)
        return normal if outer else None

    def _with_inserts(self, panel: _Panel) -> IntArray:
        """The panel's faces, and those of doors and windows: objects within its thickness."""
        pad = SET_IN * self.diagonal
        along = self.triangles @ panel.normal
        within = ((along >= panel.low - pad) & (along <= panel.high + pad)).all(axis=1)
        whole = np.logical_and.reduceat(within, self.first)
        return np.union1d(panel.faces, np.flatnonzero(whole[self.owner]))


def _framed(box: FloatArray, direction: FloatArray, up: FloatArray, aspect: float) -> Camera:
    """The nearest camera in a direction whose picture holds the whole box [2,3]."""
    corners = np.array([[x, y, z] for x in box[:, 0] for y in box[:, 1] for z in box[:, 2]])
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    upwards = np.cross(direction, right)
    slope = np.tan(np.radians(FIELD_OF_VIEW / 2)) / MARGIN
    target = box.mean(axis=0)
    for _ in range(20):  # the middle of the picture shifts with perspective, and converges soon
        seen = corners - target
        nearer, across, above = seen @ direction, seen @ right, seen @ upwards
        distance = float(
            np.max(nearer + np.maximum(np.abs(across), np.abs(above) * aspect) / slope)
        )
        depth = distance - nearer
        for axis, values in ((right, across / depth), (upwards, above / depth)):
            target = target + axis * 0.5 * distance * (values.min() + values.max()) / 2
    light = float(np.degrees(np.arctan2(-right[1], -right[0])) + LIGHT_BEHIND)
    return Camera(target + distance * direction, target, up, light)


def _normals(triangles: FloatArray) -> FloatArray:
    """Unit normals [T,3] of triangles [T,3,3]; zero where there is no area."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    return np.divide(cross, length, out=np.zeros_like(cross), where=length > 0.0)


def _areas(triangles: FloatArray) -> FloatArray:
    """Areas [T] of triangles [T,3,3]."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.asarray(np.linalg.norm(cross, axis=1) / 2)
