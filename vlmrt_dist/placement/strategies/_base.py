"""The interface of every placement strategy."""

from __future__ import annotations

from typing import Protocol

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


class Strategy(Protocol):
    """Chooses the positions of a campaign. A strategy is a frozen value that holds its options."""

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """Positions of M setups of N receivers, without levels.

        :param scene: where to measure
        :param num_setups: M
        :param num_receivers: N
        :param seed: of all random choices; the same seed gives the same positions
        :param progress: called along the way, where a strategy takes long
        :raises CampaignError: if no such positions are found
        """
        ...
