"""One node of the image tree: its mirror image, its window, and what its paths cross at least.

A node of level r is a sequence of r pieces that reflect one after the other. It holds the
transmitter's image, the part of the last piece that rays reach over the others (the window), the
beam beyond, and a lower bound on the surfaces that any of its paths passes through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.beams import MAX_WINDOW, clip
from vlmrt_dist.paths.coincidence import polygon_area
from vlmrt_dist.paths.compiling import compiled
from vlmrt_dist.paths.crossings import INSIDE, crossings, is_owner, inside_piece, passes_through

if TYPE_CHECKING:
    from vlmrt_dist.paths.faces import Faces

MAX_BLOCKERS = 60
"""Most surfaces on one ray that are looked at as blockers of a whole beam."""

_ON_PLANE = 1e-9
"""An antenna, or an image of one, nearer to a plane than this [m] is not reflected by it."""

_EMPTY = 1e-24
"""A window of less area [m²] lets nothing through."""


class Limits(NamedTuple):
    """What a search may find and spend.

    :param depth: most interactions of a path
    :param reflections: most reflections among them
    :param transmissions: most transmissions among them
    :param nodes: most nodes of the image tree of one setup
    :param rows: most paths of one setup
    """

    depth: int
    reflections: int
    transmissions: int
    nodes: int
    rows: int


class Work(NamedTuple):
    """Memory of one search; L = levels + 2, and [level] is the node on the way to the present one.

    :param image: [L, 3] the transmitter's images [m]
    :param piece: [L] reflecting piece, from level 1 on
    :param bound: [L] crossings of every path of the node, at least
    :param inside: [L] body that rays are inside of after the reflection, or -1
    :param window: [L, MAX_WINDOW, 3] corners of the windows [m]
    :param corners: [L] how many
    :param beam: [L, MAX_WINDOW + 1, 4] half spaces of the beams
    :param sides: [L] how many
    :param candidate: [L, G + 1] pieces to go on with
    :param number: [L] how many
    :param position: [L] those that are done
    :param point: [L + 1, 3] transmitter, points of reflection, receiver [m]
    :param ends: [2, 3] a segment [m]
    :param crossed: pieces that the path's segments pass through, one segment after another
    :param at: where on its segment each is
    :param legs: [L + 1] how many each segment passes through
    :param source: [MAX_WINDOW, 3] where a bundle of segments begins [m]
    :param spare: [MAX_WINDOW, 4] working memory
    """

    image: NDArray[np.float64]
    piece: NDArray[np.int32]
    bound: NDArray[np.int64]
    inside: NDArray[np.int64]
    window: NDArray[np.float64]
    corners: NDArray[np.int64]
    beam: NDArray[np.float64]
    sides: NDArray[np.int64]
    candidate: NDArray[np.int32]
    number: NDArray[np.int64]
    position: NDArray[np.int64]
    point: NDArray[np.float64]
    ends: NDArray[np.float64]
    crossed: NDArray[np.int32]
    at: NDArray[np.float64]
    legs: NDArray[np.int64]
    source: NDArray[np.float64]
    spare: NDArray[np.float64]


@compiled
def make_work(levels: int, pieces: int, most_crossed: int) -> Work:
    """Memory for nodes down to level ``levels`` among ``pieces`` pieces."""
    length = levels + 2
    return Work(
        np.zeros((length, 3)),
        np.full(length, -1, np.int32),
        np.zeros(length, np.int64),
        np.full(length, -1, np.int64),
        np.zeros((length, MAX_WINDOW, 3)),
        np.zeros(length, np.int64),
        np.zeros((length, MAX_WINDOW + 1, 4)),
        np.zeros(length, np.int64),
        np.zeros((length, pieces + 1), np.int32),
        np.zeros(length, np.int64),
        np.zeros(length, np.int64),
        np.zeros((length + 1, 3)),
        np.zeros((2, 3)),
        np.zeros(MAX_BLOCKERS + most_crossed, np.int32),
        np.zeros(MAX_BLOCKERS + most_crossed),
        np.zeros(length + 1, np.int64),
        np.zeros((MAX_WINDOW, 3)),
        np.zeros((MAX_WINDOW, 4)),
    )


@compiled
def allowed(limits: Limits, reflections: int) -> int:
    """Most transmissions of a path with so many reflections; -1 where it may not have them."""
    if reflections > limits.reflections:
        return -1
    return max(-1, min(limits.transmissions, limits.depth - reflections))


@compiled
def height_over(mirror: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Signed distance [m] of a point from a plane (n, o)."""
    return mirror[0] * p[0] + mirror[1] * p[1] + mirror[2] * p[2] - mirror[3]


@compiled
def reflect(
    mirror: NDArray[np.float64], height: float, p: NDArray[np.float64], image: NDArray[np.float64]
) -> None:
    """Write the mirror image of a point at a height over a plane."""
    for c in range(3):
        image[c] = p[c] - 2.0 * height * mirror[c]


@compiled
def body_crossings(
    faces: Faces, convex: NDArray[np.bool_], inside: int, plane: int, height: float
) -> tuple[int, int]:
    """Bodies that a ray enters or leaves on its way to a reflection, and the one it is then in.

    :param convex: [K] bodies without antennas
    :param inside: body that the ray comes from inside of, or -1
    :param height: of the image that it comes from, over the reflecting plane
    """
    mirrors = faces.mirrors
    body = -1
    if convex[mirrors.object[plane]] and height * mirrors.outward[plane] < 0.0:
        body = mirrors.object[plane]
    if body == inside:
        return 0, body
    return (1 if body >= 0 else 0) + (1 if inside >= 0 else 0), body


@compiled
def enter(
    faces: Faces, convex: NDArray[np.bool_], work: Work, level: int, g: int, limits: Limits
) -> bool:
    """Make the node below ``level`` that reflects at piece ``g``, but for its window.

    :return: whether it may hold a path
    """
    plane = faces.pieces.plane[g]
    if level > 0:
        before = faces.pieces.plane[work.piece[level]]
        if faces.mirrors.surface[plane] == faces.mirrors.surface[before]:
            return False
    mirror = faces.mirrors.equation[plane]
    height = height_over(mirror, work.image[level])
    if abs(height) < _ON_PLANE:
        return False
    extra, body = body_crossings(faces, convex, work.inside[level], plane, height)
    bound = work.bound[level] + extra
    if bound > allowed(limits, level + 1):
        return False
    work.piece[level + 1] = g
    work.bound[level + 1] = bound
    work.inside[level + 1] = body
    reflect(mirror, height, work.image[level], work.image[level + 1])
    return True


@compiled
def open_window(faces: Faces, work: Work, level: int) -> bool:
    """Clip the piece of the node of ``level`` to the beam before; whether anything is left."""
    g = work.piece[level]
    window = work.window[level]
    count = faces.pieces.count[g]
    for j in range(count):
        window[j] = faces.pieces.corner[g, j]
    if level > 1:
        beam, sides = work.beam[level - 1], work.sides[level - 1]
        count = clip(window, count, beam, sides, work.spare, INSIDE)
        if count < 0:  # too many corners: the whole piece, which holds the window
            count = faces.pieces.count[g]
            for j in range(count):
                window[j] = faces.pieces.corner[g, j]
    work.corners[level] = count
    return count >= 3 and polygon_area(window, count) > _EMPTY


@compiled
def blockers(
    faces: Faces, convex: NDArray[np.bool_], work: Work, level: int, enough: int
) -> int:
    """Crossings of every segment between the windows of the node of ``level`` and the one before.

    A convex piece, or body, that all segments between corners pass through is passed by all.

    :param enough: count no further
    """
    window, corners, source = work.window[level], work.corners[level], work.source
    plane = faces.pieces.plane[work.piece[level]]
    ends = (-1, plane) if level == 1 else (faces.pieces.plane[work.piece[level - 1]], plane)
    _write_sources(faces, work, level, ends[0])
    surfaces = (faces.mirrors.surface[ends[0]] if level > 1 else -1, faces.mirrors.surface[plane])
    work.ends[0], work.ends[1] = source[0], window[0]
    number = crossings(faces, work.ends, surfaces, MAX_BLOCKERS, work.crossed, work.at)
    if number < 0:
        number = MAX_BLOCKERS
    total = 0
    for k in range(number):
        g = work.crossed[k]
        body = faces.mirrors.object[faces.pieces.plane[g]]
        if not convex[body]:
            total += _all_cross(faces, g, source, window, corners)
        elif (ends[0] < 0 or body != faces.mirrors.object[ends[0]]) and (
            body != faces.mirrors.object[plane] and _first_of_body(faces, work.crossed, k, body)
        ):
            total += 2 * _all_pass(faces, body, source, window, corners)
        if total >= enough:
            break
    return total


@compiled
def _write_sources(faces: Faces, work: Work, level: int, before: int) -> None:
    """Where the segments that end in the corners of a window begin: on the plane ``before``, or at
    the transmitter."""
    apex = work.image[level - 1]
    for j in range(work.corners[level]):
        t = 0.0
        if level > 1:
            mirror = faces.mirrors.equation[before]
            here, there = height_over(mirror, apex), height_over(mirror, work.window[level, j])
            t = here / (here - there) if here != there else 1.0
        for c in range(3):
            work.source[j, c] = apex[c] + t * (work.window[level, j, c] - apex[c])


@compiled
def _first_of_body(faces: Faces, crossed: NDArray[np.int32], k: int, body: int) -> bool:
    for j in range(k):
        if faces.mirrors.object[faces.pieces.plane[crossed[j]]] == body:
            return False
    return True


@compiled
def _all_pass(
    faces: Faces,
    body: int,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    count: int,
) -> bool:
    for j in range(count):
        if not passes_through(faces, body, source[j], target[j]):
            return False
    return True


@compiled
def _all_cross(
    faces: Faces,
    g: int,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    count: int,
) -> bool:
    """Whether all segments cross piece ``g``, well inside it and well between their ends."""
    n = faces.mirrors.equation[faces.pieces.plane[g]]
    edge = faces.pieces.edge
    for i in range(count):
        here, there = height_over(n, source[i]), height_over(n, target[i])
        if (here > 0.0) == (there > 0.0) or min(abs(here), abs(there)) < INSIDE:
            return False
        t = here / (here - there)
        x = source[i, 0] + t * (target[i, 0] - source[i, 0])
        y = source[i, 1] + t * (target[i, 1] - source[i, 1])
        z = source[i, 2] + t * (target[i, 2] - source[i, 2])
        for j in range(faces.pieces.count[g]):
            if edge[g, j, 0] * x + edge[g, j, 1] * y + edge[g, j, 2] * z - edge[g, j, 3] < INSIDE:
                return False
    return True


@compiled
def trace_back(
    faces: Faces, work: Work, level: int, rx: NDArray[np.float64], budget: int
) -> int:
    """Trace the path over the pieces of levels 1 to ``level`` back from a receiver, exactly.

    Its points are written to ``work.point``, the pieces that it passes through to ``work.crossed``.

    :param budget: most transmissions
    :return: transmissions, or -1 where there is no such path
    """
    point, piece = work.point, work.piece
    x, y, z = rx[0], rx[1], rx[2]
    for i in range(level, 0, -1):
        n, image = faces.mirrors.equation[faces.pieces.plane[piece[i]]], work.image[i]
        here = height_over(n, image)
        there = n[0] * x + n[1] * y + n[2] * z - n[3]
        if (here > 0.0) == (there > 0.0):
            return -1
        t = here / (here - there)
        x = image[0] + t * (x - image[0])
        y = image[1] + t * (y - image[1])
        z = image[2] + t * (z - image[2])
        if not inside_piece(faces, piece[i], x, y, z):
            return -1
        point[i] = (x, y, z)
    point[0], point[level + 1] = work.image[0], rx
    for i in range(1, level + 1):
        if not is_owner(faces, piece[i], point[i, 0], point[i, 1], point[i, 2]):
            return -1
    total = 0
    surface, plane = faces.mirrors.surface, faces.pieces.plane
    for i in range(level + 1):
        skipped = (
            surface[plane[piece[i]]] if i > 0 else -1,
            surface[plane[piece[i + 1]]] if i < level else -1,
        )
        work.ends[0], work.ends[1] = point[i], point[i + 1]
        number = crossings(
            faces, work.ends, skipped, budget - total, work.crossed[total:], work.at[total:]
        )
        if number < 0:
            return -1
        work.legs[i] = number
        total += number
    return total
