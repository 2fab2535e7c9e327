"""Regular positions: receivers on a grid over free space, transmitters far from each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import AntennaSpace, Campaign, Region, rounded
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel, ground

MOST_LINES = 150
"""Grid lines along the longer side at which the search for free points ends."""


@dataclass(frozen=True)
class Grid:
    """Regular positions: receivers on a grid over free space, transmitters far from each other.

    The grid is about the coarsest of those with square cells that has enough free points. Of a
    region's heights the middle is taken; without one, half the height of the scene.

    :param region: where antennas may stand
    """

    region: Region = field(default_factory=Region)

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Campaign:
        """M setups, all with the same N receivers; nothing is random.

        :param seed: not used
        :param progress: not called
        :raises CampaignError: if there are too few free points
        """
        if num_setups < 1 or num_receivers < 1:
            raise CampaignError("a campaign needs at least one setup and one receiver")
        space = AntennaSpace(scene, self.region)
        points = _grid(space, num_receivers)
        rx = points[_spread(len(points), num_receivers)]
        # Off the receivers' grid, so that no transmitter stands where a receiver is.
        wanted = max(4 * num_setups, 2 * num_receivers)
        places = _grid(space, wanted, shift=0.25, transmitter=True)
        apart = np.linalg.norm(places[:, None] - rx, axis=2).min(1) > self.region.clearance
        places = places[apart] if apart.sum() >= num_setups else places
        if len(places) < num_setups:
            raise CampaignError(
                f"only {len(places)} of {num_setups} transmitters find a free place"
            )
        chosen = [int(np.argmax(((places - places.mean(0)) ** 2).sum(1)))]
        while len(chosen) < num_setups:
            distance = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(1)
            chosen.append(int(np.argmax(distance)))
        return Campaign(tx=places[chosen], rx=np.tile(rx, (num_setups, 1, 1)))


def _grid(
    space: AntennaSpace, count: int, *, shift: float = 0.5, transmitter: bool = False
) -> FloatArray:
    """At least ``count`` allowed points of about the coarsest grid that has them."""
    low, high = space.plan
    heights = space.heights(transmitter=transmitter)
    bottom, top = space.scene.bounds[:, 2]
    points = np.zeros((0, 3))
    lines = 0
    while lines < MOST_LINES:
        lines = max(lines + 1, int(1.15 * lines))
        step = max((high - low).max() / lines, 1e-9)
        x, y = (np.arange(low[i] + shift * step, high[i], step) for i in (0, 1))
        place = np.array(np.meshgrid(x, y, indexing="ij")).reshape(2, -1).T
        if len(place) < count:
            continue
        z = np.full(len(place), 0.5 * (bottom + top))
        if heights is not None:
            z = ground(space.scene, rounded(place))[0] + 0.5 * (heights[0] + heights[1])
        points, allowed = space.settled(np.column_stack([place, z]), transmitter=transmitter)
        points = points[allowed]
        if len(points) >= count:
            return points
    raise CampaignError(
        f"a grid has only {len(points)} of {count} points {space.described()}; lower the "
        "clearance, or give another height or region"
    )


def _spread(total: int, count: int) -> IntArray:
    """``count`` indices spread evenly over ``total``."""
    return np.floor((np.arange(count) + 0.5) * total / count).astype(np.int64)
