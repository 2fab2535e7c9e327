"""One node of the image tree: its mirror image, its window, and what its paths cross at least.

A node of level r is a sequence of r pieces that reflect one after the other. It holds the
transmitter's image, the part of the last piece that rays reach over the others (the window), the
beam beyond, and a lower bound on the surfaces that any of its paths passes through.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.beams import MAX_WINDOW, clip, write_beam, write_reach
from vlmrt_dist.paths.exact.coincidence import polygon_area
from vlmrt_dist.paths.exact.compiling import allocating, compiled, inlined
from vlmrt_dist.paths.exact.crossings import (
    INSIDE,
    all_cross,
    all_pass_through,
    crossings,
    height_over,
    inside_piece,
    is_owner,
    point_height,
)
from vlmrt_dist.paths.exact.limits import Limits
from vlmrt_dist.paths.exact.records import LEVEL, PASSED, Faces, Records

MAX_BLOCKERS = 60
"""Most surfaces on one ray that are looked at as blockers of a whole beam."""

RECENT = 8
"""How many of the surfaces and bodies that blocked earlier beams are looked at first."""

ON_PLANE = 1e-9
"""An antenna, or an image of one, nearer to a plane than this [m] is not reflected by it."""

_EMPTY = 1e-24
"""A window of less area [m²] lets nothing through."""


class Work(NamedTuple):
    """Memory of one search for nodes of L - 2 levels.

    :param level: [L] of LEVEL, level 0 is the transmitter
    :param window: [L, MAX_WINDOW, 3] corners of the windows [m]
    :param beam: [L, MAX_WINDOW + 1, 4] half spaces of the beams
    :param reach: [L, 2, 3] boxes that the beams stay in [m]
    :param candidate: [L, G + 1] pieces to go on with
    :param point: [L + 1, 3] transmitter, points of reflection, receiver [m]
    :param passed: of PASSED, for one segment of the path after another
    :param walk: [MAX_BLOCKERS] of PASSED, along the latest segment that blockers were looked for on
    :param walked: [7] where that segment begins and ends [m], and the number of entries
    :param recent: [L, RECENT] pieces that blocked beams to a level, the latest first; -1: none
    :param source: [MAX_WINDOW, 3] where a bundle of segments begins [m]
    :param spare: [MAX_WINDOW, 4] working memory
    """

    level: Records
    window: NDArray[np.float64]
    beam: NDArray[np.float64]
    reach: NDArray[np.float64]
    candidate: NDArray[np.int32]
    point: NDArray[np.float64]
    passed: Records
    walk: Records
    walked: NDArray[np.float64]
    recent: NDArray[np.int32]
    source: NDArray[np.float64]
    spare: NDArray[np.float64]


@allocating
def make_work(levels: int, pieces: int, tx: NDArray[np.float64]) -> Work:
    """Memory for nodes down to level ``levels`` among ``pieces`` pieces, from a transmitter [3]."""
    length = levels + 2
    level = np.zeros(length, LEVEL)
    level[0].x, level[0].y, level[0].z = tx
    for i in range(length):
        level[i].piece, level[i].plane, level[i].surface, level[i].inside = -1, -1, -1, -1
    return Work(
        level,
        np.zeros((length, MAX_WINDOW, 3)),
        np.zeros((length, MAX_WINDOW + 1, 4)),
        np.zeros((length, 2, 3)),
        np.zeros((length, pieces + 1), np.int32),
        np.zeros((length + 1, 3)),
        np.zeros(MAX_BLOCKERS + levels + 1, PASSED),
        np.zeros(MAX_BLOCKERS, PASSED),
        np.full(7, np.nan),
        np.full((length, RECENT), -1, np.int32),
        np.zeros((MAX_WINDOW, 3)),
        np.zeros((MAX_WINDOW, 4)),
    )


@inlined
def allowed(limits: Limits, reflections: int) -> int:
    """Most transmissions of a path with so many reflections; -1 where it may not have them."""
    if reflections > limits.reflections:
        return -1
    return max(-1, min(limits.transmissions, limits.depth - reflections))


@inlined
def image_height(faces: Faces, plane: int, level: Records, i: int) -> float:
    """Signed distance [m] of the image of level ``i`` from a plane."""
    m, p = faces.mirror[plane], level[i]
    return m.a * p.x + m.b * p.y + m.c * p.z - m.o


@inlined
def reflect_image(faces: Faces, plane: int, height: float, level: Records, i: int) -> None:
    """Write to level i + 1 the mirror image of that of level ``i``, ``height`` over a plane."""
    m, p = faces.mirror[plane], level[i]
    level[i + 1].x = p.x - 2.0 * height * m.a
    level[i + 1].y = p.y - 2.0 * height * m.b
    level[i + 1].z = p.z - 2.0 * height * m.c


@inlined
def body_crossings(
    faces: Faces, convex: NDArray[np.bool_], inside: int, plane: int, height: float
) -> tuple[int, int]:
    """Bodies that a ray enters or leaves on its way to a reflection, and the one it is then in.

    :param convex: [K] bodies without antennas
    :param inside: body that the ray comes from inside of, or -1
    :param height: of the image that it comes from, over the reflecting plane
    """
    m = faces.mirror[plane]
    body = m.object if convex[m.object] and height * m.outward < 0.0 else -1
    if body == inside:
        return 0, body
    return (1 if body >= 0 else 0) + (1 if inside >= 0 else 0), body


@inlined
def enter(
    faces: Faces, convex: NDArray[np.bool_], level: Records, i: int, g: int, limits: Limits
) -> bool:
    """Make the node below level ``i`` that reflects at piece ``g``, but for its window.

    :return: whether it may hold a path
    """
    piece = faces.piece[g]
    if piece.surface == level[i].surface:
        return False
    height = image_height(faces, piece.plane, level, i)
    if abs(height) < ON_PLANE:
        return False
    extra, body = body_crossings(faces, convex, level[i].inside, piece.plane, height)
    bound = level[i].bound + extra
    if bound > allowed(limits, i + 1):
        return False
    below = level[i + 1]
    below.piece, below.plane, below.surface = g, piece.plane, piece.surface
    below.bound, below.inside, below.sides = bound, body, 0
    reflect_image(faces, piece.plane, height, level, i)
    return True


@inlined
def open_window(faces: Faces, work: Work, i: int) -> bool:
    """Clip the piece of level ``i`` to the beam before; whether anything is left."""
    window = work.window[i]
    count = _whole_piece(faces, work.level[i].piece, window)
    if i > 1:
        sides = work.level[i - 1].sides
        count = clip(window, count, work.beam[i - 1], sides, work.spare, INSIDE)
        if count < 0:  # too many corners: the whole piece, which holds the window
            count = _whole_piece(faces, work.level[i].piece, window)
    work.level[i].corners = count
    return count >= 3 and polygon_area(window, count) > _EMPTY


@inlined
def _whole_piece(faces: Faces, g: int, window: NDArray[np.float64]) -> int:
    piece = faces.piece[g]
    for j in range(piece.count):
        corner = faces.corner[piece.first + j]
        window[j, 0], window[j, 1], window[j, 2] = corner.x, corner.y, corner.z
    return piece.count


@inlined
def open_beam(faces: Faces, work: Work, i: int) -> None:
    """Make the beam of level ``i`` where there is none yet."""
    here = work.level[i]
    if here.sides == 0:
        apex = (here.x, here.y, here.z)
        here.sides = write_beam(
            apex, work.window[i], here.corners, faces.mirror, here.plane, work.beam[i]
        )
        write_reach(apex, work.window[i], here.corners, work.reach[i])


@compiled
def blockers(faces: Faces, convex: NDArray[np.bool_], work: Work, i: int, enough: int) -> int:
    """Crossings of every segment between the windows of level ``i`` and the one before.

    A convex piece, or body, that all segments between corners pass through is passed by all.
    Neighbouring windows are hidden by the same things, so the latest blockers are asked first.

    :param enough: count no further
    """
    _write_sources(faces, work, i)
    total = 0
    for k in range(RECENT):
        g = work.recent[i, k]
        if g < 0:
            break
        total += _blocks(faces, convex, work, i, g)
        if total >= enough:
            _remember(faces, convex, work.recent[i], g)
            return total
    total = 0
    for k in range(_walk(faces, work, i)):
        g = work.walk[k].piece
        body = faces.piece[g].object
        if convex[body] and not _first_of_body(faces, work.walk, k, body):
            continue
        crossed = _blocks(faces, convex, work, i, g)
        if crossed > 0:
            _remember(faces, convex, work.recent[i], g)
        total += crossed
        if total >= enough:
            break
    return total


@compiled
def _walk(faces: Faces, work: Work, i: int) -> int:
    """Write to ``work.walk`` what stands on the way to a corner of the window of level ``i``.

    Neighbouring pieces share corners, so that often it stands there already.

    :return: how many pieces
    """
    window, source, walked = work.window[i], work.source, work.walked
    for j in range(work.level[i].corners):
        if (
            window[j, 0] == walked[3]
            and window[j, 1] == walked[4]
            and window[j, 2] == walked[5]
            and source[j, 0] == walked[0]
            and source[j, 1] == walked[1]
            and source[j, 2] == walked[2]
        ):
            return int(walked[6])
    for c in range(3):
        walked[c], walked[3 + c] = source[0, c], window[0, c]
        work.point[0, c], work.point[1, c] = source[0, c], window[0, c]
    skipped = (work.level[i - 1].surface, work.level[i].surface)
    number = crossings(faces, work.point[:2], skipped, MAX_BLOCKERS, work.walk, 0)
    walked[6] = number if number >= 0 else MAX_BLOCKERS
    return int(walked[6])


@compiled
def _blocks(faces: Faces, convex: NDArray[np.bool_], work: Work, i: int, g: int) -> int:
    """Crossings that piece ``g``, or the convex body that it belongs to, adds to every segment
    between the windows of level ``i`` and the one before."""
    level, corners, piece = work.level, work.level[i].corners, faces.piece[g]
    body = piece.object
    if not convex[body]:
        if piece.surface == level[i - 1].surface or piece.surface == level[i].surface:
            return 0
        return 1 if all_cross(faces, g, work.source, work.window[i], corners) else 0
    if faces.mirror[level[i].plane].object == body:
        return 0
    if i > 1 and faces.mirror[level[i - 1].plane].object == body:
        return 0
    return 2 if all_pass_through(faces, body, work.source, work.window[i], corners) else 0


@compiled
def _remember(faces: Faces, convex: NDArray[np.bool_], recent: NDArray[np.int32], g: int) -> None:
    """Put a blocker first in the list of the latest; a body or a surface stands there once."""
    before = g
    for k in range(RECENT):
        h, recent[k] = recent[k], before
        if h < 0 or _same_blocker(faces, convex, g, h):
            return
        before = h


@compiled
def _same_blocker(faces: Faces, convex: NDArray[np.bool_], g: int, h: int) -> bool:
    one, other = faces.piece[g], faces.piece[h]
    return one.surface == other.surface or (one.object == other.object and convex[one.object])


@compiled
def _write_sources(faces: Faces, work: Work, i: int) -> None:
    """Where the segments that end in the corners of a window begin: on the plane before, or at the
    transmitter."""
    window, source, apex = work.window[i], work.source, work.level[i - 1]
    for j in range(work.level[i].corners):
        t = 0.0
        if i > 1:
            here = image_height(faces, apex.plane, work.level, i - 1)
            there = point_height(faces.mirror, apex.plane, window, j)
            t = here / (here - there) if here != there else 1.0
        source[j, 0] = apex.x + t * (window[j, 0] - apex.x)
        source[j, 1] = apex.y + t * (window[j, 1] - apex.y)
        source[j, 2] = apex.z + t * (window[j, 2] - apex.z)


@compiled
def _first_of_body(faces: Faces, passed: Records, k: int, body: int) -> bool:
    for j in range(k):
        if faces.piece[passed[j].piece].object == body:
            return False
    return True


@inlined
def trace_back(
    faces: Faces, work: Work, last: int, receivers: NDArray[np.float64], n: int, budget: int
) -> int:
    """Trace the path over the pieces of levels 1 to ``last`` back from receiver ``n``, exactly.

    Its points are written to ``work.point``, the pieces that it passes through to ``work.passed``.
    Where a path meets the edge between two mirrors within :data:`INSIDE`, it reflects from both
    there, once, in the order of their numbers.

    :param receivers: [N, 3] places [m]
    :param budget: most transmissions
    :return: transmissions, or -1 where there is no such path
    """
    point, level = work.point, work.level
    x, y, z = receivers[n, 0], receivers[n, 1], receivers[n, 2]
    for i in range(last, 0, -1):
        image = level[i]
        here = image_height(faces, image.plane, level, i)
        there = height_over(faces.mirror, image.plane, x, y, z)
        if i < last and abs(there) <= INSIDE:
            # At the very edge of two mirrors both orders are one path: the ascending one stays.
            if image.plane > level[i + 1].plane:
                return -1
        elif (here > 0.0) == (there > 0.0):
            return -1
        t = here / (here - there)
        x = image.x + t * (x - image.x)
        y = image.y + t * (y - image.y)
        z = image.z + t * (z - image.z)
        if not inside_piece(faces, image.piece, x, y, z):
            return -1
        point[i, 0], point[i, 1], point[i, 2] = x, y, z
    for i in range(1, last + 1):
        if not is_owner(faces, level[i].piece, point[i, 0], point[i, 1], point[i, 2]):
            return -1
    point[0, 0], point[0, 1], point[0, 2] = level[0].x, level[0].y, level[0].z
    for c in range(3):
        point[last + 1, c] = receivers[n, c]
    total = 0
    for i in range(last + 1):
        skipped = (level[i].surface, level[i + 1].surface if i < last else -1)
        number = crossings(faces, point[i : i + 2], skipped, budget - total, work.passed, total)
        if number < 0:
            return -1
        level[i].legs = number
        total += number
    return total
