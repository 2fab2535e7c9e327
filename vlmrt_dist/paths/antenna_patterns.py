"""Field patterns of antennas, as Sionna RT 2 defines them, in float64.

A pattern gives the field's components (F_θ, F_φ) in a direction seen from the antenna. The
vertically polarized patterns are the isotropic one, the short and the half-wave dipole (Balanis,
Antenna Theory, equations 4-26a and 4-84) and the sector antenna of 3GPP TR 38.901, table 7.3-1; a
slant turns them as model 2 of that report, equations 7.3-4 and 7.3-5. A measured pattern is a
bicubic spline over its table, periodic in azimuth.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import AntennaPattern, PatternTable, Polarization

_SLANT: dict[str, float] = {"V": 0.0, "H": 0.5 * np.pi}
"""Slant of each polarization [rad]."""

_DIPOLE_GAIN, _HALF_WAVE_GAIN = 1.5, 1.643
_BEAM_WIDTH, _LEAST_DB, _SECTOR_GAIN_DB = np.radians(65.0), 30.0, 8.0
"""3GPP TR 38.901, table 7.3-1: width at 3 dB, attenuation at most, gain of an element."""

_ON_AXIS = 1e-5
"""Sine of the angle to a dipole's axis below which the field is that of the axis, nothing."""

_AROUND = 8
"""Azimuths that a periodic spline repeats on either side."""

_KEPT_SPLINES = 64


class LocalField(NamedTuple):
    """Field (F_θ, F_φ) [P, 2] of an antenna in its own coordinates, and its derivatives by the
    zenith angle and the azimuth [1/rad]."""

    value: NDArray[Any]
    by_theta: NDArray[Any]
    by_phi: NDArray[Any]


def antenna_field(
    pattern: AntennaPattern, polarization: Polarization, direction: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Unit vectors θ̂ [P, 3] and the antenna's field (F_θ, F_φ) [P, 2].

    :param direction: [P, 3] unit vectors seen from the antenna
    """
    theta, phi = angles_of(direction)
    theta_hat = np.column_stack(
        [np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)]
    )
    return theta_hat, np.outer(_vertical(pattern, theta, phi), cos_sin(_SLANT[polarization]))


def angles_of(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Zenith angle and azimuth [P] of unit vectors [P, 3]."""
    x, y, z = direction.T
    return np.arccos(np.clip(z, -1.0, 1.0)), np.arctan2(y, x)


def cos_sin(slant: float) -> tuple[float, float]:
    """Cosine and sine of a slant [rad]; those of vertical and horizontal exactly."""
    exact = {0.0: (1.0, 0.0), 0.5 * np.pi: (0.0, 1.0)}
    return exact.get(slant, (float(np.cos(slant)), float(np.sin(slant))))


def local_field(
    pattern: AntennaPattern | PatternTable, slant: float, theta: FloatArray, phi: FloatArray
) -> LocalField:
    """Field of an antenna with its derivatives.

    :param slant: of the polarization [rad]
    :param theta: [P] zenith angles in the antenna's own coordinates [rad]
    :param phi: [P] azimuths there [rad]
    """
    cos, sin = cos_sin(slant)
    if isinstance(pattern, PatternTable) and pattern.polarimetric:
        parts = [_interpolated(pattern, component, theta, phi) for component in (0, 1)]
        both = [np.stack(each, axis=1) for each in zip(*parts, strict=True)]
        turn = np.array([[cos, sin], [-sin, cos]])
        return LocalField(*(x @ turn for x in both))
    if isinstance(pattern, PatternTable):
        vertical = _interpolated(pattern, 0, theta, phi)
    else:
        slopes = _vertical_slopes(pattern, theta, phi)
        vertical = (_vertical(pattern, theta, phi), *slopes)
    return LocalField(*(np.outer(x, (cos, sin)) for x in vertical))


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


def _vertical_slopes(
    pattern: AntennaPattern, theta: FloatArray, phi: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivatives [P] of :func:`_vertical` by the zenith angle and the azimuth."""
    none = np.zeros(len(theta))
    if pattern == "iso":
        return none, none
    sine, cosine = np.sin(theta), np.cos(theta)
    if pattern == "dipole":
        return np.sqrt(_DIPOLE_GAIN) * cosine * np.sign(sine), none
    if pattern == "hw_dipole":
        near = np.abs(sine) < _ON_AXIS
        across = np.where(near, 1.0, sine)
        inside = 0.5 * np.pi * cosine
        # Numerator and denominator of cos(π/2 cos θ) / sin θ, by the quotient rule.
        slope = 0.5 * np.pi * np.sin(inside) - np.cos(inside) * cosine / across**2
        sign = np.sign(np.cos(inside) / across)
        return np.where(near, 0.0, np.sqrt(_HALF_WAVE_GAIN) * slope * sign), none
    off = (theta - 0.5 * np.pi) / _BEAM_WIDTH
    aside = phi / _BEAM_WIDTH
    vertical, horizontal = 12.0 * off**2, 12.0 * aside**2
    inside_beam = np.minimum(vertical, _LEAST_DB) + np.minimum(horizontal, _LEAST_DB) < _LEAST_DB
    # Amplitude 10^(g/20): its derivative is ln 10 / 20 times that of the gain in dB.
    change = -24.0 / _BEAM_WIDTH * np.log(10.0) / 20.0 * _vertical(pattern, theta, phi)
    return (
        np.where(inside_beam & (vertical < _LEAST_DB), change * off, 0.0),
        np.where(inside_beam & (horizontal < _LEAST_DB), change * aside, 0.0),
    )


def _interpolated(
    table: PatternTable, component: int, theta: FloatArray, phi: FloatArray
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Value [P] of a component of a table's field, and its derivatives by both angles [1/rad]."""
    # The azimuth that the table's turn begins with, and those behind it.
    within = table.phi[0] + np.mod(phi - table.phi[0], 2.0 * np.pi)
    splines = _splines(table, component)
    found = []
    for dx, dy in ((0, 0), (1, 0), (0, 1)):
        parts = [spline.ev(theta, within, dx=dx, dy=dy) for spline in splines]
        found.append(parts[0] + 1j * parts[1] if len(parts) > 1 else parts[0])
    return found[0], found[1], found[2]


@functools.lru_cache(maxsize=_KEPT_SPLINES)
def _splines(table: PatternTable, component: int) -> tuple[Any, ...]:
    """Splines of the real part of a component, and of the imaginary part where there is one."""
    from scipy.interpolate import RectBivariateSpline

    field = table.field[..., component] if table.polarimetric else table.field
    count = len(table.phi)
    number = np.arange(-min(_AROUND, count), count + min(_AROUND, count) + 1)
    turns, index = np.divmod(number, count)
    azimuth = table.phi[index] + 2.0 * np.pi * turns
    order = min(3, len(table.theta) - 1)
    parts = [field.real, field.imag] if table.polarimetric else [field]
    return tuple(
        RectBivariateSpline(table.theta, azimuth, part[:, index], kx=order, ky=3, s=0)
        for part in parts
    )
