"""Polygons of a mesh file cut into triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.errors import SceneError

MAX_TRIED_CORNERS = 1_000_000
"""Corners of concave polygons that are tried as ears, in one mesh. An outline of n corners takes a
few times n; only a hostile one needs n²."""

MAX_COMPARED = 60_000_000
"""Corners that all of these are compared with, some seconds."""

_FLAT = 1e-9
"""Area of a corner, as a share of its polygon's squared extent, that counts as none."""


MAX_CORNERS = 1_000_000
"""Most corners of one polygon."""

_AT_ONCE = 1_000_000
"""Corners of polygons that are looked at together, which bounds the memory."""


class Polygons(NamedTuple):
    """P polygons, one after the other.

    :param corners: indices of vertices, those of each polygon together
    :param sizes: number of corners of each [P]
    """

    corners: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Polygons:
        """The polygons with these corners each."""
        flat = [corner for each in lists for corner in each]
        return cls(np.array(flat, np.int64), np.array([len(each) for each in lists], np.int64))

    @classmethod
    def alike(cls, corners: IntArray) -> Polygons:
        """P polygons of C corners each [P,C]."""
        count, size = corners.shape
        return cls(corners.astype(np.int64).reshape(-1), np.full(count, size, np.int64))


def triangulate(vertices: FloatArray, polygons: Polygons, what: str) -> IntArray:
    """Triangles [F,3] of polygons with any number of corners, in the polygons' order.

    A convex polygon is cut into a fan from its first corner, as Mitsuba cuts every polygon. A
    concave one is cut along its outline (ear clipping), because a fan would leave it. Polygons of
    fewer than three corners have no area and are left out.

    :param vertices: [V,3]
    :param polygons: P polygons, whose corners are indices into ``vertices``
    :param what: how errors call the mesh
    :raises SceneError: if a polygon, or the concave ones together, have too many corners
    """
    corners, sizes = polygons
    if (sizes == 3).all():
        return corners.reshape(-1, 3)
    if sizes.max() > MAX_CORNERS:
        raise SceneError(f"{what}: a face has more than {MAX_CORNERS} corners")
    begin = np.cumsum(sizes) - sizes
    count = np.maximum(sizes - 2, 0)
    place = np.cumsum(count) - count
    cut = np.zeros((int(count.sum()), 3), np.int64)
    concave: list[int] = []
    for size in np.unique(sizes[sizes > 2]).tolist():
        every, step = np.flatnonzero(sizes == size), max(1, _AT_ONCE // size)
        for some in np.split(every, range(step, len(every), step)):
            index = corners[begin[some, None] + np.arange(size)]
            concave += some[_concave(vertices, index)].tolist() if size > 3 else []
            first = np.broadcast_to(index[:, :1], (len(some), size - 2))
            fan = np.stack([first, index[:, 1:-1], index[:, 2:]], axis=2)
            cut[place[some, None] + np.arange(size - 2)] = fan
    budget = _Budget(what)
    for number in sorted(concave):
        outline = corners[begin[number] : begin[number] + sizes[number]]
        ears = _clip_ears(vertices[outline], budget)
        cut[place[number] : place[number] + count[number]] = outline[np.array(ears)]
    return cut


def _concave(vertices: FloatArray, polygons: IntArray) -> BoolArray:
    """Whether polygons [P,C] have a corner that points inwards [P].

    Polygons with a vertex that does not exist have none; the scene refuses them by name.
    """
    found: BoolArray = np.zeros(len(polygons), bool)
    known = np.flatnonzero(((polygons >= 0) & (polygons < len(vertices))).all(axis=1))
    known = known[np.isfinite(vertices[polygons[known]]).all(axis=(1, 2))]
    found[known] = _turns_inward(vertices[polygons[known]])
    return found


def _turns_inward(points: FloatArray) -> BoolArray:
    """Whether polygons [P,C,3] have a corner that turns against the polygon's sense [P]."""
    before = points - np.roll(points, 1, axis=1)
    turn = np.cross(before, np.roll(before, -1, axis=1))
    normal = _normals(points)
    extent = np.ptp(points, axis=1).max(axis=1)
    along = np.einsum("pcx,px->pc", turn, normal)
    return np.asarray((along < -_FLAT * extent[:, None] ** 2).any(axis=1))


def _normals(points: FloatArray) -> FloatArray:
    """Unit normals [P,3] of polygons [P,C,3] by Newell's method; zero where there is no area."""
    centred = points - points[:, :1]
    total = np.cross(centred, np.roll(centred, -1, axis=1)).sum(axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(length > 0.0, length, 1.0))


class _Budget:
    """Counts what cutting the concave polygons of a mesh costs."""

    def __init__(self, what: str) -> None:
        self._what, self._tried, self._compared = what, 0, 0

    def spend(self, corners: int) -> None:
        """Try one corner of so many that are left.

        :raises SceneError: if that is too much
        """
        self._tried += 1
        self._compared += corners
        if self._tried > MAX_TRIED_CORNERS or self._compared > MAX_COMPARED:
            raise SceneError(
                f"{self._what}: its concave faces have too many corners; triangulate the mesh first"
            )


def _clip_ears(points: FloatArray, budget: _Budget) -> list[tuple[int, int, int]]:
    """Triangles of one polygon [C,3].

    Seen along its normal. Where no corner is an ear (the outline crosses itself), the rest becomes
    a fan.
    """
    normal = _normals(points[None])[0]
    drop = int(np.argmax(np.abs(normal)))
    keep = [(drop + 1) % 3, (drop + 2) % 3]
    flat = points[:, keep] - points[0, keep]
    if normal[drop] < 0.0:
        flat = flat * [1.0, -1.0]
    least = _FLAT * float(np.ptp(flat, axis=0).max()) ** 2
    left = list(range(len(points)))
    ears: list[tuple[int, int, int]] = []
    at = misses = 0
    while len(left) > 3 and misses < len(left):
        budget.spend(len(left))
        at %= len(left)
        a, b, c = left[at - 1], left[at], left[(at + 1) % len(left)]
        if _is_ear(flat, a, b, c, left, least):
            ears.append((a, b, c))
            del left[at]
            at, misses = at - 1 if at else 0, 0
        else:
            at, misses = at + 1, misses + 1
    return ears + [(left[0], left[i], left[i + 1]) for i in range(1, len(left) - 1)]


def _is_ear(flat: FloatArray, a: int, b: int, c: int, left: list[int], least: float) -> bool:
    """Whether the triangle a, b, c of a polygon seen anticlockwise holds no other corner."""
    triangle = flat[[a, b, c]]
    sides = np.roll(triangle, -1, axis=0) - triangle
    if sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0] < -least:
        return False  # the outline turns inwards here
    others = flat[[k for k in left if k not in (a, b, c)]]
    to = others[:, None] - triangle
    inside = sides[:, 0] * to[..., 1] - sides[:, 1] * to[..., 0]
    corner = (others[:, None] == triangle).all(axis=2).any(axis=1)  # a slit touches itself
    return not ((inside > -least).all(axis=1) & ~corner).any()
