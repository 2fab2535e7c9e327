"""From triangles to planes, and from the triangles of a plane to few convex pieces.

Triangles of one object that share an edge and lie in one plane are one mirror. A plane is grown
from its largest triangle over shared edges to triangles whose corners lie within
:data:`COPLANAR` of it, so a curved wall drawn in fine strips keeps its strips: nothing is merged
by a chain of small turns. A plane whose outline is convex is one piece, however finely it is
drawn. Within the others, edges between two triangles are taken out, the longest first, where what
remains is convex (Hertel and Mehlhorn, 1983).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating, compiled

COPLANAR = 1e-7
"""Farthest that a corner may lie from the plane that its triangle is merged into [m]."""

MAX_CORNERS = 16
"""Most corners of a piece; larger convex pieces are cut into fans."""

_MAX_OUTLINE = 256
"""Most edges of a piece while it is merged, points on straight edges included."""


class Triangles(NamedTuple):
    """F triangles whose equal corners have equal numbers.

    :param vertex: [V, 3] places [m]
    :param corner: [F, 3] vertex numbers
    :param twin: [F, 3] the other half edge (3 · triangle + corner where it begins) of the edge that
        begins at each corner; -1 where an edge has no partner or more than one
    """

    vertex: NDArray[np.float64]
    corner: NDArray[np.int32]
    twin: NDArray[np.int32]


@allocating
def grow_planes(
    mesh: Triangles, normal: NDArray[np.float64], seeds: NDArray[np.int64]
) -> NDArray[np.int32]:
    """[F] plane of each triangle, numbered as their seeds come; -1 where ``normal`` is zero.

    :param normal: [F, 3] unit normals; zero for triangles that are left out
    :param seeds: [F] triangles in the order in which planes may start from them
    """
    number = mesh.corner.shape[0]
    plane = np.full(number, -1, np.int32)
    pending = np.empty(number, np.int64)
    planes = 0
    for seed in seeds:
        n = normal[seed]
        if plane[seed] >= 0 or n[0] * n[0] + n[1] * n[1] + n[2] * n[2] < 0.5:
            continue
        a = mesh.vertex[mesh.corner[seed, 0]]
        offset = n[0] * a[0] + n[1] * a[1] + n[2] * a[2]
        plane[seed] = planes
        pending[0] = seed
        count = 1
        while count > 0:
            count -= 1
            here = pending[count]
            for j in range(3):
                twin = mesh.twin[here, j]
                if twin < 0 or plane[twin // 3] >= 0:
                    continue
                there = twin // 3
                if _lies_in(mesh, there, n, offset) and np.any(normal[there] != 0.0):
                    plane[there] = planes
                    pending[count] = there
                    count += 1
        planes += 1
    return plane


@allocating
def _lies_in(mesh: Triangles, face: int, n: NDArray[np.float64], offset: float) -> bool:
    for j in range(3):
        p = mesh.vertex[mesh.corner[face, j]]
        if abs(n[0] * p[0] + n[1] * p[1] + n[2] * p[2] - offset) > COPLANAR:
            return False
    return True


@allocating
def merge_convex(
    mesh: Triangles, plane: NDArray[np.int32], normal: NDArray[np.float64], edges: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """Convex pieces of the triangles.

    :param plane: [F] plane of each triangle, -1: left out
    :param normal: [Q, 3] unit normal of each plane; corners of the pieces run round it
    :param edges: half edges in the order in which they are taken out
    :return: corners [G, MAX_CORNERS, 3] [m], how many each piece has [G], first triangle [G]
    """
    number = plane.shape[0]
    origin, following, before, twin = _half_edges(mesh, plane, normal)
    piece = np.arange(number)
    outline = np.full(number, 3)
    _merge_whole(mesh, plane, normal, (origin, following, before, twin), piece)
    for h in edges:
        g = twin[h]
        if g < 0 or plane[h // 3] < 0 or plane[h // 3] != plane[g // 3]:
            continue
        one, other = _root(piece, h // 3), _root(piece, g // 3)
        if one == other or outline[one] + outline[other] > _MAX_OUTLINE:
            continue
        # All consecutive edges that the two pieces share go at once.
        first, last = h, h
        while twin[before[first]] >= 0 and twin[before[first]] == following[twin[first]]:
            first = before[first]
        while twin[following[last]] >= 0 and twin[following[last]] == before[twin[last]]:
            last = following[last]
        n = normal[plane[h // 3]]
        a, b = before[first], following[twin[first]]
        c, d = before[twin[last]], following[last]
        if not (
            _turns_left(mesh.vertex, origin, following, a, b, n)
            and _turns_left(mesh.vertex, origin, following, c, d, n)
        ):
            continue
        following[a], before[b] = b, a
        following[c], before[d] = d, c
        root = min(one, other)
        piece[max(one, other)] = root
        origin[3 * number + root] = b
        outline[root] = 1
        step = following[b]
        while step != b:
            outline[root] += 1
            step = following[step]
    return _outlines(mesh.vertex, origin, following, piece, plane, normal)


@allocating
def _merge_whole(
    mesh: Triangles,
    plane: NDArray[np.int32],
    normal: NDArray[np.float64],
    half_edges: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    piece: NDArray[np.int64],
) -> None:
    """Make one piece of every plane of more than two triangles whose outline is convex.

    :param half_edges: origin, next, previous and twin of each, changed where planes are merged
    :param piece: [F] first triangle of the piece that each belongs to, changed
    """
    origin, following, before, twin = half_edges
    number, planes = plane.shape[0], normal.shape[0]
    size, faces = np.zeros(planes), np.zeros(planes, np.int64)
    edges, start = np.zeros(planes, np.int64), np.full(planes, -1)
    first, whole = np.full(planes, -1), np.zeros(planes, np.bool_)
    for f in range(number):
        q = plane[f]
        if q < 0:
            continue
        if first[q] < 0:
            first[q] = f
        faces[q] += 1
        a, b, c = mesh.corner[f]
        size[q] += abs(_area(mesh.vertex, a, b, c, normal[q]))
        for h in range(3 * f, 3 * f + 3):
            if twin[h] < 0 or plane[twin[h] // 3] != q:
                edges[q] += 1
                start[q] = h
    ring = np.empty(edges.max() if planes > 0 else 0, np.int64)
    for q in range(planes):
        if faces[q] < 3 or start[q] < 0:
            continue
        length = _ring(plane, following, twin, start[q], ring[: edges[q]])
        if length != edges[q] or not _is_convex(
            mesh.vertex, origin, following, ring[:length], normal[q], size[q]
        ):
            continue
        whole[q] = True
        for k in range(length):
            h, g = ring[k], ring[k + 1 if k + 1 < length else 0]
            following[h], before[g] = g, h
        origin[3 * number + first[q]] = start[q]
    for f in range(number):
        if plane[f] >= 0 and whole[plane[f]]:
            piece[f] = first[plane[f]]


@compiled
def _ring(
    plane: NDArray[np.int32],
    following: NDArray[np.int64],
    twin: NDArray[np.int64],
    start: int,
    ring: NDArray[np.int64],
) -> int:
    """Write the half edges of the outline of a plane that ``start`` lies on; return how many, or
    one more than there is room for."""
    h, count = start, 0
    while True:
        if count == ring.shape[0]:
            return count + 1
        ring[count] = h
        count += 1
        g = following[h]
        while twin[g] >= 0 and plane[twin[g] // 3] == plane[h // 3]:
            g = following[twin[g]]
        h = g
        if h == start:
            return count


@allocating
def _is_convex(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    ring: NDArray[np.int64],
    n: NDArray[np.float64],
    size: float,
) -> bool:
    """Whether an outline is convex and holds the area of its triangles, twice which is ``size``."""
    length = ring.shape[0]
    enclosed, corners = 0.0, 0
    for k in range(length):
        h, g = ring[k], ring[k + 1 if k + 1 < length else 0]
        if not _turns_left(vertex, origin, following, h, g, n):
            return False
        corners += _has_corner(vertex, origin, following, h, g, n)
        enclosed += _area(vertex, origin[ring[0]], origin[h], origin[g], n)
    return corners <= _MAX_OUTLINE and abs(enclosed - size) <= 1e-9 * size


@allocating
def _half_edges(
    mesh: Triangles, plane: NDArray[np.int32], normal: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Origin, next, previous and twin of each half edge 3 f + j, running round the plane's normal.

    Behind the origins stands, for each triangle, a half edge of the piece that it represents.
    """
    number = plane.shape[0]
    origin = np.zeros(4 * number, np.int64)
    following = np.zeros(3 * number, np.int64)
    before = np.zeros(3 * number, np.int64)
    twin = np.full(3 * number, -1, np.int64)
    for f in range(number):
        origin[3 * number + f] = 3 * f
        a, b, c = mesh.corner[f]
        turned = plane[f] >= 0 and _area(mesh.vertex, a, b, c, normal[plane[f]]) < 0.0
        for j in range(3):
            h = 3 * f + j
            k, i = (j + 1) % 3, (j + 2) % 3
            origin[h] = mesh.corner[f, k] if turned else mesh.corner[f, j]
            following[h] = 3 * f + (i if turned else k)
            before[h] = 3 * f + (k if turned else i)
    for h in range(3 * number):
        g = mesh.twin[h // 3, h % 3]
        # Partners run the same edge in opposite directions; overlapping triangles do not.
        if g >= 0 and origin[h] == origin[following[g]] and origin[g] == origin[following[h]]:
            twin[h] = g
    return origin, following, before, twin


@allocating
def _area(vertex: NDArray[np.float64], a: int, b: int, c: int, n: NDArray[np.float64]) -> float:
    """Twice the signed area [m²] of a triangle about ``n``."""
    ux, uy, uz = vertex[b] - vertex[a]
    vx, vy, vz = vertex[c] - vertex[a]
    return n[0] * (uy * vz - uz * vy) + n[1] * (uz * vx - ux * vz) + n[2] * (ux * vy - uy * vx)


@compiled
def _root(piece: NDArray[np.int64], face: int) -> int:
    while piece[face] != face:
        piece[face] = piece[piece[face]]
        face = piece[face]
    return face


@allocating
def _turn(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    incoming: int,
    outgoing: int,
    n: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Cross product about ``n`` and dot product of two half edges of an outline, and the product of
    their lengths [m²]."""
    corner = vertex[origin[outgoing]]
    ux, uy, uz = corner - vertex[origin[incoming]]
    vx, vy, vz = vertex[origin[following[outgoing]]] - corner
    turn = n[0] * (uy * vz - uz * vy) + n[1] * (uz * vx - ux * vz) + n[2] * (ux * vy - uy * vx)
    along = ux * vx + uy * vy + uz * vz
    size = np.sqrt((ux * ux + uy * uy + uz * uz) * (vx * vx + vy * vy + vz * vz))
    return turn, along, size


@allocating
def _turns_left(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    incoming: int,
    outgoing: int,
    n: NDArray[np.float64],
) -> bool:
    """Whether an outline that goes on from one half edge with another stays convex there."""
    turn, along, size = _turn(vertex, origin, following, incoming, outgoing, n)
    return turn > -1e-9 * size and (turn > 1e-9 * size or along > 0.0)


@allocating
def _has_corner(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    incoming: int,
    outgoing: int,
    n: NDArray[np.float64],
) -> bool:
    """Whether a convex outline turns between two half edges, and does not go straight on."""
    turn, _, size = _turn(vertex, origin, following, incoming, outgoing, n)
    return bool(turn > 1e-9 * size)


@allocating
def _outlines(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    piece: NDArray[np.int64],
    plane: NDArray[np.int32],
    normal: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """The corners of every piece, in fans where they are more than MAX_CORNERS."""
    number = plane.shape[0]
    corner = np.zeros((number, MAX_CORNERS, 3))
    count = np.zeros(number, np.int32)
    first = np.zeros(number, np.int32)
    outline = np.empty((_MAX_OUTLINE + 1, 3))
    pieces = 0
    for f in range(number):
        if plane[f] < 0 or piece[f] != f:
            continue
        length = _straightened(
            vertex, origin, following, origin[3 * number + f], normal[plane[f]], outline
        )
        done = 1
        while done + 1 < length:
            take = min(MAX_CORNERS - 1, length - done)
            corner[pieces, 0] = outline[0]
            for k in range(take):
                corner[pieces, 1 + k] = outline[done + k]
            count[pieces] = take + 1
            first[pieces] = f
            pieces += 1
            done += take - 1
    return corner[:pieces].copy(), count[:pieces].copy(), first[:pieces].copy()


@allocating
def _straightened(
    vertex: NDArray[np.float64],
    origin: NDArray[np.int64],
    following: NDArray[np.int64],
    start: int,
    n: NDArray[np.float64],
    outline: NDArray[np.float64],
) -> int:
    """Write the outline that ``start`` lies on without the points on straight edges."""
    count, h = 0, start
    while True:
        g = following[h]
        if _has_corner(vertex, origin, following, h, g, n):
            outline[count] = vertex[origin[g]]
            count += 1
        h = g
        if h == start:
            return count
