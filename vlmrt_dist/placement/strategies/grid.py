"""Regular positions: receivers on a grid over free space, transmitters far from each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import ON_SURFACE, Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.options import Height, Region
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel, ground, outdoors

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
        clearance = self.region.clearance
        points = _grid(scene, num_receivers, clearance, self.region.height)
        rx = points[_spread(len(points), num_receivers)]
        # Off the receivers' grid, so that no transmitter stands where a receiver is.
        wanted = max(4 * num_setups, 2 * num_receivers)
        places = _grid(scene, wanted, clearance, self.region.transmitters, shift=0.25)
        apart = np.linalg.norm(places[:, None] - rx, axis=2).min(1) > clearance
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
    scene: SceneModel, count: int, clearance: float, height: Height | None, shift: float = 0.5
) -> FloatArray:
    """At least ``count`` free points of about the coarsest grid that has them."""
    low, high = scene.bounds
    side = high[:2] - low[:2]
    street = height is not None and outdoors(scene)
    points = np.zeros((0, 3))
    lines = 0
    while lines < MOST_LINES:
        lines = max(lines + 1, int(1.15 * lines))
        step = max(side.max() / lines, 1e-9)
        x, y = (np.arange(low[i] + shift * step, high[i], step) for i in (0, 1))
        place = np.array(np.meshgrid(x, y, indexing="ij")).reshape(2, -1).T
        if len(place) < count:
            continue
        if height is None:
            z = np.full(len(place), 0.5 * (low[2] + high[2]))
        else:
            level, open_sky = ground(scene, place)
            z = np.where(open_sky | (not street), level, np.nan) + 0.5 * (height[0] + height[1])
        points = np.column_stack([place, z])[np.isfinite(z)]
        points = points[scene.inside_bounds(points) & (scene.inside_object(points) < 0)]
        points = points[scene.distance_to_surface(points) >= max(clearance, ON_SURFACE)]
        if len(points) >= count:
            return points
    raise CampaignError(
        f"a grid has only {len(points)} of {count} points in free space, {clearance:g} m from "
        "every surface; lower the clearance, or give another height"
    )


def _spread(total: int, count: int) -> IntArray:
    """``count`` indices spread evenly over ``total``."""
    return np.floor((np.arange(count) + 0.5) * total / count).astype(np.int64)
