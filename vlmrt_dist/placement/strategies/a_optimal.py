"""A-optimal positions: those that leave the smallest variances of ln σ, summed over the objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.console import listed
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement.selection import Criterion
from vlmrt_dist.placement.sensitivities import names_of
from vlmrt_dist.placement.strategies._pool import OptimalStrategy
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, kw_only=True)
class AOptimal(OptimalStrategy):
    """A-optimal positions out of a random pool: the smallest sum of variances of ln σ.

    The sum may be limited to the objects that matter. The search is slower than the D-optimal one,
    and leaves the object that is known worst less uncertain.

    :param objects: names of the objects whose variances are summed; None: all
    :param noise_db: standard deviation of one measured level [dB], default 0.1
    :raises ConfigurationError: if an option is outside what it may be, or ``objects`` is empty

    The other options are those of :class:`~vlmrt_dist.placement.strategies.d_optimal.DOptimal`.
    """

    noise_db: float = 0.1
    objects: tuple[str, ...] | None = None

    criterion: ClassVar[Criterion] = "A"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objects is not None:
            object.__setattr__(self, "objects", names_of("objects", self.objects))
            if not self.objects:
                raise ConfigurationError("objects must name at least one object; None: all")

    def weights(self, scene: SceneModel) -> FloatArray | None:
        """[K] 1 for the objects whose variances are summed, 0 for the others.

        :raises CampaignError: if ``objects`` names one that the scene has not
        """
        if self.objects is None:
            return None
        unknown = sorted(set(self.objects) - set(scene.names))
        if unknown:
            raise CampaignError(
                f"no object is named {', '.join(map(repr, unknown))}; the objects are "
                + listed(scene.names)
            )
        return np.isin(scene.names, self.objects).astype(float)
