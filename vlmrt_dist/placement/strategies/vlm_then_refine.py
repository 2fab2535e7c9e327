"""Proposed positions, exchanged for candidates that leave less uncertainty.

The proposal (a vision-language model's, or any other) joins a pool of random candidates. Whole
setups and single receivers are then exchanged while that gains information, so the result is at
least as informative as the proposal, by the pool's own measure.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from vlmrt_dist.campaign import AntennaSpace, Campaign, check_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.selection import select
from vlmrt_dist.placement.strategies._pool import PoolStrategy
from vlmrt_dist.placement.strategies.vlm import Vlm
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, kw_only=True)
class VlmThenRefine(PoolStrategy):
    """Proposed positions after D-optimal exchanges with a random pool.

    :param start: the proposal: an advisor's, by default the offline rules', or a campaign of the
        size that is to be placed; an advisor keeps to the candidates' region
    :raises ConfigurationError: if an option is outside what it may be

    The other options are those of :class:`~vlmrt_dist.placement.strategies.d_optimal.DOptimal`; the
    search has one start, the proposal.
    """

    start: Campaign | Vlm = field(default_factory=Vlm)

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """M setups of N receivers, from the proposal.

        :param seed: of proposal, pool and draws
        :param progress: called as "pool" and "choose"
        :raises CampaignError: if the proposal has another size or does not fit the scene, or the
            pool is too small
        :raises VlmError: if a model cannot be asked
        """
        start = self.start
        if isinstance(start, Vlm):
            start = dataclasses.replace(start, region=self.candidates)
            start = start.place(scene, num_setups, num_receivers, seed=seed)
        if start.num_setups != num_setups or (start.present.sum(1) != num_receivers).any():
            raise CampaignError(
                f"the start has {start.num_setups} setups of up to {start.num_receivers} "
                f"receivers; {num_setups} of {num_receivers} each are to be placed"
            )
        check_campaign(scene, start)
        if self.candidates.stated:
            AntennaSpace(scene, self.candidates).check(start)
        pool = self.pool(
            scene, num_setups, num_receivers, seed=seed, extra=start, progress=progress
        )
        choice = select(
            self.information(scene, pool),
            num_setups,
            num_receivers,
            seed=seed,
            num_restarts=1,
            start=[(m, list(range(num_receivers))) for m in range(num_setups)],
            progress=progress,
        )
        return pool.subset(choice)
