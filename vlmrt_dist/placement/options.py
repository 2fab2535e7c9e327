"""Options of placement: where antennas may stand, and how many candidates there are."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from vlmrt_dist.campaign import Region
from vlmrt_dist.errors import CampaignError, ConfigurationError

NUM_TX, NUM_RX = 20, 60
"""Candidate transmitters, and receivers for each of them, where a caller asks for no other."""

NUM_DRAWS = 8
"""Draws from the prior that a choice is averaged over."""


@dataclass(frozen=True, kw_only=True)
class CandidateOptions(Region):
    """The pool of candidate positions that a plan is chosen from.

    :param num_tx: transmitter positions; None: 20, or twice the setups if that is more
    :param num_rx: receiver positions of each transmitter; None: 60, or twice the receivers of a
        setup if that is more
    :param num_draws: conductivities that the choice is averaged over, drawn from the prior, or
        from the posterior once something is measured
    :param clearance: distance of every antenna from every surface [m]
    :param height: lowest and highest antenna above the floor or the ground [m]; None: in the street
        1 to 2 m, in rooms anywhere below the ceiling
    :param tx_height: the same for transmitters; None: as ``height``
    :param area: the part of the plan, see :class:`~vlmrt_dist.campaign.region.Region`
    :raises ConfigurationError: if a count is less than 1, or the region makes no sense
    """

    num_tx: int | None = None
    num_rx: int | None = None
    num_draws: int = NUM_DRAWS

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_tx", "num_rx"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_count("num_draws", self.num_draws)

    def size(self, num_setups: int, num_receivers: int) -> tuple[int, int]:
        """Transmitters, and receivers of each, in a pool for M setups of N receivers.

        :raises CampaignError: if M or N is less than 1, or the pool holds fewer positions than that
        """
        if num_setups < 1 or num_receivers < 1:
            raise CampaignError("a campaign needs at least one setup and one receiver")
        num_tx = max(NUM_TX, 2 * num_setups) if self.num_tx is None else self.num_tx
        num_rx = max(NUM_RX, 2 * num_receivers) if self.num_rx is None else self.num_rx
        if num_tx < num_setups or num_rx < num_receivers:
            raise CampaignError(
                f"a pool of {num_tx} transmitters and {num_rx} receivers is too small for "
                f"{num_setups} setups of {num_receivers}"
            )
        return num_tx, num_rx


def check_count(name: str, value: int) -> None:
    """:raises ConfigurationError: if ``value`` is no whole number from 1 on"""
    try:
        count = operator.index(value)
    except TypeError:
        raise ConfigurationError(f"{name} must be a whole number") from None
    if count < 1:
        raise ConfigurationError(f"{name} must be 1 or more")
