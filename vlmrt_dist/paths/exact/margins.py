"""How far each path is from gaining or losing an interaction: its edge margin.

Where a path reflects from a surface or passes through it, the margin is the distance to the border
of the surface; edges between coplanar pieces are no border. Where a segment misses a surface by
less than :data:`NEAR_MISS`, the margin is that distance. The smallest of them is the path's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.crossings import depth_inside, holds, point_height
from vlmrt_dist.paths.exact.records import Faces

NEAR_MISS = 1e-3
"""Surfaces that a segment misses by more than this [m] have no part in its margin."""

_BEYOND = 1e-6
"""How far behind an edge the next piece of the same surface is looked for [m]."""


@allocating
def edge_margins(
    faces: Faces,
    tx: NDArray[np.float64],
    rx: NDArray[np.float64],
    rows: NDArray[np.int32],
) -> NDArray[np.float64]:
    """[P] edge margins [m] of the paths of one setup; infinite where no surface is near.

    :param tx: [3] transmitter
    :param rx: [N, 3] receivers
    :param rows: [P, 2 + W] as :func:`~vlmrt_dist.paths.exact.image_tree.explore` returns them
    """
    margin = np.empty(rows.shape[0])
    point = np.zeros((rows.shape[1], 3))
    mirrors = np.zeros(rows.shape[1], np.int32)
    for p in range(rows.shape[0]):
        number = 0
        for k in range(rows[p, 1]):
            if rows[p, 2 + k] % 2 == 0:
                mirrors[number] = rows[p, 2 + k] // 2
                number += 1
        for c in range(3):
            point[number + 1, c] = rx[rows[p, 0], c]
        _points_of_reflection(faces, tx, mirrors, number, point)
        least = np.inf
        for i in range(1, number + 1):
            g = mirrors[i - 1]
            least = _to_border(faces, g, point[i, 0], point[i, 1], point[i, 2], least)
        for i in range(number + 1):
            before = faces.piece[mirrors[i - 1]].surface if i > 0 else -1
            after = faces.piece[mirrors[i]].surface if i < number else -1
            least = _along(faces, point[i : i + 2], (before, after), least)
        margin[p] = least
    return margin


@compiled
def _points_of_reflection(
    faces: Faces,
    tx: NDArray[np.float64],
    mirrors: NDArray[np.int32],
    number: int,
    point: NDArray[np.float64],
) -> None:
    """Write the path's points 0 to ``number``; its last, ``number`` + 1, is there already."""
    for c in range(3):
        point[0, c] = tx[c]
    for i in range(number):  # images first, in the place of the points
        m = faces.mirror[faces.piece[mirrors[i]].plane]
        height = point_height(faces.mirror, faces.piece[mirrors[i]].plane, point, i)
        point[i + 1, 0] = point[i, 0] - 2.0 * height * m.a
        point[i + 1, 1] = point[i, 1] - 2.0 * height * m.b
        point[i + 1, 2] = point[i, 2] - 2.0 * height * m.c
    for i in range(number, 0, -1):
        plane = faces.piece[mirrors[i - 1]].plane
        here = point_height(faces.mirror, plane, point, i)
        there = point_height(faces.mirror, plane, point, i + 1)
        t = here / (here - there)
        for c in range(3):
            point[i, c] += t * (point[i + 1, c] - point[i, c])


@compiled
def _along(
    faces: Faces, ends: NDArray[np.float64], skipped: tuple[int, int], least: float
) -> float:
    """The smaller of ``least`` and the margins of what a segment passes through or nearly does."""
    nodes, order = faces.tree
    hx, hy = 0.5 * (ends[1, 0] - ends[0, 0]), 0.5 * (ends[1, 1] - ends[0, 1])
    hz = 0.5 * (ends[1, 2] - ends[0, 2])
    mx, my, mz = ends[0, 0] + hx, ends[0, 1] + hy, ends[0, 2] + hz
    ax, ay, az = abs(hx), abs(hy), abs(hz)
    node = 0
    while node < nodes.shape[0]:
        n = nodes[node]
        x, y, z = mx - n.x, my - n.y, mz - n.z
        bx, by, bz = n.half_x + NEAR_MISS, n.half_y + NEAR_MISS, n.half_z + NEAR_MISS
        if (
            abs(x) > bx + ax
            or abs(y) > by + ay
            or abs(z) > bz + az
            or abs(y * hz - z * hy) > by * az + bz * ay
            or abs(z * hx - x * hz) > bz * ax + bx * az
            or abs(x * hy - y * hx) > bx * ay + by * ax
        ):
            node = n.skip
            continue
        for k in range(n.first, n.first + n.count):
            surface = faces.piece[order[k]].surface
            if surface != skipped[0] and surface != skipped[1]:
                least = _past(faces, order[k], ends, least)
        node += 1
    return least


@compiled
def _past(faces: Faces, g: int, ends: NDArray[np.float64], least: float) -> float:
    """The smaller of ``least`` and a segment's distance, in a piece's plane, from its border."""
    plane = faces.piece[g].plane
    here = point_height(faces.mirror, plane, ends, 0)
    there = point_height(faces.mirror, plane, ends, 1)
    if (here > 0.0) == (there > 0.0):
        return least
    t = here / (here - there)
    x = ends[0, 0] + t * (ends[1, 0] - ends[0, 0])
    y = ends[0, 1] + t * (ends[1, 1] - ends[0, 1])
    z = ends[0, 2] + t * (ends[1, 2] - ends[0, 2])
    depth = depth_inside(faces, g, x, y, z)
    if depth >= 0.0:
        return _to_border(faces, g, x, y, z, least)
    if depth <= -min(NEAR_MISS, least) or _another_holds(faces, g, x, y, z):
        return least
    return -depth


@compiled
def _to_border(faces: Faces, g: int, x: float, y: float, z: float, least: float) -> float:
    """The smaller of ``least`` and the distance of a point of a piece from its surface's border."""
    first = faces.piece[g].first
    for j in range(first, first + faces.piece[g].count):
        e = faces.corner[j]
        distance = e.a * x + e.b * y + e.c * z - e.o
        if distance >= least:
            continue
        step = distance + _BEYOND
        if not _another_holds(faces, g, x - step * e.a, y - step * e.b, z - step * e.c):
            least = max(distance, 0.0)
    return least


@compiled
def _another_holds(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether another piece of the same surface holds a point."""
    surface = faces.piece[g].surface
    for k in range(faces.first[surface], faces.first[surface + 1]):
        if faces.member[k] != g and holds(faces, faces.member[k], x, y, z):
            return True
    return False
