from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room


def solid(name: str, material: str = "wood", at: Any = (0, 0, 0), **values: Any) -> SceneObject:
    mesh = trimesh.creation.box([1, 1, 1]).apply_translation(at)
    return SceneObject(name, material, mesh.vertices, mesh.faces, **values)


def scene(*objects: SceneObject, headroom: float = 0.0) -> SceneModel:
    return SceneModel("test", objects, bounding_bounds(objects, headroom))


def test_arrays_are_read_only_copies() -> None:
    vertices = np.eye(3)
    item = SceneObject("a", "wood", vertices, np.array([[0, 1, 2]]))
    vertices[0, 0] = 9.0
    assert item.vertices[0, 0] == 1.0
    assert (item.vertices.dtype.name, item.faces.dtype.name) == ("float64", "int32")
    for array in (item.vertices, item.faces, box_room().bounds):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    "values",
    [
        {"conductivity": -1e-3},
        {"conductivity": float("nan")},
        {"conductivity": float("inf")},
        {"conductivity": "high"},
        {"relative_permittivity": 0.5},
        {"relative_permittivity": float("nan")},
        {"thickness": 0.0},
        {"thickness": -0.1},
        {"thickness": float("inf")},
    ],
)
def test_impossible_materials_name_the_object(values: Any) -> None:
    with pytest.raises(MaterialError, match=f"'sofa'.*{next(iter(values))}"):
        solid("sofa", **values)


def test_an_unknown_material_needs_both_numbers(tmp_path: Path) -> None:
    unstated = scene(
        solid("sofa", "velvet", conductivity=0.1),
        solid("chair", "velvet.001"),
        solid("lamp", "a b"),
        solid("desk"),
    )
    assert unstated.unstated == ("sofa", "chair", "lamp")
    message = (
        r"^2 materials 'velvet' \(objects 'sofa', 'chair'\), 'a b' \(object 'lamp'\) are neither.*"
        r"--material velvet=CLASS --material 'a b'=CLASS \(in Python: materials="
        r"\{'velvet': 'CLASS', 'a b': 'CLASS'\}\).*chipboard"
    )
    refused: list[Callable[[], object]] = [
        lambda: unstated.conductivity(3.5e9),
        lambda: unstated.relative_permittivity(3.5e9),
        unstated.to_xml,
        lambda: unstated.write(tmp_path),
    ]
    for ask in refused:
        with pytest.raises(MaterialError, match=message):
            ask()
    assert not list(tmp_path.iterdir())
    filled = unstated.fill_materials(["brick", "wood", "glass", "metal"])
    assert filled.materials == ("brick", "wood", "glass", "wood")
    assert filled.objects[0].conductivity is None
    with pytest.raises(SceneError, match="each of 4"):
        unstated.fill_materials(["brick"])
    item = solid("sofa", "velvet", conductivity=0.0, relative_permittivity=1.0)
    assert scene(item).conductivity(3.5e9).tolist() == [0.0]


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((2, 3)), [[0, 1, 1]], "three vertices"),
        (np.zeros((3, 2)), [[0, 1, 2]], "three vertices"),
        (np.full((3, 3), np.nan), [[0, 1, 2]], "not finite"),
        (np.full((3, 3), np.inf), [[0, 1, 2]], "not finite"),
        (np.full((3, 3), 1e8), [[0, 1, 2]], "beyond"),
        (np.eye(3), np.empty((0, 3), int), "one triangle"),
        (np.eye(3), [[0, 1, 3]], "does not exist"),
        (np.eye(3), [[0, 1, -1]], "does not exist"),
        (np.eye(3), [[0, 1, 2**32]], "does not exist"),
        (np.eye(3), [[0.0, 1.0, 2.0]], "integers"),
    ],
)
def test_impossible_geometry(vertices: Any, faces: Any, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        SceneObject("a", "wood", vertices, np.asarray(faces))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "x" * 300, None, 7])
def test_impossible_names(name: Any) -> None:
    with pytest.raises(SceneError, match="name"):
        solid(name)
