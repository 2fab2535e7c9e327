"""The surface that people stand on, and which part of it is inside a building or under the sky.

Scene files do not say which surface is the floor. It is found on a grid of cells seen from above:

1. *Standing surfaces*: of all surfaces over and under a cell those with at least :data:`STAND` of
   air above them, outside closed objects. So a table's top counts, the lower side of a slab does
   not.
2. *Patches*: standing surfaces of neighbouring cells at about the same height.
3. *The floor*: the lowest of the large patches, and patches beside it at about its height. A roof
   beyond the edge of the ground, a balcony and an object that reaches through the floor are none.

What is inside is found by filling the plan from outside, at heights from the knee to the head: what
is reached through openings wider than a door is outside. Where a ceiling covers most of the floor,
only what lies under it is inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.scene.geometry import SIDEWAYS
from vlmrt_dist.scene.plan_grid import Columns, PlanGrid, rays_met, sliced

STAND = 1.5
"""Air above a surface that somebody stands on [m]."""

SAME_HEIGHT = 1e-3
"""Surfaces this near above each other are one [m]."""

STEP, STEEP = 0.4, 0.3
"""Difference of height [m] of neighbouring cells of a patch, and what is added to it for each metre
from cell to cell."""

MOST_LAYERS = 6
"""Standing surfaces above each other that are told apart; those above are no floor."""

LARGE = 0.5
"""Share of the largest patch's area from which a patch may be the floor."""

LEAST_SHARE, ALL = 0.08, 0.6
"""Share of the plan that a floor covers at least; and from which it is one even where most surfaces
lie below it."""

BESIDE = 1.2
"""Difference of height [m] up to which a patch beside the floor belongs to it."""

PATCH, ANNEX = 0.002, 0.05
"""Least area of a patch that belongs to the floor, as a share of the floor's: of the same object,
and of another one, which may be a table."""

NARROW = 0.6
"""Width [m] up to which a gap between walls is the hollow of a wall and no room."""

SNAP = 0.5
"""Distance [m] of a surface from the height of the floor around, up to which it is the floor."""

ROOF = 0.5
"""Something this far above the ground [m] hides the sky."""

CEILING = 1.8
"""Least height [m] of a ceiling above the floor."""

SLICES = (0.4, 0.9, 1.4, 1.8)
"""Heights above the floor [m] at which walls are looked for: from the knee to the head, so that a
window above a parapet is no opening."""

GAPS = (1.3, 2.6)
"""Widths of openings [m] that count as closed: doors, then gates."""

ENCLOSED, ENCLOSED_HULL = 0.3, 0.4
"""Share of the floor that is inside, if a scene is one of closed rooms; where the floor reaches far
beyond the walls, the share of what a line around all walls encloses."""

OUTDOOR_SIDE, OUTDOOR_HEIGHT, OUTDOOR_SKY = 25.0, 3.0, 0.2
"""A scene wider [m] and higher above its ground [m] than this is one of buildings, if this share of
its ground sees the sky and is reached from outside."""

SINGLE = 0.22
"""A single house that covers more of the plan than this is the scene: a flat whose floor reaches
beyond its walls, not a town."""

HIGH_SIDE, HIGH = 40.0, 10.0
"""A scene wider and higher than this [m] is one of buildings if its ground sees the sky: a block of
houses may shut off all of it."""


class Ground(NamedTuple):
    """The floor or the ground at places.

    :param level: [P] its height [m]; NaN where there is none
    :param top: [P] height of the highest surface there [m]; -inf where there is none
    """

    level: FloatArray
    top: FloatArray

    @property
    def open_sky(self) -> BoolArray:
        """Places [P] with nothing more than :data:`ROOF` above the ground."""
        return np.asarray(self.top < self.level + ROOF)  # false for NaN


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """The floor of a scene on a grid.

    :param grid: the cells
    :param floor: [X, Y] whether people can stand in a cell
    :param level: [X, Y] height of the floor [m], that of the nearest cell where there is none;
        None: the scene has no floor
    :param floor_groups: objects that the floor is made of
    :param roofed: whether a ceiling covers most of the floor
    :param inside: [X, Y] cells within walls; None: the scene has no closed rooms
    :param outdoors: whether the scene is one of buildings, with streets under the sky
    :param facades: [n, 2, 2] walls of buildings at a man's height, as segments in the plan [m]
    """

    grid: PlanGrid
    floor: BoolArray
    level: FloatArray | None = None
    floor_groups: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    roofed: bool = False
    inside: BoolArray | None = None
    outdoors: bool = False
    facades: FloatArray | None = None

    @classmethod
    def of(cls, triangles: FloatArray, groups: IntArray, solids: IntArray) -> FloorPlan:
        """The floor of a scene.

        :param triangles: corners [T, 3, 3] [m]
        :param groups: [T] objects of the triangles, ascending
        :param solids: closed objects that nobody stands inside of
        """
        corners = triangles.reshape(-1, 3)
        low, high = corners.min(axis=0), corners.max(axis=0)
        grid = PlanGrid.over(low[:2], high[:2])
        columns = grid.columns(triangles, groups)
        layers = _standing_layers(grid, columns, solids)
        level, own = _floor_of(grid, columns, layers, triangles)
        floor = np.isfinite(level)
        if not floor.any():
            return cls(grid, floor)
        filled = _filled(level)
        top = np.full(grid.size, -np.inf)
        np.maximum.at(top, columns.cell, columns.height)
        above = top.reshape(grid.shape) - filled
        parts = [segments_at(grid, filled, triangles, height) for height in SLICES]
        walls = grid.walls(np.concatenate(parts))
        sky = floor & (above < ROOF)
        reached = _reached(grid, walls, GAPS[0])
        plan = np.prod(np.maximum(high - low, grid.cell)[:2]) / grid.cell**2
        outdoors = _is_outdoors(
            high - low,
            height=high[2] - float(np.median(level[floor])),
            sky=float(sky.sum() / floor.sum()),
            reached=float((sky & reached).sum() / floor.sum()),
            built=float(_largest(~reached) / plan),
        )
        inside = None if outdoors else _enclosed(grid, floor, walls, reached)
        rooms = floor if inside is None else floor & inside
        roofed = not outdoors and bool((above[rooms] > CEILING).mean() >= 0.5)
        facades = segments_at(grid, filled, triangles, SLICES[2]) if outdoors else None
        return cls(grid, floor, filled, own, roofed, inside, outdoors, facades)

    def ground(
        self, places: FloatArray, line: IntArray, group: IntArray, height: FloatArray
    ) -> Ground:
        """The floor at places [P, 2].

        :param line: [n] place of each surface above or below the places
        :param group: [n] its object
        :param height: [n] its height [m]
        """
        top = np.full(len(places), -np.inf)
        np.maximum.at(top, line, height)
        level = np.full(len(places), np.nan)
        if self.level is None:
            return Ground(level, top)
        expected = self.level_near(places)
        off = np.abs(height - expected[line])
        near = np.flatnonzero(off <= SNAP + 0.5 * self._roughness(places)[line])
        # Written last is the floor's own surface, of several the nearest.
        own = np.isin(group[near], self.floor_groups)
        near = near[np.lexsort((-off[near], own, line[near]))]
        level[line[near]] = height[near]
        return Ground(level, top)

    def level_near(self, places: FloatArray) -> FloatArray:
        """Height [P] of the floor around places [P, 2] [m]; -inf if the scene has none."""
        if self.level is None:
            return np.full(len(places), -np.inf)
        return self.grid.interpolated(self.level, places)

    def within_walls(self, places: FloatArray) -> BoolArray:
        """Places [P, 2] within the rooms of the scene; all of them if it has no closed rooms."""
        if self.inside is None:
            return np.ones(len(places), dtype=bool)
        cells, there = self.grid.cells_at(places)
        return there & self.inside.reshape(-1)[cells]

    def among_walls(self, places: FloatArray) -> BoolArray:
        """Places [P, 2] within the walls of a building, even one without a roof.

        In nearly every direction an odd number of walls lies between such a place and the outside;
        from a street or a courtyard the number is even, as whoever enters a building leaves it.
        """
        if self.facades is None or len(self.facades) == 0 or len(places) == 0:
            return np.zeros(len(places), dtype=bool)
        count = np.stack([rays_met(places, self.facades, way[:2]) for way in SIDEWAYS])
        odd = (count % 2 == 1).sum(axis=0) >= 0.75 * len(SIDEWAYS)
        return np.asarray(odd & (count > 0).all(axis=0))

    def _roughness(self, places: FloatArray) -> FloatArray:
        """How much the floor's height differs among the cells around places [P, 2] [m], [P]."""
        assert self.level is not None
        cells, there = self.grid.cells_at(places)
        spread = ndimage.maximum_filter(self.level, 3) - ndimage.minimum_filter(self.level, 3)
        return np.where(there, spread.reshape(-1)[cells], 0.0)


def segments_at(
    grid: PlanGrid, level: FloatArray, triangles: FloatArray, height: float
) -> FloatArray:
    """Where triangles [T, 3, 3] are met at ``height`` [m] above the floor: segments [n, 2, 2] in
    the plan.

    :param level: [X, Y] height of the floor [m]
    """
    raised = triangles.copy()
    flat = triangles[:, :, :2].reshape(-1, 2)
    raised[:, :, 2] -= grid.interpolated(level, flat).reshape(-1, 3)
    return sliced(raised, height)


class _Layers(NamedTuple):
    """Standing surfaces in L layers above each other.

    :param patch: [L, X, Y] number of the patch; -1: there is none
    :param height: [L, X, Y] [m]; NaN: there is none
    :param group: [L, X, Y] object
    """

    patch: IntArray
    height: FloatArray
    group: IntArray


def _standing_layers(grid: PlanGrid, columns: Columns, solids: IntArray) -> _Layers:
    cell, height, group = columns
    count = len(cell)
    last = np.ones(count, dtype=bool)  # of surfaces at one height
    last[:-1] = (cell[1:] != cell[:-1]) | (np.diff(height) > SAME_HEIGHT)
    covered = _within_solids(columns, solids)
    air = np.full(count, np.inf)
    same = cell[1:] == cell[:-1]
    air[:-1][same] = np.diff(height)[same]
    standing = np.flatnonzero(last & (air >= STAND) & ~covered)
    cell, height, group = cell[standing], height[standing], group[standing]
    first = np.concatenate([[True], cell[1:] != cell[:-1]]) if len(cell) else np.zeros(0, bool)
    start = np.flatnonzero(first)
    layer = np.arange(len(cell)) - np.repeat(start, np.diff(np.append(start, len(cell))))
    kept = layer < MOST_LAYERS
    depth = int(layer[kept].max()) + 1 if kept.any() else 1
    heights = np.full((depth, grid.size), np.nan)
    heights[layer[kept], cell[kept]] = height[kept]
    owners = np.full((depth, grid.size), -1)
    owners[layer[kept], cell[kept]] = group[kept]
    shape = (depth, *grid.shape)
    heights = heights.reshape(shape)
    return _Layers(_patches(grid, heights), heights, owners.reshape(shape))


def _within_solids(columns: Columns, solids: IntArray) -> BoolArray:
    """Whether just above each surface [n] there is the inside of a closed object.

    From its lowest to its highest surface in a column an object counts as filled.
    """
    cell, height, group = columns
    closed = np.flatnonzero(np.isin(group, solids))
    change = np.zeros(len(cell), dtype=np.int64)
    order = closed[np.lexsort((height[closed], group[closed], cell[closed]))]
    if len(order):
        other = np.ones(len(order) + 1, dtype=bool)
        other[1:-1] = (np.diff(cell[order]) != 0) | (np.diff(group[order]) != 0)
        np.add.at(change, order[other[:-1]], 1)
        np.add.at(change, order[other[1:]], -1)
    depth = np.cumsum(change)
    # Of surfaces at one height the state after the last of them counts.
    last = np.ones(len(cell), dtype=bool)
    last[:-1] = (cell[1:] != cell[:-1]) | (np.diff(height) > SAME_HEIGHT)
    ends = np.flatnonzero(last)
    return depth[ends[np.searchsorted(ends, np.arange(len(cell)))]] > 0


def _patches(grid: PlanGrid, heights: FloatArray) -> IntArray:
    """Number of the patch of each standing surface [L, X, Y]; -1: none."""
    step = STEP + STEEP * grid.cell
    number = np.arange(heights.size).reshape(heights.shape)
    pairs = []
    for axis in (1, 2):
        here = [slice(None), slice(None), slice(None)]
        there = here.copy()
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        one, other = heights[tuple(here)], heights[tuple(there)]
        n, m = number[tuple(here)], number[tuple(there)]
        for i in range(len(heights)):
            for j in range(len(heights)):
                near = np.abs(one[i] - other[j]) <= step  # false for NaN
                pairs.append((n[i][near], m[j][near]))
    first, second = (np.concatenate(part) for part in zip(*pairs, strict=True))
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), (number.size, number.size))
    _, label = connected_components(graph, directed=False)
    return np.where(np.isnan(heights), -1, label.reshape(heights.shape))


def _floor_of(
    grid: PlanGrid, columns: Columns, layers: _Layers, triangles: FloatArray
) -> tuple[FloatArray, IntArray]:
    """Height of the floor in each cell [X, Y], NaN where there is none, and its objects.

    :param triangles: corners [T, 3, 3] [m] of the scene
    """
    patch, height, group = layers
    none = np.full(grid.shape, np.nan), np.zeros(0, np.int64)
    there = patch >= 0
    if not there.any():
        return none
    labels, index, area = np.unique(patch[there], return_inverse=True, return_counts=True)
    median = ndimage.median(height[there], index, np.arange(len(labels)))
    large = np.flatnonzero(area >= LARGE * area.max())
    base = large[np.argmin(median[large])]
    plan = np.prod(np.maximum(np.ptp(triangles.reshape(-1, 3), axis=0)[:2], grid.cell))
    share = area[base] * grid.cell**2 / plan
    if share < LEAST_SHARE or (share < ALL and _has_walls_below(triangles, median[base])):
        return none
    member = np.full(patch.shape, -1)
    member[there] = index
    level = np.where(member == base, height, np.nan)
    level = np.nanmin(np.where(np.isnan(level), np.inf, level), axis=0)
    level[np.isinf(level)] = np.nan
    floor = _Floor(grid, columns, level, np.unique(group[there & (height == level)]))
    boxes = ndimage.find_objects(member + 1)
    others = [int(k) for k in np.argsort(-area) if k != base]
    for _ in range(2):  # a second time: a patch may adjoin one that was not there yet
        rest = []
        for k in others:
            box = boxes[k]
            own = np.where(member[box] == k, height[box], np.inf).min(axis=0)
            kin = np.isin(group[box][member[box] == k], floor.groups).mean() >= 0.5
            if area[k] < (PATCH if kin else ANNEX) * area[base] or not floor.add(own, box[1:]):
                rest.append(k)
        others = rest
    return floor.level, np.unique(group[there & (height == floor.level)])


def _has_walls_below(triangles: FloatArray, height: float) -> bool:
    """Whether most of the surface lies well below a height [m], as in a town of roofs and walls
    without a ground."""
    sides = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(sides, axis=1)
    below = triangles[:, :, 2].mean(axis=1) < height - STAND
    return bool(area[below].sum() > 0.5 * area.sum())


class _Floor:
    """A floor that patches are added to.

    :param level: [X, Y] its height; NaN where it is not yet
    :param groups: its objects
    """

    def __init__(
        self, grid: PlanGrid, columns: Columns, level: FloatArray, groups: IntArray
    ) -> None:
        self.level, self.groups = level, groups
        # Where its objects are beneath others: what stands there is above the floor.
        mine = np.flatnonzero(np.isin(columns.group, groups))
        cell, height = columns.cell[mine], columns.height[mine]
        near = np.abs(height - _filled(level).reshape(-1)[cell]) <= SNAP
        covered = np.zeros(grid.size, dtype=bool)
        covered[cell[near]] = True
        self._beneath = covered.reshape(grid.shape) | np.isfinite(level)

    def add(self, own: FloatArray, box: tuple[slice, ...]) -> bool:
        """Add a patch, if it lies beside the floor at about the same height.

        :param own: [x, y] its heights within ``box``; inf where it is not
        """
        there = np.isfinite(own)
        if (self._beneath[box] & there).sum() > 0.2 * there.sum():
            return False
        distance, nearest = ndimage.distance_transform_edt(
            np.isnan(self.level), return_distances=True, return_indices=True
        )
        x, y = (n[box] for n in nearest)
        off, far = np.abs(own - self.level[x, y])[there], distance[box][there]
        if np.median(off[far <= far.min() + 2.0]) > BESIDE:
            return False
        new = there & np.isnan(self.level[box])
        self.level[box][new] = own[new]
        self._beneath[box] |= there
        return True


def _filled(level: FloatArray) -> FloatArray:
    """``level`` [X, Y] with the nearest cell's where it is NaN."""
    nearest = ndimage.distance_transform_edt(
        np.isnan(level), return_distances=False, return_indices=True
    )
    return np.asarray(level[tuple(nearest)])


def _reached(grid: PlanGrid, walls: BoolArray, gap: float) -> BoolArray:
    """Cells [X, Y] that are reached from the rim without passing a wall or an opening narrower than
    ``gap`` [m]."""
    reach = 0.5 * gap / grid.cell
    free = ndimage.distance_transform_edt(~walls) > reach
    label, _ = ndimage.label(free)
    outside = label == label[0, 0]
    every = np.ones((3, 3), bool)
    return np.asarray(
        ndimage.binary_dilation(outside, every, iterations=int(np.ceil(reach)) + 1, mask=~walls)
    )


def _enclosed(
    grid: PlanGrid, floor: BoolArray, walls: BoolArray, reached: BoolArray
) -> BoolArray | None:
    """Cells [X, Y] inside; None if walls enclose too little of the floor."""
    wall = np.argwhere(walls)
    hull = _hull_area(wall) if len(wall) else np.inf
    for gap in GAPS:
        outside = reached if gap == GAPS[0] else _reached(grid, walls, gap)
        # Cells of outer walls have two sides, and which one a point is on is not known.
        beside = outside | (walls & ndimage.binary_dilation(outside, np.ones((3, 3), bool)))
        within = (floor & ~beside).sum()
        if within >= min(ENCLOSED * floor.sum(), ENCLOSED_HULL * hull):
            return _without_hollows(grid, walls, beside)
    return None


def _without_hollows(grid: PlanGrid, walls: BoolArray, outside: BoolArray) -> BoolArray:
    """Cells [X, Y] that are not outside, and not in the hollow of an outer wall either."""
    every = np.ones((3, 3), bool)
    label, count = ndimage.label(~walls & ~outside, every)
    widest = ndimage.maximum(ndimage.distance_transform_edt(~walls), label, np.arange(count + 1))
    at_edge = np.zeros(count + 1, dtype=bool)
    at_edge[np.unique(label[ndimage.binary_dilation(outside, every)])] = True
    hollow = at_edge & (np.asarray(widest) <= 0.5 * NARROW / grid.cell)
    hollow[0] = False
    shut = ndimage.binary_dilation(hollow[label], every) & walls
    return np.asarray(~outside & ~hollow[label] & ~shut)


def _hull_area(cells: IntArray) -> float:
    """Area of the convex hull of cells [n, 2], in cells."""
    if (np.ptp(cells, axis=0) == 0).any():
        return np.inf
    try:
        return float(ConvexHull(cells).volume)
    except QhullError:  # all on a line
        return np.inf


def _largest(mask: BoolArray) -> int:
    """Cells of the largest connected part of a mask [X, Y]."""
    label, _ = ndimage.label(mask)
    return int(np.bincount(label.reshape(-1))[1:].max(initial=0))


def _is_outdoors(
    size: FloatArray, *, height: float, sky: float, reached: float, built: float
) -> bool:
    """Whether a scene is one of buildings.

    :param size: of the scene [3] [m]
    :param height: of the scene above its ground [m]
    :param sky: share of the ground that sees the sky
    :param reached: share of the ground that does and is reached from outside
    :param built: share of the plan that the largest building covers
    """
    side = float(size[:2].min())
    if side > HIGH_SIDE and height > HIGH and sky >= OUTDOOR_SKY:
        return True
    large = side > OUTDOOR_SIDE and height > OUTDOOR_HEIGHT
    return large and reached >= OUTDOOR_SKY and built <= SINGLE
