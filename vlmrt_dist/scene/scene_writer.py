"""Writing objects as a Mitsuba/Sionna scene: one XML file and one binary PLY mesh an object.

A material of type ``itu-radio-material`` follows the table of ITU-R P.2040-4 in Sionna, whatever
numbers stand beside it, so it is written only where both numbers are the table's. Everything else
is a ``radio-material``, whose numbers Sionna keeps at every frequency.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import FrequencyError, SceneError, StorageError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.layer_files import LAYERS_FILE, layers_text
from vlmrt_dist.scene.scene_object import SceneObject, check_stated
from vlmrt_dist.store import write_atomic

SCENE_FILE = "scene.xml"
MESH_FOLDER = "meshes"

_WRITERS = 16
"""Mesh files that are written at a time."""

# The part of a BSDF's id that makes it unique; the reader strips it again.
ID_COUNTER = "--"

SIONNA_FREQUENCY = 3.5e9
"""Carrier at which Sionna opens a scene [Hz]; ITU materials without values there are refused."""


def scene_to_xml(
    objects: Sequence[SceneObject],
    *,
    frequency: float | None = None,
    about: Sequence[str] = (),
) -> str:
    """Scene XML in which object k is the mesh ``meshes/<k>.ply``.

    Objects of one material and the same numbers share a BSDF, as in Sionna's own scenes.

    :param frequency: carrier at which a number that an object leaves to the ITU table is written
        where Sionna would not take it from there [Hz]: the permittivity beside an explicit
        conductivity, and materials that the table does not have at 3.5 GHz, where Sionna opens
        scenes
    :param about: lines of a comment at the beginning
    :raises SceneError: if a name holds a dollar sign, or the frequency is needed and not given
    :raises MaterialError: if materials are unstated (names all)
    :raises FrequencyError: if the table has no value at that frequency (names the object)
    """
    check_stated(objects)
    for name in (text for o in objects for text in (o.name, o.material)):
        if "$" in name:  # scene files take it for a parameter
            raise SceneError(f"the name {name!r} cannot be written to a scene file; leave out '$'")
    # Sionna keeps objects and materials in one namespace, and wants ``itu_`` before ITU names.
    taken = {*itu.MATERIALS, *(o.name for o in objects)}
    ids: dict[_Material, str] = {}
    materials: list[str] = []
    shapes: list[str] = []
    for k, item in enumerate(objects):
        material = _material(item, frequency)
        if material not in ids:
            ids[material] = _unused_name(material.bsdf_name, taken)
            materials.append(material.to_xml(ids[material]))
        shapes.append(
            f'  <shape type="ply" id={quoteattr("mesh-" + item.name)}>\n'
            f'    <string name="filename" value="{MESH_FOLDER}/{k}.ply"/>\n'
            '    <boolean name="face_normals" value="true"/>\n'
            f'    <ref id={quoteattr("mat-" + ids[material])} name="bsdf"/>\n'
            "  </shape>\n"
        )
    about = [*about, *_about_layers(objects)]
    return (
        '<scene version="2.1.0">\n' + _comment(about) + "".join(materials + shapes) + "</scene>\n"
    )


def write_scene(
    objects: Sequence[SceneObject],
    folder: Path,
    *,
    frequency: float | None = None,
    about: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write ``scene.xml``, its meshes and layers; the XML comes last, when all it names exists.

    :param frequency: see :func:`scene_to_xml`
    :param about: lines of a comment at the beginning
    :param overwrite: write into a folder that holds something already
    :return: path of the XML file
    :raises SceneError: as :func:`scene_to_xml`
    :raises FrequencyError: as :func:`scene_to_xml`
    :raises StorageError: if the folder cannot be written to, or holds something already
    """
    text = scene_to_xml(objects, frequency=frequency, about=about)  # it may refuse: before files
    check_folder(folder, overwrite=overwrite)
    try:
        os.makedirs(folder / MESH_FOLDER, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot create {folder}: {error.strerror or error}") from error

    def write_mesh(k: int) -> None:
        content = ply_bytes(objects[k].vertices, objects[k].faces)
        write_atomic(folder / MESH_FOLDER / f"{k}.ply", content)

    # A thread waits for the disk, not for the processor.
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(write_mesh, range(len(objects))))
    layers = layers_text(objects)
    if layers:
        write_atomic(folder / LAYERS_FILE, layers.encode())
    else:  # those of a scene that is replaced
        (folder / LAYERS_FILE).unlink(missing_ok=True)
    return write_atomic(folder / SCENE_FILE, text.encode())


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place where no scene can, or may, be written.

    :raises StorageError: if it is no folder, or holds something already and ``overwrite`` is False
    """
    try:
        with os.scandir(folder) as entries:
            occupied = next(entries, None) is not None
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror or error}") from None
    if occupied and not overwrite:
        raise StorageError(
            f"the folder {folder} is not empty; name another one, or allow its scene to be "
            "replaced (--overwrite, overwrite=True)"
        )


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


class _Material(NamedTuple):
    """A BSDF: an ITU class, or a name with its numbers.

    :param name: material class, or the scene's own name
    :param numbers: conductivity [S/m] and relative permittivity; None: the table's
    :param scattering: scattering and cross-polarization coefficient
    """

    name: str
    thickness: float
    numbers: tuple[float, float] | None
    scattering: tuple[float, float]

    @property
    def bsdf_name(self) -> str:
        """Its id but for what makes it unique."""
        if self.numbers is None and self.scattering == (0.0, 0.0):
            return "itu_" + self.name
        # Sionna makes an ITU material of whatever is called so, and drops its numbers.
        name = self.name
        while name.startswith(("itu_", "itu-")):
            name = name[len("itu_") :]
        return name or "material"

    def to_xml(self, unique: str) -> str:
        """The element."""
        kind = "itu-radio-material" if self.numbers is None else "radio-material"
        lines = [f'  <bsdf type="{kind}" id={quoteattr("mat-" + unique)}>\n']
        if self.numbers is None:
            lines.append(f'    <string name="type" value="{self.name}"/>\n')
        else:
            for field, value in zip(_NUMBERS, self.numbers, strict=True):
                lines.append(f'    <float name="{field}" value="{value!r}"/>\n')
        lines.append(f'    <float name="thickness" value="{self.thickness!r}"/>\n')
        for field, value in zip(_SCATTERING, self.scattering, strict=True):
            if value != 0.0:
                lines.append(f'    <float name="{field}" value="{value!r}"/>\n')
        return "".join([*lines, "  </bsdf>\n"])


_NUMBERS = ("conductivity", "relative_permittivity")
_SCATTERING = ("scattering_coefficient", "xpd_coefficient")


def _material(item: SceneObject, frequency: float | None) -> _Material:
    """The BSDF of an object, so that Sionna computes with the object's numbers."""
    explicit = item.conductivity, item.relative_permittivity
    sigma, permittivity = explicit
    scattering = item.scattering_coefficient, item.xpd_coefficient
    opens = item.material in itu.MATERIALS and itu.is_tabulated(item.material, SIONNA_FREQUENCY)
    if explicit == (None, None) and opens:
        return _Material(item.material, item.thickness, None, scattering)
    if sigma is not None and permittivity is not None:
        return _Material(item.material, item.thickness, (sigma, permittivity), scattering)
    if frequency is None:
        missing = [name for name, value in zip(_NUMBERS, explicit, strict=True) if value is None]
        why = (
            "one number of a material alone is ignored by Sionna"
            if opens or len(missing) == 1
            else f"Sionna opens scenes at {SIONNA_FREQUENCY / 1e9:g} GHz, where it has no values"
        )
        raise SceneError(
            f"object {item.name!r} takes its {' and '.join(missing)} from the ITU table of "
            f"{item.material}, and {why}; say at which frequency [Hz] to write them as numbers "
            "(--frequency, frequency=)"
        )
    try:
        if sigma is None:
            sigma = itu.conductivity(item.material, frequency)
        if permittivity is None:
            permittivity = itu.relative_permittivity(item.material, frequency)
    except FrequencyError as error:
        raise FrequencyError(f"object {item.name!r}: {error}") from None
    return _Material(item.material, item.thickness, (sigma, permittivity), scattering)


def _about_layers(objects: Sequence[SceneObject]) -> list[str]:
    """Lines of a comment on what the file does not hold."""
    layered = [f"  {o.name}: {o.layered.name}" for o in objects if o.layered is not None]
    lossy = [f"  {o.name}: {o.extra_loss_db:.4g} dB" for o in objects if o.extra_loss_db]
    if layered:
        layered = [
            "Sionna has no layers: these objects have single slabs here, which stand for the "
            f"layers in {LAYERS_FILE}:",
            *layered,
        ]
    if lossy:
        lossy = [
            "Sionna knows the loss of slabs only; these objects have a further one in "
            f"{LAYERS_FILE}, which is missing here:",
            *lossy,
        ]
    return layered + lossy


def _unused_name(name: str, taken: set[str]) -> str:
    # A counter is also appended where the name looks as if it carried one already.
    candidate, count = name, 1
    while candidate in taken or (count == 1 and ID_COUNTER in name):
        candidate, count = f"{name}{ID_COUNTER}{count}", count + 1
    taken.add(candidate)
    return candidate


def _comment(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    # Two hyphens would end a comment, and names may hold them.
    text = re.sub("-(?=-)", "- ", "\n".join(lines))
    return "  <!--\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "  -->\n"
