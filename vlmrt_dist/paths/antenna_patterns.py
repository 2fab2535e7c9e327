"""Field patterns of antennas, as Sionna RT 2 defines them, in float64.

A pattern gives the field's components (F_θ, F_φ) in a direction seen from the antenna. The
vertically polarized patterns are the isotropic one, the short and the half-wave dipole (Balanis,
Antenna Theory, equations 4-26a and 4-84) and the sector antenna of 3GPP TR 38.901, table 7.3-1; a
slant turns them as model 2 of that report, equations 7.3-4 and 7.3-5.
"""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import AntennaPattern, Polarization

_SLANT = {"V": (1.0, 0.0), "H": (0.0, 1.0)}
"""Cosine and sine of the slant of each polarization."""

_DIPOLE_GAIN, _HALF_WAVE_GAIN = 1.5, 1.643
_BEAM_WIDTH, _LEAST_DB, _SECTOR_GAIN_DB = np.radians(65.0), 30.0, 8.0
"""3GPP TR 38.901, table 7.3-1: width at 3 dB, attenuation at most, gain of an element."""

_ON_AXIS = 1e-5
"""Sine of the angle to a dipole's axis below which the field is that of the axis, nothing."""


def antenna_field(
    pattern: AntennaPattern, polarization: Polarization, direction: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Unit vectors θ̂ [P, 3] and the antenna's field (F_θ, F_φ) [P, 2].

    :param direction: [P, 3] unit vectors seen from the antenna
    """
    x, y, z = direction.T
    theta = np.arccos(np.clip(z, -1.0, 1.0))
    phi = np.arctan2(y, x)
    theta_hat = np.column_stack(
        [np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)]
    )
    return theta_hat, np.outer(_vertical(pattern, theta, phi), _SLANT[polarization])


def _vertical(pattern: AntennaPattern, theta: FloatArray, phi: FloatArray) -> FloatArray:
    """[P] field of the vertically polarized antenna."""
    if pattern == "iso":
        return np.ones(len(theta))
    sine = np.sin(theta)
    if pattern == "dipole":
        return np.abs(np.sqrt(_DIPOLE_GAIN) * sine)
    if pattern == "hw_dipole":
        across = np.where(np.abs(sine) < _ON_AXIS, 1.0, sine)
        return np.abs(np.sqrt(_HALF_WAVE_GAIN) * np.cos(0.5 * np.pi * np.cos(theta)) / across)
    vertical = np.minimum(12.0 * ((theta - 0.5 * np.pi) / _BEAM_WIDTH) ** 2, _LEAST_DB)
    horizontal = np.minimum(12.0 * (phi / _BEAM_WIDTH) ** 2, _LEAST_DB)
    gain_db = _SECTOR_GAIN_DB - np.minimum(vertical + horizontal, _LEAST_DB)
    return np.sqrt(10.0 ** (gain_db / 10.0))
