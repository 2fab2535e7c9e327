"""A grid of cells over a scene as seen from above: surfaces above each cell, and walls.

A :class:`PlanGrid` holds positions of cells only; triangles are given to its methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.scene.geometry import height_at

PAIRS_PER_BLOCK = 1_000_000
"""Pairs of a triangle and a cell, or points of walls, that are evaluated at once."""

MOST_CELLS, LEAST_CELL = 300, 0.1
"""Cells along the longer side of a scene, and the smallest side of a cell [m]."""

MARGIN = 2.5
"""Width [m] of the empty rim around the scene, from which what lies outside is found."""

OFFSET = 0.37
"""Offset of the grid in cells: edges of boxes shall not run through the middles of cells."""


class Columns(NamedTuple):
    """Where upright lines through the middles of cells meet surfaces that are not upright.

    Sorted by cell and height.

    :param cell: [n] number of the cell
    :param height: [n] height [m]
    :param group: [n] object
    """

    cell: IntArray
    height: FloatArray
    group: IntArray


@dataclass(frozen=True)
class PlanGrid:
    """Square cells over a plan.

    :param corner: lower corner [2] of the first cell [m]
    :param cell: side of a cell [m]
    :param shape: cells along x and y
    """

    corner: FloatArray
    cell: float
    shape: tuple[int, int]

    @classmethod
    def over(cls, low: FloatArray, high: FloatArray) -> PlanGrid:
        """The grid over a rectangle from ``low`` to ``high`` [2] [m], with its rim."""
        side = max(float((high - low).max()), LEAST_CELL)
        cell = max(side / MOST_CELLS, LEAST_CELL)
        rim = int(np.ceil(MARGIN / cell)) + 2
        corner = low - (rim + OFFSET) * cell
        nx, ny = (int(n) for n in np.ceil((high - corner) / cell) + rim)
        return cls(corner, cell, (nx, ny))

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.shape[0] * self.shape[1]

    def cells_at(self, places: FloatArray) -> tuple[IntArray, BoolArray]:
        """Cells [P] that places [P, 2] lie in, and which places [P] lie on the grid; cell 0 for the
        others."""
        with np.errstate(invalid="ignore"):
            index = np.floor((places - self.corner) / self.cell)
            # False for NaN.
            there = np.asarray(((index >= 0) & (index < self.shape)).all(axis=1), dtype=bool)
        index = np.where(there[:, None], index, 0.0).astype(np.int64)
        return index[:, 0] * self.shape[1] + index[:, 1], there

    def interpolated(self, values: FloatArray, places: FloatArray) -> FloatArray:
        """Values [X, Y] of cells between their middles, at places [P, 2]; beyond the grid those at
        its edge."""
        at = (places - self.corner) / self.cell - 0.5
        at = np.clip(np.nan_to_num(at), 0.0, np.array(self.shape) - 1.0)
        first = np.minimum(at.astype(np.int64), np.maximum(np.array(self.shape) - 2, 0))
        (x, y), (i, j) = (at - first).T, first.T
        k, m = np.minimum(i + 1, self.shape[0] - 1), np.minimum(j + 1, self.shape[1] - 1)
        return np.asarray(
            values[i, j] * (1 - x) * (1 - y) + values[k, j] * x * (1 - y)
            + values[i, m] * (1 - x) * y + values[k, m] * x * y
        )  # fmt: skip

    def columns(self, triangles: FloatArray, groups: IntArray) -> Columns:
        """Surfaces over and under the middle of each cell.

        :param triangles: corners [T, 3, 3] [m]
        :param groups: [T] objects of the triangles
        """
        flat = (triangles[:, :, :2] - self.corner) / self.cell - 0.5
        first = np.maximum(np.ceil(flat.min(axis=1)), 0).astype(np.int64)
        last = np.minimum(np.floor(flat.max(axis=1)), np.array(self.shape) - 1).astype(np.int64)
        count = np.maximum(last - first + 1, 0)
        found = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))]
        for triangle, step in _expanded(count.prod(axis=1)):
            width = count[triangle, 1]
            index = first[triangle] + np.column_stack([step // width, step % width])
            middle = self.corner + (index + 0.5) * self.cell
            over, height = height_at(middle, triangles[triangle])
            cell = index[:, 0] * self.shape[1] + index[:, 1]
            found.append((cell[over], height[over], groups[triangle[over]]))
        cell, height, group = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((height, cell))
        return Columns(cell[order], height[order], group[order])

    def walls(self, segments: FloatArray) -> BoolArray:
        """Cells [X, Y] that segments [n, 2, 2] [m] pass through, without gaps at corners of cells:
        no step to one of the eight cells around passes a segment."""
        met = np.zeros(self.size, dtype=bool)
        way = segments[:, 1] - segments[:, 0]
        pieces = 1 + np.ceil(np.linalg.norm(way, axis=1) / (0.45 * self.cell)).astype(np.int64)
        for segment, step in _expanded(pieces + 1):
            share = (step / pieces[segment])[:, None]
            cells, there = self.cells_at(segments[segment, 0] + share * way[segment])
            met[cells[there]] = True
        wall = met.reshape(self.shape)
        a, b, c, d = wall[:-1, :-1], wall[1:, 1:], wall[1:, :-1], wall[:-1, 1:]
        falling, rising = a & b & ~c & ~d, c & d & ~a & ~b
        c |= falling
        a |= rising
        return wall


def sliced(triangles: FloatArray, height: float) -> FloatArray:
    """Where triangles [T, 3, 3] meet a horizontal plane: segments [n, 2, 2] in the plan."""
    above = triangles[:, :, 2] > height
    met = np.flatnonzero(above.any(axis=1) & ~above.all(axis=1))
    some, up = triangles[met], above[met]
    # The corner that is alone on its side first: the plane meets the two edges from there.
    alone = np.argmax(up == (up.sum(axis=1) == 1)[:, None], axis=1)
    order = (alone[:, None] + np.arange(3)) % 3
    some = np.take_along_axis(some, order[:, :, None], axis=1)
    way = some[:, 1:] - some[:, :1]
    share = (height - some[:, :1, 2]) / way[:, :, 2]
    return np.asarray(some[:, :1, :2] + share[:, :, None] * way[:, :, :2])


def rays_met(places: FloatArray, segments: FloatArray, direction: FloatArray) -> IntArray:
    """How many segments [n, 2, 2] the ray from each place [P, 2] meets, [P].

    Of the ends of a segment one counts as part of it, so that a corner is met once.
    """
    along = direction / np.linalg.norm(direction)
    turn = np.column_stack([along, [-along[1], along[0]]])
    x, y = (places @ turn).T
    ends = segments @ turn
    order = np.argsort(y)
    low, high = ends[:, :, 1].min(axis=1), ends[:, :, 1].max(axis=1)
    first, last = (np.searchsorted(y[order], v, side="left") for v in (low, high))
    count = np.zeros(len(places), dtype=np.int64)
    for segment, step in _expanded(last - first):
        place = order[first[segment] + step]
        (x0, y0), (x1, y1) = ends[segment, 0].T, ends[segment, 1].T
        ahead = x0 + (y[place] - y0) / (y1 - y0) * (x1 - x0) > x[place]
        count += np.bincount(place[ahead], minlength=len(places))
    return count


def _expanded(sizes: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """(item, step within the item) over all steps of items with ``sizes`` [n] steps, in blocks."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    for start in range(0, total, PAIRS_PER_BLOCK):
        flat = np.arange(start, min(start + PAIRS_PER_BLOCK, total))
        item = np.searchsorted(ends, flat, side="right")
        yield item, flat - (ends[item] - sizes[item])
