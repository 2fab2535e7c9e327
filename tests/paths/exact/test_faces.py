"""Preparing faces: what is merged, what coincides, what is a body."""

import dataclasses
import warnings

import numpy as np
import pytest

from tests.paths.exact.path_cases import (
    FAR,
    QUAD,
    box,
    find,
    l_shaped_flat,
    quad,
    scene_of,
    wall,
)
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.paths.exact.faces import CoincidentSurfaces, prepare_scene
from vlmrt_dist.scene import SceneObject, box_room


def areas(prepared):
    """Area of each piece [m²]."""
    found = []
    for piece in prepared.faces.piece:
        c = prepared.faces.corner[piece["first"] : piece["first"] + piece["count"]]
        p = np.column_stack([c["x"], c["y"], c["z"]])
        fan = np.cross(p[1:-1] - p[0], p[2:] - p[0])
        found.append(0.5 * np.linalg.norm(fan.sum(axis=0)))
    return np.array(found)


def strips(radius, width, count, height=3.0):
    """A wall in the shape of an arc, in upright strips."""
    turn = np.arange(count + 1) * width / radius
    plan = radius * np.column_stack([np.cos(turn), np.sin(turn)])
    low = np.column_stack([plan, np.zeros(count + 1)])
    vertices = np.concatenate([low, low + np.array([0, 0, height])])
    i = np.arange(count)
    faces = np.concatenate(
        [
            np.column_stack([i, i + 1, i + count + 2]),
            np.column_stack([i, i + count + 2, i + count + 1]),
        ]
    )
    return SceneObject("arc", "concrete", vertices, faces)


def test_two_triangles_of_a_rectangle_are_one_piece():
    prepared = prepare_scene(box_room())
    assert len(prepared.faces.piece) == 29 == len(prepared.planes.offset)
    assert (prepared.faces.piece["count"] == 4).all()
    assert prepared.faces.convex.sum() == 4  # the boxes; walls are no bodies


def test_a_floor_that_is_not_convex_is_cut_into_convex_pieces():
    prepared = prepare_scene(l_shaped_flat())
    floor = prepared.faces.piece["object"] == 0
    assert floor.sum() == 2
    assert areas(prepared)[floor].sum() == pytest.approx(7 * 3.5 + 3.5 * 2.5)
    assert len(set(prepared.faces.piece["plane"][floor])) == 1


def test_a_grid_of_squares_is_one_rectangle():
    n = 12
    x, y = np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij")
    vertices = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    faces = np.concatenate([corner[:, None] + [0, n + 1, n + 2], corner[:, None] + [0, n + 2, 1]])
    prepared = prepare_scene(scene_of(SceneObject("floor", "wood", vertices, faces)))
    assert areas(prepared).sum() == pytest.approx(n * n)
    assert len(prepared.faces.piece) == 1


def tessellated(item, n):
    """Every triangle of an object cut into n² equal ones."""
    vertices: list[np.ndarray] = []
    faces: list[tuple[int, int, int]] = []
    for a, b, c in item.vertices[item.faces]:
        first = len(vertices)
        rows = [first + i * (n + 1) - i * (i - 1) // 2 for i in range(n + 2)]
        vertices += [
            a + (b - a) * i / n + (c - a) * j / n for i in range(n + 1) for j in range(n + 1 - i)
        ]
        for i in range(n):
            for j in range(n - i):
                here, above = rows[i] + j, rows[i + 1] + j
                faces.append((here, above, here + 1))
                if j + 1 < n - i:
                    faces.append((above, above + 1, here + 1))
    return SceneObject(item.name, item.material, np.array(vertices), np.array(faces))


@pytest.mark.parametrize("n", [3, 20])
def test_a_finely_drawn_room_has_the_pieces_of_the_coarse_one_and_its_paths(n):
    room = box_room(6)
    fine = scene_of(*(tessellated(item, n) for item in room.objects))
    coarse, prepared = prepare_scene(room).faces, prepare_scene(fine).faces
    assert len(prepared.piece) == len(coarse.piece) == len(coarse.mirror)
    assert prepared.convex.tolist() == coarse.convex.tolist()
    setup = random_campaign(room, 1, 4, seed=0).setups[0]
    there, here = find(fine, setup, 3), find(room, setup, 3)
    for name in ("receiver", "kind", "object"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))


def test_an_outline_with_a_hole_is_not_taken_for_a_whole():
    outer = [(0, 0, 0), (3, 0, 0), (3, 3, 0), (0, 3, 0)]
    inner = [(1, 1, 0), (2, 1, 0), (2, 2, 0), (1, 2, 0)]
    ring = [(i, (i + 1) % 4, 4 + i) for i in range(4)]
    ring += [((i + 1) % 4, 4 + (i + 1) % 4, 4 + i) for i in range(4)]
    frame = SceneObject("frame", "wood", np.array(outer + inner, float), np.array(ring))
    faces = prepare_scene(scene_of(frame)).faces
    assert len(faces.piece) == 4
    area = 0.0
    for piece in faces.piece:
        corner = faces.corner[piece["first"] : piece["first"] + piece["count"]]
        x, y = corner["x"], corner["y"]
        area += 0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    assert area == pytest.approx(8.0)


def test_the_order_of_triangles_and_their_windings_do_not_matter():
    scene = l_shaped_flat()
    rng = np.random.default_rng(3)
    objects = []
    for item in scene.objects:
        faces = rng.permuted(item.faces, axis=1)[rng.permutation(len(item.faces))]
        objects.append(dataclasses.replace(item, faces=faces))
    one, other = prepare_scene(scene), prepare_scene(scene_of(*objects))
    assert areas(other).sum() == pytest.approx(areas(one).sum())
    assert len(other.planes.offset) == len(one.planes.offset)


def test_narrow_strips_of_an_arc_stay_apart():
    for radius, width in ((1000.0, 0.5), (1000.0, 0.025), (100.0, 0.1)):
        prepared = prepare_scene(scene_of(strips(radius, width, 40)))
        assert len(prepared.faces.piece) == 40 == len(prepared.planes.offset)
        assert len(set(prepared.faces.mirror["surface"])) == 40


def test_slivers_and_repeated_triangles_do_not_count():
    plain = wall("wall", (0, 0), (4, 0))
    vertices = np.concatenate([plain.vertices, [[2, 0, 0], [2, 1e-8, 1]]])
    faces = np.concatenate([QUAD, QUAD[:, ::-1], [[0, 4, 1], [4, 5, 4]]])
    dirty = dataclasses.replace(plain, vertices=vertices, faces=faces)
    one, other = prepare_scene(scene_of(plain)), prepare_scene(scene_of(dirty))
    assert len(other.faces.piece) == len(one.faces.piece) == 1
    assert other.planes.of_face.tolist() == [0, 0, 0, 0, -1, -1]


def test_a_scene_of_slivers_only_has_no_piece():
    flat = SceneObject("line", "wood", np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), QUAD[:1])
    assert len(prepare_scene(scene_of(flat)).faces.piece) == 0


def test_coincident_surfaces_have_one_owner_and_a_warning_names_both():
    one = quad("plaster", [(0, 0, 0), (2, 0, 0), (2, 0, 2), (0, 0, 2)])
    other = quad("brick", [(1, 0, 0), (3, 0, 0), (3, 0, 2), (1, 0, 2)])
    with pytest.warns(CoincidentSurfaces, match="'plaster' owns what it shares with 'brick'"):
        prepared = prepare_scene(scene_of(one, other))
    assert prepared.coincident == ((0, 1),)
    assert prepared.faces.mirror["surface"].tolist() == [0, 0]


def test_surfaces_that_only_touch_are_one_surface_without_a_warning():
    one = quad("left", [(0, 0, 0), (2, 0, 0), (2, 0, 2), (0, 0, 2)])
    other = quad("right", [(2, 0, 0), (3, 0, 0), (3, 0, 2), (2, 0, 2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared = prepare_scene(scene_of(one, other))
    assert prepared.coincident == ()
    assert prepared.faces.mirror["surface"].tolist() == [0, 0]


def test_surfaces_a_tenth_of_a_millimetre_apart_are_two():
    one = quad("near", [(0, 0, 0), (2, 0, 0), (2, 0, 2), (0, 0, 2)])
    other = quad("far", [(0, 1e-4, 0), (2, 1e-4, 0), (2, 1e-4, 2), (0, 1e-4, 2)])
    prepared = prepare_scene(scene_of(one, other))
    assert prepared.faces.mirror["surface"].tolist() == [0, 1]


def test_boxes_that_touch_or_intersect_are_no_bodies():
    alone = box("alone", (5, 5, 0.1), (6, 6, 1))
    cases = (
        [box("a", (0, 0, 0.1), (1, 1, 1)), box("b", (0.5, 0.5, 0.5), (2, 2, 2)), alone],
        [box("a", (0, 0, 0.1), (1, 1, 1)), wall("b", (1, 0), (1, 4)), alone],
        [box("a", (0, 0, 0.1), (9, 9, 3)), box("b", (1, 1, 1), (2, 2, 2))],
    )
    for objects, expected in zip(cases, ([0, 0, 1], [0, 0, 1], [0, 1]), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CoincidentSurfaces)
            assert prepare_scene(scene_of(*objects)).faces.convex.tolist() == expected


def test_rooms_near_the_origin_are_not_moved_and_far_ones_lose_no_bit():
    scene = box_room()
    assert prepare_scene(scene).shift.tolist() == [0.0, 0.0, 0.0]
    far = [dataclasses.replace(o, vertices=o.vertices + FAR) for o in scene.objects]
    prepared = prepare_scene(scene_of(*far))
    assert np.abs(FAR - prepared.shift).max() <= 512.0 + 10.0
    c = prepared.faces.corner
    moved = np.column_stack([c["x"], c["y"], c["z"]]) + prepared.shift
    every = np.concatenate([o.vertices for o in far])
    assert {tuple(p) for p in moved} <= {tuple(p) for p in every}
    assert prepared.faces.convex.sum() == 4
