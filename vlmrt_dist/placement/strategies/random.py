"""RandSel: positions uniform in free space, the paper's baseline."""

from __future__ import annotations

from vlmrt_dist.campaign import DEFAULT_CLEARANCE, Campaign, random_campaign
from vlmrt_dist.placement.candidates import Height, random_positions
from vlmrt_dist.scene import SceneModel


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    clearance: float = DEFAULT_CLEARANCE,
    height: Height | None = None,
    tx_height: Height | None = None,
) -> Campaign:
    """M setups of N receivers drawn by :func:`~vlmrt_dist.campaign.random_campaign`; where a
    height is given by :func:`~vlmrt_dist.placement.candidates.random_positions`.

    :param clearance: distance from every surface [m]
    :param height: lowest and highest antenna above the ground [m], outdoors under the open sky;
        default: anywhere in the room
    :param tx_height: the same for transmitters; default: as ``height``
    :raises CampaignError: if no free space is found
    """
    if height is not None or tx_height is not None:
        return random_positions(
            scene,
            num_setups,
            num_receivers,
            seed=seed,
            clearance=clearance,
            height=height,
            tx_height=tx_height,
        )
    return random_campaign(scene, num_setups, num_receivers, seed=seed, clearance=clearance)
