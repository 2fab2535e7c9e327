"""What a campaign will tell before it is measured, and how many links a target takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig, check_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import MIN_NOISE_DB, UNIDENTIFIABLE, WEAK, Prior, Verdict, prior_of
from vlmrt_dist.placement.candidates import (
    NUM_DRAWS,
    CandidatePool,
    link_jacobians,
    prior_draws,
)
from vlmrt_dist.placement.selection import Criterion, Information, select
from vlmrt_dist.scene import SceneModel

Which = Literal["identifiable", "all", "median"]
Grow = Literal["receivers", "setups"]

LOST = 1e-6
"""From this share of an object's direction on that no link sees, it has no Cramér-Rao bound."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a campaign is expected to tell about K objects.

    Each number is the median over draws of the conductivities from the prior.

    :param names: [K]
    :param materials: [K]
    :param free: [K] objects whose conductivity is unknown
    :param prior: [K] standard deviation of ln σ before the measurement (0 where not free)
    :param posterior: [K] after it
    :param cramer_rao: [K] bound for estimates without a prior; infinite where links do not tell
    :param strongest: [K] largest change of any level with the object's ln σ [dB]
    :param num_links: links of the campaign
    :param num_heard: links that a path joins
    :param noise_db: standard deviation of each level [dB]
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

    @property
    def verdict(self) -> tuple[Verdict, ...]:
        """[K] what an estimate is expected to say of each object."""
        found: list[Verdict] = []
        for k, free in enumerate(self.free):
            share = self.posterior[k] / self.prior[k] if free else 0.0
            if not free:
                found.append("fixed")
            elif share >= UNIDENTIFIABLE:
                found.append("unidentifiable")
            else:
                found.append("weak" if share >= WEAK else "estimated")
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
    scene: SceneModel,
    campaign: Campaign,
    *,
    radio: RadioConfig | None = None,
    noise_db: float = 0.1,
    prior_width: float | FloatArray = 0.5,
    conductivity: FloatArray | None = None,
    num_draws: int = NUM_DRAWS,
    fixed: Sequence[str] = (),
    seed: int = 0,
) -> Prediction:
    """Standard deviation of ln σ that each object is left with when ``campaign`` is measured.

    Evaluated on the path set that ``radio`` asks for, the complete one by default.

    :param campaign: positions; levels are not looked at
    :param noise_db: standard deviation of each level [dB]; at least 0.001 is taken
    :param prior_width: standard deviation of ln σ before the measurement, one or [K]
    :param conductivity: [K] where to evaluate [S/m]; default: draws from the prior
    :param num_draws: how many of them
    :param fixed: names of objects whose conductivity is known
    :param seed: of the draws
    :raises CampaignError: if the campaign does not fit the scene
    """
    from vlmrt_dist.field import trace  # wakes up the ray tracer

    radio = radio or RadioConfig()
    if not 0.0 <= noise_db < np.inf:
        raise ConfigurationError("noise_db must be a finite number, not negative [dB]")
    check_campaign(scene, campaign)
    draws = prior_draws(scene, radio, prior_width, num_draws, seed, fixed)
    if conductivity is not None:
        draws = np.asarray(conductivity, np.float64)[None]
    table = trace(scene, campaign, radio)
    heard, jacobians = link_jacobians(scene, campaign, radio, table, draws)
    free = prior_of(scene, radio, Prior(1.0), fixed).free
    links = np.flatnonzero(campaign.present.ravel())
    rows = [(j @ sp.diags(free.astype(float))).tocsr()[links] for j in jacobians]
    return _prediction(scene, rows, int(heard.sum()), free, noise_db, prior_width)


def pool_prediction(
    scene: SceneModel,
    pool: CandidatePool,
    links: IntArray,
    noise_db: float,
    prior_width: float | FloatArray,
) -> Prediction:
    """The same for links of a pool, on the pool's own paths."""
    rows = [j[links] for j in pool.jacobians]
    heard = int(pool.heard.ravel()[links].sum())
    return _prediction(scene, rows, heard, pool.free, noise_db, prior_width)


def _prediction(
    scene: SceneModel,
    rows: list[sp.csr_matrix],
    num_heard: int,
    free: BoolArray,
    noise_db: float,
    prior_width: float | FloatArray,
) -> Prediction:
    noise = max(noise_db, MIN_NOISE_DB)
    width = np.where(free, np.broadcast_to(prior_width, free.shape), 0.0)
    spreads = [spread((r / noise).tocsr(), width, free) for r in rows]
    strongest = np.median([abs(r).max(axis=0).toarray()[0] for r in rows], axis=0)
    return Prediction(
        names=scene.names,
        materials=scene.materials,
        free=free,
        prior=width,
        posterior=np.median([s[0] for s in spreads], axis=0),
        cramer_rao=np.median([s[1] for s in spreads], axis=0),
        strongest=strongest,
        num_links=rows[0].shape[0],
        num_heard=num_heard,
        noise_db=noise,
    )


def spread(
    rows: sp.csr_matrix, width: FloatArray, free: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """[K] standard deviations of ln σ after measuring some links: with the prior, and without.

    :param rows: [n, K] sensitivities of the links in units of their noise
    :param width: [K] standard deviation of ln σ before the measurement
    """
    posterior, bound = width.copy(), np.where(free, np.inf, 0.0)
    seen = np.flatnonzero(free & (rows.getnnz(axis=0) > 0))
    if len(seen) == 0:
        return posterior, bound
    dense = rows[:, seen].toarray()
    _, size, basis = np.linalg.svd(dense * width[seen], full_matrices=False)
    share = basis**2
    left = np.maximum(1.0 - share.sum(0), 0.0)  # what no link sees of an object
    posterior[seen] = width[seen] * np.sqrt(left + (share / (1.0 + size**2)[:, None]).sum(0))
    # Without the prior; rows of a size beneath rounding tell nothing.
    _, size, basis = np.linalg.svd(dense, full_matrices=False)
    kept = size > size[0] * max(dense.shape) * np.finfo(float).eps
    share = basis[kept] ** 2
    variance = (share / size[kept, None] ** 2).sum(0)
    bound[seen] = np.where(share.sum(0) > 1.0 - LOST, np.sqrt(variance), np.inf)
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
    noise_db: float,
    prior_width: float | FloatArray,
    count: int = 100,
    seed: int = 0,
) -> RandomCampaigns:
    """What campaigns of random positions would tell: RandSel, drawn from the pool."""
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
        found.append(pool_prediction(scene, pool, pool.links(choice), noise_db, prior_width))
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


def plan_for_target(
    scene: SceneModel,
    pool: CandidatePool,
    target: float,
    *,
    criterion: Criterion = "D",
    which: Which = "identifiable",
    grow: Grow = "receivers",
    num_setups: int = 3,
    num_receivers: int = 8,
    noise_db: float = 0.1,
    prior_width: float | FloatArray = 0.5,
    num_restarts: int = 2,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> TargetPlan:
    """The fewest links whose predicted standard deviations of ln σ lie at or below ``target``.

    :param target: standard deviation of ln σ, 0.1 for 10 %
    :param which: "identifiable": every object that all links of the pool together would bring to
        the target; "all": every free object; "median": the median over the free objects
    :param grow: what grows: the receivers of ``num_setups`` setups, or the setups of
        ``num_receivers`` receivers, to half of the pool's at most
    :raises ConfigurationError: if the target is not positive and finite
    :raises CampaignError: if too few candidates receive anything
    """
    if not 0.0 < target < np.inf:
        raise ConfigurationError("the target must be positive and finite; 0.1 is 10 %")
    everything = pool_prediction(
        scene, pool, np.flatnonzero(pool.heard.ravel()), noise_db, prior_width
    )
    missed = pool.free & (everything.posterior > target)
    never = tuple(scene.names[k] for k in np.flatnonzero(missed))
    counted = pool.free & ~missed if which == "identifiable" else pool.free
    information = Information(pool, criterion, noise_db, prior_width)
    found: dict[int, tuple[float, Any]] = {}

    def size(count: int) -> tuple[int, int]:
        return (num_setups, count) if grow == "receivers" else (count, num_receivers)

    def reaches(count: int) -> bool:
        if count not in found:
            if progress is not None:
                progress("target", len(found) + 1, 0)
            choice = select(information, *size(count), seed=seed, num_restarts=num_restarts)
            std = pool_prediction(scene, pool, pool.links(choice), noise_db, prior_width).posterior[
                counted
            ]
            reduce = np.median if which == "median" else np.max
            found[count] = float(reduce(std)) if len(std) else np.inf, choice
        return found[count][0] <= target

    most = pool.heard.shape[1] // 2 if grow == "receivers" else pool.heard.shape[0] // 2
    high = 1
    while high < most and not reaches(high):
        high = min(2 * high, most)
    if reached := reaches(high):
        low = high // 2  # of which it is known, or of none, that it does not reach the target
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(middle) else (middle, high)
    return TargetPlan(
        campaign=pool.subset(found[high][1]),
        reached=reached,
        never=never,
        tried=tuple((*size(n), found[n][0]) for n in sorted(found)),
    )
