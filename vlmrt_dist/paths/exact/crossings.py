"""Which surfaces a segment passes through, and which piece of a surface owns a point.

A segment passes through a piece if its ends lie on two sides of the piece's plane, farther from it
than :data:`INSIDE`, and the point between lies on the piece, or as near to it. So a segment within
a plane does not pass through it, nor does one that ends in the edge between two walls.
Of the pieces of one surface the first in the scene's order counts, once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.coincidence import COINCIDENT
from vlmrt_dist.paths.exact.compiling import compiled
from vlmrt_dist.paths.exact.records import Faces, Records

INSIDE = 1e-9
"""How far beyond its edges a piece still reflects and is passed through [m]."""


@compiled
def height_over(mirror: Records, plane: int, x: float, y: float, z: float) -> float:
    """Signed distance [m] of a point from a plane."""
    m = mirror[plane]
    return m.a * x + m.b * y + m.c * z - m.o


@compiled
def point_height(mirror: Records, plane: int, points: NDArray[np.float64], i: int) -> float:
    """Signed distance [m] of point ``i`` of [n, 3] from a plane."""
    m = mirror[plane]
    return m.a * points[i, 0] + m.b * points[i, 1] + m.c * points[i, 2] - m.o


@compiled
def depth_inside(faces: Faces, g: int, x: float, y: float, z: float) -> float:
    """Distance [m] of a point of a piece's plane from the nearest edge line, negative outside."""
    corner, first = faces.corner, faces.piece[g].first
    least = np.inf
    for j in range(first, first + faces.piece[g].count):
        e = corner[j]
        least = min(least, e.a * x + e.b * y + e.c * z - e.o)
    return least


@compiled
def inside_piece(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether a point of a piece's plane lies on the piece."""
    corner, first = faces.corner, faces.piece[g].first
    for j in range(first, first + faces.piece[g].count):
        e = corner[j]
        if e.a * x + e.b * y + e.c * z - e.o < -INSIDE:
            return False
    return True


@compiled
def holds(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether a point lies on a piece, as near to its plane as one surface's pieces are."""
    height = height_over(faces.mirror, faces.piece[g].plane, x, y, z)
    return abs(height) <= 2.0 * COINCIDENT and inside_piece(faces, g, x, y, z)


@compiled
def is_owner(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether no earlier piece of the same surface holds a point of piece ``g``."""
    surface = faces.piece[g].surface
    for k in range(faces.first[surface], faces.first[surface + 1]):
        h = faces.member[k]
        if h >= g:
            break
        if holds(faces, h, x, y, z):
            return False
    return True


@compiled
def crossings(
    faces: Faces,
    ends: NDArray[np.float64],
    skipped: tuple[int, int],
    budget: int,
    passed: Records,
    start: int,
) -> int:
    """Write the pieces that a segment passes through, in order.

    :param ends: [2, 3] where the segment begins and ends [m]
    :param skipped: surfaces that it begins and ends on, -1 for none
    :param budget: most pieces
    :param passed: of PASSED, written from entry ``start`` on
    :return: how many, or -1 where they are more than ``budget``
    """
    nodes, order = faces.tree
    hx, hy = 0.5 * (ends[1, 0] - ends[0, 0]), 0.5 * (ends[1, 1] - ends[0, 1])
    hz = 0.5 * (ends[1, 2] - ends[0, 2])
    mx, my, mz = ends[0, 0] + hx, ends[0, 1] + hy, ends[0, 2] + hz
    ax, ay, az = abs(hx), abs(hy), abs(hz)
    node, number = 0, 0
    while node < nodes.shape[0]:
        # No axis of box and segment, nor a cross product of two, may separate them.
        n = nodes[node]
        x, y, z = mx - n.x, my - n.y, mz - n.z
        if (
            abs(x) > n.half_x + ax
            or abs(y) > n.half_y + ay
            or abs(z) > n.half_z + az
            or abs(y * hz - z * hy) > n.half_y * az + n.half_z * ay + INSIDE
            or abs(z * hx - x * hz) > n.half_z * ax + n.half_x * az + INSIDE
            or abs(x * hy - y * hx) > n.half_x * ay + n.half_y * ax + INSIDE
        ):
            node = n.skip
            continue
        for k in range(n.first, n.first + n.count):
            g = order[k]
            surface = faces.piece[g].surface
            if surface == skipped[0] or surface == skipped[1]:
                continue
            t = crossed_at(faces, g, ends)
            if t >= 0.0 and not _known(passed, start, number, surface, g):
                if number == budget:
                    return -1
                _insert(passed, start + number, start, g, surface, t)
                number += 1
        node += 1
    return number


@compiled
def crossed_at(faces: Faces, g: int, ends: NDArray[np.float64]) -> float:
    """Fraction of the way at which a segment passes through piece ``g``, -1.0 where it does not."""
    plane = faces.piece[g].plane
    here = point_height(faces.mirror, plane, ends, 0)
    there = point_height(faces.mirror, plane, ends, 1)
    if (here > 0.0) == (there > 0.0) or min(abs(here), abs(there)) <= INSIDE:
        return -1.0
    t = here / (here - there)
    x = ends[0, 0] + t * (ends[1, 0] - ends[0, 0])
    y = ends[0, 1] + t * (ends[1, 1] - ends[0, 1])
    z = ends[0, 2] + t * (ends[1, 2] - ends[0, 2])
    return t if inside_piece(faces, g, x, y, z) else -1.0


@compiled
def _known(passed: Records, start: int, number: int, surface: int, g: int) -> bool:
    """Whether a surface is among those met already; the earlier of two pieces stays."""
    for j in range(start, start + number):
        if passed[j].surface == surface:
            passed[j].piece = min(passed[j].piece, g)
            return True
    return False


@compiled
def _insert(passed: Records, j: int, start: int, g: int, surface: int, t: float) -> None:
    """Put a piece in its place among the entries from ``start`` to ``j``; of equal places the
    earlier piece comes first."""
    while j > start and (
        passed[j - 1].at > t or (passed[j - 1].at == t and passed[j - 1].piece > g)
    ):
        passed[j].at, passed[j].piece = passed[j - 1].at, passed[j - 1].piece
        passed[j].surface = passed[j - 1].surface
        j -= 1
    passed[j].at, passed[j].piece, passed[j].surface = t, g, surface


@compiled
def passes_through(
    faces: Faces, body: int, source: NDArray[np.float64], target: NDArray[np.float64], j: int
) -> bool:
    """Whether segment ``j`` enters and leaves a convex body, both well between its ends."""
    enter, leave = 0.0, 1.0
    enters, leaves = False, False
    for q in range(faces.side[body], faces.side[body + 1]):
        sign = faces.mirror[q].outward
        here = sign * point_height(faces.mirror, q, source, j)
        there = sign * point_height(faces.mirror, q, target, j)
        if here > -INSIDE and there > -INSIDE:
            return False
        if here > INSIDE:
            enters = True
            enter = max(enter, here / (here - there))
        elif there > INSIDE:
            leaves = True
            leave = min(leave, here / (here - there))
    return enters and leaves and enter < leave - INSIDE


@compiled
def all_pass_through(
    faces: Faces,
    body: int,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    count: int,
) -> bool:
    """Whether each of ``count`` segments enters and leaves a convex body."""
    for j in range(count):
        if not passes_through(faces, body, source, target, j):
            return False
    return True


@compiled
def all_cross(
    faces: Faces,
    g: int,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    count: int,
) -> bool:
    """Whether each of ``count`` segments passes well inside piece ``g``, well between its ends."""
    plane = faces.piece[g].plane
    for i in range(count):
        here = point_height(faces.mirror, plane, source, i)
        there = point_height(faces.mirror, plane, target, i)
        if (here > 0.0) == (there > 0.0) or min(abs(here), abs(there)) < INSIDE:
            return False
        t = here / (here - there)
        x = source[i, 0] + t * (target[i, 0] - source[i, 0])
        y = source[i, 1] + t * (target[i, 1] - source[i, 1])
        z = source[i, 2] + t * (target[i, 2] - source[i, 2])
        if depth_inside(faces, g, x, y, z) < INSIDE:
            return False
    return True
