import json
from pathlib import Path

import pytest

from tests.commands import invoke

QUICK = ("--max-depth", "1", "--noise-db", "0.5")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Levels to calibrate with and to judge by."""
    here = tmp_path / "calibration.csv", tmp_path / "test.csv"
    for seed, path in enumerate(here):
        told = invoke("simulate", *QUICK, "--perturb-seed", 1, "--seed", seed, "--out", path)
        assert told.exit_code == 0, told.output
    return here


def test_an_evaluation_is_printed_written_and_drawn(files: tuple[Path, Path]) -> None:
    known, trial = files
    rows, figure = known.parent / "rows.csv", known.parent / "errors.png"
    told = invoke(
        "evaluate", *QUICK, "--calibration", known, "--measurements", trial, "--out", rows,
        "--figure", figure,
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "Errors at 24 links" in told.stdout
    assert rows.read_text().startswith("setup,receiver,distance,measured_dbm,calibrated_scene_dbm")
    assert figure.stat().st_size > 5000


@pytest.mark.slow
def test_an_estimate_and_leave_out_are_evaluated_too(files: tuple[Path, Path]) -> None:
    known, trial = files
    stored = known.parent / "estimate.parquet"
    invoke("estimate", *QUICK, "--measurements", known, "--out", stored)
    told = invoke(
        "evaluate", *QUICK, "--estimate", stored, "--measurements", trial, "--offset", "setup",
        "--json",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["models"][0]["name"] == "calibrated scene"
    told = invoke("evaluate", *QUICK, "--measurements", known, "--leave-out", "setup")
    assert told.exit_code == 0, told.output
    assert "each setup was predicted by fits without it" in told.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either --leave-out"),
        (["--calibration", "a.csv", "--leave-out", "link"], "give either --leave-out"),
        (["--leave-out", "pair"], "leave-out"),
        (["--leave-out", "link", "--vlm", "offline"], "own materials"),
        (["--leave-out", "link", "--out", "x.txt"], "must end in"),
        (["--calibration", "missing.csv"], "missing.csv"),
        (["--estimate", "a.parquet", "--shadowing"], "name their file: --calibration"),
    ],
)
def test_slips_are_named(words: list[str], message: str, tmp_path: Path) -> None:
    trial = tmp_path / "test.csv"
    trial.write_text("setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm\n1,1,2,1.2,-1,2,1.2,-20\n")
    told = invoke("evaluate", "--measurements", trial, *words)
    assert told.exit_code == 2
    assert message in " ".join(told.output.split())
