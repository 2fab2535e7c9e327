import json
from pathlib import Path

import numpy as np
import pytest

from tests.commands import invoke
from tests.inference.test_calibration import numbers
from vlmrt_dist.scene import box_room, load_scene

ROOM = box_room()


@pytest.fixture
def estimated(tmp_path: Path) -> Path:
    """A result file: some objects estimated, the others at the table's values."""
    found = numbers()
    sigma = found.quantities["conductivity"]
    rows = [
        {
            "name": name,
            "material": "any",
            "frequency": found.frequency,
            "conductivity": value,
            "verdict": verdict,
        }
        for name, value, verdict in zip(
            found.names, sigma.value.tolist(), sigma.verdict, strict=True
        )
    ]
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"rows": rows}))
    return file


def test_a_scene_with_the_numbers_of_an_estimate(tmp_path: Path, estimated: Path) -> None:
    done = invoke("apply", "--estimate", estimated, "--scene", "box_room", "--out", tmp_path / "o")
    assert done.exit_code == 0, done.stderr
    assert "9 objects" in done.stdout
    assert "2.4 GHz" in done.stdout
    assert "keeps its prior value" in done.stdout
    scene = load_scene(tmp_path / "o" / "scene.xml")
    np.testing.assert_array_equal(scene.conductivity(2.4e9), numbers().on(ROOM).conductivity(2.4e9))
    again = invoke("apply", "--estimate", estimated, "--out", tmp_path / "o")
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    replaced = invoke("apply", "--estimate", estimated, "--out", tmp_path / "o", "--overwrite")
    assert replaced.exit_code == 0


def test_what_does_not_fit_writes_nothing(tmp_path: Path, estimated: Path) -> None:
    other = invoke(
        "apply", "--estimate", estimated, "--scene", "box_room_6", "--out", tmp_path / "o"
    )
    assert other.exit_code == 2
    assert "the estimate does not know 'box_5', 'box_6'" in other.stderr
    estimated.write_text("{}")
    broken = invoke("apply", "--estimate", estimated, "--out", tmp_path / "o")
    assert broken.exit_code == 2
    assert "is not an estimate" in broken.stderr
    assert not (tmp_path / "o").exists()


def test_a_folder_in_use_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "rss.csv").write_text("setup\n")
    done = invoke("estimate", "--measurements", tmp_path / "rss.csv", "--scene-out", tmp_path)
    assert done.exit_code == 2
    assert "not empty" in done.stderr
