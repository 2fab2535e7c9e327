"""VLMSel: positions that an advisor proposes, by default the offline rules."""

from __future__ import annotations

from collections.abc import Sequence

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm import Advisor, AdvisorOptions, propose_positions


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    vlm: Advisor | AdvisorOptions | str = "offline",
    images: Sequence[SceneImage] | None = None,
) -> Campaign:
    """M setups of N receivers as an advisor proposes them; all have passed its checks.

    :param seed: of the offline rules, and of replacements for a model's invalid positions
    :param vlm: the advisor, see :func:`vlmrt_dist.vlm.advisor_named`
    :param images: of the scene; default: renders, for an advisor that sees images
    :raises CampaignError: if no free space is found
    :raises ConfigurationError: if there is no such advisor
    :raises VlmError: if a model cannot be asked
    """
    advice = propose_positions(vlm, scene, num_setups, num_receivers, images=images, seed=seed)
    return advice.campaign
