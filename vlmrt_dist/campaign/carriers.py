"""Campaigns of several carriers: paths are traced once, and each setup is replayed at its own.

Paths do not depend on the frequency, so a campaign is traced with one radio configuration whatever
its carriers. Conductivities are those at that configuration's carrier; at another one they follow
the objects' classes, σ(f) = c f^d of Recommendation ITU-R P.2040-4 with the class's exponent d.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class Carrier:
    """One carrier of a campaign: its setups, and what depends on the frequency.

    :param radio: the radio configuration at this carrier
    :param setups: indices of its setups, ascending [M']
    :param scale: [K] conductivity at this carrier in units of that at the reference carrier
    :param relative_permittivity: [K] at this carrier
    """

    radio: RadioConfig
    setups: IntArray
    scale: FloatArray
    relative_permittivity: FloatArray

    @cached_property
    def at_reference(self) -> bool:
        """Whether conductivities are the same as at the reference carrier."""
        return bool((self.scale == 1.0).all())


def carriers_of(scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> list[Carrier]:
    """The carriers of ``campaign``, ascending; its setups are shared out among them.

    :param radio: states the reference carrier, at which conductivities are given; also the
        carrier of a campaign that names none
    :raises FrequencyError: if a material is not tabulated at a carrier (names the object)
    """
    reference = scene.conductivity(radio.frequency)
    frequency = campaign.frequency
    if frequency is None:
        frequency = np.full(campaign.num_setups, radio.frequency)
    found = []
    for value in np.unique(frequency).tolist():
        here = scene.conductivity(value)
        found.append(
            Carrier(
                radio=radio.replace(frequency=value),
                setups=np.flatnonzero(frequency == value),
                scale=np.divide(here, reference, out=np.ones(len(here)), where=reference > 0.0),
                relative_permittivity=scene.relative_permittivity(value),
            )
        )
    return found
