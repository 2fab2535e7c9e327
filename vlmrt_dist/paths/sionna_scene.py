"""A :class:`SceneModel` as a live scene of Sionna, and Sionna's path solver.

The scene is built from the model's arrays, never from a file, so nothing foreign reaches Mitsuba.
Sionna computes in float32, so everything is moved near the origin before it is rounded to that.
This module imports Dr.Jit; keep it out of drivers that hold no GPU.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import MeasurementSetup, RadioConfig
from vlmrt_dist.engine import limit_threads, prepare_engine
from vlmrt_dist.errors import PathOverflowError
from vlmrt_dist.paths.path_table import REFLECTION, TRANSMISSION
from vlmrt_dist.scene import ScatteringPattern, SceneModel, SceneObject
from vlmrt_dist.units import SPEED_OF_LIGHT

VARIANT = prepare_engine()  # has to run before Dr.Jit is imported

import drjit as dr  # noqa: E402
import mitsuba as mi  # noqa: E402

limit_threads()
if mi.variant() != VARIANT:
    mi.set_variant(VARIANT)

import sionna.rt as rt  # noqa: E402

CANDIDATES = (1_000_003, 1_000_033, 1_000_037, 1_000_039, 1_000_081, 1_000_099, 1_000_117)
"""Sizes of Sionna's buffer of candidate paths per transmitter; overflow is an error.

Sionna also takes the size as the modulus of the hash table that tells candidates apart, and drops
one of two that collide, the same one with every seed. Primes scatter them, and taking another one
in each solve lets no pair collide twice."""

_LEAST_STEP = 1.0
"""Least step by which scenes are moved [m]."""

_KIND = {
    int(rt.InteractionType.SPECULAR): REFLECTION,
    int(rt.InteractionType.REFRACTION): TRANSMISSION,
}


@dataclass(frozen=True, eq=False)
class FoundPaths:
    """Paths that one solve found: P paths with at most D interactions.

    :param receiver: [P] receiver index
    :param kind: [P, D] interaction kinds of :mod:`vlmrt_dist.paths.path_table`
    :param object: [P, D] object index, 0 where there is no interaction
    :param face: [P, D] face index within the object, 0 where there is no interaction
    :param amplitude: [P] Sionna's complex channel coefficient, without the delay's phase
    :param length: [P] path length [m]
    """

    receiver: NDArray[np.int32]
    kind: NDArray[np.uint8]
    object: NDArray[np.int32]
    face: NDArray[np.int32]
    amplitude: NDArray[np.complex128]
    length: FloatArray


class LiveScene:
    """A scene inside Sionna, ready to be solved for one measurement setup at a time.

    :param model: the scene; its conductivities are those at ``radio.frequency``
    :param radio: carrier, antennas and solver settings
    :param conductivity: [K] conductivities instead of the model's own [S/m]
    :param material_per_object: give each object its own material and mesh, which differentiating
        needs; otherwise objects of equal materials share a mesh, so that Sionna's kernels do not
        grow with K: Dr.Jit walks through every mesh of a scene at every call (1.4 s a solve at
        K = 2000 instead of 0.2 s). The object is known from the number of the face

    Vertices and positions reach Sionna less :attr:`shift`; its paths lie in these coordinates.
    """

    def __init__(
        self,
        model: SceneModel,
        radio: RadioConfig,
        *,
        conductivity: FloatArray | None = None,
        material_per_object: bool = False,
    ) -> None:
        self.model = model
        self.radio = radio
        self.shift = float32_shift(model.bounding_boxes)
        """[3] what is subtracted from every coordinate before it is rounded to float32 [m]."""
        permittivity = model.relative_permittivity(radio.frequency)
        sigma = model.conductivity(radio.frequency) if conductivity is None else conductivity
        groups: dict[_Group, list[int]] = {}
        for k, item in enumerate(model.objects):
            group = _Group(
                float(permittivity[k]),
                float(sigma[k]),
                item.thickness,
                _rough(item, radio),
                k if material_per_object else -1,
            )
            groups.setdefault(group, []).append(k)
        materials: dict[int, rt.RadioMaterial] = {}
        meshes: dict[str, object] = {"type": "scene"}
        for g, (group, members) in enumerate(groups.items()):
            # Plain materials: an ITU material's callback would reset its conductivity whenever the
            # frequency is set.
            material = rt.RadioMaterial(
                name=f"material-{g}",
                relative_permittivity=group.permittivity,
                conductivity=group.conductivity,
                thickness=group.thickness,
                **_scattering_of(group.surface),
            )
            materials.update(dict.fromkeys(members, material))
            # Names come from files; an index cannot collide with Sionna's one namespace.
            items = [model.objects[k] for k in members]
            meshes[f"mesh-{g}"] = _mesh(f"mesh-{g}", items, material, self.shift)
        self.materials = [materials[k] for k in range(model.num_objects)]
        self.scene = rt.Scene(mi.load_dict(meshes, optimize=False))
        self.scene.frequency = radio.frequency
        array = rt.PlanarArray(
            num_rows=1, num_cols=1, pattern=radio.antenna_pattern, polarization=radio.polarization
        )
        self.scene.tx_array = array
        self.scene.rx_array = array
        self._faces = _Faces(
            model,
            list(groups.values()),
            {
                item.object_id: int(name.removeprefix("mesh-"))
                for name, item in self.scene.objects.items()
            },
        )
        self.solver = rt.PathSolver(deterministic=True)
        self._generator = _CountingGenerator(self.solver._candidate_generator)
        self.solver._candidate_generator = self._generator
        self.seconds_in_solver = 0.0
        """Wall time that :meth:`find_paths` has spent inside Sionna's solver so far [s]."""

    def differentiate_by(self, conductivity: FloatArray) -> None:
        """Give the objects these conductivities [K] [S/m], attached to their gradient."""
        for material, value in zip(self.materials, conductivity, strict=True):
            # An opaque value: a literal would be compiled into the kernel, anew in every step.
            material.conductivity = dr.opaque(mi.Float, float(value))
            dr.enable_grad(material.conductivity)

    def place(self, tx: FloatArray, rx: FloatArray) -> None:
        """Put one transmitter [3] and the receivers [N, 3] into the scene, in its own coordinates,
        not the shifted ones [m]."""
        for name in (*self.scene.transmitters, *self.scene.receivers):
            self.scene.remove(name)
        self.scene.add(rt.Transmitter("tx", position=self.point(tx)))
        for n, position in enumerate(rx):
            self.scene.add(rt.Receiver(f"rx-{n}", position=self.point(position)))

    def point(self, position: FloatArray) -> mi.Point3f:
        """A position [3] of the model [m] as Sionna is given it: shifted, in float32.

        Opaque: a literal would be compiled into Sionna's kernels, anew for every setup.
        """
        point = mi.Point3f((position - self.shift).tolist())
        dr.make_opaque(point)
        return point

    def solve(self, seed: int, repetition: int = 0) -> rt.Paths:
        """One path solve for the devices in place; the same arguments give the same paths.

        :param repetition: counts the solves that are to be united
        :raises PathOverflowError: if Sionna's path buffer was full
        """
        radio = self.radio
        size = CANDIDATES[repetition % len(CANDIDATES)]
        paths = self.solver(
            self.scene,
            max_depth=radio.max_depth,
            max_num_paths_per_src=size,
            samples_per_src=radio.samples_per_src,
            synthetic_array=True,
            los=True,
            specular_reflection=True,
            refraction=True,
            diffuse_reflection=radio.diffuse_reflection,
            diffraction=radio.diffraction,
            edge_diffraction=radio.edge_diffraction,
            seed=seed,
        )
        if self._generator.found >= size:
            raise PathOverflowError(
                f"more than {size:,} candidate paths leave one transmitter; lower "
                "samples_per_src or max_depth, or give the setup fewer receivers"
            )
        return paths

    def find_paths(self, setup: MeasurementSetup, seed: int, repetition: int = 0) -> FoundPaths:
        """The specular paths of one setup that one solve finds.

        :raises PathOverflowError: if Sionna's path buffer was full
        """
        self.place(setup.tx, setup.rx)
        begin = time.perf_counter()
        with dr.suspend_grad():
            paths = self.solve(seed, repetition)
        dr.sync_thread()
        self.seconds_in_solver += time.perf_counter() - begin
        valid = np.asarray(paths.valid.numpy(), bool)[:, 0, :]  # [N, longest]
        receiver, column = np.nonzero(valid)
        interactions = _per_path(paths.interactions, receiver, column, self.radio.max_depth)
        shapes = _per_path(paths.objects, receiver, column, self.radio.max_depth)
        faces = _per_path(paths.primitives, receiver, column, self.radio.max_depth)
        kind = np.zeros(interactions.shape, np.uint8)
        for code, value in _KIND.items():
            kind[interactions == code] = value
        real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in paths.a)
        delay = np.asarray(paths.tau.numpy(), float)[:, 0]
        obj, face = self._faces.owner(kind != 0, shapes, faces)
        return FoundPaths(
            receiver=receiver.astype(np.int32),
            kind=kind,
            object=obj,
            face=face,
            amplitude=(real + 1j * imaginary)[receiver, column],
            length=delay[receiver, column] * SPEED_OF_LIGHT,
        )

    def release_memory(self) -> None:
        """Give back what Dr.Jit keeps for the next solve, some gigabytes after large ones."""
        dr.flush_malloc_cache()


class _CountingGenerator:
    """Sionna's candidate generator, with the number of candidates of the last solve.

    Sionna drops candidates silently when its buffer is full, and its public interface does not
    tell.
    """

    def __init__(self, generator: object) -> None:
        self._generator = generator
        self.found = 0

    def __call__(self, **arguments: object) -> object:
        buffer = self._generator(**arguments)  # type: ignore[operator]
        self.found = int(dr.max(buffer.paths_counter)[0])
        return buffer


class _Faces:
    """Object and face, within the object, of each face of the live meshes.

    :param groups: for each mesh the objects that it consists of, in order
    :param mesh_of_id: mesh of each of Sionna's object identifiers
    """

    def __init__(
        self, model: SceneModel, groups: list[list[int]], mesh_of_id: dict[int, int]
    ) -> None:
        order = [k for group in groups for k in group]
        sizes = np.array([len(model.objects[k].faces) for k in order])
        begin = np.cumsum(sizes) - sizes
        self._object = np.repeat(np.array(order, np.int32), sizes)
        self._face = (np.arange(sizes.sum()) - np.repeat(begin, sizes)).astype(np.int32)
        first = begin[np.cumsum([0, *(len(group) for group in groups[:-1])])]
        self._first = np.zeros(max(mesh_of_id, default=0) + 1, np.int64)
        for identifier, mesh in mesh_of_id.items():
            self._first[identifier] = first[mesh]

    def owner(
        self, there: BoolArray, shape: IntArray, face: IntArray
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Object, and face within it; zero where there is none.

        :param there: where there is an interaction
        :param shape: Sionna's object identifier
        :param face: face within that mesh
        """
        row = np.where(there, self._first[np.where(there, shape, 0)] + face, 0)
        return np.where(there, self._object[row], 0), np.where(there, self._face[row], 0)


def float32_shift(boxes: FloatArray) -> FloatArray:
    """[3] what to subtract from coordinates [m] so that float32 resolves the scene well.

    The multiple of a power of two not less than the scene's size that is nearest to the middle of
    its bounding boxes [K, 2, 3]. It is zero where the origin lies in or beside the scene, whose
    coordinates then stay as they are; elsewhere none remains larger than twice the scene's size,
    and those of a scene at UTM coordinates lose no bit in the subtraction.
    """
    low, high = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
    step = 2.0 ** np.ceil(np.log2(max(float((high - low).max()), _LEAST_STEP)))
    return np.asarray(step * np.rint(0.5 * (low + high) / step) + 0.0)


class _Surface(NamedTuple):
    """S, K_x and the pattern of a surface that scatters."""

    scattering_coefficient: float
    xpd_coefficient: float
    pattern: ScatteringPattern


class _Group(NamedTuple):
    """What objects of one mesh have in common; ``alone``: the number of one that shares none."""

    permittivity: float
    conductivity: float
    thickness: float
    surface: _Surface | None
    alone: int


def _rough(item: SceneObject, radio: RadioConfig) -> _Surface | None:
    """How an object scatters; None: it does not."""
    if not (radio.diffuse_reflection and item.scattering_coefficient):
        return None
    return _Surface(item.scattering_coefficient, item.xpd_coefficient, item.scattering_pattern)


def _scattering_of(surface: _Surface | None) -> dict[str, float | str]:
    """Arguments of Sionna's materials."""
    if surface is None:
        return {}
    found: dict[str, float | str] = {
        "scattering_coefficient": surface.scattering_coefficient,
        "xpd_coefficient": surface.xpd_coefficient,
        "scattering_pattern": surface.pattern.name,
    }
    if surface.pattern.name != "lambertian":
        found["alpha_r"] = surface.pattern.alpha_r
    if surface.pattern.name == "backscattering":
        found |= {"alpha_i": surface.pattern.alpha_i, "lambda_": surface.pattern.lambda_}
    return found


def _mesh(
    name: str, items: list[SceneObject], material: rt.RadioMaterial, shift: FloatArray
) -> mi.Mesh:
    """One mesh of all the vertices, less ``shift`` [3], and faces of ``items``, one object after
    another."""
    count = np.array([len(item.vertices) for item in items])
    vertices = np.concatenate([item.vertices for item in items]) - shift
    faces = np.concatenate(
        [item.faces + first for item, first in zip(items, np.cumsum(count) - count, strict=True)]
    )
    properties = mi.Properties()
    properties["bsdf"] = material
    mesh = mi.Mesh(name, len(vertices), len(faces), props=properties)
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = mi.Float(vertices.astype(np.float32).ravel())
    parameters["faces"] = mi.UInt32(faces.astype(np.uint32).ravel())
    parameters.update()
    mesh.set_id(name)
    return mesh


def _per_path(tensor: object, receiver: IntArray, column: IntArray, depth: int) -> IntArray:
    """[P, D] of Sionna's padded [max_depth, num_rx, num_tx, num_paths] tensor."""
    values = np.asarray(tensor.numpy())[:, :, 0]  # type: ignore[attr-defined]
    rows = values[:depth, receiver, column].T.astype(np.int64)
    return np.pad(rows, ((0, 0), (0, depth - rows.shape[1])))
