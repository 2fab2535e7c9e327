"""Measure, estimate, plan the next setup, until the answer is good enough.

What is measured already enters the plan as such: with its links' sensitivities at the estimate, so
that the next setup is chosen for what is still unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, RadioConfig, check_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import (
    MIN_NOISE_DB,
    NORMAL_95,
    PRIOR_WIDTH,
    Estimate,
    LevenbergMarquardt,
    Noise,
    Prior,
    estimate,
)
from vlmrt_dist.placement.candidates import (
    NUM_DRAWS,
    NUM_RX,
    NUM_TX,
    Height,
    candidate_pool,
    link_jacobians,
)
from vlmrt_dist.placement.prediction import spread
from vlmrt_dist.placement.registry import place
from vlmrt_dist.placement.selection import Information, select
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

Which = Literal["all", "median"]

LEAST_HELP = 0.02
"""A setup that narrows no object that is still too uncertain by this share is not worth making."""


TIED = 1e-8
"""Share of the prior's variance that a difference of tied objects is credited with; not zero."""


@dataclass(frozen=True, eq=False)
class NextSetup:
    """A setup that is proposed, and what it is for.

    :param campaign: positions of one setup
    :param before: [K] standard deviation of ln σ as it is
    :param after: [K] the same once the setup is measured, as predicted at the estimate
    """

    campaign: Campaign
    before: FloatArray
    after: FloatArray


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """What a loop measured and found.

    :param campaign: all that was measured
    :param result: the estimate from it
    :param reason: why it ended, in words
    :param reached: whether the target was reached
    :param num_links: links measured by the end of each round
    :param std: [rounds, K] standard deviation of ln σ after each round
    """

    campaign: Campaign
    result: Estimate
    reason: str
    reached: bool
    num_links: tuple[int, ...]
    std: FloatArray


def plan_next(
    scene: SceneModel,
    campaign: Campaign,
    result: Estimate,
    *,
    num_receivers: int = 8,
    radio: RadioConfig | None = None,
    num_tx_candidates: int = NUM_TX,
    num_rx_candidates: int | None = None,
    num_draws: int = NUM_DRAWS,
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Campaign:
    """The next setup to measure, given what was measured and estimated.

    It minimises the variances of ln σ that it is predicted to leave (A-optimal), averaged over
    draws from the posterior. What else the estimate had to find (permittivities, offsets) makes the
    conductivities as uncertain as it says; of the next setup it is taken as known.

    :param campaign: the measured campaign that ``result`` was estimated from
    :param result: its estimate
    :param num_receivers: receivers of the setup
    :param radio: radio configuration of the estimation
    :param num_tx_candidates: transmitter positions in the pool
    :param num_rx_candidates: receiver positions of each; default: 60, or twice ``num_receivers``
    :param num_draws: conductivities drawn from the posterior
    :param clearance: distance of every position from every surface [m]
    :param height: lowest and highest antenna above the ground [m]; default: anywhere in the room
    :param tx_height: the same for transmitters; default: as ``height``
    :param seed: of pool and draws
    :param progress: called along the way
    :return: positions of one setup
    :raises CampaignError: if estimate and campaign do not belong together, or no candidate
        transmitter reaches enough receivers
    """
    return next_setup(
        scene,
        campaign,
        result,
        num_receivers=num_receivers,
        radio=radio,
        num_tx_candidates=num_tx_candidates,
        num_rx_candidates=num_rx_candidates,
        num_draws=num_draws,
        clearance=clearance,
        height=height,
        tx_height=tx_height,
        seed=seed,
        progress=progress,
    ).campaign


def next_setup(
    scene: SceneModel,
    campaign: Campaign,
    result: Estimate,
    *,
    num_receivers: int = 8,
    radio: RadioConfig | None = None,
    num_tx_candidates: int = NUM_TX,
    num_rx_candidates: int | None = None,
    num_draws: int = NUM_DRAWS,
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> NextSetup:
    """:func:`plan_next`, with the standard deviations before and after."""
    from vlmrt_dist.field import trace  # wakes up the ray tracer

    radio = radio or RadioConfig()
    if num_receivers < 1 or num_draws < 1:
        raise ConfigurationError("num_receivers and num_draws must be 1 or more")
    if result.names != scene.names or result.links.noise_db.shape != campaign.present.shape:
        raise CampaignError("the estimate was not made from this scene and campaign")
    check_campaign(scene, campaign)
    free = np.array([v != "fixed" for v in result.verdict])
    if not free.any():
        raise ConfigurationError(
            "the estimate leaves no conductivity open; there is nothing to plan"
        )
    reach = np.divide(result.prior_high, result.prior, out=np.ones(len(free)), where=free)
    width = np.log(reach) / NORMAL_95
    scale = result.noise_scale if result.noise_scale > 1.0 else 1.0  # NaN: cannot be told
    # A censored level says less than a level does; it is left out of what is known.
    used = np.flatnonzero((campaign.present & ~campaign.censored).ravel())
    noise = np.maximum(result.links.noise_db.ravel()[used], MIN_NOISE_DB) * scale
    table = trace(scene, campaign, radio)

    # Not each conductivity by itself: other unknowns beside them, or objects that are tied.
    tied = result.num_unknowns < free.sum()
    joint = bool(result.others) or result.gains is not None or tied

    def measured(draws: FloatArray) -> list[sp.csr_matrix]:
        if joint:
            return [_told(result.covariance, width, free)] * len(draws)
        _, jacobians = link_jacobians(scene, campaign, radio, table, draws)
        keep = sp.diags(free.astype(float))
        return [(sp.diags(1.0 / noise) @ j[used] @ keep).tocsr() for j in jacobians]

    theta = np.where(free, result.conductivity, result.fitted)
    known = measured(theta[None])[0]
    draws = _posterior_draws(theta, known, width, num_draws, seed)
    pool = candidate_pool(
        scene,
        radio,
        seed=seed,
        num_tx=num_tx_candidates,
        num_rx=num_rx_candidates or max(NUM_RX, 2 * num_receivers),
        draws=draws,
        free=free,
        clearance=clearance,
        height=height,
        tx_height=tx_height,
        progress=progress,
    )
    ahead = max(result.noise_db, MIN_NOISE_DB) * scale
    given = (known, *measured(draws[1:]))
    information = Information(pool, "A", ahead, width, given=given)
    choice = select(information, 1, num_receivers, seed=seed, num_restarts=1, progress=progress)
    added = (pool.jacobians[0][pool.links(choice)] / ahead).tocsr()
    return NextSetup(
        campaign=pool.subset(choice),
        before=spread(known, width, free)[0],
        after=spread(sp.vstack([known, added]).tocsr(), width, free)[0],
    )


def _told(covariance: FloatArray, width: FloatArray, free: BoolArray) -> sp.csr_matrix:
    """[n, K] sensitivities, in units of their noise, of links that would leave ``covariance``.

    That is what the measured links say once everything else that was unknown is averaged out.

    :param covariance: [K, K] of ln σ
    """
    index = np.flatnonzero(free)
    scaled = covariance[np.ix_(index, index)] / np.outer(width[index], width[index])
    size, basis = np.linalg.eigh(scaled)
    # From a covariance as wide as the prior on nothing is told; a tie leaves no width at all.
    told = np.sqrt(np.maximum(1.0 / np.maximum(size, TIED) - 1.0, 0.0))
    rows = np.zeros((len(index), len(free)))
    rows[:, index] = told[:, None] * basis.T / width[index]
    return sp.csr_matrix(rows)


def _posterior_draws(
    theta: FloatArray,
    rows: sp.csr_matrix,
    width: FloatArray,
    count: int,
    seed: int,
) -> FloatArray:
    """[B, K] conductivities [S/m]: the estimate, then draws from its posterior.

    A draw from the prior, corrected by what the links would say of it (Matheron's rule): no
    matrix of K × K is needed.

    :param rows: [n, K] sensitivities of the measured links in units of their noise
    """
    rng = np.random.default_rng([seed, 4])
    whitened = (rows @ sp.diags(width)).tocsr()
    prior = rng.standard_normal((count, len(theta)))
    error = rng.standard_normal((count, rows.shape[0]))
    gram = np.eye(rows.shape[0]) + (whitened @ whitened.T).toarray()
    seen = np.linalg.solve(gram, (whitened @ prior.T) + error.T)
    step = width * (prior - (whitened.T @ seen).T)
    step[0] = 0.0
    return theta * np.exp(np.clip(step, -2.0, 2.0))


def measure_until(
    scene: SceneModel,
    measure: Callable[[Campaign], Campaign],
    *,
    target: float,
    which: Which = "all",
    num_receivers: int = 8,
    max_setups: int = 10,
    start: Campaign | None = None,
    radio: RadioConfig | None = None,
    prior_width: float = PRIOR_WIDTH,
    noise_db: float | None = None,
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    seed: int = 0,
    on_round: Callable[[Campaign, Estimate], None] | None = None,
    **options: Any,
) -> ClosedLoop:
    """Measure setup after setup, each planned with what the ones before told.

    :param measure: makes a measurement: positions of some setups in, the same with levels out;
        a simulation, or a person who walks
    :param target: standard deviation of ln σ at which it ends, 0.1 for 10 %
    :param which: whether all free objects have to reach it, or their median
    :param num_receivers: receivers of each setup
    :param max_setups: setups after which it ends whatever is reached
    :param start: the first setups; measured already where they have levels; default: one setup,
        A-optimal
    :param radio: radio configuration of the estimation
    :param prior_width: standard deviation of ln σ before the measurement
    :param noise_db: standard deviation of the levels [dB]; default: what the measurement states
    :param clearance: distance of every position from every surface [m]
    :param height: lowest and highest antenna above the ground [m]; default: anywhere in the room
    :param tx_height: the same for transmitters; default: as ``height``
    :param seed: of pools, draws and estimates
    :param on_round: called after each round with all that is measured, and its estimate
    :param options: further options of :func:`vlmrt_dist.estimate`
    :raises ConfigurationError: if ``target`` or ``max_setups`` is not positive
    :raises CampaignError: if ``measure`` returns no levels
    """
    if not 0.0 < target < np.inf or max_setups < 1:
        raise ConfigurationError("target and max_setups must be positive and finite")
    radio = radio or RadioConfig()
    shared: dict[str, Any] = {
        "radio": radio,
        "clearance": clearance,
        "height": height,
        "tx_height": tx_height,
    }
    if start is None:
        start = place(
            "a_optimal", scene, 1, num_receivers, seed=seed, prior_width=prior_width,
            noise_db=noise_db or 0.1, **shared,
        )  # fmt: skip
    campaign = start if start.rss_dbm is not None else _measured(measure, start)
    links: list[int] = []
    deviations: list[FloatArray] = []

    def end(reason: str, reached: bool = False) -> ClosedLoop:
        return ClosedLoop(campaign, result, reason, reached, tuple(links), np.array(deviations))

    while True:
        result = estimate(
            scene, campaign, radio=radio, prior=Prior(prior_width), noise=Noise(db=noise_db),
            seed=seed, **{"solver": LevenbergMarquardt(folds=0), **options},
        )  # fmt: skip
        free = np.array([v != "fixed" for v in result.verdict])
        std = np.where(free, np.log(result.high / result.low) / (2.0 * NORMAL_95), 0.0)
        links.append(campaign.num_links)
        deviations.append(std)
        if on_round is not None:
            on_round(campaign, result)
        reduce = np.max if which == "all" else np.median
        if reduce(std[free]) <= target:
            return end(f"the target of {100.0 * target:g} % is reached", True)
        open_ = free & (std > target)
        names = ", ".join(np.array(scene.names)[open_].tolist())
        if campaign.num_setups >= max_setups:
            return end(f"{max_setups} setups are measured; above the target: {names}")
        # Another pool in each round, or what the first one lacks would never be found.
        plan = next_setup(
            scene, campaign, result, num_receivers=num_receivers,
            seed=seed + 1_000 * campaign.num_setups, **shared,
        )  # fmt: skip
        if (plan.after[open_] > (1.0 - LEAST_HELP) * plan.before[open_]).all():
            return end(f"no candidate setup would still help; above the target: {names}")
        campaign = joined([campaign, _measured(measure, plan.campaign)])


def _measured(measure: Callable[[Campaign], Campaign], planned: Campaign) -> Campaign:
    measured = measure(planned)
    if measured.rss_dbm is None:
        raise CampaignError("measure returned positions without levels (rss_dbm)")
    return measured


def joined(campaigns: Sequence[Campaign]) -> Campaign:
    """The setups of several measured campaigns in one, padded where they have fewer receivers.

    :raises CampaignError: if some have levels and some have not, or some name their carriers and
        some do not
    """
    for what in ("rss_dbm", "frequency"):
        if len({getattr(c, what) is None for c in campaigns}) > 1:
            raise CampaignError(f"some campaigns have {what} and some have not; join equal ones")
    most = max(c.num_receivers for c in campaigns)

    def padded(values: Any, c: Campaign, fill: float | bool) -> NDArray[Any]:
        array = np.broadcast_to(values, c.present.shape + np.shape(values)[2:])
        missing = [(0, 0), (0, most - c.num_receivers)] + [(0, 0)] * (array.ndim - 2)
        return np.pad(array, missing, constant_values=fill)

    first = campaigns[0]
    origin = {c.simulated_from for c in campaigns}
    return Campaign(
        tx=np.concatenate([c.tx for c in campaigns]),
        rx=np.concatenate([padded(c.rx, c, np.nan) for c in campaigns]),
        rss_dbm=None
        if first.rss_dbm is None
        else np.concatenate([padded(c.rss_dbm, c, np.nan) for c in campaigns]),
        noise_db=np.concatenate([padded(c.noise_db, c, np.nan) for c in campaigns]),
        present=np.concatenate([padded(c.present, c, False) for c in campaigns]),
        simulated_from=origin.pop() if len(origin) == 1 else None,
        censored=np.concatenate([padded(c.censored, c, False) for c in campaigns]),
        frequency=None
        if first.frequency is None
        else np.concatenate([c.frequency for c in campaigns if c.frequency is not None]),
    )
