"""A campaign's transmitters and receivers as the devices of a live scene of Sionna."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Antenna, Campaign, PatternTable, RadioConfig
from vlmrt_dist.errors import ConfigurationError, SceneError
from vlmrt_dist.paths.antenna_fields import antennas_or_default
from vlmrt_dist.scene import SionnaScene, is_live

Device = tuple[tuple[float, ...], Antenna]


def place_devices(scene: SionnaScene, campaign: Campaign, radio: RadioConfig) -> None:
    """Put the transmitters and receivers of a campaign, with their antennas, into a live scene.

    The scene's own devices are removed. Transmitters are named tx-1, tx-2, ... and receivers rx-1,
    rx-2, ... as they first appear; those of one position and antenna are one device, whose ports
    are those of its array. Scene files hold no devices, so :meth:`Estimate.write_scene
    <vlmrt_dist.inference.result.Estimate.write_scene>` cannot write them.

    :param radio: carrier, and antenna and transmit power of devices that state none
    :raises SceneError: if it is no live scene
    :raises ConfigurationError: if Sionna cannot hold the antennas: it has one array for all
        transmitters and one for all receivers, of named patterns
    """
    if not is_live(scene):
        raise SceneError(f"place_devices takes a sionna.rt.Scene; got {type(scene).__name__}")
    import sionna.rt as rt

    antennas = antennas_or_default(campaign, radio)
    setup, receiver = np.nonzero(campaign.present)
    sides = {
        "tx": _devices(campaign.tx, [antennas.kinds[k] for k in antennas.tx.tolist()]),
        "rx": _devices(
            campaign.rx[setup, receiver],
            [antennas.kinds[k] for k in antennas.rx[setup, receiver].tolist()],
        ),
    }
    arrays = {side: _array(side, devices) for side, devices in sides.items()}
    live: Any = scene
    live.frequency = radio.frequency
    live.tx_array, live.rx_array = arrays["tx"], arrays["rx"]
    for name in (*live.transmitters, *live.receivers):
        live.remove(name)
    for side, devices in sides.items():
        for number, (place, antenna) in enumerate(devices, start=1):
            values: dict[str, Any] = {
                "name": f"{side}-{number}",
                "position": list(place),
                "orientation": list(antenna.orientation),
            }
            if side == "tx":
                own = antenna.power_dbm
                values["power_dbm"] = radio.tx_power_dbm if own is None else own
            live.add((rt.Transmitter if side == "tx" else rt.Receiver)(**values))


def _devices(places: FloatArray, antennas: list[Antenna]) -> list[Device]:
    """Different devices, in the order of first appearance; ports are those of one device."""
    every = zip(map(tuple, places.tolist()), antennas, strict=True)
    return list(dict.fromkeys((place, antenna.replace(port=None)) for place, antenna in every))


def _array(side: str, devices: list[Device]) -> Any:
    """The one array of a side.

    :raises ConfigurationError: if there is none
    """
    import mitsuba as mi
    import sionna.rt as rt

    words = {"tx": "transmitters", "rx": "receivers"}[side]
    # Orientation, power and name are those of the device, the rest is the array's.
    shapes = {a.replace(orientation=(0.0, 0.0, 0.0), power_dbm=None, name="") for _, a in devices}
    if len(shapes) > 1:
        raise ConfigurationError(
            f"Sionna has one antenna array for all {words} of a scene, and the campaign's have "
            f"{len(shapes)} different ones; put those of each (campaign.subset) into a scene of "
            "their own"
        )
    (antenna,) = shapes
    if isinstance(antenna.pattern, PatternTable):
        raise ConfigurationError(
            f"the {words} have a measured pattern, which Sionna knows only as a registered "
            "function (sionna.rt.register_antenna_pattern); register one, or place devices of a "
            "named pattern"
        )
    polarization = antenna.polarization
    if not isinstance(polarization, str):
        polarization = "slant " + " ".join(map(repr, antenna.slants))
        rt.register_polarization(polarization, list(antenna.slants))
    array = rt.PlanarArray(
        num_rows=1, num_cols=1, pattern=antenna.pattern, polarization=polarization
    )
    array.normalized_positions = mi.Point3f(antenna.element_positions.T.astype(np.float32))
    return array
