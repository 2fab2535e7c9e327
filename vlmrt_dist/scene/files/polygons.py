"""Polygons of a mesh file cut into triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.errors import SceneError

MAX_TRIED_CORNERS = 1_000_000
"""Corners of concave polygons that are tried as ears, in one mesh. An outline of n corners takes a
few times n; only a hostile one needs n²."""

_FLAT = 1e-9
"""Area of a corner, as a share of its polygon's squared extent, that counts as none."""


Polygons: TypeAlias = IntArray | Sequence[Sequence[int]]
"""Corners of each polygon, as indices; an array [P,C] where all have equally many."""


def triangulate(vertices: FloatArray, polygons: Polygons, what: str) -> IntArray:
    """Triangles [F,3] of polygons with any number of corners, in the polygons' order.

    A convex polygon is cut into a fan from its first corner, as Mitsuba cuts every polygon. A
    concave one is cut along its outline (ear clipping), because a fan would leave it. Polygons of
    fewer than three corners have no area and are left out.

    :param vertices: [V,3]
    :param polygons: P polygons, whose corners are indices into ``vertices``
    :param what: how errors call the mesh
    :raises SceneError: if concave polygons have too many corners
    """
    if isinstance(polygons, np.ndarray) and polygons.shape[1] == 3:
        return polygons
    concave = _concave(vertices, polygons)
    if isinstance(polygons, np.ndarray):
        if not concave:
            fan = [polygons[:, [0, i, i + 1]] for i in range(1, polygons.shape[1] - 1)]
            return np.stack(fan, axis=1).reshape(-1, 3)
        polygons = polygons.tolist()
    tried = 0
    cut: list[list[int]] = []
    for number, corners in enumerate(polygons):
        if number in concave:
            ears, attempts = _clip_ears(vertices[list(corners)], MAX_TRIED_CORNERS - tried, what)
            tried += attempts
            cut.extend([corners[a], corners[b], corners[c]] for a, b, c in ears)
        else:
            cut.extend([corners[0], corners[i], corners[i + 1]] for i in range(1, len(corners) - 1))
    return np.array(cut, dtype=np.int64).reshape(-1, 3)


def _concave(vertices: FloatArray, polygons: Polygons) -> set[int]:
    """Numbers of the polygons with a corner that points inwards.

    Polygons with a vertex that does not exist are none; the scene refuses them by name.
    """
    by_size: dict[int, list[int]] = {}
    for number, corners in enumerate(polygons):
        if len(corners) > 3:
            by_size.setdefault(len(corners), []).append(number)
    found: set[int] = set()
    for size, numbers in by_size.items():
        index = np.array([polygons[n] for n in numbers], dtype=np.int64).reshape(-1, size)
        known = np.flatnonzero(((index >= 0) & (index < len(vertices))).all(axis=1))
        finite = np.isfinite(vertices[index[known]]).all(axis=(1, 2))
        known = known[finite]
        inward = _turns_inward(vertices[index[known]])
        found.update(np.array(numbers)[known[inward]].tolist())
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


def _clip_ears(
    points: FloatArray, budget: int, what: str
) -> tuple[list[tuple[int, int, int]], int]:
    """Triangles of one polygon [C,3], and the number of corners that were tried.

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
    tried = at = misses = 0
    while len(left) > 3 and misses < len(left):
        tried += 1
        if tried > budget:
            raise SceneError(
                f"{what}: its concave faces have too many corners; triangulate the mesh first"
            )
        at %= len(left)
        a, b, c = left[at - 1], left[at], left[(at + 1) % len(left)]
        if _is_ear(flat, a, b, c, left, least):
            ears.append((a, b, c))
            del left[at]
            at, misses = at - 1 if at else 0, 0
        else:
            at, misses = at + 1, misses + 1
    return ears + [(left[0], left[i], left[i + 1]) for i in range(1, len(left) - 1)], tried


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
