"""VLMSel: positions that an advisor proposes, by default the offline rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vlmrt_dist.campaign import Campaign, Region
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.progress import Progress
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.vlm import ADVISORS, Advisor, AdvisorOptions, propose_positions


@dataclass(frozen=True)
class Vlm:
    """Positions that an advisor proposes (VLMSel).

    :param advisor: the options of an advisor, such as ``Gemini()``, or an open one; or a name,
        for its defaults, see :func:`vlmrt_dist.vlm.advisor_named`
    :param images: of the scene; None: renders, for an advisor that sees images
    :param region: where antennas may stand
    :raises ConfigurationError: if there is no advisor of such a name
    """

    advisor: Advisor | AdvisorOptions | str = "offline"
    images: Sequence[SceneImage] | None = None
    region: Region = field(default_factory=Region)

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

        :param seed: of the offline rules, and of replacements for a model's invalid positions
        :param progress: not called
        :raises CampaignError: if no free space is found
        :raises VlmError: if a model cannot be asked
        """
        return propose_positions(
            self.advisor,
            scene,
            num_setups,
            num_receivers,
            region=self.region,
            images=self.images,
            seed=seed,
        ).campaign
