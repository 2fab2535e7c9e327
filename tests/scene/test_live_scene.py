from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.live_scenes import opened
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.live_scene import (
    check_names,
    is_live,
    live_model,
    short_list,
    shortest_decimal,
)
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

NUMBERS = {"floor": 0.31, "wall_west": 0.31, "box_wood": 0.0123}


@pytest.fixture
def room() -> SceneModel:
    return box_room().with_materials(
        conductivity=NUMBERS,
        relative_permittivity={"floor": 4.5, "wall_west": 4.5, "box_wood": 2.2},
        thickness={"box_wood": 0.02, "box_marble": 0.03},
    )


@pytest.fixture
def folder(room: SceneModel, tmp_path: Path) -> Path:
    return room.write(tmp_path / "room")


def test_objects_and_materials_are_those_of_the_file(room: SceneModel, folder: Path) -> None:
    scene = opened(folder)
    assert is_live(scene)
    assert not is_live(room)
    model, remarks = live_model(scene)
    assert remarks == []
    assert model.names == room.names
    assert model.materials == room.materials
    for found, item in zip(model.objects, room.objects, strict=True):
        numbers = (found.conductivity, found.relative_permittivity, found.thickness)
        assert numbers == (item.conductivity, item.relative_permittivity, item.thickness)
        np.testing.assert_array_equal(found.vertices, item.vertices.astype(np.float32))
        np.testing.assert_array_equal(found.faces, item.faces)
    np.testing.assert_array_equal(model.bounds, room.bounds)


def test_merged_shapes_are_split_and_that_is_said(room: SceneModel, folder: Path) -> None:
    scene = opened(folder, merge_shapes=True)
    assert len(scene.objects) < room.num_objects
    model, remarks = live_model(scene)
    assert model.num_objects == room.num_objects
    assert sorted(model.materials) == sorted(room.materials)
    assert sorted(n for n in model.names if n not in room.names) == [
        "brick_1", "brick_2", "brick_3", "brick_4", "brick_5",
    ]  # fmt: skip
    assert len(remarks) == 1
    assert "brick_1 to brick_3" in remarks[0]
    assert "merge_shapes=False" in remarks[0]
    boxes = sorted(model.bounding_boxes.tolist())
    assert boxes == sorted(room.bounding_boxes.astype(np.float32).astype(float).tolist())


def test_a_source_gives_merged_shapes_their_names(room: SceneModel, folder: Path) -> None:
    scene = opened(folder, merge_shapes=True)
    model, remarks = live_model(scene, source=room)
    assert remarks == []
    assert model.key == room.key


def test_a_source_that_is_another_scene(room: SceneModel, folder: Path) -> None:
    scene = opened(folder, merge_shapes=True)
    with pytest.raises(SceneError, match=r"no triangles where its source has 'box_5'"):
        live_model(scene, source=box_room(5))
    fewer = SceneModel("s", room.objects[:-1], room.bounds)
    with pytest.raises(SceneError, match=r"lacks triangles of 'box_chipboard'"):
        live_model(scene, source=fewer)


def test_the_room_reaches_to_the_highest_antenna(folder: Path) -> None:
    import sionna.rt as rt

    scene = opened(folder)
    scene.add(rt.Transmitter("mast", position=[0.0, 0.0, 12.5]))
    model, _ = live_model(scene, headroom=1.0)
    assert model.bounds[1, 2] == 12.5


def test_what_a_scene_model_does_not_hold_is_said(folder: Path) -> None:
    import sionna.rt as rt

    scene = opened(folder)
    brick = scene.objects["wall_east"].radio_material
    brick.scattering_coefficient = 0.3
    scene.objects["box_marble"].radio_material.conductivity = 0.5
    own = rt.RadioMaterial("own", frequency_update_callback=lambda f: (3.0, 1e-9 * f / 10.0))
    scene.objects["box_concrete"].radio_material = own
    model, remarks = live_model(scene)
    assert [text.split("'")[1] for text in remarks] == ["itu_brick", "own", "itu_marble"]
    assert "scatters" in remarks[0]
    wall = model.objects[model.names.index("wall_east")]
    assert (wall.scattering_coefficient, wall.conductivity) == (0.3, None)
    assert "function of the frequency" in remarks[1]
    assert "restores" in remarks[2]
    k = model.names.index("box_concrete")
    assert (model.objects[k].material, model.objects[k].conductivity) == ("own", 0.35)
    assert model.objects[model.names.index("box_marble")].conductivity == 0.5


def test_a_class_follows_its_table_at_the_carrier_of_the_scene(folder: Path) -> None:
    scene = opened(folder)
    scene.frequency = 28e9
    model, _ = live_model(scene)
    assert model.objects[model.names.index("box_concrete")].conductivity is None
    assert model.objects[0].conductivity == NUMBERS["floor"]


def test_materials_of_other_types_are_refused(folder: Path) -> None:
    scene = opened(folder)
    odd = SimpleNamespace(
        mi_mesh=scene.objects["floor"].mi_mesh, radio_material=SimpleNamespace(name="strange")
    )
    around: Any = SimpleNamespace(
        objects={"floor": odd}, radio_materials={}, transmitters={}, receivers={},
        frequency=scene.frequency,
    )  # fmt: skip
    with pytest.raises(MaterialError, match=r"'floor' has a material of type SimpleNamespace"):
        live_model(around)


def test_a_scene_without_objects() -> None:
    import sionna.rt as rt

    with pytest.raises(SceneError, match="no object"):
        live_model(rt.Scene())


def test_names_that_do_not_match_are_listed() -> None:
    check_names(["a", "b"], ["b", "a"], "the scene")
    with pytest.raises(SceneError, match="there is no 'a', and the estimate does not know 'c'; "):
        check_names(["a", "b"], ["b", "c"], "the scene")
    with pytest.raises(SceneError, match="merge_shapes=False"):
        check_names(["a"], ["b"], "the scene", merged=True)
    assert short_list([f"n{k}" for k in range(10)]).endswith("'n7' and 2 more")


@pytest.mark.parametrize("value", [0.1, 1.2, 3.5e9, 2.437e9, 0.029082239, 1e-7])
def test_numbers_are_read_as_the_shortest_decimals(value: float) -> None:
    assert np.float32(shortest_decimal(np.float32(value))) == np.float32(value)
    assert len(repr(shortest_decimal(np.float32(value)))) <= 16
