"""The positions of a scene where antennas may stand: one rule for all that choose or check them.

An antenna stands on the floor or in the street, at an allowed height above it, within the stated
part of the plan; not under the floor, outside the outer walls, on a roof, inside an object or a
building, and not too near to a surface. Positions are whole centimetres, and the rule holds for
what is written.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.free_space import ON_SURFACE, Misplaced, antennas_of
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.region import Height, Region
from vlmrt_dist.campaign.validation import listed
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import Ground, SceneModel

RESOLUTION = 0.01
"""Positions are multiples of this [m]; nobody puts up an antenna more exactly."""

STREET_HEIGHTS: Height = (1.0, 2.0)
"""Heights of antennas above the street [m], where none are stated."""

POINTS_PER_DRAW = 512
MAX_POINTS = 1_000_000
"""Most positions that are tried in one draw."""

HOPELESS = 100_000
"""Positions tried without a single allowed one after which the search ends."""

TOO_NEAR, AT_HEIGHT = "is too near to a surface", "is not at an allowed height"

REASONS = (
    "",
    "is outside the room",
    "is outside the region",
    "is outside the walls",
    "has no floor under it",
    "is under the floor",
    AT_HEIGHT,
    "is not in the street under the open sky",
    "is on the roof",
    "is inside an object",
    "is inside an open object",
    "is inside a building without a roof",
    TOO_NEAR,
)
"""Reasons against a position, in the order of the checks; the first: none."""

_CODES = {text: code for code, text in enumerate(REASONS)}


@dataclass(frozen=True, eq=False)
class AntennaSpace:
    """The positions of a scene where a region lets antennas stand.

    :param scene: K objects, and their bounds
    :param region: clearance, heights, and the part of the plan
    :raises CampaignError: if the region does not meet the scene, or states heights above a floor
        that the scene has not
    """

    scene: SceneModel
    region: Region

    def __post_init__(self) -> None:
        stated = self.region.height is not None or self.region.tx_height is not None
        if stated and not self.has_floor:
            raise CampaignError(
                f"scene {self.scene.name!r} has no floor or ground that heights could count from; "
                "leave the height out"
            )
        low, high = self.plan
        if (low > high).any():
            corners = self.scene.bounds[:, :2].tolist()
            raise CampaignError(
                f"the region lies beside the scene, which reaches from {corners[0]} to "
                f"{corners[1]} m in x and y"
            )

    @property
    def has_floor(self) -> bool:
        """Whether the scene has a floor or a ground."""
        return self.scene.floor_plan.level is not None

    @property
    def street(self) -> bool:
        """Whether antennas stand in the street, under the open sky."""
        return self.scene.floor_plan.outdoors

    @functools.cached_property
    def plan(self) -> FloatArray:
        """Lower and upper corner [2, 2] of what the region leaves of the plan [m]."""
        plan = self.scene.bounds[:, :2]
        if self.region.polygons is None:
            return plan
        area = self.region.polygons.bounds
        return np.array([np.maximum(plan[0], area[0]), np.minimum(plan[1], area[1])])

    def heights(self, *, transmitter: bool = False) -> Height | None:
        """Allowed heights above the floor [m]; None: any."""
        stated = self.region.transmitters if transmitter else self.region.height
        return STREET_HEIGHTS if stated is None and self.street else stated

    def draw(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        transmitter: bool = False,
        near: FloatArray | None = None,
    ) -> FloatArray:
        """Positions [count, 3] [m], independent and uniform over the plan and the heights.

        :param near: lower and upper corner [2, 3] of a box that holds them; None: the whole space
        :raises CampaignError: if there are too few
        """
        found: list[FloatArray] = []
        seen: IntArray = np.zeros(len(REASONS), np.int64)
        size = min(max(2 * count, 64), POINTS_PER_DRAW)
        while seen.sum() < MAX_POINTS and (seen[0] or seen.sum() < HOPELESS):
            points, reason = self.tried(size, rng, near, transmitter=transmitter)
            found.append(points[reason == 0])
            seen += np.bincount(reason, minlength=len(REASONS))
            if seen[0] >= count:
                return np.concatenate(found)[:count]
            size = min(2 * size, 8 * POINTS_PER_DRAW)
        raise CampaignError(self._too_few(count, seen, transmitter))

    def tried(
        self,
        count: int,
        rng: np.random.Generator,
        near: FloatArray | None = None,
        *,
        transmitter: bool = False,
    ) -> tuple[FloatArray, IntArray]:
        """Positions [count, 3] drawn without regard to what stands there, at allowed heights, and
        what is wrong with them, see :meth:`reasons`.

        :param near: lower and upper corner [2, 3] of a box that holds them; None: the whole space
        """
        low, high = np.array(self.scene.bounds if near is None else near)
        low[:2] = np.minimum(np.maximum(low[:2], self.plan[0]), self.plan[1])
        high[:2] = np.maximum(np.minimum(high[:2], self.plan[1]), low[:2])
        points = rounded(rng.uniform(low, high, (count, 3)))
        share = rng.random(count)
        heights = self.heights(transmitter=transmitter)
        ground = self._ground(points)
        if heights is not None:
            above = heights[0] + share * (heights[1] - heights[0])
            points[:, 2] = rounded(ground.level + above)
        reason = self._reasons(points, heights, ground)
        if near is not None:
            beyond = ((points < near[0]) | (points > near[1])).any(axis=1)
            reason[beyond & (reason == 0)] = _CODES[AT_HEIGHT]
        return points, reason

    def settled(
        self, points: npt.ArrayLike, *, transmitter: bool = False
    ) -> tuple[FloatArray, BoolArray]:
        """Positions [P, 3] rounded and brought to the nearest allowed height, and which of them [P]
        are allowed."""
        points = np.array(points, dtype=np.float64)
        points[:, :2] = rounded(points[:, :2])
        heights = self.heights(transmitter=transmitter)
        if heights is not None:
            ground = self._ground(points)
            above = np.clip(points[:, 2] - ground.level, *heights)
            points[:, 2] = rounded(ground.level + above)
            return points, self._reasons(points, heights, ground) == 0
        points[:, 2] = rounded(points[:, 2])
        return points, self.reasons(points, transmitter=transmitter) == 0

    def reasons(self, points: FloatArray, *, transmitter: bool = False) -> IntArray:
        """Reasons against positions [P, 3]: indices [P] into :data:`REASONS`, 0 if none."""
        heights = self.heights(transmitter=transmitter)
        return self._reasons(points, heights, self._ground(points))

    def misplaced(self, campaign: Campaign) -> list[Misplaced]:
        """Every transmitter, then every receiver, that stands where it may not."""
        owners, points = antennas_of(campaign)
        count = campaign.num_setups
        reason = np.concatenate([
            self.reasons(points[:count], transmitter=True), self.reasons(points[count:])
        ])  # fmt: skip
        found = []
        for index in np.flatnonzero(reason):
            x, y, z = points[index].tolist()
            found.append(Misplaced(*owners[index], (x, y, z), REASONS[reason[index]]))
        return found

    def check(self, campaign: Campaign) -> None:
        """Refuse a campaign with antennas where they may not stand.

        :raises CampaignError: naming them
        """
        found = self.misplaced(campaign)
        if found:
            raise CampaignError(
                "the positions do not keep to where antennas may stand: "
                + listed([str(item) for item in found])
                + f"; allowed: {self.described()}"
            )

    def described(self, *, transmitter: bool = False) -> str:
        """The rule in words."""
        heights = self.heights(transmitter=transmitter)
        parts = ["in the street under the open sky" if self.street else "in the room"]
        if heights is not None:
            parts.append(f"{heights[0]:g} to {heights[1]:g} m above the ground")
        parts.append(f"{self.region.clearance:g} m or more from every surface")
        if self.region.polygons is not None:
            parts.append("within the region")
        return ", ".join(parts)

    def _ground(self, points: FloatArray) -> Ground:
        """The floor at positions [P, 3]; infinitely deep if the scene has none."""
        if not self.has_floor:
            return Ground(np.full(len(points), -np.inf), np.full(len(points), np.inf))
        level, top = np.full(len(points), np.nan), np.full(len(points), -np.inf)
        there = np.flatnonzero(self._wanted(points) == 0)
        line, group, height = self.scene.surfaces_at(points[there, :2])
        found = self.scene.floor_plan.ground(points[there, :2], line, group, height)
        level[there], top[there] = found.level, found.top
        return Ground(level, top)

    def _wanted(self, points: FloatArray) -> IntArray:
        """Reasons against positions [P, 3] by the plan alone."""
        reason = np.zeros(len(points), np.int64)
        low, high = self.scene.bounds[:, :2]
        within = ((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1)  # false for NaN
        reason[~within] = _CODES["is outside the room"]
        rest = np.flatnonzero(reason == 0)
        if self.region.polygons is not None:
            beside = ~self.region.polygons.contains(points[rest])
            reason[rest[beside]] = _CODES["is outside the region"]
            rest = rest[~beside]
        if self.has_floor:
            outside = ~self.scene.floor_plan.within_walls(points[rest, :2])
            reason[rest[outside]] = _CODES["is outside the walls"]
        return reason

    def _reasons(self, points: FloatArray, heights: Height | None, ground: Ground) -> IntArray:
        reason = self._wanted(points)
        low, high = self.scene.bounds
        reason[((points < low) | (points > high)).any(axis=1)] = _CODES["is outside the room"]

        def refuse(text: str, wrong: Any) -> None:
            rest = np.flatnonzero(reason == 0)
            reason[rest[np.asarray(wrong(rest), dtype=bool)]] = _CODES[text]

        scene, plan = self.scene, self.scene.floor_plan
        z, level, open_sky = points[:, 2], ground.level, ground.open_sky
        refuse("has no floor under it", lambda i: np.isnan(level[i]))
        refuse("is under the floor", lambda i: z[i] < level[i] - RESOLUTION)
        if heights is not None:
            low, high = heights[0] - RESOLUTION, heights[1] + RESOLUTION
            refuse(AT_HEIGHT,
                   lambda i: ~((z[i] - level[i] >= low) & (z[i] - level[i] <= high)))  # fmt: skip
        if self.street:
            refuse("is not in the street under the open sky", lambda i: ~open_sky[i])
        elif plan.roofed:
            refuse("is on the roof", lambda i: ground.top[i] <= z[i])
        refuse("is inside an object", lambda i: scene.inside_object(points[i]) >= 0)
        refuse("is inside an open object", lambda i: scene.inside_shell(points[i]) >= 0)
        if self.street:
            refuse("is inside a building without a roof", lambda i: plan.among_walls(points[i, :2]))
        refuse(
            TOO_NEAR,
            lambda i: (
                ~(scene.distance_to_surface(points[i]) >= max(self.region.clearance, ON_SURFACE))
            ),
        )
        return reason

    def _too_few(self, count: int, seen: IntArray, transmitter: bool) -> str:
        counts = {REASONS[k]: n for k, n in enumerate(seen) if k and n}
        why = ", ".join(
            f"{n} of {seen.sum()} tried: {text.removeprefix('is ')}"
            for text, n in sorted(counts.items(), key=lambda item: -item[1])[:3]
        )
        whose = "transmitters" if transmitter else "antennas"
        return (
            f"only {seen[0]} of {count} positions found for {whose} {self.described()}"
            f"{f' ({why})' if why else ''}; widen the height or the region, lower the "
            "clearance, or give the scene --headroom where it has no air above its objects"
        )


def rounded(values: FloatArray) -> FloatArray:
    """Coordinates as multiples of :data:`RESOLUTION` [m], as they are printed."""
    return np.asarray(np.round(np.clip(values, -1e9, 1e9), 2) + 0.0)
