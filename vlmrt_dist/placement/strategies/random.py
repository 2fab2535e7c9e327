"""RandSel: positions uniform in free space, the paper's baseline."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlmrt_dist.campaign import Campaign, random_campaign
from vlmrt_dist.placement.candidates import random_positions
from vlmrt_dist.placement.options import Region
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True)
class Random:
    """Positions uniform in free space (RandSel).

    :param region: where antennas may stand
    """

    region: Region = field(default_factory=Region)

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """M setups of N receivers, see :func:`vlmrt_dist.campaign.random_campaign`.

        Where a height is given, receivers lie near their transmitter, see
        :func:`~vlmrt_dist.placement.candidates.random_positions`.

        :param seed: of the positions
        :param progress: not called
        :raises CampaignError: if no free space is found
        """
        if self.region.transmitters is not None:
            return random_positions(scene, num_setups, num_receivers, seed=seed, region=self.region)
        clearance = self.region.clearance
        return random_campaign(scene, num_setups, num_receivers, seed=seed, clearance=clearance)
