"""Scenes and helpers for the tests of the path search."""

import dataclasses

import numpy as np

from vlmrt_dist.campaign import MeasurementSetup
from vlmrt_dist.paths.exact.faces import prepare_scene
from vlmrt_dist.paths.exact.limits import SearchLimits
from vlmrt_dist.paths.exact.search import ExactPaths, search_paths
from vlmrt_dist.scene import SceneModel, SceneObject
from vlmrt_dist.scene.model import bounding_bounds

UTM = np.array([512_345.678, 5_403_210.123, 431.5])
"""Coordinates of a place in Europe, as surveyors give them [m]; beyond what a scene may have."""

FAR = np.array([500_000.25, -498_765.5, 120.125])

QUAD = np.array([[0, 1, 2], [0, 2, 3]])


def quad(name, corners, material="concrete"):
    """A rectangle as an object of two triangles."""
    return SceneObject(name, material, np.array(corners, float), QUAD)


def box(name, low, high, material="wood"):
    """A closed box as an object of twelve triangles."""
    x0, y0, z0 = low
    x1, y1, z1 = high
    v = [(x, y, z) for z in (z0, z1) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    f = [
        (0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), (0, 1, 5), (0, 5, 4),
        (1, 2, 6), (1, 6, 5), (2, 3, 7), (2, 7, 6), (3, 0, 4), (3, 4, 7),
    ]  # fmt: skip
    return SceneObject(name, material, np.array(v, float), np.array(f))


def scene_of(*objects):
    return SceneModel("case", objects, bounding_bounds(objects))


def wall(name, a, b, height=2.7):
    """An upright rectangle over the line from a to b [2]."""
    (ax, ay), (bx, by) = a, b
    return quad(name, [(ax, ay, 0), (bx, by, 0), (bx, by, height), (ax, ay, height)], "brick")


def l_shaped_flat():
    """Six outer walls, a floor and a ceiling in the shape of an L, an inner wall and a cupboard."""
    outline = [(0, 0), (7, 0), (7, 3.5), (3.5, 3.5), (3.5, 6), (0, 6)]
    walls = [wall(f"wall_{i}", outline[i], outline[(i + 1) % 6]) for i in range(6)]
    plan = np.array(outline, float)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 5], [3, 4, 5]])
    slabs = [
        SceneObject(name, "concrete", np.column_stack([plan, np.full(6, z)]), faces)
        for name, z in (("floor", 0.0), ("ceiling", 2.7))
    ]
    inner = wall("inner", (3.5, 0.0), (3.5, 2.4))
    return scene_of(*slabs, *walls, inner, box("cupboard", (5.1, 2.2, 0.02), (6.3, 2.8, 1.9)))


def random_room(rng):
    """A room of up to six walls, some left out, with one to three boxes or partitions in it."""
    a, b, h = rng.uniform(2.5, 5.0, 3)
    sides = [
        wall("west", (0, 0), (0, b), h),
        wall("east", (a, 0), (a, b), h),
        wall("south", (0, 0), (a, 0), h),
        wall("north", (0, b), (a, b), h),
        quad("floor", [(0, 0, 0), (a, 0, 0), (a, b, 0), (0, b, 0)]),
        quad("ceiling", [(0, 0, h), (a, 0, h), (a, b, h), (0, b, h)]),
    ]
    kept = [side for side in sides if rng.random() < 0.75]
    things = []
    for i in range(rng.integers(1, 4)):
        low = rng.uniform(0.1, 0.6, 3) * (a, b, h)
        size = rng.uniform(0.1, 0.35, 3) * (a, b, h)
        if rng.random() < 0.7:
            things.append(box(f"box_{i}", low, low + size))
        else:
            turn = rng.uniform(0, np.pi)
            end = low[:2] + size[0] * np.array([np.cos(turn), np.sin(turn)])
            things.append(wall(f"partition_{i}", low[:2], end, low[2] + size[2]))
    return scene_of(*kept, *things)


def random_setup(scene, rng, receivers=3):
    """Antennas anywhere in the scene's bounding box, clear of surfaces, also inside of boxes."""
    low, high = scene.bounds
    points: list[np.ndarray] = []
    while len(points) < receivers + 1:
        point = rng.uniform(low + 0.01, high - 0.01)
        if scene.distance_to_surface(point[None])[0] > 0.01:
            points.append(point)
    return MeasurementSetup(points[0], np.array(points[1:]))


def setup_at(tx, rx):
    """A setup of positions given as lists."""
    return MeasurementSetup(np.array(tx, float), np.array(rx, float))


def find(scene, setup, depth, **options) -> ExactPaths:
    """The paths of one setup."""
    threads = options.pop("threads", 1)
    limits = SearchLimits(depth, **options)
    return search_paths(prepare_scene(scene), [setup], limits, threads=threads)


def keys(paths, setup=0):
    """The paths of one setup as brute_force gives them."""
    found = set()
    for p in np.flatnonzero(paths.setup == setup):
        count = int((paths.kind[p] != 0).sum())
        steps = np.column_stack([paths.kind[p], paths.object[p], paths.plane[p]])[:count]
        found.add((int(paths.receiver[p]), count, *steps.ravel().tolist()))
    assert len(found) == (paths.setup == setup).sum()
    return found


def per_link(paths):
    """How many paths each receiver of the only setup has, by number of interactions."""
    return np.bincount((paths.kind != 0).sum(1), minlength=paths.kind.shape[1] + 1)


def rotation(rng):
    """A random rotation [3, 3]."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def moved(scene, setup, turn, shift):
    """Scene and setup after the same rotation and translation."""
    objects = tuple(
        dataclasses.replace(item, vertices=item.vertices @ turn.T + shift) for item in scene.objects
    )
    return scene_of(*objects), MeasurementSetup(turn @ setup.tx + shift, setup.rx @ turn.T + shift)
