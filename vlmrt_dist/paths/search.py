"""Depth-first search of the image tree: every specular path of a setup, exactly.

A path is a sequence of reflecting pieces and the surfaces that its straight segments pass through.
Nodes are cut where no path of at most ``depth`` interactions can follow; paths are judged by exact
back-tracing alone, so the bounds decide how long it takes and never what is found. The last level
is asked from the receivers' side: which mirror images of the receivers lie in the beam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.beams import boxes_in_beam, write_beam
from vlmrt_dist.paths.box_tree import LEAF_SIZE, BoxTree, build_tree
from vlmrt_dist.paths.compiling import compiled
from vlmrt_dist.paths.crossings import inside_piece
from vlmrt_dist.paths.tree_nodes import (
    Limits,
    Work,
    allowed,
    blockers,
    body_crossings,
    enter,
    height_over,
    make_work,
    open_window,
    reflect,
    trace_back,
)

if TYPE_CHECKING:
    from vlmrt_dist.paths.faces import Faces

STRAIGHT = -1
"""Among the roots of a search: the straight paths."""

MANY_RECEIVERS = 16
"""With more receivers than this a node asks a tree for those in its beam."""

_ON_PLANE = 1e-9


class Listeners(NamedTuple):
    """The N receivers of a setup and their mirror images.

    :param point: [N, 3] receivers [m]
    :param tree: over the receivers
    :param images: tree over their I images
    :param receiver: [I] receiver of each image
    :param plane: [I] plane that it is mirrored by
    """

    point: NDArray[np.float64]
    tree: BoxTree
    images: BoxTree
    receiver: NDArray[np.int32]
    plane: NDArray[np.int32]


@compiled
def make_listeners(faces: Faces, rx: NDArray[np.float64], with_images: bool) -> Listeners:
    """The receivers [N, 3] of a setup, with their images where paths reflect."""
    planes = faces.mirrors.equation.shape[0] if with_images else 0
    most = rx.shape[0] * planes
    image = np.empty((most, 3))
    receiver, plane = np.empty(most, np.int32), np.empty(most, np.int32)
    number = 0
    for n in range(rx.shape[0]):
        for q in range(planes):
            height = height_over(faces.mirrors.equation[q], rx[n])
            if abs(height) >= _ON_PLANE:
                reflect(faces.mirrors.equation[q], height, rx[n], image[number])
                receiver[number], plane[number] = n, q
                number += 1
    images = build_tree(image[:number], image[:number], LEAF_SIZE)
    return Listeners(rx, build_tree(rx, rx, LEAF_SIZE), images, receiver[:number], plane[:number])


@compiled
def explore(
    faces: Faces,
    listeners: Listeners,
    convex: NDArray[np.bool_],
    tx: NDArray[np.float64],
    roots: NDArray[np.int32],
    limits: Limits,
) -> tuple[NDArray[np.int32], int]:
    """The paths whose first reflection is at one of ``roots``.

    :param convex: [K] bodies without antennas
    :param tx: [3] transmitter [m]
    :param roots: pieces, or STRAIGHT
    :return: rows of receiver, number of interactions and, for each, 2 · piece + 1 where it is
        passed, 2 · piece where it reflects [P, 2 + depth]; nodes made, more than the limit where
        the search was given up
    """
    work = make_work(limits.depth, faces.pieces.count.shape[0], limits.depth)
    found = np.empty(max(len(listeners.receiver), len(listeners.point)), np.int32)
    rows = np.zeros((64, 2 + limits.depth), np.int32)
    written, nodes, level = 0, 0, 0
    work.image[0] = tx
    work.candidate[0, : len(roots)] = roots
    work.number[0] = len(roots)
    while level >= 0:
        if work.position[level] == work.number[level]:
            level -= 1
            continue
        g = work.candidate[level, work.position[level]]
        work.position[level] += 1
        nodes += 1
        if nodes > limits.nodes or written > limits.rows:
            return rows[:0], limits.nodes + 1
        if g == STRAIGHT:
            everyone = np.arange(len(listeners.point)).astype(np.int32)
            rows, written = _listen(faces, listeners, work, 0, everyone, limits, rows, written)
            continue
        if not enter(faces, convex, work, level, g, limits) or not open_window(
            faces, work, level + 1
        ):
            continue
        heard = _in_beam(faces, listeners, work, level + 1, found)
        rows, written = _listen(
            faces, listeners, work, level + 1, found[:heard], limits, rows, written
        )
        if not _goes_on(faces, convex, work, level + 1, limits):
            continue
        level += 1
        if work.bound[level] > allowed(limits, level + 2) or level + 2 > limits.depth:
            rows, written = _last_level(
                faces, listeners, convex, work, level, found, limits, rows, written
            )
            level -= 1
            continue
        work.number[level] = boxes_in_beam(
            faces.tree, work.beam[level], work.sides[level], work.candidate[level]
        )
        work.position[level] = 0
    return rows[:written], nodes


@compiled
def _in_beam(
    faces: Faces, listeners: Listeners, work: Work, level: int, found: NDArray[np.int32]
) -> int:
    """Write the receivers that the node of ``level`` may reach; return how many."""
    number = len(listeners.point)
    work.sides[level] = 0
    if number <= MANY_RECEIVERS:
        found[:number] = np.arange(number)
        return number
    _open_beam(faces, work, level)
    return boxes_in_beam(listeners.tree, work.beam[level], work.sides[level], found)


@compiled
def _open_beam(faces: Faces, work: Work, level: int) -> None:
    """Make the beam of the node of ``level`` where there is none yet."""
    if work.sides[level] == 0:
        mirror = faces.mirrors.equation[faces.pieces.plane[work.piece[level]]]
        work.sides[level] = write_beam(
            work.image[level], work.window[level], work.corners[level], mirror, work.beam[level]
        )


@compiled
def _goes_on(
    faces: Faces, convex: NDArray[np.bool_], work: Work, level: int, limits: Limits
) -> bool:
    """Whether the node of ``level`` may have nodes below; if so, its bound and beam are final."""
    room = allowed(limits, level + 1) - work.bound[level]
    if room < 0:
        return False
    work.bound[level] += blockers(faces, convex, work, level, room + 1)
    if work.bound[level] > allowed(limits, level + 1):
        return False
    _open_beam(faces, work, level)
    return True


@compiled
def _listen(
    faces: Faces,
    listeners: Listeners,
    work: Work,
    level: int,
    candidates: NDArray[np.int32],
    limits: Limits,
    rows: NDArray[np.int32],
    written: int,
) -> tuple[NDArray[np.int32], int]:
    """Add the paths of the node of ``level`` that reach one of ``candidates``."""
    budget = allowed(limits, level)
    least = work.bound[level] + (1 if work.inside[level] >= 0 else 0)  # antennas are in no body
    if least > budget:
        return rows, written
    for n in candidates:
        passed = trace_back(faces, work, level, listeners.point[n], budget)
        if passed >= 0:
            rows = _with_room(rows, written)
            _write_row(rows[written], work, level, n, passed)
            written += 1
    return rows, written


@compiled
def _last_level(
    faces: Faces,
    listeners: Listeners,
    convex: NDArray[np.bool_],
    work: Work,
    level: int,
    found: NDArray[np.int32],
    limits: Limits,
    rows: NDArray[np.int32],
    written: int,
) -> tuple[NDArray[np.int32], int]:
    """Add the paths with one reflection more than the node of ``level``: images in its beam."""
    mirrors, last = faces.mirrors, level + 1
    number = boxes_in_beam(listeners.images, work.beam[level], work.sides[level], found)
    before = mirrors.surface[faces.pieces.plane[work.piece[level]]]
    budget = allowed(limits, last)
    for u in range(number):
        n, q = listeners.receiver[found[u]], listeners.plane[found[u]]
        rx, mirror = listeners.point[n], mirrors.equation[q]
        here, there = height_over(mirror, work.image[level]), height_over(mirror, rx)
        if (here > 0.0) != (there > 0.0) or abs(here) < _ON_PLANE or mirrors.surface[q] == before:
            continue
        extra, body = body_crossings(faces, convex, work.inside[level], q, here)
        if work.bound[level] + extra + (1 if body >= 0 else 0) > budget:
            continue
        reflect(mirror, here, work.image[level], work.image[last])
        t = there / (there + here)
        x = rx[0] + t * (work.image[last, 0] - rx[0])
        y = rx[1] + t * (work.image[last, 1] - rx[1])
        z = rx[2] + t * (work.image[last, 2] - rx[2])
        for k in range(mirrors.first[mirrors.surface[q]], mirrors.first[mirrors.surface[q] + 1]):
            g = mirrors.member[k]
            if faces.pieces.plane[g] != q or not inside_piece(faces, g, x, y, z):
                continue
            work.piece[last] = g
            passed = trace_back(faces, work, last, rx, budget)
            if passed >= 0:
                rows = _with_room(rows, written)
                _write_row(rows[written], work, last, n, passed)
                written += 1
                break
    return rows, written


@compiled
def _with_room(rows: NDArray[np.int32], written: int) -> NDArray[np.int32]:
    return np.concatenate((rows, np.zeros_like(rows))) if written == rows.shape[0] else rows


@compiled
def _write_row(row: NDArray[np.int32], work: Work, level: int, n: int, passed: int) -> None:
    """Write the path that was traced back last, its interactions in order."""
    row[0], row[1] = n, level + passed
    column, k = 2, 0
    for i in range(level + 1):
        for _ in range(work.legs[i]):
            row[column] = 2 * work.crossed[k] + 1
            column, k = column + 1, k + 1
        if i < level:
            row[column] = 2 * work.piece[i + 1]
            column += 1
