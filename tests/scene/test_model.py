import pickle
import time
from typing import Any

import numpy as np
import pytest
import trimesh

from vlmrt_dist.errors import FrequencyError, SceneError
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import BOX_LIFT, box_room


def solid(name: str, material: str = "wood", at: Any = (0, 0, 0), **values: Any) -> SceneObject:
    mesh = trimesh.creation.box([1, 1, 1]).apply_translation(at)
    return SceneObject(name, material, mesh.vertices, mesh.faces, **values)


def scene(*objects: SceneObject, headroom: float = 0.0) -> SceneModel:
    return SceneModel("test", objects, bounding_bounds(objects, headroom))


def test_a_scene_pickles_with_its_key_and_stays_read_only() -> None:
    room = box_room(6).with_materials(conductivity={"box_5": 0.25})
    _ = room.key, room.distance_to_surface(np.zeros((1, 3)))  # fill what is cached
    content = pickle.dumps(room)
    assert len(content) < 20_000  # caches stay behind
    copy = pickle.loads(content)
    assert (copy.key, copy.names, copy.materials) == (room.key, room.names, room.materials)
    assert not copy.objects[0].vertices.flags.writeable
    np.testing.assert_array_equal(copy.bounds, room.bounds)


def test_values_per_object() -> None:
    room = box_room().with_materials(
        {"box_wood": "glass"},
        conductivity={"box_marble": 0.5},
        relative_permittivity={"box_marble": 3.0},
        thickness={"floor": 0.2},
    )
    sigma, epsilon = room.conductivity(3.5e9), room.relative_permittivity(3.5e9)
    assert sigma[:5] == pytest.approx(0.02908224)
    assert sigma[5] == pytest.approx(0.0036 * 3.5**1.3394)
    assert (sigma[7], epsilon[7]) == (0.5, 3.0)
    assert (epsilon[0], epsilon[5]) == (3.91, 6.31)
    assert room.thickness.tolist() == [0.2] + [0.1] * 8
    assert room.conductivity(10e9)[7] == 0.5  # explicit: the same at every frequency
    assert room.conductivity(10e9)[0] != sigma[0]


def test_all_values_at_once() -> None:
    truth = np.linspace(0.01, 0.09, 9)
    room = box_room().with_materials(conductivity=truth)
    np.testing.assert_array_equal(room.conductivity(3.5e9), truth)
    assert room.materials == box_room().materials


def test_naming_a_material_drops_explicit_numbers() -> None:
    room = box_room().with_materials(conductivity={"floor": 0.5})
    assert room.with_materials({"floor": "mat-itu_Concrete"}).objects[0].conductivity is None
    assert room.with_materials({"floor": "brick"}).key == box_room().key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"materials": {"sofa": "wood"}}, "no object 'sofa'"),
        ({"conductivity": {"sofa": 0.1}}, "no object 'sofa'"),
        ({"conductivity": [0.1, 0.2]}, "9 objects"),
    ],
)
def test_materials_for_objects_that_do_not_exist(change: Any, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        box_room().with_materials(**change)


def test_out_of_range_names_object_and_range() -> None:
    with pytest.raises(FrequencyError, match=r"'floor'.*brick.*1 to 40 GHz"):
        box_room().conductivity(60e9)


def test_a_scene_needs_objects_with_distinct_names() -> None:
    with pytest.raises(SceneError, match="at least one"):
        SceneModel("empty", (), np.zeros((2, 3)))
    with pytest.raises(SceneError, match="two objects are named 'a'"):
        scene(solid("a"), solid("a", at=(3, 0, 0)))


@pytest.mark.parametrize(
    "bounds", [np.zeros((3, 2)), [[0, 0, 0], [1, 1, np.nan]], [[0, 0, 2], [1, 1, 1]]]
)
def test_impossible_bounds(bounds: Any) -> None:
    with pytest.raises(SceneError, match="bounds"):
        SceneModel("a", (solid("a"),), bounds)


def test_headroom_raises_the_room_and_nothing_else() -> None:
    plain, high = scene(solid("a")), scene(solid("a"), headroom=2.5)
    assert plain.bounds.tolist() == [[-0.5] * 3, [0.5] * 3]
    assert high.bounds.tolist() == [[-0.5] * 3, [0.5, 0.5, 3.0]]
    assert high.key == plain.key
    for headroom in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SceneError, match="headroom"):
            scene(solid("a"), headroom=headroom)


def test_whatever_decides_the_physics_changes_the_key() -> None:
    base = solid("a")
    moved = base.vertices + np.array([0, 0, 1e-9])
    variants = [
        base,
        solid("b"),
        solid("a", "glass"),
        solid("a", thickness=0.11),
        solid("a", conductivity=0.1),
        solid("a", conductivity=0.2),
        solid("a", relative_permittivity=2.0),
        SceneObject("a", "wood", moved, base.faces),
        SceneObject("a", "wood", base.vertices, base.faces[::-1]),
    ]
    assert len({scene(item).key for item in variants}) == len(variants)
    a, b = solid("a"), solid("b", at=(2, 0, 0))
    assert scene(a, b).key != scene(b, a).key
    assert SceneModel("other name", (base,), np.zeros((2, 3))).key == scene(base).key


def test_inside_bounds_includes_the_boundary() -> None:
    points = np.array([[0, 0, 0], [5, 5, 3], [5.001, 0, 1], [0, 0, -1e-9], [np.nan, 0, 1]])
    assert box_room().inside_bounds(points).tolist() == [True, True, False, False, False]


def test_inside_a_box() -> None:
    room = box_room()
    points = [
        [-3, 3, 0.5],
        [3, -3, 0.999],
        [0, 0, 1],
        [3, 3, 1.001 + BOX_LIFT],
        [-3, -3, 0.02],
        [9, 9, 9],
    ]
    assert room.inside_object(np.array(points)).tolist() == [5, 6, -1, -1, 7, -1]


def test_distance_in_the_papers_room() -> None:
    points = [[0, 0, 1.0], [4.75, 0, 1.5], [-3, 3, 1.25 + BOX_LIFT], [0, 0, 2.9], [np.nan, 0, 0]]
    found = box_room().distance_to_surface(points)
    np.testing.assert_allclose(found, [1.0, 0.25, 0.25, 2.9, np.nan])


def test_distance_against_brute_force_in_a_crowded_room() -> None:
    room = box_room(60)
    points = np.random.default_rng(0).uniform(room.bounds[0], room.bounds[1], (100, 3))
    triangles = np.concatenate([o.vertices[o.faces] for o in room.objects])
    best = np.full(len(points), np.inf)
    for triangle in triangles:
        many = np.broadcast_to(triangle, (len(points), 3, 3))
        nearest = trimesh.triangles.closest_point(many, points)
        best = np.minimum(best, np.linalg.norm(nearest - points, axis=1))
    np.testing.assert_allclose(room.distance_to_surface(points), best, atol=1e-9)


def test_two_thousand_boxes_are_asked_quickly() -> None:
    room = box_room(2000)
    points = np.random.default_rng(0).uniform(room.bounds[0], room.bounds[1], (1000, 3))
    start = time.process_time()
    inside, distance = room.inside_object(points), room.distance_to_surface(points)
    assert time.process_time() - start < 10.0  # 0.7 s on an idle core
    boxes = room.bounding_boxes[5:]
    within = (points[:, None] > boxes[:, 0]) & (points[:, None] < boxes[:, 1])
    np.testing.assert_array_equal(inside >= 0, np.any(np.all(within, axis=2), axis=1))
    assert (distance[inside >= 0] <= 0.5).all()


def test_the_mesh_of_the_room_itself_is_no_box_to_be_inside_of() -> None:
    shell = trimesh.creation.box([10, 10, 3])
    room = scene(
        SceneObject("shell", "brick", shell.vertices, shell.faces),
        solid("crate", at=(2, 2, -1.01)),  # pokes a little through the floor
    )
    points = [[0, 0, 0], [2, 2, -1]]
    assert room.inside_object(points).tolist() == [-1, 1]


def test_points_must_be_points() -> None:
    for ask in (box_room().inside_bounds, box_room().inside_object, box_room().distance_to_surface):
        with pytest.raises(ValueError, match=r"\[P,3\]"):
            ask([0.0, 0.0, 0.0])
        assert len(ask(np.empty((0, 3)))) == 0


def test_it_prints_what_it_is() -> None:
    assert "K=9" in repr(box_room())
    assert repr(box_room().objects[5]) == "SceneObject('box_wood', 'wood', 12 triangles)"


def test_objects_a_thousand_kilometres_apart_are_refused_by_name() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    utm = np.array([691_000.0, 5_334_000.0, 520.0])
    near = SceneObject("near", "brick", corners, np.array([[0, 1, 2]]))
    far = SceneObject("far", "brick", corners + utm, np.array([[0, 1, 2]]))
    with pytest.raises(SceneError, match=r"1000 km, from object 'near' to object 'far'.*origin"):
        SceneModel("mixed", (far, near), np.zeros((2, 3)))
    assert SceneModel("map", (far,), bounding_bounds((far,))).num_objects == 1
