"""D-optimal positions: those that leave the smallest volume of uncertainty.

They maximise ln det of prior and Fisher information, averaged over draws from the prior. The prior
keeps the choice from chasing what no placement can see, the draws from relying on a fade that a
few percent of conductivity would move.
"""

from __future__ import annotations

from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, RadioConfig
from vlmrt_dist.placement.candidates import NUM_DRAWS, Height
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
    radio: RadioConfig | None = None,
    num_tx_candidates: int | None = None,
    num_rx_candidates: int | None = None,
    noise_db: float = DESIGN_NOISE_DB,
    prior_width: float = DESIGN_PRIOR_WIDTH,
    num_draws: int = NUM_DRAWS,
    num_restarts: int = 4,
    fixed: tuple[str, ...] = (),
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """M setups of N receivers out of a random pool.

    Nearly all of the time goes into tracing the pool, one transmitter after the other, which
    ``progress`` tells of as "pool": in Sionna's cities some seconds for each; traced pools are kept
    on disk.

    :param radio: radio configuration of the measurement; the pool is traced with fewer rays
    :param num_tx_candidates: transmitter positions in the pool; default: 20, or twice M if more
    :param num_rx_candidates: receiver positions in the pool, for each transmitter; default: 60, or
        twice N if more
    :param noise_db: standard deviation of one measured level [dB]
    :param prior_width: standard deviation of ln σ before the measurement
    :param num_draws: conductivities drawn from the prior that the choice is averaged over
    :param num_restarts: starts of the search
    :param fixed: names of objects whose conductivity is known
    :param clearance: distance of every position from every surface [m]
    :param height: lowest and highest antenna above the ground [m], outdoors under the open sky;
        default: anywhere in the room
    :param tx_height: the same for transmitters; default: as ``height``
    :param progress: called along the way
    :raises CampaignError: if the pool is too small, or too few candidates receive anything
    """
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
        num_restarts=num_restarts,
        progress=progress,
    )
