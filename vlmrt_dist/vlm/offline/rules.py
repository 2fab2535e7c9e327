"""Offline advisor: rules on names and geometry, without a key, a network or a vision model.

It reads the names of materials and objects, and the shapes. Colours are ignored: those of a scene
file are a palette that stands for the class itself.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np

from vlmrt_dist.campaign import Region
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import MATERIALS, SceneModel, SceneObject, class_spread, prior_from_classes
from vlmrt_dist.vlm.advisor import MaterialAdvice, PositionAdvice, Usage
from vlmrt_dist.vlm.offline import positions as offline_positions
from vlmrt_dist.vlm.offline.material_words import Reading, read_material, words_of

STATED = 0.95
"""Confidence where the file states a class that is valid at the carrier."""
CONTRADICTED = 0.85
"""Factor where the object's own name says another class than its material's."""
BY_ROLE, BY_SHAPE, BY_NOTHING = 0.2, 0.1, 0.05
"""Confidence of a class by the role in the object's name (floor, wall, roof), by its shape, and
where neither is known."""

ROLES: dict[str, tuple[str, ...]] = {
    "concrete": ("floor", "boden", "fussboden", "ground", "plane", "roof", "dach", "stairs",
                 "treppe", "column", "pillar", "bridge"),
    "brick": ("wall", "wand", "mauer", "building", "house", "haus", "gebaeude", "facade",
              "fassade", "chimney"),
    "plasterboard": ("ceiling", "decke", "partition", "trennwand"),
    "medium_dry_ground": ("terrain", "gelaende", "garden", "park"),
    "asphalt_concrete": ("road", "street", "strasse", "pavement"),
    "wood": ("door", "tuer", "table", "tisch", "desk", "cabinet", "schrank", "shelf", "regal",
             "chair", "stuhl", "bench", "furniture"),
}  # fmt: skip
"""Material class -> roles that usually are made of it."""

FLAT = 0.05
"""Thickness, as a share of the size, below which an object is a plane."""
WALL_HEIGHT, BUILDING_HEIGHT = 1.5, 4.0
"""Least height [m] of an upright plane that is a wall, and of any other object that is a
building."""

HOW = "offline rules, no vision model: "


class OfflineAdvisor:
    """Proposes materials from names and shapes, and positions by geometry; see ``Advisor``.

    :param anonymous: go by the shapes alone, without names and material classes
    """

    name = "offline"
    sees_images = False
    spent_usd = 0.0

    def __init__(self, *, anonymous: bool = False) -> None:
        self._anonymous = anonymous

    def propose_materials(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        table: Mapping[str, tuple[float, float]],
        *,
        frequency: float,
    ) -> MaterialAdvice:
        """A class for each of the K objects; images are ignored.

        :param table: class -> (c, d); only its names are answered
        :param frequency: carrier [Hz]
        :raises MaterialError: if the table names no class with a conductivity to estimate
        """
        clock = time.perf_counter()
        spread = class_spread(table, frequency)
        if not spread:
            raise MaterialError("the table holds no material with a conductivity to estimate")
        # For objects of which nothing is known: the class with the least spread of the others.
        middle = min(spread, key=lambda name: spread[name])
        reading = _by_shape if self._anonymous else _reading
        readings = [reading(scene, item, table, middle) for item in scene.objects]
        prior = prior_from_classes(
            scene.names,
            [r.material for r in readings],
            [r.confidence for r in readings],
            [HOW + r.because for r in readings],
            table,
            frequency=frequency,
        )
        return MaterialAdvice(prior, self._usage(clock))

    def propose_positions(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int = 0,
        region: Region | None = None,
    ) -> PositionAdvice:
        """M setups of N receivers by :func:`vlmrt_dist.vlm.offline.positions.plan`.

        :raises CampaignError: if a number is not positive, or the scene has no free space
        """
        clock = time.perf_counter()
        shown = _anonymised(scene) if self._anonymous else scene
        plan = offline_positions.plan(
            shown, num_setups, num_receivers, seed=seed, region=region or Region()
        )
        return PositionAdvice(plan.campaign, plan.reasons, self._usage(clock, plan.remarks))

    def _usage(self, clock: float, remarks: tuple[str, ...] = ()) -> Usage:
        return Usage(
            provider=self.name,
            prompt="anonymous" if self._anonymous else "",
            image_source="none",
            seconds=time.perf_counter() - clock,
            remarks=remarks,
        )


def _reading(
    scene: SceneModel, item: SceneObject, table: Mapping[str, object], middle: str
) -> Reading:
    """The object's material, from its material's name, its own name, its role or its shape."""
    stated = _stated(item.material, table)
    named = read_material(item.name, table)
    if stated is not None and named is not None and stated.material != named.material:
        first = stated if stated.confidence >= named.confidence else named
        other = named if first is stated else stated
        because = f"{first.because}; but {other.because}"
        return Reading(first.material, CONTRADICTED * first.confidence, because)
    best = max((r for r in (stated, named) if r), key=lambda r: r.confidence, default=None)
    return best or _by_role(item, table) or _by_shape(scene, item, table, middle)


def _stated(material: str, table: Mapping[str, object]) -> Reading | None:
    if material in MATERIALS and material in table:
        return Reading(material, STATED, f"the file states {material}")
    reading = read_material(material, table)
    return reading and reading._replace(because=f"the material's name {reading.because}")


def _by_role(item: SceneObject, table: Mapping[str, object]) -> Reading | None:
    for word in reversed(words_of(f"{item.material} {item.name}")):
        for material, roles in ROLES.items():
            if word in roles and material in table:
                return Reading(material, BY_ROLE, f"a {word} by its name, often {material}")
    return None


def _by_shape(
    scene: SceneModel, item: SceneObject, table: Mapping[str, object], middle: str
) -> Reading:
    shape, material = _shape(scene, item)
    if material in table:
        return Reading(material, BY_SHAPE, f"{shape} by its shape, often {material}")
    return Reading(
        middle, BY_NOTHING, f"nothing is known; {middle} lies in the middle of the table"
    )


def _anonymised(scene: SceneModel) -> SceneModel:
    """The scene with numbers for names, and the classes that shapes alone suggest."""
    objects = tuple(
        dataclasses.replace(item, name=f"object_{k}", material=_shape(scene, item)[1])
        for k, item in enumerate(scene.objects, 1)
    )
    return dataclasses.replace(scene, objects=objects)


def _shape(scene: SceneModel, item: SceneObject) -> tuple[str, str]:
    low, high = item.vertices.min(axis=0), item.vertices.max(axis=0)
    size = high - low
    flat = size.min() <= FLAT * size.max()
    if flat and np.argmin(size) == 2:
        middle = scene.bounds[:, 2].mean()
        return ("a floor", "concrete") if low[2] <= middle else ("a ceiling", "plasterboard")
    if flat and size[2] >= WALL_HEIGHT:
        return "a wall", "brick"
    return ("a building", "brick") if size[2] >= BUILDING_HEIGHT else ("a thing", "wood")
