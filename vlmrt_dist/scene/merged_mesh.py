"""Objects of a mesh that several meshes were merged into, found by what hangs together.

Mitsuba's merge appends vertices and faces of one shape after another, so that a shape is a run of
faces whose vertices no other face has. Where meshes have vertices of their own for each side, as
those with normals do, a run is one side: sides that close a body together are joined, unless it has
something inside, as a room of walls has.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray, IntArray

MAX_SIDES = 256
"""Most runs of faces that are tried as the sides of one body."""

_INSIDE = 0.02
"""Share of a body's size that a point inside it is away from its bounding box."""

Edge = tuple[int, int]


def split_mesh(
    vertices: FloatArray, faces: npt.NDArray[np.int32], points: FloatArray
) -> list[IntArray]:
    """The objects of a merged mesh, as indices of their faces.

    :param vertices: [V,3] [m]
    :param faces: [F,3] indices into ``vertices``
    :param points: [P,3] vertices and antennas of the whole scene [m], which tell a room from a body
    """
    runs = _runs(faces)
    if len(runs) == 1:
        return runs
    # Equal corners have equal coordinates, so they are recognised however often they are stored.
    _, corner = np.unique(vertices, axis=0, return_inverse=True)
    welded = corner.reshape(-1)[faces]
    runs = _joined_triangles(welded, runs)
    return _joined_sides(welded, runs, vertices, faces, points)


def _runs(faces: npt.NDArray[np.int32]) -> list[IntArray]:
    """Runs of faces that share no vertex with those before and after."""
    highest = np.maximum.accumulate(faces.max(axis=1))
    lowest = np.minimum.accumulate(faces.min(axis=1)[::-1])[::-1]
    cuts = np.flatnonzero(highest[:-1] < lowest[1:]) + 1
    return np.split(np.arange(len(faces)), cuts)


def _joined_triangles(welded: IntArray, runs: list[IntArray]) -> list[IntArray]:
    """Single triangles joined with those before them that they touch: no object is one triangle
    beside another one."""
    joined: list[list[IntArray]] = []
    corners: set[int] = set()
    for run in runs:
        mine = set(welded[run].ravel().tolist()) if len(run) == 1 else set()
        if mine and not mine.isdisjoint(corners):
            joined[-1].append(run)
            corners |= mine
        else:
            joined.append([run])
            corners = mine
    return [np.concatenate(group) for group in joined]


def _joined_sides(
    welded: IntArray,
    runs: list[IntArray],
    vertices: FloatArray,
    faces: npt.NDArray[np.int32],
    points: FloatArray,
) -> list[IntArray]:
    """Runs that close a body together, joined."""
    odd = [_odd_edges(welded[run]) for run in runs]
    found: list[IntArray] = []
    k = 0
    while k < len(runs):
        count = _sides_of_body(odd, k)
        body = np.concatenate(runs[k : k + count])
        if count > 1 and _holds(vertices[faces[body]].reshape(-1, 3), points):
            count, body = 1, runs[k]
        found.append(body)
        k += count
    return found


def _sides_of_body(odd: list[set[Edge]], first: int) -> int:
    """How many runs from ``first`` on close a body; 1 if they close none."""
    open_edges = set(odd[first])
    for k in range(first + 1, min(len(odd), first + MAX_SIDES)):
        if not open_edges or open_edges.isdisjoint(odd[k]):
            return 1
        open_edges ^= odd[k]
        if not open_edges:
            return k - first + 1
    return 1


def _odd_edges(triangles: IntArray) -> set[Edge]:
    """Edges that an odd number of triangles has: those at which a surface ends."""
    sides = [triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]
    unique, count = np.unique(np.sort(np.concatenate(sides)), axis=0, return_counts=True)
    return set(map(tuple, unique[count % 2 == 1].tolist()))


def _holds(body: FloatArray, points: FloatArray) -> bool:
    """Whether a point lies well inside the bounding box of a body."""
    low, high = body.min(axis=0), body.max(axis=0)
    margin = _INSIDE * (high - low)
    inside = points[((points > low + margin) & (points < high - margin)).all(axis=1)]
    own = set(map(tuple, body.tolist()))  # corners of its own, if it is not convex
    return any(tuple(point) not in own for point in inside.tolist())
