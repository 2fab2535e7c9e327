import re
import time
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

import vlmrt_dist as vd
from vlmrt_dist.campaign.free_space import DEFAULT_CLEARANCE, check_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError, MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.advisor import Advisor, MaterialAdvice, PositionAdvice
from vlmrt_dist.vlm.offline.free_space import CLEARANCES, STREET_HEIGHT
from vlmrt_dist.vlm.offline.material_words import FUZZY
from vlmrt_dist.vlm.offline.rules import BY_NOTHING, BY_ROLE, BY_SHAPE, STATED, OfflineAdvisor
from vlmrt_dist.vlm.registry import advisor_named

FREQUENCY = 3.5e9
TABLE = itu.conductivity_table(FREQUENCY)
ADVISOR: Advisor = OfflineAdvisor()


def materials(scene: SceneModel, frequency: float = FREQUENCY) -> MaterialAdvice:
    table = itu.conductivity_table(frequency)
    return ADVISOR.propose_materials([], scene, table, frequency=frequency)


def positions(scene: SceneModel, m: int, n: int, seed: int = 0) -> PositionAdvice:
    return ADVISOR.propose_positions([], scene, m, n, seed=seed)


def thing(name: str, material: str, size: tuple[float, ...] = (1, 1, 1)) -> SceneObject:
    """An object whose file gives numbers, so that its material's name is free text."""
    box = trimesh.creation.box(size)
    return SceneObject(
        name, material, box.vertices, box.faces, relative_permittivity=3.0, conductivity=0.123
    )


def scene_of(*objects: SceneObject) -> SceneModel:
    return SceneModel("made", objects, np.array([[-10, -10, 0], [10, 10, 6]]))


# ---------------------------------------------------------------- materials


@pytest.mark.parametrize(("boxes", "objects"), [(4, 9), (10, 15)])
def test_every_material_of_the_papers_rooms_is_named(boxes: int, objects: int) -> None:
    room = box_room(boxes)
    advice = materials(room)
    assert advice.prior.names == room.names
    assert len(advice.prior.materials) == objects
    assert advice.prior.materials == room.materials
    np.testing.assert_allclose(
        advice.prior.conductivity(FREQUENCY), room.conductivity(FREQUENCY), rtol=1e-12
    )
    assert (advice.prior.confidence == STATED).all()


@pytest.mark.parametrize("name", ["simple_street_canyon", "munich"])
def test_the_cities_materials_are_those_that_the_xml_names(name: str) -> None:
    root = ElementTree.parse(bundled_scene(name)).getroot()
    types = {
        b.get("id"): s.get("value")
        for b in root.iter("bsdf")
        for s in b.iter("string")
        if s.get("name") == "type"
    }
    shapes = {
        str(s.get("id")).removeprefix("mesh-"): types[ref.get("id")]
        for s in root.iter("shape")
        for ref in s.iter("ref")
    }
    advice = materials(load_scene(bundled_scene(name)))
    right = [
        shapes[k] == m for k, m in zip(advice.prior.names, advice.prior.materials, strict=True)
    ]
    assert len(right) == len(shapes) >= 7
    assert np.mean(right) >= 0.9


def test_free_text_names_are_read_and_numbers_are_not() -> None:
    scene = scene_of(
        thing("object_1", "Oak parquet"),
        thing("object_2", "Stahlbeton"),
        thing("Ziegelwand", "Material.003"),
        thing("object_4", "steel door"),
    )
    advice = materials(scene).prior
    assert advice.materials == ("wood", "concrete", "brick", "metal")
    assert (advice.confidence < STATED).all()
    assert (advice.confidence > FUZZY).all()
    expected = [itu.conductivity(m, FREQUENCY) for m in advice.materials]
    assert advice.conductivity(FREQUENCY) == pytest.approx(expected)
    assert "wood stands in" in advice.sources[0]


def test_what_is_not_named_is_told_by_role_then_by_shape_with_little_confidence() -> None:
    scene = scene_of(
        thing("floor", "Material.001", (20, 20, 0.1)),
        thing("Plane.002", "Material.002", (0.1, 8, 3)),
        thing("Mesh.004", "Material.002", (0.1, 8, 3)),
        thing("Cube", "blue", (1, 1, 1)),
        thing("Block", "grey", (12, 12, 12)),
    )
    advice = materials(scene).prior
    assert advice.materials == ("concrete", "concrete", "brick", "wood", "brick")
    assert advice.confidence.tolist() == [BY_ROLE, BY_ROLE, BY_SHAPE, BY_SHAPE, BY_SHAPE]
    assert "by its name" in advice.sources[0]
    assert "by its shape" in advice.sources[2]
    # Little confidence is a wide prior.
    named = materials(scene_of(thing("x", "wood"))).prior
    assert advice.width[3] > 1.5 * named.width[0]


def test_an_objects_name_that_contradicts_its_material_costs_confidence() -> None:
    box = trimesh.creation.box()
    other = scene_of(SceneObject("glass_front", "concrete", box.vertices, box.faces))
    advice = materials(other).prior
    assert advice.materials == ("concrete",)
    assert advice.confidence[0] < STATED
    assert "glass" in advice.sources[0]


def test_it_never_passes_for_a_vision_model() -> None:
    advice = materials(box_room())
    for usage in (advice.usage, positions(box_room(), 1, 2).usage):
        assert (usage.provider, usage.image_source, usage.model) == ("offline", "none", "")
        assert (usage.attempts, usage.input_tokens) == (0, 0)
    assert all("no vision model" in source for source in advice.prior.sources)


@pytest.mark.parametrize("frequency", [0.5e9, 3.5e9, 28e9, 60e9, 300e9])
def test_only_classes_of_the_table_are_answered(frequency: float) -> None:
    names = ["floorboard", "clear_acrylic", "brick", "marble", "Oak parquet", "blue", "Steel"]
    scene = scene_of(*(thing(f"o{i}", name) for i, name in enumerate(names)))
    advice = materials(scene, frequency).prior
    assert set(advice.materials) <= set(itu.conductivity_table(frequency))
    assert np.isfinite(advice.conductivity(frequency)).all()


def test_a_table_of_one_class_is_answered_with_it_and_an_empty_one_refused() -> None:
    advice = ADVISOR.propose_materials(
        [], box_room(), {"glass": TABLE["glass"]}, frequency=FREQUENCY
    )
    assert set(advice.prior.materials) == {"glass"}
    assert advice.prior.confidence.min() == BY_NOTHING
    with pytest.raises(MaterialError, match="no material"):
        ADVISOR.propose_materials([], box_room(), {}, frequency=FREQUENCY)


# ---------------------------------------------------------------- positions


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
        pytest.param(range(12, 200), id="200 in all", marks=pytest.mark.slow),
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
    np.testing.assert_allclose(heights, canyon.bounds[0, 2] + STREET_HEIGHT, atol=1e-6)


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
    advice = OfflineAdvisor(clearance=0.6).propose_positions([], box_room(), 2, 4)
    points = np.concatenate([advice.campaign.tx, advice.campaign.rx.reshape(-1, 3)])
    assert (box_room().distance_to_surface(points) >= 0.6).all()
    with pytest.raises(ConfigurationError, match="clearance"):
        OfflineAdvisor(clearance=float("nan"))


def test_the_placement_strategy_is_the_advisors_answer() -> None:
    room = box_room()
    campaign = vd.place("vlm", room, 2, 4, seed=3)
    assert campaign.key == positions(room, 2, 4, seed=3).campaign.key
    near = vd.place(vd.Vlm(advisor_named("offline", clearance=0.5)), room, 2, 4, seed=3)
    assert near.key != campaign.key
    with pytest.raises(ConfigurationError, match=r"'offline'.*'pool'"):
        advisor_named("offline", pool=3)
    with pytest.raises(ConfigurationError, match="'oracle'"):
        vd.Vlm("oracle")


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(CampaignError, match="at least one"):
        positions(box_room(), 0, 3)
    box = trimesh.creation.box([3, 3, 3])
    solid = SceneObject("solid", "concrete", box.vertices, box.faces)
    small = SceneObject("pin", "wood", box.vertices * 2 + [0, 0, 9], box.faces)
    full = SceneModel("full", (solid, small), np.array([[-1, -1, -1], [1, 1, 1]]))
    with pytest.raises(CampaignError, match="positions found"):
        positions(full, 1, 2)
