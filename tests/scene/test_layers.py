import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.errors import FrequencyError, MaterialError, SceneError
from vlmrt_dist.scene.layers import Layer, LayeredMaterial
from vlmrt_dist.scene.paper_room import box_room

BOARD = Layer("plasterboard", 0.0125)
PARTITION = LayeredMaterial("partition", (BOARD, Layer("air", 0.075), BOARD))


def test_air_is_vacuum_at_every_frequency() -> None:
    room = box_room().with_layers({"floor": LayeredMaterial("gap", (Layer("Air", 0.1),))})
    assert room.layers is not None
    for frequency in (1e8, 3.5e9, 3e11):
        assert room.layers.conductivity(frequency).tolist() == [0.0]
        assert room.layers.relative_permittivity(frequency).tolist() == [1.0]
    with pytest.raises(MaterialError, match="air has permittivity 1"):
        Layer("air", 0.1, conductivity=0.2)


def test_equal_layers_of_an_object_are_one() -> None:
    thick = Layer("plasterboard", 0.015)
    wall = LayeredMaterial("wall", (BOARD, Layer("air", 0.05), thick, BOARD))
    assert list(wall.distinct) == ["plasterboard", "air", "plasterboard 2"]
    assert wall.thickness == pytest.approx(0.09)
    assert str(wall) == "wall (4 layers)"
    room = box_room().with_layers({"floor": wall, "wall_east": PARTITION})
    layers = room.layers
    assert layers is not None
    assert "partition (3 layers)" in room._repr_html_()
    assert layers.names == (
        "floor/plasterboard", "floor/air", "floor/plasterboard 2",
        "wall_east/plasterboard", "wall_east/air",
    )  # fmt: skip
    assert layers.stack[room.names.index("floor")].tolist() == [0, 1, 2, 0]
    assert layers.stack[room.names.index("wall_east")].tolist() == [3, 4, 3, -1]
    assert (layers.stack[room.names.index("wall_west")] == -1).all()
    assert layers.materials == ("plasterboard", "air", "plasterboard", "plasterboard", "air")


def test_values_are_the_tables_or_those_stated() -> None:
    own = Layer("aerogel", 0.02, relative_permittivity=1.1, conductivity=1e-4, name="insulation")
    room = box_room().with_layers({"floor": LayeredMaterial("f", (own, Layer("itu_Glass", 0.01)))})
    assert room.layers is not None
    assert room.layers.names == ("floor/insulation", "floor/glass")
    assert room.layers.conductivity(2e9)[0] == 1e-4
    glass = box_room().with_materials({"floor": "glass"})
    assert room.layers.conductivity(2e9)[1] == glass.conductivity(2e9)[0]
    with pytest.raises(FrequencyError, match="layer 'floor/glass'"):
        room.layers.conductivity(5e7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chalk", 0.1), "unknown material 'chalk'"),
        (("brick", 0.0), "thickness must be a positive"),
        (("brick", 12.5), "number of metres, at most 2; got 12.5"),
        (("brick", -1.0), "thickness must be a finite"),
        (("brick", float("nan")), "thickness must be a finite"),
        (("brick", "thin"), "thickness must be a finite"),
        (("brick", True), "thickness must be a finite"),
        (("brick", 0.1, 0.5), "relative_permittivity must be a finite number, 1 or more"),
        (("brick", 0.1, 2.0, -1e-9), "conductivity must be a finite number, 0 or more"),
        (("brick", 0.1, None, None, "a\nb"), "printable"),
        (("b" * 300, 0.1, 2.0, 0.1), "at most 200"),
    ],
)
def test_impossible_layers_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(MaterialError, match=message):
        Layer(*arguments)


def test_a_wall_has_one_to_sixteen_layers() -> None:
    for count in (0, 17):
        with pytest.raises(MaterialError, match=f"has {count} layers; it needs 1 to 16"):
            LayeredMaterial("wall", (BOARD,) * count)


def test_layers_belong_to_the_scenes_key_and_survive_pickling() -> None:
    room, layered = box_room(), box_room().with_layers({"floor": PARTITION})
    assert layered.key != room.key
    assert layered.geometry_key == room.geometry_key
    assert layered.with_layers({"floor": None}).key == room.key
    assert pickle.loads(pickle.dumps(layered)).key == layered.key
    thicker = LayeredMaterial("partition", (*PARTITION.layers, BOARD))
    assert room.with_layers({"floor": thicker}).key != layered.key
    # What the stack is called decides nothing.
    renamed = dataclasses.replace(PARTITION, name="wall type 3")
    assert room.with_layers({"floor": renamed}).key == layered.key


def test_numbers_of_a_slab_without_effect_are_refused() -> None:
    layered = box_room().with_layers({"floor": PARTITION})
    with pytest.raises(SceneError, match="'floor' has layers, and a number"):
        layered.with_materials(conductivity={"floor": 0.1})
    with pytest.raises(SceneError, match="'floor' has layers"):
        layered.with_materials(thickness=np.full(9, 0.2))
    assert layered.with_materials(conductivity={"wall_east": 0.1}).layers is not None
    assert layered.with_materials({"floor": "wood"}).layers is None
    with pytest.raises(SceneError, match="there is no object 'roof'"):
        layered.with_layers({"roof": PARTITION})


def test_an_advisor_fills_the_slab_and_leaves_the_layers() -> None:
    room = box_room()
    blank = dataclasses.replace(room.objects[0], material="custom", layered=PARTITION)
    scene = dataclasses.replace(room, objects=(blank, *room.objects[1:]))
    assert scene.unstated == ("floor",)
    filled = scene.fill_materials(["brick"] * 9)
    assert filled.objects[0].material == "brick"
    assert filled.objects[0].layered == PARTITION
