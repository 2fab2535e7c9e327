"""RandSel: positions uniform in free space, the paper's baseline."""

from __future__ import annotations

from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import DEFAULT_CLEARANCE, Campaign, random_campaign


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    clearance: float = DEFAULT_CLEARANCE,
) -> Campaign:
    """M setups of N receivers drawn by :func:`vlmrt_dist.setups.random_campaign`.

    :param clearance: distance from every surface [m]
    :raises CampaignError: if no free space is found
    """
    return random_campaign(scene, num_setups, num_receivers, seed=seed, clearance=clearance)
