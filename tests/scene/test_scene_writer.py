import os
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import trimesh

from tests.live_scenes import expected_numbers, numbers_of, opened
from vlmrt_dist.errors import FrequencyError, SceneError, StorageError
from vlmrt_dist.scene.files.remarks import SceneFileWarning
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.itu import conductivity
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room

BOX = trimesh.creation.box([1, 2, 3])


def round_trip(model: SceneModel, folder: Path) -> SceneModel:
    return load_scene(model.write(folder))


@pytest.mark.parametrize("num_boxes", [0, 4, 9])
def test_written_rooms_come_back_with_their_key(tmp_path: Path, num_boxes: int) -> None:
    room = box_room(num_boxes)
    again = round_trip(room, tmp_path / "deep" / "room")
    assert again.key == room.key
    np.testing.assert_array_equal(again.bounds, room.bounds)


def test_every_kind_of_material_comes_back(tmp_path: Path) -> None:
    room = box_room().with_materials(
        {"box_marble": "metal"},
        conductivity={"box_wood": 0.1 / 3, "floor": 0.0, "wall_west": 0.3},
        relative_permittivity={"box_wood": 2.5, "floor": 1.0, "wall_west": 1e-9 + 1},
        thickness={"wall_east": 0.1 + 0.2},
    )
    again = round_trip(room, tmp_path)
    assert again.key == room.key
    for one, other in zip(room.objects, again.objects, strict=True):
        assert (one.material, one.conductivity) == (other.material, other.conductivity)


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"conductivity": {"box_wood": 0.3}}, "relative_permittivity"),
        ({"relative_permittivity": {"box_wood": 3.0}}, "conductivity"),
    ],
)
def test_a_number_that_sionna_would_ignore_needs_its_neighbour(
    tmp_path: Path, change: dict[str, Any], missing: str
) -> None:
    room = box_room().with_materials(**change)
    with pytest.raises(SceneError, match=f"'box_wood' takes its {missing} from the ITU table"):
        room.write(tmp_path / "room")
    assert not (tmp_path / "room").exists()
    again = load_scene(room.write(tmp_path / "room", frequency=2e9))
    wood = again.objects[again.names.index("box_wood")]
    k = room.names.index("box_wood")
    assert wood.material == "wood"
    assert wood.conductivity == room.conductivity(2e9)[k]
    assert wood.relative_permittivity == room.relative_permittivity(2e9)[k]
    with pytest.raises(FrequencyError, match="'box_wood'"):
        room.write(tmp_path / "other", frequency=1e3)


def test_a_material_that_is_not_in_the_table_where_sionna_opens(tmp_path: Path) -> None:
    room = box_room().with_materials({"floor": "floorboard"})
    with pytest.raises(SceneError, match=r"'floor' .*at 3.5 GHz"):
        room.write(tmp_path / "room")
    again = load_scene(room.write(tmp_path / "room", frequency=60e9))
    assert again.objects[0].conductivity == conductivity("floorboard", 60e9)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="not empty"):
        box_room().write(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["notes.txt"]
    box_room().write(tmp_path, overwrite=True)
    again = box_room(0).write(tmp_path, overwrite=True)
    assert load_scene(again).key == box_room(0).key
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_comment_cannot_end_early(tmp_path: Path) -> None:
    path = box_room().write(tmp_path, about=("a--->", "<!-- b", "c-"))
    assert load_scene(path).key == box_room().key
    assert path.read_text().count("-->") == 1


def test_awkward_names_come_back(tmp_path: Path) -> None:
    names = ['<a> & "b"', "mesh-mesh-x", "wood", "itu_wood", "ü α 日本", "a--1"]
    items = []
    for k, name in enumerate(names):
        mesh = BOX.copy().apply_translation([5 * k, 0, 0])
        material = "wood" if k % 2 else name
        items.append(SceneObject(name, material, mesh.vertices, mesh.faces, 0.1, 2.0, 0.1 * k))
    model = SceneModel("s", tuple(items), bounding_bounds(tuple(items)))
    again = round_trip(model, tmp_path)
    assert again.names == model.names
    assert again.materials == model.materials
    assert again.key == model.key


def test_a_name_that_files_take_for_a_parameter_is_not_written(tmp_path: Path) -> None:
    item = SceneObject("$x", "wood", BOX.vertices, BOX.faces)
    with pytest.raises(SceneError, match=r"'\$x'"):
        SceneModel("s", (item,), bounding_bounds((item,))).write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_bundled_scene_comes_back(tmp_path: Path) -> None:
    model = load_scene(bundled_scene("simple_street_canyon_with_cars"))
    assert round_trip(model, tmp_path).key == model.key


def test_a_written_scene_is_plain(tmp_path: Path) -> None:
    room = box_room()
    text = room.write(tmp_path).read_text()
    assert text == room.to_xml()
    assert 'value="meshes/0.ply"' in text
    assert str(tmp_path) not in text
    assert sorted(os.listdir(tmp_path)) == ["meshes", "scene.xml"]
    assert len(os.listdir(tmp_path / "meshes")) == 9


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        box_room().write(tmp_path / "file")


def test_names_are_quoted_in_xml() -> None:
    item = SceneObject('"/><include filename="x', "wood", BOX.vertices, BOX.faces)
    text = SceneModel("s", (item,), bounding_bounds((item,))).to_xml()
    assert "<include" not in text
    assert quoteattr("mesh-" + item.name) in text


AWKWARD = ("Cube.001", 'a "b" <c> & d', "mesh-x", "wood", "itu_wood", "ü 日本", "a--1", "mat-y")


@pytest.mark.parametrize("merge_shapes", [False, True])
@pytest.mark.parametrize("frequency", [3.5e9, 28e9])
def test_sionna_opens_what_is_written_with_its_numbers(
    tmp_path: Path, merge_shapes: bool, frequency: float
) -> None:
    items = []
    for k, name in enumerate(AWKWARD):
        mesh = BOX.copy().apply_translation([5 * k, 0, 0])
        values = (0.1 + k / 3, 2.0 + k / 7) if k % 3 else (None, None)
        material = name if k % 3 else "concrete"
        scattering = (0.1 * k, 0.05 * k) if k % 2 else (0.0, 0.0)
        numbers = (0.1 + k, *values[::-1], *scattering)
        items.append(SceneObject(name, material, mesh.vertices, mesh.faces, *numbers))
    model = SceneModel("s", tuple(items), bounding_bounds(tuple(items)))
    scene = opened(model.write(tmp_path), merge_shapes=merge_shapes)
    expected, found = expected_numbers(model, frequency), numbers_of(scene, frequency)
    # "mesh-mesh-x" is the object "mesh-x"
    assert sorted(found) == sorted(expected)
    for item in items:
        # Sionna evaluates the table in single precision.
        tolerance = 2e-7 if item.conductivity is None else 0.0
        np.testing.assert_allclose(found[item.name], expected[item.name], rtol=tolerance)
    with pytest.warns(SceneFileWarning, match="acts only where diffuse reflection is asked for"):
        again = load_scene(tmp_path / "scene.xml")
    for item, read in zip(items, again.objects, strict=True):
        live = scene.objects[item.name].radio_material
        assert live.xpd_coefficient[0] == np.float32(item.xpd_coefficient)
        assert read.scattering_coefficient == item.scattering_coefficient
        assert read.xpd_coefficient == item.xpd_coefficient
    boxes = {n: o.mi_mesh.bbox() for n, o in scene.objects.items()}
    for name, box in zip(model.names, model.bounding_boxes, strict=True):
        np.testing.assert_allclose([boxes[name].min, boxes[name].max], box, atol=1e-6)


def test_explicit_numbers_arrive_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    room = box_room()
    room = room.with_materials(
        conductivity=rng.lognormal(-4.0, 3.0, 9), relative_permittivity=1.0 + rng.random(9) * 9,
        thickness=rng.random(9),
    )  # fmt: skip
    scene = opened(room.write(tmp_path), merge_shapes=True)
    for frequency in (3.5e9, 28e9):
        expected, found = expected_numbers(room, frequency), numbers_of(scene, frequency)
        assert {n: v.tolist() for n, v in found.items()} == {
            n: v.tolist() for n, v in expected.items()
        }
