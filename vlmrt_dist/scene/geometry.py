"""Exact queries on triangle soups, vectorised: distance to a surface, inside a closed mesh.

Nothing here knows about scenes or materials. A soup is triangles [T,3,3] in metres, ordered by
the group (object) that they belong to: group g owns the rows ``offsets[g]:offsets[g+1]``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray

PAIRS_PER_BLOCK = 400_000
"""Point-triangle pairs evaluated at once; bounds the working memory to some 100 MB."""

POINTS_PER_BLOCK = 256
"""Neighbouring points for which what is far away is left out at once."""

CLUSTER_SIZE = 64
"""Triangles of a large group that are looked at together: terrain spans a whole city."""

UPRIGHT = 1e-12
"""Twice the area [m²] of a triangle seen from above, up to which it stands upright."""

# No axis, diagonal or other round direction: a ray must not run along the edges of boxes.
RAY_DIRECTION = np.array([0.301703, 0.214159, 0.929062])

_ANGLES = 0.3 + np.arange(8) * np.pi / 4.0
SIDEWAYS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES), np.full(8, 1e-3)])
"""Directions [8,3] of nearly horizontal rays, none of them along the sides of a box."""


def point_triangle_distance_squared(points: FloatArray, triangles: FloatArray) -> FloatArray:
    """Squared distance [m²] of each point [n,3] to its own triangle [n,3,3].

    The nearest point lies on an edge, or inside the triangle where the point projects into it.
    Degenerate triangles are their edges.
    """
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    best = np.minimum(
        _segment_distance_squared(points, a, b),
        np.minimum(
            _segment_distance_squared(points, b, c), _segment_distance_squared(points, c, a)
        ),
    )
    ab, ac, ap = b - a, c - a, points - a
    normal = np.cross(ab, ac)
    area = _dot(normal, normal)
    weight_c = _dot(np.cross(ab, ap), normal)
    weight_b = _dot(np.cross(ap, ac), normal)
    above = (area > 0) & (weight_b >= 0) & (weight_c >= 0) & (weight_b + weight_c <= area)
    height = np.divide(_dot(ap, normal) ** 2, area, out=np.full_like(area, np.inf), where=above)
    return np.minimum(best, height)


def is_closed(vertices: FloatArray, faces: npt.NDArray[np.integer[Any]]) -> bool:
    """Whether a mesh bounds a volume: each edge belongs to an even number of faces.

    Vertices at the same place count as one, because exporters repeat them for flat shading.
    """
    _, merged = np.unique(vertices, axis=0, return_inverse=True)
    corners = merged.reshape(-1)[faces]
    degenerate = (corners == np.roll(corners, 1, axis=1)).any(axis=1)
    corners = corners[~degenerate]
    if len(corners) < 4:  # the smallest closed mesh is a tetrahedron
        return False
    edges = np.sort(np.stack([corners, np.roll(corners, -1, axis=1)], axis=-1), axis=-1)
    _, counts = np.unique(edges.reshape(-1, 2), axis=0, return_counts=True)
    return bool(np.all(counts % 2 == 0))


def ray_meets(points: FloatArray, direction: FloatArray, triangles: FloatArray) -> FloatArray:
    """Distances from points [n,3] along rays to their triangles [n,3,3], in units of ``direction``.

    NaN for a triangle that is missed or lies behind the point. Algorithm: Möller, Trumbore (1997).
    """
    a = triangles[:, 0]
    ab, ac, ap = triangles[:, 1] - a, triangles[:, 2] - a, points - a
    across = _cross(direction, ac)
    determinant = _dot(ab, across)
    parallel = determinant == 0
    scale = np.divide(1.0, determinant, out=np.zeros_like(determinant), where=~parallel)
    u = _dot(ap, across) * scale
    turned = _cross(ap, ab)
    v = _dot(direction, turned) * scale
    t = _dot(ac, turned) * scale
    met = ~parallel & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return np.where(met, t, np.nan)


@dataclass(frozen=True, eq=False)
class TriangleSoup:
    """Triangles [T,3,3] in groups, prepared for queries.

    :param triangles: corners [T,3,3] [m]
    :param offsets: first triangle of each group, and T at the end, [G+1]
    """

    triangles: FloatArray
    offsets: IntArray

    @functools.cached_property
    def _low(self) -> FloatArray:
        return np.asarray(self.triangles.min(axis=1))

    @functools.cached_property
    def _high(self) -> FloatArray:
        return np.asarray(self.triangles.max(axis=1))

    @functools.cached_property
    def _group_low(self) -> FloatArray:
        return np.asarray(np.minimum.reduceat(self._low, self.offsets[:-1]))

    @functools.cached_property
    def _group_high(self) -> FloatArray:
        return np.asarray(np.maximum.reduceat(self._high, self.offsets[:-1]))

    @functools.cached_property
    def _clusters(self) -> TriangleSoup:
        """The same triangles in groups of at most CLUSTER_SIZE neighbours."""
        group = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        order = np.lexsort((_morton(self.triangles.mean(axis=1)), group))
        place = np.arange(len(group)) - self.offsets[group]
        starts = np.flatnonzero(place % CLUSTER_SIZE == 0)
        return TriangleSoup(self.triangles[order], np.append(starts, len(group)))

    @functools.cached_property
    def _corner_tree(self) -> Any:
        from scipy.spatial import cKDTree  # late: importing scipy costs more than this package

        return cKDTree(np.unique(self.triangles.reshape(-1, 3), axis=0))

    def distance(self, points: FloatArray) -> FloatArray:
        """Exact distance [P] of points [P,3] to the nearest triangle; NaN for a NaN point.

        The nearest corner bounds it from above; only triangles whose bounding box is nearer than
        that are evaluated, first by clusters of neighbours, then one by one.
        """
        result = np.full(len(points), np.nan)
        known = np.flatnonzero(np.isfinite(points).all(axis=1))
        if len(known) == 0:
            return result
        where = points[known]
        bound, _ = self._corner_tree.query(where)
        limit = bound**2 * (1 + 1e-9) + 1e-18  # rounding must not exclude the nearest one
        best = bound**2
        soup = self._clusters
        for rows, groups in soup._near_groups(where, limit):
            for pair, triangle in soup._expand(groups):
                row = rows[pair]
                near = (
                    _box_distance_squared(where[row], soup._low[triangle], soup._high[triangle])
                    <= limit[row]
                )
                row, triangle = row[near], triangle[near]
                squared = point_triangle_distance_squared(where[row], soup.triangles[triangle])
                np.minimum.at(best, row, squared)
        result[known] = np.sqrt(best)
        return result

    def containing_group(
        self,
        points: FloatArray,
        groups: IntArray,
        directions: FloatArray = RAY_DIRECTION[None],
        needed: int = 1,
    ) -> IntArray:
        """The first of the ``groups`` [g] around each point [P,3], or -1, [P].

        A ray from a point inside crosses the surface an odd number of times. On the surface
        itself the answer is arbitrary.

        :param directions: of the rays [D,3]; one is enough for closed groups
        :param needed: rays with an odd number of crossings
        """
        found = np.full(len(points), -1, dtype=np.int64)
        low, high = self._group_low[groups], self._group_high[groups]
        step = max(1, PAIRS_PER_BLOCK // max(len(groups), 1))
        for start in range(0, len(points) if len(groups) else 0, step):
            some = points[start : start + step]
            row, which = np.nonzero(((some[:, None] >= low) & (some[:, None] <= high)).all(axis=2))
            odd = np.zeros(len(row), dtype=np.int64)
            for direction in directions:
                odd += self._crossed(some[row], groups[which], direction) % 2
            within = np.flatnonzero(odd >= needed)[::-1]  # backwards: the first one is what stays
            found[start + row[within]] = groups[which[within]]
        return found

    def _crossed(self, points: FloatArray, groups: IntArray, direction: FloatArray) -> IntArray:
        """How often the ray from each point [n,3] meets its own group [n]."""
        count = np.zeros(len(points), dtype=np.int64)
        for pair, triangle in self._expand(groups):
            start = points[pair]
            along = np.broadcast_to(direction, start.shape)
            met = ray_meets(start, along, self.triangles[triangle])
            count += np.bincount(pair[met > 0], minlength=len(points))
        return count

    def crossings(
        self, starts: FloatArray, ends: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Crossings of segments from ``starts`` to ``ends`` [L,3] with triangles.

        A segment that runs along a triangle's plane does not cross it; one that meets the edge
        between two triangles may cross one, both or, by rounding, neither.

        :return: for each crossing the segment, the group, and the fraction of the way there
        """
        soup = self._clusters
        owner = np.searchsorted(self.offsets, soup.offsets[:-1], side="right") - 1
        found: list[tuple[IntArray, IntArray, FloatArray]] = []
        # In a city most clusters are nowhere near.
        both = np.concatenate([starts, ends])
        least, most = both.min(axis=0, initial=np.inf), both.max(axis=0, initial=-np.inf)
        low, high = soup._group_low, soup._group_high
        near = np.flatnonzero(((low <= most) & (high >= least)).all(axis=1))
        step = max(1, PAIRS_PER_BLOCK // max(len(near), 1))
        for first in range(0, len(starts), step):
            a, b = starts[first : first + step], ends[first : first + step]
            rows, met = np.nonzero(_box_met(a, b, low[near], high[near]))
            clusters = near[met]
            for pair, triangle in soup._expand(clusters):
                row = rows[pair] + first
                way = ends[row] - starts[row]
                at = ray_meets(starts[row], way, soup.triangles[triangle])
                hit = at <= 1.0  # NaN where the triangle is missed
                found.append((row[hit], owner[clusters[pair[hit]]], at[hit]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        segment, group, at = (np.concatenate(part) for part in zip(*found, strict=True))
        return segment, group, at

    def surfaces_at(self, places: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Crossings of upright lines at ``places`` [P,2] with triangles that are not upright.

        :return: for each such point the line, the group, and the height [m]
        """
        soup = self._clusters
        owner = np.searchsorted(self.offsets, soup.offsets[:-1], side="right") - 1
        low, high = soup._group_low[:, :2], soup._group_high[:, :2]
        found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
        for block, near in _blocks(places, np.zeros(len(places)), low, high):
            (x, y), (x0, y0), (x1, y1) = places[block].T[:, :, None], low[near].T, high[near].T
            rows, met = np.nonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
            clusters = near[met]
            for pair, triangle in soup._expand(clusters):
                row = block[rows[pair]]
                at, low_corner, high_corner = places[row], soup._low[triangle], soup._high[triangle]
                over = np.flatnonzero(
                    ((at >= low_corner[:, :2]) & (at <= high_corner[:, :2])).all(axis=1)
                )
                row, triangle, group = row[over], triangle[over], owner[clusters[pair[over]]]
                hit, height = height_at(places[row], soup.triangles[triangle])
                found.append((row[hit], group[hit], height[hit]))
        line, group, height = (np.concatenate(part) for part in zip(*found, strict=True))
        return line, group, height

    def _near_groups(
        self, points: FloatArray, limit: FloatArray
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """(point, group) pairs whose bounding boxes may hold the nearest triangle, in blocks."""
        for block, near in _blocks(points, np.sqrt(limit), self._group_low, self._group_high):
            squared = _box_distance_squared(
                points[block, None], self._group_low[near], self._group_high[near]
            )
            rows, groups = np.nonzero(squared <= limit[block, None])
            yield block[rows], near[groups]

    def _expand(self, groups: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
        """(index into ``groups``, triangle) pairs over all triangles of each group, in blocks."""
        sizes = self.offsets[groups + 1] - self.offsets[groups]
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, PAIRS_PER_BLOCK):
            flat = np.arange(start, min(start + PAIRS_PER_BLOCK, total))
            pair = np.searchsorted(ends, flat, side="right")
            yield pair, self.offsets[groups[pair]] + flat - (ends[pair] - sizes[pair])


def _blocks(
    points: FloatArray, reach: FloatArray, low: FloatArray, high: FloatArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """Points [P,d] in blocks of neighbours, each with the boxes [B,d] that may come as near as
    ``reach`` [P] to one of them."""
    order = np.argsort(_morton(points), kind="stable") if len(points) else np.zeros(0, np.int64)
    for start in range(0, len(order), POINTS_PER_BLOCK):
        block = order[start : start + POINTS_PER_BLOCK]
        some, far = points[block], reach[block].max()
        least, most = some.min(axis=0) - far, some.max(axis=0) + far
        near = np.flatnonzero(((low <= most) & (high >= least)).all(axis=1))
        step = max(1, PAIRS_PER_BLOCK // max(len(near), 1))
        for first in range(0, len(block), step):
            yield block[first : first + step], near


def _morton(points: FloatArray) -> IntArray:
    """Codes [n] that put points [n,d] near each other next to each other (Z-order curve)."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 1023 / np.where(high > low, high - low, 1.0)
    cells = ((points - low) * scale).astype(np.int64)
    bits, axes = np.arange(10), points.shape[1]
    spread = ((cells[..., None] >> bits) & 1) << (axes * bits + np.arange(axes)[:, None])
    return np.asarray(spread.sum(axis=(1, 2)))


def _dot(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("...i,...i->...", x, y))


def _cross(x: FloatArray, y: FloatArray) -> FloatArray:
    """Of vectors [n,3]; numpy's own spends most of its time on other shapes."""
    (a, b, c), (d, e, f) = x.T, y.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)


def _segment_distance_squared(p: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    ab, ap = b - a, p - a
    length = _dot(ab, ab)
    t = np.divide(_dot(ap, ab), length, out=np.zeros_like(length), where=length > 0)
    rest = ap - np.clip(t, 0.0, 1.0)[:, None] * ab
    return _dot(rest, rest)


def _box_distance_squared(p: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    outside = np.maximum(np.maximum(low - p, p - high), 0.0)
    return _dot(outside, outside)


def height_at(places: FloatArray, triangles: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Whether each place [n,2] lies over or under its triangle [n,3,3], and the height there."""
    flat = triangles[:, :, :2]
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]
    area = _turn(b - a, c - a)
    sloping = np.abs(area) > UPRIGHT
    scale = np.where(sloping, area, 1.0)
    second, third = _turn(places - a, c - a) / scale, _turn(b - a, places - a) / scale
    z = triangles[:, :, 2]
    height = z[:, 0] + second * (z[:, 1] - z[:, 0]) + third * (z[:, 2] - z[:, 0])
    return sloping & (second >= 0.0) & (third >= 0.0) & (second + third <= 1.0), height


def _turn(x: FloatArray, y: FloatArray) -> FloatArray:
    """The third component of the cross product of vectors [n,2]."""
    return np.asarray(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0])


def _box_met(start: FloatArray, end: FloatArray, low: FloatArray, high: FloatArray) -> BoolArray:
    """Whether segments [L,3] pass through boxes [B,3], [L,B]; with a little to spare.

    The slab method: axis by axis, between which fractions of the way a segment is in the slab.
    """
    enter, leave = np.zeros((len(start), len(low))), np.ones((len(start), len(low)))
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            here, way = start[:, None, axis], (end - start)[:, None, axis]
            slack = 1e-9 * (1.0 + np.abs(low[:, axis]) + np.abs(high[:, axis]))
            one, other = (low[:, axis] - slack - here) / way, (high[:, axis] + slack - here) / way
            # 0/0: the segment runs in the boundary of the slab, which is within it.
            np.fmax(enter, np.fmin(one, other), out=enter)
            np.fmin(leave, np.fmax(one, other), out=leave)
    return enter <= leave
