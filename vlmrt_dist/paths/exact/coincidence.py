"""Surfaces that lie in the same place, found once for a scene.

Two pieces are one surface where they overlap and lie within :data:`COINCIDENT` of each other
there, or where they are coplanar to :data:`ADJOINING` and touch. Planes that are joined so, through
others too, form a class; a path meets a class once where it meets several of its pieces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.beams import MAX_WINDOW, clip
from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.records import BoxTree, Pieces, Records

COINCIDENT = 5e-5
"""Surfaces no farther apart than this [m] where they overlap are one surface."""

ADJOINING = 1e-8
"""How well pieces that only touch must lie in one plane to be one surface [m]."""

_PARALLEL = 1.0 - 1e-6
"""Least cosine between the normals of one surface's planes."""

_OVERLAP = 1e-8
"""Least overlap [m²] of surfaces that coincide."""


def surface_classes(
    pieces: Pieces, equation: NDArray[np.float64], owner: NDArray[np.int32], tree: BoxTree
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The class of each plane, and which objects share surface.

    :param equation: [Q, 4] of the planes
    :param owner: [Q] object of each plane
    :return: class [Q], numbered by its first plane; pairs of objects [n, 2] that overlap
    """
    joined, pairs = _join(pieces, equation, tree)
    _, surface = np.unique(joined, return_inverse=True)
    between = owner[pairs]
    between = np.unique(np.sort(between[between[:, 0] != between[:, 1]], axis=1), axis=0)
    return surface.reshape(-1).astype(np.int32), between


@allocating
def _join(
    pieces: Pieces, equation: NDArray[np.float64], tree: BoxTree
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """First plane of each plane's class [Q], and pairs of planes [n, 2] that overlap."""
    surface = np.arange(equation.shape[0]).astype(np.int32)
    pairs = np.empty((64, 2), np.int32)
    number = 0
    window, spare = np.empty((MAX_WINDOW, 3)), np.empty((MAX_WINDOW, 4))
    for g in range(pieces.corners.shape[0]):
        low, high = pieces.corner[g, 0].copy(), pieces.corner[g, 0].copy()
        for j in range(pieces.corners[g]):
            low = np.minimum(low, pieces.corner[g, j])
            high = np.maximum(high, pieces.corner[g, j])
        node = 0
        while node < tree.node.shape[0]:
            if not box_near(tree.node, node, low, high, COINCIDENT):
                node = tree.node[node].skip
                continue
            begin = tree.node[node].first
            for k in range(begin, begin + tree.node[node].count):
                h = tree.order[k]
                p, q = pieces.plane[g], pieces.plane[h]
                if h <= g or p == q or abs(_cosine(equation[p], equation[q])) < _PARALLEL:
                    continue
                relation = _relation(pieces, equation, g, h, window, spare)
                if relation == 0:
                    continue
                _unite(surface, p, q)
                if relation == 2:
                    if number == pairs.shape[0]:
                        pairs = np.concatenate((pairs, np.empty_like(pairs)))
                    pairs[number] = (p, q)
                    number += 1
            node += 1
    for q in range(surface.shape[0]):
        surface[q] = surface[surface[q]]
    return surface, pairs[:number].copy()


@compiled
def box_near(
    nodes: Records,
    node: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    reach: float,
) -> bool:
    """Whether a node's box comes within ``reach`` [m] of the box from ``low`` to ``high`` [3]."""
    n = nodes[node]
    return (
        n.x - n.half_x <= high[0] + reach
        and n.x + n.half_x >= low[0] - reach
        and n.y - n.half_y <= high[1] + reach
        and n.y + n.half_y >= low[1] - reach
        and n.z - n.half_z <= high[2] + reach
        and n.z + n.half_z >= low[2] - reach
    )


@compiled
def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _unite(surface: NDArray[np.int32], p: int, q: int) -> None:
    """Join two classes; each plane points at an earlier one of its class, the first at itself."""
    while surface[p] != p:
        p = surface[p]
    while surface[q] != q:
        q = surface[q]
    surface[max(p, q)] = min(p, q)


@allocating
def _relation(
    pieces: Pieces,
    equation: NDArray[np.float64],
    g: int,
    h: int,
    window: NDArray[np.float64],
    spare: NDArray[np.float64],
) -> int:
    """0: two surfaces; 1: one surface, the pieces only touch; 2: one surface, they overlap."""
    mirror = equation[pieces.plane[g]]
    count = pieces.corners[h]
    for j in range(count):
        window[j] = pieces.corner[h, j]
    left = clip(window, count, pieces.edge[g], pieces.corners[g], spare, 0.0)
    near = left >= 3 and _farthest(window, left, mirror) <= COINCIDENT
    if near and polygon_area(window, left) > _OVERLAP:
        return 2
    if (
        _farthest(pieces.corner[h], count, mirror) > ADJOINING
        or _farthest(pieces.corner[g], pieces.corners[g], equation[pieces.plane[h]]) > ADJOINING
    ):
        return 0
    for j in range(count):
        window[j] = pieces.corner[h, j]
    left = clip(window, count, pieces.edge[g], pieces.corners[g], spare, ADJOINING)
    return 1 if left != 0 else 0


@compiled
def _farthest(window: NDArray[np.float64], count: int, mirror: NDArray[np.float64]) -> float:
    """Largest distance [m] of a polygon's corners from a plane."""
    most = 0.0
    for j in range(count):
        most = max(most, abs(_cosine(window[j], mirror) - mirror[3]))
    return most


@compiled
def polygon_area(window: NDArray[np.float64], count: int) -> float:
    """Area [m²] of a convex polygon."""
    x, y, z = 0.0, 0.0, 0.0
    ox, oy, oz = window[0, 0], window[0, 1], window[0, 2]
    for j in range(1, count - 1):
        ax, ay, az = window[j, 0] - ox, window[j, 1] - oy, window[j, 2] - oz
        bx, by, bz = window[j + 1, 0] - ox, window[j + 1, 1] - oy, window[j + 1, 2] - oz
        x += ay * bz - az * by
        y += az * bx - ax * bz
        z += ax * by - ay * bx
    return 0.5 * np.sqrt(x * x + y * y + z * z)
