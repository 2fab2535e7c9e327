"""Writing objects as a Mitsuba/Sionna scene: one XML file and one binary PLY mesh an object."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import SceneError, StorageError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.scene_object import SceneObject
from vlmrt_dist.store import write_atomic

SCENE_FILE = "scene.xml"
MESH_FOLDER = "meshes"

# The part of a BSDF's id that makes it unique; the reader strips it again.
ID_COUNTER = "--"


def scene_to_xml(objects: Sequence[SceneObject]) -> str:
    """Scene XML in which object k is the mesh ``meshes/<k>.ply``.

    Objects of one material and the same numbers share a BSDF, as in Sionna's own scenes. A BSDF
    of type ``itu-radio-material`` may carry an extra ``conductivity`` or
    ``relative_permittivity`` where only that one is explicit: this package reads it, Sionna
    overrides it by the table.

    :raises SceneError: if a name holds a dollar sign
    """
    for name in (text for o in objects for text in (o.name, o.material)):
        if "$" in name:  # scene files take it for a parameter
            raise SceneError(f"the name {name!r} cannot be written to a scene file; leave out '$'")
    # Sionna keeps objects and materials in one namespace, and wants ``itu_`` before ITU names.
    taken = {*itu.MATERIALS, *(o.name for o in objects)}
    ids: dict[tuple[object, ...], str] = {}
    materials: list[str] = []
    shapes: list[str] = []
    for k, item in enumerate(objects):
        numbers = (item.material, item.thickness, item.relative_permittivity, item.conductivity)
        if numbers not in ids:
            ids[numbers] = _unused_name(_bsdf_name(item), taken)
            materials.append(_bsdf_xml(item, ids[numbers]))
        shapes.append(
            f'  <shape type="ply" id={quoteattr("mesh-" + item.name)}>\n'
            f'    <string name="filename" value="{MESH_FOLDER}/{k}.ply"/>\n'
            '    <boolean name="face_normals" value="true"/>\n'
            f'    <ref id={quoteattr("mat-" + ids[numbers])} name="bsdf"/>\n'
            "  </shape>\n"
        )
    return '<scene version="2.1.0">\n' + "".join(materials + shapes) + "</scene>\n"


def write_scene(objects: Sequence[SceneObject], folder: Path) -> Path:
    """Write ``scene.xml`` and its meshes; the XML comes last, when all it names exists.

    :return: path of the XML file
    :raises SceneError: if a name holds a dollar sign
    :raises StorageError: if the folder cannot be written to
    """
    text = scene_to_xml(objects)  # before anything is written, because it may refuse
    try:
        os.makedirs(folder / MESH_FOLDER, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot create {folder}: {error.strerror or error}") from error
    for k, item in enumerate(objects):
        content = ply_bytes(item.vertices, item.faces)
        write_atomic(folder / MESH_FOLDER / f"{k}.ply", content)
    return write_atomic(folder / SCENE_FILE, text.encode())


def ply_bytes(vertices: FloatArray, faces: npt.NDArray[np.int32]) -> bytes:
    """A binary little-endian PLY file of vertices [V,3] (float64, so nothing is lost) and
    triangles [F,3]."""
    rows = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    rows["count"] = 3
    rows["corners"] = faces
    out = io.BytesIO()
    out.write(
        b"ply\nformat binary_little_endian 1.0\n"
        + f"element vertex {len(vertices)}\n".encode()
        + b"property double x\nproperty double y\nproperty double z\n"
        + f"element face {len(faces)}\n".encode()
        + b"property list uchar int vertex_indices\nend_header\n"
    )
    out.write(np.ascontiguousarray(vertices, dtype="<f8").tobytes())
    out.write(rows.tobytes())
    return out.getvalue()


def _is_itu(item: SceneObject) -> bool:
    explicit = item.relative_permittivity is not None and item.conductivity is not None
    return item.material in itu.MATERIALS and not explicit


def _bsdf_name(item: SceneObject) -> str:
    return "itu_" + item.material if _is_itu(item) else item.material


def _unused_name(name: str, taken: set[str]) -> str:
    # A counter is also appended where the name looks as if it carried one already.
    candidate, count = name, 1
    while candidate in taken or (count == 1 and ID_COUNTER in name):
        candidate, count = f"{name}{ID_COUNTER}{count}", count + 1
    taken.add(candidate)
    return candidate


def _bsdf_xml(item: SceneObject, name: str) -> str:
    kind = "itu-radio-material" if _is_itu(item) else "radio-material"
    lines = [f'  <bsdf type="{kind}" id={quoteattr("mat-" + name)}>\n']
    if _is_itu(item):
        lines.append(f'    <string name="type" value="{item.material}"/>\n')
    for field in ("relative_permittivity", "conductivity", "thickness"):
        value = getattr(item, field)
        if value is not None:
            lines.append(f'    <float name="{field}" value="{value!r}"/>\n')
    return "".join([*lines, "  </bsdf>\n"])
