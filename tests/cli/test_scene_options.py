"""Options of reading a scene, which all commands share."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tests.commands import invoke
from vlmrt_dist.cli.app import COMMANDS
from vlmrt_dist.cli.options import NamedScene
from vlmrt_dist.scene import SceneModel, box_room, load_scene

WITHOUT_SCENE = {"cache", "doctor", "sweep", "report", "compact", "materials"}

UNSTATED = (
    '<scene version="2.1.0"><bsdf type="diffuse" id="mat-Material"/>'
    '<shape type="cube" id="mesh-brick_wall"><ref id="mat-Material"/></shape>'
    '<shape type="cube" id="mesh-wooden_desk"><transform name="to_world"><translate x="5"/>'
    '</transform><ref id="mat-Material"/></shape></scene>'
)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    (tmp_path / "scene.xml").write_text(UNSTATED)
    return tmp_path / "scene.xml"


def command(name: str) -> Callable[..., Any]:
    module, _, function = COMMANDS[name].partition(":")
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"vlmrt_dist.cli.{module}"), function
    )
    return found


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - WITHOUT_SCENE))
def test_every_command_that_takes_a_scene_has_the_same_options(name: str) -> None:
    hints = get_type_hints(command(name)).values()
    assert any(isinstance(hint, type) and issubclass(hint, NamedScene) for hint in hints)


def test_unstated_materials_are_named_with_a_command_line_that_works(
    scene: Path, tmp_path: Path
) -> None:
    def export(*options: str) -> tuple[int, str, SceneModel | None]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        done = invoke("export-scene", scene, "--out", out, *options)
        return (
            done.exit_code,
            done.stderr,
            None if done.exit_code else load_scene(out / "scene.xml"),
        )

    code, err, _ = export()
    assert code == 2
    assert "objects 'brick_wall', 'wooden_desk'" in err
    option = err[err.index("--material") :].partition(" (")[0]
    assert option == "--material Material=CLASS"
    for options, materials in (
        (option.replace("CLASS", "itu_glass").split(), ("glass", "glass")),
        (["--material", "Material=glass", "--material", "brick_wall=brick"], ("brick", "glass")),
        (["--fill-materials", "offline"], ("brick", "wood")),
        (["--fill-materials", "offline", "--material", "brick_wall=metal"], ("metal", "wood")),
    ):
        code, err, written = export(*options)
        assert (code, written and written.materials) == (0, materials)
        assert ("offline names the materials of" in err) == ("--fill-materials" in options)


def test_an_advisor_takes_a_scene_of_unstated_materials(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "planned.csv"
    done = invoke(
        "advise", "--scene", scene, "--setups", 1, "--receivers", 2, "--out", out, "--headroom", 4
    )
    assert done.exit_code == 0, done.stderr
    assert "brick_wall   brick" in done.stdout
    assert "wooden_desk  wood" in done.stdout
    assert out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--material", "Material"], "--material takes NAME=CLASS; got 'Material'"),
        (["--material", "=wood"], "--material takes NAME=CLASS"),
        (["--material", "stone=wood"], "no material 'stone'; it has 'Material'"),
        (["--material", "Material=jelly"], "unknown material 'jelly'"),
        (["--headroom", "-1"], "--headroom must be a number of metres"),
        (["--scene-root", "/nowhere"], "--scene-root: there is no folder '/nowhere'"),
        (["--scattering", "keep"], "--scattering"),
        (["--fill-materials", "oracle"], "--fill-materials"),
    ],
)
def test_options_are_called_as_on_the_command_line(
    scene: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = invoke("export-scene", scene, "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("always")
def test_a_root_and_scattering_reach_the_reader(scene: Path, tmp_path: Path) -> None:
    box_room().write(tmp_path / "shared")
    inside = tmp_path / "inside"
    inside.mkdir()
    body = (
        '<scene><bsdf type="radio-material" id="rough"><float name="conductivity" value="1"/>'
        '<float name="relative_permittivity" value="2"/>'
        '<float name="scattering_coefficient" value="0.3"/></bsdf><shape type="ply" id="a">'
        '<string name="filename" value="../shared/meshes/0.ply"/><ref id="rough"/></shape></scene>'
    )
    (inside / "scene.xml").write_text(body)

    def export(*options: object) -> str:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        return invoke("export-scene", inside / "scene.xml", "--out", out, *options).stderr

    assert f"--scene-root {tmp_path}/shared/meshes" in export()
    assert "warning: material 'rough' has a scattering_coefficient" in export(
        "--scene-root", tmp_path
    )
    refused = export("--scene-root", tmp_path, "--scattering", "refuse")
    assert refused.startswith("error: material 'rough' scatters")


def test_a_mesh_or_a_folder_for_a_scene(tmp_path: Path) -> None:
    path = box_room().write(tmp_path / "room")
    for given, message in (
        (path.parent / "meshes" / "0.ply", "is no scene file: it may hold geometry"),
        (path.parent, f"is a folder; name the scene file in it (.xml), such as {path}"),
    ):
        done = invoke("export-scene", given, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert message in done.stderr
