"""Closed convex objects: what enters one of them leaves it again.

Objects that touch or intersect others are not taken, nor is a room around other objects: a ray
inside them may end there or meet other surfaces, and two bodies may share a surface.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.beams import MAX_WINDOW, clip
from vlmrt_dist.paths.exact.coincidence import box_near
from vlmrt_dist.paths.exact.compiling import allocating
from vlmrt_dist.paths.exact.records import BoxTree, Pieces

MAX_SIDES = 64
"""Most planes of a body; more cost more than they save."""

CLEAR = 1e-6
"""Distance [m] that a body keeps from other objects and from antennas."""

_FLAT = 1e-7
"""How far a corner of a convex object may stand out of a plane of it [m]."""


def convex_bodies(
    pieces: Pieces,
    equation: NDArray[np.float64],
    owner: NDArray[np.int32],
    surface: NDArray[np.int32],
    tree: BoxTree,
    closed: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which objects are convex bodies.

    :param equation: [Q, 4] of the planes, those of one object after those of another
    :param owner: [Q] object of each plane
    :param surface: [Q] class of each plane
    :param closed: [K] objects with closed meshes
    :return: whether each object is one [K]; sign [Q] that makes each plane's normal point out of
        its body, 0: there is none
    """
    first = np.searchsorted(owner, np.arange(len(closed) + 1)).astype(np.int32)
    begin = np.searchsorted(owner[pieces.plane], np.arange(len(closed) + 1)).astype(np.int32)
    members = np.bincount(surface, minlength=1)
    alone = np.bincount(owner, members[surface] > 1, minlength=len(closed)) == 0
    candidates = np.flatnonzero(closed & alone & (np.diff(first) <= MAX_SIDES))
    return _convex(pieces, equation, first, begin, tree, candidates.astype(np.int32))


@allocating
def _convex(
    pieces: Pieces,
    equation: NDArray[np.float64],
    first: NDArray[np.int32],
    begin: NDArray[np.int32],
    tree: BoxTree,
    candidates: NDArray[np.int32],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    sign = np.zeros(equation.shape[0])
    convex = np.zeros(first.shape[0] - 1, np.bool_)
    sides = np.empty((MAX_SIDES, 4))
    window, spare = np.empty((MAX_WINDOW, 3)), np.empty((MAX_WINDOW, 4))
    for k in candidates:
        number = first[k + 1] - first[k]
        if number < 4:
            continue
        good = True
        for q in range(first[k], first[k + 1]):
            outward = _outward(pieces, equation[q], begin[k], begin[k + 1])
            sign[q] = outward
            good &= outward != 0.0
            for c in range(4):
                sides[q - first[k], c] = -outward * equation[q, c]
        good = good and _clear(pieces, begin[k], begin[k + 1], sides, number, tree, window, spare)
        convex[k] = good
        if not good:
            sign[first[k] : first[k + 1]] = 0.0
    return convex, sign


@allocating
def _outward(pieces: Pieces, mirror: NDArray[np.float64], begin: int, end: int) -> float:
    """1.0 or -1.0 where all the corners of pieces lie behind a plane, or before it; else 0.0."""
    low, high = np.inf, -np.inf
    for g in range(begin, end):
        for j in range(pieces.corners[g]):
            p = pieces.corner[g, j]
            height = mirror[0] * p[0] + mirror[1] * p[1] + mirror[2] * p[2] - mirror[3]
            low, high = min(low, height), max(high, height)
    if high < _FLAT:
        return 1.0
    return -1.0 if low > -_FLAT else 0.0


@allocating
def _clear(
    pieces: Pieces,
    begin: int,
    end: int,
    sides: NDArray[np.float64],
    number: int,
    tree: BoxTree,
    window: NDArray[np.float64],
    spare: NDArray[np.float64],
) -> bool:
    """Whether no piece of another object reaches into a body, or touches it."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for g in range(begin, end):
        for j in range(pieces.corners[g]):
            low = np.minimum(low, pieces.corner[g, j])
            high = np.maximum(high, pieces.corner[g, j])
    node = 0
    while node < tree.node.shape[0]:
        if not box_near(tree.node, node, low, high, CLEAR):
            node = tree.node[node].skip
            continue
        first = tree.node[node].first
        for k in range(first, first + tree.node[node].count):
            g = tree.order[k]
            if begin <= g < end:
                continue
            for j in range(pieces.corners[g]):
                window[j] = pieces.corner[g, j]
            if clip(window, pieces.corners[g], sides, number, spare, CLEAR) != 0:
                return False
        node += 1
    return True
