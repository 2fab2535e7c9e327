"""Measured antenna patterns: gain, or complex field, on a grid over the sphere."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.validation import read_only
from vlmrt_dist.errors import ConfigurationError

MOST_ENTRIES = 4_000_000
"""Directions of a table at most."""

COARSEST = math.radians(45.0) + 1e-6
"""Widest step of a grid [rad]."""

HIGHEST_GAIN_DBI, LOWEST_GAIN_DBI = 80.0, -300.0
"""Gains outside are no gains in dBi."""

ANGLE_TOLERANCE = 1e-6
"""Angles that differ by less [rad] are one."""

MOST_RADIATED = 2.0
"""Mean gain over the sphere above which a table is no gain: a passive antenna has 1 at most, and
tables are coarse."""


@dataclass(frozen=True, eq=False)
class PatternTable:
    """Field of an antenna on a grid of directions in the antenna's own coordinates.

    Between the directions the field is a cubic spline.

    :param theta: [T] zenith angles from 0 to π, ascending [rad]
    :param phi: [Q] azimuths of one turn, ascending, the last below the first plus 2π [rad]
    :param field: [T, Q] amplitude √gain, of an antenna whose polarization is its slant; or
        [T, Q, 2] complex (F_θ, F_φ), whose squared size is the gain
    :raises ConfigurationError: if the grid does not cover the sphere, has holes, is in degrees, or
        the field is no field
    """

    theta: FloatArray
    phi: FloatArray
    field: NDArray[Any]

    def __post_init__(self) -> None:
        theta, phi = (np.array(x, np.float64) for x in (self.theta, self.phi))
        _check_grid(theta, phi)
        value = np.array(self.field)
        if value.shape not in ((len(theta), len(phi)), (len(theta), len(phi), 2)):
            raise ConfigurationError(
                f"the field of a pattern is [T, Q] = {len(theta), len(phi)}, or that with a last "
                f"axis of θ and φ components; got shape {value.shape}"
            )
        if value.ndim == 2 and np.iscomplexobj(value):
            raise ConfigurationError("a complex field needs its θ and φ components, [T, Q, 2]")
        value = value.astype(np.complex128 if value.ndim == 3 else np.float64)
        if not np.isfinite(value).all():
            raise ConfigurationError(
                "the pattern has holes: a direction has no finite value; fill them in (measured "
                "cuts may be interpolated before)"
            )
        if value.ndim == 2 and (value < 0.0).any():
            raise ConfigurationError(
                "the field of a pattern is an amplitude, √gain, not negative; of gains in dBi use "
                "PatternTable.of_gain"
            )
        _check_power(theta, np.abs(value) ** 2 if value.ndim == 2 else (np.abs(value) ** 2).sum(2))
        for name, array in (("theta", theta), ("phi", phi), ("field", value)):
            object.__setattr__(self, name, read_only(array))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatternTable) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.theta, self.phi, self.field)

    @classmethod
    def of_gain(cls, theta: FloatArray, phi: FloatArray, gain_dbi: FloatArray) -> PatternTable:
        """The table of a gain [T, Q] [dBi] (minus infinity: nothing).

        :raises ConfigurationError: as the class, or if the numbers are no gains in dBi
        """
        gain = np.array(gain_dbi, np.float64)
        if np.isnan(gain).any():
            raise ConfigurationError(
                "the pattern has holes: a direction has no gain; fill them in (measured cuts may "
                "be interpolated before)"
            )
        finite = gain[np.isfinite(gain)]
        if (gain > HIGHEST_GAIN_DBI).any() or (finite < LOWEST_GAIN_DBI).any() or not len(finite):
            raise ConfigurationError(
                f"gains are between {LOWEST_GAIN_DBI:g} and {HIGHEST_GAIN_DBI:g} dBi; these are "
                "another quantity, or in another unit"
            )
        return cls(theta, phi, 10.0 ** (gain / 20.0))

    @property
    def polarimetric(self) -> bool:
        """Whether the field has a θ and a φ component of its own."""
        return self.field.ndim == 3

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal)."""
        digest = hashlib.sha256(b"vlmrt PatternTable 1\n")
        for array in (self.theta, self.phi, self.field):
            digest.update(f"{array.shape} {array.dtype.str}\n".encode() + array.tobytes())
        return digest.hexdigest()


def _check_grid(theta: FloatArray, phi: FloatArray) -> None:
    """:raises ConfigurationError: if the directions are no grid over the sphere"""
    for name, angles in (("theta", theta), ("phi", phi)):
        if angles.ndim != 1 or len(angles) < 2 or not np.isfinite(angles).all():
            raise ConfigurationError(f"{name} of a pattern must be two or more finite angles")
        if np.abs(angles).max() > 2.0 * math.pi + 1e-6:
            raise ConfigurationError(
                f"{name} of a pattern is in radians, and reaches {np.abs(angles).max():g}; of "
                "degrees give np.radians(...)"
            )
        if (np.diff(angles) < ANGLE_TOLERANCE).any():
            raise ConfigurationError(f"{name} of a pattern must ascend, each angle once")
    if len(theta) * len(phi) > MOST_ENTRIES:
        raise ConfigurationError(f"a pattern has {MOST_ENTRIES:,} directions at most")
    if theta[0] > 1e-6 or abs(theta[-1] - math.pi) > 1e-6:
        raise ConfigurationError(
            f"the pattern is not over the sphere: theta goes from {math.degrees(theta[0]):g}° to "
            f"{math.degrees(theta[-1]):g}°, but is counted from the zenith, 0° to 180°; elevations "
            "are 90° - theta"
        )
    steps = np.diff(np.append(phi, phi[0] + 2.0 * math.pi))
    if steps[-1] < ANGLE_TOLERANCE:
        raise ConfigurationError("phi of a pattern goes once around: leave the last angle out")
    for name, each in (("theta", np.diff(theta)), ("phi", steps)):
        if each.max() > COARSEST:
            raise ConfigurationError(
                f"the pattern has holes: {name} has a gap of {math.degrees(each.max()):.4g}°; "
                f"steps of {math.degrees(COARSEST):.0f}° at most are needed, all around"
            )


def _check_power(theta: FloatArray, gain: FloatArray) -> None:
    """:raises ConfigurationError: if a gain [T, Q] radiates more than it is fed, or nothing"""
    weight = np.sin(theta)
    mean = float((gain.mean(axis=1) * weight).sum() / weight.sum())
    if not mean > 0.0:
        raise ConfigurationError("the pattern radiates nothing; its gains are all zero")
    if mean > MOST_RADIATED:
        raise ConfigurationError(
            f"the pattern radiates {mean:.3g} times what it is fed: its gains, in the mean over "
            "the sphere, exceed 0 dBi by far; are they dB below the maximum with another sign, "
            "or not in dBi?"
        )
