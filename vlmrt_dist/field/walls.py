"""Layers of objects, and extra losses of rays that pass through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field.materials import LayerMaterials
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class Walls:
    """Layers and extra losses of K objects at one carrier.

    Slabs are numbered: k < K is object k where it is a single one, K + λ is layer λ of Λ.

    :param stack: [K, N] the slabs of each object from its front, -1 beyond the last one; None:
        every object is one slab
    :param layers: of the scene at this carrier, [Λ] each
    :param extra_loss_db: [K] loss of what passes through each object beyond that of its slabs [dB];
        None: none has any
    """

    stack: IntArray | None
    layers: LayerMaterials
    extra_loss_db: FloatArray | None = None

    @property
    def num_layers(self) -> int:
        """Λ, the number of layers."""
        return len(self.layers.thickness)


def walls_of(scene: SceneModel, frequency: float) -> Walls | None:
    """Layers and extra losses of a scene's objects at a carrier [Hz]; None where every object is
    one slab without an extra loss.

    :raises FrequencyError: if a layer's material is not tabulated there (names the layer)
    """
    layers, loss = scene.layers, scene.extra_loss_db
    extra = loss if loss.any() else None
    if layers is None:
        none = np.zeros(0)
        return None if extra is None else Walls(None, LayerMaterials(none, none, none), extra)
    own = np.full_like(layers.stack, -1)
    own[:, 0] = np.arange(scene.num_objects)
    stack = np.where(layers.stack >= 0, scene.num_objects + layers.stack, -1)
    materials = LayerMaterials(
        layers.conductivity(frequency), layers.relative_permittivity(frequency), layers.thickness
    )
    return Walls(np.where(layers.stack[:, :1] >= 0, stack, own), materials, extra)


def refuse_walls(scene: SceneModel, what: str, remedy: str) -> None:
    """:raises ConfigurationError: if objects have layers or an extra loss, which ``what`` does not
    know
    """
    walls = [o.name for o in scene.objects if o.layered is not None or o.extra_loss_db]
    if walls:
        raise ConfigurationError(
            f"{what} has no layers and no extra losses, and {listed(walls)} "
            f"{'has' if len(walls) == 1 else 'have'} some; {remedy}, or give the scene without"
        )
