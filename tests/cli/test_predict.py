import json
from pathlib import Path

import pytest

from tests.commands import invoke

QUICK = ("--max-depth", "1", "--noise-db", "0.5")
POSITIONS = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z\n1,-1,2,1.2,1,2,1.2\n1,-1,2,1.2,2,-2,1.2\n"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    rss, path = tmp_path / "rss.csv", tmp_path / "estimate.parquet"
    invoke("simulate", "--max-depth", 1, "--noise-db", 0.5, "--perturb-seed", 1, "--out", rss)
    told = invoke("estimate", *QUICK, "--measurements", rss, "--out", path)
    assert told.exit_code == 0, told.output
    return path


def test_levels_at_planned_positions(stored: Path, tmp_path: Path) -> None:
    places, out = tmp_path / "planned.csv", tmp_path / "levels.csv"
    places.write_text(POSITIONS)
    told = invoke("predict", "--estimate", stored, "--positions", places, "--out", out)
    assert told.exit_code == 0, told.output
    assert "Predicted levels of 2 links" in told.stdout
    assert out.read_text().startswith("setup,receiver,tx_x")
    told = invoke("predict", "--estimate", stored, "--positions", places, "--json")
    assert len(json.loads(told.stdout)["links"]) == 2
    # The estimate says what it was made with.
    told = invoke(
        "map", "--estimate", stored, "--tx", "-1,2,1.2", "--cell-size", "2.5", "--max-depth", "3",
        "--out", tmp_path / "m.npz",
    )  # fmt: skip
    assert told.exit_code == 2
    assert "the estimate was made with --max-depth 1, not 3" in told.output


@pytest.mark.slow
def test_another_scene_and_bare_values_are_refused(stored: Path, tmp_path: Path) -> None:
    places = tmp_path / "planned.csv"
    places.write_text(POSITIONS)
    told = invoke("predict", "--estimate", stored, "--positions", places, "--scene", "box_room_5")
    assert told.exit_code == 2
    assert "the estimate does not know" in told.output
    told = invoke("predict", "--estimate", stored, "--positions", places, "--noise-db", "nan")
    assert told.exit_code == 2
    assert "--noise-db must be a finite number" in told.output
    bare = tmp_path / "rows.csv"
    bare.write_text("name,material,frequency,conductivity,verdict\nwall,brick,3.5e9,0.1,weak\n")
    told = invoke("predict", "--estimate", bare, "--positions", places)
    assert told.exit_code == 2
    assert "holds the objects' values only" in told.output
