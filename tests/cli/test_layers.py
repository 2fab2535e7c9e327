"""Layers and penetration losses from the command line: --layers, --unknown penetration_loss."""

import csv
import json
from pathlib import Path

import pytest

from tests.commands import invoke

TRUTH = """
[wall.partition]
objects = ["wall_west", "wall_east"]
layers = [
    {material = "plasterboard", thickness = 0.0125},
    {material = "air", thickness = 0.075},
    {material = "plasterboard", thickness = 0.0125},
]

[extra_loss_db]
box_wood = 3.0
"""


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    (tmp_path / "truth.toml").write_text(TRUTH)
    (tmp_path / "model.toml").write_text(TRUTH.partition("[extra_loss_db]")[0])
    done = invoke(
        "simulate", "--layers", tmp_path / "truth.toml", "--setups", 2, "--receivers", 12,
        "--max-depth", 2, "--noise-db", 0.1, "--out", tmp_path / "levels.csv",
        "--truth-out", tmp_path / "truth.csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "extra loss of what passes through: box_wood 3 dB" in done.stdout
    with open(tmp_path / "truth.csv", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert "wall_west" not in names  # it has its layers' conductivities, and none of its own
    assert names[-4:] == [
        "wall_west/plasterboard", "wall_west/air", "wall_east/plasterboard", "wall_east/air"
    ]  # fmt: skip
    return tmp_path


def test_from_simulation_to_calibrated_scene(measured: Path) -> None:
    model, out = measured / "model.toml", measured / "estimate.json"
    done = invoke(
        "estimate", "--layers", model, "--measurements", measured / "levels.csv", "--max-depth", 2,
        "--unknown", "conductivity", "--unknown", "penetration_loss", "--group-by", "material",
        "--fixed", "floor", "--fixed", "wall_south", "--fixed", "wall_north", "--fixed",
        "box_concrete", "--fixed", "box_marble", "--fixed", "box_chipboard", "--posterior",
        "normal", "--out", out, "--scene-out", measured / "scene",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "Penetration loss of 9 objects" in done.stdout
    assert "Conductivity of 4 layers" in done.stdout
    assert "read it with --layers layers.toml" in done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert next(row["name"] for row in rows if row["layer"]) == "wall_west/plasterboard"
    written = measured / "scene" / "layers.toml"
    applied = invoke("apply", "--estimate", out, "--layers", model, "--out", measured / "again")
    assert applied.exit_code == 0, applied.stderr
    assert "Sionna has no layers: of 'wall_west', 'wall_east'" in applied.stdout
    assert (measured / "again" / "layers.toml").read_text() == written.read_text()
    other = invoke("apply", "--estimate", out, "--out", measured / "other")
    assert other.exit_code == 2
    assert "give the layers file that the estimate was made with" in other.stderr


def test_an_exported_scene_has_its_layers_beside_it(measured: Path) -> None:
    done = invoke(
        "export-scene", "box_room", "--layers", measured / "truth.toml", "--out", measured / "room"
    )
    assert done.exit_code == 0, done.stderr
    assert "they are in layers.toml" in done.stdout
    text = (measured / "room" / "layers.toml").read_text()
    assert "box_wood" in text
    assert text.count("plasterboard") == 2


def test_rubbish_is_refused(measured: Path) -> None:
    (measured / "bad.toml").write_text("walls = 3")
    for file, message in (("bad.toml", "walls: there is no"), ("none.toml", "no such file")):
        done = invoke(
            "estimate", "--layers", measured / file, "--measurements", measured / "levels.csv"
        )
        assert done.exit_code == 2
        assert message in done.stderr
    done = invoke(
        "estimate", "--layers", measured / "model.toml", "--measurements", measured / "levels.csv",
        "--fixed", "wall_west/board",
    )  # fmt: skip
    assert done.exit_code == 2
    assert "the layers wall_west/plasterboard, wall_west/air" in done.stderr
