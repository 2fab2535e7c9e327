"""Which surfaces a segment passes through, and which piece of a surface owns a point.

A segment crosses a piece if its ends lie on two sides of the piece's plane and the point between
lies within :data:`INSIDE` of the piece. A segment within a plane does not cross it. Of the pieces
of one surface the first in the scene's order counts, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.coincidence import COINCIDENT
from vlmrt_dist.paths.compiling import compiled

if TYPE_CHECKING:
    from vlmrt_dist.paths.faces import Faces

INSIDE = 1e-9
"""How far beyond its edges a piece still reflects and is crossed [m]."""


@compiled
def inside_piece(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether a point of a piece's plane lies on the piece."""
    edge = faces.pieces.edge
    for j in range(faces.pieces.count[g]):
        if edge[g, j, 0] * x + edge[g, j, 1] * y + edge[g, j, 2] * z - edge[g, j, 3] < -INSIDE:
            return False
    return True


@compiled
def is_owner(faces: Faces, g: int, x: float, y: float, z: float) -> bool:
    """Whether no earlier piece of the same surface holds a point of piece ``g``."""
    mirrors = faces.mirrors
    surface = mirrors.surface[faces.pieces.plane[g]]
    for k in range(mirrors.first[surface], mirrors.first[surface + 1]):
        h = mirrors.member[k]
        if h >= g:
            break
        n = mirrors.equation[faces.pieces.plane[h]]
        if abs(n[0] * x + n[1] * y + n[2] * z - n[3]) <= 2.0 * COINCIDENT and inside_piece(
            faces, h, x, y, z
        ):
            return False
    return True


@compiled
def crossings(
    faces: Faces,
    ends: NDArray[np.float64],
    skipped: tuple[int, int],
    budget: int,
    crossed: NDArray[np.int32],
    at: NDArray[np.float64],
) -> int:
    """Write the pieces that a segment crosses, in order; return how many, or -1 beyond ``budget``.

    :param ends: [2, 3] where the segment begins and ends [m]
    :param skipped: surfaces that it begins and ends on, -1 for none
    :param crossed: pieces, written; room for ``budget`` of them
    :param at: fraction of the way to each, written
    """
    tree, order = faces.tree, faces.tree.order
    half = 0.5 * (ends[1] - ends[0])
    middle = ends[0] + half
    reach = np.abs(half)
    node, number = 0, 0
    while node < tree.skip.shape[0]:
        if not _passes_box(tree.box[node], middle, half, reach):
            node = tree.skip[node]
            continue
        for k in range(tree.first[node], tree.first[node] + tree.count[node]):
            g = order[k]
            surface = faces.mirrors.surface[faces.pieces.plane[g]]
            if surface == skipped[0] or surface == skipped[1]:
                continue
            t = crossed_at(faces, g, ends)
            if t >= 0.0 and not _known(faces, surface, g, crossed, number):
                if number == budget:
                    return -1
                _insert(crossed, at, number, g, t)
                number += 1
        node += 1
    return number


@compiled
def crossed_at(faces: Faces, g: int, ends: NDArray[np.float64]) -> float:
    """Fraction of the way at which a segment crosses piece ``g``, -1.0 where it does not."""
    n = faces.mirrors.equation[faces.pieces.plane[g]]
    here = n[0] * ends[0, 0] + n[1] * ends[0, 1] + n[2] * ends[0, 2] - n[3]
    there = n[0] * ends[1, 0] + n[1] * ends[1, 1] + n[2] * ends[1, 2] - n[3]
    if (here > 0.0) == (there > 0.0):
        return -1.0
    t = here / (here - there)
    x = ends[0, 0] + t * (ends[1, 0] - ends[0, 0])
    y = ends[0, 1] + t * (ends[1, 1] - ends[0, 1])
    z = ends[0, 2] + t * (ends[1, 2] - ends[0, 2])
    return t if inside_piece(faces, g, x, y, z) else -1.0


@compiled
def _passes_box(
    box: NDArray[np.float64],
    middle: NDArray[np.float64],
    half: NDArray[np.float64],
    reach: NDArray[np.float64],
) -> bool:
    """Whether a segment, given by its middle and half its way, may meet a box: no axis of either,
    nor a cross product of two, separates them."""
    x, y, z = middle[0] - box[0], middle[1] - box[1], middle[2] - box[2]
    if abs(x) > box[3] + reach[0] or abs(y) > box[4] + reach[1] or abs(z) > box[5] + reach[2]:
        return False
    if abs(y * half[2] - z * half[1]) > box[4] * reach[2] + box[5] * reach[1] + INSIDE:
        return False
    if abs(z * half[0] - x * half[2]) > box[5] * reach[0] + box[3] * reach[2] + INSIDE:
        return False
    return abs(x * half[1] - y * half[0]) <= box[3] * reach[1] + box[4] * reach[0] + INSIDE


@compiled
def _known(
    faces: Faces, surface: int, g: int, crossed: NDArray[np.int32], number: int
) -> bool:
    """Whether a surface is among those crossed already; the earlier of two pieces stays."""
    for j in range(number):
        if faces.mirrors.surface[faces.pieces.plane[crossed[j]]] == surface:
            crossed[j] = min(crossed[j], g)
            return True
    return False


@compiled
def _insert(
    crossed: NDArray[np.int32], at: NDArray[np.float64], number: int, g: int, t: float
) -> None:
    """Put a crossing in its place along the segment; of equal ones the earlier piece first."""
    j = number
    while j > 0 and (at[j - 1] > t or (at[j - 1] == t and crossed[j - 1] > g)):
        at[j], crossed[j] = at[j - 1], crossed[j - 1]
        j -= 1
    at[j], crossed[j] = t, g


@compiled
def passes_through(
    faces: Faces, body: int, start: NDArray[np.float64], end: NDArray[np.float64]
) -> bool:
    """Whether a segment enters and leaves a convex body, both well between its ends."""
    side = faces.bodies.side
    enter, leave = 0.0, 1.0
    enters, leaves = False, False
    for k in range(faces.bodies.first[body], faces.bodies.first[body + 1]):
        n = side[k]
        here = n[0] * start[0] + n[1] * start[1] + n[2] * start[2] - n[3]
        there = n[0] * end[0] + n[1] * end[1] + n[2] * end[2] - n[3]
        if here > -INSIDE and there > -INSIDE:
            return False
        if here > INSIDE:
            enters = True
            enter = max(enter, here / (here - there))
        elif there > INSIDE:
            leaves = True
            leave = min(leave, here / (here - there))
    return enters and leaves and enter < leave - INSIDE
