"""Electrical numbers of surfaces: those that are stated, else the table's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import FrequencyError
from vlmrt_dist.scene import itu

Field = Literal["conductivity", "relative_permittivity"]

TABLES = {
    "conductivity": itu.conductivity,
    "relative_permittivity": itu.relative_permittivity,
}


class Surface(Protocol):
    """An object or a layer."""

    @property
    def material(self) -> str:
        """Material class."""
        ...

    @property
    def conductivity(self) -> float | None:
        """Stated conductivity [S/m]."""
        ...

    @property
    def relative_permittivity(self) -> float | None:
        """Stated relative permittivity."""
        ...


def electrical(
    surfaces: Sequence[Surface], field: Field, frequency: float, name: Callable[[int], str]
) -> FloatArray:
    """One number of each of N surfaces at a frequency [Hz]: explicit where given, else that of
    ITU-R P.2040.

    :param name: what an error calls a surface, by its number
    :raises FrequencyError: if a material is not tabulated there
    """
    values = np.empty(len(surfaces))
    for k, surface in enumerate(surfaces):
        stated = getattr(surface, field)
        try:
            values[k] = TABLES[field](surface.material, frequency) if stated is None else stated
        except FrequencyError as error:
            raise FrequencyError(f"{name(k)}: {error}") from None
    return values
