import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

import vlmrt_dist as vd
from vlmrt_dist.errors import ConfigurationError, MaterialError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.advisor import Advisor, MaterialAdvice, PositionAdvice
from vlmrt_dist.vlm.offline.material_words import FUZZY
from vlmrt_dist.vlm.offline.rules import BY_NOTHING, BY_ROLE, BY_SHAPE, STATED, OfflineAdvisor

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


def test_the_placement_strategy_is_the_advisors_answer() -> None:
    room = box_room()
    campaign = vd.place("vlm", room, 2, 4, seed=3)
    assert campaign.key == positions(room, 2, 4, seed=3).campaign.key
    near = vd.place(vd.Vlm(region=vd.Region(clearance=0.5)), room, 2, 4, seed=3)
    assert near.key != campaign.key
    with pytest.raises(ConfigurationError, match="'oracle'"):
        vd.Vlm("oracle")


def test_an_anonymous_advisor_goes_by_shapes_alone() -> None:
    """Other names and classes change nothing, and the rows say that names were hidden."""
    room = box_room()
    other = dataclasses.replace(
        room,
        objects=tuple(
            dataclasses.replace(item, name=f"marble_{k}", material="glass")
            for k, item in enumerate(room.objects)
        ),
    )
    hidden = OfflineAdvisor(anonymous=True)
    table = itu.conductivity_table(3.5e9)
    first, second = (
        hidden.propose_materials((), scene, table, frequency=3.5e9) for scene in (room, other)
    )
    assert first.prior.materials == second.prior.materials
    assert first.prior.materials != room.materials
    assert first.prior.confidence.max() < 0.2
    assert first.usage.prompt == "anonymous"
    there, here = (hidden.propose_positions((), s, 2, 3).campaign.key for s in (room, other))
    assert there == here
