from pathlib import Path

import numpy as np
import pytest

from tests.commands import invoke

PLANE = ["--cell-size", "2.5", "--max-depth", "1"]


@pytest.mark.slow
def test_a_map_before_and_after_calibration_is_written(tmp_path: Path) -> None:
    rss = tmp_path / "rss.csv"
    told = invoke(
        "simulate", "--max-depth", 1, "--noise-db", 0.5, "--perturb-seed", 1, "--out", rss
    )
    assert told.exit_code == 0, told.output
    out = [tmp_path / name for name in ("map.npz", "map.tif", "map.png")]
    named = [word for path in out for word in ("--out", path)]
    told = invoke(
        "map", *PLANE, "--measurements", rss, "--noise-db", 0.5, *named, "--origin", "-33.9,151.2"
    )
    assert told.exit_code == 0, told.output
    assert "16 cells of 2.5 m" in told.stdout
    assert told.stdout.count("calibration moved it by") == 3
    with np.load(out[0]) as stored:
        assert stored["path_gain"].shape == (3, 4, 4)
        assert (stored["calibrated_std_db"] < stored["prior_std_db"]).mean() > 0.5
    assert all(path.stat().st_size > 500 for path in out)


def test_without_measurements_it_is_the_prior_s(tmp_path: Path) -> None:
    told = invoke("map", *PLANE, "--tx", "-1,2,1.2", "--out", tmp_path / "m.npz")
    assert told.exit_code == 0, told.output
    assert "calibration" not in told.stdout
    with np.load(tmp_path / "m.npz") as stored:
        assert "calibrated_dbm" not in stored
        assert np.isfinite(stored["rss"]).all()


@pytest.mark.slow
def test_a_result_file_calibrates_too(tmp_path: Path) -> None:
    rss, file = tmp_path / "rss.csv", tmp_path / "estimate.parquet"
    noise = ("--noise-db", 0.5, "--max-depth", 1)
    invoke("simulate", *noise, "--perturb-seed", 1, "--out", rss)
    invoke("estimate", "--measurements", rss, *noise, "--out", file)
    words = ("map", *PLANE, "--tx", "-1,2,1.2", "--noise-db", 0.5)
    for name, given in (("a.npz", ("--measurements", rss)), ("b.npz", ("--estimate", file))):
        told = invoke(*words, *given, "--out", tmp_path / name)
        assert told.exit_code == 0, told.output
    with np.load(tmp_path / "a.npz") as one, np.load(tmp_path / "b.npz") as other:
        for key in ("prior_dbm", "prior_std_db", "calibrated_dbm"):
            np.testing.assert_allclose(one[key], other[key], rtol=1e-9)
        assert (other["calibrated_std_db"] > 0.0).all()  # without the covariances
    told = invoke(*words, "--measurements", rss, "--estimate", file, "--out", tmp_path / "c.npz")
    assert told.exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --tx X,Y,Z, or --measurements FILE"),
        (["--tx", "1,2"], "--tx takes 3 finite numbers"),
        (["--tx", "1,2,nan"], "--tx takes 3 finite numbers"),
        (["--tx", "1,2,1", "--region", "0 0 1"], "region"),
        (["--tx", "1,2,1", "--cell-size", "-1"], "--cell-size must be"),
        (["--tx", "1,2,1", "--map-height", "inf"], "--map-height must be"),
        (["--tx", "1,2,1", "--origin", "12"], "LATITUDE,LONGITUDE"),
        (["--tx", "3,3,0.3"], "inside object"),
    ],
)
def test_slips_are_named(words: list[str], message: str, tmp_path: Path) -> None:
    told = invoke("map", "--out", tmp_path / "map.png", *words)
    assert told.exit_code == 2
    assert message in " ".join(told.output.split())
    assert not (tmp_path / "map.png").exists()
