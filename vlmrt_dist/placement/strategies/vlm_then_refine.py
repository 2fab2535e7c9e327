"""Positions that somebody proposes, then exchanged for what tells more.

The proposal (a vision-language model's, or anybody's) joins a pool of random candidates. Whole
setups and single receivers are then exchanged while that gains information, so the result tells at
least as much as the proposal, by the pool's own measure.
"""

from __future__ import annotations

from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, RadioConfig, check_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.candidates import NUM_DRAWS, Height
from vlmrt_dist.placement.strategies import vlm
from vlmrt_dist.placement.strategies.optimal import (
    DESIGN_NOISE_DB,
    DESIGN_PRIOR_WIDTH,
    choose,
    pool_for,
)
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    start: Campaign | None = None,
    radio: RadioConfig | None = None,
    num_tx_candidates: int | None = None,
    num_rx_candidates: int | None = None,
    noise_db: float = DESIGN_NOISE_DB,
    prior_width: float = DESIGN_PRIOR_WIDTH,
    num_draws: int = NUM_DRAWS,
    fixed: tuple[str, ...] = (),
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """M setups of N receivers, from a proposal.

    :param start: the proposal, a campaign of M setups of N receivers; default: what the ``vlm``
        strategy proposes offline
    :raises CampaignError: if the proposal has another size or does not fit the scene

    The other parameters are those of :func:`vlmrt_dist.placement.strategies.d_optimal.place`.
    """
    if start is None:
        start = vlm.place(scene, num_setups, num_receivers, seed=seed)
    if start.num_setups != num_setups or (start.present.sum(1) != num_receivers).any():
        raise CampaignError(
            f"the start has {start.num_setups} setups of up to {start.num_receivers} receivers; "
            f"{num_setups} of {num_receivers} each are to be placed"
        )
    check_campaign(scene, start)
    pool = pool_for(
        scene,
        num_setups,
        num_receivers,
        seed=seed,
        radio=radio,
        num_tx_candidates=num_tx_candidates,
        num_rx_candidates=num_rx_candidates,
        prior_width=prior_width,
        num_draws=num_draws,
        fixed=fixed,
        clearance=clearance,
        height=height,
        tx_height=tx_height,
        extra=start,
        progress=progress,
    )
    return choose(
        pool,
        "D",
        num_setups,
        num_receivers,
        seed=seed,
        noise_db=noise_db,
        prior_width=prior_width,
        num_restarts=1,
        start=[(m, list(range(num_receivers))) for m in range(num_setups)],
        progress=progress,
    )
