"""Positions for antennas: at a tripod's height indoors, in the street outdoors."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import ON_SURFACE, AntennaSpace, Height, Region
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneModel

STREET_HEIGHT = 1.5
"""Height of an antenna above the street [m], where none is stated."""
TRIPOD_HEIGHT = 2.2
"""Greatest height of an antenna above the floor, indoors [m], where none is stated."""

CLEARANCES = (0.15, 0.05, 0.01, 2 * ON_SURFACE)
"""Distances to surfaces [m], tried in turn where a scene has too little free space."""
DRAWS, POINTS_PER_DRAW = 24, 512


@dataclass(frozen=True, eq=False)
class FreeSpace:
    """The positions of a scene where antennas may be.

    :param scene: K objects
    :param region: clearance, heights and part of the plan; where it states no heights, those of a
        tripod
    """

    scene: SceneModel
    region: Region

    @functools.cached_property
    def allowed(self) -> AntennaSpace:
        """The rule."""
        space = AntennaSpace(self.scene, self.region)
        if self.region.height is not None or not space.has_floor:
            return space
        height: Height = (STREET_HEIGHT,) * 2 if space.street else (0.0, TRIPOD_HEIGHT)
        return AntennaSpace(self.scene, dataclasses.replace(self.region, height=height))

    @property
    def outdoors(self) -> bool:
        """True if positions are on the street."""
        return self.allowed.street

    @property
    def clearance(self) -> float:
        """Distance from every surface [m]."""
        return self.region.clearance

    def settle(self, points: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Positions [P,3] brought to an allowed height, and a mask [P] of the free ones."""
        return self.allowed.settled(points)

    def draw(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        centre: FloatArray | None = None,
        reach: float = np.inf,
        transmitter: bool = False,
    ) -> FloatArray:
        """Up to ``count`` free positions [P,3], uniform, at most ``reach`` [m] from ``centre``.

        Fewer, possibly none, where free space is scarce.
        """
        low, high = np.array(self.scene.bounds)
        if centre is not None:
            low, high = np.maximum(low, centre - reach), np.minimum(high, centre + reach)
            if (low > high).any():
                return np.zeros((0, 3))
        found = np.zeros((0, 3))
        for _ in range(DRAWS):
            points, reason = self.allowed.tried(
                POINTS_PER_DRAW, rng, np.array([low, high]), transmitter=transmitter
            )
            free = reason == 0
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
    region: Region = Region(),
) -> tuple[FreeSpace, FloatArray]:
    """The free space of largest clearance that holds ``needed`` positions, and a draw from it.

    :param count: positions to draw, if there is enough free space
    :param region: where antennas may stand; its clearance is the largest that is tried
    :returns: the space, and positions in it [P,3], P >= ``needed``
    :raises CampaignError: if there is no free space
    """
    clearances = (region.clearance, *(c for c in CLEARANCES if c < region.clearance))
    for distance in clearances:
        space = FreeSpace(scene, dataclasses.replace(region, clearance=distance))
        points = space.draw(count, rng)
        if len(points) >= needed:
            return space, points
    # The heights of a tripod may lie outside the free space of a high or sunken room.
    tight = dataclasses.replace(region, clearance=clearances[-1])
    allowed = AntennaSpace(scene, tight)
    try:
        points = allowed.draw(max(needed, count), rng)
    except CampaignError:
        points = allowed.draw(needed, rng)
    return FreeSpace(scene, tight), points
