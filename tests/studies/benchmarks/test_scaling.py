import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests import ROOT
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.report.sweeps.scaling import scaling_figure, scaling_tables
from vlmrt_dist.store.places import LocalPlace
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies.benchmarks.estimation_rate import WARM_UP, Throughput, _Clock, _Done
from vlmrt_dist.studies.benchmarks.scaling import ScalingResults, Shares


def test_what_no_part_explains_is_the_drivers() -> None:
    shares = Shares(2, 8, 100, trace=1.0, step=0.010, evaluation=0.006, transfer=0.003,
                    busy=0.001)  # fmt: skip
    assert shares.driver == pytest.approx(0.001)
    assert Shares(2, 8, 100, 1.0, 0.010, 0.012, 0.003, 0.001).driver == 0.0


def test_the_clock_starts_when_all_actors_are_warm() -> None:
    clock = _Clock(2)
    row = cast(Row, SimpleNamespace(seconds_trace=0.01, seconds_fit=0.02))
    for n in range(WARM_UP + 5):
        for actor in (1, 2):
            clock.tell(_Done(row, ("here", actor), 0.1 * n, 0.05), publishing=0.001)
    found = clock.read(2, 1.0, 0.0)
    assert (found.made, found.estimations) == (2 * (WARM_UP + 5), 10)
    assert found.actors == pytest.approx(10 * 0.1)
    assert found.search == pytest.approx(10 * 0.01)
    assert found.publishing == pytest.approx(10 * 0.001)
    cold = _Clock(2)
    cold.tell(_Done(row, ("here", 1), 0.1, 0.05), publishing=0.0)
    with pytest.raises(ConfigurationError, match="more than 10 estimations"):
        cold.read(2, 1.0, 0.0)


def test_estimations_are_told_beside_nothing_else(tmp_path: Path) -> None:
    rates = [
        Throughput(n, 1.0, 50, 40, 10.0 / n**0.9, 2.0, 0.1, 1.0, 5.0, 8.0, 0.2) for n in (1, 2)
    ]
    results = ScalingResults(estimations=rates, processes={1: 5.0})
    [table] = scaling_tables(results)
    names, *columns = (list(column.cells) for column in table.columns)
    one, two = (dict(zip(names, column, strict=True)) for column in columns)
    assert (one["efficiency"], two["efficiency"]) == ("1.00", "0.93")
    assert (one["part of theirs"], two["part of theirs"]) == ("0.80", "")
    assert (one["minutes for 100,000"], two["minutes for 100,000"]) == ("417", "223")
    scaling_figure(results, LocalPlace(tmp_path / "rates.png"))
    assert (tmp_path / "rates.png").stat().st_size > 1000


@pytest.mark.ray
@pytest.mark.slow
def test_scaling_is_measured_and_says_that_the_nodes_are_simulated(tmp_path: Path) -> None:
    small = ("--actors", "2", "--setups", "1", "--receivers", "2", "--boxes", "4",
             "--seeds", "2", "--repeats", "3", "--each", "14", "--blocks", "0.5")  # fmt: skip
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
    [found] = results["estimations"]
    assert found["made"] == 28
    assert 0 < found["estimations"] <= 28 - WARM_UP
    assert 0 < found["search"] + found["fit"] < found["inside"] < 2.2 * found["seconds"]
    assert found["driver"] + found["actors"] > 0
    assert results["processes"]["2"] > 0
    for expected in ("whole estimations", "minutes for 100,000"):
        assert expected in done.stdout
    assert (tmp_path / "scaling.png").stat().st_size > 1000
