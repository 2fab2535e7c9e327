"""Paths deeper than a search is complete to, proposed by launched rays and verified exactly.

Where the image tree is too large to be searched, rays are launched from the transmitter in evenly
spread directions. Whatever a ray meets may reflect it or let it through; the pieces that reflect it
are a proposal. Every proposal is traced back exactly from every receiver, so what is found is a
path; that all of them are found is not proven, since a narrow piece may lie between two rays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.crossings import INSIDE, crossed_at
from vlmrt_dist.paths.exact.image_tree import Listeners, with_room, write_row
from vlmrt_dist.paths.exact.limits import Limits
from vlmrt_dist.paths.exact.records import Faces
from vlmrt_dist.paths.exact.tree_nodes import (
    ON_PLANE,
    allowed,
    image_height,
    make_work,
    reflect_image,
    trace_back,
)

RAYS = 100_000
"""Rays of a setup at a depth of :data:`BRANCHED` at most; half as many for each one more."""

BRANCHED = 5
"""A ray to depth D becomes at most 2^D rays."""

AT_ONCE = 10_000
"""Rays launched before their proposals are put together with those of the earlier ones."""

_GOLDEN = np.pi * (3.0 - np.sqrt(5.0))


def proposed_paths(
    faces: Faces,
    listeners: Listeners,
    tx: NDArray[np.float64],
    limits: Limits,
    complete: int,
    given_up: Callable[[], bool],
) -> NDArray[np.int32]:
    """Paths of more than ``complete`` reflections and transmissions that launched rays propose.

    :param tx: [3] transmitter, shifted [m]
    :param given_up: asked now and then; once it is true, no more rays are launched
    :return: rows as those of :func:`~vlmrt_dist.paths.exact.image_tree.explore`; none where they
        are more than the limit
    """
    number = max(1000, RAYS >> max(0, limits.depth - BRANCHED))
    directions = evenly_spread(number)
    sequences = np.full((1, limits.reflections), -1, np.int32)  # the straight path
    for begin in range(0, number, AT_ONCE):
        if given_up() or limits.reflections == 0:
            break
        new = launch(faces, tx, directions[begin : begin + AT_ONCE], limits)
        sequences = np.unique(np.concatenate([sequences, new]), axis=0)
    rows = verify(faces, listeners, tx, sequences, limits, complete)
    return np.unique(rows, axis=0)


def evenly_spread(number: int) -> NDArray[np.float64]:
    """Unit vectors [number, 3] on a Fibonacci lattice of the sphere."""
    k = np.arange(number) + 0.5
    z = 1.0 - 2.0 * k / number
    radius = np.sqrt(1.0 - z * z)
    return np.column_stack([radius * np.cos(_GOLDEN * k), radius * np.sin(_GOLDEN * k), z])


@allocating
def launch(
    faces: Faces, tx: NDArray[np.float64], directions: NDArray[np.float64], limits: Limits
) -> NDArray[np.int32]:
    """[n, R] pieces that reflect a ray one after the other, -1 behind the last, for every ray and
    every choice of what reflects it; the same ones more than once.

    :param directions: [r, 3] unit vectors in which rays leave the transmitter
    """
    most = limits.depth + 1
    begin, way = np.empty((most, 3)), np.empty((most, 3))
    used = np.zeros((most, 3), np.int64)  # reflections, transmissions, the surface it leaves
    piece = np.full(limits.reflections, -1, np.int32)
    chain = np.full((most, limits.reflections), -1, np.int32)
    far, ends = _diameter(faces, tx), np.empty((2, 3))
    found, written = np.empty((1024, limits.reflections), np.int32), 0
    for r in range(directions.shape[0]):
        begin[0], way[0] = tx, directions[r]
        used[0, 0], used[0, 1], used[0, 2] = 0, 0, -1
        chain[0] = -1
        waiting = 1
        while waiting > 0:
            waiting -= 1
            reflected, passed = used[waiting, 0], used[waiting, 1]
            for c in range(3):
                ends[0, c] = begin[waiting, c]
                ends[1, c] = begin[waiting, c] + far * way[waiting, c]
            g, t = first_met(faces, ends, used[waiting, 2])
            if g < 0:
                continue
            plane = faces.piece[g].plane
            surface = faces.piece[g].surface
            piece[:] = chain[waiting]
            x, y, z = way[waiting]
            for c in range(3):
                begin[waiting, c] = ends[0, c] + t * (ends[1, c] - ends[0, c])
            here = waiting
            if passed < limits.transmissions and reflected + passed + 1 <= limits.depth:
                used[here, 1], used[here, 2] = passed + 1, surface
                waiting += 1
            if reflected < limits.reflections and reflected + passed + 1 <= limits.depth:
                piece[reflected] = g
                if written == found.shape[0]:
                    found = np.concatenate((found, np.empty_like(found)))
                found[written] = piece
                written += 1
                m = faces.mirror[plane]
                along = 2.0 * (m.a * x + m.b * y + m.c * z)
                begin[waiting] = begin[here]
                way[waiting, 0], way[waiting, 1] = x - along * m.a, y - along * m.b
                way[waiting, 2] = z - along * m.c
                used[waiting, 0], used[waiting, 1] = reflected + 1, passed
                used[waiting, 2] = surface
                chain[waiting] = piece
                waiting += 1
    return found[:written]


@compiled
def _diameter(faces: Faces, tx: NDArray[np.float64]) -> float:
    """A length [m] that no segment inside of the scene, nor to it from a transmitter, exceeds."""
    n = faces.tree.node[0]
    x, y, z = abs(tx[0] - n.x), abs(tx[1] - n.y), abs(tx[2] - n.z)
    x, y, z = x + 2.0 * n.half_x, y + 2.0 * n.half_y, z + 2.0 * n.half_z
    return 2.0 * np.sqrt(x * x + y * y + z * z) + 1.0


@compiled
def first_met(faces: Faces, ends: NDArray[np.float64], skipped: int) -> tuple[int, float]:
    """The piece that a segment passes through first, and at which fraction of the way; -1 where
    there is none.

    :param ends: [2, 3] where it begins and ends [m]
    :param skipped: surface that it begins on, or -1
    """
    nodes, order = faces.tree
    met, nearest, node = -1, 1.0, 0
    while node < nodes.shape[0]:
        n = nodes[node]
        enter, leave = _within(n.x, n.half_x, ends, 0, 0.0, nearest)
        enter, leave = _within(n.y, n.half_y, ends, 1, enter, leave)
        enter, leave = _within(n.z, n.half_z, ends, 2, enter, leave)
        if enter > leave:
            node = n.skip
            continue
        for k in range(n.first, n.first + n.count):
            if faces.piece[order[k]].surface != skipped:
                t = crossed_at(faces, order[k], ends)
                if 0.0 <= t < nearest:
                    met, nearest = order[k], t
        node += 1
    return met, nearest


@compiled
def _within(
    middle: float, half: float, ends: NDArray[np.float64], c: int, enter: float, leave: float
) -> tuple[float, float]:
    """The part of [enter, leave] of a segment's way in which coordinate ``c`` lies in a slab."""
    low, high = middle - half - INSIDE - ends[0, c], middle + half + INSIDE - ends[0, c]
    way = ends[1, c] - ends[0, c]
    if way == 0.0:
        return (enter, leave) if low <= 0.0 <= high else (1.0, 0.0)
    one, other = low / way, high / way
    return max(enter, min(one, other)), min(leave, max(one, other))


@allocating
def verify(
    faces: Faces,
    listeners: Listeners,
    tx: NDArray[np.float64],
    sequences: NDArray[np.int32],
    limits: Limits,
    complete: int,
) -> NDArray[np.int32]:
    """The paths over proposed sequences of pieces, traced back exactly.

    :param sequences: [n, R] pieces, -1 behind the last; neighbours should share their first ones
    :param complete: paths of so many interactions are left out
    :return: rows as those of :func:`~vlmrt_dist.paths.exact.image_tree.explore`
    """
    work = make_work(limits.depth, 1, tx)
    rows, written = np.zeros((64, 2 + limits.depth), np.int32), 0
    for k in range(sequences.shape[0]):
        last = 0
        while last < sequences.shape[1] and sequences[k, last] >= 0:
            piece = faces.piece[sequences[k, last]]
            height = image_height(faces, piece.plane, work.level, last)
            if abs(height) < ON_PLANE:
                break
            reflect_image(faces, piece.plane, height, work.level, last)
            last += 1
            image = work.level[last]
            image.piece, image.plane = sequences[k, last - 1], piece.plane
            image.surface = piece.surface
        if last < sequences.shape[1] and sequences[k, last] >= 0:
            continue
        if written > limits.rows:
            return rows[:0]
        rows = with_room(rows, written + len(listeners.point))
        for n in range(len(listeners.point)):
            passed = trace_back(faces, work, last, listeners.point, n, allowed(limits, last))
            if passed >= 0 and last + passed > complete:
                write_row(rows, written, work, last, n, passed)
                written += 1
    return rows[:written].copy()
