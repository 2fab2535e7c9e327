"""The cells of a horizontal plane, and which of them an antenna can be at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import ON_SURFACE
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
    :param region: x_min, y_min, x_max, y_max [m]; None: the scene's bounds
    :raises ConfigurationError: if a number is not finite, the size not positive, the region empty
    """

    height: float | None = None
    cell_size: float | None = None
    region: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.height is not None and not math.isfinite(self.height):
            raise ConfigurationError("height must be a finite number of metres")
        if self.cell_size is not None and not 0.0 < self.cell_size < math.inf:
            raise ConfigurationError("cell_size must be a positive number of metres")
        if self.region is None:
            return
        corners = tuple(map(float, self.region))
        if len(corners) != 4 or not all(map(math.isfinite, corners)):
            raise ConfigurationError("region must be four numbers: x_min, y_min, x_max, y_max [m]")
        if not (corners[0] < corners[2] and corners[1] < corners[3]):
            raise ConfigurationError(
                "region must be x_min, y_min, x_max, y_max with x_min < x_max and y_min < y_max"
            )
        object.__setattr__(self, "region", corners)

    def cells_of(self, scene: SceneModel) -> MapCells:
        """The cells of the plane in ``scene``; rows and columns cover the region, centred on it.

        :raises ConfigurationError: if they are more than :data:`MAX_CELLS`, or the scene's bounds
            have no area
        """
        low, high = scene.bounds
        region = self.region or (low[0], low[1], high[0], high[1])
        corner, size = np.array(region[:2]), np.subtract(region[2:], region[:2])
        if not (size > 0.0).all():
            raise ConfigurationError("the scene's bounds have no area; give a region [m]")
        cell = self.cell_size or float(size.max()) / CELLS
        count = np.maximum(1, np.ceil(size / cell - 1e-9))
        if count.prod() > MAX_CELLS:
            raise ConfigurationError(
                f"the plane has {count.prod():,.0f} cells, more than {MAX_CELLS:,}; make cell_size "
                "larger or region smaller"
            )
        x, y = (
            corner[i] + size[i] / 2.0 + cell * (np.arange(int(count[i])) - (count[i] - 1.0) / 2.0)
            for i in (0, 1)
        )
        height = float(low[2]) + ABOVE_GROUND if self.height is None else float(self.height)
        return MapCells(x, y, height, cell)


@dataclass(frozen=True, eq=False)
class MapCells:
    """H × W cells of a horizontal plane.

    :param x: [W] centres, ascending [m]
    :param y: [H] centres, ascending [m]
    :param height: z [m]
    :param size: side of a cell [m]
    """

    x: FloatArray
    y: FloatArray
    height: float
    size: float

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
        """[H, W] whether an antenna can be at the centre: not in a closed object, on no surface."""
        points = self.centers.reshape(-1, 3)
        free = scene.inside_object(points) < 0
        free[free] = scene.distance_to_surface(points[free]) >= ON_SURFACE
        return free.reshape(self.shape)

    def in_tiles(self, cells: BoolArray) -> IntArray:
        """Flat indices of some cells [H, W], tile by tile."""
        row, column = np.nonzero(cells)
        order = np.lexsort((column, row, column // TILE, row // TILE))
        return (row * len(self.x) + column)[order]
