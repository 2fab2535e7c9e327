"""The wedges of a scene: edges that two faces of one object meet in, which diffract.

As in Sionna RT, a wedge belongs to one object: an edge that exactly two of its triangles share and
that lies between two of its planes. Its exterior is the side on which the faces enclose more than
π, so both a roof's edge and the inner corner of a hollow building, seen from within its walls, are
wedges. Triangles share an edge where its ends lie in the same places; Sionna asks for the same
numbers of vertices, and finds no wedge in a mesh whose triangles have corners of their own. Where
edges of several objects coincide, the first object's counts. A free edge, which one triangle alone
has, is the edge of a half-plane and counts only where that is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.box_tree import LEAF_SIZE, build_tree
from vlmrt_dist.paths.exact.faces import (
    SLIVER,
    WELD,
    PreparedScene,
    soup,
    triangle_normals,
    welded,
)
from vlmrt_dist.paths.exact.merging import Triangles
from vlmrt_dist.paths.exact.records import BoxTree
from vlmrt_dist.scene import SceneModel

LIFT = 1e-3
"""How far in front of its edge [m] a diffracting point is asked for what hides it, as in Sionna: an
edge that another surface covers does not diffract."""

SAME_EDGE = 1e-4
"""Edges of several objects whose ends round to one multiple of this [m] are one edge."""


IN_FRONT = 1e-5
"""Least height [m] over a face from which a wedge is met on its exterior, as in Sionna."""


class Wedges(NamedTuple):
    """The E wedges of a scene; places are shifted as those of the prepared scene.

    :param origin: [E, 3] where each edge begins [m]
    :param along: [E, 3] unit vector along it
    :param length: [E] its length [m]
    :param normal: [E, 2, 3] unit normals of both faces, which point out of the wedge
    :param tangent: [E, 2, 3] unit vectors in the faces, upright on the edge, that point into them
    :param lift: [E, 3] :data:`LIFT` along the mean of the normals; zero at free edges
    :param object: [E] object of the wedge
    :param tree: over the boxes around the edges
    """

    origin: NDArray[np.float64]
    along: NDArray[np.float64]
    length: NDArray[np.float64]
    normal: NDArray[np.float64]
    tangent: NDArray[np.float64]
    lift: NDArray[np.float64]
    object: NDArray[np.int32]
    tree: BoxTree


def wedges_of(scene: SceneModel, prepared: PreparedScene, *, free_edges: bool = False) -> Wedges:
    """The wedges of a scene, by object and triangle.

    :param prepared: the same scene, prepared
    :param free_edges: edges of single triangles count too
    """
    corner, owner = soup(scene, prepared.shift)
    longest = np.sqrt(((corner - np.roll(corner, -1, axis=1)) ** 2).sum(2).max(1))
    _, area = triangle_normals(corner)
    mesh, kept = welded(corner, owner, area > SLIVER * longest)
    half, other = _edges(mesh, kept, prepared.planes.of_face, free_edges)
    ends = mesh.corner.reshape(-1), np.roll(mesh.corner, -1, axis=1).reshape(-1)
    begin, end = (mesh.vertex[each[half]] for each in ends)
    own = np.stack([half // 3, np.where(other >= 0, other // 3, half // 3)], axis=1)
    keep = _first_of_places(begin, end) & (np.linalg.norm(end - begin, axis=1) > WELD)
    begin, end, own, other = begin[keep], end[keep], own[keep], other[keep]
    length = np.linalg.norm(end - begin, axis=1)
    along = (end - begin) / length[:, None]
    third = mesh.vertex[mesh.corner[own]].sum(axis=2) / 3.0 - begin[:, None]  # [E, 2, 3]
    tangent = third - (third * along[:, None]).sum(-1, keepdims=True) * along[:, None]
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    normal = prepared.planes.normal[prepared.planes.of_face[own]]
    # Outwards: the other face lies behind each; of a free edge the two sides are its faces.
    behind = (normal * third[:, ::-1]).sum(-1)
    sign = np.where(behind > 0.0, -1.0, 1.0)
    sign[other < 0] = [1.0, -1.0]
    normal = normal * sign[..., None]
    lift = normal.sum(axis=1)
    size = np.linalg.norm(lift, axis=1, keepdims=True)
    lift = np.divide(LIFT * lift, size, out=np.zeros_like(lift), where=(other >= 0)[:, None])
    low, high = np.minimum(begin, end) - WELD, np.maximum(begin, end) + WELD
    return Wedges(
        begin, along, length, normal, tangent, lift, owner[own[:, 0]].astype(np.int32),
        build_tree(low, high, LEAF_SIZE),
    )  # fmt: skip


def _edges(
    mesh: Triangles, kept: NDArray[np.bool_], plane: NDArray[np.int32], free_edges: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Half edge [E] of each edge that diffracts, and its twin; -1 at free edges."""
    twin = mesh.twin.reshape(-1).astype(np.int64)
    every = np.arange(len(twin))
    shared = every < twin
    shared[shared] = plane[every[shared] // 3] != plane[twin[shared] // 3]
    if free_edges:
        shared |= _alone(mesh, kept)
    half = np.flatnonzero(shared)
    return half, twin[half]


def _alone(mesh: Triangles, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[3 F] whether no other triangle has a half edge's ends."""
    begin = mesh.corner.astype(np.int64).reshape(-1)
    end = np.roll(mesh.corner, -1, axis=1).astype(np.int64).reshape(-1)
    key = np.minimum(begin, end) * (int(mesh.corner.max(initial=0)) + 1) + np.maximum(begin, end)
    there = np.repeat(kept, 3)
    _, place, count = np.unique(key[there], return_inverse=True, return_counts=True)
    alone = np.zeros(len(key), bool)
    alone[there] = count[place.reshape(-1)] == 1
    return alone


def _first_of_places(begin: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[E] whether no earlier edge has the same ends."""
    ends = np.rint(np.stack([begin, end], axis=1) / SAME_EDGE).astype(np.int64)  # [E, 2, 3]
    a, b = ends[:, 0], ends[:, 1]
    unequal = a != b
    first = unequal.argmax(axis=1)[:, None]
    swap = np.take_along_axis(a, first, 1) > np.take_along_axis(b, first, 1)
    low, high = np.where(swap, b, a), np.where(swap, a, b)
    _, index = np.unique(np.concatenate([low, high], axis=1), axis=0, return_index=True)
    new = np.zeros(len(begin), bool)
    new[index] = True
    return new
