import math

import numpy as np
import pytest

from vlmrt_dist.errors import SceneError
from vlmrt_dist.rendering.viewpoints import STUB, Camera, Seen, framing_box, look_at_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room

ASPECT = 4 / 3
QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)
FACES = np.concatenate([QUADS[:, [0, 1, 2]], QUADS[:, [0, 2, 3]]])


def block(name: str, low: tuple[float, ...], high: tuple[float, ...]) -> SceneObject:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    return SceneObject(name, "concrete", low + corners * np.subtract(high, low), FACES)


def scene(*objects: SceneObject) -> SceneModel:
    return SceneModel("a scene", objects, bounding_bounds(objects))


def closed_room(turn: float = 0.0) -> SceneModel:
    """Thick walls, two of them and the ceiling in halves, a window set into each of two walls, a
    shelf against a wall, and a box; turned about the vertical [radians]."""
    objects = (
        block("floor", (-4.0, -3.0, -0.2), (4.0, 3.0, 0.0)),
        block("ceiling_1", (-4.0, -3.0, 2.8), (0.0, 3.0, 3.0)),
        block("ceiling_2", (0.0, -3.0, 2.8), (4.0, 3.0, 3.0)),
        block("west", (-4.0, -3.0, 0.0), (-3.8, 3.0, 2.8)),
        block("east", (3.8, -3.0, 0.0), (4.0, 3.0, 2.8)),
        block("south_1", (-3.8, -3.0, 0.0), (0.0, -2.8, 2.8)),
        block("south_2", (0.0, -3.0, 0.0), (3.8, -2.8, 2.8)),
        block("north_1", (-3.8, 2.8, 0.0), (0.0, 3.0, 2.8)),
        block("north_2", (0.0, 2.8, 0.0), (3.8, 3.0, 2.8)),
        block("window_south", (-3.0, -2.91, 1.0), (-1.0, -2.89, 2.0)),
        block("window_north", (1.0, 2.89, 1.0), (3.0, 2.91, 2.0)),
        block("shelf", (1.0, -2.75, 0.05), (2.0, -2.35, 2.0)),
        block("box", (-1.0, -1.0, 0.05), (1.0, 1.0, 1.0)),
    )
    turned = np.array(
        [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
    )
    return scene(
        *(SceneObject(o.name, o.material, o.vertices @ turned.T, o.faces) for o in objects)
    )


def height_left(seen: Seen, model: SceneModel) -> dict[str, float]:
    """Height of each object that is left, as a share of its own; 0 if it is left out."""
    shares = {}
    for k, item in enumerate(model.objects):
        z = seen.triangles[seen.owner == k][..., 2]
        low, high = item.vertices[:, 2].min(), item.vertices[:, 2].max()
        reach = (z.max() - low) if len(z) else 0.0
        shares[item.name] = float(reach / (high - low)) if high > low else float(len(z) > 0)
    return shares


def projected(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Coordinates of points [P,3] in a picture of 4 to 3, -1 to 1 from the left and lower edges."""
    back = (camera.origin - camera.target) / camera.distance
    right = np.cross(camera.up, back)
    right /= np.linalg.norm(right)
    seen = points - camera.origin
    depth = -seen @ back
    assert (depth > 0).all()
    slope = math.tan(math.radians(camera.fov / 2))
    x, y = seen @ right / depth / slope, seen @ np.cross(back, right) / depth / slope * ASPECT
    return np.column_stack([x, y])


@pytest.mark.parametrize("view", ["overhead", "perspective"])
@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_the_whole_scene_is_in_the_picture_and_fills_it(view: str, size: float) -> None:
    model = scene(
        block("a", (0.0, 0.0, 0.0), (5.0 * size, 2.0, 3.0)), block("b", (0, 9, 0), (1, 10, 1))
    )
    camera = look_at_scene(model, view, ASPECT).camera
    x, y = projected(camera, np.concatenate([o.vertices for o in model.objects])).T
    assert np.abs([x, y]).max() < 1.0
    assert max(np.ptp(x), np.ptp(y)) > 1.5


def test_overhead_has_x_to_the_right_and_y_upwards() -> None:
    camera = look_at_scene(box_room(), "overhead", ASPECT).camera
    points = projected(camera, np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    assert np.allclose(points[0], 0.0, atol=1e-9)
    assert points[1, 0] > 0.05
    assert points[2, 1] > 0.05
    assert np.allclose([points[1, 1], points[2, 0]], 0.0, atol=1e-9)


def test_of_the_paper_s_room_the_two_near_walls_become_stubs() -> None:
    model = box_room()
    left = height_left(look_at_scene(model, "perspective", ASPECT), model)
    low = {name for name, share in left.items() if share < 1.0}
    assert low == {"wall_south", "wall_east"}
    assert all(left[name] == pytest.approx(STUB) for name in low)


def test_overhead_nothing_of_the_paper_s_room_is_cut() -> None:
    model = box_room(14)
    assert set(height_left(look_at_scene(model, "overhead", ASPECT), model).values()) == {1.0}


@pytest.mark.parametrize("turn", [0.0, 0.2])
def test_overhead_a_closed_room_loses_its_ceiling_and_nothing_else(turn: float) -> None:
    model = closed_room(turn)
    left = height_left(look_at_scene(model, "overhead", ASPECT), model)
    assert {name for name, share in left.items() if share == 0.0} == {"ceiling_1", "ceiling_2"}
    assert {share for share in left.values() if share > 0.0} == {1.0}


@pytest.mark.parametrize("turn", [0.0, 0.2])
def test_in_perspective_ceiling_and_near_walls_go_with_the_windows_in_them(turn: float) -> None:
    model = closed_room(turn)
    left = height_left(look_at_scene(model, "perspective", ASPECT), model)
    assert left["ceiling_1"] == left["ceiling_2"] == left["window_south"] == 0.0
    for name in ("south_1", "south_2", "east"):
        assert left[name] == pytest.approx(STUB)
    for name in ("floor", "west", "north_1", "north_2", "window_north", "shelf", "box"):
        assert left[name] == 1.0


def test_a_room_of_one_mesh_is_opened_face_by_face() -> None:
    model = scene(block("room", (0, 0, 0), (8, 6, 3)), block("box", (3, 2, 0.1), (5, 4, 1)))
    overhead = look_at_scene(model, "overhead", ASPECT)
    shell = overhead.triangles[overhead.owner == 0]
    assert len(shell) == 10
    assert not (shell[..., 2] == 3.0).all(axis=1).any()
    perspective = look_at_scene(model, "perspective", ASPECT)
    shell = perspective.triangles[perspective.owner == 0]
    high = shell[(shell[..., 2] > 2.0).any(axis=1)]
    assert len(high) == 4  # the two far walls
    assert (perspective.owner == 1).sum() == 12


def test_buildings_and_their_roofs_are_not_cut() -> None:
    ground = np.array([[-50, -50, 0], [90, -50, 0], [90, 90, 0], [-50, 90, 0.0]])
    objects = [SceneObject("ground", "concrete", ground, np.array([[0, 1, 2], [0, 2, 3]]))]
    for i, (x, y) in enumerate([(0, 0), (30, 0), (0, 30), (30, 30)]):
        objects.append(block(f"house_{i}", (x, y, 0.0), (x + 15, y + 12, 9.0)))
        objects.append(block(f"roof_{i}", (x, y, 9.0), (x + 15, y + 12, 9.3)))
    model = scene(*objects)
    for view in ("overhead", "perspective"):
        assert set(height_left(look_at_scene(model, view, ASPECT), model).values()) == {1.0}


def test_a_lone_house_on_its_ground_is_not_opened() -> None:
    square = np.array([[-9, -9, 0], [30, -9, 0], [30, 30, 0], [-9, 30, 0.0]])
    ground = SceneObject("ground", "concrete", square, np.array([[0, 1, 2], [0, 2, 3]]))
    model = scene(ground, block("house", (0, 0, 0), (15, 12, 9)))
    for view in ("overhead", "perspective"):
        assert len(look_at_scene(model, view, ASPECT).triangles) == 14


def test_ground_that_reaches_out_does_not_make_the_picture_wider() -> None:
    wide = np.array([[-900, -900, 0], [900, -900, 0], [900, 900, 0], [-900, 900, 0.0]])
    ground = SceneObject("ground", "concrete", wide, np.array([[0, 1, 2], [0, 2, 3]]))
    model = scene(ground, block("house", (0, 0, 0), (15, 12, 9)))
    assert np.array_equal(framing_box(model), [[0, 0, 0], [15, 12, 9]])
    assert np.array_equal(framing_box(scene(ground)), [[-900, -900, 0], [900, 900, 0]])


def test_the_camera_stands_where_least_is_cut() -> None:
    """A single wall on the south side: the camera goes to where it looks at its inner side."""
    floor = np.array([[-4, -4, 0], [4, -4, 0], [4, 4, 0], [-4, 4, 0.0]])
    wall = np.array([[-4, -4, 0], [4, -4, 0], [4, -4, 3], [-4, -4, 3.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    model = scene(
        SceneObject("floor", "wood", floor, faces), SceneObject("wall", "brick", wall, faces)
    )
    seen = look_at_scene(model, "perspective", ASPECT)
    assert height_left(seen, model)["wall"] == 1.0
    assert seen.camera.origin[1] > 0.0


def test_a_lone_panel_is_shown() -> None:
    wall = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 3], [0, 0, 3.0]])
    model = scene(SceneObject("wall", "brick", wall, np.array([[0, 1, 2], [0, 2, 3]])))
    for view in ("overhead", "perspective"):
        assert len(look_at_scene(model, view, ASPECT).triangles) == 2


def test_objects_without_area_harm_nothing_and_a_scene_of_them_is_refused() -> None:
    point = SceneObject("point", "wood", np.zeros((3, 3)), np.array([[0, 1, 2]]))
    boxes = [block(f"box_{x}", (x, 0.0, 0.0), (x + 1.0, 2.0, 1.0)) for x in (0.0, 3.0)]
    model = scene(point, *boxes)
    for view in ("overhead", "perspective"):
        assert (look_at_scene(model, view, ASPECT).owner > 0).sum() == 24
    with pytest.raises(SceneError, match="no surface"):
        look_at_scene(scene(point), "overhead", ASPECT)
