import re
import time
from collections import Counter

import numpy as np
import pytest
import trimesh

from vlmrt_dist.campaign import AntennaSpace, Region
from vlmrt_dist.campaign.free_space import DEFAULT_CLEARANCE, check_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.advisor import Advisor, PositionAdvice
from vlmrt_dist.vlm.offline.free_space import CLEARANCES, STREET_HEIGHT
from vlmrt_dist.vlm.offline.rules import OfflineAdvisor

ADVISOR: Advisor = OfflineAdvisor()


def positions(scene: SceneModel, m: int, n: int, seed: int = 0) -> PositionAdvice:
    return ADVISOR.propose_positions([], scene, m, n, seed=seed)


def check(scene: SceneModel, advice: PositionAdvice, m: int, n: int) -> None:
    """Everything that a position must be."""
    campaign = advice.campaign
    assert (campaign.num_setups, campaign.num_receivers) == (m, n)
    assert campaign.present.all()
    assert len(advice.reasons) == m * (1 + n)
    assert all(advice.reasons)
    check_campaign(scene, campaign)
    points = np.concatenate([campaign.tx, campaign.rx.reshape(-1, 3)])
    assert np.isfinite(points).all()
    assert len(np.unique(points.round(9), axis=0)) == len(points)
    clearance = DEFAULT_CLEARANCE
    if advice.usage.remarks:
        clearance = float(re.findall(r"keep ([\d.]+) m", advice.usage.remarks[0])[0])
        assert clearance in CLEARANCES
    assert (scene.distance_to_surface(points) >= clearance).all()


def random_room(seed: int) -> SceneModel:
    """A room of any size with anything in it: boxes at any angle, round things, crowded or not.

    Its shell is a floor and walls, a closed box, or missing.
    """
    rng = np.random.default_rng(seed)
    size = np.append(rng.uniform(1.2, 20, 2), rng.uniform(2, 6))
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    objects = []
    shell = rng.integers(3)
    if shell == 0:
        x, y, z = size
        for name, corners in {
            "floor": [(0, 0, 0), (x, 0, 0), (x, y, 0), (0, y, 0)],
            "wall_1": [(0, 0, 0), (x, 0, 0), (x, 0, z), (0, 0, z)],
            "wall_2": [(0, y, 0), (x, y, 0), (x, y, z), (0, y, z)],
        }.items():
            objects.append(SceneObject(name, "brick", np.array(corners, float), faces))
    elif shell == 1:
        room = trimesh.creation.box(size)
        room.apply_translation(size / 2)
        objects.append(SceneObject("room", "concrete", room.vertices, room.faces[:, ::-1]))
    crowd = rng.choice([1, 6, 20])
    for i in range(1 + rng.integers(crowd)):
        extent = rng.uniform(0.05, 0.4, 3) * size
        mesh = (
            trimesh.creation.box(extent),
            trimesh.creation.icosphere(1, radius=extent.min() / 2),
            trimesh.creation.cylinder(extent[0] / 2, extent[2], sections=12),
        )[rng.integers(3)]
        mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
        mesh.apply_translation(rng.uniform(0.1, 0.9, 3) * size)
        vertices = np.clip(mesh.vertices, 1e-3, size - 1e-3)
        material = str(rng.choice(["wood", "marble", "glass", "metal", "concrete"]))
        objects.append(SceneObject(f"thing_{i}", material, vertices, mesh.faces))
    return SceneModel(f"random_{seed}", tuple(objects), np.array([np.zeros(3), size]))


@pytest.mark.parametrize(
    "rooms",
    [
        pytest.param(range(12), id="a few"),
        pytest.param(range(12, 100), id="100 in all", marks=pytest.mark.slow),
    ],
)
def test_positions_are_valid_in_random_rooms(rooms: range) -> None:
    for seed in rooms:
        room = random_room(seed)
        m, n = 1 + seed % 3, 1 + seed % 8
        check(room, positions(room, m, n, seed=seed), m, n)


def test_the_seed_alone_decides() -> None:
    room = box_room()
    one, two = positions(room, 3, 8, seed=4), positions(room, 3, 8, seed=4)
    assert one.campaign.key == two.campaign.key
    assert one.reasons == two.reasons
    assert positions(room, 3, 8, seed=5).campaign.key != one.campaign.key


def test_every_object_and_both_kinds_of_links_are_covered_in_the_papers_room() -> None:
    room = box_room()
    advice = positions(room, 3, 8)
    check(room, advice, 3, 8)
    text = " ".join(advice.reasons)
    for name in room.names:
        assert name in text
    kinds = Counter(reason.split()[0] for reason in advice.reasons)
    assert kinds["transmitter:"] == 3
    assert kinds["behind"] >= 6
    assert kinds["sees"] >= 6


def test_a_reason_is_true() -> None:
    """Behind an object: the straight line goes through it, checked by the scene itself."""
    room = box_room(10)
    advice = positions(room, 2, 8)
    reasons = np.array(advice.reasons).reshape(2, 9)[:, 1:]
    checked = 0
    for m, n in np.ndindex(2, 8):
        found = re.match(r"behind (\S+)", str(reasons[m, n]))
        if found:
            tx, rx = advice.campaign.tx[m], advice.campaign.rx[m, n]
            _, item, _ = room.crossings(tx[None], rx[None])
            assert room.names.index(found[1]) in item
            checked += 1
    assert checked >= 5


def test_no_link_is_spent_on_metal() -> None:
    room = box_room().with_materials({"box_marble": "metal"})
    assert "box_marble as" not in " ".join(positions(room, 3, 8).reasons)


def test_more_receivers_than_objects_and_many_setups() -> None:
    check(box_room(1), positions(box_room(1), 2, 60), 2, 60)
    check(box_room(0), positions(box_room(0), 15, 1), 15, 1)


def test_street_level_in_a_city() -> None:
    canyon = load_scene(bundled_scene("simple_street_canyon"))
    advice = positions(canyon, 2, 6)
    check(canyon, advice, 2, 6)
    heights = np.append(advice.campaign.tx[:, 2], advice.campaign.rx[..., 2])
    np.testing.assert_allclose(heights, canyon.bounds[0, 2] + STREET_HEIGHT, atol=0.005)


@pytest.mark.slow
def test_a_whole_city_takes_seconds() -> None:
    munich = load_scene(bundled_scene("munich"))
    begin = time.process_time()  # whatever else the machine does
    advice = positions(munich, 3, 8)
    assert time.process_time() - begin < 30.0
    check(munich, advice, 3, 8)
    np.testing.assert_allclose(advice.campaign.rx[..., 2], STREET_HEIGHT, atol=1e-6)
    # Links of one setup stay within a street block or two.
    away = np.linalg.norm(advice.campaign.rx - advice.campaign.tx[:, None], axis=2)
    assert away.max() < 300.0


def test_the_clearance_is_an_option() -> None:
    region = Region(clearance=0.6)
    advice = OfflineAdvisor().propose_positions([], box_room(), 2, 4, region=region)
    points = np.concatenate([advice.campaign.tx, advice.campaign.rx.reshape(-1, 3)])
    assert (box_room().distance_to_surface(points) >= 0.6).all()


def test_positions_keep_to_a_region_and_its_heights() -> None:
    region = Region(height=(1.0, 1.3), tx_height=(2.0, 2.4), area="-4 -4 0 -4 0 4 -4 4")
    campaign = OfflineAdvisor().propose_positions([], box_room(), 3, 6, region=region).campaign
    AntennaSpace(box_room(), region).check(campaign)
    assert campaign.tx[:, 2].min() >= 2.0
    assert campaign.rx[..., 0].max() <= 0.0


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(CampaignError, match="at least one"):
        positions(box_room(), 0, 3)
    box = trimesh.creation.box([3, 3, 3])
    solid = SceneObject("solid", "concrete", box.vertices, box.faces)
    small = SceneObject("pin", "wood", box.vertices * 2 + [0, 0, 9], box.faces)
    full = SceneModel("full", (solid, small), np.array([[-1, -1, -1], [1, 1, 1]]))
    with pytest.raises(CampaignError, match="positions found"):
        positions(full, 1, 2)
