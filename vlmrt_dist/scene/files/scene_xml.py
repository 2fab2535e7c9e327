"""Reading Sionna's (Mitsuba's) scene files, which Mitsuba would run as code.

A file that passes :mod:`vlmrt_dist.scene.files.xml_allowlist` becomes a :class:`SceneModel` of
arrays; no byte of it reaches Mitsuba.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files import transforms
from vlmrt_dist.scene.files.mesh_reader import Mesh, read_obj, read_ply
from vlmrt_dist.scene.files.xml_allowlist import (
    MAX_XML_BYTES,
    RADIO_BSDFS,
    attribute,
    checked_tree,
    number,
    plain_path,
    quoted,
)
from vlmrt_dist.scene.itu import material_class
from vlmrt_dist.scene.model import SceneModel, bounding_bounds
from vlmrt_dist.scene.scene_object import DEFAULT_THICKNESS, SceneObject
from vlmrt_dist.scene.scene_writer import ID_COUNTER
from vlmrt_dist.store import UnreadableFile, read_limited

DEFAULT_MAX_BYTES = 512 * 2**20
DEFAULT_MAX_TRIANGLES = 5_000_000

_COUNTED = re.compile(re.escape(ID_COUNTER) + r"\d+$")


def load_scene(
    path: str | Path,
    *,
    headroom: float = 0.0,
    materials: Mapping[str, str] | None = None,
    max_triangles: int = DEFAULT_MAX_TRIANGLES,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> SceneModel:
    """Read a Sionna scene file and its meshes.

    Understood are shapes of type ply, obj (triangles or quads), rectangle and cube with their
    transforms; materials of type ``itu-radio-material`` and ``radio-material``; and visual
    materials whose id names an ITU material (``mat-itu_concrete``, as Blender exports them).
    ``$name`` is replaced by its ``<default>``. Cameras, lights and textures are dropped.

    :param path: the XML file; meshes are looked up relative to its folder and must lie in it
    :param headroom: how far the room reaches above the highest geometry [m]; a city needs some
    :param materials: for names of the file's materials that are none of the ITU's, the class that
        each stands for, as in ``{"stucco": "plasterboard"}``; the file's own numbers are dropped,
        but for the thickness
    :param max_triangles: most triangles of the whole scene
    :param max_bytes: most bytes of all mesh files together
    :raises SceneError: if the file is refused (the message names the tag, type or path)
    :raises MaterialError: if an object's material is unknown or impossible
    """
    file = Path(path)
    try:
        content = read_limited(file, MAX_XML_BYTES)
    except UnreadableFile as error:
        raise SceneError(f"cannot read scene {file}: {error}") from None
    root = checked_tree(content, file)
    meshes = _MeshFiles(file.parent, max_triangles, max_bytes)
    meant = {name: material_class(text) for name, text in (materials or {}).items()}
    named = {b.get("id", ""): _material(b, meant) for b in root.findall("bsdf") if b.get("id")}
    objects = tuple(
        _object(index, shape, named, meant, meshes)
        for index, shape in enumerate(root.findall("shape"), start=1)
    )
    _refuse_unused(meant, root)
    if not objects:
        raise SceneError(f"{file} holds no shape; a scene needs at least one")
    name = file.stem if file.stem.isprintable() and file.stem.strip() else "scene"
    return SceneModel(name[:100], objects, bounding_bounds(objects, headroom))


def bundled_scene(name: str) -> Path:
    """The file of one of the scenes that come with Sionna, for instance ``"munich"``.

    Sionna itself is not imported.

    :raises SceneError: if Sionna is not installed, or has no such scene (the message lists them)
    """
    scenes = _bundled_folder()
    known = sorted(p.name for p in scenes.iterdir() if (p / f"{p.name}.xml").is_file())
    if name not in known:
        raise SceneError(f"Sionna has no scene {quoted(name)}; it has " + ", ".join(known))
    return scenes / name / f"{name}.xml"


def _bundled_folder() -> Path:
    spec = importlib.util.find_spec("sionna")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "rt" / "scenes"
        if folder.is_dir():
            return folder
    raise SceneError("Sionna RT is not installed; install the package sionna-rt")


@dataclass
class _MeshFiles:
    """Opens mesh files in one folder, and counts their triangles and bytes."""

    folder: Path
    triangles_left: int
    bytes_left: int
    _limits: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._limits = (self.triangles_left, self.bytes_left)

    def read(self, name: str, kind: str) -> Mesh:
        relative = plain_path(name)
        what = f"mesh {quoted(name)}"
        if relative.suffix.lower() != f".{kind}":
            raise SceneError(f"{what} of a shape of type {kind} must end in .{kind}")
        try:
            inside = self.folder.resolve(strict=True)
            file = (inside / relative).resolve(strict=True)
        except (OSError, RuntimeError):
            raise SceneError(f"{what}: there is no such file") from None
        if not file.is_relative_to(inside):
            raise SceneError(f"{what} is a link that leaves the folder of the scene")
        try:
            content = read_limited(file, self.bytes_left)
        except UnreadableFile as error:
            raise SceneError(
                f"{what}: {error} (all meshes together may have {self._limits[1]} bytes; see "
                "max_bytes)"
            ) from None
        self.bytes_left -= len(content)
        return read_ply(content, what) if kind == "ply" else read_obj(content, what)

    def count(self, mesh: Mesh) -> Mesh:
        self.triangles_left -= len(mesh.faces)
        if self.triangles_left < 0:
            raise SceneError(
                f"the scene has more than {self._limits[0]} triangles (see max_triangles)"
            )
        return mesh


_RECTANGLE = Mesh(
    np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]),
    np.array([[0, 1, 2], [0, 2, 3]]),
)
_CUBE_QUADS = np.array(  # corner number = 4x + 2y + z
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)
_CUBE = Mesh(
    np.array([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)]),
    np.concatenate([_CUBE_QUADS[:, [0, 1, 2]], _CUBE_QUADS[:, [0, 2, 3]]]),
)
_SHAPE_SETTINGS = ("face_normals", "flip_normals", "flip_tex_coords")


def _refuse_unused(meant: Mapping[str, str], root: Element) -> None:
    """:raises MaterialError: if a class was given for a material that the file does not have"""
    names = {_plain(bsdf.get("id", "")) for bsdf in root.iter("bsdf")} - {""}
    names |= {_type(bsdf) for bsdf in root.iter("bsdf")} - {""}
    for name in meant:
        if _plain(name) not in names:
            raise MaterialError(
                f"the scene has no material {quoted(name)}; it has "
                + ", ".join(quoted(each) for each in sorted(names))
            )


def _type(bsdf: Element) -> str:
    """The ITU material that a radio material names."""
    said = (x.get("value", "") for x in bsdf if x.tag == "string" and x.get("name") == "type")
    return next(said, "")


def _plain(identifier: str) -> str:
    """A material's name without what Blender puts around it."""
    return _COUNTED.sub("", identifier.removeprefix("mat-")) or identifier


def _object(
    index: int,
    shape: Element,
    materials: dict[str, _Material],
    meant: Mapping[str, str],
    meshes: _MeshFiles,
) -> SceneObject:
    name = (shape.get("id") or f"object_{index}").removeprefix("mesh-")
    kind = attribute(shape, "type")
    filename: str | None = None
    matrix = np.eye(4)
    used: list[_Material] = []
    for child in shape:
        label = child.get("name")
        if child.tag == "ref":
            used.append(_referenced(child, name, materials))
        elif child.tag == "bsdf":
            used.append(_material(child, meant))
        elif child.tag == "transform" and label == "to_world":
            matrix = _matrix(child)
        elif child.tag == "string" and label == "filename" and kind in ("ply", "obj"):
            filename = attribute(child, "value")
        elif child.tag != "emitter" and not (child.tag == "boolean" and label in _SHAPE_SETTINGS):
            raise SceneError(
                f"shape {quoted(name)}: <{child.tag} name={quoted(label or '')}> is not "
                f"understood in a shape of type {kind}"
            )
    if len(used) != 1:
        raise MaterialError(
            f"object {quoted(name)} has {len(used) or 'no'} materials; give it exactly one"
        )
    if kind in ("ply", "obj"):
        if filename is None:
            raise SceneError(f"shape {quoted(name)} of type {kind} names no file")
        mesh = meshes.read(filename, kind)
    else:
        mesh = _RECTANGLE if kind == "rectangle" else _CUBE
    meshes.count(mesh)
    material = used[0]
    return SceneObject(
        name,
        material.name,
        mesh.vertices if np.array_equal(matrix, np.eye(4)) else _moved(matrix, mesh, name),
        mesh.faces,
        thickness=material.thickness,
        relative_permittivity=material.relative_permittivity,
        conductivity=material.conductivity,
    )


def _moved(matrix: FloatArray, mesh: Mesh, name: str) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):  # SceneObject refuses what overflows
        return transforms.apply(matrix, mesh.vertices)


@dataclass(frozen=True)
class _Material:
    """Radio properties of a BSDF; numbers that it leaves to the ITU table are None."""

    name: str
    thickness: float = DEFAULT_THICKNESS
    relative_permittivity: float | None = None
    conductivity: float | None = None


def _referenced(ref: Element, shape: str, materials: dict[str, _Material]) -> _Material:
    identifier = attribute(ref, "id")
    if ref.get("name", "bsdf") != "bsdf" or identifier not in materials:
        raise SceneError(
            f"shape {quoted(shape)} refers to {quoted(identifier)}, which is no material of "
            "this scene"
        )
    return materials[identifier]


def _material(bsdf: Element, meant: Mapping[str, str]) -> _Material:
    identifier = bsdf.get("id", "unnamed material")
    kind = attribute(bsdf, "type")
    name = _plain(identifier)
    values: dict[str, Any] = {}
    for child in bsdf:
        label = child.get("name", "")
        radio = kind in RADIO_BSDFS or label == "thickness"
        if child.tag == "float" and radio:
            values[label] = number(attribute(child, "value"), f"{label[:40]} of {identifier}")
        elif child.tag == "string" and label == "type" and radio:
            name = attribute(child, "value")
    for setting in ("scattering_coefficient", "xpd_coefficient"):
        if values.pop(setting, 0.0) != 0.0:
            raise MaterialError(
                f"material {quoted(identifier)} scatters ({setting} is not 0), which is not "
                "modelled; remove it"
            )
    known = ("thickness", "relative_permittivity", "conductivity")
    unknown = [quoted(label) for label in values if label not in known]
    if unknown:
        raise MaterialError(
            f"material {quoted(identifier)}: {', '.join(unknown)} is not understood; known are "
            + ", ".join(known)
        )
    for given, text in meant.items():
        if _plain(given) in (_plain(identifier), name):
            return _Material(text, thickness=values.get("thickness", DEFAULT_THICKNESS))
    # It may be no ITU name and carry its own numbers; SceneObject says which object lacks them.
    with contextlib.suppress(MaterialError):
        name = material_class(name)
    return _Material(name, **values)


def _matrix(transform: Element) -> FloatArray:
    """The transform's steps, the first one applied first."""
    matrix = np.eye(4)
    for step in transform:
        try:
            matrix = _step(step) @ matrix
        except ValueError:
            raise SceneError(
                f"<{step.tag}> of a transform has wrong or degenerate numbers"
            ) from None
    if not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise SceneError("a transform must be affine, and its numbers finite")
    return matrix


def _step(step: Element) -> FloatArray:
    if step.tag == "matrix":
        numbers = _numbers(attribute(step, "value"))
        if len(numbers) == 9:
            matrix = np.eye(4)
            matrix[:3, :3] = np.reshape(numbers, (3, 3))
            return matrix
        return np.reshape(numbers, (4, 4))
    if step.tag == "translate":
        return transforms.translation(_vector(step, 0.0))
    if step.tag == "scale":
        return transforms.scaling(_vector(step, 1.0))
    if step.tag == "rotate":
        angle = number(attribute(step, "angle"), "an angle")
        return transforms.rotation(_vector(step, 0.0), angle)
    if step.tag == "lookat":
        return transforms.look_at(
            *(np.reshape(_numbers(attribute(step, key)), 3) for key in ("origin", "target", "up"))
        )
    raise SceneError(f"<{step.tag}> is not a step of a transform")


def _vector(step: Element, default: float) -> FloatArray:
    """``value="x y z"`` or ``value="s"``, or separate x, y and z."""
    text = step.get("value")
    if text is not None:
        numbers = _numbers(text)
        return np.array(numbers * 3 if len(numbers) == 1 else numbers).reshape(3)
    return np.array([number(step.get(k, repr(default)), "a coordinate") for k in "xyz"])


def _numbers(text: str) -> list[float]:
    return [number(word, "a transform") for word in text.replace(",", " ").split()]
