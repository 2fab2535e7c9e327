"""The cells of a horizontal plane, and which of them an antenna can be at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import ON_SURFACE, Area, AreaLike, area_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.scene import SceneModel

CELLS = 100
"""Cells along the longer side of the region, where no size is given."""

MAX_CELLS = 4_000_000
"""Most cells of a plane; a typing error in the size asks for more."""

ABOVE_GROUND = 1.5
"""Height of the plane over the lower end of the scene's bounds, where none is given [m]."""

TILE = 16
"""Cells are traced in squares of this side: neighbours share most of the search."""


@dataclass(frozen=True)
class MapPlane:
    """A horizontal plane of square cells.

    :param height: z of the plane [m]; None: 1.5 m above the lowest point of the scene's bounds
    :param cell_size: side of a cell [m]; None: a hundredth of the region's longer side
    :param area: the part of the plan that is mapped, see :func:`~vlmrt_dist.campaign.area_of`:
        corners [n, 2] [m], numbers as text, or a file; None: the scene's bounds
    :raises ConfigurationError: if a number is not finite, the size not positive, or the area none
    """

    height: float | None = None
    cell_size: float | None = None
    area: AreaLike | None = None

    def __post_init__(self) -> None:
        if self.height is not None and not math.isfinite(self.height):
            raise ConfigurationError("height must be a finite number of metres")
        if self.cell_size is not None and not 0.0 < self.cell_size < math.inf:
            raise ConfigurationError("cell_size must be a positive number of metres")
        object.__setattr__(self, "area", area_of(self.area))

    def cells_of(self, scene: SceneModel) -> MapCells:
        """The cells of the plane in ``scene``; rows and columns cover the area, centred on it.

        :raises ConfigurationError: if they are more than :data:`MAX_CELLS`, or the scene's bounds
            have no area
        """
        area = area_of(self.area)
        corners = scene.bounds[:, :2] if area is None else area.bounds
        corner, size = corners[0], corners[1] - corners[0]
        if not (size > 0.0).all():
            raise ConfigurationError("the scene's bounds have no area; give one")
        cell = self.cell_size or float(size.max()) / CELLS
        count = np.maximum(1, np.ceil(size / cell - 1e-9))
        if count.prod() > MAX_CELLS:
            raise ConfigurationError(
                f"the plane has {count.prod():,.0f} cells, more than {MAX_CELLS:,}; make cell_size "
                "larger or the area smaller"
            )
        x, y = (
            corner[i] + size[i] / 2.0 + cell * (np.arange(int(count[i])) - (count[i] - 1.0) / 2.0)
            for i in (0, 1)
        )
        height = (
            float(scene.bounds[0, 2]) + ABOVE_GROUND if self.height is None else float(self.height)
        )
        return MapCells(x, y, height, cell, area)


@dataclass(frozen=True, eq=False)
class MapCells:
    """H × W cells of a horizontal plane.

    :param x: [W] centres, ascending [m]
    :param y: [H] centres, ascending [m]
    :param height: z [m]
    :param size: side of a cell [m]
    :param area: the part of the plan that is mapped; None: all of it
    """

    x: FloatArray
    y: FloatArray
    height: float
    size: float
    area: Area | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """H, W."""
        return len(self.y), len(self.x)

    @property
    def centers(self) -> FloatArray:
        """[H, W, 3] centres [m]."""
        y, x = np.meshgrid(self.y, self.x, indexing="ij")
        return np.stack([x, y, np.full(x.shape, self.height)], axis=-1)

    def free(self, scene: SceneModel) -> BoolArray:
        """[H, W] whether an antenna can be at the centre: in the area, in no closed object, on no
        surface."""
        points = self.centers.reshape(-1, 3)
        free = np.ones(len(points), bool) if self.area is None else self.area.contains(points)
        free[free] = scene.inside_object(points[free]) < 0
        free[free] = scene.distance_to_surface(points[free]) >= ON_SURFACE
        return free.reshape(self.shape)

    def in_tiles(self, cells: BoolArray) -> IntArray:
        """Flat indices of some cells [H, W], tile by tile."""
        row, column = np.nonzero(cells)
        order = np.lexsort((column, row, column // TILE, row // TILE))
        return (row * len(self.x) + column)[order]
