import dataclasses
from pathlib import Path

import pytest

from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files.remarks import SceneFileWarning
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.layer_files import layers_text, read_layers
from vlmrt_dist.scene.layers import Layer, LayeredMaterial
from vlmrt_dist.scene.paper_room import box_room

ROOM = box_room()

GLAZED = """
# Windows as they were ordered.
[wall."double glazing"]
objects = ["wall_west", "wall_east"]
layers = [
    {material = "glass", thickness = 0.004},
    {material = "air", thickness = 0.016},
    {material = "glass", thickness = 0.004, conductivity = 0.02, name = "coated pane"},
]

[wall.cladding]
materials = ["wood"]
layers = [
    {material = "wood", thickness = 0.02},
    {material = "foam", thickness = 1e-1, relative_permittivity = 1.1, conductivity = 0},
]
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "walls.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_objects_and_materials_get_their_layers(tmp_path: Path) -> None:
    found = read_layers(written(tmp_path, GLAZED), ROOM.objects).layers
    assert list(found) == ["wall_west", "wall_east", "box_wood"]
    assert found["wall_west"] == LayeredMaterial(
        "double glazing",
        (
            Layer("glass", 0.004), Layer("air", 0.016),
            Layer("glass", 0.004, conductivity=0.02, name="coated pane"),
        ),
    )  # fmt: skip
    assert found["box_wood"].layers[1] == Layer("foam", 0.1, 1.1, 0.0)


def test_a_written_scene_comes_back_with_its_layers(tmp_path: Path) -> None:
    awkward = LayeredMaterial('a "b" \\ ü 日本 [c]', (Layer("glass", 0.004, name='pane "1"'),))
    found = read_layers(written(tmp_path, GLAZED), ROOM.objects).layers
    scene = ROOM.with_layers({**found, "floor": awkward})
    path = scene.write(tmp_path / "scene", frequency=3.5e9)
    again = load_scene(path, layers=path.with_name("layers.toml"))
    assert again.key == scene.key
    assert [o.layered for o in again.objects] == [o.layered for o in scene.objects]
    text = path.read_text()
    assert "Sionna has no layers" in text
    assert "wall_west: double glazing" in text
    with pytest.warns(SceneFileWarning, match="lies beside the scene file and is not read"):
        assert load_scene(path).layers is None


def test_replacing_a_scene_removes_the_layers_of_the_old_one(tmp_path: Path) -> None:
    found = read_layers(written(tmp_path, GLAZED), ROOM.objects).layers
    path = ROOM.with_layers(found).write(tmp_path / "scene")
    ROOM.write(tmp_path / "scene", overwrite=True)
    assert not path.with_name("layers.toml").exists()


def test_walls_of_one_name_are_told_apart() -> None:
    other = LayeredMaterial("wall", (Layer("wood", 0.1),))
    again = dataclasses.replace(other, layers=(Layer("brick", 0.1),))
    scene = ROOM.with_layers({"floor": other, "wall_west": again, "wall_east": other})
    text = layers_text(scene.objects)
    assert text.count("[wall.") == 2
    assert '["floor", "wall_east"]' in text
    assert layers_text(ROOM.objects) == ""


LAYER = 'layers = [{material = "wood", thickness = 0.02}]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. It holds tables"),
        ("[wall", "is no TOML"),
        ("wall = 3", "wall: Input should be"),
        ("[wall.a]\n" + LAYER, "wall 'a': name its objects"),
        ('[wall.a]\nobjects = ["wall_west"]', "wall > a > layers: Field required"),
        ('[wall.a]\nobjects = ["wall_west"]\nlayers = []', "wall > a > layers: "),
        ('[wall.a]\nobjects = ["roof"]\n' + LAYER, "no object 'roof'; the scene has 'floor'"),
        ('[wall.a]\nmaterials = ["gold"]\n' + LAYER, "no material of an object 'gold'"),
        ('[wall.a]\nobject = ["floor"]\n' + LAYER, "wall > a > object: there is no such key"),
        (
            f'[wall.a]\nobjects = ["floor"]\n{LAYER}\n[wall.b]\nmaterials = ["brick"]\n{LAYER}',
            "wall 'b': object 'floor' has the layers of wall 'a' already",
        ),
        (
            '[wall.a]\nobjects = ["floor"]\nlayers = [{material = "wood", thickness = "2 cm"}]',
            "wall > a > layers > 0 > thickness: Input should be a valid number",
        ),
        (
            '[wall.a]\nobjects = ["floor"]\nlayers = [{material = "wood", thickness = nan}]',
            "thickness: Input should be a finite number",
        ),
        (
            '[wall.a]\nobjects = ["floor"]\nlayers = [{material = "wood", thickness = true}]',
            "thickness: Input should be a valid number",
        ),
        ("a = " + "[" * 100_000, "nested too deeply|no TOML"),
        ("a = " + "1" * 5000, "a number of too many digits"),
        (".".join("a" * 1_000_000) + " = 1", "nested too deeply"),
        ("[" + " . ".join(['"a"'] * 100_000) + "]", "nested too deeply"),
        (
            '[wall.a]\nobjects = ["floor"]\nlayers = ['
            + '{material = "wood", thickness = 0.02},' * 17
            + "]",
            "wall > a > layers: List should have at most 16 items",
        ),
    ],
)
def test_rubbish_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        read_layers(written(tmp_path, text), ROOM.objects)


def test_impossible_layers_are_refused_with_the_wall(tmp_path: Path) -> None:
    text = '[wall.a]\nobjects = ["floor"]\nlayers = [{material = "chalk", thickness = 0.02}]'
    with pytest.raises(MaterialError, match=r"walls.toml, wall 'a': unknown material 'chalk'"):
        read_layers(written(tmp_path, text), ROOM.objects)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="cannot read the layers file"):
        read_layers(tmp_path / "none.toml", ROOM.objects)
    with pytest.raises(SceneError, match="cannot read the layers file"):
        read_layers(tmp_path, ROOM.objects)
    (tmp_path / "latin.toml").write_bytes(b'[wall.a]\nobjects = ["\xfc"]\n')
    with pytest.raises(SceneError, match="no UTF-8"):
        read_layers(tmp_path / "latin.toml", ROOM.objects)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (5 * 2**20))
    with pytest.raises(SceneError, match="cannot read the layers file"):
        read_layers(large, ROOM.objects)
