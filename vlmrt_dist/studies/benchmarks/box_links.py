"""Campaigns for rooms of any number of boxes: links through one box after another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, misplaced
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene import SceneModel

CANDIDATES = 192
"""Places that are tried for each antenna."""

REACH = 6.0
"""Boxes within this of those that a setup looks through [m] may stand in a link's way."""

ATTEMPTS = 10
"""So often a link is drawn again whose line does not cross the box of its turn alone."""


class _Link(NamedTuple):
    """:param rx: receiver [3]; :param hits: boxes on the way, the one whose turn it is as -1 (so
    that -1 is its own alone, 0 free sight; infinite where no antenna can stand)"""

    rx: FloatArray
    hits: float


def looking_through(
    scene: SceneModel, num_setups: int, num_receivers: int, seed: int = 0
) -> Campaign:
    """A campaign whose links look through the scene's closed objects, each object in its turn.

    Boxes are walked through row by row, a setup for ``num_receivers`` turns: its transmitter stands
    among its boxes, and each receiver where the straight line crosses the box whose turn it is,
    and no other one; such a place is looked for :data:`ATTEMPTS` times. A link whose line crosses
    other boxes is left out, and setups are added until there are M·N links; they give each of K
    objects M·N/K of them.

    :param scene: a room of boxes
    :param num_setups: M, of which there may be more in the end
    :param num_receivers: N
    """
    low, high = scene.bounding_boxes[scene.solids].swapaxes(0, 1)
    centre = (low + high) / 2.0
    row = np.rint(centre[:, 1])
    order = np.lexsort((np.where(row % 2 == 0, centre[:, 0], -centre[:, 0]), row))
    wanted = num_setups * num_receivers
    missing = order[np.arange(wanted) * len(order) // wanted]
    tx: list[FloatArray] = []
    rx: list[FloatArray] = []
    present: list[BoolArray] = []
    while len(missing):
        turns = np.full((-(-len(missing) // num_receivers), num_receivers), -1)
        turns.ravel()[: len(missing)] = missing
        drawn = [
            _setup(scene, low, high, turn[turn >= 0], np.random.default_rng([seed, len(tx) + i]))
            for i, turn in enumerate(turns)
        ]
        starts = np.array([start for start, _ in drawn])
        places = np.full((*turns.shape, 3), np.nan)
        there = np.zeros(turns.shape, bool)
        for m, (_, links) in enumerate(drawn):
            places[m, : len(links)] = [link.rx for link in links]
            there[m, : len(links)] = [link.hits < 1.0 for link in links]
        if there.any():
            some = np.flatnonzero(there.any(1))
            # The boxes far from a setup were not asked, and floors and walls only by distance.
            for at in misplaced(scene, Campaign(starts[some], places[some], present=there[some])):
                there[some[at.setup], slice(None) if at.receiver is None else at.receiver] = False
        tx += [*starts]
        rx += [*np.where(there[..., None], places, np.nan)]
        present += [*there]
        missing = turns[(turns >= 0) & ~there]
        if len(tx) > 2 * num_setups + 8:
            raise CampaignError(
                f"the boxes stand so close that {len(missing)} of {wanted} links find no place; "
                "take fewer boxes or another seed"
            )
    kept = np.array(present).any(1)
    return Campaign(np.array(tx)[kept], np.array(rx)[kept], present=np.array(present)[kept])


def _setup(
    scene: SceneModel,
    low: FloatArray,
    high: FloatArray,
    turn: IntArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, list[_Link]]:
    """Transmitter and receivers for boxes in their turn.

    :param low: [B, 3] lower corners of all boxes
    :param high: [B, 3] upper corners
    :param turn: [N] boxes
    """
    inner_low, inner_high = scene.bounds[0] + 0.3, scene.bounds[1] - [0.3, 0.3, 0.2]
    centre = (low + high) / 2.0
    west, east = (f(centre[turn], axis=0)[:2] for f in (np.min, np.max))
    near = np.flatnonzero(((centre[:, :2] > west - REACH) & (centre[:, :2] < east + REACH)).all(1))

    def free(points: FloatArray) -> BoolArray:
        inside = (points[:, None] > low[near] - 0.1) & (points[:, None] < high[near] + 0.1)
        return ((points > inner_low) & (points < inner_high)).all(1) & ~np.any(
            inside.all(2), axis=1
        )

    around = rng.uniform([-3.0, -3.0, -0.2], [3.0, 3.0, 1.2], (CANDIDATES, 3))
    some = centre[turn].mean(axis=0) + around
    possible = free(some)
    start = some[np.argmax(possible)]
    if not possible.any():
        return start, [_Link(start, np.inf)] * len(turn)
    links = []
    for box in turn:
        best = _Link(start, np.inf)
        for _ in range(ATTEMPTS):
            aim = low[box] + (high[box] - low[box]) * rng.uniform(0.1, 0.9, (CANDIDATES, 3))
            end = start + (aim - start) * rng.uniform(1.05, 2.2, (CANDIDATES, 1))
            beside = rng.uniform([-1.5, -2.0, -0.3], [1.5, 2.0, 1.0], (CANDIDATES // 2, 3))
            end[::2] = centre[box] + beside
            step = (end - start)[:, None]
            one, other = (low[near] - start) / step, (high[near] - start) / step
            enter, leave = np.minimum(one, other).max(2), np.maximum(one, other).min(2)
            hit = (enter < leave) & (leave > 0.0) & (enter < 1.0)
            hits = hit.sum(1) - 2.0 * hit[:, near == box].any(1)
            hits += (hits == 0.0) & hit.any(axis=1)  # its own and another one
            hits[~free(end)] = np.inf
            if hits.min() < best.hits:
                best = _Link(end[np.argmin(hits)], float(hits.min()))
            if best.hits < 0.0:
                break
        links.append(best)
    return start, links
