"""Layered walls: objects whose surface is several slabs one behind the other.

Geometry stays as it is: a layered object is one surface of its mesh with a stack of layers, which
transmission does not bend a ray in. Sionna has single slabs only, so the object keeps a slab of its
own that stands for the layers in Sionna's scene files; nothing is computed from it here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.electrical import Field, electrical

AIR = "air"
"""Material of a cavity: permittivity 1 and conductivity 0 at every frequency."""

MAX_LAYERS = 16
"""Most layers of a wall."""

MAX_THICKNESS = 2.0
"""Thickest layer [m]; what is thicker is a number of millimetres."""

MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class Layer:
    """One layer of a wall.

    :param material: material class of ITU-R P.2040, "air", or any name if both numbers are given
    :param thickness: [m]
    :param relative_permittivity: None takes the ITU table's value at the carrier
    :param conductivity: [S/m]; None takes the ITU table's value at the carrier
    :param name: what the layer is called; None: as its material
    :raises MaterialError: if the material is unknown, or a number or the name impossible
    """

    material: str
    thickness: float
    relative_permittivity: float | None = None
    conductivity: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for text in (self.material, "layer" if self.name is None else self.name):
            _check_text("a layer's material and name", text)
        where = f"layer of {self.material!r}"
        _set(self, "thickness", _number(where, "thickness", self.thickness, 0.0))
        if not 0.0 < self.thickness <= MAX_THICKNESS:
            raise MaterialError(
                f"{where}: thickness must be a positive number of metres, at most "
                f"{MAX_THICKNESS:g}; got {self.thickness:g}"
            )
        for field, low in (("relative_permittivity", 1.0), ("conductivity", 0.0)):
            if getattr(self, field) is not None:
                _set(self, field, _number(where, field, getattr(self, field), low))
        if self.material.strip().lower() == AIR:
            _set(self, "material", AIR)
            if self.relative_permittivity not in (None, 1.0) or self.conductivity not in (None, 0):
                raise MaterialError("a layer of air has permittivity 1 and conductivity 0")
            _set(self, "relative_permittivity", 1.0)
            _set(self, "conductivity", 0.0)
        elif self.relative_permittivity is None or self.conductivity is None:
            _set(self, "material", itu.material_class(self.material))


@dataclass(frozen=True)
class LayeredMaterial:
    """A stack of layers, from the front of a surface to its back.

    Where a mesh has no front (a wall drawn as one plane), give a symmetric stack or mind that a
    reflection sees the first layer first from either side.

    :param name: what it is called
    :param layers: one to :data:`MAX_LAYERS`
    :raises MaterialError: if there are none or too many, or the name is impossible
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        _check_text("a layered material's name", self.name)
        _set(self, "layers", tuple(self.layers))
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise MaterialError(
                f"layered material {self.name!r} has {len(self.layers)} layers; it needs 1 to "
                f"{MAX_LAYERS}"
            )

    def __str__(self) -> str:
        return f"{self.name} ({len(self.layers)} layer{'s' * (len(self.layers) != 1)})"

    @property
    def thickness(self) -> float:
        """Thickness of all layers together [m]."""
        return math.fsum(layer.thickness for layer in self.layers)

    @property
    def distinct(self) -> dict[str, Layer]:
        """The different layers by name: equal ones, such as both boards of a partition, are one,
        and different ones of one name are numbered."""
        found: dict[str, Layer] = {}
        for layer in self.layers:
            if layer in found.values():
                continue
            name, count = layer.name or layer.material, 1
            while name in found:
                count += 1
                name = f"{layer.name or layer.material} {count}"
            found[name] = layer
        return found


@dataclass(frozen=True, eq=False)
class SceneLayers:
    """The Λ different layers of a scene's objects.

    Equal layers of one object are one entry here; those of several objects are entries of each.

    :param objects: [Λ] names of the objects
    :param labels: [Λ] names of the layers within their objects
    :param layers: [Λ]
    :param stack: [K, N] entries of each object from its front, -1 beyond the last layer and for
        objects of one slab
    """

    objects: tuple[str, ...]
    labels: tuple[str, ...]
    layers: tuple[Layer, ...]
    stack: IntArray

    @property
    def names(self) -> tuple[str, ...]:
        """[Λ] "object/layer"."""
        return tuple(map("/".join, zip(self.objects, self.labels, strict=True)))

    @property
    def materials(self) -> tuple[str, ...]:
        """[Λ] materials."""
        return tuple(layer.material for layer in self.layers)

    @property
    def thickness(self) -> FloatArray:
        """[Λ] thickness [m]."""
        return np.array([layer.thickness for layer in self.layers])

    def values(self, frequency: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """[Λ] conductivity [S/m], relative permittivity and thickness [m] at a frequency [Hz]."""
        return (
            self.conductivity(frequency), self.relative_permittivity(frequency), self.thickness
        )  # fmt: skip

    def conductivity(self, frequency: float) -> FloatArray:
        """[Λ] conductivity [S/m] at a frequency [Hz].

        :raises FrequencyError: if a material is not tabulated there (names the layer)
        """
        return self._electrical("conductivity", frequency)

    def relative_permittivity(self, frequency: float) -> FloatArray:
        """[Λ] relative permittivity at a frequency [Hz].

        :raises FrequencyError: if a material is not tabulated there (names the layer)
        """
        return self._electrical("relative_permittivity", frequency)

    def _electrical(self, field: Field, frequency: float) -> FloatArray:
        return electrical(self.layers, field, frequency, lambda k: f"layer {self.names[k]!r}")


def layers_of(
    names: Sequence[str], layered: Sequence[LayeredMaterial | None]
) -> SceneLayers | None:
    """The layers of K objects; None where none has layers.

    :param names: [K] objects
    :param layered: [K] their layers, None where an object is one slab
    """
    most = max((len(each.layers) for each in layered if each is not None), default=0)
    if not most:
        return None
    found: list[tuple[str, str, Layer]] = []
    stack = np.full((len(names), most), -1, np.int64)
    for k, (item, each) in enumerate(zip(names, layered, strict=True)):
        if each is None:
            continue
        first, own = len(found), list(each.distinct.items())
        found += [(item, name, layer) for name, layer in own]
        values = [layer for _, layer in own]
        stack[k, : len(each.layers)] = [first + values.index(layer) for layer in each.layers]
    items, labels, layers = zip(*found, strict=True)
    return SceneLayers(items, labels, layers, stack)


def check_unlayered(layered: Sequence[str], what: str) -> None:
    """Refuse something that objects with layers cannot have (SceneError).

    :param layered: names of the objects with layers that it is asked for
    """
    if layered:
        raise SceneError(
            f"{', '.join(map(repr, layered[:5]))} {'has' if len(layered) == 1 else 'have'} layers, "
            f"and {what}; change the layers (with_layers of the scene, or the layers file)"
        )


def _set(value: Any, field: str, content: Any) -> None:
    object.__setattr__(value, field, content)


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise MaterialError(f"{what} must be printable text, not empty")
    if len(text) > MAX_NAME_LENGTH:
        raise MaterialError(f"{what} may have at most {MAX_NAME_LENGTH} characters")


def _number(where: str, field: str, value: Any, low: float) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (usable and math.isfinite(value) and value >= low):
        raise MaterialError(f"{where}: {field} must be a finite number, {low:g} or more")
    return float(value) + 0.0
