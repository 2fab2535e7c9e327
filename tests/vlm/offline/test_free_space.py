import numpy as np
import pytest

from vlmrt_dist.campaign.free_space import DEFAULT_CLEARANCE
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.offline.free_space import STREET_HEIGHT, TRIPOD_HEIGHT, FreeSpace, roomiest


def slit(width: float) -> SceneModel:
    """Two walls that leave a gap of ``width`` [m], and no other room."""
    quad = np.array([[0, 0, 0], [0, 4, 0], [0, 4, 2], [0, 0, 2]], dtype=float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    walls = tuple(
        SceneObject(f"wall_{i}", "brick", quad + np.array([x, 0, 0]), faces)
        for i, x in enumerate((0, width))
    )
    return SceneModel("slit", walls, np.array([[0, 0, 0], [width, 4, 2]]))


def test_rooms_are_indoors_and_cities_outdoors() -> None:
    canyon = load_scene(bundled_scene("simple_street_canyon"))
    assert FreeSpace(canyon, Region()).outdoors
    assert not FreeSpace(box_room(), Region()).outdoors
    assert not FreeSpace(box_room(1000), Region()).outdoors  # wide, but no city


def test_streets_are_at_street_height_and_under_the_sky() -> None:
    canyon = load_scene(bundled_scene("simple_street_canyon"))
    points = FreeSpace(canyon, Region()).draw(200, np.random.default_rng(0))
    ground = canyon.bounds[0, 2]
    np.testing.assert_allclose(points[:, 2], ground + STREET_HEIGHT, atol=0.005)
    low, high = canyon.bounding_boxes[:-1, 0, :2], canyon.bounding_boxes[:-1, 1, :2]
    inside = (points[:, None, :2] > low) & (points[:, None, :2] < high)  # buildings are boxes
    assert not inside.all(axis=2).any()


def test_positions_in_a_room_are_free_and_within_reach() -> None:
    room = box_room(10)
    space, points = roomiest(room, 27, 250, np.random.default_rng(1))
    assert space.clearance == DEFAULT_CLEARANCE
    assert len(points) == 250
    assert (room.distance_to_surface(points) >= DEFAULT_CLEARANCE).all()
    assert (room.inside_object(points) < 0).all()
    assert points[:, 2].max() <= TRIPOD_HEIGHT
    centre = np.array([1.0, 0.0, 1.0])
    near = space.draw(50, np.random.default_rng(2), centre=centre, reach=1.5)
    assert (np.linalg.norm(near - centre, axis=1) <= 1.5).all()


@pytest.mark.parametrize(("width", "clearance"), [(1.0, 0.3), (0.4, 0.15), (0.05, 0.01)])
def test_tight_scenes_get_less_clearance(width: float, clearance: float) -> None:
    space, points = roomiest(slit(width), 9, 30, np.random.default_rng(0))
    assert space.clearance == clearance
    assert (slit(width).distance_to_surface(points) >= clearance).all()
    assert len(points) >= 9


def test_no_space_is_an_error() -> None:
    with pytest.raises(CampaignError, match="headroom"):
        roomiest(slit(1e-5), 2, 10, np.random.default_rng(0))


def test_a_floor_far_below_does_not_end_the_search() -> None:
    room = box_room()
    bounds = np.array([[-5, -5, -1000.0], [5, 5, 3.0]])
    cellar = SceneModel("deep", room.objects, bounds)
    _, points = roomiest(cellar, 5, 20, np.random.default_rng(0))
    assert len(points) >= 5
