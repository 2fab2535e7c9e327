"""The strategy of the paper's Prompt 2 by geometry: links through objects, mirror links, spread.

Transmitters and receivers are chosen one after another. A receiver is placed for the object, and
then the material, with the fewest links so far; links through an object and by reflection in it
alternate; of the possible places the one with the best link that is also far from the other
positions is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, Region, check_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.paths import planes_of
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm.offline.free_space import STREET_HEIGHT, FreeSpace, roomiest
from vlmrt_dist.vlm.offline.informative_links import THROUGH, InformativeLinks, faces_of, links_of

PLACES = 250
"""Least number of random places for a transmitter's receivers; else twice the receivers."""
SPARE_TRANSMITTERS = 12
"""Candidate transmitters beyond the number to choose."""
TARGETS = 32
"""Objects considered for a transmitter's links: those that look largest from there."""
STREET_REACH = 80.0
"""Greatest distance of receivers from their transmitter, outdoors [m]."""
BEHIND = (0.1, 0.8, 2.0)
"""Distances behind an object at which places are tried, beyond the clearance [m]."""
AIMS = (0.25, 0.5, 0.75)
"""Shares of an object's height through which places behind it are sought."""
APART = 0.25
"""Distance, as a share of the scene, from which positions count as spread."""
CLASS_WORTH = 10.0
"""Weight of a material without a link, in objects, when a transmitter is chosen."""
NOT_ESTIMATED = ("metal", "vacuum")
"""Materials without a conductivity to estimate: no link is spent on them."""


class Plan(NamedTuple):
    """:param campaign: M setups of N receivers, valid in the scene
    :param reasons: a sentence a position, M × (1 + N), the transmitter first
    :param remarks: unmet requests, a sentence each
    """

    campaign: Campaign
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]


class _Candidate(NamedTuple):
    """A transmitter, places for its receivers [P,3], and the informative links to them."""

    tx: FloatArray
    places: FloatArray
    links: InformativeLinks


def plan(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    region: Region = Region(),
) -> Plan:
    """M setups of N receivers.

    :param region: where antennas may stand; the clearance is less where the scene is tight
    :raises CampaignError: if a number is not positive, or the scene has no free space
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver per setup")
    rng = np.random.default_rng(seed)
    needed = num_setups * (1 + num_receivers)
    space, pool = roomiest(scene, needed, max(PLACES, 2 * needed), rng, region)
    planner = _Planner(scene, pool)
    candidates = _candidates(space, pool, num_setups, num_receivers, rng)
    setups: list[FloatArray] = []
    reasons: list[str] = []
    for _ in range(num_setups):
        candidate = planner.choose_transmitter(candidates, reasons)
        receivers = [planner.choose_receiver(candidate, reasons) for _ in range(num_receivers)]
        setups.append(np.array([candidate.tx, *receivers]))
    remarks = []
    if space.clearance < region.clearance:
        remarks.append(
            f"the scene is tight: positions keep {space.clearance:g} m from surfaces instead of "
            f"{region.clearance:g} m"
        )
    places = np.array(setups)
    campaign = Campaign(tx=places[:, 0], rx=places[:, 1:])
    check_campaign(scene, campaign)
    return Plan(campaign, tuple(reasons), tuple(remarks))


def _candidates(
    space: FreeSpace,
    pool: FloatArray,
    num_setups: int,
    num_receivers: int,
    rng: np.random.Generator,
) -> list[_Candidate]:
    scene, planes = space.scene, planes_of(space.scene)
    count = min(num_setups + SPARE_TRANSMITTERS, len(pool))
    many = max(PLACES, 2 * num_receivers)
    sites = pool
    if space.region.tx_height is not None:
        sites = space.draw(len(pool), rng, transmitter=True)
        if len(sites) < num_setups:
            raise CampaignError(
                f"only {len(sites)} of {num_setups} positions found for transmitters "
                f"{space.allowed.described(transmitter=True)}; widen the height or the region"
            )
    transmitters = sites[_far_apart(sites, min(count, len(sites)))]
    if space.outdoors:
        transmitters = np.concatenate([_near_classes(space, rng), sites])[:count]
    found = []
    for tx in transmitters:
        if space.outdoors:
            places = space.draw(many, rng, centre=tx, reach=STREET_REACH)
        else:
            places = pool[rng.permutation(len(pool))[:many]]
        targets = _targets(scene, tx, STREET_REACH if space.outdoors else np.inf)
        if targets:
            places = np.concatenate([places, _behind(space, tx, targets)])
        places = places[(places != tx).any(axis=1)]
        links = links_of(scene, tx, places, targets, faces_of(scene, planes, targets))
        found.append(_Candidate(tx, places, links))
    return found


def _near_classes(space: FreeSpace, rng: np.random.Generator) -> FloatArray:
    """Street places near an object of each material, as random ones would miss rare materials."""
    found = [np.zeros((0, 3))]
    boxes, materials = space.scene.bounding_boxes, np.array(space.scene.materials)
    for material in sorted(set(materials) - set(NOT_ESTIMATED)):
        item = rng.choice(np.flatnonzero(materials == material))
        centre = boxes[item].mean(axis=0)
        centre[2] = boxes[item, 0, 2] + STREET_HEIGHT
        found.append(space.draw(1, rng, centre=centre, reach=STREET_REACH, transmitter=True))
    return np.concatenate(found)


def _far_apart(points: FloatArray, count: int) -> list[int]:
    """Indices of ``count`` points, each as far as possible from those before."""
    chosen = [0]
    nearest = ((points - points[0]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


def _targets(scene: SceneModel, tx: FloatArray, reach: float) -> list[int]:
    """The objects with a conductivity to estimate that look largest from ``tx``."""
    boxes = scene.bounding_boxes
    gap = np.linalg.norm(np.maximum(0.0, np.maximum(boxes[:, 0] - tx, tx - boxes[:, 1])), axis=1)
    size = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    wanted = (gap <= reach) & ~np.isin(scene.materials, NOT_ESTIMATED)
    order = [int(k) for k in np.argsort(-size / (1.0 + gap), kind="stable") if wanted[k]]
    # The largest of each material first, so that rare materials are among the targets.
    first = {scene.materials[k]: k for k in reversed(order)}
    return sorted(order, key=lambda k: first[scene.materials[k]] != k)[:TARGETS]


def _behind(space: FreeSpace, tx: FloatArray, targets: Sequence[int]) -> FloatArray:
    """Free places [P,3] on straight lines from ``tx`` through the objects' middles."""
    low, high = space.scene.bounding_boxes[targets].transpose(1, 0, 2)
    middle = (low + high) / 2
    aims = np.stack([middle for _ in AIMS])
    aims[:, :, 2] = low[:, 2] + np.array(AIMS)[:, None] * (high - low)[:, 2]
    way = aims - tx
    way /= np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        leave = np.fmax((low - tx) / way, (high - tx) / way).min(axis=2)
    beyond = leave[..., None] + space.clearance + np.array(BEHIND)
    places = tx + beyond[..., None] * way[:, :, None]
    places = places[np.isfinite(places).all(axis=3)]
    settled, free = space.settle(places)
    return settled[free]


class _Planner:
    """Positions and links chosen so far, and the choice of the next."""

    def __init__(self, scene: SceneModel, pool: FloatArray) -> None:
        self.scene, self.pool = scene, pool
        self.size = float(np.linalg.norm(np.ptp(pool, axis=0))) or 1.0
        self.chosen = np.zeros((0, 3))
        self.seen = np.zeros((scene.num_objects, 2), dtype=int)
        classes = sorted(set(scene.materials))
        self.class_of = np.array([classes.index(m) for m in scene.materials])
        self.class_seen = np.zeros(len(classes), dtype=int)

    def choose_transmitter(self, candidates: list[_Candidate], reasons: list[str]) -> _Candidate:
        """Take the candidate that reaches the objects of fewest links, far from the others."""

        def worth(candidate: _Candidate) -> float:
            apart = self._apart(candidate.tx[None])[0]
            reached = np.unique(candidate.links.target)
            needs = 1.0 / (1.0 + self.seen[reached].sum(axis=1)) ** 2
            classes = np.unique(self.class_of[reached])
            class_needs = 1.0 / (1.0 + self.class_seen[classes]) ** 2
            return float(apart * (1e-6 + needs.sum() + CLASS_WORTH * class_needs.sum()))

        best = max(range(len(candidates)), key=lambda i: worth(candidates[i]))
        candidate = candidates.pop(best)
        reached = len(np.unique(candidate.links.target))
        self.chosen = np.concatenate([self.chosen, candidate.tx[None]])
        reasons.append(
            f"transmitter: one transmission or reflection away from {reached} of "
            f"{self.scene.num_objects} objects, apart from the other positions"
        )
        return candidate

    def choose_receiver(self, candidate: _Candidate, reasons: list[str]) -> FloatArray:
        """The place of the best link to the object with the fewest links."""
        places, links = candidate.places, candidate.links
        apart = self._apart(places)
        usable = apart[links.place] > 0.0
        if not usable.any():
            return self._fill(places, apart, reasons)
        reachable = np.unique(links.target[usable])
        best_quality = np.zeros(self.scene.num_objects)
        np.maximum.at(best_quality, links.target[usable], links.quality[usable])
        k = min(
            reachable.tolist(),
            key=lambda k: (
                self.seen[k].sum(),
                self.class_seen[self.class_of[k]],
                -best_quality[k],
            ),
        )
        mine = np.flatnonzero(usable & (links.target == k))
        kind = min(set(links.kind[mine].tolist()), key=lambda kind: (self.seen[k, kind], kind))
        mine = mine[links.kind[mine] == kind]
        link = mine[np.argmax(links.quality[mine] * apart[links.place[mine]])]
        self.seen[k, kind] += 1
        self.class_seen[self.class_of[k]] += 1
        reasons.append(_reason(self.scene.names[k], links, int(link)))
        return self._take(places[links.place[link]])

    def _fill(self, places: FloatArray, apart: FloatArray, reasons: list[str]) -> FloatArray:
        """The place farthest from the others, where no link depends on an object."""
        if not (apart > 0.0).any():
            places, apart = self.pool, self._apart(self.pool)
        reasons.append("far from the other positions: fills the space between them")
        return self._take(places[int(np.argmax(apart))])

    def _take(self, place: FloatArray) -> FloatArray:
        self.chosen = np.concatenate([self.chosen, place[None]])
        return place

    def _apart(self, places: FloatArray) -> FloatArray:
        """[P] distance from the nearest position chosen, 0 (there) to 1 (far enough)."""
        if len(self.chosen) == 0:
            return np.ones(len(places))
        squared = ((places[:, None] - self.chosen) ** 2).sum(axis=2).min(axis=1)
        return np.minimum(1.0, np.sqrt(squared) / (APART * self.size))


def _reason(name: str, links: InformativeLinks, link: int) -> str:
    others = int(links.others[link])
    if links.kind[link] == THROUGH:
        also = f" and {others} more" if others else ""
        return f"behind {name}{also} as seen from the transmitter: measures its transmission loss"
    x, y, z = links.point[link]
    direct = "adds to the direct path"
    if others:
        direct = f"the direct path is blocked by {others} object" + "s" * (others > 1)
    return f"sees the transmitter mirrored in {name} at ({x:.2f}, {y:.2f}, {z:.2f}) m; {direct}"
