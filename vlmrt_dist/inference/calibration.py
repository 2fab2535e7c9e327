"""Calibrated values of objects without the fit that they come from, and scenes with them.

They hold at one carrier. On a scene model and in a file its numbers become constants of the
objects; Sionna keeps such numbers at every frequency. An object whose numbers are those that the
scene has anyway keeps its material class, which follows the frequency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.console import listed
from vlmrt_dist.errors import SceneError
from vlmrt_dist.field import SCATTERING, SLAB, conductivity_of_loss, scene_loss
from vlmrt_dist.inference.origin import Origin
from vlmrt_dist.inference.parameters import LAYER
from vlmrt_dist.inference.quantities import (
    JointPosterior,
    LayerEstimates,
    QuantityEstimate,
)
from vlmrt_dist.inference.verdicts import Verdict
from vlmrt_dist.scene import (
    LiveChange,
    LiveNumbers,
    SceneModel,
    SionnaScene,
    check_names,
    live_number,
    set_materials,
    short_list,
)

QUANTITIES = (*SLAB, *SCATTERING)
"""Quantities that a scene holds."""

_DOUBTFUL: dict[Verdict, str] = {
    "not_identified": "keeps its prior value: no link tells it",
    "at_least": "has only a lower bound; any value above it gives about the same levels",
    "at_most": "has only an upper bound; any value below it gives about the same levels",
    "several": "is one of several values, the likeliest of which is taken",
}

SAME = 1e-9
"""Relative difference up to which an estimate is the number that the scene has."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated parameters of K objects.

    :param names: [K]
    :param materials: [K] material classes
    :param frequency: carrier that conductivities and permittivities are given at [Hz]
    :param quantities: the conductivity and the other quantities that were unknown, by name
    :param joint: posterior of all unknowns; None: not known
    :param origin: scene, radio and measurement that the values come from; None: not known
    :param layers: of objects that have layers; None: none were unknown
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    frequency: float
    quantities: dict[str, QuantityEstimate]
    joint: JointPosterior | None = None
    origin: Origin | None = None
    layers: LayerEstimates | None = None

    @property
    def slabs(self) -> dict[str, QuantityEstimate]:
        """The quantities of objects, and those of layers under the names of :data:`LAYER`."""
        behind = {} if self.layers is None else self.layers.quantities
        return {**self.quantities, **{LAYER[name]: each for name, each in behind.items()}}

    @property
    def values(self) -> dict[str, FloatArray]:
        """Of the quantities that a scene holds those that are known, each [K]."""
        return {q: self.quantities[q].value for q in QUANTITIES if q in self.quantities}

    def scene_of(self, scene: SceneModel) -> SceneModel:
        """The scene of the estimate, before it: ``scene`` with the classes that the estimation took
        unstated materials for.

        :raises SceneError: if it is another scene (the message names the objects)
        """
        self.check(scene)
        if self.names != scene.names:
            raise SceneError(
                "the objects of the scene have another order than those of the estimate"
            )
        return scene.fill_materials(self.materials)

    def check(self, scene: SceneModel) -> None:
        """Refuse another scene than that of the estimate.

        :param scene: with the materials from before the calibration; its objects in any order
        :raises SceneError: if it has other objects, or some of another geometry or material (the
            message names them); the latter only where the estimate says what it was made from
        """
        check_names(self.names, scene.names, f"the scene {scene.name!r}")
        self.check_layers(scene)
        if self.origin is not None:
            row = {name: k for k, name in enumerate(self.names)}
            filled = scene.fill_materials([self.materials[row[name]] for name in scene.names])
            self.origin.check(filled, self.names)

    def on(self, scene: SceneModel) -> SceneModel:
        """The scene with these numbers.

        Of an object whose conductivity or permittivity changes both become explicit. Objects whose
        material the scene leaves unstated are of the class that the estimation took them for.

        :raises SceneError: if the scene has other objects (the message names them)
        :raises FrequencyError: if a material is not tabulated at this carrier (names the object)
        """
        check_names(self.names, scene.names, f"the scene {scene.name!r}")
        row = {name: k for k, name in enumerate(self.names)}
        order = [row[name] for name in scene.names]
        scene = scene.fill_materials([self.materials[k] for k in order])
        before = {
            "conductivity": scene.conductivity(self.frequency),
            "relative_permittivity": scene.relative_permittivity(self.frequency),
            "thickness": scene.thickness,
            "scattering_coefficient": scene.scattering_coefficient,
            "xpd_coefficient": scene.xpd_coefficient,
        }
        after, changed = dict(before), dict.fromkeys(before, np.zeros(len(order), bool))
        for name, values in self.values.items():
            changed[name] = ~np.isclose(values[order], before[name], rtol=SAME, atol=0.0)
            after[name] = np.where(changed[name], values[order], before[name])
        electrical = changed["conductivity"] | changed["relative_permittivity"]

        def chosen(name: str, which: BoolArray) -> dict[str, float]:
            return {scene.names[k]: float(after[name][k]) for k in np.flatnonzero(which).tolist()}

        found = scene.with_materials(
            conductivity=chosen("conductivity", electrical),
            relative_permittivity=chosen("relative_permittivity", electrical),
            thickness=chosen("thickness", changed["thickness"]),
            scattering_coefficient=chosen(
                "scattering_coefficient", changed["scattering_coefficient"]
            ),
            xpd_coefficient=chosen("xpd_coefficient", changed["xpd_coefficient"]),
        )
        return self._with_losses(self._with_layers(found), scene, order)

    def check_layers(self, scene: SceneModel) -> None:
        """Refuse a scene with other layers than those that the values are of (SceneError)."""
        there = () if scene.layers is None else scene.layers.names
        if self.layers is not None and sorted(there) != sorted(self.layers.names):
            raise SceneError(
                "the estimate is about objects with other layers than the scene's: it has "
                f"{listed(self.layers.names)}, the scene {listed(there) or 'none'}; give the "
                "layers file that the estimate was made with (--layers, layers= of load_scene)"
            )

    def _with_layers(self, scene: SceneModel) -> SceneModel:
        """The scene with the values of the layers.

        :raises SceneError: if it has other layers
        """
        self.check_layers(scene)
        if self.layers is None or scene.layers is None:
            return scene
        there = scene.layers.names
        place = {name: index for index, name in enumerate(there)}
        values = scene.layers.values(self.frequency)
        own = [dict(zip(SLAB, each, strict=True)) for each in zip(*values, strict=True)]
        stated = [dict(each) for each in own]
        for name, quantity in self.layers.quantities.items():
            for label, value in zip(self.layers.names, quantity.value.tolist(), strict=True):
                index = place[label]
                if not np.isclose(value, own[index][name], rtol=SAME, atol=0.0):
                    own[index][name] = value
        return scene.with_layer_values({
            there[i]: new for i, new in enumerate(own) if new != stated[i]
        })  # fmt: skip

    def _with_losses(self, scene: SceneModel, before: SceneModel, order: list[int]) -> SceneModel:
        """The scene with the penetration losses, as losses beyond those of its slabs and layers."""
        quantity = self.quantities.get("penetration_loss")
        if quantity is None:
            return scene
        value = quantity.value[order]
        free = np.array([verdict != "fixed" for verdict in quantity.verdict])[order]
        was, now = (scene_loss(each, self.frequency) for each in (before, scene))
        free &= ~np.isclose(value, was, rtol=SAME, atol=SAME)
        extra = value - (now - scene.extra_loss_db)
        return scene.with_extra_loss(
            {scene.names[k]: float(extra[k]) for k in np.flatnonzero(free).tolist()}
        )

    def apply(self, scene: SionnaScene, source: SceneModel | None = None) -> LiveChange:
        """Set these numbers on a live ``sionna.rt.Scene``.

        :param source: the scene that the estimation was of. Its objects then also have the
            permittivity and the thickness that the estimation took for known, and are found in
            shapes that Sionna has merged
        :raises SceneError: if the scene has other objects (the message names them)
        :raises MaterialError: if a material is none of Sionna's own types
        """
        columns = {quantity: values.tolist() for quantity, values in self.values.items()}
        names = self.names
        if source is not None:
            calibrated, names = self.on(source), source.names
            columns = {
                "conductivity": calibrated.conductivity(self.frequency).tolist(),
                "relative_permittivity": calibrated.relative_permittivity(self.frequency).tolist(),
                "thickness": calibrated.thickness.tolist(),
                **{q: getattr(calibrated, q).tolist() for q in SCATTERING if q in self.values},
            }
        numbers = {
            name: LiveNumbers(**{quantity: columns[quantity][k] for quantity in columns})
            for k, name in enumerate(names)
        }
        change = set_materials(scene, numbers, self.frequency, source)
        remarks, now = self.remarks(), live_number(scene.frequency)
        remarks += self.missing_in_sionna(None if source is None else calibrated)
        if abs(now / self.frequency - 1.0) > 1e-6:
            remarks.append(
                f"the live scene is at {now / 1e9:g} GHz; the numbers hold at "
                f"{self.frequency / 1e9:g} GHz"
            )
        return replace(change, remarks=tuple(remarks))

    def missing_in_sionna(self, scene: SceneModel | None) -> list[str]:
        """Properties of a calibrated scene that Sionna does not know, each a sentence.

        :param scene: with these numbers; None: it is not known, and told of are all objects
        """
        lines = []
        layered = [] if scene is None else [o.name for o in scene.objects if o.layered]
        if scene is None and self.layers is not None:
            layered = sorted({name.rpartition("/")[0] for name in self.layers.names})
        if layered:
            lines.append(
                f"Sionna has no layers: of {short_list(layered)} it has the single slab that "
                "stands for them"
            )
        if scene is None:
            if "penetration_loss" in self.quantities:
                lines.append("Sionna knows the loss of slabs only: no penetration loss was set")
            return lines
        names = [o.name for o in scene.objects if o.extra_loss_db]
        if names:
            equal = [_equal_loss(scene, name, self.frequency) for name in names[:5]]
            lines.append(
                f"Sionna knows the loss of slabs only, so what passes through {short_list(names)} "
                "does not have the penetration loss that was estimated; " + "; ".join(equal)
            )
        return lines

    def write(self, scene: SceneModel, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the scene with these numbers to ``scene.xml`` and meshes.

        Plain ``sionna.rt.load_scene`` opens it with exactly these numbers. A comment in the file
        says at which carrier they were estimated, and which are the prior's. Layers and penetration
        losses, which Sionna does not have, are in ``layers.toml`` beside it.

        :param overwrite: write into a folder that is not empty
        :return: path of the XML file
        :raises SceneError: if the scene has other objects (the message names them)
        :raises StorageError: if the folder cannot be written to, or is not empty
        """
        about = ("Materials from an estimate of vlmrt_dist.", *self.remarks())
        return self.on(scene).write(
            folder, frequency=self.frequency, about=about, overwrite=overwrite
        )

    def remarks(self) -> list[str]:
        """Remarks for users of the numbers, a sentence a line."""
        lines = [
            f"estimated at {self.frequency / 1e9:g} GHz; Sionna keeps these numbers at every "
            "frequency, and objects whose numbers did not change keep their material, which may "
            "follow the frequency"
        ]
        for quantity in self.values:
            words, verdicts = quantity.replace("_", " "), self.quantities[quantity].verdict
            for verdict, meaning in _DOUBTFUL.items():
                names = [n for n, v in zip(self.names, verdicts, strict=True) if v == verdict]
                if names:
                    lines.append(f"the {words} of {short_list(names)} {meaning}")
        return lines


def _equal_loss(scene: SceneModel, name: str, frequency: float) -> str:
    """The conductivity that would give a slab the penetration loss of an object."""
    k = scene.names.index(name)
    loss = float(scene_loss(scene, frequency)[k])
    sigma = None
    if scene.objects[k].layered is None:
        permittivity = float(scene.relative_permittivity(frequency)[k])
        sigma = conductivity_of_loss(loss, permittivity, float(scene.thickness[k]), frequency)
    told = "no conductivity gives its slab" if sigma is None else f"{sigma:.4g} S/m would give"
    return f"{told} {name} its {loss:.1f} dB at normal incidence"
