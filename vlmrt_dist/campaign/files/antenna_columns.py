"""Antennas of devices from columns, of a measurement file or of a table of devices, and back.

Columns of a transmitter are ``tx_pattern`` (Sionna's name, or a pattern file beside the table),
``tx_polarization`` (V, H, VH, cross, or a slant [°]), ``tx_yaw``, ``tx_pitch``, ``tx_roll`` [°],
``tx_array_rows``, ``tx_array_columns``, ``tx_port`` and ``tx_antenna`` (the device's name); those
of a receiver begin with ``rx_``. Empty cells stand for the default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign.antenna import SLANTS, Antenna, planar_array
from vlmrt_dist.campaign.files.cells import names, numbers
from vlmrt_dist.campaign.files.patterns import read_pattern
from vlmrt_dist.campaign.files.problems import Problems, shown
from vlmrt_dist.campaign.files.understanding import Understanding
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.campaign.radio_config import ANTENNA_PATTERNS
from vlmrt_dist.errors import CampaignError, ConfigurationError, MeasurementFileError

ANGLES = ("yaw", "pitch", "roll")
WORDS = ("pattern", "polarization", "array_rows", "array_columns", "port", "antenna")
TURN = 360.0


def antennas_of_rows(
    found: Understanding, prefix: str, folder: Path | None, problems: Problems
) -> tuple[tuple[Antenna, ...], IntArray] | None:
    """The antennas that the columns of one side state, and which of them each row has [n].

    :param prefix: "tx_", "rx_", or empty in a table of devices
    :param folder: in which pattern files may lie; None: nowhere
    :return: None where no column states anything
    """
    fields = [name for name in (*ANGLES, *WORDS) if prefix + name in found]
    if not fields:
        return None
    count = len(found.raw.lines)
    columns: dict[str, Sequence[Any]] = {}
    for name in fields:
        if name in ANGLES:
            columns[name] = _angles(found, prefix + name, problems)
        else:
            columns[name] = names(found.column(prefix + name), problems)
    kinds: dict[Antenna, int] = {}
    seen: dict[tuple[Any, ...], int] = {}
    which = np.zeros(count, np.int64)
    for row in range(count):
        key = tuple(columns[name][row] for name in fields)
        if key not in seen:
            try:
                antenna = _antenna(dict(zip(fields, key, strict=True)), folder)
            except (ConfigurationError, MeasurementFileError) as error:
                problems.add(found.raw.lines[row], f"{prefix or 'its '}antenna: {error}")
                antenna = Antenna()
            seen[key] = kinds.setdefault(antenna, len(kinds))
        which[row] = seen[key]
    return tuple(kinds), which


def _angles(found: Understanding, name: str, problems: Problems) -> list[float]:
    """Angles of a column [rad]; zero where none is stated."""
    column = found.column(name)
    given = numbers(column, problems).values
    values = np.where(np.isnan(given), 0.0, given)
    stated = column.meaning.unit
    for row in np.flatnonzero(np.abs(values) > TURN + 1e-6).tolist():
        hint = "; its heading states radians, are they degrees?" if stated == "rad" else ""
        problems.add(
            column.lines[row], f"{column.name} is {values[row]:.4g}°, more than a turn{hint}"
        )
        values[row] = 0.0
    size = np.abs(values)
    broken = np.abs(2.0 * values - np.rint(2.0 * values)) > 1e-9  # no half degree
    if stated is None and broken.any() and size.max() <= 2.0 * math.pi + 1e-6:
        problems.add(
            0,
            f"{column.name} may be radians or degrees: its values reach {size.max():.4g}; name it "
            f"{column.name}_rad or {column.name}_deg",
        )
    return [float(x) for x in np.radians(values)]


def _antenna(given: dict[str, Any], folder: Path | None) -> Antenna:
    """:raises ConfigurationError: if a cell is none of what it may be"""
    values: dict[str, Any] = {
        "orientation": tuple(given.get(name, 0.0) for name in ANGLES),
        "name": given.get("antenna", ""),
    }
    if given.get("pattern"):
        values["pattern"] = _pattern(given["pattern"], folder)
    if given.get("polarization"):
        values["polarization"] = _polarization(given["polarization"])
    shape = [_whole(given, name, least=1) for name in ("array_rows", "array_columns")]
    if shape != [None, None]:
        values["elements"] = planar_array(shape[0] or 1, shape[1] or 1)
    port = _whole(given, "port", least=0)
    return Antenna(**values, port=port)


def _pattern(text: str, folder: Path | None) -> str | PatternTable:
    if text in ANTENNA_PATTERNS:
        return text
    path = None if folder is None else (folder / text).resolve()
    beside = folder is not None and path is not None and path.is_relative_to(folder.resolve())
    if path is None or not beside or not path.is_file():
        raise ConfigurationError(
            f"the pattern {shown(text)} is none of {', '.join(ANTENNA_PATTERNS)}, nor a pattern "
            "file beside this table"
        )
    return read_pattern(path)


def _polarization(text: str) -> str | float:
    if text in SLANTS:
        return text
    try:
        slant = float(text)
    except ValueError:
        slant = math.nan
    if not abs(slant) <= TURN:
        raise ConfigurationError(
            f"a polarization is one of {', '.join(SLANTS)}, or a slant in degrees; got "
            f"{shown(text)}"
        )
    return math.radians(slant)


def _whole(given: dict[str, Any], name: str, *, least: int) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 6 or int(text) < least:
        raise ConfigurationError(
            f"{name} must be a whole number from {least} on; got {shown(text)}"
        )
    return int(text)


def antenna_columns(
    campaign: Campaign, setup: IntArray, receiver: IntArray
) -> dict[str, list[Any]]:
    """Columns that state the antennas of a campaign; none where it states none.

    :param setup: [n] of each row
    :param receiver: [n] of each row, within its setup
    :raises CampaignError: if an antenna cannot be stated so
    """
    antennas = campaign.antennas
    if antennas is None:
        return {}
    if antennas.average is not None and antennas.pairs.max() > 1:
        raise CampaignError(
            "a file cannot say that levels are averages over ports; keep the antennas in Python "
            "(with_antennas), or in a table of devices"
        )
    columns: dict[str, list[Any]] = {}
    for prefix, which in (("tx_", antennas.tx[setup]), ("rx_", antennas.rx[setup, receiver])):
        cells = {k: _cells(antennas.kinds[k]) for k in np.unique(which).tolist()}
        for name in (*WORDS, *ANGLES):
            values = [cells[k][name] for k in which.tolist()]
            if any(value not in ("", 0.0) for value in values):
                columns[prefix + name + ("_deg" if name in ANGLES else "")] = values
    return columns


def _cells(antenna: Antenna) -> dict[str, Any]:
    if isinstance(antenna.pattern, PatternTable):
        raise CampaignError(
            "a measurement file cannot hold measured patterns; write the campaign without antennas "
            "and state them in a table of devices that names the pattern's file"
        )
    if antenna.power_dbm is not None:
        raise CampaignError(
            "a measurement file cannot hold transmit powers apart from the levels; state them in a "
            "table of devices (tx_power_dbm)"
        )
    if isinstance(antenna.polarization, str):
        polarization = antenna.polarization
    elif len(antenna.slants) == 1:
        polarization = repr(math.degrees(antenna.slants[0]))
    else:
        raise CampaignError("two slants are written as VH or cross only; give each port a link")
    rows, columns = _shape(antenna.elements)
    turn = dict(zip(ANGLES, map(math.degrees, antenna.orientation), strict=True))
    return {
        "pattern": antenna.pattern,
        "polarization": "" if polarization == "V" else polarization,
        "array_rows": rows,
        "array_columns": columns,
        "port": "" if antenna.port is None else str(antenna.port),
        "antenna": antenna.name,
        **turn,
    }


def _shape(elements: FloatArray | None) -> tuple[str, str]:
    if elements is None:
        return "", ""
    columns = len(np.unique(elements[:, 1]))
    rows = len(elements) // columns
    if rows * columns != len(elements) or not np.array_equal(elements, planar_array(rows, columns)):
        raise CampaignError(
            "a file states arrays by rows and columns half a wavelength apart; keep other elements "
            "in Python"
        )
    return str(rows), str(columns)
