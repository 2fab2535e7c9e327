"""Where antennas may stand, as stated by whoever measures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vlmrt_dist.campaign.area import Area, AreaLike, area_of
from vlmrt_dist.campaign.free_space import DEFAULT_CLEARANCE
from vlmrt_dist.errors import ConfigurationError

Height = tuple[float, float]
"""Lowest and highest position of an antenna above the floor or the ground [m]."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where antennas may stand; :class:`~vlmrt_dist.campaign.antenna_space.AntennaSpace` applies it
    to a scene.

    :param clearance: distance of every antenna from every surface [m]
    :param height: lowest and highest antenna above the floor or the ground [m]; None: in the street
        1 to 2 m, in rooms anywhere below the ceiling
    :param tx_height: the same for transmitters; None: as ``height``
    :param area: the part of the plan, see :func:`~vlmrt_dist.campaign.area.area_of`; None: all of
        it
    :raises ConfigurationError: if the clearance is negative or not finite, a height is no range of
        finite numbers from 0 on, or the area is none
    """

    clearance: float = DEFAULT_CLEARANCE
    height: Height | None = None
    tx_height: Height | None = None
    area: AreaLike | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.clearance < math.inf:
            raise ConfigurationError("clearance must be a number of metres, 0 or more")
        for name in ("height", "tx_height"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _height(name, value))
        object.__setattr__(self, "area", area_of(self.area))

    @property
    def polygons(self) -> Area | None:
        """The part of the plan; None: all of it."""
        return area_of(self.area)

    @property
    def stated(self) -> bool:
        """Whether heights or an area are stated, beside the clearance."""
        return any(v is not None for v in (self.height, self.tx_height, self.area))

    @property
    def transmitters(self) -> Height | None:
        """Heights of the transmitters [m], which are those of the receivers unless stated."""
        return self.height if self.tx_height is None else self.tx_height


def _height(name: str, value: Height) -> Height:
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0.0 <= low <= high < math.inf:
        raise ConfigurationError(
            f"{name} must be a lowest and a highest number of metres above ground"
        )
    return low, high
