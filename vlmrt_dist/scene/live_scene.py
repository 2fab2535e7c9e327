"""A live scene of Sionna (``sionna.rt.Scene``): its objects and materials as values.

Sionna's ``load_scene`` merges the shapes of each material unless it is told not to, and with them
go their names. :func:`live_objects` splits such shapes again. Sionna holds everything in single
precision; numbers are read as the shortest decimals that round to what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.merged_mesh import split_mesh
from vlmrt_dist.scene.model import SceneModel, bounding_bounds
from vlmrt_dist.scene.scattering_pattern import LAMBERTIAN, ScatteringPattern
from vlmrt_dist.scene.scene_object import SceneObject
from vlmrt_dist.scene.scene_writer import ID_COUNTER

MAX_NAMED = 8
"""Most names that a message lists."""

SAME_PLACE = 1e-3
"""Distance [m] up to which a triangle of a file and one of a live scene count as the same."""

SINGLE_PRECISION = 1e-6
"""Relative difference of numbers that are the same in single precision, computed differently."""

_NAMELESS = re.compile(r"no-name-\d+")
"""Name that Sionna gives a shape without one, as merged shapes are."""

COUNTED = re.compile(re.escape(ID_COUNTER) + r"\d+$")


class SionnaScene(Protocol):
    """The part of a ``sionna.rt.Scene`` that is used."""

    @property
    def objects(self) -> dict[str, Any]:
        """Its objects by name."""

    @property
    def radio_materials(self) -> dict[str, Any]:
        """Its materials by name."""

    @property
    def transmitters(self) -> dict[str, Any]:
        """Its transmitters by name."""

    @property
    def receivers(self) -> dict[str, Any]:
        """Its receivers by name."""

    @property
    def frequency(self) -> Any:
        """Its carrier [Hz]."""

    def get(self, name: str) -> Any:
        """Whatever has this name, or None."""

    def remove(self, item: Any) -> None:
        """Take something out."""

    def edit(self, add: Any = None, remove: Any = None) -> None:
        """Put objects in and take others out."""


class NotTakenOver(UserWarning):
    """Something of a live scene that values of this package do not hold."""


@dataclass(frozen=True, eq=False)
class LiveObject:
    """An object of a live scene: one of Sionna's, or a part of one that Sionna has merged.

    :param name: of the object
    :param shape: name of Sionna's object that it is, or is a part of
    :param vertices: [V,3] [m]
    :param faces: [F,3] indices into ``vertices``
    :param rows: [F] faces of the mesh of ``shape`` that it consists of
    """

    name: str
    shape: str
    vertices: FloatArray
    faces: npt.NDArray[np.int32]
    rows: IntArray


def is_live(scene: object) -> TypeGuard[SionnaScene]:
    """Whether something is a ``sionna.rt.Scene``; Sionna is not imported."""
    return any(
        kind.__name__ == "Scene" and kind.__module__.split(".")[:2] == ["sionna", "rt"]
        for kind in type(scene).__mro__
    )


def live_model(
    scene: SionnaScene, *, source: SceneModel | None = None, headroom: float = 0.0
) -> tuple[SceneModel, list[str]]:
    """Geometry and materials of a live scene.

    An object has a material class if Sionna takes its numbers from that class's table, else its
    numbers.

    :param scene: ``sionna.rt.Scene``
    :param source: the scene that it was loaded from, whose objects and names are kept; None: shapes
        that Sionna has merged are split by what hangs together
    :param headroom: how far the room reaches above the highest geometry [m]; it reaches to the
        highest antenna in any case
    :return: the scene model, and what it does not hold, each a sentence
    :raises SceneError: if there is no object, or ``source`` is another scene
    :raises MaterialError: if a material is none of Sionna's own types, or impossible
    """
    parts, remarks = live_objects(scene, source)
    shapes, frequency = scene.objects, live_number(scene.frequency)
    read: dict[str, _LiveMaterial] = {}
    items = []
    for part in parts:
        material = shapes[part.shape].radio_material
        if material.name not in read:
            read[material.name] = _material(material, part.name, frequency, remarks)
        values = read[material.name]
        items.append(
            SceneObject(
                part.name,
                values.name,
                part.vertices,
                part.faces,
                thickness=values.thickness,
                relative_permittivity=values.relative_permittivity,
                conductivity=values.conductivity,
                scattering_coefficient=values.scattering_coefficient,
                xpd_coefficient=values.xpd_coefficient,
                scattering_pattern=values.scattering_pattern,
            )
        )
    if not items:
        raise SceneError("the live scene holds no object; a scene needs at least one")
    bounds = bounding_bounds(tuple(items), headroom)
    antennas = _antennas(scene)
    if len(antennas):
        bounds[1, 2] = max(bounds[1, 2], antennas[:, 2].max())
    return SceneModel("live scene", tuple(items), bounds), remarks


def live_objects(
    scene: SionnaScene, source: SceneModel | None = None
) -> tuple[list[LiveObject], list[str]]:
    """The objects of a live scene, and remarks about them.

    :raises SceneError: if ``source`` has other triangles than the live scene
    """
    remarks: list[str] = []
    shapes = scene.objects  # a property that makes a new dictionary
    meshes = {name: arrays(item.mi_mesh) for name, item in shapes.items()}
    empty = [name for name, (_, faces) in meshes.items() if not len(faces)]
    if empty:
        remarks.append(f"left out, as they have no triangle: {short_list(empty)}")
    meshes = {name: mesh for name, mesh in meshes.items() if name not in empty}
    if source is not None:
        classes = {name: plain_name(shapes[name].radio_material.name) for name in meshes}
        return _Shapes(meshes, classes).objects_of(source), remarks
    points = np.concatenate([_antennas(scene), *(vertices for vertices, _ in meshes.values())])
    taken = {*meshes, *scene.radio_materials, *scene.transmitters, *scene.receivers}
    found, merged = [], []
    for shape, (vertices, faces) in meshes.items():
        if not _NAMELESS.fullmatch(shape):
            found.append(LiveObject(shape, shape, vertices, faces, np.arange(len(faces))))
            continue
        material = plain_name(shapes[shape].radio_material.name)
        pieces = split_mesh(vertices, faces, points)
        names = _numbered(material, len(pieces), taken)
        merged.append(f"{names[0]} to {names[-1]}" if len(names) > 1 else names[0])
        for name, rows in zip(names, pieces, strict=True):
            found.append(_part(name, shape, vertices, faces, rows))
    if merged:
        remarks.append(
            "Sionna has merged shapes, whose names are lost; they are split by what hangs together "
            f"into {', '.join(merged)}. Load the scene with merge_shapes=False, or give the file "
            "as source=, to have its own objects"
        )
    return found, remarks


def check_names(
    expected: Sequence[str], found: Sequence[str], where: str, *, merged: bool = False
) -> None:
    """Refuse objects that are not those expected.

    :param where: what has the objects found, for the message
    :param merged: it has lost names because Sionna has merged shapes
    :raises SceneError: if any is missing or too many
    """
    missing = [name for name in expected if name not in set(found)]
    extra = [name for name in found if name not in set(expected)]
    wrong = []
    if missing:
        wrong.append(f"there is no {short_list(missing)}")
    if extra:
        wrong.append(f"the estimate does not know {short_list(extra)}")
    if wrong:
        hint = "give the scene that the estimate was made for"
        if merged:
            hint = "load it with merge_shapes=False, so that objects keep their names"
        raise SceneError(f"{where} has other objects: {', and '.join(wrong)}; {hint}")


def short_list(names: Sequence[str]) -> str:
    """Names for a message, the first few of many."""
    shown = ", ".join(map(repr, names[:MAX_NAMED]))
    return shown + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")


def shortest_decimal(value: Any) -> float:
    """The shortest decimal that a number in single precision is written as."""
    return float(str(np.float32(value)))


def live_number(value: Any) -> float:
    """One number that Sionna holds as an array of one."""
    return shortest_decimal(np.asarray(value, dtype=np.float32).reshape(-1)[0])


def device_position(device: Any) -> FloatArray:
    """[3] position of a transmitter or receiver [m]."""
    return np.array(
        [shortest_decimal(x) for x in np.asarray(device.position, np.float32).reshape(-1)]
    )


class _LiveMaterial(NamedTuple):
    name: str
    thickness: float
    relative_permittivity: float | None = None
    conductivity: float | None = None
    scattering_coefficient: float = 0.0
    xpd_coefficient: float = 0.0
    scattering_pattern: ScatteringPattern = LAMBERTIAN


def _pattern(material: Any, remarks: list[str]) -> ScatteringPattern:
    """How a live material scatters; what is lost goes to ``remarks``."""
    pattern = material.scattering_pattern
    kind = type(pattern).__name__
    if kind == "DirectivePattern":
        return ScatteringPattern("directive", pattern.alpha_r)
    if kind == "BackscatteringPattern":
        share = live_number(pattern.lambda_)
        return ScatteringPattern("backscattering", pattern.alpha_r, pattern.alpha_i, share)
    if kind != "LambertianPattern":
        remarks.append(
            f"material {material.name!r} scatters by a {kind}, which is not one of Sionna's own; "
            "it is taken as Lambertian"
        )
    return LAMBERTIAN


def _material(material: Any, where: str, frequency: float, remarks: list[str]) -> _LiveMaterial:
    """The values of a live material; what is lost goes to ``remarks``."""
    check_type(material, where)
    values = _LiveMaterial(
        plain_name(material.name),
        live_number(material.thickness),
        scattering_coefficient=live_number(material.scattering_coefficient),
        xpd_coefficient=live_number(material.xpd_coefficient),
    )
    if values.scattering_coefficient != 0.0:
        remarks.append(
            f"material {material.name!r} scatters (scattering_coefficient "
            f"{values.scattering_coefficient:g}), which acts only with "
            "RadioConfig(diffuse_reflection=True)"
        )
        values = values._replace(scattering_pattern=_pattern(material, remarks))
    sigma, permittivity = (
        live_number(material.conductivity),
        live_number(material.relative_permittivity),
    )
    if getattr(material, "itu_type", None) is None or material.frequency_update_callback is None:
        if material.frequency_update_callback is not None:
            remarks.append(
                f"material {material.name!r} follows a function of the frequency; its numbers at "
                f"{frequency / 1e9:g} GHz are taken"
            )
        return values._replace(relative_permittivity=permittivity, conductivity=sigma)
    kind = material.itu_type
    values = values._replace(name=kind)
    if followed_class(material, frequency) is not None:
        return values
    remarks.append(
        f"material {material.name!r} is the ITU's {kind} with other numbers than its table's, "
        "which Sionna restores when the frequency is set; its present numbers are taken"
    )
    return values._replace(relative_permittivity=permittivity, conductivity=sigma)


def check_type(material: Any, where: str) -> None:
    """:raises MaterialError: if a material has no numbers of its own"""
    if not all(hasattr(material, name) for name in ("conductivity", "frequency_update_callback")):
        raise MaterialError(
            f"object {where!r} has a material of type {type(material).__name__}; only Sionna's "
            "RadioMaterial and ITURadioMaterial have numbers; give it one of these"
        )


def followed_class(material: Any, frequency: float) -> str | None:
    """The ITU class whose table a material follows; None if it has other numbers.

    :param frequency: carrier of the live scene [Hz]
    """
    kind = getattr(material, "itu_type", None)
    if kind is None or material.frequency_update_callback is None:
        return None
    if not itu.is_tabulated(kind, frequency):
        return None
    table = itu.conductivity(kind, frequency), itu.relative_permittivity(kind, frequency)
    numbers = live_number(material.conductivity), live_number(material.relative_permittivity)
    same = np.allclose(numbers, table, rtol=SINGLE_PRECISION, atol=0.0)
    return str(kind) if same else None


def plain_name(name: str) -> str:
    """A material's name without what makes it unique; the class if it names one."""
    plain = COUNTED.sub("", name)
    try:
        return itu.material_class(plain)
    except MaterialError:
        return plain


def _antennas(scene: SionnaScene) -> FloatArray:
    """Positions of all devices [D,3] [m]."""
    devices = [*scene.transmitters.values(), *scene.receivers.values()]
    return np.array([device_position(device) for device in devices]).reshape(-1, 3)


def arrays(mesh: Any) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Vertices [V,3] and faces [F,3] of a mesh of Mitsuba's."""
    vertices = np.array(mesh.vertex_positions_buffer(), np.float64).reshape(-1, 3)
    return vertices, np.array(mesh.faces_buffer(), np.int32).reshape(-1, 3)


def _part(
    name: str, shape: str, vertices: FloatArray, faces: npt.NDArray[np.int32], rows: IntArray
) -> LiveObject:
    used, corners = np.unique(faces[rows], return_inverse=True)
    triangles: npt.NDArray[np.int32] = corners.reshape(-1, 3).astype(np.int32)
    return LiveObject(name, shape, vertices[used], triangles, rows)


def _numbered(stem: str, count: int, taken: set[str]) -> list[str]:
    """``count`` names that nothing has, which are taken then."""
    names: list[str] = []
    number = 1
    while len(names) < count:
        name = f"{stem}_{number}"
        number += 1
        if name not in taken:
            taken.add(name)
            names.append(name)
    return names


class _Shapes:
    """The meshes of a live scene, asked where the triangles of other objects are.

    :param meshes: vertices and faces of each
    :param classes: material of each
    """

    def __init__(
        self,
        meshes: Mapping[str, tuple[FloatArray, npt.NDArray[np.int32]]],
        classes: Mapping[str, str],
    ) -> None:
        from scipy.spatial import cKDTree

        self._classes = classes
        self._names = list(meshes)
        centres = [vertices[faces].mean(axis=1) for vertices, faces in meshes.values()]
        self._trees = dict(zip(self._names, map(cKDTree, centres), strict=True))
        self._low = np.array([points.min(axis=0) for points in centres])
        self._high = np.array([points.max(axis=0) for points in centres])
        self._left = {n: len(points) for n, points in zip(self._names, centres, strict=True)}
        largest = max(float(np.abs(points).max()) for points in centres)
        self._near = SAME_PLACE + 4.0 * float(np.finfo(np.float32).eps) * largest

    def objects_of(self, source: SceneModel) -> list[LiveObject]:
        """The objects of ``source``, each with the shape that has its triangles.

        :raises SceneError: if one is nowhere, or the live scene has more triangles
        """
        found, missing = [], []
        for item in source.objects:
            at = self._place(item)
            if at is None:
                missing.append(item.name)
            else:
                found.append(LiveObject(item.name, at[0], item.vertices, item.faces, at[1]))
        if missing:
            raise SceneError(
                f"the live scene has no triangles where its source has {short_list(missing)}"
            )
        extra = [shape for shape, number in self._left.items() if number > 0]
        if extra:
            raise SceneError(f"the source of the live scene lacks triangles of {short_list(extra)}")
        return found

    def _place(self, item: SceneObject) -> tuple[str, IntArray] | None:
        """Shape and faces at the triangles of an object."""
        points = item.vertices[item.faces].mean(axis=1)
        around = (self._low <= points.min(axis=0) + self._near).all(axis=1)
        around &= (self._high >= points.max(axis=0) - self._near).all(axis=1)
        candidates = [self._names[k] for k in np.flatnonzero(around)]
        # Among coincident shapes that of its own name or class goes first.
        candidates.sort(key=lambda name: (name != item.name, self._classes[name] != item.material))
        for shape in candidates:
            distance, rows = self._trees[shape].query(points)
            if (distance <= self._near).all():
                self._left[shape] -= len(rows)
                return shape, rows
        return None
