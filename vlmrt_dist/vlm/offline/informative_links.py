"""Links of one transmitter that depend on an object's material, found by geometry alone.

Two kinds, after the paper's Prompt 2: links whose direct path goes through an object, and links
with a reflection in one of an object's faces. No ray is traced: the direct segment is tested
against the triangles, and the mirror point against the face.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.paths import Planes
from vlmrt_dist.scene import SceneModel, ray_meets

FACES_PER_OBJECT = 8
"""Largest planes of an object that are tested for reflections."""
TRIANGLES_PER_FACE = 200
"""Largest triangles of a plane that are tested."""
LINKS_PER_FACE = 20
"""Reflections of a face that are tested for free legs, the best first."""
NEAR_FACE = 1e-3
"""Least distance of an antenna to a plane that reflects it [m]."""

THROUGH, MIRROR = 0, 1


class InformativeLinks(NamedTuple):
    """L links of one transmitter, each with the object that it depends on.

    :param place: [L] index of the receiver's place
    :param target: [L] object that the link depends on
    :param kind: [L] THROUGH or MIRROR
    :param quality: [L] in (0, 1]: greater for stronger links with fewer other objects
    :param others: [L] objects that the direct path goes through, the target of THROUGH left out
    :param point: [L,3] the mirror point [m]; NaN for THROUGH
    """

    place: IntArray
    target: IntArray
    kind: IntArray
    quality: FloatArray
    others: IntArray
    point: FloatArray


class Face(NamedTuple):
    """A plane of an object, as a reflector.

    :param item: index of the object
    :param normal: [3] unit normal
    :param offset: n · x of its points [m]
    :param triangles: [T,3,3] the object's triangles in the plane [m]
    """

    item: int
    normal: FloatArray
    offset: float
    triangles: FloatArray


def faces_of(scene: SceneModel, planes: Planes, objects: Iterable[int]) -> list[Face]:
    """The largest faces of some of the scene's objects.

    :param planes: of the whole scene
    """
    found = []
    for k in objects:
        item = scene.objects[k]
        triangles = item.vertices[item.faces]
        first = int(planes.first_face[k])
        plane = planes.of_face[first : first + len(triangles)]
        sides = triangles[:, 1:] - triangles[:, :1]
        area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
        numbers, which = np.unique(plane, return_inverse=True)
        total = np.bincount(which, weights=area)
        for largest in np.argsort(-total, kind="stable")[:FACES_PER_OBJECT]:
            mine = np.flatnonzero(which == largest)
            mine = mine[np.argsort(-area[mine], kind="stable")[:TRIANGLES_PER_FACE]]
            q = numbers[largest]
            found.append(Face(k, planes.normal[q], float(planes.offset[q]), triangles[mine]))
    return found


def links_of(
    scene: SceneModel,
    tx: FloatArray,
    places: FloatArray,
    targets: Sequence[int],
    faces: Sequence[Face],
) -> InformativeLinks:
    """The links from ``tx`` [3] to ``places`` [P,3] that depend on some objects.

    :param targets: objects to find links through
    :param faces: faces to find mirror points on
    """
    segment, item, _ = scene.crossings(np.broadcast_to(tx, places.shape), places)
    crossed = np.unique(np.stack([segment, item], axis=1), axis=0)
    count = np.bincount(crossed[:, 0], minlength=len(places))
    place, target = crossed[np.isin(crossed[:, 1], targets)].T
    distance = np.linalg.norm(places - tx, axis=1)
    # Near links are stronger; distances are in units of the greatest one.
    strength = 1.0 / (1.0 + 2.0 * distance / distance.max(initial=1e-9))
    through = InformativeLinks(
        place=place,
        target=target,
        kind=np.full(len(place), THROUGH),
        quality=strength[place] / count[place],
        others=count[place] - 1,
        point=np.full((len(place), 3), np.nan),
    )
    mirrored = _mirrored(scene, tx, places, faces, count)
    if mirrored is None:
        return through
    return InformativeLinks(*(np.concatenate(both) for both in zip(through, mirrored, strict=True)))


def _mirrored(
    scene: SceneModel, tx: FloatArray, places: FloatArray, faces: Sequence[Face], count: IntArray
) -> InformativeLinks | None:
    """Links with a mirror point on a face and two free legs."""
    if not faces:
        return None
    normal = np.array([face.normal for face in faces])
    offset = np.array([face.offset for face in faces])
    height = normal @ tx - offset
    side = places @ normal.T - offset
    # Both on the same side of the plane, and neither in it.
    pairs = (side * height > 0) & (np.minimum(np.abs(side), np.abs(height)) > NEAR_FACE)
    at, which = np.nonzero(pairs)
    image = (tx - 2.0 * height[:, None] * normal)[which]
    way = places[at] - image
    share = height[which] / (height[which] + side[at, which])
    point = image + share[:, None] * way
    there = _lies_on(point, which, faces)
    at, which, way, point = at[there], which[there], way[there], point[there]
    target = np.array([face.item for face in faces])[which]
    length = np.linalg.norm(way, axis=1)
    direct = np.linalg.norm(places[at] - tx, axis=1)
    steep = np.abs((way * normal[which]).sum(axis=1)) / length
    # Almost as short as the direct path, and not grazing, where every material is a mirror.
    quality = direct / length * steep
    # Only the best of each face: testing the legs is the expensive part.
    order = np.lexsort((-quality, which))
    first = np.searchsorted(which[order], np.arange(len(faces)))
    order = order[np.arange(len(order)) - first[which[order]] < LINKS_PER_FACE]
    order = order[_clear(scene, point[order], tx)]
    order = order[_clear(scene, point[order], places[at[order]])]
    at, target, quality, point = at[order], target[order], quality[order], point[order]
    return InformativeLinks(
        place=at,
        target=target,
        kind=np.full(len(at), MIRROR),
        # A reflection without a direct path depends more on the object than one beside it.
        quality=np.where(count[at] > 0, 0.5 + 0.5 * quality, 0.5 * quality),
        others=count[at],
        point=point,
    )


def _clear(scene: SceneModel, points: FloatArray, ends: FloatArray) -> BoolArray:
    """Mask [n] of free segments from points [n,3] on faces, those faces left out, to ends."""
    starts = points + 1e-6 * (ends - points)
    clear = np.ones(len(points), dtype=bool)
    clear[scene.crossings(starts, np.broadcast_to(ends, starts.shape))[0]] = False
    return clear


def _lies_on(points: FloatArray, which: IntArray, faces: Sequence[Face]) -> BoolArray:
    """Mask [n] of points [n,3] in the planes of faces ``which`` [n] that lie on a triangle."""
    found = np.zeros(len(points), dtype=bool)
    normal = np.array([face.normal for face in faces])
    count = np.array([len(face.triangles) for face in faces])
    low = np.array([face.triangles.min(axis=(0, 1)) for face in faces]) - NEAR_FACE
    high = np.array([face.triangles.max(axis=(0, 1)) for face in faces]) + NEAR_FACE
    inside = ((points >= low[which]) & (points <= high[which])).all(axis=1)
    for round_ in range(max(len(face.triangles) for face in faces)):
        # Each round tests one triangle of every face.
        count = np.array([len(face.triangles) for face in faces])
        left = np.flatnonzero(inside & ~found & (count[which] > round_))
        if len(left) == 0:
            break
        triangle = np.array(
            [face.triangles[min(round_, len(face.triangles) - 1)] for face in faces]
        )
        across = normal[which[left]]
        met = ray_meets(points[left] - across, across, triangle[which[left]])
        found[left] = ~np.isnan(met)
    return found
