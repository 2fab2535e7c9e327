"""D-optimal positions: those that leave the smallest volume of uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vlmrt_dist.placement.selection import Criterion
from vlmrt_dist.placement.strategies._pool import OptimalStrategy


@dataclass(frozen=True, kw_only=True)
class DOptimal(OptimalStrategy):
    """D-optimal positions out of a random pool: the smallest volume of uncertainty of ln σ.

    They maximise ln det of prior and Fisher information, averaged over draws from the prior. The
    prior keeps the search from links whose levels hardly depend on an object, the draws from a
    fade that a few percent of conductivity would move.

    :param candidates: the pool's positions
    :param radio: radio configuration of the measurement; the pool is traced with fewer rays
    :param noise_db: standard deviation of one measured level [dB], default 0.01
    :param prior_width: standard deviation of ln σ before the measurement, default 0.5
    :param fixed: names of objects whose conductivity is known
    :param num_restarts: starts of the search
    :param refine: move the chosen antennas through free space afterwards
    :raises ConfigurationError: if the noise or the prior's width is not positive and finite, or
        ``num_restarts`` is less than 1
    """

    criterion: ClassVar[Criterion] = "D"
