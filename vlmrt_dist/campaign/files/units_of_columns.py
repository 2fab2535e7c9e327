"""Units that headings and cells state, and their conversion to those of a campaign."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.units import SPEED_OF_LIGHT, watts_to_dbm

Dimension = Literal[
    "name", "flag", "number", "length", "angle", "frequency", "time", "level", "decibel", "loss"
]

FACTORS: dict[Dimension, dict[str, float]] = {
    "length": {
        **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
        "km": 1e3, "cm": 1e-2, "mm": 1e-3, "ft": 0.3048, "feet": 0.3048,
    },
    "angle": {
        **dict.fromkeys(("deg", "degree", "degrees", "°", "dd"), 1.0),
        **dict.fromkeys(("rad", "radians"), 180.0 / math.pi),
    },
    "frequency": {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "time": {"s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0, "m": 1e9 / SPEED_OF_LIGHT},
    "decibel": {"db": 1.0},
    "level": {
        "dbm": 0.0, "dbw": 30.0,
        "w": 1.0, "mw": 1e-3, "uw": 1e-6, "µw": 1e-6, "nw": 1e-9, "pw": 1e-12, "fw": 1e-15,
    },
    "loss": {"db": 1.0, "linear": 0.0, "lin": 0.0},
}  # fmt: skip
"""Size of each unit in a campaign's: metres, degrees, hertz, nanoseconds, decibels; watts."""

LOWEST_CARRIER = 1e6
"""No material is tabulated at frequencies [Hz] below this."""

DEFAULT_UNITS: dict[Dimension, str] = {
    "length": "m", "angle": "°", "frequency": "Hz", "time": "ns", "decibel": "dB",
    "level": "dBm", "loss": "dB",
}  # fmt: skip
"""Units as they are printed; those of a column that states none."""

SHOWN_UNITS = {
    unit.casefold(): unit
    for unit in ("Hz", "kHz", "MHz", "GHz", "dB", "dBm", "dBW", "W", "mW", "uW", "µW", "nW", "pW")
}


def known_unit(text: str, dimension: Dimension) -> str | None:
    """The unit that ``text`` names, in small letters; None if it is none of the dimension's."""
    unit = text.strip().casefold().replace("μ", "µ")  # the Greek letter, and the micro sign
    return unit if unit in FACTORS.get(dimension, {}) else None


def known_units(dimension: Dimension) -> str:
    """The units of a dimension, as a list for a message."""
    return ", ".join(dict.fromkeys(map(shown_unit, FACTORS.get(dimension, {}))))


def shown_unit(unit: str) -> str:
    """A unit in its usual letters."""
    return SHOWN_UNITS.get(unit, unit)


def converted(values: FloatArray, dimension: Dimension, unit: str) -> FloatArray:
    """Values in the unit of the campaign: m, °, Hz, ns, dB, dBm.

    Zero watts, and a linear gain of zero, are minus infinity.

    :raises ValueError: if a power is negative
    """
    factor = FACTORS[dimension][unit]
    if dimension == "level" and unit not in ("dbm", "dbw"):
        return watts_to_dbm(values * factor)
    if dimension == "level":
        return values + factor
    if dimension == "loss" and factor == 0.0:
        return watts_to_dbm(values) - 30.0
    return values * factor


def frequency_unit(values: FloatArray) -> str | None:
    """The unit of carriers whose column states none: GHz up to 100, MHz from 300 to 300,000, Hz
    from 1e6 on; None between (100 to 300 may be either) and where they disagree."""
    for unit, low, high in (("hz", 1e6, np.inf), ("mhz", 300.0, 3e5), ("ghz", 0.0, 100.0)):
        if ((values > low) | (values == low)).all() and (values <= high).all():
            return unit if (values > 0.0).all() else None
    return None
