"""A live scene of Sionna with its devices as values: scene, radio configuration, positions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import AntennaPattern, Campaign, Polarization, RadioConfig
from vlmrt_dist.errors import CampaignError, SceneError
from vlmrt_dist.paths.antenna_patterns import antenna_field
from vlmrt_dist.scene import (
    NotTakenOver,
    SceneLike,
    SceneModel,
    SionnaScene,
    as_scene,
    device_position,
    is_live,
    live_model,
    live_number,
    short_list,
    shortest_decimal,
)

_SAME_FIELD = 1e-4
"""Difference of two patterns' fields up to which they are the same; Sionna has single precision."""


class Antenna(NamedTuple):
    """Pattern and polarization, as Sionna names them."""

    pattern: AntennaPattern
    polarization: Polarization

    @property
    def turns(self) -> bool:
        """Whether turning it about the vertical changes its field."""
        return self.pattern == "tr38901"


@dataclass(frozen=True, eq=False)
class SionnaSetup:
    """Contents of a live scene of Sionna, as values.

    :param scene: geometry and materials
    :param radio: carrier, transmit power and antennas; the solver's settings are no part of a
        scene, so they are the defaults (``radio.replace(max_depth=3)`` for others)
    :param tx: positions of the transmitters [M,3] [m]
    :param rx: positions of the receivers [N,3] [m]
    :param tx_names: [M]
    :param rx_names: [N]
    :param not_taken: what of the live scene is in none of these, each a sentence
    """

    scene: SceneModel
    radio: RadioConfig
    tx: FloatArray
    rx: FloatArray
    tx_names: tuple[str, ...]
    rx_names: tuple[str, ...]
    not_taken: tuple[str, ...] = ()

    @property
    def campaign(self) -> Campaign:
        """A planned campaign: each transmitter a setup with all receivers.

        :raises CampaignError: if there is no transmitter or no receiver
        """
        for what, there in (("transmitter", self.tx), ("receiver", self.rx)):
            if not len(there):
                raise CampaignError(f"the live scene has no {what}; add one to it")
        return Campaign(self.tx, np.broadcast_to(self.rx, (len(self.tx), *self.rx.shape)))


def from_sionna(
    scene: SionnaScene, *, source: SceneLike | None = None, headroom: float = 0.0
) -> SionnaSetup:
    """Scene model, radio configuration and positions of a live ``sionna.rt.Scene``.

    A radio configuration has one antenna for all devices, without an orientation, and one transmit
    power. Of what does not fit there this warns by name with :class:`NotTakenOver`.

    :param source: the scene that it was loaded from (a path or a scene model), whose objects and
        names are kept; None: shapes that Sionna has merged are split by what hangs together, and
        named after their materials
    :param headroom: how far the room reaches above the highest geometry [m]; it reaches to the
        highest antenna in any case
    :raises SceneError: if it is no live scene, has no object, or ``source`` is another scene
    :raises MaterialError: if a material is none of Sionna's own types, or impossible
    """
    if not is_live(scene):
        raise SceneError(f"from_sionna takes a sionna.rt.Scene; got {type(scene).__name__}")
    origin = None if source is None else as_scene(source)
    model, remarks = live_model(scene, source=origin, headroom=headroom)
    transmitters, receivers = scene.transmitters, scene.receivers
    antenna = _antenna(scene, remarks)
    for devices in (transmitters, receivers):
        turned = [name for name, device in devices.items() if _matters(device, antenna)]
        if turned:
            remarks.append(f"the orientation of {short_list(turned)} is not taken over")
    radio = RadioConfig(
        frequency=live_number(scene.frequency),
        tx_power_dbm=_power(transmitters, remarks),
        antenna_pattern=antenna.pattern,
        polarization=antenna.polarization,
    )
    for remark in remarks:
        warnings.warn(remark, NotTakenOver, stacklevel=2)
    return SionnaSetup(
        model,
        radio,
        _positions(transmitters),
        _positions(receivers),
        tuple(transmitters),
        tuple(receivers),
        tuple(remarks),
    )


def scene_and_radio(scene: SceneLike, radio: RadioConfig | None) -> tuple[SceneModel, RadioConfig]:
    """Scene model and radio configuration of whatever stands for a scene.

    :param radio: None: that of a live scene, else the default
    :raises SceneError: if it stands for no scene, or is refused
    """
    if radio is None and is_live(scene):
        setup = from_sionna(scene)
        return setup.scene, setup.radio
    return as_scene(scene), radio or RadioConfig()


def _positions(devices: Mapping[str, Any]) -> FloatArray:
    return np.array([device_position(device) for device in devices.values()]).reshape(-1, 3)


def _power(transmitters: Mapping[str, Any], remarks: list[str]) -> float:
    """The transmitters' power [dBm]; the first one's, with a remark, if they differ."""
    powers = {name: live_number(device.power_dbm) for name, device in transmitters.items()}
    if not powers:
        return RadioConfig.tx_power_dbm
    first = next(iter(powers.values()))
    others = [name for name, power in powers.items() if power != first]
    if others:
        remarks.append(
            f"the transmit power of {short_list(others)} is not taken over; all have {first:g} dBm"
        )
    return first


def _antenna(scene: Any, remarks: list[str]) -> Antenna:
    """The antenna of the transmitters, which stands for the receivers' too."""
    found = []
    for name in ("tx_array", "rx_array"):
        antenna = _read_array(name, getattr(scene, name), remarks)
        if antenna is not None:
            found.append(antenna)
    if not found:
        return Antenna(RadioConfig.antenna_pattern, RadioConfig.polarization)
    if found[0] != found[-1]:
        remarks.append(
            f"rx_array ({' '.join(found[1])}) differs from tx_array ({' '.join(found[0])}), which "
            "is taken for both"
        )
    return found[0]


def _read_array(name: str, array: Any, remarks: list[str]) -> Antenna | None:
    """The antenna of an array; None, with a remark where there is one, if it is not known."""
    if array is None:
        return None
    default = Antenna(RadioConfig.antenna_pattern, RadioConfig.polarization)
    if array.array_size > 1:
        remarks.append(f"{name} has {array.array_size} antennas; one in its middle is taken")
    elif np.abs(np.asarray(array.normalized_positions)).max() > 0.0:
        remarks.append(f"{name} has its antenna beside the device; it is taken at the device")
    patterns = array.antenna_pattern.patterns
    antenna = _recognised(patterns[0])
    if len(patterns) > 1:
        taken = antenna or _recognised(patterns[0], slanted=True) or default
        remarks.append(
            f"{name} has two polarizations; the first one counts" if antenna else
            f"{name} has two polarizations, of which none is V or H; {' '.join(taken)} is taken"
        )  # fmt: skip
        return taken
    if antenna is None:
        remarks.append(
            f"the antenna pattern of {name} is none of {', '.join(get_args(AntennaPattern))} with "
            f"polarization {' or '.join(get_args(Polarization))}; {' '.join(default)} is taken"
        )
    return antenna or default


def _recognised(pattern: Any, *, slanted: bool = False) -> Antenna | None:
    """The antenna that has the field of one of Sionna's pattern functions.

    :param slanted: the field's size only, whatever its direction
    """
    import mitsuba as mi

    theta, phi = (
        grid.ravel()
        for grid in np.meshgrid(np.linspace(0.05, 3.05, 31), np.linspace(-3.0, 3.0, 31))
    )
    field = [np.asarray(part.real) for part in pattern(mi.Float(theta), mi.Float(phi))]
    shape = theta.shape
    found = np.stack([np.broadcast_to(part.reshape(-1), shape) for part in field], axis=1)
    direction = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1
    )
    for name in get_args(AntennaPattern):
        for polarization in get_args(Polarization):
            _, expected = antenna_field(name, polarization, direction)
            if slanted:
                found, expected = (
                    np.linalg.norm(f, axis=1, keepdims=True) for f in (found, expected)
                )
            if np.abs(found - expected).max() < _SAME_FIELD * (1.0 + np.abs(expected).max()):
                return Antenna(name, polarization)
    return None


def _matters(device: Any, antenna: Antenna) -> bool:
    """Whether the orientation of a device changes its field."""
    yaw, pitch, roll = (shortest_decimal(x) for x in np.asarray(device.orientation).reshape(-1))
    return pitch != 0.0 or roll != 0.0 or (antenna.turns and yaw != 0.0)
