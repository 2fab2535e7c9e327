"""What the link from one transmitter to each of many places would tell, by geometry alone.

Two kinds, after the paper's Prompt 2: links whose direct path goes through an object, and links
with a mirror image of the transmitter in one of an object's faces. No ray is traced: a segment
crosses triangles or does not, and a mirror point lies on its face or does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlmrt_dist.geometry import ray_meets
from vlmrt_dist.planes import Planes
from vlmrt_dist.scene import SceneModel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FACES_PER_OBJECT = 8
"""Largest planes of an object that are looked at as mirrors."""
TRIANGLES_PER_FACE = 200
"""Largest triangles of a plane that are."""
NEAR_FACE = 1e-3
"""An antenna nearer to a plane than this [m] has no mirror image in it."""

THROUGH, MIRROR = 0, 1


class Links(NamedTuple):
    """Links of one transmitter that tell something about an object, L of them.

    :param place: [L] index of the receiver's place
    :param target: [L] object that the link tells about
    :param kind: [L] THROUGH or MIRROR
    :param quality: [L] in (0, 1], how purely and how strongly
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
    """A plane of an object, as a mirror.

    :param item: index of the object
    :param normal: [3] unit normal
    :param offset: n · x of its points [m]
    :param triangles: [T,3,3] what of the plane is there [m]
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
) -> Links:
    """The links from ``tx`` [3] to ``places`` [P,3] that tell about some objects.

    :param targets: objects that links through them are sought for
    :param faces: what mirror points are sought on
    """
    segment, item, _ = scene.crossings(np.broadcast_to(tx, places.shape), places)
    crossed = np.unique(np.stack([segment, item], axis=1), axis=0)
    count = np.bincount(crossed[:, 0], minlength=len(places))
    place, target = crossed[np.isin(crossed[:, 1], targets)].T
    distance = np.linalg.norm(places - tx, axis=1)
    # Near ones are stronger; the scale is that of the places themselves.
    strength = 1.0 / (1.0 + 2.0 * distance / distance.max(initial=1e-9))
    through = Links(
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
    return Links(*(np.concatenate(both) for both in zip(through, mirrored, strict=True)))


def _mirrored(
    scene: SceneModel, tx: FloatArray, places: FloatArray, faces: Sequence[Face], count: IntArray
) -> Links | None:
    """Links with a mirror point on a face, both legs of which are clear."""
    found: list[tuple[IntArray, IntArray, FloatArray, FloatArray]] = []
    for face in faces:
        height = float(face.normal @ tx) - face.offset
        side = places @ face.normal - face.offset
        at = np.flatnonzero((side * height > 0) & (np.abs(side) > NEAR_FACE))
        if abs(height) <= NEAR_FACE or len(at) == 0:
            continue
        image = tx - 2.0 * height * face.normal
        met = _meets_any(image, places[at] - image, face.triangles)
        at, met = at[~np.isnan(met)], met[~np.isnan(met)]
        way = places[at] - image
        length = np.linalg.norm(way, axis=1)
        direct = np.linalg.norm(places[at] - tx, axis=1)
        steep = np.abs(way @ face.normal) / length
        # Almost as short as the direct path, and not grazing, where every material is a mirror.
        quality = direct / length * steep
        found.append((at, np.full(len(at), face.item), quality, image + met[:, None] * way))
    if not found:
        return None
    at, target, quality, point = (np.concatenate(part) for part in zip(*found, strict=True))
    # Pulled back from the face a little, so that the face itself is not in the way.
    starts = np.concatenate([np.broadcast_to(tx, point.shape), places[at]])
    ends = starts + (1.0 - 1e-6) * (np.concatenate([point, point]) - starts)
    hidden = np.zeros(2 * len(at), dtype=bool)
    hidden[scene.crossings(starts, ends)[0]] = True
    clear = ~(hidden[: len(at)] | hidden[len(at) :])
    at, target, quality, point = at[clear], target[clear], quality[clear], point[clear]
    return Links(
        place=at,
        target=target,
        kind=np.full(len(at), MIRROR),
        # What arrives by the mirror alone says more than what adds to a direct path.
        quality=np.where(count[at] > 0, 0.5 + 0.5 * quality, 0.5 * quality),
        others=count[at],
        point=point,
    )


def _meets_any(start: FloatArray, way: FloatArray, triangles: FloatArray) -> FloatArray:
    """Where rays from one point [3] along ``way`` [n,3] meet any triangle; NaN where none."""
    met = np.full(len(way), np.nan)
    for triangle in triangles:
        left = np.flatnonzero(np.isnan(met))
        many = np.broadcast_to(triangle, (len(left), 3, 3))
        met[left] = ray_meets(np.broadcast_to(start, (len(left), 3)), way[left], many)
    return met
