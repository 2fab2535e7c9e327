"""Reading Sionna's (Mitsuba's) scene files, which Mitsuba would run as code.

A file that passes :mod:`vlmrt_dist.scene.files.xml_allowlist` becomes a :class:`SceneModel` of
arrays; no byte of it reaches Mitsuba.
"""

from __future__ import annotations

import importlib.util
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.materials import MaterialReader, Scattering
from vlmrt_dist.scene.files.mesh_reader import DEFAULT_MAX_TRIANGLES
from vlmrt_dist.scene.files.remarks import Remarks, SceneFileWarning
from vlmrt_dist.scene.files.scene_folder import SceneFolder
from vlmrt_dist.scene.files.shapes import ShapeReader
from vlmrt_dist.scene.files.xml_allowlist import MAX_XML_BYTES, attribute, checked_tree, quoted
from vlmrt_dist.scene.layer_files import LAYERS_FILE, read_layers
from vlmrt_dist.scene.model import SceneModel, bounding_bounds
from vlmrt_dist.scene.scene_object import SceneObject, check_stated
from vlmrt_dist.store import UnreadableFile, read_limited

DEFAULT_MAX_BYTES = 512 * 2**20

MODEL_FILES = (".3ds", ".blend", ".dae", ".fbx", ".glb", ".gltf", ".ifc", ".obj", ".ply", ".stl",
               ".usd", ".usdz")  # fmt: skip
"""Endings of files that hold geometry, but are no scene file of Sionna's."""


def load_scene(
    path: str | Path,
    *,
    headroom: float = 0.0,
    materials: Mapping[str, str] | None = None,
    root: str | Path | None = None,
    scattering: Scattering = "ignore",
    layers: str | Path | None = None,
    unstated: Literal["refuse", "keep"] = "refuse",
    max_triangles: int = DEFAULT_MAX_TRIANGLES,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> SceneModel:
    """Read a Sionna scene file and its meshes.

    Understood are shapes of type ply, obj (polygons of any size), serialized, rectangle and cube
    with their transforms, also inside shapes of type merge, whose members stay objects of their
    own; and materials as in :mod:`~vlmrt_dist.scene.files.materials`. ``<include>``, ``<path>``,
    ``<alias>`` and ``<default>`` count. Cameras, lights, textures, media and visual materials are
    read past. Meshes without a polygon are left out.

    :param path: the XML file
    :param headroom: how far the room reaches above the highest geometry [m]; a city needs some
    :param materials: material of the file, or object -> ITU class that it stands for, as in
        ``{"stucco": "plasterboard"}``; the file's own numbers are dropped, but for the thickness
    :param root: files may lie below this folder too; default: only in the folder of the XML file.
        A file outside is refused, however it is named
    :param scattering: scattering coefficients, which act only where diffuse reflection is asked
        for: "ignore" keeps them and warns, "refuse" raises
    :param layers: layers file, see :mod:`~vlmrt_dist.scene.layer_files`; one beside the scene file
        is not read unless it is named, which a warning says
    :param unstated: objects whose material is neither an ITU class nor given by numbers: "refuse"
        raises and names all; "keep" leaves them so, for an advisor to fill
        (:meth:`SceneModel.fill_materials`), and their values raise
    :param max_triangles: most triangles of the whole scene
    :param max_bytes: most bytes of all files together that the scene names
    :raises SceneError: if the file is refused (the message names the tag, type or path)
    :raises MaterialError: if materials are unstated or impossible
    """
    file = Path(path)
    content = _content(file)
    folder = SceneFolder(file, None if root is None else Path(root), max_triangles, max_bytes)
    tree = checked_tree(content, file, lambda name: folder.read(name, f"file {quoted(name)}"))
    for element in tree.findall("path"):
        folder.add_path(attribute(element, "value"))
    remarks = Remarks()
    reader = MaterialReader(materials or {}, scattering, remarks)
    objects: list[SceneObject] = []
    for shape in ShapeReader(tree, folder, remarks):
        if not len(shape.mesh.faces):
            remarks.add("empty", shape.name)
            continue
        material = reader.read(shape.bsdf, shape.name)
        objects.append(
            SceneObject(
                shape.name,
                material.name,
                *shape.mesh,
                thickness=material.thickness,
                relative_permittivity=material.relative_permittivity,
                conductivity=material.conductivity,
                scattering_coefficient=material.scattering_coefficient,
                xpd_coefficient=material.xpd_coefficient,
            )
        )
    reader.check_meant(tree, tuple(item.name for item in objects))
    remarks.tell()
    if not objects:
        raise SceneError(f"{file} holds no shape; a scene needs at least one")
    if unstated == "refuse":
        check_stated(objects)
    name = file.stem if file.stem.isprintable() and file.stem.strip() else "scene"
    scene = SceneModel(name[:100], tuple(objects), bounding_bounds(tuple(objects), headroom))
    if layers is not None:
        found = read_layers(layers, objects)
        return scene.with_layers(found.layers).with_extra_loss(found.extra_loss_db)
    beside = file.with_name(LAYERS_FILE)
    if beside.is_file():
        warnings.warn(
            f"{beside} lies beside the scene file and is not read, so its walls are single slabs; "
            f"--layers {shlex.quote(str(beside))} (layers= of load_scene) gives them their layers",
            SceneFileWarning,
            stacklevel=2,
        )
    return scene


def _content(file: Path) -> bytes:
    """The bytes of a scene file.

    :raises SceneError: if it cannot be read, or is a mesh or a folder
    """
    if file.is_dir():
        inside = sorted(each.name for each in file.glob("*.xml"))[:5]
        hint = ", such as " + " or ".join(str(file / each) for each in inside) if inside else ""
        raise SceneError(f"{file} is a folder; name the scene file in it (.xml){hint}")
    try:
        content = read_limited(file, MAX_XML_BYTES)
    except UnreadableFile as error:
        raise SceneError(f"cannot read scene {file}: {error}") from None
    if file.suffix.lower() in MODEL_FILES or content.startswith((b"ply\n", b"ply\r\n")):
        raise SceneError(
            f"{file} is no scene file: it may hold geometry, but no radio materials. Name a Sionna "
            'scene (.xml) that refers to meshes, as in <shape type="ply" id="mesh-wall"><string '
            'name="filename" value="wall.ply"/><ref id="mat-itu_concrete"/></shape>; Blender '
            "exports such scenes with its add-on Mitsuba-Blender"
        )
    return content


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
