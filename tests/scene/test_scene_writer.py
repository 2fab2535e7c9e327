import os
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import trimesh

from vlmrt_dist.errors import SceneError, StorageError
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
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
        relative_permittivity={"floor": 1.0, "box_concrete": 5.5},
        thickness={"wall_east": 0.1 + 0.2},
    )
    again = round_trip(room, tmp_path)
    assert again.key == room.key
    for one, other in zip(room.objects, again.objects, strict=True):
        assert (one.material, one.conductivity) == (other.material, other.conductivity)


def test_awkward_names_come_back(tmp_path: Path) -> None:
    names = ['<a> & "b"', "mesh-mesh-x", "wood", "itu_wood", "ü α 日本", "a--1"]
    items = []
    for k, name in enumerate(names):
        mesh = BOX.copy().apply_translation([5 * k, 0, 0])
        numbers = {"conductivity": 0.1 * k, "relative_permittivity": 2.0}
        material = "wood" if k % 2 else name
        items.append(SceneObject(name, material, mesh.vertices, mesh.faces, 0.1, **numbers))
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


@pytest.mark.slow
def test_sionna_reads_what_is_written(tmp_path: Path) -> None:
    room = box_room().with_materials(
        conductivity={"floor": 0.05}, relative_permittivity={"floor": 3.0}
    )
    room.write(tmp_path)
    code = (
        "import sys\nfrom vlmrt_dist.engine.llvm import prepare_engine\nprepare_engine()\n"
        "import sionna.rt as rt\nscene = rt.load_scene(sys.argv[1], merge_shapes=False)\n"
        "for name, o in scene.objects.items():\n"
        "    m, b = o.radio_material, o.mi_mesh.bbox()\n"
        "    electrical = m.conductivity[0], m.relative_permittivity[0], m.thickness[0]\n"
        "    print(name, *electrical, *b.min, *b.max)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "scene.xml")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = {name: values for name, *values in map(str.split, run.stdout.splitlines())}
    assert tuple(sorted(rows)) == tuple(sorted(room.names))
    found = np.array([rows[name] for name in room.names], dtype=float)
    electrical = [room.conductivity(3.5e9), room.relative_permittivity(3.5e9), room.thickness]
    np.testing.assert_allclose(found[:, :3], np.stack(electrical, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found[:, 3:], room.bounding_boxes.reshape(9, 6), atol=1e-6)
