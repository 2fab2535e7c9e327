"""VLMSel: positions that an advisor proposes, by default the offline rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm import advisor_named, views


def place(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    vlm: str = "offline",
    images: Sequence[SceneImage] | None = None,
    **options: Any,
) -> Campaign:
    """M setups of N receivers as an advisor proposes them; all have passed its checks.

    :param seed: of the offline rules, and of what replaces a model's invalid positions
    :param vlm: the advisor's name, see :func:`vlmrt_dist.vlm.advisor_named`
    :param images: what the advisor looks at; default: renders of the scene, none for one that
        looks at nothing
    :param options: the advisor's own
    :raises CampaignError: if no free space is found
    :raises ConfigurationError: if there is no such advisor or option
    :raises VlmError: if a model cannot be asked
    """
    advisor = advisor_named(vlm, **options)
    if images is None:
        images = views(scene, vlm)
    advice = advisor.propose_positions(images, scene, num_setups, num_receivers, seed=seed)
    return advice.campaign
