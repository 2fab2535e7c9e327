"""What the strategies that choose from a pool share: draws, pool, search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, RadioConfig
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement.candidates import (
    NUM_DRAWS,
    NUM_RX,
    NUM_TX,
    CandidatePool,
    Height,
    candidate_pool,
    prior_draws,
)
from vlmrt_dist.placement.selection import Choice, Criterion, Information, select
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

DESIGN_NOISE_DB = 0.01
"""Noise that positions are chosen for where a caller states none. The smaller, the less of any
object is left to the prior; what is chosen at 0.01 dB is about as good as the best at 0.1 dB."""

DESIGN_PRIOR_WIDTH = 0.5
"""Standard deviation of ln σ that positions are chosen for, as ``vd.estimate`` assumes it."""


def pool_for(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    radio: RadioConfig | None = None,
    num_tx_candidates: int | None = None,
    num_rx_candidates: int | None = None,
    prior_width: float | FloatArray = DESIGN_PRIOR_WIDTH,
    num_draws: int = NUM_DRAWS,
    fixed: Sequence[str] = (),
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    extra: Campaign | None = None,
    progress: Progress | None = None,
) -> CandidatePool:
    """A traced pool that M setups of N receivers can be chosen from.

    :param num_tx_candidates: transmitter positions; default: 20, or twice M if more
    :param num_rx_candidates: receiver positions of each transmitter; default: 60, or twice N
    :raises CampaignError: if the pool is too small, or there is no free space
    """
    if num_setups < 1 or num_receivers < 1:
        raise CampaignError("a campaign needs at least one setup and one receiver")
    num_tx = max(NUM_TX, 2 * num_setups) if num_tx_candidates is None else num_tx_candidates
    num_rx = max(NUM_RX, 2 * num_receivers) if num_rx_candidates is None else num_rx_candidates
    if num_tx < num_setups or num_rx < num_receivers:
        raise CampaignError(
            f"a pool of {num_tx} transmitters and {num_rx} receivers is too small for "
            f"{num_setups} setups of {num_receivers}"
        )
    radio = radio or RadioConfig()
    return candidate_pool(
        scene,
        radio,
        seed=seed,
        num_tx=num_tx,
        num_rx=num_rx,
        draws=prior_draws(scene, radio, prior_width, num_draws, seed, fixed),
        fixed=fixed,
        clearance=clearance,
        height=height,
        tx_height=tx_height,
        extra=extra,
        progress=progress,
    )


def choose(
    pool: CandidatePool,
    criterion: Criterion,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    noise_db: float = DESIGN_NOISE_DB,
    prior_width: float | FloatArray = DESIGN_PRIOR_WIDTH,
    objects: FloatArray | None = None,
    num_restarts: int = 4,
    start: Choice | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """The best M setups of N receivers that the search finds in ``pool``.

    :raises ConfigurationError: if the noise or the prior's width is not positive and finite
    """
    if not (np.all(np.asarray(prior_width) > 0.0) and np.isfinite(prior_width).all()):
        raise ConfigurationError("prior_width must be positive and finite")
    information = Information(pool, criterion, noise_db, prior_width, objects=objects)
    choice = select(
        information,
        num_setups,
        num_receivers,
        seed=seed,
        num_restarts=num_restarts,
        start=start,
        progress=progress,
    )
    return pool.subset(choice)
