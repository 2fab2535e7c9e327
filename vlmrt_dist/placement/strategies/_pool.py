"""Strategies that choose from a pool of traced candidate positions: options, pool and search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement.candidates import CandidatePool, pool_for, prior_draws
from vlmrt_dist.placement.options import CandidateOptions, check_count
from vlmrt_dist.placement.refinement import PlanCriterion, refined
from vlmrt_dist.placement.selection import Criterion, DesignInformation, select
from vlmrt_dist.placement.sensitivities import Design, names_of
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

DESIGN_NOISE_DB = 0.01
"""Noise that positions are chosen for where a caller states none [dB]. The smaller, the less of any
object is left to the prior; what is chosen at 0.01 dB is about as good as the best at 0.1 dB."""

DESIGN_PRIOR_WIDTH = 0.5
"""Standard deviation of ln σ that positions are chosen for, as ``vd.estimate`` assumes it."""


@dataclass(frozen=True, kw_only=True)
class PoolStrategy:
    """Options of the strategies that choose from a pool.

    :param candidates: the pool's positions
    :param radio: radio configuration of the measurement; the pool is traced with fewer rays
    :param noise_db: standard deviation of one measured level [dB]
    :param prior_width: standard deviation of ln σ before the measurement
    :param fixed: names of objects whose conductivity is known
    :param observables: what is measured of each link, as in "power,delay:10ns@2db"; see
        :func:`~vlmrt_dist.campaign.parse_observables`
    :param quantities: unknown parameters of the objects; positions are chosen for the conductivity,
        in spite of what else is unknown
    :raises ConfigurationError: if the noise or the prior's width is not positive and finite, a word
        is no observable, or the quantities are not those of a
        :class:`~vlmrt_dist.placement.sensitivities.Design`
    """

    candidates: CandidateOptions = field(default_factory=CandidateOptions)
    radio: RadioConfig = field(default_factory=RadioConfig)
    noise_db: float = DESIGN_NOISE_DB
    prior_width: float = DESIGN_PRIOR_WIDTH
    fixed: tuple[str, ...] = ()
    observables: str = "power"
    quantities: tuple[str, ...] = ("conductivity",)

    criterion: ClassVar[Criterion] = "D"

    def __post_init__(self) -> None:
        for name in ("noise_db", "prior_width"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} must be positive and finite")
        object.__setattr__(self, "fixed", names_of("fixed", self.fixed))
        object.__setattr__(self, "quantities", names_of("quantities", self.quantities))
        _ = self.design  # refuse what makes none

    @property
    def design(self) -> Design:
        """What is measured, and unknown before."""
        return Design(
            noise_db=self.noise_db, prior_width=self.prior_width, fixed=self.fixed,
            observables=self.observables, quantities=self.quantities,
        )  # fmt: skip

    def pool(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        extra: Campaign | None = None,
        progress: Progress | None = None,
    ) -> CandidatePool:
        """A traced pool that M setups of N receivers can be chosen from.

        :param seed: of positions and draws
        :param extra: setups that join the pool as they are, in front
        :param progress: called as "pool", transmitter by transmitter
        :raises CampaignError: if the pool is too small, or there is no free space
        :raises ConfigurationError: if a name in ``fixed`` is no object's
        """
        return pool_for(
            scene,
            num_setups,
            num_receivers,
            seed=seed,
            radio=self.radio,
            candidates=self.candidates,
            design=self.design,
            extra=extra,
            progress=progress,
        )

    def information(self, scene: SceneModel, pool: CandidatePool) -> DesignInformation:
        """The criterion by which links of ``pool`` are chosen."""
        weights = self.weights(scene)
        return DesignInformation(pool, self.criterion, self.design, objects=weights)

    def weights(self, scene: SceneModel) -> FloatArray | None:
        """[K] weight of each object in the criterion; None: all count the same."""
        return None


@dataclass(frozen=True, kw_only=True)
class OptimalStrategy(PoolStrategy):
    """The best links of a pool by a criterion.

    :param num_restarts: starts of the search
    :param refine: move the chosen antennas through free space afterwards, see
        :mod:`~vlmrt_dist.placement.refinement`
    :raises ConfigurationError: if an option is outside what it may be
    """

    num_restarts: int = 4
    refine: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("num_restarts", self.num_restarts)

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """M setups of N receivers out of a random pool.

        Nearly all of the time goes into tracing the pool, one transmitter after the other; in
        Sionna's cities some seconds for each. Traced pools are kept on disk.

        :param seed: of pool, draws and search
        :param progress: called as "pool" and "choose"
        :raises CampaignError: if the pool is too small or too large, or too few candidates are
            reached by any path
        :raises ConfigurationError: if a name in ``fixed`` is no object's
        """
        self.weights(scene)  # refuse unknown names before the pool is traced
        pool = self.pool(scene, num_setups, num_receivers, seed=seed, progress=progress)
        return self.choose(scene, pool, num_setups, num_receivers, seed=seed, progress=progress)

    def choose(
        self,
        scene: SceneModel,
        pool: CandidatePool,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> Campaign:
        """The best M setups of N receivers that the search finds in ``pool``, refined if asked.

        :param seed: of the search's further starts, of the refinement and its draws
        :param progress: called as "choose" and "refine"
        :raises CampaignError: if the pool is too large, or too few candidates are reached
        """
        choice = select(
            self.information(scene, pool),
            num_setups,
            num_receivers,
            seed=seed,
            num_restarts=self.num_restarts,
            progress=progress,
        )
        planned = pool.subset(choice)
        if not self.refine:
            return planned
        judged = self._plan_criterion(scene, pool, seed)
        return refined(scene, planned, judged, self.candidates, seed=seed, progress=progress)

    def _plan_criterion(self, scene: SceneModel, pool: CandidatePool, seed: int) -> PlanCriterion:
        """The criterion of a refinement: that of the pool, at the pool's own draws."""
        radio, width, count = self.radio, self.prior_width, self.candidates.num_draws
        return PlanCriterion(
            criterion=self.criterion,
            radio=radio,
            draws=prior_draws(scene, radio, width, count, seed, self.fixed),
            free=pool.free,
            design=self.design,
            weight=self.weights(scene),
        )
