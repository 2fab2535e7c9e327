import dataclasses

import numpy as np
import pytest

from tests.numerics import PAPER, materials
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.paths.image_method import planes_of, unfold
from vlmrt_dist.paths.path_table import NONE, REFLECTION, TRANSMISSION
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room

QUAD = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def scene_of(*objects: SceneObject) -> SceneModel:
    return SceneModel("sketch", objects, np.array([[-60.0, -60.0, -60.0], [60.0, 60.0, 60.0]]))


def quad(name: str, *corners: tuple[float, float, float]) -> SceneObject:
    return SceneObject(name, "brick", np.array(corners, np.float64), QUAD)


@pytest.fixture(scope="module")
def corner() -> SceneModel:
    """A floor z = 0 and a wall x = 5."""
    return scene_of(
        quad("floor", (-5, -5, 0), (5, -5, 0), (5, 5, 0), (-5, 5, 0)),
        quad("wall", (5, -5, 0), (5, 5, 0), (5, 5, 3), (5, -5, 3)),
    )


def test_a_quad_is_one_plane_and_a_box_is_six() -> None:
    room = box_room()
    planes = planes_of(room)
    assert len(planes.offset) == 5 + 4 * 6
    np.testing.assert_array_equal(planes.first_face[:6], [0, 2, 4, 6, 8, 10])
    np.testing.assert_allclose(np.linalg.norm(planes.normal, axis=1), 1.0, atol=1e-15)
    for k, item in enumerate(room.objects):
        face = planes.first_face[k] + np.arange(len(item.faces))
        plane = planes.of_face[face]
        height = np.einsum("fc,fvc->fv", planes.normal[plane], item.vertices[item.faces])
        np.testing.assert_allclose(height, planes.offset[plane][:, None] * [1, 1, 1], atol=1e-12)


def test_coplanar_faces_of_two_objects_stay_two_planes() -> None:
    left = quad("left", (0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0))
    right = quad("right", (1, 0, 0), (2, 0, 0), (2, 1, 0), (1, 1, 0))
    assert len(planes_of(scene_of(left, right)).offset) == 2


def test_parallel_faces_a_centimetre_apart_stay_two_planes() -> None:
    vertices = np.concatenate([np.array([[0, 0, z], [1, 0, z], [1, 1, z]]) for z in (0.0, 0.01)])
    item = SceneObject("plates", "brick", vertices, np.array([[0, 1, 2], [3, 5, 4]], np.int32))
    assert len(planes_of(scene_of(item)).offset) == 2


def test_the_winding_does_not_matter() -> None:
    faces = np.array([[0, 1, 2], [0, 3, 2]], np.int32)
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float64)
    assert len(planes_of(scene_of(SceneObject("q", "brick", corners, faces))).offset) == 1


def divided_wall(start: np.ndarray, along: np.ndarray) -> SceneObject:
    """A vertical wall of two panels, four triangles, as a float32 mesh file holds it."""
    low = [start + t * along for t in (0.0, 0.37, 1.0)]
    vertices = np.array([[*p, z] for z in (0.0, 3.0) for p in low]).astype(np.float32)
    faces = np.array([[0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4]], np.int32)
    return SceneObject("wall", "brick", vertices.astype(np.float64), faces)


@pytest.mark.parametrize("turn", [(1.0, 1.0), (1.0, -1.0)])
def test_a_divided_wall_at_45_degrees_is_one_plane(turn: tuple[float, float]) -> None:
    """Two components of its normal are equal but for rounding: neither may decide the sign."""
    rng = np.random.default_rng(0)
    split = [
        len(
            planes_of(
                scene_of(divided_wall(rng.uniform(-50, 50, 2), length * np.array(turn)))
            ).offset
        )
        for length in rng.uniform(1.0, 5.0, 200)
    ]
    assert split == [1] * 200


def test_a_divided_wall_of_any_direction_is_one_plane() -> None:
    """The normals differ by float32 rounding only: no rounding cell may cut between them."""
    rng = np.random.default_rng(1)
    count = [
        len(planes_of(scene_of(divided_wall(rng.uniform(-50, 50, 2), rng.uniform(2, 5, 2)))).offset)
        for _ in range(1000)
    ]
    assert count == [1] * 1000


def one(*values: object) -> np.ndarray:
    return np.array([values])


def test_line_of_sight() -> None:
    planes = planes_of(box_room(0))
    length, direction = unfold(
        planes, one(0.0, 0.0, 1.0), one(3.0, 4.0, 1.0), np.zeros((1, 0), np.uint8),
        np.zeros((1, 0), np.int32),
    )  # fmt: skip
    assert length[0] == 5.0
    np.testing.assert_allclose(direction[0], [[0.6, 0.8, 0.0]], atol=1e-15)


def test_one_mirror(corner: SceneModel) -> None:
    """Over the floor from (0,0,1) to (3,0,3): the image is at z = -1, so the path is (3, 0, 4)."""
    planes = planes_of(corner)
    floor = planes.of_face[planes.first_face[0]]
    length, direction = unfold(
        planes, one(0.0, 0.0, 1.0), one(3.0, 0.0, 3.0),
        one(REFLECTION, NONE).astype(np.uint8), one(floor, 0).astype(np.int32),
    )  # fmt: skip
    np.testing.assert_allclose(length, [5.0], rtol=1e-15)
    np.testing.assert_allclose(direction[0, 0], [0.6, 0.0, -0.8], atol=1e-15)
    np.testing.assert_allclose(direction[0, 1], [0.6, 0.0, 0.8], atol=1e-15)
    np.testing.assert_allclose(direction[0, 2], direction[0, 1])  # padding: the arrival


def test_two_mirrors(corner: SceneModel) -> None:
    """Floor, then wall: the transmitter's image is at (10, 0, -1)."""
    planes = planes_of(corner)
    plane = one(*(planes.of_face[f] for f in planes.first_face)).astype(np.int32)
    tx, rx = one(0.0, 0.0, 1.0), one(2.0, 3.0, 2.0)
    length, direction = unfold(planes, tx, rx, one(REFLECTION, REFLECTION).astype(np.uint8), plane)
    way = np.array([8.0, 3.0, 3.0])  # to the wall and back, across, to the floor and up
    np.testing.assert_allclose(length, [np.linalg.norm(way)], rtol=1e-15)
    for d, sign in enumerate([(1, 1, -1), (1, 1, 1), (-1, 1, 1)]):
        np.testing.assert_allclose(direction[0, d], sign * way / length[0], atol=1e-15)


def test_a_transmission_changes_nothing_and_mixes_with_mirrors(corner: SceneModel) -> None:
    planes = planes_of(corner)
    floor, wall = (planes.of_face[f] for f in planes.first_face)
    tx, rx = one(0.0, 0.0, 1.0), one(9.0, 2.0, 2.0)
    straight, _ = unfold(
        planes, tx, rx, one(TRANSMISSION).astype(np.uint8), one(wall).astype(np.int32)
    )
    np.testing.assert_allclose(straight, [np.sqrt(81 + 4 + 1)], rtol=1e-15)
    length, direction = unfold(
        planes, tx, rx, one(REFLECTION, TRANSMISSION).astype(np.uint8),
        one(floor, wall).astype(np.int32),
    )  # fmt: skip
    np.testing.assert_allclose(length, [np.sqrt(81 + 4 + 9)], rtol=1e-15)
    np.testing.assert_allclose(direction[0, 1], direction[0, 2], atol=1e-15)
    np.testing.assert_allclose(direction[0, 0] * [1, 1, -1], direction[0, 1], atol=1e-15)


@pytest.mark.slow
def test_directions_are_those_of_sionnas_vertices() -> None:
    from vlmrt_dist.paths.sionna_scene import LiveScene

    room = box_room()
    setup = random_campaign(room, 1, 6, seed=4).setups[0]
    live = LiveScene(room, PAPER)
    found = live.find_paths(setup, 1)
    planes = planes_of(room)
    plane = planes.of_face[planes.first_face[found.object] + found.face]
    rx = setup.rx[found.receiver]
    tx = np.broadcast_to(setup.tx, rx.shape)
    length, direction = unfold(planes, tx, rx, found.kind, plane)
    np.testing.assert_allclose(length, found.length, rtol=1e-6)

    paths = live.solve(1)  # the devices are still in place, so these are the same paths
    valid = paths.valid.numpy()[:, 0]
    vertices = paths.vertices.numpy()[:, :, 0][:, valid].astype(np.float64)
    assert vertices.shape[1] == len(found.kind) > 150
    count = (found.kind != NONE).sum(1)
    for p in range(len(count)):
        points = np.concatenate([tx[p][None], vertices[: count[p], p], rx[p][None]])
        step = np.diff(points, axis=0)
        size = np.linalg.norm(step, axis=1, keepdims=True)
        # Sionna's float32 vertices are off by some ten micrometres: more on a short leg.
        np.testing.assert_allclose(
            direction[p, : count[p] + 1], step / size, atol=float((5e-5 / size).max())
        )


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [33.0, 45.0])
def test_turning_the_whole_room_changes_no_power(degrees: float) -> None:
    """What a vertical antenna receives does not know which way north is."""
    from vlmrt_dist.field.replay import Replay
    from vlmrt_dist.field.tracing import trace

    room = box_room()
    campaign = random_campaign(room, 2, 4, seed=0)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]).T
    objects = tuple(dataclasses.replace(o, vertices=o.vertices @ turn) for o in room.objects)
    bounds = np.array([[-10.0, -10.0, 0.0], [10.0, 10.0, 3.0]])
    turned = dataclasses.replace(room, objects=objects, bounds=bounds)
    moved = dataclasses.replace(campaign, tx=campaign.tx @ turn, rx=campaign.rx @ turn)
    radio = PAPER.replace(max_depth=2, samples_per_src=200_000, path_set="united_solves")
    powers = [
        Replay(trace(model, places, radio), radio).rss(materials(room))
        for model, places in ((room, campaign), (turned, moved))
    ]
    np.testing.assert_allclose(powers[1], powers[0], rtol=1e-5)


def test_planes_of_a_shifted_scene_are_those_of_the_scene_at_the_origin(room: SceneModel) -> None:
    shift = np.array([691_000.0, 5_334_000.0, 520.0])
    objects = tuple(
        dataclasses.replace(item, vertices=item.vertices + shift) for item in room.objects
    )
    there = SceneModel("far", objects, room.bounds + shift)
    here, found = planes_of(room), planes_of(there, shift)
    np.testing.assert_array_equal(found.of_face, here.of_face)
    np.testing.assert_allclose(found.offset, here.offset, atol=2e-9)
    np.testing.assert_allclose(found.normal, here.normal, atol=2e-9)
