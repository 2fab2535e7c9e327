"""Random flats and towns, with what is inside, outside, a roof or furniture known from their plans.

The truth is made of the polygons that a scene is drawn from; no code of the package takes part.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from shapely import affinity

from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds

Array = np.ndarray


@dataclass
class Truth:
    """What is known of a scene.

    :param ground: where there is floor or ground that people may stand on
    :param slope: rise of the floor along x and y, and its height at the origin
    :param ceiling: height of the ceiling above the floor [m]; None: there is none
    :param barred: polygon, and the heights above the floor between which nobody may be
    """

    ground: Any
    slope: tuple[float, float, float]
    ceiling: float | None = None
    barred: list[tuple[str, Any, float, float]] = field(default_factory=list)

    def level(self, points: Array) -> Array:
        a, b, c = self.slope
        return np.asarray(a * points[:, 0] + b * points[:, 1] + c)

    def faults(self, points: Array, heights: tuple[float, float] | None = None) -> list[str]:
        """What is wrong with positions [P, 3], a line each."""
        above = points[:, 2] - self.level(points)
        found = []
        on_ground = shapely.intersects_xy(self.ground, points[:, 0], points[:, 1])
        wrong = {"outside": ~on_ground, "under the floor": above < 0.0}
        if self.ceiling is not None:
            wrong["on the roof"] = above > self.ceiling
        if heights is not None:
            wrong["at a wrong height"] = (above < heights[0] - 0.02) | (above > heights[1] + 0.02)
        for what, shape, low, high in self.barred:
            within = shapely.contains_xy(shape, points[:, 0], points[:, 1])
            wrong[f"in {what}"] = wrong.get(f"in {what}", np.zeros(len(points), bool)) | (
                within & (above > low) & (above < high)
            )
        for what, mask in wrong.items():
            found += [f"{what}: {p.round(2).tolist()}" for p in points[mask]]
        return found


class Builder:
    """Objects of a scene, whose heights count from a sloping floor."""

    def __init__(self, rng: np.random.Generator, slope: tuple[float, float, float]) -> None:
        self.rng, self.slope = rng, slope
        self.objects: list[SceneObject] = []

    def lifted(self, flat: Array, height: float) -> Array:
        a, b, c = self.slope
        return np.column_stack([flat, a * flat[:, 0] + b * flat[:, 1] + c + height])

    def add(self, name: str, parts: list[tuple[Array, Array]]) -> None:
        """An object of meshes (vertices [V, 3], faces [F, 3])."""
        vertices, faces, count = [], [], 0
        for v, f in parts:
            vertices.append(v)
            faces.append(f + count)
            count += len(v)
        name = f"{name}_{len(self.objects)}"
        self.objects.append(
            SceneObject(name, "concrete", np.concatenate(vertices), np.concatenate(faces))
        )

    def sheet(self, shape: Any, height: float) -> tuple[Array, Array]:
        """A horizontal (sloping as the floor) sheet over a polygon."""
        parts = shapely.get_parts(shapely.constrained_delaunay_triangles(shape))
        corners = np.concatenate([np.array(t.exterior.coords)[:3] for t in parts])
        return self.lifted(corners, height), np.arange(len(corners)).reshape(-1, 3)

    def upright(self, line: Array, low: float, high: float) -> tuple[Array, Array]:
        """An upright wall over a line of corners [n, 2]."""
        n = len(line)
        vertices = np.concatenate([self.lifted(line, low), self.lifted(line, high)])
        i = np.arange(n - 1)
        faces = np.concatenate(
            [np.column_stack([i, i + 1, n + i + 1]), np.column_stack([i, n + i + 1, n + i])]
        )
        return vertices, faces

    def prism(
        self, shape: Any, low: float, high: float, *, bottom: bool = True, top: bool = True
    ) -> list[tuple[Array, Array]]:
        parts = []
        for polygon in shapely.get_parts(shape):
            rings = [polygon.exterior, *polygon.interiors]
            parts += [self.upright(np.array(ring.coords), low, high) for ring in rings]
            if bottom:
                parts.append(self.sheet(polygon, low))
            if top:
                parts.append(self.sheet(polygon, high))
        return parts


def plan_of(rng: np.random.Generator, kind: str, low: float, high: float) -> Any:
    """A rectangle, L, U, T or ring with sides between ``low`` and ``high`` [m]."""
    a, b = rng.uniform(low, high, 2)
    whole = shapely.box(0.0, 0.0, a, b)
    u, v = rng.uniform(0.35, 0.6, 2)
    if kind == "L":
        return whole.difference(shapely.box(a * u, b * v, a + 1, b + 1))
    if kind == "U":
        return whole.difference(shapely.box(a * 0.3, b * v, a * 0.7, b + 1))
    if kind == "T":
        cut = shapely.box(-1, -1, a * 0.3, b * v), shapely.box(a * 0.7, -1, a + 1, b * v)
        return whole.difference(shapely.union_all(cut))
    if kind == "courtyard":
        return whole.difference(shapely.box(a * 0.3, b * 0.3, a * 0.7, b * 0.7))
    return whole


KINDS = ("rectangle", "L", "U", "T", "courtyard")


def random_flat(seed: int) -> tuple[SceneModel, Truth]:
    """A flat: outer walls with a door, partitions, furniture; perhaps a ceiling or an overhang."""
    rng = np.random.default_rng((seed, 1))
    kind = KINDS[seed % len(KINDS)]
    plan = plan_of(rng, kind, 8.0, 24.0)
    plan = affinity.rotate(plan, rng.choice([0.0, 0.0, 17.0, 41.0]), origin=(0, 0))
    plan = affinity.translate(plan, *rng.uniform(-20, 20, 2))
    tilt = rng.choice([0.0, 0.0, 0.04])
    make = Builder(rng, (tilt, -0.5 * tilt, rng.choice([0.0, 0.0, 3.3])))
    height = rng.uniform(2.4, 3.6)
    reach = rng.choice([0.0, 0.0, 0.6, 2.0])
    overhang = plan if reach == 0.0 else plan.envelope.buffer(reach, join_style="mitre")
    roofed = kind == "courtyard" or rng.random() < 0.6
    # A courtyard with floor and ceiling, behind walls, is a room to whoever sees the geometry.
    floor = plan if kind == "courtyard" and rng.random() < 0.5 else overhang
    slab = rng.random() < 0.4
    make.add("floor", make.prism(floor, -0.25, 0.0) if slab else [make.sheet(floor, 0.0)])
    if roofed:
        over = plan if kind == "courtyard" or rng.random() < 0.5 else overhang
        solid = rng.random() < 0.5
        ceiling = make.prism(over, height, height + 0.3) if solid else [make.sheet(over, height)]
        make.add("ceiling", ceiling)
    thick = bool(rng.random() < 0.5)
    _outer_walls(make, plan, height, thick=thick, apart=rng.random() < 0.5)
    _partition(make, plan, height)
    within = plan.buffer(0.1, join_style="mitre") if thick else plan  # a window is in the wall
    truth = Truth(within, make.slope, height if roofed else None)
    _furniture(make, plan, truth, height)
    objects = tuple(make.objects)
    bounds = bounding_bounds(objects, 3.0 if roofed and rng.random() < 0.5 else 0.0)
    return SceneModel(f"flat_{seed}_{kind}", objects, bounds), truth


def _outer_walls(make: Builder, plan: Any, height: float, *, thick: bool, apart: bool) -> None:
    """Walls along the rings of a plan; the longest outer edge has a door, others windows."""
    rng = make.rng
    parts: list[list[tuple[Array, Array]]] = []
    for ring in (plan.exterior, *plan.interiors):
        corners = np.array(ring.coords)
        lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
        for k, (a, b) in enumerate(itertools.pairwise(corners)):
            way = (b - a) / lengths[k]
            cuts = [0.0, lengths[k]]
            opening = None
            if lengths[k] > 4.0 and (k == int(np.argmax(lengths)) or rng.random() < 0.4):
                width = rng.uniform(0.8, 1.1) if k == int(np.argmax(lengths)) else 1.8
                start = rng.uniform(1.0, lengths[k] - width - 1.0)
                opening = (0.0, 2.1) if k == int(np.argmax(lengths)) else (0.95, 2.2)
                cuts = [0.0, start, start + width, lengths[k]]
            wall: list[tuple[Array, Array]] = []
            for i, (u, v) in enumerate(itertools.pairwise(cuts)):
                bands = [(0.0, height)]
                if opening is not None and i == 1:
                    bands = [(0.0, opening[0])] * (opening[0] > 0.0) + [(opening[1], height)]
                for low, high in bands:
                    line = np.array([a + u * way, a + v * way])
                    if thick:
                        shape = shapely.LineString(line).buffer(0.1, cap_style="flat")
                        wall += make.prism(shape, low, high)
                    else:
                        wall.append(make.upright(line, low, high))
            parts.append(wall)
    if apart:
        for wall in parts:
            make.add("wall", wall)
    else:
        make.add("walls", [piece for wall in parts for piece in wall])


def _partition(make: Builder, plan: Any, height: float) -> None:
    """A wall across the plan, with a door."""
    low, high = np.array(plan.bounds).reshape(2, 2)
    x = make.rng.uniform(0.3, 0.7) * (high[0] - low[0]) + low[0]
    line = shapely.LineString([(x, low[1]), (x, high[1])]).intersection(plan)
    for part in shapely.get_parts(line):
        if part.geom_type != "LineString" or part.length < 3.0:
            continue
        a, b = np.array(part.coords)
        door = a + (b - a) * (1.2 / part.length)
        after = a + (b - a) * (2.1 / part.length)
        for piece in ([a, door], [after, b]):
            make.add("partition", [make.upright(np.array(piece), 0.0, height)])


def _furniture(make: Builder, plan: Any, truth: Truth, height: float) -> None:
    """Boxes: on the floor or through it, closed or open."""
    rng = make.rng
    low, high = np.array(plan.bounds).reshape(2, 2)
    for _ in range(int(rng.integers(2, 7))):
        side = rng.uniform(0.7, 2.2, 2)
        middle = rng.uniform(low, high)
        shape = shapely.box(*(middle - side / 2), *(middle + side / 2))
        if not plan.buffer(-0.4).contains(shape):
            continue
        tall = rng.uniform(0.7, 0.8 * height)
        deep = rng.choice([0.0, 0.02, 0.5, 1.7, 4.0])
        bottom, top = bool(rng.random() < 0.75), bool(rng.random() < 0.85)
        small = tall < 1.9 or side.min() < 1.5
        if not small:
            bottom = top = True
        make.add("machine", make.prism(shape, -deep, tall, bottom=bottom, top=top))
        truth.barred.append(("furniture", shape, -np.inf, tall))


def random_town(seed: int) -> tuple[SceneModel, Truth]:
    """A town: buildings of all kinds on ground that may end before some of them."""
    rng = np.random.default_rng((seed, 2))
    tilt = rng.choice([0.0, 0.05])
    make = Builder(rng, (tilt, 0.3 * tilt, rng.choice([0.0, 12.0])))
    count = int(rng.integers(2, 5))
    pitch = rng.uniform(45.0, 70.0)
    side = count * pitch
    ground = shapely.box(0.0, 0.0, side, side)
    if rng.random() < 0.4:  # the ground ends before, or under, the last row of buildings
        ground = shapely.box(0.0, 0.0, side - rng.uniform(0.3, 1.0) * pitch, side)
    kinds, plans = [], []
    for i in range(count):
        for j in range(count):
            kind = str(rng.choice(KINDS))
            plan = plan_of(rng, kind, 15.0, pitch - 12.0)
            plan = affinity.translate(plan, i * pitch + 5.0, j * pitch + 5.0)
            if rng.random() < 0.3:
                plan = affinity.rotate(plan, rng.uniform(-8, 8))
            kinds.append(kind)
            plans.append(plan)
    all_plans = shapely.union_all(plans)
    holed = rng.random() < 0.25
    shown = ground.difference(all_plans) if holed else ground
    if rng.random() < 0.25 and not holed:
        make.add("ground", make.prism(ground, -1.0, 0.0))
    else:
        make.add("ground", [make.sheet(part, 0.0) for part in shapely.get_parts(shown)])
    truth = Truth(ground, make.slope)
    for plan in plans:
        _building(make, plan, truth)
    objects = tuple(make.objects)
    return SceneModel(f"town_{seed}", objects, bounding_bounds(objects, 10.0)), truth


def _building(make: Builder, plan: Any, truth: Truth) -> None:
    rng = make.rng
    tall = rng.choice([3.5, 6.0, 9.0, 15.0, 30.0]) * rng.uniform(0.9, 1.1)
    low = rng.choice([0.0, 0.0, -1.0])
    how = rng.choice(["closed", "no bottom", "apart", "no roof", "walls apart"])
    if how == "closed":
        make.add("house", make.prism(plan, low, tall))
    elif how == "no bottom":
        make.add("house", make.prism(plan, low, tall, bottom=False))
    elif how == "no roof":
        make.add("ruin", make.prism(plan, low, tall, bottom=False, top=False))
    elif how == "apart":
        make.add("facade", make.prism(plan, low, tall, bottom=False, top=False))
        make.add("roof", [make.sheet(plan, tall)])
    else:
        for ring in (plan.exterior, *plan.interiors):
            corners = np.array(ring.coords)
            for a, b in itertools.pairwise(corners):
                make.add("facade", [make.upright(np.array([a, b]), low, tall)])
        if rng.random() < 0.7:
            make.add("roof", [make.sheet(plan, tall)])
    truth.barred.append(("a building", plan, -np.inf, np.inf))
    if rng.random() < 0.5 and tall > 5.0:
        corners = np.array(plan.exterior.coords)
        a, b = corners[:2]
        strip = shapely.LineString([a + 0.2 * (b - a), a + 0.8 * (b - a)]).buffer(
            rng.uniform(1.0, 2.5), cap_style="flat"
        )
        at = rng.uniform(2.8, tall - 0.5)
        make.add("balcony", make.prism(strip, at, at + 0.2))
        truth.barred.append(("the shade of a balcony", strip, -np.inf, np.inf))
