"""Material parameters of K objects as arrays, and which of them can be unknown."""

from __future__ import annotations

from typing import Literal, NamedTuple

from vlmrt_dist.arrays import FloatArray

Parameter = Literal[
    "conductivity",
    "relative_permittivity",
    "thickness",
    "extra_loss_db",
    "scattering_coefficient",
    "xpd_coefficient",
]
"""Parameters that what an object reflects, lets through and scatters depends on."""

SLAB: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")
"""Those of each slab, which its Fresnel coefficients depend on."""

SCATTERING: tuple[Parameter, ...] = ("scattering_coefficient", "xpd_coefficient")
"""Those of an object's surface. Levels follow the first in closed form and know the second by what
is scattered alone, so no path is walked to differentiate by them."""


class LayerMaterials(NamedTuple):
    """Material parameters of the Λ layers of a scene; each [Λ], or [S, Λ].

    :param conductivity: σ [S/m]
    :param relative_permittivity: ε_r
    :param thickness: of the layer [m]
    """

    conductivity: FloatArray
    relative_permittivity: FloatArray
    thickness: FloatArray


class Materials(NamedTuple):
    """Material parameters of K objects; each [K], or [S, K] for S parameter vectors.

    :param conductivity: σ [S/m]; of an object with layers without effect, as the next two are
    :param relative_permittivity: ε_r
    :param thickness: slab thickness [m]
    :param layers: of the scene's layers; None: as the scene states them
    :param extra_loss_db: loss of what passes through an object, at all angles, beyond that of its
        slabs [dB]; None: as the scene states it
    :param scattering_coefficient: S in [0, 1], share of the reflected amplitude that is scattered;
        None: as the scene states it
    :param xpd_coefficient: K_x in [0, 1], share of the scattered power in the other polarization;
        None: as the scene states it
    """

    conductivity: FloatArray
    relative_permittivity: FloatArray
    thickness: FloatArray
    layers: LayerMaterials | None = None
    extra_loss_db: FloatArray | None = None
    scattering_coefficient: FloatArray | None = None
    xpd_coefficient: FloatArray | None = None

    @property
    def slab(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """σ, ε_r and thickness."""
        return self.conductivity, self.relative_permittivity, self.thickness
