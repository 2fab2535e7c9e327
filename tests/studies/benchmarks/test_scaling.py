import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.studies.benchmarks.scaling import Shares


def test_what_no_part_explains_is_the_drivers() -> None:
    shares = Shares(2, 8, 100, trace=1.0, step=0.010, evaluation=0.006, transfer=0.003,
                    busy=0.001)  # fmt: skip
    assert shares.driver == pytest.approx(0.001)
    assert Shares(2, 8, 100, 1.0, 0.010, 0.012, 0.003, 0.001).driver == 0.0


@pytest.mark.ray
@pytest.mark.slow
def test_scaling_is_measured_and_says_that_the_nodes_are_simulated(tmp_path: Path) -> None:
    small = ("--actors", "2", "--setups", "1", "--receivers", "2", "--boxes", "4",
             "--seeds", "2", "--repeats", "3")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "sweeps/scaling.py", *small, "--storage", tmp_path],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for expected in ("strong scaling", "weak scaling", "seeds / s", "2 nodes that are SIMULATED"):
        assert expected in done.stdout
    results = json.loads((tmp_path / "scaling.json").read_text())
    assert "SIMULATED" in results["where"]
    assert [one["num_actors"] for one in results["strong"]] == [2]
    assert [one["num_setups"] for one in results["weak"]] == [2]
    assert results["strong"][0]["num_paths"] == results["weak"][0]["num_paths"] > 0
    assert all(one["step"] >= one["evaluation"] * 0.5 > 0 for one in results["strong"])
    assert all(rate > 0 for _, rate in results["seeds"])
    assert (tmp_path / "scaling.png").stat().st_size > 1000
