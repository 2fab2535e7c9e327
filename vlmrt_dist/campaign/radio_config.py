"""The radio configuration of a measurement: the paper's C of equation (5)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import numbers
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vlmrt_dist.errors import ConfigurationError, FrequencyError
from vlmrt_dist.units import dbm_to_watts, wavelength

AntennaPattern = Literal["iso", "dipole", "hw_dipole", "tr38901"]
Polarization = Literal["V", "H"]
Combining = Literal["power", "coherent"]
PathSet = Literal["exact", "single_solve", "united_solves"]
"""Which paths are used: "exact", every one up to the depth, found by images; "single_solve", those
that one solve of Sionna's sampling solver happens to find, as in the paper; "united_solves", the
union of such solves with further seeds until they add nothing, a cross-check of the exact set."""
LineOfSight = Literal["limited", "always"]

ANTENNA_PATTERNS: tuple[str, ...] = ("iso", "dipole", "hw_dipole", "tr38901")
POLARIZATIONS: tuple[str, ...] = ("V", "H")
COMBININGS: tuple[str, ...] = ("power", "coherent")
PATH_SETS: tuple[str, ...] = get_args(PathSet)

MAX_DEPTH_LIMIT = 32
"""Deepest path that a configuration may ask for; more is a typing error, not a simulation."""

MAX_SAMPLES = 1_000_000_000
"""Sionna counts ray samples in 32 bits; stay well below."""


MAX_SCATTERING_POINTS = 10_000_000
"""Points of surfaces that a configuration may ask for; each takes some hundred bytes and a search
of its paths."""


@dataclass(frozen=True)
class RadioConfig:
    """Everything but the scene, the positions and the materials that decides a received power.

    :param frequency: carrier [Hz]
    :param tx_power_dbm: transmit power [dBm]
    :param antenna_pattern: Sionna's name of both antennas' pattern: "iso", "dipole", "hw_dipole"
        or "tr38901"
    :param polarization: "V" or "H", both antennas
    :param max_depth: most interactions along a path, reflections and transmissions together (>= 0)
    :param max_reflections: most reflections among them; None: ``max_depth``
    :param max_transmissions: most transmissions among them; None: ``max_depth``
    :param line_of_sight: "always" keeps the straight path of every link with all the walls that it
        passes through, however many; "limited" treats it as any other path
    :param path_set: see :data:`PathSet`
    :param samples_per_src: rays launched by each transmitter in one solve of Sionna's (>= 1)
    :param seed: seed of the first solve of Sionna's, and of the points that scatter (>= 0)
    :param combining: "power" adds the paths' powers, "coherent" their complex amplitudes
    :param diffuse_reflection: scatter as the scene's scattering_coefficient and xpd_coefficient
        say; False: surfaces are smooth, whatever the scene states
    :param scattering_points: points of surfaces that stand for what each transmitter's setup
        scatters (>= 1); the estimate's spread falls about as their inverse. Their places follow
        ``seed``
    :param diffraction: model diffraction of first order by the wedges of objects; a diffraction is
        one interaction of a path, beside which it may have reflections and transmissions
    :param edge_diffraction: free edges of open sheets diffract, too (with ``diffraction``)
    :raises ConfigurationError: if a value is outside what is stated here
    :raises FrequencyError: if the frequency is not positive and finite
    """

    frequency: float = 3.5e9
    tx_power_dbm: float = 44.0
    antenna_pattern: AntennaPattern = "iso"
    polarization: Polarization = "V"
    max_depth: int = 4
    max_reflections: int | None = None
    max_transmissions: int | None = None
    line_of_sight: LineOfSight = "limited"
    path_set: PathSet = "exact"
    samples_per_src: int = 1_000_000
    seed: int = 1
    combining: Combining = "power"
    diffuse_reflection: bool = False
    scattering_points: int = 2000
    diffraction: bool = False
    edge_diffraction: bool = False

    def __post_init__(self) -> None:
        self._normalise()
        if not (math.isfinite(self.frequency) and self.frequency > 0.0):
            raise FrequencyError("frequency must be a positive, finite number of hertz")
        # Beyond these the level in watts underflows or overflows float64's useful range.
        if not -300.0 <= self.tx_power_dbm <= 300.0:
            raise ConfigurationError("tx_power_dbm must be a finite level between -300 and 300 dBm")
        _member("antenna_pattern", self.antenna_pattern, ANTENNA_PATTERNS)
        _member("polarization", self.polarization, POLARIZATIONS)
        _member("combining", self.combining, COMBININGS)
        _member("path_set", self.path_set, PATH_SETS)
        _member("line_of_sight", self.line_of_sight, get_args(LineOfSight))
        _within("max_depth", self.max_depth, 0, MAX_DEPTH_LIMIT)
        for name in ("max_reflections", "max_transmissions"):
            if getattr(self, name) is not None:
                _within(name, getattr(self, name), 0, MAX_DEPTH_LIMIT)
        if self.line_of_sight == "always" and self.path_set != "exact":
            raise ConfigurationError(
                "line_of_sight='always' needs path_set='exact': Sionna's solver finds no path of "
                "more interactions than max_depth"
            )
        if self.edge_diffraction and not self.diffraction:
            raise ConfigurationError(
                "edge_diffraction=True needs diffraction=True: it adds the free edges to what "
                "diffracts"
            )
        _within("samples_per_src", self.samples_per_src, 1, MAX_SAMPLES)
        _within("scattering_points", self.scattering_points, 1, MAX_SCATTERING_POINTS)
        _within("seed", self.seed, 0, 2**31 - 1)

    def _normalise(self) -> None:
        """Give equal configurations equal types, so that 44 and 44.0 have one key."""
        for name in ("frequency", "tx_power_dbm"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name in ("max_depth", "samples_per_src", "seed", "scattering_points"):
            object.__setattr__(self, name, _integer(name, getattr(self, name)))
        for name in ("max_reflections", "max_transmissions"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _integer(name, getattr(self, name)))
        for name in ("diffuse_reflection", "diffraction", "edge_diffraction"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name} must be True or False")

    @classmethod
    def paper(cls, **overrides: Any) -> RadioConfig:
        """The paper's configuration: 3.5 GHz, 44 dBm, D=4 and the path set of one solve with
        U_ray = 5000 rays; ``overrides`` replace single fields."""
        return cls(**{"samples_per_src": 5000, "path_set": "single_solve", **overrides})

    def replace(self, **changes: Any) -> RadioConfig:
        """A copy with some fields replaced, validated again."""
        return dataclasses.replace(self, **changes)

    @property
    def tx_power(self) -> float:
        """Transmit power [W]."""
        return float(dbm_to_watts(self.tx_power_dbm))

    @property
    def wavelength(self) -> float:
        """Wavelength in vacuum [m]."""
        return wavelength(self.frequency)

    @property
    def paths_key(self) -> str:
        """Content hash over the fields that decide which paths are traced, and how; no set depends
        on the antennas, and an exact one on no seed and no number of rays."""
        same: dict[str, Any] = {"combining": "power", "tx_power_dbm": 0.0}
        same |= {"antenna_pattern": "iso", "polarization": "V"}
        if self.path_set == "exact":
            same |= {"samples_per_src": 1, "seed": 0}
        return self.replace(**same).key

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) over every field."""
        fields = dataclasses.asdict(self)
        if not self.edge_diffraction:  # keys made before there was the field stay those they are
            del fields["edge_diffraction"]
        # The name that the field had when rows were stored, so that they keep their keys.
        fields["diffuse"] = fields.pop("diffuse_reflection")
        if not self.diffuse_reflection:  # without effect
            fields.pop("scattering_points")
        text = json.dumps(fields, sort_keys=True)
        return hashlib.sha256(b"vlmrt RadioConfig 2\n" + text.encode()).hexdigest()


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigurationError(f"{name} must be a number")
    return float(value)


def _integer(name: str, value: Any) -> int:
    number = _number(name, value)
    if not number.is_integer():
        raise ConfigurationError(f"{name} must be a whole number")
    return int(number)


def _member(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must lie between {low} and {high}; got {value}")
