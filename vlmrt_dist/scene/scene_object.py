"""One object of a scene as a value: a triangle mesh of one material."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.geometry import is_closed
from vlmrt_dist.scene.layers import LayeredMaterial
from vlmrt_dist.scene.scattering_pattern import LAMBERTIAN, ScatteringPattern

DEFAULT_THICKNESS = 0.1
"""Thickness [m] of a slab where the scene does not say; Sionna's default."""

MAX_EXTRA_LOSS_DB = 1000.0
"""Largest loss that a surface may have beyond that of its slab [dB]."""

BLENDER_COUNTER = re.compile(r"\.\d{3,}$")
"""Ending that Blender gives the name of a copy."""

MAX_NAME_LENGTH = 200
_SHOWN = 3
MAX_COORDINATE = 3e7
"""Largest coordinate [m]: UTM northings and web maps stay below; float64 has nanometres there."""

MAX_SIZE = 1e6
"""Largest side of a scene's bounding box [m]; beyond it single precision, which Sionna uses, has no
centimetres."""


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One object: a triangle mesh of one material.

    :param name: unique within its scene
    :param material: material class of ITU-R P.2040, or another name for a material that has its
        numbers, or none yet (see ``stated``)
    :param vertices: corners [V,3] in world coordinates [m]; kept as a read-only copy
    :param faces: triangles [F,3], indices into ``vertices``; kept as a read-only copy
    :param thickness: of the slab that the surface is modelled as [m]
    :param relative_permittivity: None takes the ITU table's value at the carrier
    :param conductivity: [S/m]; None takes the ITU table's value at the carrier
    :param scattering_coefficient: Sionna's S in [0, 1], the share of the reflected amplitude that
        is scattered where the radio configuration asks for diffuse reflection
    :param xpd_coefficient: Sionna's K_x in [0, 1], the share of the scattered power that changes
        its polarization
    :param layered: layers of the surface; None: it is the one slab of the numbers above, which
        otherwise only stands for the layers in scenes for Sionna
    :param extra_loss_db: loss of what passes through the surface, at all angles, beyond that of its
        slab or layers; negative: less [dB]
    :param scattering_pattern: directions in which it scatters
    :raises SceneError: if name or geometry is impossible
    :raises MaterialError: if a number of the material is impossible
    """

    name: str
    material: str
    vertices: FloatArray
    faces: npt.NDArray[np.int32]
    thickness: float = DEFAULT_THICKNESS
    relative_permittivity: float | None = None
    conductivity: float | None = None
    scattering_coefficient: float = 0.0
    xpd_coefficient: float = 0.0
    layered: LayeredMaterial | None = None
    extra_loss_db: float = 0.0
    scattering_pattern: ScatteringPattern = LAMBERTIAN

    def __post_init__(self) -> None:
        check_name("object", self.name)
        check_name(f"the material of object {self.name!r}", self.material)
        object.__setattr__(self, "vertices", self._checked_vertices())
        object.__setattr__(self, "faces", self._checked_faces())
        self._check_material()

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: what comes out of a pickle is validated and read-only again.
        return type(self), tuple(getattr(self, f.name) for f in dataclasses.fields(self))

    def __repr__(self) -> str:
        return f"SceneObject({self.name!r}, {self.material!r}, {len(self.faces)} triangles)"

    @property
    def stated(self) -> bool:
        """Whether the material is one of the ITU's, or has both its numbers."""
        numbers = self.relative_permittivity is not None and self.conductivity is not None
        return numbers or self.material in itu.MATERIALS

    @functools.cached_property
    def closed(self) -> bool:
        """Whether the mesh bounds a volume (is watertight)."""
        return is_closed(self.vertices, self.faces)

    def _checked_vertices(self) -> FloatArray:
        vertices = np.array(self.vertices, dtype=np.float64, order="C")
        if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) < 3:
            raise SceneError(f"object {self.name!r} needs at least three vertices [V,3]")
        if not np.isfinite(vertices).all():
            raise SceneError(f"object {self.name!r} has a vertex that is not finite")
        if np.abs(vertices).max() > MAX_COORDINATE:
            raise SceneError(f"object {self.name!r} reaches beyond {MAX_COORDINATE:g} m")
        vertices.setflags(write=False)
        return vertices

    def _checked_faces(self) -> npt.NDArray[np.int32]:
        given = np.asarray(self.faces)
        if given.ndim != 2 or given.shape[1] != 3 or len(given) < 1:
            raise SceneError(f"object {self.name!r} needs at least one triangle [F,3]")
        if not np.issubdtype(given.dtype, np.integer):
            raise SceneError(f"object {self.name!r}: vertex indices of faces must be integers")
        if given.min() < 0 or given.max() >= len(self.vertices):
            raise SceneError(f"object {self.name!r} has a face with a vertex that does not exist")
        faces = np.array(given, dtype=np.int32, order="C")
        faces.setflags(write=False)
        return faces

    def _check_material(self) -> None:
        where = f"object {self.name!r} (material {self.material!r})"
        thickness = _as_number(self.thickness)
        if not (math.isfinite(thickness) and thickness > 0):
            raise MaterialError(f"{where}: thickness must be a positive number of metres")
        object.__setattr__(self, "thickness", thickness)
        loss = _as_number(self.extra_loss_db)
        if not abs(loss) <= MAX_EXTRA_LOSS_DB:
            raise MaterialError(
                f"{where}: extra_loss_db must be between -{MAX_EXTRA_LOSS_DB:g} and "
                f"{MAX_EXTRA_LOSS_DB:g} dB"
            )
        object.__setattr__(self, "extra_loss_db", loss + 0.0)
        for field in ("scattering_coefficient", "xpd_coefficient"):
            share = _as_number(getattr(self, field))
            if not 0.0 <= share <= 1.0:
                raise MaterialError(f"{where}: {field} must be between 0 and 1")
            object.__setattr__(self, field, share + 0.0)
        for field, low, bound in (
            ("conductivity", 0.0, "0 S/m or more"),
            ("relative_permittivity", 1.0, "1 or more"),
        ):
            value = getattr(self, field)
            if value is None:
                continue
            number = _as_number(value)
            if not (math.isfinite(number) and number >= low):
                raise MaterialError(f"{where}: {field} must be finite and {bound}")
            object.__setattr__(self, field, number + 0.0)  # -0.0 and 0.0 are one value


def check_stated(objects: Sequence[SceneObject]) -> None:
    """Refuse objects of which neither an ITU class nor numbers are known.

    :raises MaterialError: names all their materials, and says how to state them
    """
    users: dict[str, list[str]] = {}
    for item in objects:
        if not item.stated:
            users.setdefault(BLENDER_COUNTER.sub("", item.material), []).append(item.name)
    if not users:
        return
    listed = [
        f"{name!r} ({'object' if len(names) == 1 else 'objects'} "
        + ", ".join(map(repr, names[:_SHOWN]))
        + (f" and {len(names) - _SHOWN} more)" if len(names) > _SHOWN else ")")
        for name, names in users.items()
    ]
    one = len(users) == 1
    raise MaterialError(
        f"{'material' if one else f'{len(users)} materials'} {', '.join(listed)} "
        f"{'is' if one else 'are'} neither in ITU-R P.2040 nor given by numbers. Say what each "
        "stands for, with a class for CLASS: "
        + " ".join(f"--material {shlex.quote(name)}=CLASS" for name in users)
        + " (in Python: materials={"
        + ", ".join(f"{name!r}: 'CLASS'" for name in users)
        + "}); or let an advisor name them: --fill-materials offline. The classes are "
        + ", ".join(itu.MATERIALS)
    )


def check_name(what: str, name: object) -> None:
    """Refuse a name that is empty, very long, or holds control characters (SceneError)."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise SceneError(f"{what}: a name must be printable text, not empty")
    if len(name) > MAX_NAME_LENGTH:
        raise SceneError(f"{what}: a name may have at most {MAX_NAME_LENGTH} characters")


def _as_number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan  # refused by the caller, which knows what to call it
