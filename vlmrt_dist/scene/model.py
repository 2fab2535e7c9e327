"""The scene as a value: K named objects with geometry and material, and geometric queries.

A :class:`SceneModel` holds NumPy arrays and plain types only. It pickles, hashes to a content
key and is written to files by :meth:`SceneModel.write`; ``scene_xml.load_scene`` reads them back.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.console import listed
from vlmrt_dist.errors import SceneError
from vlmrt_dist.html_tables import html_table
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.electrical import Field, electrical
from vlmrt_dist.scene.floor_plan import FloorPlan
from vlmrt_dist.scene.geometry import SIDEWAYS, TriangleSoup
from vlmrt_dist.scene.layers import LayeredMaterial, SceneLayers, check_unlayered, layers_of
from vlmrt_dist.scene.scene_object import (
    DEFAULT_THICKNESS,
    MAX_SIZE,
    SceneObject,
    check_name,
    check_stated,
)
from vlmrt_dist.scene.scene_writer import scene_to_xml, write_scene
from vlmrt_dist.viewing import Page, open_view

__all__ = ["DEFAULT_THICKNESS", "SceneModel", "SceneObject", "bounding_bounds"]


ENCLOSURE_SLACK = 0.01
"""Share of the scene's size by which other objects may reach beyond the room's own mesh."""


SHELL_SHARE = 0.6
"""Share of the scene's plan from which an open object is the ground, or the room itself."""

ROOM_SIDE, ROOM_HEIGHT = 2.0, 2.1
"""Least size [m] of an open object within a building that people go into."""


@dataclass(frozen=True, eq=False)
class SceneModel:
    """A scene of K named objects inside a room.

    :param name: a label for people; not part of the key
    :param objects: K objects with distinct names
    :param bounds: lower and upper corner of the room [2,3] [m], where antennas may be
    :raises SceneError: if there is no object, names repeat, objects lie farther apart than
        1000 km, or the bounds are impossible
    """

    name: str
    objects: tuple[SceneObject, ...]
    bounds: FloatArray

    def __post_init__(self) -> None:
        check_name("scene", self.name)
        object.__setattr__(self, "objects", tuple(self.objects))
        if not self.objects:
            raise SceneError(f"scene {self.name!r} has no object; a scene needs at least one")
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise SceneError(f"two objects are named {name!r}; give each its own name")
            seen.add(name)
        self._check_size()
        bounds = np.array(self.bounds, dtype=np.float64, order="C")
        if bounds.shape != (2, 3) or not np.isfinite(bounds).all():
            raise SceneError("bounds must be two finite corners [2,3] in metres")
        if (bounds[0] > bounds[1]).any():
            raise SceneError("the lower corner of the bounds lies above the upper one")
        bounds.setflags(write=False)
        object.__setattr__(self, "bounds", bounds)

    def _check_size(self) -> None:
        boxes = self.bounding_boxes
        low, high = boxes[:, 0], boxes[:, 1]
        side = int(np.argmax(high.max(0) - low.min(0)))
        if high[:, side].max() - low[:, side].min() > MAX_SIZE:
            first, last = np.argmin(low[:, side]), np.argmax(high[:, side])
            raise SceneError(
                f"the scene is larger than {MAX_SIZE / 1e3:g} km, from object "
                f"{self.names[first]!r} to object {self.names[last]!r}; check the units, which are "
                "metres, and that all objects have the same origin"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.objects, self.bounds)

    def __repr__(self) -> str:
        return f"SceneModel({self.name!r}, K={self.num_objects}, key {self.key[:12]})"

    def _repr_html_(self) -> str:
        """Objects and triangles of each material class, for notebooks."""
        low, high = self.bounds
        rows = []
        of = {o.name: o.material if o.layered is None else str(o.layered) for o in self.objects}
        for material in sorted(set(of.values())):
            of_it = [o for o in self.objects if of[o.name] == material]
            names = ", ".join(o.name for o in of_it[:3]) + (", ..." if len(of_it) > 3 else "")
            triangles = sum(len(o.faces) for o in of_it)
            rows.append((material, str(len(of_it)), f"{triangles:,}", names[:200]))
        size = " × ".join(f"{side:.4g}" for side in high - low)
        return html_table(
            f"Scene {self.name}: {self.num_objects} objects, {size} m",
            ("material", "objects", "triangles", "such as"), rows, ("In 3D: scene.view()",),
        )  # fmt: skip

    def view(self, campaign: Any = None, estimate: Any = None, **options: Any) -> Page:
        """The scene as an interactive 3D page, which a notebook shows; ``.write("scene.html")``
        makes a file of it.

        :param campaign: positions, or measured levels; None: objects only
        :param estimate: of this scene; None: the scene's own materials
        :param options: ``radio``, ``paths`` and ``progress`` of :func:`vlmrt_dist.view`
        """
        return open_view(self, campaign, estimate, **options)

    @property
    def num_objects(self) -> int:
        """K, the number of objects."""
        return len(self.objects)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K objects."""
        return tuple(o.name for o in self.objects)

    @property
    def materials(self) -> tuple[str, ...]:
        """Materials of the K objects."""
        return tuple(o.material for o in self.objects)

    @property
    def unstated(self) -> tuple[str, ...]:
        """Names of the objects whose material is neither in the ITU table nor given by numbers."""
        return tuple(o.name for o in self.objects if not o.stated)

    @property
    def thickness(self) -> FloatArray:
        """Slab thickness [K] [m]."""
        return np.array([o.thickness for o in self.objects])

    @functools.cached_property
    def layers(self) -> SceneLayers | None:
        """Layers of the objects; None where every object is one slab."""
        return layers_of(self.names, [o.layered for o in self.objects])

    @property
    def extra_loss_db(self) -> FloatArray:
        """Loss [K] of what passes through each object beyond that of its slab or layers [dB]."""
        return np.array([o.extra_loss_db for o in self.objects])

    @property
    def scattering_coefficient(self) -> FloatArray:
        """Scattering coefficient S [K]: the share of the reflected amplitude that is scattered."""
        return np.array([o.scattering_coefficient for o in self.objects])

    @property
    def xpd_coefficient(self) -> FloatArray:
        """XPD coefficient K_x [K]: the share of the scattered power in the other polarization."""
        return np.array([o.xpd_coefficient for o in self.objects])

    def conductivity(self, frequency: float) -> FloatArray:
        """Conductivity [K] [S/m]: explicit where given, else ITU-R P.2040 at ``frequency`` [Hz].

        :raises FrequencyError: if a material is not tabulated there (names the object)
        :raises MaterialError: if materials are unstated (names all)
        """
        return self._electrical("conductivity", frequency)

    def relative_permittivity(self, frequency: float) -> FloatArray:
        """Relative permittivity [K]: explicit where given, else ITU-R P.2040 at ``frequency`` [Hz].

        :raises FrequencyError: if a material is not tabulated there (names the object)
        :raises MaterialError: if materials are unstated (names all)
        """
        return self._electrical("relative_permittivity", frequency)

    def _electrical(self, field: Field, frequency: float) -> FloatArray:
        check_stated(self.objects)
        return electrical(
            self.objects, field, frequency, lambda k: f"object {self.objects[k].name!r}"
        )

    @functools.cached_property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) over everything that decides the physics.

        Geometry, materials, numbers and names of the objects in their order; neither the scene's
        label nor the bounds.
        """
        digest = hashlib.sha256(b"vlmrt SceneModel 1\n")
        for o in self.objects:
            numbers = (o.thickness, o.relative_permittivity, o.conductivity)
            head = (o.name, o.material, numbers, o.vertices.shape, o.faces.shape)
            digest.update(repr(head).encode())
            if o.layered is not None:
                digest.update(repr(o.layered.layers).encode())
            if o.extra_loss_db:
                digest.update(f"extra loss {o.extra_loss_db!r} dB".encode())
            if o.scattering_coefficient:
                rough = o.scattering_coefficient, o.xpd_coefficient, o.scattering_pattern
                digest.update(f"scattering {rough!r}".encode())
            digest.update((o.vertices + 0.0).astype("<f8").tobytes())
            digest.update(o.faces.astype("<i4").tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def geometry_key(self) -> str:
        """Content hash (SHA-256, hexadecimal) over the objects' geometry, in their order."""
        digest = hashlib.sha256(b"vlmrt geometry 1\n")
        for o in self.objects:
            digest.update(repr((o.vertices.shape, o.faces.shape)).encode())
            digest.update((o.vertices + 0.0).astype("<f8").tobytes())
            digest.update(o.faces.astype("<i4").tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def bounding_boxes(self) -> FloatArray:
        """Lower and upper corner of each object [K,2,3] [m]."""
        return np.array([[o.vertices.min(0), o.vertices.max(0)] for o in self.objects])

    @functools.cached_property
    def solids(self) -> IntArray:
        """Indices of the closed objects that an antenna cannot be inside of.

        A closed object that spans the whole scene is the room itself (as in Sionna's ``box``), so
        it is not among them.
        """
        boxes = self.bounding_boxes
        low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
        slack = ENCLOSURE_SLACK * (high - low)
        spans = (boxes[:, 0] <= low + slack).all(1) & (boxes[:, 1] >= high - slack).all(1)
        return np.array(
            [k for k, o in enumerate(self.objects) if not spans[k] and o.closed], dtype=np.int64
        )

    @functools.cached_property
    def shells(self) -> IntArray:
        """Indices of the objects that are not closed but may have an inside: not the ground, and
        within a building none that is as large as a room."""
        size = self.bounding_boxes[:, 1] - self.bounding_boxes[:, 0]
        low, high = self.bounding_boxes[:, 0].min(0), self.bounding_boxes[:, 1].max(0)
        wide = size[:, :2].prod(axis=1) >= SHELL_SHARE * (high - low)[:2].prod()
        plan = self.floor_plan
        middle = self.bounding_boxes[:, :, :2].mean(axis=1)
        tall = np.minimum(size[:, 2], self.bounding_boxes[:, 1, 2] - plan.level_near(middle))
        room = (size[:, :2].min(axis=1) >= ROOM_SIDE) & (tall >= ROOM_HEIGHT)
        other = ~wide & (size.min(axis=1) > 0.0) & (plan.outdoors | ~room)
        return np.array(
            [k for k in np.flatnonzero(other) if not self.objects[k].closed], dtype=np.int64
        )

    @functools.cached_property
    def _soup(self) -> TriangleSoup:
        sizes = [len(o.faces) for o in self.objects]
        return TriangleSoup(
            triangles=np.concatenate([o.vertices[o.faces] for o in self.objects]),
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        )

    @functools.cached_property
    def floor_plan(self) -> FloorPlan:
        """The floor or the ground, and what of it is inside; the bounds do not matter."""
        soup = self._soup
        groups = np.repeat(np.arange(self.num_objects), np.diff(soup.offsets))
        return FloorPlan.of(soup.triangles, groups, self.solids)

    def inside_bounds(self, points: npt.ArrayLike) -> BoolArray:
        """Whether points [P,3] [m] lie in the room, its boundary included, [P]."""
        p = _as_points(points)
        return np.asarray(((p >= self.bounds[0]) & (p <= self.bounds[1])).all(axis=1))

    def inside_object(self, points: npt.ArrayLike) -> IntArray:
        """Index of the first closed object around each point [P,3] [m], or -1, [P].

        A closed object that spans the whole scene is the room itself and does not count. On a
        surface the answer is arbitrary: ask :meth:`distance_to_surface`.
        """
        return self._soup.containing_group(_as_points(points), self.solids)

    def inside_shell(self, points: npt.ArrayLike) -> IntArray:
        """Index of the first open object around each point [P,3] [m], or -1, [P].

        A box without a bottom, or a building without a roof, is around what its sides enclose.
        """
        return self._soup.containing_group(
            _as_points(points), self.shells, SIDEWAYS, needed=len(SIDEWAYS) - 1
        )

    def distance_to_surface(self, points: npt.ArrayLike) -> FloatArray:
        """Exact distance [P] [m] of points [P,3] to the nearest triangle; NaN for NaN points."""
        return self._soup.distance(_as_points(points))

    def crossings(
        self, starts: npt.ArrayLike, ends: npt.ArrayLike
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Crossings of straight segments [L,3] [m] with surfaces.

        :return: for each crossing the segment, the object, and the fraction of the way there; two
            of an object for a segment through a closed one
        """
        return self._soup.crossings(_as_points(starts), _as_points(ends))

    def surfaces_at(self, places: npt.ArrayLike) -> tuple[IntArray, IntArray, FloatArray]:
        """Crossings of upright lines at places [P,2] [m] with surfaces that are not upright.

        :return: for each such point the line, the object, and the height [m]
        """
        flat = np.asarray(places, dtype=np.float64)
        if flat.ndim != 2 or flat.shape[1] != 2:
            raise ValueError(f"places must be an array [P,2]; got shape {flat.shape}")
        return self._soup.surfaces_at(flat)

    def with_materials(
        self,
        materials: Mapping[str, str] | None = None,
        *,
        conductivity: Mapping[str, float] | npt.ArrayLike | None = None,
        relative_permittivity: Mapping[str, float] | npt.ArrayLike | None = None,
        thickness: Mapping[str, float] | npt.ArrayLike | None = None,
        scattering_coefficient: Mapping[str, float] | npt.ArrayLike | None = None,
        xpd_coefficient: Mapping[str, float] | npt.ArrayLike | None = None,
    ) -> SceneModel:
        """A copy with other materials.

        :param materials: object name -> material class; the object's explicit numbers, layers and
            extra loss are dropped
        :param conductivity: object name -> [S/m], or all K values
        :param relative_permittivity: object name -> value, or all K values
        :param thickness: object name -> [m], or all K values
        :param scattering_coefficient: object name -> S, or all K values
        :param xpd_coefficient: object name -> K_x, or all K values
        :raises SceneError: if an object does not exist, an array does not have K values, or a
            number is given to an object with layers
        :raises MaterialError: if a material is unknown or a number impossible
        """
        changes: dict[str, dict[str, Any]] = {name: {} for name in self.names}

        def change(name: str, **values: Any) -> None:
            self._check_names([name])
            changes[name].update(values)

        for name, text in (materials or {}).items():
            material = itu.material_class(text)
            change(
                name,
                material=material,
                relative_permittivity=None,
                conductivity=None,
                layered=None,
                extra_loss_db=0.0,
            )
        for field, given in (
            ("conductivity", conductivity),
            ("relative_permittivity", relative_permittivity),
            ("thickness", thickness),
            ("scattering_coefficient", scattering_coefficient),
            ("xpd_coefficient", xpd_coefficient),
        ):
            if given is None:
                continue
            for name, value in self._by_name(field, given).items():
                change(name, **{field: float(value)})
        layered = [
            o.name for o in self.objects if changes[o.name].get("layered", o.layered) is not None
        ]
        check_unlayered([n for n in layered if changes[n]], "a number of their slab has no effect")
        return self._changed(changes)

    def with_layers(self, layers: Mapping[str, LayeredMaterial | None]) -> SceneModel:
        """A copy in which objects have layers.

        :param layers: object name -> its layers; None: the object is the one slab that it was
        :raises SceneError: if an object does not exist
        """
        self._check_names(layers)
        return self._changed({name: {"layered": each} for name, each in layers.items()})

    def with_layer_values(self, values: Mapping[str, Mapping[str, float]]) -> SceneModel:
        """A copy in which layers have other numbers.

        :param values: "object/layer" -> conductivity [S/m], relative_permittivity and thickness [m]
        :raises SceneError: if a layer does not exist
        :raises MaterialError: if a number is impossible
        """
        layers = self.layers
        known = () if layers is None else layers.names
        strange = [name for name in values if name not in known]
        if strange or layers is None:
            if not values:
                return self
            raise SceneError(f"there is no layer {strange[0]!r}; the layers are " + listed(known))
        new = []
        for name, layer in zip(layers.names, layers.layers, strict=True):
            own = values.get(name, {})
            new.append(
                dataclasses.replace(
                    layer,
                    conductivity=own.get("conductivity", layer.conductivity),
                    relative_permittivity=own.get(
                        "relative_permittivity", layer.relative_permittivity
                    ),
                    thickness=own.get("thickness", layer.thickness),
                )
            )
        changed: dict[str, LayeredMaterial] = {}
        for item, row in zip(self.objects, layers.stack, strict=True):
            if item.layered is not None:
                stack = tuple(new[index] for index in row[row >= 0])
                changed[item.name] = dataclasses.replace(item.layered, layers=stack)
        return self.with_layers(changed)

    def with_extra_loss(self, loss_db: Mapping[str, float]) -> SceneModel:
        """A copy in which what passes through objects has a loss beyond that of their slabs.

        :param loss_db: object name -> loss at all angles, in place of the one it had [dB]
        :raises SceneError: if an object does not exist
        :raises MaterialError: if a loss is impossible
        """
        self._check_names(loss_db)
        return self._changed({name: {"extra_loss_db": each} for name, each in loss_db.items()})

    def _check_names(self, given: Iterable[str]) -> None:
        known = set(self.names)
        strange = [name for name in given if name not in known]
        if strange:
            raise SceneError(
                f"there is no object {strange[0]!r}; the objects are " + listed(self.names)
            )

    def _changed(self, changes: Mapping[str, Mapping[str, Any]]) -> SceneModel:
        objects = tuple(
            dataclasses.replace(o, **changes[o.name]) if changes.get(o.name) else o
            for o in self.objects
        )
        return dataclasses.replace(self, objects=objects)

    def fill_materials(self, materials: Sequence[str]) -> SceneModel:
        """A copy in which objects of unstated material have the classes that an advisor names.

        :param materials: [K] a class for every object; those of objects whose material is stated
            are not used
        :raises SceneError: if there are not K
        :raises MaterialError: if a material is unknown
        """
        if len(materials) != self.num_objects:
            raise SceneError(f"materials must have one class for each of {self.num_objects}")
        named = dict(zip(self.names, materials, strict=True))
        filled = self.with_materials({name: named[name] for name in self.unstated})
        own = {o.name: {"layered": o.layered, "extra_loss_db": o.extra_loss_db}
               for o in self.objects if not o.stated}  # fmt: skip
        return filled._changed(own)

    def _by_name(self, field: str, given: Any) -> Mapping[str, float]:
        if isinstance(given, Mapping):
            return given
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (self.num_objects,):
            raise SceneError(f"{field} must have one value for each of {self.num_objects} objects")
        return dict(zip(self.names, values.tolist(), strict=True))

    def to_xml(self, *, frequency: float | None = None) -> str:
        """The scene as Mitsuba/Sionna XML text; meshes are ``meshes/<k>.ply`` beside it.

        :param frequency: as of :meth:`write` [Hz]
        """
        return scene_to_xml(self.objects, frequency=frequency)

    def write(
        self,
        folder: str | Path,
        *,
        frequency: float | None = None,
        about: Sequence[str] = (),
        overwrite: bool = False,
    ) -> Path:
        """Write ``scene.xml`` and ``meshes/<k>.ply`` (binary, float64) into a folder.

        Sionna opens the file with the numbers of this scene: objects with numbers of their own have
        a ``radio-material``, whose numbers hold at every frequency, the others an
        ``itu-radio-material``. The folder is created when needed; ``load_scene`` of the returned
        path gives a scene with the same key, unless ``frequency`` was needed. Layers and extra
        losses, which Sionna does not have, are written to ``layers.toml`` beside it; the XML holds
        the slabs that stand for the layers.

        :param frequency: carrier at which numbers that are left to the ITU table are written where
            Sionna would not take them from there: the permittivity of an object that states its
            conductivity only (or the reverse), and materials that the table does not have at
            3.5 GHz, where Sionna opens scenes [Hz]
        :param about: lines of a comment at the beginning of the file
        :param overwrite: write into a folder that is not empty
        :return: path of the XML file
        :raises SceneError: if a name cannot be written, or ``frequency`` is needed and not given
        :raises MaterialError: if materials are unstated (names all)
        :raises StorageError: if the folder cannot be written to, or is not empty
        """
        return write_scene(
            self.objects, Path(folder), frequency=frequency, about=about, overwrite=overwrite
        )


def bounding_bounds(objects: tuple[SceneObject, ...], headroom: float = 0.0) -> FloatArray:
    """Bounding box of all objects [2,3] [m], its upper side raised by ``headroom`` [m].

    :raises SceneError: if ``headroom`` is negative or not finite
    """
    if not (math.isfinite(headroom) and 0.0 <= headroom <= MAX_SIZE):
        raise SceneError("headroom must be a number of metres, 0 or more")
    low = np.min([o.vertices.min(0) for o in objects], axis=0)
    high = np.max([o.vertices.max(0) for o in objects], axis=0)
    return np.array([low, high + np.array([0.0, 0.0, headroom])])


def _as_points(points: npt.ArrayLike) -> FloatArray:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"points must be an array [P,3]; got shape {array.shape}")
    return array
