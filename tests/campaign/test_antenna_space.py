from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely

from tests.random_scenes import Truth, random_flat, random_town
from tests.towns import hollow_town, under_a_roof
from vlmrt_dist.campaign.antenna_space import REASONS, STREET_HEIGHTS, AntennaSpace, rounded
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room

Maker = Callable[[int], tuple[SceneModel, Truth]]

QUAD = np.array([[0, 1, 2], [0, 2, 3]])


def quad(name: str, x0: float, y0: float, x1: float, y1: float, z: float) -> SceneObject:
    corners = np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], dtype=float)
    return SceneObject(name, "concrete", corners, QUAD)


def box(name: str, low: Any, high: Any, *, open_sides: tuple[int, ...] = ()) -> SceneObject:
    """A box; its sides are bottom, top, and four around."""
    x, y, z = np.array([low, high], dtype=float).T
    corners = np.array([[x[i], y[j], z[k]] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    sides = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6)]
    faces = [
        tri for k, (a, b, c, d) in enumerate(sides) if k not in open_sides
        for tri in ((a, b, c), (a, c, d))
    ]  # fmt: skip
    return SceneObject(name, "concrete", corners, np.array(faces))


def scene_of(*objects: SceneObject, headroom: float = 0.0) -> SceneModel:
    return SceneModel("made", objects, bounding_bounds(objects, headroom))


def reasons(scene: SceneModel, *points: tuple[float, float, float], **region: Any) -> list[str]:
    space = AntennaSpace(scene, Region(**region))
    return [REASONS[k] for k in space.reasons(np.array(points))]


REGIONS = (Region(), Region(height=(1.2, 1.8)))


def checked(make: Maker, seed: int, count: int, regions: tuple[Region, ...] = REGIONS) -> list[str]:
    """Faults of positions that are drawn in a random scene and moved about in it."""
    scene, truth = make(seed)
    rng = np.random.default_rng(seed)
    faults = []
    for region in regions:
        space = AntennaSpace(scene, region)
        assert space.street == (make is random_town)
        drawn = space.draw(count, rng)
        moved, allowed = space.settled(drawn + rng.normal(0.0, 2.0, drawn.shape))
        points = np.concatenate([drawn, moved[allowed]])
        np.testing.assert_array_equal(points, rounded(points))
        assert not space.reasons(points).any()
        faults += [f"{scene.name}: {text}" for text in truth.faults(points, space.heights())]
    return faults


def found_share(make: Maker, seed: int) -> tuple[int, int]:
    """How many of the places that are allowed by the truth are allowed by the rule, and of how
    many."""
    scene, truth = make(seed)
    low, high = scene.bounds
    points = np.random.default_rng(seed).uniform(low, high, (300, 3))
    points[:, 2] = truth.level(points) + 1.5
    there = shapely.contains_xy(truth.ground, points[:, 0], points[:, 1])
    for _, shape, _, top in truth.barred:
        near = shapely.contains_xy(shape.buffer(0.35), points[:, 0], points[:, 1])
        there &= ~(near & (top > 1.15))
    points = points[there & (scene.distance_to_surface(points) > 0.35)]
    _, allowed = AntennaSpace(scene, Region(height=(1.5, 1.5))).settled(points)
    return int(allowed.sum()), len(points)


@pytest.mark.parametrize(("make", "seeds"), [(random_flat, range(12)), (random_town, range(8))])
def test_in_random_scenes_nobody_stands_where_nobody_can(make: Maker, seeds: range) -> None:
    faults = [checked(make, seed, 30, (REGIONS[seed % 2],)) for seed in seeds]
    assert faults == [[] for _ in seeds]


@pytest.mark.slow
@pytest.mark.parametrize("make", [random_flat, random_town])
def test_in_300_random_scenes_nobody_stands_where_nobody_can(make: Maker) -> None:
    assert [fault for seed in range(150) for fault in checked(make, seed, 150)] == []


@pytest.mark.parametrize(("make", "seeds"), [(random_flat, range(5)), (random_town, range(3))])
def test_most_of_the_places_that_are_left_are_found(make: Maker, seeds: range) -> None:
    allowed, total = np.sum([found_share(make, seed) for seed in seeds], axis=0)
    assert total > 200
    assert allowed > 0.93 * total


@pytest.mark.parametrize("deep", [0.3, 1.7, 3.0, 40.0])
@pytest.mark.parametrize("sides", [(), (0,), (1,), (0, 1)])
def test_an_object_through_the_floor_is_not_the_floor(deep: float, sides: tuple[int, ...]) -> None:
    walls = box("walls", (-5, -5, 0), (5, 5, 4), open_sides=(0, 1))
    machine = box("machine", (-1, -1, -deep), (1, 1, 1), open_sides=sides)
    scene = scene_of(quad("floor", -5, -5, 5, 5, 0.0), walls, machine)
    drawn = AntennaSpace(scene, Region()).draw(300, np.random.default_rng(0))
    assert drawn[:, 2].min() >= 0.3
    heights = AntennaSpace(scene, Region(height=(1.2, 1.8))).draw(300, np.random.default_rng(0))
    assert heights[:, 2].min() >= 1.2
    over = (np.abs(heights[:, :2]) < 1.0).all(axis=1)
    assert over.any()  # above the machine, at the height above the floor
    texts = reasons(scene, (0, 0, 0.5), (0, 0, -0.4), (0, 3, 1.0), (0, 0, 1.5))
    assert texts[0].startswith("is inside an")
    assert texts[1:] in (["is outside the room", "", ""], ["is under the floor", "", ""])


@pytest.mark.parametrize("sides", [(), (0,), (0, 1)])
def test_a_roof_beyond_the_ground_is_not_the_street(sides: tuple[int, ...]) -> None:
    ground = quad("ground", -60, -30, 0, 30, 0.0)
    building = box("building", (10, -20, 0), (50, 20, 24), open_sides=sides)
    near = box("near", (-10, 5, 0), (5, 20, 4), open_sides=sides)  # partly beyond the ground
    scene = scene_of(ground, building, near, headroom=10.0)
    space = AntennaSpace(scene, Region())
    assert space.street
    points = space.draw(300, np.random.default_rng(0))
    assert points[:, 0].max() <= 0.0
    assert (points[:, 2] <= 2.0).all()
    texts = reasons(scene, (30, 0, 25.5), (30, 0, 1.5), (-5, 10, 5.5), (-5, 10, 1.5), (-30, 0, 1.5))
    assert "" not in texts[:4]
    assert texts[4] == ""


def test_a_balcony_is_no_street() -> None:
    ground = quad("ground", 0, 0, 60, 60, 0.0)
    house = box("house", (20, 20, 0), (40, 40, 12))
    balcony = box("balcony", (20, 17, 6), (40, 20, 6.2))
    scene = scene_of(ground, house, balcony, headroom=5.0)
    assert reasons(scene, (30, 18, 7.5), (30, 18, 1.5), (30, 10, 1.5)) == [
        "is not at an allowed height", "is not in the street under the open sky", "",
    ]  # fmt: skip


def test_a_slab_is_stood_on_and_not_under() -> None:
    scene = scene_of(box("slab", (0, 0, -0.3), (6, 6, 0.0)), quad("ceiling", 0, 0, 6, 6, 2.7))
    space = AntennaSpace(scene, Region(height=(1.0, 1.0)))
    np.testing.assert_array_equal(space.draw(50, np.random.default_rng(0))[:, 2], 1.0)


def test_upstairs_is_allowed_and_the_roof_is_not() -> None:
    storeys = [quad(f"floor_{k}", 0, 0, 8, 8, 3.0 * k) for k in range(3)]
    walls = box("walls", (0, 0, 0), (8, 8, 6), open_sides=(0, 1))
    scene = scene_of(*storeys, walls, headroom=3.0)
    points = AntennaSpace(scene, Region()).draw(400, np.random.default_rng(0))
    assert ((points[:, 2] > 3.0).mean() > 0.3) & (points[:, 2].max() < 6.0)
    assert reasons(scene, (4, 4, 7.0)) == ["is on the roof"]


def test_a_scene_without_a_floor_has_no_heights() -> None:
    wall = SceneObject(
        "wall", "brick", np.array([[0, 0, 0], [4, 0, 0], [4, 0, 3], [0, 0, 3.0]]), QUAD
    )
    scene = SceneModel("wall", (wall,), np.array([[0, -2, 0], [4, 2, 3.0]]))
    points = AntennaSpace(scene, Region()).draw(50, np.random.default_rng(0))
    assert np.abs(points[:, 1]).min() >= 0.3
    with pytest.raises(CampaignError, match="no floor"):
        AntennaSpace(scene, Region(height=(1.0, 2.0)))


def test_a_region_with_a_hole_is_kept_to() -> None:
    area = "-4 -4 4 -4 4 4 -4 4; -2 -2 2 -2 2 2 -2 2"
    space = AntennaSpace(box_room(), Region(area=area))
    points = space.draw(400, np.random.default_rng(0))
    inner = (np.abs(points[:, :2]) < 2.0).all(axis=1)
    assert not inner.any()
    assert np.abs(points[:, :2]).max() <= 4.0
    campaign = Campaign(tx=points[:1], rx=np.array([[[0.0, 0.0, 1.5], points[1]]]))
    with pytest.raises(CampaignError, match=r"setup 1, receiver 1 .* is outside the region"):
        space.check(campaign)
    with pytest.raises(CampaignError, match="beside the scene"):
        AntennaSpace(box_room(), Region(area="90 90 91 90 91 91"))


def test_transmitters_have_heights_of_their_own() -> None:
    space = AntennaSpace(box_room(), Region(height=(1.0, 1.2), tx_height=(2.0, 2.5)))
    rng = np.random.default_rng(0)
    assert space.draw(50, rng, transmitter=True)[:, 2].min() >= 2.0
    assert space.draw(50, rng)[:, 2].max() <= 1.2
    low = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    np.testing.assert_array_equal(space.settled(low)[0][:, 2], [1.0, 1.2])
    np.testing.assert_array_equal(space.settled(low, transmitter=True)[0][:, 2], [2.0, 2.5])


def test_in_a_town_the_street_is_the_default() -> None:
    town = hollow_town()
    space = AntennaSpace(town, Region())
    assert space.heights() == space.heights(transmitter=True) == STREET_HEIGHTS
    assert not under_a_roof(space.draw(200, np.random.default_rng(1))).any()


def test_what_is_in_the_way_is_told() -> None:
    with pytest.raises(CampaignError, match=r"0 of 5 .* too near to a surface, .*\); widen"):
        AntennaSpace(box_room(), Region(clearance=30.0)).draw(5, np.random.default_rng(0))
    region = Region(area="-3.4 2.1 -2.6 2.1 -2.6 3.9", height=(0.5, 0.6), clearance=0.0)
    space = AntennaSpace(box_room(), region)
    with pytest.raises(CampaignError, match=r"within the region .* inside an object"):
        space.draw(5, np.random.default_rng(0))
