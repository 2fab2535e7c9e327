from pathlib import Path

import numpy as np
import pytest

from tests.live_scenes import numbers_of, opened
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.live_materials import LiveNumbers, set_materials
from vlmrt_dist.scene.live_scene import live_model
from vlmrt_dist.scene.paper_room import box_room

ROOM = box_room()
F = 3.5e9
TABLE = dict(zip(ROOM.names, ROOM.conductivity(F).tolist(), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ROOM.write(tmp_path / "room")


def single(*values: float) -> list[float]:
    """Rounded as Sionna does."""
    return np.array(values, np.float32).tolist()


def table_but(**changes: LiveNumbers) -> dict[str, LiveNumbers]:
    """The table's conductivities for all objects but some."""
    return {name: LiveNumbers(value) for name, value in TABLE.items()} | changes


def test_only_objects_with_other_numbers_get_a_material(folder: Path) -> None:
    scene = opened(folder)
    before = numbers_of(scene, F)
    scene.radio_materials["itu_brick"].scattering_coefficient = 0.2
    change = set_materials(
        scene, table_but(floor=LiveNumbers(0.07), box_wood=LiveNumbers(0.03, 2.5, 0.02)), F
    )
    assert change.changed == ("floor", "box_wood")
    assert set(change.kept) == set(ROOM.names) - {"floor", "box_wood"}
    assert change.split == ()
    after = numbers_of(scene, F)
    assert after["floor"].tolist() == single(0.07, 3.91, 0.1, 0.2)
    assert after["box_wood"].tolist() == single(0.03, 2.5, 0.02, 0.0)
    for name in change.kept:
        np.testing.assert_array_equal(after[name][:3], before[name][:3])
    # Constants stay at another carrier, classes follow it.
    elsewhere = numbers_of(scene, 10e9)
    np.testing.assert_array_equal(elsewhere["floor"], after["floor"])
    assert elsewhere["wall_east"][0] == pytest.approx(itu.conductivity("brick", 10e9), rel=1e-6)
    floor = scene.objects["floor"].radio_material
    assert floor.color == scene.radio_materials["itu_brick"].color


def test_objects_of_equal_numbers_share_a_material(folder: Path) -> None:
    scene = opened(folder)
    same = LiveNumbers(0.05)
    set_materials(scene, table_but(floor=same, wall_west=same, box_wood=same), F)
    used = {name: item.radio_material.name for name, item in scene.objects.items()}
    assert used["floor"] == used["wall_west"] == "brick--1"
    assert used["box_wood"] == "wood--1"  # another permittivity


def test_a_number_set_by_hand_on_a_class_is_seen(folder: Path) -> None:
    scene = opened(folder)
    scene.radio_materials["itu_wood"].conductivity = 0.5
    change = set_materials(scene, table_but(), F)
    assert change.changed == ("box_wood",)
    assert numbers_of(scene, F)["box_wood"][0] == np.float32(TABLE["box_wood"])


def test_a_second_call_replaces_the_first_ones_materials(folder: Path) -> None:
    scene = opened(folder)
    for value in (0.05, 0.06, 0.07):
        set_materials(scene, table_but(floor=LiveNumbers(value)), F)
    assert scene.objects["floor"].radio_material.conductivity[0] == np.float32(0.07)
    counted = [name for name in scene.radio_materials if "--" in name]
    assert len(counted) == 1
    back = set_materials(scene, table_but(), F)
    assert back.changed == ("floor",)


def test_objects_that_differ_are_taken_out_of_a_merged_shape(folder: Path) -> None:
    scene = opened(folder, merge_shapes=True)
    names = live_model(scene)[0].names
    equal = {name: LiveNumbers(TABLE.get(name, 0.05)) for name in names}
    change = set_materials(scene, equal, F)
    assert (len(change.changed), change.split) == (5, ())
    assert len(scene.objects) == 5
    change = set_materials(scene, equal | {"brick_2": LiveNumbers(0.06)}, F)
    assert (change.changed, len(change.split)) == (("brick_2",), 1)
    assert len(scene.objects) == 6
    assert numbers_of(scene, F)["brick_2"][0] == np.float32(0.06)
    # The others are still merged, and have the names that they had.
    model, _ = live_model(scene)
    assert set(model.names) == set(names)
    assert model.objects[model.names.index("brick_1")].conductivity == 0.05
    assert set_materials(scene, equal | {"brick_2": LiveNumbers(0.06)}, F).changed == ()
    change = set_materials(
        scene, equal | {f"brick_{k}": LiveNumbers(0.1 * k) for k in range(1, 6)}, F
    )
    assert len(change.changed) == 5
    assert set(scene.objects) == set(names)
    model, remarks = live_model(scene)
    assert remarks == []
    np.testing.assert_array_equal(
        sorted(model.bounding_boxes.tolist()), sorted(ROOM.bounding_boxes.astype("f4").tolist())
    )


def test_a_source_names_the_objects_of_merged_shapes(folder: Path) -> None:
    scene = opened(folder, merge_shapes=True)
    values = {name: LiveNumbers(0.01 * (k + 1)) for k, name in enumerate(ROOM.names)}
    set_materials(scene, values, F, ROOM)
    found = numbers_of(scene, F)
    boxes = {name: item.mi_mesh.bbox() for name, item in scene.objects.items()}
    for k, (name, box) in enumerate(zip(ROOM.names, ROOM.bounding_boxes, strict=True)):
        assert found[name][0] == np.float32(0.01 * (k + 1))
        np.testing.assert_allclose([boxes[name].min, boxes[name].max], box, atol=1e-6)


def test_wrong_objects_change_nothing(folder: Path) -> None:
    scene = opened(folder)
    before = numbers_of(scene, F)
    numbers = {name: LiveNumbers(1.0) for name in ROOM.names[1:]}
    with pytest.raises(SceneError, match="the estimate does not know 'floor'"):
        set_materials(scene, numbers, F)
    numbers |= {"floor": LiveNumbers(1.0), "sofa": LiveNumbers(1.0)}
    with pytest.raises(SceneError, match="there is no 'sofa'"):
        set_materials(scene, numbers, F)
    merged = opened(folder, merge_shapes=True)
    with pytest.raises(SceneError, match="merge_shapes=False"):
        set_materials(merged, {name: LiveNumbers(1.0) for name in ROOM.names}, F)
    after = numbers_of(scene, F)
    assert {n: v.tolist() for n, v in after.items()} == {n: v.tolist() for n, v in before.items()}


def test_impossible_numbers_change_nothing(folder: Path) -> None:
    scene = opened(folder)
    numbers = table_but(floor=LiveNumbers(0.5), box_wood=LiveNumbers(-1.0))
    with pytest.raises(MaterialError, match="'box_wood'"):
        set_materials(scene, numbers, F)
    assert numbers_of(scene, F)["floor"][0] == pytest.approx(TABLE["floor"], rel=1e-6)
