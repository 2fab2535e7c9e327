"""A-optimal positions: those that leave the smallest variances of ln σ, summed over the objects.

What the sum does not contain is not chased, so it may be limited to the objects that matter. Slower
than D-optimal, and kinder to the object that is known worst.
"""

from __future__ import annotations

import numpy as np

from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, RadioConfig
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.candidates import NUM_DRAWS, Height
from vlmrt_dist.placement.strategies.optimal import DESIGN_PRIOR_WIDTH, choose, pool_for
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
    noise_db: float = 0.1,
    prior_width: float = DESIGN_PRIOR_WIDTH,
    num_draws: int = NUM_DRAWS,
    num_restarts: int = 4,
    fixed: tuple[str, ...] = (),
    objects: tuple[str, ...] | None = None,
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
    progress: Progress | None = None,
) -> Campaign:
    """M setups of N receivers out of a random pool.

    :param objects: names of the objects whose variances are summed; default: all
    :raises CampaignError: if the pool is too small, too few candidates receive anything, or there
        is no object of such a name

    The other parameters are those of :func:`vlmrt_dist.placement.strategies.d_optimal.place`.
    """
    weight = None
    if objects is not None:
        unknown = sorted(set(objects) - set(scene.names))
        if unknown or not objects:
            raise CampaignError(
                f"no object is named {', '.join(map(repr, unknown))}; the objects are "
                + ", ".join(scene.names)
            )
        weight = np.isin(scene.names, objects).astype(float)
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
        "A",
        num_setups,
        num_receivers,
        seed=seed,
        noise_db=noise_db,
        prior_width=prior_width,
        objects=weight,
        num_restarts=num_restarts,
        progress=progress,
    )
