"""Shapes of a scene file: meshes in files, rectangles and cubes, with their transforms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files import transforms
from vlmrt_dist.scene.files.mesh_reader import Mesh
from vlmrt_dist.scene.files.remarks import Remarks
from vlmrt_dist.scene.files.scene_folder import MESH_TYPES, SceneFolder
from vlmrt_dist.scene.files.xml_allowlist import attribute, number, quoted

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
BUILT_IN = {"rectangle": _RECTANGLE, "cube": _CUBE}
SHAPES = (*MESH_TYPES, *BUILT_IN, "merge")

_SETTINGS = ("face_normals", "flip_normals", "flip_tex_coords", "silhouette_sampling_weight")
"""Settings that change neither corners nor materials."""
UNIT_TOLERANCE = 1e-3
MAX_STEPS = 1000
"""Most steps of one transform."""
_INSIDE = ("interior", "exterior")
"""Names of references to a medium, which is visual."""


class Shape(NamedTuple):
    """A shape of a scene file.

    :param name: of the object
    :param mesh: in world coordinates [m]
    :param bsdf: its material
    """

    name: str
    mesh: Mesh
    bsdf: Element


class ShapeReader:
    """Reads the shapes of a scene.

    :param root: the scene
    :param folder: opens the files that shapes name
    :param remarks: collects what has to be said
    :raises SceneError: if two materials have one id
    """

    def __init__(self, root: Element, folder: SceneFolder, remarks: Remarks) -> None:
        self._root, self._folder, self._remarks = root, folder, remarks
        self._visual = {element.attrib["id"] for element in root.findall("visual")}
        self._bsdfs: dict[str, Element] = {}
        for bsdf in root.iter("bsdf"):
            identifier = bsdf.get("id")
            if identifier and self._bsdfs.setdefault(identifier, bsdf) is not bsdf:
                raise SceneError(f"two materials have the id {quoted(identifier)}")
        for alias in root.findall("alias"):
            old, new = attribute(alias, "id"), attribute(alias, "as")
            if old in self._bsdfs:
                self._bsdfs[new] = self._bsdfs[old]
            elif old in self._visual:
                self._visual.add(new)

    def __iter__(self) -> Iterator[Shape]:
        """The shapes, those that a shape of type merge holds one by one.

        :raises SceneError: if a shape is refused
        :raises MaterialError: if a shape does not have exactly one material
        """
        for index, shape in enumerate(_unmerged(self._root), start=1):
            yield self._read(shape, (shape.get("id") or f"object_{index}").removeprefix("mesh-"))

    def _read(self, shape: Element, name: str) -> Shape:
        kind = attribute(shape, "type")
        filename, number_in_file = None, 0
        matrix: FloatArray | None = None
        used: list[Element] = []
        for child in shape:
            label = child.get("name")
            if child.tag == "ref":
                used += self._referenced(child, name)
            elif child.tag == "bsdf":
                used.append(child)
            elif child.tag == "transform" and label == "to_world" and matrix is None:
                matrix = self._placement(child, name)
            elif child.tag == "string" and label == "filename" and kind in MESH_TYPES:
                filename = attribute(child, "value")
            elif child.tag == "integer" and label == "shape_index" and kind == "serialized":
                number_in_file = int(number(attribute(child, "value"), "shape_index"))
            elif label not in _SETTINGS:
                raise SceneError(
                    f"shape {quoted(name)}: <{child.tag} name={quoted(label or '')}> is not "
                    f"understood in a shape of type {kind}"
                )
        if len(used) != 1:
            raise MaterialError(
                f"object {quoted(name)} has {len(used) or 'no'} materials; give it exactly one"
            )
        if kind in BUILT_IN:
            mesh = BUILT_IN[kind]
            self._folder.count(mesh)
        elif filename is None:
            raise SceneError(f"shape {quoted(name)} of type {kind} names no file")
        else:
            mesh = self._folder.read_mesh(filename, kind, number_in_file)
        if matrix is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # SceneObject refuses what overflows
                mesh = mesh._replace(vertices=transforms.apply(matrix, mesh.vertices))
        return Shape(name, mesh, used[0])

    def _placement(self, transform: Element, name: str) -> FloatArray:
        """The matrix [4,4] of a shape's transform.

        :raises SceneError: names the shape
        """
        try:
            matrix = _matrix(transform)
        except SceneError as error:
            raise SceneError(f"shape {quoted(name)}: {error}") from None
        if any(_deforms(step) for step in transform):
            self._remarks.add("axis", name)
        return matrix

    def _referenced(self, ref: Element, shape: str) -> list[Element]:
        """The material that a reference of a shape means; none for a medium or a light.

        :raises SceneError: if it means nothing of this scene
        """
        identifier = attribute(ref, "id")
        if identifier in self._bsdfs and ref.get("name") not in _INSIDE:
            return [self._bsdfs[identifier]]
        if identifier in self._visual:
            return []
        raise SceneError(
            f"shape {quoted(shape)} refers to {quoted(identifier)}, which is no material of "
            "this scene"
        )


def _unmerged(parent: Element) -> Iterator[Element]:
    for child in parent:
        if child.tag != "shape":
            if parent.tag == "shape":
                raise SceneError(
                    f"<{child.tag}> is not understood in a shape of type merge, which holds shapes"
                )
            continue
        kind = attribute(child, "type")
        if kind not in SHAPES:
            raise SceneError(
                f"shape type {quoted(kind)} is refused: a scene is made of triangles, so types are "
                + ", ".join(SHAPES)
                + "; turn other shapes into meshes"
            )
        if kind == "merge":
            yield from _unmerged(child)
        else:
            yield child


def _matrix(transform: Element) -> FloatArray:
    """The transform's steps, the first one applied first."""
    matrix = np.eye(4)
    if len(transform) > MAX_STEPS:
        raise SceneError(f"its transform has more than {MAX_STEPS} steps")
    for step in transform:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # refused below
                matrix = _step(step) @ matrix
        except ValueError:
            raise SceneError(
                f"<{step.tag}> of a transform has wrong or degenerate numbers"
            ) from None
    if not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise SceneError("a transform must be affine, and its numbers finite")
    return matrix


def _deforms(step: Element) -> bool:
    """Whether a step is a rotation about an axis that is not of length 1."""
    if step.tag != "rotate":
        return False
    return bool(abs(np.linalg.norm(_vector(step, 0.0)) - 1.0) > UNIT_TOLERANCE)


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
        origin, target = (
            np.reshape(_numbers(attribute(step, key)), 3) for key in ("origin", "target")
        )
        up = np.reshape(_numbers(step.attrib["up"]), 3) if "up" in step.attrib else None
        return transforms.look_at(origin, target, up)
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
