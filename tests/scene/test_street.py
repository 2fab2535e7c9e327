import numpy as np
import pytest

from tests.towns import CORNERS, HEIGHT, SIDE, SLOPE, hollow_town, under_a_roof
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.scene.street import ground, outdoors

BUNDLED = ("simple_street_canyon", "etoile", "munich", "florence", "san_francisco")


def test_the_ground_is_the_lowest_surface_and_roofs_hide_the_sky() -> None:
    places = np.random.default_rng(0).uniform(0.0, 130.0, (400, 2))
    level, sky = ground(hollow_town(), places)
    np.testing.assert_allclose(level, SLOPE * places[:, 0], atol=1e-12)
    np.testing.assert_array_equal(sky, ~under_a_roof(places))


def test_beside_the_ground_there_is_none() -> None:
    level, sky = ground(hollow_town(), np.array([[-5.0, 10.0], [5.0, 5.0], [200.0, 200.0]]))
    assert np.isnan(level).tolist() == [True, False, True]
    assert sky.tolist() == [False, True, False]
    empty, none = ground(hollow_town(), np.zeros((0, 2)))
    assert len(empty) == len(none) == 0


def test_a_kerb_hides_no_sky() -> None:
    room = box_room()
    level, sky = ground(room, np.array([[-3.0, 3.0], [0.0, 0.0], [99.0, 0.0]]))
    np.testing.assert_allclose(level[:2], 0.0, atol=1e-12)  # under the box as beside it
    assert np.isnan(level[2])
    assert not sky[2]


def test_surfaces_are_named_by_their_object(monkeypatch: pytest.MonkeyPatch) -> None:
    town = hollow_town()
    middle = np.array(CORNERS) + SIDE * np.array([0.3, 0.6])
    for block in (400_000, 5):
        monkeypatch.setattr("vlmrt_dist.scene.geometry.PAIRS_PER_BLOCK", block)
        line, group, height = town.surfaces_at(middle)
        roofs = group > 0
        assert [town.names[k] for k in group[roofs][np.argsort(line[roofs])]] == [
            f"roof_{n}" for n in range(16)
        ]
        expected = SLOPE * np.array(CORNERS)[line[roofs], 0] + HEIGHT
        np.testing.assert_allclose(height[roofs], expected)
    with pytest.raises(ValueError, match="P,2"):
        town.surfaces_at(np.zeros((3, 3)))


def test_towns_are_outdoors_and_rooms_are_not() -> None:
    assert outdoors(hollow_town())
    assert not outdoors(box_room())
    assert not outdoors(box_room(1000))


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED)
def test_in_sionnas_cities_the_street_is_the_one_ground(name: str) -> None:
    city = load_scene(bundled_scene(name), headroom=20.0)
    assert outdoors(city)
    low, high = city.bounds[:, :2]
    places = np.random.default_rng(0).uniform(low, high, (2000, 2))
    level, sky = ground(city, places)
    line, owner, height = city.surfaces_at(places)
    area = np.ptp(city.bounding_boxes[:, :, :2], axis=1).prod(axis=1)
    below = sky[line] & (height == level[line])
    # Some roofs of San Francisco are sunk into a slope, a step above the ground: a place to stand.
    elsewhere = below & (owner != area.argmax())
    assert elsewhere.sum() < 0.005 * below.sum()
    terrain = {int(k): h for k, h, o in zip(line, height, owner, strict=True) if o == area.argmax()}
    for k, h in zip(line[elsewhere], height[elsewhere], strict=True):
        assert h - terrain[int(k)] < 1.1
    assert 0.3 < sky.mean() < 0.99
    # Seen again by another query: nothing meets a ray from the street upwards.
    street = np.column_stack([places, level + 1.5])[sky]
    above = street.copy()
    above[:, 2] = city.bounds[1, 2] + 1.0
    assert len(city.crossings(street, above)[0]) == 0
