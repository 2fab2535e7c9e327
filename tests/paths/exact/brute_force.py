"""The oracle of the path search: every sequence of surfaces, no pruning, no tree, raw triangles.

It shares with the search which triangles lie in one plane and which planes are one surface, and the
stated tolerance at edges; everything else is done again, the slow way.
"""

import numba
import numpy as np

from vlmrt_dist.campaign import MeasurementSetup
from vlmrt_dist.paths.exact.faces import prepare_scene
from vlmrt_dist.scene import SceneModel

INSIDE = 1e-9


def brute_force(scene: SceneModel, setup: MeasurementSetup, depth: int) -> set[tuple[int, ...]]:
    """Every path as (receiver, kind, object, kind, object, …) with a plane behind each object."""
    prepared = prepare_scene(scene)
    corner = np.concatenate([item.vertices[item.faces] for item in scene.objects]) - prepared.shift
    owner = np.repeat(np.arange(scene.num_objects), [len(item.faces) for item in scene.objects])
    plane = prepared.planes.of_face
    kept = plane >= 0
    corner, owner, plane = corner[kept], owner[kept], plane[kept]
    surface = prepared.faces.mirror["surface"][plane]
    order = np.argsort(surface, kind="stable")
    corner, owner, plane = corner[order], owner[order], plane[order]
    classes = int(surface.max()) + 1
    first = np.searchsorted(surface[order], np.arange(classes + 1))
    found = _enumerate(
        setup.tx - prepared.shift, setup.rx - prepared.shift, depth, corner, first, owner,
        plane, prepared.planes.normal, prepared.planes.offset,
    )  # fmt: skip
    rows = {tuple(row[: 2 + 3 * row[1]].tolist()) for row in found}
    assert len(rows) == len(found)
    return rows


@numba.njit(cache=True)
def _enumerate(tx, rx, depth, corner, first, owner, plane, normal, offset):
    classes = len(first) - 1
    rows = np.zeros((1024, 2 + 3 * depth), np.int64)
    written = 0
    image = np.zeros((depth + 1, 3))
    image[0] = tx
    mirror = np.zeros(depth + 1, np.int64)  # 1 + class of each reflection, 0: not chosen yet
    level = 0
    fresh = True
    while level >= 0:
        if fresh:
            for n in range(len(rx)):
                if written == len(rows):
                    rows = np.concatenate((rows, np.zeros_like(rows)))
                if _path(
                    image,
                    mirror,
                    level,
                    rx[n],
                    depth,
                    corner,
                    first,
                    owner,
                    plane,
                    normal,
                    offset,
                    rows[written],
                ):
                    rows[written, 0] = n
                    written += 1
        if level == depth or mirror[level] == classes:
            mirror[level] = 0
            level -= 1
            fresh = False
            continue
        mirror[level] += 1
        q = plane[first[mirror[level] - 1]]
        height = np.dot(normal[q], image[level]) - offset[q]
        image[level + 1] = image[level] - 2.0 * height * normal[q]
        level += 1
        fresh = abs(height) > 1e-9 and (level < 2 or mirror[level - 1] != mirror[level - 2])
        if not fresh:
            level -= 1
    return rows[:written]


@numba.njit(cache=True)
def _path(image, mirror, level, rx, depth, corner, first, owner, plane, normal, offset, row):
    points = np.zeros((level + 2, 3))
    points[0], points[level + 1] = image[0], rx
    hit = np.zeros(level + 1, np.int64)
    for i in range(level, 0, -1):
        # At the very edge of two mirrors both orders are one path, the ascending one by rule.
        q = plane[first[mirror[i - 1] - 1]]
        edge = i < level and abs(np.dot(normal[q], points[i + 1]) - offset[q]) <= INSIDE
        if edge and mirror[i - 1] > mirror[i]:
            return False
        f = _met(image[i], points[i + 1], mirror[i - 1] - 1, edge, corner, first, owner, plane,
                 normal, offset, points[i])  # fmt: skip
        if f < 0:
            return False
        hit[i] = f
    column = 2
    for i in range(level + 1):
        before = mirror[i - 1] - 1 if i > 0 else -1
        after = mirror[i] - 1 if i < level else -1
        at = np.zeros(len(first))
        faces = np.zeros(len(first), np.int64)
        count = 0
        place = np.zeros(3)
        for c in range(len(first) - 1):
            if c in (before, after):
                continue
            f = _met(points[i], points[i + 1], c, False, corner, first, owner, plane, normal,
                     offset, place)  # fmt: skip
            if f >= 0:
                at[count] = np.sqrt(((place - points[i]) ** 2).sum())
                faces[count] = f
                count += 1
        if (column - 2) // 3 + count + (level - i) > depth:
            return False
        for k in np.argsort(at[:count]):
            row[column], row[column + 1], row[column + 2] = 2, owner[faces[k]], plane[faces[k]]
            column += 3
        if i < level:
            row[column], row[column + 1] = 1, owner[hit[i + 1]]
            row[column + 2] = plane[hit[i + 1]]
            column += 3
    row[1] = (column - 2) // 3
    return True


@numba.njit(cache=True)
def _met(a, b, surface, edge, corner, first, owner, plane, normal, offset, place):
    """The triangle of the first object of a surface that segment a-b passes through, or -1."""
    best = -1
    for f in range(first[surface], first[surface + 1]):
        n, o = normal[plane[f]], offset[plane[f]]
        here, there = np.dot(n, a) - o, np.dot(n, b) - o
        ends_here = min(abs(here), abs(there)) <= INSIDE
        if not edge and (ends_here or (here > 0.0) == (there > 0.0)):
            continue
        point = a + here / (here - there) * (b - a)
        if _within(corner[f], point, n) and (best < 0 or owner[f] < owner[best]):
            best = f
            place[:] = point
    return best


@numba.njit(cache=True)
def _within(triangle, point, n):
    turn = np.dot(n, np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0]))
    for j in range(3):
        a, b = triangle[j], triangle[(j + 1) % 3]
        inward = np.cross(n, b - a) * (1.0 if turn > 0.0 else -1.0)
        if np.dot(inward, point - a) < -INSIDE * np.sqrt(np.dot(inward, inward)):
            return False
    return True
