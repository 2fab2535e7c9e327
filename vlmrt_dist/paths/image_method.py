"""The planes that a scene's faces lie in, and the exact geometry of a specular path over them.

Sionna works in float32 and names the triangle that a path met. Two triangles of one wall are one
mirror, so a path is identified by the planes it met; and since reflections unfold into images, its
length, directions and angles follow from the planes alone, in float64, whichever solve found it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.paths.path_table import DIFFRACTION, REFLECTION
from vlmrt_dist.scene import SceneModel

NORMAL_TOLERANCE = 1e-4
OFFSET_TOLERANCE = 1e-3
"""Faces of one object whose unit normals and offsets [m] agree to this lie in one plane."""

_GENERIC = np.array([0.8191725, 0.5497005, 0.1635712])
"""A direction that no wall is built perpendicular to."""


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes of a scene of K objects.

    :param normal: [Q, 3] unit normals
    :param offset: [Q] n · x of the plane's points [m]
    :param of_face: [F] plane of each face, the objects' faces one after another
    :param first_face: [K] index of each object's first face in ``of_face``
    """

    normal: FloatArray
    offset: FloatArray
    of_face: NDArray[np.int32]
    first_face: IntArray


def planes_of(scene: SceneModel, shift: FloatArray | None = None) -> Planes:
    """The planes of ``scene``, faces of one object merged where they are coplanar.

    :param shift: [3] what is subtracted from every coordinate first [m]; near the origin, offsets
        and images have the resolution that float64 has there
    """
    normals, offsets, local, owner = [], [], [], []
    for k, item in enumerate(scene.objects):
        vertices = item.vertices if shift is None else item.vertices - shift
        a, b, c = (vertices[item.faces[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        size = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.divide(normal, size, out=np.zeros_like(normal), where=size > 0.0)
        # One sign for both windings of a face.
        normal = normal * np.where(normal @ _GENERIC < 0.0, -1.0, 1.0)[:, None]
        centre = vertices.mean(axis=0)
        normals.append(normal)
        offsets.append((normal * a).sum(1))
        local.append((normal * (a - centre)).sum(1))
        owner.append(np.full(len(normal), k))
    normal = np.concatenate(normals)
    offset = np.concatenate(offsets)
    object_index = np.concatenate(owner)
    # In units of the tolerances, and objects far apart, faces of one plane are near neighbours.
    place = np.column_stack(
        [normal / NORMAL_TOLERANCE, np.concatenate(local) / OFFSET_TOLERANCE, 10.0 * object_index]
    )
    # First equal cells, which may be many faces each, then cells that a rounding edge parted.
    _, cell_face, cell = np.unique(np.rint(place), axis=0, return_index=True, return_inverse=True)
    near = KDTree(place[cell_face]).query_pairs(1.0, output_type="ndarray")
    ones = np.ones(len(near))
    graph = coo_matrix((ones, (near[:, 0], near[:, 1])), shape=(len(cell_face),) * 2)
    count, plane = connected_components(graph, directed=False)
    first = np.full(count, len(normal))
    np.minimum.at(first, plane, cell_face)
    counts = np.bincount(object_index, minlength=scene.num_objects)
    return Planes(
        normal=normal[first],
        offset=offset[first],
        of_face=plane[cell.reshape(-1)].astype(np.int32),
        first_face=np.cumsum(counts) - counts,
    )


def unfold(
    planes: Planes,
    tx: FloatArray,
    rx: FloatArray,
    kind: NDArray[np.uint8],
    plane: NDArray[np.int32],
    turning: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Length and directions of paths by the method of images.

    :param tx: [P, 3] start of each path [m]
    :param rx: [P, 3] end of each path [m]
    :param kind: [P, D] interaction kinds, padding last
    :param plane: [P, D] plane of each interaction
    :param turning: [P, 3] where diffracted paths turn [m]; None: none is diffracted
    :return: length [P] [m]; unit direction [P, D + 1, 3] before each interaction, then of arrival
        (padding repeats the direction of arrival)
    """
    paths, depth = kind.shape
    image = images(planes, tx, kind, plane, turning)
    length = np.linalg.norm(rx - image[:, depth], axis=1)
    # From the receiver backwards: the last mirror sees the image behind it, and so on.
    direction = np.empty((paths, depth + 1, 3))
    target = rx
    for d in range(depth, -1, -1):
        step = target - image[:, d]
        direction[:, d] = step / np.linalg.norm(step, axis=1, keepdims=True)
        if d > 0:
            normal = planes.normal[_of_mirror(kind[:, d - 1], plane[:, d - 1])]
            slope = (normal * direction[:, d]).sum(1)
            offset = planes.offset[_of_mirror(kind[:, d - 1], plane[:, d - 1])]
            height = offset - (normal * image[:, d]).sum(1)
            reflected = kind[:, d - 1] == REFLECTION
            distance = np.divide(height, slope, out=np.zeros(paths), where=reflected)
            point = image[:, d] + distance[:, None] * direction[:, d]
            target = np.where(reflected[:, None], point, target)
            if turning is not None:
                turned = kind[:, d - 1] == DIFFRACTION
                target = np.where(turned[:, None], turning, target)
                before = np.linalg.norm(turning - image[:, d - 1], axis=1)
                length = length + np.where(turned, before, 0.0)
    return length, direction


def images(
    planes: Planes,
    tx: FloatArray,
    kind: NDArray[np.uint8],
    plane: NDArray[np.int32],
    turning: FloatArray | None = None,
) -> FloatArray:
    """[P, D + 1, 3] where rays seem to come from before each interaction, and at arrival [m]: the
    images of the transmitter, or behind a diffraction those of its point.

    Parameters as of :func:`unfold`.
    """
    paths, depth = kind.shape
    image = np.empty((paths, depth + 1, 3))
    image[:, 0] = tx
    for d in range(depth):
        mirror = _of_mirror(kind[:, d], plane[:, d])
        normal = planes.normal[mirror]
        height = (normal * image[:, d]).sum(1) - planes.offset[mirror]
        mirrored = image[:, d] - 2.0 * height[:, None] * normal
        image[:, d + 1] = np.where((kind[:, d] == REFLECTION)[:, None], mirrored, image[:, d])
        if turning is not None:
            turned = (kind[:, d] == DIFFRACTION)[:, None]
            image[:, d + 1] = np.where(turned, turning, image[:, d + 1])
    return image


def _of_mirror(kind: NDArray[np.uint8], plane: NDArray[np.int32]) -> NDArray[np.int32]:
    """[P] planes; 0 at diffractions, whose number is that of a wedge."""
    return np.where(kind == DIFFRACTION, np.int32(0), plane)
