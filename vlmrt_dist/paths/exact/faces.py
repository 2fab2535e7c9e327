"""A scene's faces prepared for the path search.

Coordinates are moved near the origin first (:func:`shift_of`). Then, rule by rule:

- A triangle whose smallest height is below :data:`SLIVER` is left out; one drawn twice in an
  object, in either winding, counts once.
- Triangles of one object in one plane are one mirror (:mod:`~vlmrt_dist.paths.exact.merging`),
  stored as few convex pieces, ordered by object, plane and triangle.
- Surfaces that lie within :data:`~vlmrt_dist.paths.exact.coincidence.COINCIDENT` of each other
  where they overlap are one surface there. It belongs to the object that comes first in the
  scene. The same rule gives a point on the edge between two coplanar pieces to the piece that
  comes first.
- An object is a convex body where its mesh is closed, convex, and touches no other object's; a ray
  that enters such a body leaves it again, so it crosses its surface twice.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.bodies import convex_bodies
from vlmrt_dist.paths.exact.box_tree import LEAF_SIZE, build_tree
from vlmrt_dist.paths.exact.coincidence import surface_classes
from vlmrt_dist.paths.exact.compiling import announce_compilation
from vlmrt_dist.paths.exact.merging import Triangles, grow_planes, merge_convex
from vlmrt_dist.paths.exact.records import CORNER, MIRROR, PIECE, BoxTree, Faces, Pieces, Records
from vlmrt_dist.paths.image_method import Planes
from vlmrt_dist.scene import SceneModel

SHIFT_STEP = 1024.0
"""Scenes are moved by a multiple of this [m], which rounds no coordinate of a scene far away."""

WELD = 1e-7
"""Corners of an object that round to one multiple of this [m] are one corner."""

SLIVER = 1e-6
"""Triangles with a smaller height than this [m] are left out."""

_GENERIC = np.array([0.8191725, 0.5497005, 0.1635712])
"""A direction that no wall is built perpendicular to."""

_MAX_NAMED = 5
"""Pairs of objects that a warning names."""


@dataclass(frozen=True, eq=False)
class PreparedScene:
    """A scene of K objects ready to be searched.

    :param names: of the objects
    :param shift: [3] what was subtracted from every coordinate [m]
    :param planes: the planes, shifted, with the plane of each triangle; -1 for slivers
    :param faces: pieces, mirrors, bodies and tree
    :param coincident: pairs of objects that share surface, the owner first
    """

    names: tuple[str, ...]
    shift: NDArray[np.float64]
    planes: Planes
    faces: Faces
    coincident: tuple[tuple[int, int], ...]


def prepare_scene(scene: SceneModel) -> PreparedScene:
    """Prepare a scene for :func:`~vlmrt_dist.paths.search_paths`.

    Warns with the objects' names where surfaces of several objects coincide.
    """
    announce_compilation()
    shift = shift_of(scene.bounding_boxes)
    corner, owner = soup(scene, shift)
    sizes = np.array([len(item.faces) for item in scene.objects])
    edge = corner - np.roll(corner, -1, axis=1)
    longest = np.sqrt((edge**2).sum(2).max(1))
    normal, area = triangle_normals(corner)
    mesh, kept = welded(corner, owner, area > SLIVER * longest)
    normal[~kept] = 0.0
    seeds = np.lexsort((-area, owner))
    plane = grow_planes(mesh, normal, seeds)
    plane, face = _renumbered(plane, area)
    equation = np.column_stack([normal[face], (normal[face] * corner[face, 0]).sum(1)])
    pieces = _pieces(mesh, plane, equation)
    tree = _tree(pieces)
    of_plane = owner[face].astype(np.int32)
    surface, pairs = surface_classes(pieces, equation, of_plane, tree)
    first, member = _members(surface[pieces.plane], int(surface.max(initial=-1)) + 1)
    closed = _closed_objects(mesh, kept, owner, scene.num_objects)
    convex, outward = convex_bodies(pieces, equation, of_plane, surface, tree, closed)
    side = np.searchsorted(of_plane, np.arange(scene.num_objects + 1)).astype(np.int32)
    piece, corners = _packed_pieces(pieces, surface, of_plane)
    mirror = _packed_mirrors(equation, outward, of_plane, surface)
    mirror["first"] = np.searchsorted(pieces.plane, np.arange(len(equation)))
    mirror["count"] = np.bincount(pieces.plane, minlength=len(equation))
    of_face = plane[_first_alike(mesh.corner)]
    prepared = PreparedScene(
        names=scene.names,
        shift=shift,
        planes=Planes(
            normal=np.ascontiguousarray(equation[:, :3]),
            offset=np.ascontiguousarray(equation[:, 3]),
            of_face=of_face,
            first_face=np.cumsum(sizes) - sizes,
        ),
        faces=Faces(piece, corners, mirror, first, member, tree, convex, side),
        coincident=tuple((int(a), int(b)) for a, b in pairs),
    )
    warn_of_coincidence(prepared)
    return prepared


def shift_of(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """[3] the multiple of :data:`SHIFT_STEP` nearest to the middle of bounding boxes [K, 2, 3].

    Subtracting it leaves rooms near the origin as they are, bit for bit, and gives what is drawn in
    UTM coordinates the resolution of float64 near zero.
    """
    middle = 0.5 * (boxes[:, 0].min(axis=0) + boxes[:, 1].max(axis=0))
    return np.asarray(SHIFT_STEP * np.rint(middle / SHIFT_STEP) + 0.0)


def soup(
    scene: SceneModel, shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners [F, 3, 3] of all triangles, shifted, and the object of each [F]."""
    corner = np.concatenate([item.vertices[item.faces] for item in scene.objects])
    sizes = [len(item.faces) for item in scene.objects]
    return corner - shift, np.repeat(np.arange(len(sizes)), sizes)


def triangle_normals(
    corner: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit normals [F, 3] with one sign for both windings, and twice the areas [F]."""
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(normal, axis=1)
    normal = np.divide(normal, size[:, None], out=np.zeros_like(normal), where=size[:, None] > 0.0)
    return normal * np.where(normal @ _GENERIC < 0.0, -1.0, 1.0)[:, None], size


def welded(
    corner: NDArray[np.float64], owner: NDArray[np.int64], wide: NDArray[np.bool_]
) -> tuple[Triangles, NDArray[np.bool_]]:
    """Triangles with numbered corners, and which of them count [F]."""
    flat = corner.reshape(-1, 3)
    cell = np.rint(flat / WELD).astype(np.int64)
    order = np.lexsort((cell[:, 2], cell[:, 1], cell[:, 0], np.repeat(owner, 3)))
    ordered = np.column_stack([cell, np.repeat(owner, 3)])[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.empty(len(order), np.int32)
    number[order] = np.cumsum(new) - 1
    triangle = number.reshape(-1, 3)
    kept = wide & (_first_alike(triangle) == np.arange(len(triangle)))
    return Triangles(flat[order[new]], triangle, _twins(triangle, kept)), kept


def _first_alike(triangle: NDArray[np.int32]) -> NDArray[np.int64]:
    """[F] the first triangle with the same three corners."""
    low, middle, high = np.sort(triangle, axis=1).T
    order = np.lexsort((high, middle, low))
    new = np.ones(len(order), bool)
    new[1:] = (
        (low[order[1:]] != low[order[:-1]])
        | (middle[order[1:]] != middle[order[:-1]])
        | (high[order[1:]] != high[order[:-1]])
    )
    first = np.empty(len(order), np.int64)
    first[order] = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return first


def _edge_runs(
    triangle: NDArray[np.int32], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Half edges [E] sorted by their edge; where each edge begins among them; how many it has."""
    begin = triangle.astype(np.int64)
    end = np.roll(begin, -1, axis=1)
    key = np.minimum(begin, end) * (int(triangle.max(initial=0)) + 1) + np.maximum(begin, end)
    half = np.flatnonzero(np.repeat(kept, 3))
    half = half[np.argsort(key.reshape(-1)[half], kind="stable")]
    ordered = key.reshape(-1)[half]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(half)])
    return half, start, np.diff(np.append(start, len(half)))


def _twins(triangle: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """[F, 3] the partner of each half edge, as in :class:`Triangles`."""
    half, start, count = _edge_runs(triangle, kept)
    pair = start[count == 2]
    twin = np.full(triangle.size, -1, np.int32)
    twin[half[pair]] = half[pair + 1]
    twin[half[pair + 1]] = half[pair]
    return twin.reshape(-1, 3)


def _closed_objects(
    mesh: Triangles, kept: NDArray[np.bool_], owner: NDArray[np.int64], objects: int
) -> NDArray[np.bool_]:
    """[K] whether every edge of an object belongs to an even number of its triangles."""
    half, start, count = _edge_runs(mesh.corner, kept)
    open_edges = np.bincount(owner[half[start] // 3], count % 2, minlength=objects)
    triangles = np.bincount(owner[kept], minlength=objects)
    return np.asarray((open_edges == 0) & (triangles >= 4))


def _renumbered(
    plane: NDArray[np.int32], area: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Planes [F] numbered by their first triangles, and the triangle [Q] that gives each its
    equation: the first that has half the area of its largest, at least."""
    there = np.flatnonzero(plane >= 0)
    count = int(plane.max(initial=-1)) + 1
    first = np.full(count, len(plane))
    np.minimum.at(first, plane[there], there)
    rank = np.empty(count, np.int32)
    rank[np.argsort(first)] = np.arange(count)
    new = np.where(plane >= 0, rank[plane], -1).astype(np.int32) if count else plane
    largest = np.zeros(count)
    np.maximum.at(largest, new[there], area[there])
    wide = there[area[there] >= 0.5 * largest[new[there]]]
    face = np.full(count, len(plane))
    np.minimum.at(face, new[wide], wide)
    return new, face


def _pieces(mesh: Triangles, plane: NDArray[np.int32], equation: NDArray[np.float64]) -> Pieces:
    """The convex pieces of all planes, ordered by plane."""
    half = np.flatnonzero(mesh.twin.reshape(-1) > np.arange(mesh.twin.size))
    begin = mesh.vertex[mesh.corner.reshape(-1)[half]]
    end = mesh.vertex[np.roll(mesh.corner, -1, axis=1).reshape(-1)[half]]
    edges = half[np.argsort(-((end - begin) ** 2).sum(1), kind="stable")]
    normal = np.ascontiguousarray(equation[:, :3])
    corner, count, face = merge_convex(mesh, plane, normal, edges)
    order = np.argsort(plane[face], kind="stable")
    corner, count, of_piece = corner[order], count[order], plane[face[order]]
    corner = np.ascontiguousarray(corner[:, : int(count.max(initial=3))])
    column = np.arange(corner.shape[1])
    following = np.where(column + 1 < count[:, None], column + 1, 0)
    step = np.take_along_axis(corner, following[..., None], axis=1) - corner
    inward = np.cross(normal[of_piece][:, None], step)
    size = np.linalg.norm(inward, axis=2, keepdims=True)
    used = (column < count[:, None])[..., None] & (size > 0.0)
    inward = np.divide(inward, size, out=np.zeros_like(inward), where=used)
    edge = np.concatenate([inward, (inward * corner).sum(2, keepdims=True)], axis=2)
    return Pieces(corner, count, edge, of_piece.astype(np.int32))


def _tree(pieces: Pieces) -> BoxTree:
    """The bounding-volume hierarchy of the pieces."""
    used = (np.arange(pieces.corner.shape[1]) < pieces.corners[:, None])[..., None]
    low = np.where(used, pieces.corner, np.inf).min(axis=1) - WELD
    high = np.where(used, pieces.corner, -np.inf).max(axis=1) + WELD
    return build_tree(low, high, LEAF_SIZE)


def _packed_pieces(
    pieces: Pieces, surface: NDArray[np.int32], owner: NDArray[np.int32]
) -> tuple[Records, Records]:
    """The pieces as records of PIECE and CORNER."""
    piece = np.zeros(len(pieces.corners), PIECE)
    piece["plane"], piece["count"] = pieces.plane, pieces.corners
    piece["surface"], piece["object"] = surface[pieces.plane], owner[pieces.plane]
    piece["first"] = np.cumsum(pieces.corners) - pieces.corners
    used = np.arange(pieces.corner.shape[1]) < pieces.corners[:, None]
    corner = np.zeros(int(pieces.corners.sum()), CORNER)
    for name, column in zip("xyz", pieces.corner[used].T, strict=True):
        corner[name] = column
    for name, column in zip("abco", pieces.edge[used].T, strict=True):
        corner[name] = column
    return piece, corner


def _packed_mirrors(
    equation: NDArray[np.float64],
    outward: NDArray[np.float64],
    owner: NDArray[np.int32],
    surface: NDArray[np.int32],
) -> Records:
    """The planes as records of MIRROR."""
    mirror = np.zeros(len(equation), MIRROR)
    for name, column in zip("abco", equation.T, strict=True):
        mirror[name] = column
    mirror["outward"], mirror["object"], mirror["surface"] = outward, owner, surface
    return mirror


def _members(
    surface: NDArray[np.int32], classes: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Where each class begins among its members [C + 1], and the members [G]."""
    member = np.argsort(surface, kind="stable").astype(np.int32)
    first = np.searchsorted(surface[member], np.arange(classes + 1)).astype(np.int32)
    return first, member


def warn_of_coincidence(scene: PreparedScene) -> None:
    """Warn with :class:`CoincidentSurfaces` where surfaces of several objects coincide."""
    names, pairs = scene.names, scene.coincident
    if len(pairs) == 0:
        return
    shown = [f"{names[a]!r} owns what it shares with {names[b]!r}" for a, b in pairs[:_MAX_NAMED]]
    more = f", and {len(pairs) - len(shown)} more pairs" if len(pairs) > len(shown) else ""
    warnings.warn(
        "surfaces of different objects coincide; each counts once, with the material of the object "
        f"that comes first in the scene: {'; '.join(shown)}{more}",
        CoincidentSurfaces,
        stacklevel=3,
    )


class CoincidentSurfaces(UserWarning):
    """Surfaces of several objects lie in the same place; one of the objects owns them."""
