"""Predicted uncertainty of a campaign before it is measured, and the links that a target takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, CampaignLike, RadioConfig, as_campaign, check_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import MIN_NOISE_DB, NO_PRIOR_WIDTH, Prior, Verdict, limits, prior_of
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.placement.candidates import CandidatePool, prior_draws
from vlmrt_dist.placement.options import NUM_DRAWS
from vlmrt_dist.placement.selection import LinkChoice, select
from vlmrt_dist.placement.sensitivities import Design, Rows, dense, link_rows
from vlmrt_dist.placement.strategies._pool import OptimalStrategy
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneLike, SceneModel

TargetScope = Literal["identifiable", "all", "median"]
"""Objects that a target holds for: those that all links of the pool together would bring to it; all
free objects; or the median over the free objects."""

Grow = Literal["receivers", "setups"]
"""The number that grows until a target is reached: receivers of each setup, or setups."""

UNSEEN_SHARE = 1e-6
"""An object of whose direction no link sees more than this share has no Cramér-Rao bound."""

TARGET_RESTARTS = 2
"""Most starts of the search at each of the sizes that are tried for a target."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Uncertainty that a campaign is expected to leave of the conductivities of K objects.

    Each number is the median over draws of the conductivities from the prior.

    :param names: [K]
    :param materials: [K]
    :param free: [K] objects whose conductivity is unknown
    :param prior: [K] standard deviation of ln σ before the measurement (0 where not free)
    :param posterior: [K] after it
    :param cramer_rao: [K] bound for estimates without a prior; infinite where the links do not
        determine the object
    :param strongest: [K] largest change of any level with the object's ln σ [dB]; where more than
        levels is measured, of any combination of a link's values, in units of its noise
    :param num_links: links of the campaign
    :param num_heard: links that a path joins
    :param noise_db: standard deviation of each level [dB]
    :param levels_only: whether nothing but levels is measured
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    free: BoolArray
    prior: FloatArray
    posterior: FloatArray
    cramer_rao: FloatArray
    strongest: FloatArray
    num_links: int
    num_heard: int
    noise_db: float
    levels_only: bool = True

    @property
    def verdict(self) -> tuple[Verdict, ...]:
        """[K] verdict that an estimate is expected to give of each object."""
        weak, lost = limits(self.prior, np.full(len(self.free), NO_PRIOR_WIDTH))
        found: list[Verdict] = []
        for k, free in enumerate(self.free):
            if not free:
                found.append("fixed")
            elif self.posterior[k] >= lost[k]:
                found.append("not_identified")
            else:
                found.append("weak" if self.posterior[k] >= weak[k] else "estimated")
        return tuple(found)

    @property
    def mean_posterior(self) -> float:
        """Mean over the free objects of the standard deviation of ln σ."""
        return float(self.posterior[self.free].mean())

    @property
    def mean_cramer_rao(self) -> float:
        """Mean over the free objects of the Cramér-Rao bound without a prior."""
        return float(self.cramer_rao[self.free].mean())


def predicted_std(
    scene: SceneLike,
    campaign: CampaignLike,
    *,
    radio: RadioConfig | None = None,
    noise_db: float = 0.1,
    prior_width: float | FloatArray = 0.5,
    conductivity: FloatArray | None = None,
    num_draws: int = NUM_DRAWS,
    fixed: Sequence[str] = (),
    observables: str = "power",
    seed: int = 0,
) -> Prediction:
    """Predict the standard deviation of each object's ln σ once ``campaign`` is measured.

    Evaluated on the path set that ``radio`` asks for, the complete one by default.

    :param scene: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param campaign: positions (or a file, or a data frame of them); levels are not looked at
    :param radio: radio configuration of the measurement; None: a live scene's, or the default one
    :param noise_db: standard deviation of each level [dB]; at least 0.001 is taken
    :param prior_width: standard deviation of ln σ before the measurement, one or [K]
    :param conductivity: [K] where to evaluate [S/m]; default: draws from the prior
    :param num_draws: how many of them
    :param fixed: names of objects whose conductivity is known
    :param observables: what is measured of each link, as in "power,delay:10ns@2db"; see
        :func:`~vlmrt_dist.campaign.parse_observables`
    :param seed: of the draws
    :raises CampaignError: if the campaign does not fit the scene
    :raises ConfigurationError: if the noise is negative or not finite, a width is not positive,
        ``num_draws`` is less than 1, or a name in ``fixed`` is no object's
    """
    scene, radio = scene_and_radio(scene, radio)
    campaign = as_campaign(campaign, scene, radio)
    design = Design(
        noise_db=noise_db, prior_width=prior_width, fixed=tuple(fixed), observables=observables
    )
    check_campaign(scene, campaign)
    draws = prior_draws(scene, radio, prior_width, num_draws, seed, fixed)
    if conductivity is not None:
        draws = np.asarray(conductivity, np.float64)[None]
    return prediction_of(scene, campaign, radio, design, draws)


def prediction_of(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, design: Design, draws: FloatArray
) -> Prediction:
    """:func:`predicted_std` of a design.

    :param draws: [B, K] conductivities at which it is evaluated [S/m]
    """
    from vlmrt_dist.field import trace  # imports Dr.Jit

    free = prior_of(scene, radio, Prior(1.0), design.fixed).free
    unknown = design.repeated(free)
    found = link_rows(scene, campaign, radio, trace(scene, campaign, radio), draws, design, unknown)
    links = np.flatnonzero(campaign.present.ravel())
    index = (links[:, None] * found.per_link + np.arange(found.per_link)).ravel()
    rows = [each[index] for each in found.scaled(unknown)]
    return _prediction(scene, rows, (len(links), int(found.heard.sum())), free, design)


def pool_prediction(
    scene: SceneModel, pool: CandidatePool, links: IntArray, design: Design
) -> Prediction:
    """The prediction for links of a pool, on the pool's own paths."""
    rows = [j[pool.rows_of(links)] for j in pool.rows]
    heard = int(pool.heard.ravel()[links].sum())
    return _prediction(scene, rows, (len(links), heard), pool.free, design)


def _prediction(
    scene: SceneModel,
    rows: Sequence[Rows],
    num_links: tuple[int, int],
    free: BoolArray,
    design: Design,
) -> Prediction:
    """:param num_links: all, and those heard"""
    unknown, objects = design.repeated(free), len(free)
    width = np.where(unknown, design.widths(objects), 0.0)
    spreads = [spread(r / design.noise, width, unknown) for r in rows]
    strongest = np.median([np.ravel(dense(abs(r).max(axis=0))) for r in rows], axis=0)
    return Prediction(
        names=scene.names,
        materials=scene.materials,
        free=free,
        prior=width[:objects],
        posterior=np.median([s[0] for s in spreads], axis=0)[:objects],
        cramer_rao=np.median([s[1] for s in spreads], axis=0)[:objects],
        strongest=strongest[:objects],
        num_links=num_links[0],
        num_heard=num_links[1],
        noise_db=max(design.noise_db, MIN_NOISE_DB),
        levels_only=design.levels_only,
    )


def spread(rows: Rows, width: FloatArray, free: BoolArray) -> tuple[FloatArray, FloatArray]:
    """[K] standard deviations of ln σ after measuring some links: with the prior, and without.

    :param rows: [n, K] sensitivities of the links in units of their noise
    :param width: [K] standard deviation of ln σ before the measurement
    """
    posterior, bound = width.copy(), np.where(free, np.inf, 0.0)
    seen = np.flatnonzero(free & np.ravel(dense(abs(rows).max(axis=0)) > 0.0))
    if len(seen) == 0:
        return posterior, bound
    some = dense(rows[:, seen])
    _, size, basis = np.linalg.svd(some * width[seen], full_matrices=False)
    share = basis**2
    left = np.maximum(1.0 - share.sum(0), 0.0)  # what no link sees of an object
    posterior[seen] = width[seen] * np.sqrt(left + (share / (1.0 + size**2)[:, None]).sum(0))
    # Without the prior; directions of a size beneath rounding hold no information.
    _, size, basis = np.linalg.svd(some, full_matrices=False)
    kept = size > size[0] * max(some.shape) * np.finfo(float).eps
    share = basis[kept] ** 2
    variance = (share / size[kept, None] ** 2).sum(0)
    bound[seen] = np.where(share.sum(0) > 1.0 - UNSEEN_SHARE, np.sqrt(variance), np.inf)
    return posterior, bound


@dataclass(frozen=True, eq=False)
class RandomCampaigns:
    """Random choices from a pool, of one size: medians over them.

    :param posterior: [K] standard deviation of ln σ after the measurement
    :param mean_posterior: mean of it over the free objects
    :param mean_cramer_rao: mean of the Cramér-Rao bound over the free objects
    :param strongest: [K] largest change of any level with the object's ln σ [dB]
    :param count: how many
    """

    posterior: FloatArray
    mean_posterior: float
    mean_cramer_rao: float
    strongest: FloatArray
    count: int


def random_campaigns(
    scene: SceneModel,
    pool: CandidatePool,
    num_setups: int,
    num_receivers: int,
    *,
    design: Design,
    count: int = 100,
    seed: int = 0,
) -> RandomCampaigns:
    """Predictions of campaigns of random positions (RandSel), drawn from the pool."""
    rng = np.random.default_rng([seed, 3])
    able = np.flatnonzero(pool.heard.sum(1) >= num_receivers)
    if len(able) < num_setups:
        raise CampaignError(
            f"fewer than {num_setups} candidate transmitters reach enough receivers"
        )
    found = []
    for _ in range(count):
        choice = [
            (t, rng.choice(np.flatnonzero(pool.heard[t]), num_receivers, replace=False).tolist())
            for t in rng.choice(able, num_setups, replace=False).tolist()
        ]
        found.append(pool_prediction(scene, pool, pool.links(choice), design))
    return RandomCampaigns(
        posterior=np.median([p.posterior for p in found], axis=0),
        mean_posterior=float(np.median([p.mean_posterior for p in found])),
        mean_cramer_rao=float(np.median([p.mean_cramer_rao for p in found])),
        strongest=np.median([p.strongest for p in found], axis=0),
        count=count,
    )


@dataclass(frozen=True, eq=False)
class TargetPlan:
    """The smallest campaign found that is predicted to reach a target.

    :param campaign: its positions; where the target is out of reach, the largest one tried
    :param reached: whether the target is predicted to be reached
    :param never: objects that would miss it even if every link of the pool were measured
    :param tried: (M, N, number that was compared with the target) of each size tried
    """

    campaign: Campaign
    reached: bool
    never: tuple[str, ...]
    tried: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class PlanTarget:
    """The uncertainty that a plan has to reach with the fewest links.

    :param std: standard deviation of ln σ, 0.1 for 10 %
    :param scope: "identifiable": every object that all links of the pool together would bring to
        the target; "all": every free object; "median": the median over the free objects
    :param grow: what grows, to half of the pool's at most: the receivers of each setup, or the
        number of setups
    :raises ConfigurationError: if the target is not positive and finite
    """

    std: float
    scope: TargetScope = "identifiable"
    grow: Grow = "receivers"

    def __post_init__(self) -> None:
        if not 0.0 < self.std < np.inf:
            raise ConfigurationError("the target must be positive and finite; 0.1 is 10 %")
        for name, choices in (("scope", TargetScope), ("grow", Grow)):
            if getattr(self, name) not in get_args(choices):
                raise ConfigurationError(f"{name} must be one of {', '.join(get_args(choices))}")

    def size(self, count: int, num_setups: int, num_receivers: int) -> tuple[int, int]:
        """M and N where ``count`` replaces the one of them that grows."""
        return (num_setups, count) if self.grow == "receivers" else (count, num_receivers)

    def most(self, pool: CandidatePool) -> int:
        """The largest number that is tried."""
        num_tx, num_rx = pool.heard.shape
        return (num_rx if self.grow == "receivers" else num_tx) // 2


def plan_for_target(
    strategy: OptimalStrategy,
    scene: SceneModel,
    target: PlanTarget,
    num_setups: int,
    num_receivers: int,
    *,
    pool: CandidatePool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> TargetPlan:
    """The fewest links whose predicted standard deviations of ln σ lie at or below the target.

    :param strategy: criterion of the choice, noise and prior of the prediction; of its restarts at
        most :data:`TARGET_RESTARTS` are used for each size
    :param target: what is to be reached, and what grows
    :param num_setups: setups, if the receivers grow
    :param num_receivers: receivers of each setup, if the setups grow
    :param pool: what is chosen from; None: a pool of the strategy's own for this M and N
    :param seed: of pool and search
    :param progress: called as "target", size by size
    :raises CampaignError: if too few candidates are reached by any path
    """
    given = pool or strategy.pool(scene, num_setups, num_receivers, seed=seed, progress=progress)

    def posterior(links: IntArray) -> FloatArray:
        return pool_prediction(scene, given, links, strategy.design).posterior

    missed = given.free & (posterior(np.flatnonzero(given.heard.ravel())) > target.std)
    counted = given.free & ~missed if target.scope == "identifiable" else given.free
    information = strategy.information(scene, given)
    restarts = min(strategy.num_restarts, TARGET_RESTARTS)
    found: dict[int, tuple[float, LinkChoice]] = {}

    def reaches(count: int) -> bool:
        if count not in found:
            if progress is not None:
                progress("target", len(found) + 1, 0)
            size = target.size(count, num_setups, num_receivers)
            choice = select(information, *size, seed=seed, num_restarts=restarts)
            std = posterior(given.links(choice))[counted]
            reduce = np.median if target.scope == "median" else np.max
            found[count] = float(reduce(std)) if len(std) else np.inf, choice
        return found[count][0] <= target.std

    reached, count = _least(reaches, target.most(given))
    sizes = {n: target.size(n, num_setups, num_receivers) for n in sorted(found)}
    return TargetPlan(
        campaign=given.subset(found[count][1]),
        reached=reached,
        never=tuple(scene.names[k] for k in np.flatnonzero(missed)),
        tried=tuple((*sizes[n], found[n][0]) for n in sizes),
    )


def _least(reaches: Callable[[int], bool], most: int) -> tuple[bool, int]:
    """Whether any number up to ``most`` is enough, and the least one that is, by bisection; where
    none is, ``most``."""
    high = 1
    while high < most and not reaches(high):
        high = min(2 * high, most)
    if not reaches(high):
        return False, high
    low = high // 2  # known not to be enough, or zero
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return True, high
