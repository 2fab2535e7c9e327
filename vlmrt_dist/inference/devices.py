"""Unknowns of devices: the orientation of an antenna, its position, a transmitter's power.

Transmitters, and receivers, are one device if their antennas have one name; without a name, if they
stand at one position.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, same_points
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.offsets import Offsets, setup_list
from vlmrt_dist.paths import POSE

TX_ANGLES, RX_ANGLES = POSE[:3], POSE[3:6]
ANGLES = TX_ANGLES + RX_ANGLES
"""Changes of the orientations of transmitters and of receivers, each an angle [rad]."""

OrientationPrior = float | Mapping[str, float]
"""Standard deviation of the orientations about those stated [°]: of each angle of every
transmitter, or of the angles named, such as ``{"tx_yaw": 20.0, "rx_yaw": 180.0}``."""

TX_PLACES, RX_PLACES = POSE[6:9], POSE[9:]
PLACES = TX_PLACES + RX_PLACES
"""Moves of transmitters and of receivers, each along an axis of the scene [m]."""

OF_DEVICES = ("tx_power", *ANGLES, *PLACES)
"""Unknowns of devices."""

PositionPrior = float | Mapping[str, float]
"""Standard deviation of the positions about those stated [m]: of each coordinate of every
transmitter and receiver, or of the coordinates named, such as ``{"rx_x": 0.1, "rx_y": 0.1}``."""

WIDEST_M = 5.0
"""A wider prior on a position than this is not one that a campaign states."""

WIDEST_DEG = 180.0
"""A wider prior on an angle than a turn says nothing more."""


def orientation_widths(given: OrientationPrior | None) -> dict[str, float]:
    """Standard deviation of each unknown angle [rad].

    :raises ConfigurationError: if an angle does not exist, or a width is no number of degrees
    """
    named = _named(given, TX_ANGLES)
    _check_widths("orientation_deg", named, ("angles", ANGLES), ("degrees", WIDEST_DEG))
    return {name: math.radians(named[name]) for name in ANGLES if name in named}


def position_widths(given: PositionPrior | None) -> dict[str, float]:
    """Standard deviation of each unknown coordinate [m].

    :raises ConfigurationError: if a coordinate does not exist, or a width is no number of metres
    """
    named = _named(given, PLACES)
    _check_widths("position_m", named, ("coordinates", PLACES), ("metres", WIDEST_M))
    return {name: float(named[name]) for name in PLACES if name in named}


def _named(given: float | Mapping[str, float] | None, usual: tuple[str, ...]) -> dict[str, float]:
    """Widths by name; a number is that of the ``usual`` ones."""
    if given is None:
        return {}
    return dict(given) if isinstance(given, Mapping) else dict.fromkeys(usual, given)


def _check_widths(
    option: str,
    named: Mapping[str, float],
    known: tuple[str, tuple[str, ...]],
    widest: tuple[str, float],
) -> None:
    """:raises ConfigurationError: if a name or a width is none

    :param known: what is named, and all names
    :param widest: unit of the widths, and the largest
    """
    kind, names = known
    unit, most = widest
    strange = [name for name in named if name not in names]
    if strange:
        raise ConfigurationError(
            f"{option} names {kind} of {', '.join(names)}; {strange[0]!r} is none"
        )
    for name, width in named.items():
        number = isinstance(width, (int, float)) and not isinstance(width, bool)
        if not number or not 0.0 < width <= most:
            raise ConfigurationError(
                f"{option} of {name} must be a standard deviation in {unit}, above 0 and up to "
                f"{most:g}; got {width!r}"
            )


def directional(campaign: Campaign) -> bool:
    """Whether a campaign states antennas whose gain depends on the azimuth."""
    antennas = campaign.antennas
    if antennas is None:
        return False
    used = {*antennas.tx.tolist(), *antennas.rx[antennas.rx >= 0].tolist()}
    # Dipoles and isotropic antennas are round about their axis; one that is tilted is not.
    return any(
        antennas.kinds[k].pattern not in ("iso", "dipole", "hw_dipole")
        or any(antennas.kinds[k].orientation[1:])
        for k in used
    )


def devices_of(campaign: Campaign, side: str) -> Offsets:
    """The transmitting ("tx") or receiving ("rx") devices of a campaign."""
    there = campaign.present
    antennas = campaign.antennas
    if side == "tx":
        places, setups = campaign.tx, np.arange(len(campaign.tx))
        kinds = None if antennas is None else antennas.tx
    else:
        setups, receiver = np.nonzero(there)
        places = campaign.rx[setups, receiver]
        kinds = None if antennas is None else antennas.rx[setups, receiver]
    names = [""] * len(places)
    if antennas is not None and kinds is not None:
        names = [antennas.kinds[k].name for k in kinds.tolist()]
    group, labels = _grouped(places, names)
    words = {"tx": "transmitter of {}", "rx": "receiver {}"}[side]
    told = [label or words.format(_where(side, places, setups, group == g))
            for g, label in enumerate(labels)]  # fmt: skip
    of_link = np.full(there.shape, -1)
    if side == "tx":
        of_link = np.where(there, group[:, None], -1)
    else:
        of_link[there] = group
    return Offsets(tuple(told), of_link)


def _grouped(places: FloatArray, names: list[str]) -> tuple[IntArray, list[str]]:
    """Device of each antenna [n], and the name of each device, empty where it has none."""
    place = same_points(places)
    keys = [name or int(p) for name, p in zip(names, place.tolist(), strict=True)]
    number = {key: g for g, key in enumerate(dict.fromkeys(keys))}
    labels = [key if isinstance(key, str) else "" for key in number]
    return np.array([number[key] for key in keys]), labels


def _where(side: str, places: FloatArray, setups: IntArray, which: np.ndarray) -> str:
    if side == "tx":
        return setup_list(which)
    place = places[int(np.flatnonzero(which)[0])]
    return "at " + ", ".join(f"{v:g}" for v in place) + " m"
