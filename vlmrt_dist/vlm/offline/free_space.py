"""Positions for antennas: at a tripod's height indoors, in the street outdoors."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import DEFAULT_CLEARANCE, ON_SURFACE, free_points
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneModel, ground, outdoors

STREET_HEIGHT = 1.5
"""Height of an antenna above the ground, outdoors [m]."""
TRIPOD_HEIGHT = 2.2
"""Greatest height of an antenna above the floor, indoors [m]."""

CLEARANCES = (0.15, 0.05, 0.01, 2 * ON_SURFACE)
"""Distances to surfaces [m], tried in turn where a scene has too little free space."""
DRAWS, POINTS_PER_DRAW = 24, 512


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """The positions of a scene where antennas may be.

    :param scene: K objects
    :param clearance: distance from every surface [m]
    """

    scene: SceneModel
    clearance: float

    @functools.cached_property
    def outdoors(self) -> bool:
        """True if positions are on the street."""
        return outdoors(self.scene)

    def settle(self, points: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Positions [P,3], moved to street height outdoors, and a mask [P] of the free ones."""
        points = np.array(points, dtype=np.float64)
        free = self.scene.inside_bounds(points)
        if self.outdoors:
            level, open_sky = ground(self.scene, points[:, :2])
            points[:, 2] = np.where(open_sky, level, self.scene.bounds[0, 2]) + STREET_HEIGHT
            free = open_sky & self.scene.inside_bounds(points)
        at = np.flatnonzero(free)
        at = at[self.scene.inside_object(points[at]) < 0]
        at = at[self.scene.distance_to_surface(points[at]) >= max(self.clearance, ON_SURFACE)]
        free = np.zeros(len(points), dtype=bool)
        free[at] = True
        return points, free

    def draw(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        centre: FloatArray | None = None,
        reach: float = np.inf,
    ) -> FloatArray:
        """Up to ``count`` free positions [P,3], uniform, at most ``reach`` [m] from ``centre``.

        Fewer, possibly none, where free space is scarce.
        """
        low, high = np.array(self.scene.bounds)
        if not self.outdoors:
            high[2] = min(high[2], low[2] + TRIPOD_HEIGHT)
        if centre is not None:
            low, high = np.maximum(low, centre - reach), np.minimum(high, centre + reach)
        found = np.zeros((0, 3))
        for _ in range(DRAWS):
            points, free = self.settle(rng.uniform(low, high, (POINTS_PER_DRAW, 3)))
            if centre is not None:
                free &= ((points - centre) ** 2).sum(axis=1) <= reach**2
            found = np.concatenate([found, points[free]])
            if len(found) >= count:
                break
        return found[:count]


def roomiest(
    scene: SceneModel,
    needed: int,
    count: int,
    rng: np.random.Generator,
    clearance: float = DEFAULT_CLEARANCE,
) -> tuple[FreeSpace, FloatArray]:
    """The free space of largest clearance that holds ``needed`` positions, and a draw from it.

    :param count: positions to draw, if there is enough free space
    :param clearance: the largest that is tried [m]
    :returns: the space, and positions in it [P,3], P >= ``needed``
    :raises CampaignError: if there is no free space
    """
    for distance in (clearance, *(c for c in CLEARANCES if c < clearance)):
        space = FreeSpace(scene, distance)
        points = space.draw(count, rng)
        if len(points) >= needed:
            return space, points
    # The heights of a tripod may lie outside the free space of a high or sunken room.
    try:
        points = free_points(scene, max(needed, count), rng, clearance=CLEARANCES[-1])
    except CampaignError:
        points = free_points(scene, needed, rng, clearance=CLEARANCES[-1])
    return FreeSpace(scene, CLEARANCES[-1]), points
