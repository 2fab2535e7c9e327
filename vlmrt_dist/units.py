"""Units of radio: power levels and wavelength. Plain NumPy, no engine."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray

SPEED_OF_LIGHT = 299_792_458.0
"""Speed of light in vacuum [m/s], exact by the definition of the metre."""

VACUUM_PERMITTIVITY = 8.8541878188e-12
"""Electric constant [F/m] (CODATA 2022)."""

FREE_SPACE_IMPEDANCE = 376.730313412
"""Characteristic impedance of vacuum [ohm] (CODATA 2022)."""


def dbm_to_watts(level_dbm: npt.ArrayLike) -> FloatArray:
    """Power [W] of a level [dBm], elementwise: ``1 mW * 10**(level_dbm / 10)``.

    >>> float(dbm_to_watts(30.0))
    1.0
    """
    return np.asarray(np.power(10.0, (np.asarray(level_dbm, dtype=np.float64) - 30.0) / 10.0))


def watts_to_dbm(power: npt.ArrayLike) -> FloatArray:
    """Level [dBm] of a power [W], elementwise; zero watts are ``-inf`` dBm.

    :raises ValueError: if a power is negative

    >>> float(watts_to_dbm(1e-3))
    0.0
    """
    watts = np.asarray(power, dtype=np.float64)
    if np.any(watts < 0.0):
        raise ValueError("a power in watts cannot be negative")
    with np.errstate(divide="ignore"):  # zero watts is -inf dBm by definition, not an accident
        return np.asarray(10.0 * np.log10(watts) + 30.0)


def wavelength(frequency: float) -> float:
    """Wavelength in vacuum [m] at ``frequency`` [Hz].

    :raises ValueError: if the frequency is not positive and finite

    >>> round(wavelength(3.5e9), 6)
    0.085655
    """
    if not (math.isfinite(frequency) and frequency > 0.0):
        raise ValueError("a frequency must be a positive, finite number of hertz")
    return SPEED_OF_LIGHT / frequency
