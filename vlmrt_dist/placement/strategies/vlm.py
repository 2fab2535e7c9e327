"""VLMSel: positions that an advisor proposes, by default the offline rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.progress import Progress
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm import ADVISORS, Advisor, advisor_named, views


@dataclass(frozen=True)
class Vlm:
    """Positions that an advisor proposes (VLMSel).

    :param advisor: an advisor with options of its own, see
        :func:`vlmrt_dist.vlm.registry.advisor_named`; or the name of one, for its defaults
    :param images: what the advisor looks at; None: renders of the scene, none for an advisor that
        looks at nothing
    :raises ConfigurationError: if there is no advisor of such a name
    """

    advisor: str | Advisor = "offline"
    images: Sequence[SceneImage] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.advisor, str) and self.advisor not in ADVISORS:
            raise ConfigurationError(
                f"unknown advisor {self.advisor!r}; use one of {', '.join(ADVISORS)}"
            )
        if self.images is not None:
            object.__setattr__(self, "images", tuple(self.images))

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """M setups of N receivers as the advisor proposes them; all have passed its checks.

        :param seed: of the offline rules, and of what replaces a model's invalid positions
        :param progress: not called
        :raises CampaignError: if no free space is found
        :raises VlmError: if a model cannot be asked
        """
        chosen = self.advisor
        advisor = advisor_named(chosen) if isinstance(chosen, str) else chosen
        images = views(scene, advisor.name) if self.images is None else self.images
        advice = advisor.propose_positions(images, scene, num_setups, num_receivers, seed=seed)
        return advice.campaign
