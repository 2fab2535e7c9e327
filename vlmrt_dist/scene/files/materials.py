"""Radio materials of a scene file, as Sionna takes them from its BSDFs.

=====================  ====================================================================
BSDF                   what Sionna takes
=====================  ====================================================================
any, id ``itu_…`` or   the ITU material of the id, or of the string ``type``; ``thickness``.
``mat-itu_…``          Other numbers are dropped, scattering with them
itu-radio-material     the ITU material of the string ``type``; ``thickness``; scattering.
                       Conductivity and permittivity are dropped
radio-material         its numbers: permittivity 1 and conductivity 0 where they are missing
=====================  ====================================================================

Beyond that, upper and lower case of ITU names are the same, the prefix ``itu_`` may be missing, and
what Blender (``.001``) or this package (``--1``) appends to make an id unique is not part of a
name.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.files.remarks import Remarks
from vlmrt_dist.scene.files.xml_allowlist import attribute, number, quoted
from vlmrt_dist.scene.scene_object import BLENDER_COUNTER, DEFAULT_THICKNESS
from vlmrt_dist.scene.scene_writer import ID_COUNTER

Scattering = Literal["ignore", "refuse"]

ABSORBER = "absorber-radio-material"
RADIO_BSDFS = ("itu-radio-material", "radio-material")
NUMBERS = ("thickness", "relative_permittivity", "conductivity")
SCATTERING = ("scattering_coefficient", "xpd_coefficient", "alpha_r", "alpha_i", "lambda_")

_COUNTED = re.compile(re.escape(ID_COUNTER) + r"\d+$")


@dataclass(frozen=True)
class FileMaterial:
    """Radio properties of a BSDF; numbers that it leaves to the ITU table are None.

    :param name: ITU class, or the file's own name
    """

    name: str
    thickness: float = DEFAULT_THICKNESS
    relative_permittivity: float | None = None
    conductivity: float | None = None
    scattering_coefficient: float = 0.0
    xpd_coefficient: float = 0.0


class MaterialReader:
    """Reads the materials that shapes use; those that none uses are not looked at.

    :param meant: material or object -> ITU class that it stands for
    :param scattering: "ignore": keep scattering coefficients and say so; "refuse": raise
    :param remarks: collects what has to be said
    """

    def __init__(self, meant: Mapping[str, str], scattering: Scattering, remarks: Remarks) -> None:
        self._meant = {name: itu.material_class(text) for name, text in meant.items()}
        self._scattering = scattering
        self._remarks = remarks

    def read(self, bsdf: Element, item: str) -> FileMaterial:
        """The material of an object.

        :param item: the object's name, by which a material without an id goes
        :raises MaterialError: if a number is impossible or a setting unknown
        """
        identifier = bsdf.get("id") or item
        plain = plain_name(identifier)
        sionna_name = identifier.removeprefix("mat-")
        table_id = sionna_name.startswith(("itu_", "itu-"))
        kind = attribute(bsdf, "type")
        radio = table_id or kind in RADIO_BSDFS
        values = _numbers(bsdf, identifier, only_thickness=table_id or not radio)
        label = plain
        if radio and (table_id or kind == "itu-radio-material"):
            label = _text(bsdf, "type") or plain
        material = FileMaterial(
            _class_or_name(label),
            values.get("thickness", DEFAULT_THICKNESS),
            scattering_coefficient=values.get("scattering_coefficient", 0.0),
            xpd_coefficient=values.get("xpd_coefficient", 0.0),
        )
        given = self._given(item, plain, label)
        if given is not None:
            return FileMaterial(given, material.thickness)
        if kind == ABSORBER and not table_id:
            self._remarks.add("absorber", plain)
        elif kind == "radio-material" and not table_id:
            material = self._by_numbers(material, values, plain)
        elif radio and _has_numbers(bsdf, (*NUMBERS[1:], *SCATTERING[: int(table_id)])):
            self._remarks.add("dropped", plain)
        self._check_scattering(values, plain)
        return material

    def check_meant(self, root: Element, objects: tuple[str, ...]) -> None:
        """:raises MaterialError: if a class was given for what the file does not have"""
        plain = {plain_name(each.get("id", "")) for each in root.iter("bsdf")}
        plain |= {_text(each, "type") for each in root.iter("bsdf")}
        known = {_stem(each) for each in plain} | plain | set(objects)
        unknown = [name for name in self._meant if not {name, plain_name(name)} & known]
        if unknown:
            raise MaterialError(
                f"the scene has no material {', '.join(map(quoted, unknown))}; it has "
                + ", ".join(quoted(each) for each in sorted(plain - {""}))
                + ", and no object of that name"
            )

    def _given(self, item: str, plain: str, label: str) -> str | None:
        """The class that was given for an object, its material, or that without a counter."""
        names = {plain_name(name): text for name, text in self._meant.items()}
        asked = (plain, label, _stem(plain), _stem(label))
        return self._meant.get(item) or next((names[e] for e in asked if e in names), None)

    def _by_numbers(
        self, material: FileMaterial, values: Mapping[str, float], plain: str
    ) -> FileMaterial:
        """Sionna's defaults where a radio material leaves a number out."""
        for name, default in (("relative_permittivity", 1.0), ("conductivity", 0.0)):
            if name not in values:
                self._remarks.add(name, plain)
                values = {**values, name: default}
        return dataclasses.replace(
            material,
            relative_permittivity=values["relative_permittivity"],
            conductivity=values["conductivity"],
        )

    def _check_scattering(self, values: Mapping[str, float], plain: str) -> None:
        share = values.get("scattering_coefficient", 0.0)
        if not 0.0 <= share <= 1.0:
            raise MaterialError(
                f"material {quoted(plain)}: scattering_coefficient must be between 0 and 1"
            )
        if share and self._scattering == "refuse":
            self._remarks.add("refused scattering", plain)
        elif share:
            self._remarks.add("scattering", plain)


def plain_name(identifier: str) -> str:
    """A material's name without Sionna's prefix and this package's counter."""
    return _COUNTED.sub("", identifier.removeprefix("mat-")) or identifier


def _stem(name: str) -> str:
    return BLENDER_COUNTER.sub("", name) or name


def _class_or_name(label: str) -> str:
    """The ITU class that a name stands for, or the name."""
    for each in (label, _stem(label)):
        if each in itu.MATERIALS:
            return each
        try:
            return itu.material_class(each)
        except MaterialError:
            continue
    return label


def _text(bsdf: Element, name: str) -> str:
    """A string of a BSDF; empty if it has none of that name."""
    said = (x.get("value", "") for x in bsdf if x.tag == "string" and x.get("name") == name)
    return next(said, "")


def _has_numbers(bsdf: Element, names: Container[str]) -> bool:
    """Whether a BSDF has one of these numbers, other than zero."""
    return any(x.get("value", "").strip("0. ") for x in bsdf if x.get("name") in names)


def _numbers(bsdf: Element, identifier: str, *, only_thickness: bool) -> dict[str, float]:
    """Numbers of a BSDF by name.

    :param only_thickness: drop the others unread, as Sionna does
    :raises MaterialError: if a name is unknown
    """
    values: dict[str, float] = {}
    unknown: list[str] = []
    for child in bsdf:
        label = child.get("name", "")
        if child.tag not in ("float", "integer") or (only_thickness and label != "thickness"):
            continue
        if label not in NUMBERS + SCATTERING:
            unknown.append(quoted(label))
            continue
        if label in values:
            if only_thickness:
                continue  # Sionna takes the first
            raise MaterialError(f"material {quoted(identifier)} has two values of {label}")
        values[label] = number(attribute(child, "value"), f"{label} of {quoted(identifier)}")
    if unknown:
        raise MaterialError(
            f"material {quoted(identifier)}: {', '.join(unknown)} is not understood; known are "
            + ", ".join(NUMBERS + SCATTERING)
        )
    return values
