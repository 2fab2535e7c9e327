"""Patterns of diffuse scattering, as Sionna RT has them.

Lambertian, directive and backscattering lobes of V. Degli-Esposti et al., "Measurement and
Modelling of Scattering From Buildings", IEEE Trans. Antennas Propag. 55 (1), 2007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError

PatternName = Literal["lambertian", "directive", "backscattering"]

MAX_LOBE = 100
"""Largest exponent of a lobe."""


@dataclass(frozen=True)
class ScatteringPattern:
    """Directions in which a surface scatters.

    :param name: "lambertian"; "directive": a lobe about the specular direction; "backscattering":
        that and one about the direction of incidence
    :param alpha_r: exponent of the specular lobe, a whole number from 1 to :data:`MAX_LOBE`
    :param alpha_i: exponent of the other lobe, likewise
    :param lambda_: share of the specular lobe, in [0, 1]
    :raises MaterialError: if a value is outside what is stated here
    """

    name: PatternName = "lambertian"
    alpha_r: int = 1
    alpha_i: int = 1
    lambda_: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in get_args(PatternName):
            known = ", ".join(get_args(PatternName))
            raise MaterialError(f"there is no scattering pattern {self.name!r}; known are {known}")
        for field in ("alpha_r", "alpha_i"):
            value = getattr(self, field)
            if not (float(value).is_integer() and 1 <= value <= MAX_LOBE):
                raise MaterialError(f"{field} must be a whole number from 1 to {MAX_LOBE}")
            object.__setattr__(self, field, int(value))
        if not 0.0 <= self.lambda_ <= 1.0:
            raise MaterialError("lambda_ must be between 0 and 1")
        # What has no effect does not tell patterns apart.
        if self.name != "backscattering":
            object.__setattr__(self, "alpha_i", 1)
            object.__setattr__(self, "lambda_", 1.0)
        if self.name == "lambertian":
            object.__setattr__(self, "alpha_r", 1)


LAMBERTIAN = ScatteringPattern()
"""The pattern of surfaces that name none."""


def scattering_density(
    pattern: ScatteringPattern, incoming: FloatArray, outgoing: FloatArray, normal: FloatArray
) -> FloatArray:
    """[P] share of the scattered power per solid angle [1/sr].

    :param incoming: [P, 3] direction of travel before the scattering
    :param outgoing: [P, 3] behind it
    :param normal: [P, 3] of the side that scatters
    """
    leaving = (outgoing * normal).sum(axis=1)
    if pattern.name == "lambertian":
        return np.abs(leaving) / np.pi
    cos_i = -(incoming * normal).sum(axis=1)
    specular = incoming + 2.0 * cos_i[:, None] * normal
    forward = (0.5 * (1.0 + (specular * outgoing).sum(axis=1))) ** pattern.alpha_r
    backward = (0.5 * (1.0 - (incoming * outgoing).sum(axis=1))) ** pattern.alpha_i
    share = pattern.lambda_
    whole = share * _lobe(pattern.alpha_r, cos_i) + (1.0 - share) * _lobe(pattern.alpha_i, cos_i)
    return np.asarray((share * forward + (1.0 - share) * backward) / whole)


def _lobe(alpha: int, cos_i: FloatArray) -> FloatArray:
    """Integral of a lobe over the side's directions, by the cosine of incidence, as in the paper
    named above."""
    sine_squared = 1.0 - cos_i**2
    total, series = np.zeros_like(cos_i), np.zeros_like(cos_i)
    for j in range(alpha + 1):
        term: FloatArray | float = 2.0 * np.pi / (j + 1)
        if j % 2:
            n = (j - 1) // 2
            series = series + math.comb(2 * n, n) * (sine_squared / 4.0) ** n
            term = term * cos_i * series
        total = total + math.comb(alpha, j) * term
    return np.asarray(total / 2.0**alpha)
