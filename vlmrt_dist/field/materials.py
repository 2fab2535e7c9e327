"""Material parameters of K objects as arrays, and which of them can be unknown."""

from __future__ import annotations

from typing import Literal, NamedTuple

from vlmrt_dist.arrays import FloatArray

Parameter = Literal["conductivity", "relative_permittivity", "thickness"]
"""Parameters of a slab that its Fresnel coefficients depend on."""


class Materials(NamedTuple):
    """Material parameters of K objects; each [K], or [S, K] for S parameter vectors.

    :param conductivity: σ [S/m]
    :param relative_permittivity: ε_r
    :param thickness: slab thickness [m]
    """

    conductivity: FloatArray
    relative_permittivity: FloatArray
    thickness: FloatArray
