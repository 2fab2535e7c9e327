"""RandSel: positions uniform in free space, the paper's baseline."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.campaign import AntennaSpace, Campaign, Region
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.candidates import random_positions
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
        """M setups of N receivers where the region allows antennas, each position uniform.

        In streets, receivers lie near their transmitter, see
        :func:`~vlmrt_dist.placement.candidates.random_positions`.

        :param seed: of the positions
        :param progress: not called
        :raises CampaignError: if no free space is found
        """
        if num_setups < 1 or num_receivers < 1:
            raise CampaignError("a campaign needs at least one setup and one receiver per setup")
        space = AntennaSpace(scene, self.region)
        if space.street:
            return random_positions(scene, num_setups, num_receivers, seed=seed, region=self.region)
        rng = np.random.default_rng(seed)
        tx = space.draw(num_setups, rng, transmitter=True)
        rx = space.draw(num_setups * num_receivers, rng)
        return Campaign(tx=tx, rx=rx.reshape(num_setups, num_receivers, 3))
