"""A live scene of Sionna with its devices as values: scene, radio configuration, antennas."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import (
    Antenna,
    AntennaPattern,
    Campaign,
    PatternTable,
    Polarization,
    RadioConfig,
)
from vlmrt_dist.errors import CampaignError, ConfigurationError, SceneError
from vlmrt_dist.paths.antenna_patterns import local_field
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
    shortest_decimal,
)

_SAME_FIELD = 1e-4
"""Difference of two patterns' fields up to which they are the same; Sionna has single precision."""

_TABLE_STEPS = 91, 180
"""Zenith angles and azimuths of a table of a pattern that is none of Sionna's own."""

NAMED_POLARIZATIONS = ("V", "H", "VH", "cross")


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
    :param antennas: those of the transmitters [M] and of the receivers [N], where the radio
        configuration's cannot stand for them all; None: it can
    """

    scene: SceneModel
    radio: RadioConfig
    tx: FloatArray
    rx: FloatArray
    tx_names: tuple[str, ...]
    rx_names: tuple[str, ...]
    not_taken: tuple[str, ...] = ()
    antennas: tuple[tuple[Antenna, ...], tuple[Antenna, ...]] | None = None

    @property
    def campaign(self) -> Campaign:
        """A planned campaign: each transmitter a setup with all receivers; where antennas have
        several ports, each pair of ports a link of its own.

        :raises CampaignError: if there is no transmitter or no receiver
        """
        for what, there in (("transmitter", self.tx), ("receiver", self.rx)):
            if not len(there):
                raise CampaignError(f"the live scene has no {what}; add one to it")
        campaign = Campaign(self.tx, np.broadcast_to(self.rx, (len(self.tx), *self.rx.shape)))
        if self.antennas is None:
            return campaign
        tx, rx = self.antennas
        several = any(len(antenna.ports) > 1 for antenna in tx + rx)
        return campaign.with_antennas(tx, rx, split=several)


def from_sionna(
    scene: SionnaScene, *, source: SceneLike | None = None, headroom: float = 0.0
) -> SionnaSetup:
    """Scene model, radio configuration, positions and antennas of a live ``sionna.rt.Scene``.

    A pattern that is none of Sionna's own becomes a table of its field. Of what does not fit this
    warns by name with :class:`NotTakenOver`.

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
    arrays = [_read_array(n, getattr(scene, n), remarks) for n in ("tx_array", "rx_array")]
    both = [antenna or Antenna() for antenna in arrays]
    powers = [live_number(device.power_dbm) for device in transmitters.values()]
    power = powers[0] if powers else RadioConfig.tx_power_dbm
    tx = tuple(
        _of_device(both[0], device).replace(power_dbm=None if own == power else own)
        for device, own in zip(transmitters.values(), powers, strict=True)
    )
    rx = tuple(_of_device(both[1], device) for device in receivers.values())
    common = next((antenna for antenna in arrays if antenna is not None), Antenna())
    alike = all(each == common for each in (*tx, *rx))
    plain = _of_radio(common)
    radio = RadioConfig(
        frequency=live_number(scene.frequency),
        tx_power_dbm=power,
        antenna_pattern=plain[0],
        polarization=plain[1],
    )
    simple = alike and Antenna(*plain) == common
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
        None if simple else (tx, rx),
    )


def scene_and_radio(scene: SceneLike, radio: RadioConfig | None) -> tuple[SceneModel, RadioConfig]:
    """Scene model and radio configuration of whatever stands for a scene.

    :param radio: None: that of a live scene, else the default
    :raises SceneError: if it stands for no scene, or is refused
    """
    if radio is None and is_live(scene):
        setup = from_sionna(scene)
        if setup.antennas is not None:
            warnings.warn(
                "the antennas of the live scene's devices are not taken over here, where the "
                "campaign states devices of its own; from_sionna(scene).campaign has them",
                NotTakenOver,
                stacklevel=3,
            )
        return setup.scene, setup.radio
    return as_scene(scene), radio or RadioConfig()


def _positions(devices: Mapping[str, Any]) -> FloatArray:
    return np.array([device_position(device) for device in devices.values()]).reshape(-1, 3)


def _of_radio(antenna: Antenna) -> tuple[AntennaPattern, Polarization]:
    """Pattern and polarization of a radio configuration that come nearest to an antenna."""
    pattern = RadioConfig.antenna_pattern
    if not isinstance(antenna.pattern, PatternTable):
        pattern = antenna.pattern
    polarization = RadioConfig.polarization
    if antenna.polarization in get_args(Polarization):
        polarization = cast("Polarization", antenna.polarization)
    return pattern, polarization


def _of_device(antenna: Antenna, device: Any) -> Antenna:
    """The antenna of an array as a device turns it; turns that change nothing are left out."""
    angles = (shortest_decimal(x) for x in np.asarray(device.orientation).reshape(-1))
    yaw, pitch, roll = (float(np.remainder(x + np.pi, 2.0 * np.pi) - np.pi)
                        if abs(x) > 2.0 * np.pi else x for x in angles)  # fmt: skip
    round_about_z = antenna.pattern in ("iso", "dipole", "hw_dipole") and antenna.elements is None
    if round_about_z and pitch == 0.0 and roll == 0.0:
        return antenna
    return antenna.replace(orientation=(yaw, pitch, roll))


def _read_array(name: str, array: Any, remarks: list[str]) -> Antenna | None:
    """The antenna of an array, with a remark where it does not fit; None if there is none."""
    if array is None:
        return None
    places = np.asarray(array.normalized_positions, np.float64).reshape(3, -1).T
    elements = places if len(places) > 1 or np.abs(places).max() > 0.0 else None
    patterns = array.antenna_pattern.patterns
    known = _recognised(patterns)
    if known is None and len(patterns) > 1:
        remarks.append(
            f"{name} has two patterns that no slant of one makes; the first one is taken"
        )
        known = _recognised(patterns[:1])
    if known is not None:
        return known.replace(elements=elements)
    try:
        return Antenna(_table_of(patterns[0]), elements=elements)
    except ConfigurationError as error:
        remarks.append(f"the antenna pattern of {name} is not taken over: {error}")
        return Antenna(elements=elements)


def _field_of(pattern: Any, theta: FloatArray, phi: FloatArray) -> NDArray[np.complex128]:
    """Field [P, 2] of one of Sionna's pattern functions."""
    import mitsuba as mi

    parts = pattern(mi.Float(theta), mi.Float(phi))
    columns = [np.asarray(p.real) + 1j * np.asarray(p.imag) for p in parts]
    return np.stack([np.broadcast_to(c.reshape(-1), theta.shape) for c in columns], axis=1)


def _table_of(pattern: Any) -> PatternTable:
    """The field of a pattern function as a table."""
    zenith, around = _TABLE_STEPS
    theta = np.linspace(0.0, np.pi, zenith)
    phi = np.linspace(-np.pi, np.pi, around, endpoint=False)
    grid = np.meshgrid(theta, phi, indexing="ij")
    field = _field_of(pattern, grid[0].ravel(), grid[1].ravel())
    return PatternTable(theta, phi, field.reshape(zenith, around, 2))


def _recognised(patterns: Any) -> Antenna | None:
    """The antenna that has the fields of Sionna's pattern functions, one a polarization."""
    theta, phi = (
        grid.ravel()
        for grid in np.meshgrid(np.linspace(0.05, 3.05, 31), np.linspace(-3.0, 3.0, 31))
    )
    found = [_field_of(pattern, theta, phi) for pattern in patterns]
    for name in get_args(AntennaPattern):
        for polarization in NAMED_POLARIZATIONS:
            antenna = Antenna(name, polarization)
            if len(antenna.slants) != len(found):
                continue
            expected = [local_field(name, slant, theta, phi).value for slant in antenna.slants]
            near = [
                np.abs(f - e).max() < _SAME_FIELD * (1.0 + np.abs(e).max())
                for f, e in zip(found, expected, strict=True)
            ]
            if all(near):
                return antenna
    return None
