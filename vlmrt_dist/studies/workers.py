"""Ray actors as options of a command."""

from __future__ import annotations

from dataclasses import dataclass

from vlmrt_dist.command_line import Options, option_group
from vlmrt_dist.distributed import ActorOptions, Placement
from vlmrt_dist.errors import ConfigurationError


@option_group("Ray actors")
@dataclass(frozen=True)
class WorkerOptions(Options):
    """Ray actors that compute.

    :param num_actors: Ray actors; 0: this process computes
    :param num_gpus: GPUs of an actor, or a fraction; default: 1 if there are any
    :param actor_placement: actors spread over the nodes, or packed onto few
    :raises ConfigurationError: if a number is too small
    """

    num_actors: int = 0
    num_gpus: float | None = None
    actor_placement: Placement = "SPREAD"

    def __post_init__(self) -> None:
        if self.num_actors < 0:
            raise ConfigurationError("--num-actors must be 0 or more")
        self.value()

    def value(self) -> ActorOptions | None:
        """The actors; None: this process."""
        return self.actors(self.num_actors) if self.num_actors else None

    def actors(self, count: int) -> ActorOptions:
        """Another number of actors, placed as these.

        :param count: 1 or more
        """
        return ActorOptions(
            num_actors=count, num_gpus=self.num_gpus, placement=self.actor_placement
        )
