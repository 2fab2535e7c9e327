"""Material parameters of K objects as arrays, and which of them can be unknown."""

from __future__ import annotations

from typing import Literal, NamedTuple

from vlmrt_dist.arrays import FloatArray

Parameter = Literal["conductivity", "relative_permittivity", "thickness", "extra_loss_db"]
"""Parameters that the coefficients of an object depend on."""

SLAB: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")
"""Those of each slab, which its Fresnel coefficients depend on."""


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
    """

    conductivity: FloatArray
    relative_permittivity: FloatArray
    thickness: FloatArray
    layers: LayerMaterials | None = None
    extra_loss_db: FloatArray | None = None

    @property
    def slab(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """σ, ε_r and thickness."""
        return self.conductivity, self.relative_permittivity, self.thickness
