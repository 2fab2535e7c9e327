"""Measurement files of commands: read, and what was understood of them said."""

from __future__ import annotations

import re
from pathlib import Path

from vlmrt_dist.campaign import Campaign, ReadingOptions, read_measurements, with_devices
from vlmrt_dist.console import say
from vlmrt_dist.errors import MeasurementFileError
from vlmrt_dist.scene import SceneModel


def read_for(
    scene: SceneModel,
    path: Path,
    *,
    tx_power_dbm: float | None = None,
    devices: Path | None = None,
) -> Campaign:
    """The campaign in a file; what was left out or converted is said on standard error.

    :param tx_power_dbm: transmit power that turns path loss into levels [dBm]; None: the default
    :param devices: table of the devices' antennas; None: those that the file states, if any
    :raises MeasurementFileError: naming the command that reads the file, if one may
    """
    options = ReadingOptions()
    if tx_power_dbm is not None:
        options = ReadingOptions(tx_power_dbm=tx_power_dbm)
    try:
        reading = read_measurements(path, scene=scene, options=options)
    except MeasurementFileError as error:
        named = sorted({option for _, text in error.problems for option in _options(text)})
        if not named:
            raise
        hint = (
            f"{', '.join(named)}: options of vlmrt convert {path} --out campaign.csv, which writes "
            "a file for this command"
        )
        raise MeasurementFileError(path, [*error.problems, (0, hint)]) from None
    for note in reading.notes:
        say(f"{path}: {note}")
    if devices is None:
        return reading.campaign
    return with_devices(reading.campaign, devices, setups=reading.setups)


def _options(text: str) -> list[str]:
    return [
        option for option in re.findall(r"--[a-z][a-z-]+", text)
        if option not in ("--tx-power-dbm", "--gain-offset-db", "--out")
    ]  # fmt: skip
