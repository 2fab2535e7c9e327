"""Materials of a live scene of Sionna (``sionna.rt.Scene``) set to given numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vlmrt_dist.arrays import IntArray
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.live_scene import (
    COUNTED,
    SINGLE_PRECISION,
    LiveObject,
    SionnaScene,
    arrays,
    check_names,
    check_type,
    followed_class,
    live_number,
    live_objects,
    plain_name,
    short_list,
)
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.scene_writer import ID_COUNTER


class LiveNumbers(NamedTuple):
    """Numbers of a material, None where the object's own stays.

    :param conductivity: [S/m]
    :param relative_permittivity: real part
    :param thickness: of the slab [m]
    :param scattering_coefficient: S
    :param xpd_coefficient: K_x
    """

    conductivity: float
    relative_permittivity: float | None = None
    thickness: float | None = None
    scattering_coefficient: float | None = None
    xpd_coefficient: float | None = None


@dataclass(frozen=True, repr=False)
class LiveChange:
    """How the objects of a live scene were changed.

    :param changed: objects that have a new material of constant numbers
    :param kept: objects whose material has the numbers already
    :param split: merged shapes that objects were taken out of
    :param remarks: what a user of the numbers should know, each a sentence
    """

    changed: tuple[str, ...]
    kept: tuple[str, ...]
    split: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [
            f"{len(self.changed)} objects have new numbers ({short_list(self.changed) or 'none'}), "
            f"{len(self.kept)} had theirs already"
        ]
        return "\n".join([*lines, *self.remarks])


def set_materials(
    scene: SionnaScene,
    numbers: Mapping[str, LiveNumbers],
    frequency: float,
    source: SceneModel | None = None,
) -> LiveChange:
    """Give the objects of a live scene these numbers; all of them or, on an error, none.

    An object whose material has the numbers already keeps it, and with it its dependence on the
    frequency; every other one gets a ``RadioMaterial`` of constant numbers, with the scattering
    and the colour of its old one. Objects of the same old material and the same numbers share it.
    Of a merged shape whose objects differ those with new numbers become objects of their own.

    :param scene: ``sionna.rt.Scene``
    :param numbers: object -> its numbers
    :param frequency: carrier that the numbers hold for, at which permittivities are taken that
        are not given [Hz]
    :param source: as for :func:`live_model`; tried if the live objects have other names
    :raises SceneError: if the scene has other objects (the message names them)
    :raises MaterialError: if a number is impossible, or a material is none of Sionna's own types
    """
    parts = _matching(scene, numbers, source)
    shapes, now = scene.objects, live_number(scene.frequency)
    wanted: dict[str, tuple[float, ...] | None] = {}
    for part in parts:
        material = shapes[part.shape].radio_material
        before = _numbers(material, part.name, now, frequency)
        wanted[part.name] = _wanted(before, part.name, numbers[part.name])
    made = _Materials(scene)
    by_shape: dict[str, list[LiveObject]] = {}
    for part in parts:
        by_shape.setdefault(part.shape, []).append(part)
    alone, added, removed = [], [], []
    numbers_left = (k for k in itertools.count(1) if scene.get(f"no-name-{k}") is None)
    for shape, members in by_shape.items():
        item = shapes[shape]
        if len({wanted[part.name] for part in members}) == 1:
            values = wanted[members[0].name]
            if values is not None:
                alone.append((item, made.constant(item.radio_material, values)))
            continue
        removed.append(shape)
        added += _split(item, members, wanted, made, f"no-name-{next(numbers_left)}")
    for item, material in alone:
        item.radio_material = material
    if added:
        scene.edit(add=added, remove=removed)
    made.remove_unused()
    changed = tuple(part.name for part in parts if wanted[part.name] is not None)
    kept = tuple(part.name for part in parts if wanted[part.name] is None)
    return LiveChange(changed, kept, tuple(removed))


def _matching(
    scene: SionnaScene, numbers: Mapping[str, LiveNumbers], source: SceneModel | None
) -> list[LiveObject]:
    """The live objects that ``numbers`` are about.

    :raises SceneError: if there are other ones
    """
    parts, _ = live_objects(scene)
    merged = any(part.name != part.shape for part in parts)
    if merged and source is not None and {part.name for part in parts} != set(numbers):
        parts, _ = live_objects(scene, source)
    check_names(list(numbers), [part.name for part in parts], "the live scene", merged=merged)
    return parts


def _numbers(material: Any, name: str, now: float, frequency: float) -> tuple[float, ...]:
    """The numbers of a material, in the order of :class:`LiveNumbers`, at ``frequency``.

    :param name: of the object
    :param now: carrier of the live scene [Hz]
    """
    check_type(material, name)
    rough = material.scattering_coefficient, material.xpd_coefficient
    surface = live_number(rough[0]), live_number(rough[1])
    thickness, kind = live_number(material.thickness), followed_class(material, now)
    if kind is not None and itu.is_tabulated(kind, frequency):
        table = itu.conductivity(kind, frequency), itu.relative_permittivity(kind, frequency)
        return (*table, thickness, *surface)
    sigma, permittivity = material.conductivity, material.relative_permittivity
    return live_number(sigma), live_number(permittivity), thickness, *surface


def _wanted(before: tuple[float, ...], name: str, numbers: LiveNumbers) -> tuple[float, ...] | None:
    """The numbers that an object is to have; None: it has them."""
    after = tuple(
        old if new is None else float(new) for old, new in zip(before, numbers, strict=True)
    )
    sigma, permittivity, thickness, *rough = after
    if not all(0.0 <= share <= 1.0 for share in rough):
        raise MaterialError(
            f"object {name!r}: a scattering coefficient of {rough[0]:g} or an XPD coefficient of "
            f"{rough[1]:g} is impossible"
        )
    if not (sigma >= 0.0 and permittivity >= 1.0 and thickness > 0.0 and np.isfinite(after).all()):
        raise MaterialError(
            f"object {name!r}: a conductivity of {sigma:g} S/m, a relative permittivity of "
            f"{permittivity:g} or a thickness of {thickness:g} m is impossible"
        )
    return None if np.allclose(before, after, rtol=SINGLE_PRECISION, atol=0.0) else after


class _Materials:
    """New materials of a live scene, one for each old one and its numbers."""

    def __init__(self, scene: SionnaScene) -> None:
        self._scene = scene
        self._made: dict[tuple[str, tuple[float, ...]], Any] = {}
        self._old: set[str] = set()
        self._numbers: dict[str, itertools.count[int]] = {}

    def constant(self, old: Any, values: tuple[float, ...]) -> Any:
        """A material of constant numbers that otherwise is the old one."""
        import sionna.rt as rt

        key = (old.name, values)
        if key not in self._made:
            sigma, permittivity, thickness, share, xpd = values
            material = rt.RadioMaterial(
                name=self._unused(plain_name(old.name)),
                thickness=thickness,
                relative_permittivity=permittivity,
                conductivity=sigma,
                scattering_coefficient=share,
                xpd_coefficient=xpd,
                color=old.color,
            )
            material.scattering_pattern = old.scattering_pattern
            self._made[key] = material
            self._old.add(old.name)
        return self._made[key]

    def remove_unused(self) -> None:
        """Take constant materials out of the scene that new ones have replaced."""
        for name in self._old:
            material = self._scene.get(name)
            if COUNTED.search(name) and material is not None and not material.is_used:
                self._scene.remove(name)

    def _unused(self, stem: str) -> str:
        numbers = self._numbers.setdefault(stem, itertools.count(1))
        names = (f"{stem}{ID_COUNTER}{number}" for number in numbers)
        return next(name for name in names if self._scene.get(name) is None)


def _split(
    item: Any,
    members: list[LiveObject],
    wanted: Mapping[str, tuple[float, ...] | None],
    made: _Materials,
    nameless: str,
) -> list[Any]:
    """Scene objects of Sionna's in place of a merged shape: one for each part with new numbers, and
    one for the others, because Sionna's kernels visit every mesh.

    :param nameless: name of the latter
    """
    old, found, others = item.radio_material, [], []
    for part in members:
        values = wanted[part.name]
        if values is None:
            others.append(part)
        else:
            found.append(_separate(item, part.name, part.rows, made.constant(old, values)))
    if len(others) == 1:
        found.append(_separate(item, others[0].name, others[0].rows, old))
    elif others:
        # In their order, so that the next split names them as this one does.
        rows = np.unique(np.concatenate([part.rows for part in others]))
        found.append(_separate(item, nameless, rows, old))
    return found


def _separate(item: Any, name: str, rows: IntArray, material: Any) -> Any:
    """A scene object of Sionna's with some faces of a merged shape."""
    import mitsuba as mi
    import sionna.rt as rt

    whole = item.mi_mesh
    vertices, faces = arrays(whole)
    used, corners = np.unique(faces[rows], return_inverse=True)
    properties = mi.Properties()
    properties["face_normals"] = whole.has_face_normals()
    normals = whole.has_vertex_normals()
    mesh = mi.Mesh(name, len(used), len(rows), props=properties, has_vertex_normals=normals)
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = mi.Float(vertices[used].astype(np.float32).ravel())
    if normals:
        every = np.array(whole.vertex_normals_buffer(), np.float32).reshape(-1, 3)
        parameters["vertex_normals"] = mi.Float(every[used].ravel())
    parameters["faces"] = mi.UInt32(corners.astype(np.uint32).ravel())
    parameters.update()
    return rt.SceneObject(mi_mesh=mesh, name=name, radio_material=material)
