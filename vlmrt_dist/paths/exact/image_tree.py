"""Depth-first search of the image tree: every specular path of a setup, exactly.

A path is a sequence of reflecting pieces and the surfaces that its straight segments pass through.
Nodes are cut where no path of at most ``depth`` interactions can follow; paths are judged by exact
back-tracing alone, so the bounds decide how long it takes and never what is found. The last level
is asked from the receivers' side: which mirror images of the receivers lie in the beam.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.beams import boxes_in_beam, pairs_in_beam
from vlmrt_dist.paths.exact.box_tree import LEAF_SIZE, build_pair_tree, build_tree
from vlmrt_dist.paths.exact.compiling import allocating, compiled, inlined
from vlmrt_dist.paths.exact.crossings import inside_piece, point_height
from vlmrt_dist.paths.exact.limits import Limits
from vlmrt_dist.paths.exact.records import BoxTree, Faces, PairTree
from vlmrt_dist.paths.exact.tree_nodes import (
    ON_PLANE,
    Work,
    allowed,
    blockers,
    body_crossings,
    enter,
    image_height,
    make_work,
    open_beam,
    open_window,
    reflect_image,
    trace_back,
)
from vlmrt_dist.paths.exact.visibility import NEVER, bounds_from

STRAIGHT = -1
"""Among the roots of a search: the straight paths."""

FEW = 64
"""First reflections, for each receiver, up to which the second is not asked from the receivers."""

MAX_BOUNDS = 2_000_000
"""Pieces times antennas of a setup up to which it is found out what the antennas see: some seconds
and 200 MB. Beyond, as in scanned meshes, the search goes without."""

MANY_RECEIVERS = 16
"""With more receivers than this a node asks a tree for those in its beam."""


class Listeners(NamedTuple):
    """The N receivers of a setup and their mirror images.

    :param point: [N, 3] receivers [m]
    :param tree: over the receivers
    :param asked: whether last reflections are asked from the images; else there are none
    :param images: tree over their I images, each with the box around the plane's pieces
    :param receiver: [I] receiver of each image
    :param plane: [I] plane that it is mirrored by
    :param bound: [G, N] crossings of every way from a receiver to a piece, at least
    :param least: [G] the smallest of them over the receivers
    """

    point: NDArray[np.float64]
    tree: BoxTree
    asked: bool
    images: PairTree
    receiver: NDArray[np.int32]
    plane: NDArray[np.int32]
    bound: NDArray[np.uint8]
    least: NDArray[np.uint8]


@allocating
def make_listeners(
    faces: Faces,
    convex: NDArray[np.bool_],
    rx: NDArray[np.float64],
    limits: Limits,
    asked: bool,
) -> Listeners:
    """The receivers [N, 3] of a setup, with the images that a last reflection may be asked from.

    The last level is asked below a node whose paths may pass through nothing more, but where the
    cap on reflections ends them. So images are left out where the way from the receiver to every
    piece of the plane is known to be blocked.

    :param asked: whether images are to be asked
    """
    bound = np.zeros((len(faces.piece), len(rx)), np.uint8)
    spare = allowed(limits, limits.reflections)
    planes = len(faces.mirror) if asked else 0
    most = len(rx) * planes
    low, high = np.empty((most, 6)), np.empty((most, 6))
    receiver, plane = np.empty(most, np.int32), np.empty(most, np.int32)
    number = 0
    for n in range(len(rx)):
        if planes > 0:
            bound[:, n] = bounds_from(faces, convex, rx[n], limits, max(0, spare) + 1)
        for q in range(planes):
            if _least_of_plane(faces, bound, q, n) > spare:
                continue
            _enclose_plane(faces, q, low[number], high[number])
            height = point_height(faces.mirror, q, rx, n)
            normal = (faces.mirror[q].a, faces.mirror[q].b, faces.mirror[q].c)
            for c in range(3):
                low[number, 3 + c] = rx[n, c] - 2.0 * height * normal[c]
                high[number, 3 + c] = low[number, 3 + c]
            receiver[number], plane[number] = n, q
            number += 1
    images = build_pair_tree(low[:number], high[:number])
    least = np.full(len(faces.piece), NEVER, np.uint8)
    for g in range(len(least)):
        for n in range(len(rx)):
            least[g] = min(least[g], bound[g, n])
    tree = build_tree(rx, rx, LEAF_SIZE)
    return Listeners(rx, tree, asked, images, receiver[:number], plane[:number], bound, least)


@compiled
def _least_of_plane(faces: Faces, bound: NDArray[np.uint8], plane: int, n: int) -> int:
    first, least = faces.mirror[plane].first, NEVER
    for g in range(first, first + faces.mirror[plane].count):
        least = min(least, bound[g, n])
    return least


@allocating
def make_ends(
    faces: Faces,
    convex: NDArray[np.bool_],
    tx: NDArray[np.float64],
    rx: NDArray[np.float64],
    limits: Limits,
) -> tuple[Listeners, NDArray[np.int32]]:
    """The receivers [N, 3] with their images, and the roots of a search: STRAIGHT, and the pieces
    that a first reflection may be at.

    Where a transmitter [3] sees little and paths reflect twice at most, following its few beams
    costs less than finding out what the receivers see; where there are more pieces and receivers
    than :data:`MAX_BOUNDS` says, finding that out would take longer than may be waited for.
    """
    pieces = len(faces.piece) if limits.reflections > 0 else 0
    bound = np.zeros(pieces, np.uint8)
    asked = limits.reflections > 1 and pieces * (1 + len(rx)) <= MAX_BOUNDS
    if asked:
        most = allowed(limits, 2)
        bound = bounds_from(faces, convex, tx, limits, max(0, most) + 1)
        asked = limits.reflections > 2 or (bound <= most).sum() > FEW * len(rx)
    listeners = make_listeners(faces, convex, rx, limits, asked)
    roots = np.empty(1 + pieces, np.int32)
    roots[0], number = STRAIGHT, 1
    for g in range(pieces):
        if _of_use(listeners, limits, 1, g, bound[g]):
            roots[number] = g
            number += 1
    return listeners, roots[:number]


@inlined
def _of_use(listeners: Listeners, limits: Limits, level: int, g: int, bound: int) -> bool:
    """Whether a node of ``level`` that reflects at piece ``g`` and has so many crossings behind it
    may have nodes below, or paths to a receiver."""
    if bound <= allowed(limits, level + 1):
        return True
    return bound + listeners.least[g] <= allowed(limits, level)


@compiled
def _enclose_plane(
    faces: Faces, plane: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    """Write the box around the pieces of a plane."""
    mirror = faces.mirror[plane]
    last = faces.piece[mirror.first + mirror.count - 1]
    for c in range(3):
        low[c], high[c] = np.inf, -np.inf
    for j in range(faces.piece[mirror.first].first, last.first + last.count):
        corner = faces.corner[j]
        low[0], high[0] = min(low[0], corner.x), max(high[0], corner.x)
        low[1], high[1] = min(low[1], corner.y), max(high[1], corner.y)
        low[2], high[2] = min(low[2], corner.z), max(high[2], corner.z)


@allocating
def explore(
    faces: Faces,
    listeners: Listeners,
    convex: NDArray[np.bool_],
    tx: NDArray[np.float64],
    roots: NDArray[np.int32],
    limits: Limits,
    spent: NDArray[np.int64],
) -> tuple[NDArray[np.int32], int]:
    """The paths whose first reflection is at one of ``roots``.

    :param convex: [K] bodies without antennas
    :param tx: [3] transmitter [m]
    :param roots: pieces, or STRAIGHT
    :param spent: [1] steps of all the searches of a setup that run side by side; added to. Threads
        may miss each other's steps, so it is never too large
    :return: rows of receiver, number of interactions and, for each, 2 · piece + 1 where it is
        passed, 2 · piece where it reflects [P, 2 + depth]; steps taken, more than the limit where
        the search was given up
    """
    work = make_work(limits.depth, len(faces.piece), tx)
    state = work.level
    found = np.empty(max(len(listeners.receiver), len(listeners.point)), np.int32)
    rows = np.zeros((64, 2 + limits.depth), np.int32)
    written, steps, level = 0, 0, 0
    counted = 0
    work.candidate[0, : len(roots)] = roots
    state[0].number = len(roots)
    while level >= 0:
        if state[level].position == state[level].number:
            level -= 1
            continue
        g = work.candidate[level, state[level].position]
        state[level].position += 1
        steps += 1
        spent[0] += steps - counted
        counted = steps
        if max(steps, spent[0]) > limits.steps or written > limits.rows:
            return rows[:0], limits.steps + 1
        if g == STRAIGHT:
            found[: len(listeners.point)] = np.arange(len(listeners.point))
            rows = with_room(rows, written + len(listeners.point))
            written = _listen(
                faces, listeners, work, 0, len(listeners.point), found, limits, rows, written
            )
            continue
        if not enter(faces, convex, state, level, g, limits):
            continue
        if not _of_use(listeners, limits, level + 1, g, state[level + 1].bound):
            continue
        if not open_window(faces, work, level + 1):
            continue
        heard = _in_beam(faces, listeners, work, level + 1, limits, found)
        if heard > 0:
            steps += heard
            rows = with_room(rows, written + heard)
            written = _listen(
                faces, listeners, work, level + 1, heard, found, limits, rows, written
            )
        if not _goes_on(faces, convex, work, level + 1, limits):
            continue
        level += 1
        beam, sides, reach = work.beam[level], state[level].sides, work.reach[level]
        if listeners.asked and state[level].bound > allowed(limits, level + 2):
            apex = (state[level].x, state[level].y, state[level].z)
            number, looked = pairs_in_beam(listeners.images, apex, beam, sides, reach, found)
            steps += looked + number
            rows = with_room(rows, written + number)
            written = _last_level(
                faces, listeners, convex, work, level, number, found, limits, rows, written
            )
            level -= 1
            continue
        state[level].number = boxes_in_beam(faces.tree, beam, sides, reach, work.candidate[level])
        state[level].position = 0
    return rows[:written], steps


@inlined
def _in_beam(
    faces: Faces,
    listeners: Listeners,
    work: Work,
    level: int,
    limits: Limits,
    found: NDArray[np.int32],
) -> int:
    """Write the receivers that the node of ``level`` may reach; return how many."""
    here, number = work.level[level], len(listeners.point)
    spare = allowed(limits, level) - here.bound
    # What reflects inside of a body has entered it on the way to a receiver, too.
    if listeners.least[here.piece] > spare:
        return 0
    if number <= MANY_RECEIVERS:
        for n in range(number):
            found[n] = n
    else:
        open_beam(faces, work, level)
        number = boxes_in_beam(
            listeners.tree, work.beam[level], here.sides, work.reach[level], found
        )
    kept = 0
    for k in range(number):
        if listeners.bound[here.piece, found[k]] <= spare:
            found[kept] = found[k]
            kept += 1
    return kept


@inlined
def _goes_on(
    faces: Faces, convex: NDArray[np.bool_], work: Work, level: int, limits: Limits
) -> bool:
    """Whether the node of ``level`` may have nodes below; if so, its bound and beam are final."""
    here, most = work.level[level], allowed(limits, level + 1)
    if here.bound > most:
        return False
    here.bound += blockers(faces, convex, work, level, most - here.bound + 1)
    if here.bound > most:
        return False
    open_beam(faces, work, level)
    return True


@inlined
def _listen(
    faces: Faces,
    listeners: Listeners,
    work: Work,
    level: int,
    number: int,
    found: NDArray[np.int32],
    limits: Limits,
    rows: NDArray[np.int32],
    written: int,
) -> int:
    """Add the paths of the node of ``level`` to the first ``number`` receivers in ``found``."""
    budget = allowed(limits, level)
    for u in range(number):
        passed = trace_back(faces, work, level, listeners.point, found[u], budget)
        if passed >= 0:
            write_row(rows, written, work, level, found[u], passed)
            written += 1
    return written


@inlined
def _last_level(
    faces: Faces,
    listeners: Listeners,
    convex: NDArray[np.bool_],
    work: Work,
    level: int,
    number: int,
    found: NDArray[np.int32],
    limits: Limits,
    rows: NDArray[np.int32],
    written: int,
) -> int:
    """Add the paths with one reflection more than the node of ``level``, by way of the first
    ``number`` images in ``found``."""
    rx, last, here = listeners.point, level + 1, work.level[level]
    budget = allowed(limits, last)
    for u in range(number):
        n, plane = listeners.receiver[found[u]], listeners.plane[found[u]]
        height = image_height(faces, plane, work.level, level)
        over = point_height(faces.mirror, plane, rx, n)
        surface = faces.mirror[plane].surface
        if (height > 0.0) != (over > 0.0) or abs(height) < ON_PLANE or surface == here.surface:
            continue
        extra, body = body_crossings(faces, convex, here.inside, plane, height)
        if here.bound + extra + (1 if body >= 0 else 0) > budget:
            continue
        reflect_image(faces, plane, height, work.level, level)
        image = work.level[last]
        t = over / (over + height)
        x = rx[n, 0] + t * (image.x - rx[n, 0])
        y = rx[n, 1] + t * (image.y - rx[n, 1])
        z = rx[n, 2] + t * (image.z - rx[n, 2])
        g = _piece_at(faces, plane, x, y, z)
        if g < 0:
            continue
        image.piece, image.plane, image.surface = g, plane, surface
        passed = trace_back(faces, work, last, rx, n, budget)
        if passed >= 0:
            write_row(rows, written, work, last, n, passed)
            written += 1
    return written


@inlined
def _piece_at(faces: Faces, plane: int, x: float, y: float, z: float) -> int:
    """The first piece of a plane that holds a point of it, or -1."""
    first = faces.mirror[plane].first
    for g in range(first, first + faces.mirror[plane].count):
        if inside_piece(faces, g, x, y, z):
            return g
    return -1


@allocating
def with_room(rows: NDArray[np.int32], needed: int) -> NDArray[np.int32]:
    """Rows with room for ``needed`` of them, at least."""
    while rows.shape[0] < needed:
        rows = np.concatenate((rows, np.zeros_like(rows)))
    return rows


@inlined
def write_row(
    rows: NDArray[np.int32], row: int, work: Work, level: int, n: int, passed: int
) -> None:
    """Write the path that was traced back last, its interactions in order."""
    rows[row, 0], rows[row, 1] = n, level + passed
    column, k = 2, 0
    for i in range(level + 1):
        for _ in range(work.level[i].legs):
            rows[row, column] = 2 * work.passed[k].piece + 1
            column, k = column + 1, k + 1
        if i < level:
            rows[row, column] = 2 * work.level[i + 1].piece
            column += 1
