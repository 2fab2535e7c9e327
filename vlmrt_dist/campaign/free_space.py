"""Free space of a scene: random positions in it, and positions where an antenna cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.validation import listed, rows
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneModel

ON_SURFACE = 1e-4
"""Nearer than this [m] to a surface an antenna has no well-defined side of it in float32."""

DEFAULT_CLEARANCE = 0.3
"""Distance [m] that randomly placed antennas keep from every surface."""

POINTS_PER_DRAW = 4096
MAX_DRAWS = 250
HOPELESS_DRAWS = 16
"""Draws without a single free point after which the search ends."""


def random_campaign(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    clearance: float = DEFAULT_CLEARANCE,
) -> Campaign:
    """M setups of N receivers, each position uniform in the free space of ``scene`` (RandSel).

    Free is what lies inside the bounds, outside closed objects and at least ``clearance`` from
    every surface.

    :param seed: of ``numpy.random.default_rng``; the same seed gives the same campaign
    :param clearance: [m]
    :raises CampaignError: if a number is not positive, or no free space is found
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver per setup")
    rng = np.random.default_rng(seed)
    points = free_points(scene, num_setups * (num_receivers + 1), rng, clearance=clearance)
    places = points.reshape(num_setups, num_receivers + 1, 3)
    return Campaign(tx=places[:, 0], rx=places[:, 1:])


def free_points(
    scene: SceneModel,
    count: int,
    rng: np.random.Generator,
    *,
    clearance: float = DEFAULT_CLEARANCE,
) -> FloatArray:
    """Positions [count,3] [m], independent and uniform in the free space of ``scene``.

    :raises CampaignError: if ``clearance`` is not a distance, or no free space is found
    """
    if not (np.isfinite(clearance) and clearance >= 0):
        raise CampaignError("clearance must be a number of metres, 0 or more")
    low, high = scene.bounds
    free: list[FloatArray] = []
    found = 0
    for draw in range(MAX_DRAWS):
        if found == 0 and draw >= HOPELESS_DRAWS:
            break
        candidates = rng.uniform(low, high, (POINTS_PER_DRAW, 3))
        for start, stop in _growing_blocks(min(2 * count, POINTS_PER_DRAW), POINTS_PER_DRAW):
            block = candidates[start:stop]
            block = block[scene.inside_object(block) < 0]
            block = block[scene.distance_to_surface(block) >= max(clearance, ON_SURFACE)]
            free.append(block)
            found += len(block)
            if found >= count:
                return np.concatenate(free)[:count]
    raise CampaignError(
        f"only {found} of {count} positions found that lie inside the room, outside every object "
        f"and {clearance:g} m from every surface; lower the clearance, or give the scene "
        "headroom (--headroom, headroom= of load_scene) when it has no air above its objects"
    )


class Misplaced(NamedTuple):
    """A position where an antenna cannot be.

    :param setup: counted from 0
    :param receiver: counted from 0 within its setup; None: the transmitter
    :param place: the position [3] [m]
    :param what: what is wrong with it
    """

    setup: int
    receiver: int | None
    place: tuple[float, float, float]
    what: str

    def __str__(self) -> str:
        whose = f"the transmitter of setup {self.setup + 1}"
        if self.receiver is not None:
            whose = f"setup {self.setup + 1}, receiver {self.receiver + 1}"
        x, y, z = self.place
        return f"{whose} at ({x:g}, {y:g}, {z:g}) {self.what}"


def antennas_of(campaign: Campaign) -> tuple[list[tuple[int, int | None]], FloatArray]:
    """Setup and receiver (None: the transmitter) of every antenna, all transmitters first, and
    their positions [n, 3] [m]."""
    owners: list[tuple[int, int | None]] = [(m, None) for m in range(campaign.num_setups)]
    owners += [(m, n) for m, n in rows(campaign.present)]
    return owners, np.concatenate([campaign.tx, campaign.rx[campaign.present]])


def misplaced(scene: SceneModel, campaign: Campaign) -> list[Misplaced]:
    """Every transmitter, then every receiver, that lies outside the room, inside an object, on a
    surface, or where its own transmitter is."""
    owners, points = antennas_of(campaign)
    own_tx = campaign.tx[np.nonzero(campaign.present)[0]]
    same = np.concatenate(
        [np.zeros(campaign.num_setups, bool), (points[campaign.num_setups :] == own_tx).all(1)]
    )
    outside = ~scene.inside_bounds(points)
    inside = scene.inside_object(points)
    touching = scene.distance_to_surface(points) < ON_SURFACE
    found = []
    for index in np.flatnonzero(outside | (inside >= 0) | touching | same):
        if outside[index]:
            what = "is outside the room"
        elif inside[index] >= 0:
            what = f"is inside {scene.names[inside[index]]!r}"
        elif touching[index]:
            what = "lies on the surface of an object"
        else:
            what = "is where its transmitter is"
        x, y, z = points[index].tolist()
        found.append(Misplaced(*owners[index], (x, y, z), what))
    return found


def check_campaign(scene: SceneModel, campaign: Campaign) -> None:
    """Refuse positions where an antenna cannot be.

    :raises CampaignError: naming each setup and receiver (counted from 1) that is
        :func:`misplaced`
    """
    found = misplaced(scene, campaign)
    if not found:
        return
    hint = ""
    if any("outside" in item.what for item in found):
        hint = "; " + room_hint(scene)
    raise CampaignError(
        "the campaign does not fit the scene: " + listed([str(item) for item in found]) + hint
    )


def room_hint(scene: SceneModel) -> str:
    """The scene's bounds, as a clause of an error message."""
    low, high = scene.bounds
    return (
        f"the room reaches from ({low[0]:g}, {low[1]:g}, {low[2]:g}) to "
        f"({high[0]:g}, {high[1]:g}, {high[2]:g}) m "
        "(--headroom, headroom= of load_scene, raises it)"
    )


def _growing_blocks(first: int, total: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(total)`` into blocks that double, so that few points cost few queries.

    The points are the same however they are cut: the seed alone decides the campaign.
    """
    start, size = 0, first
    while start < total:
        stop = min(start + size, total)
        yield start, stop
        start, size = stop, 2 * size
