import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.report.made_rows import timing
from vlmrt_dist.report.charts import PLACES, Chart, Curve, charts_of, history_curve, pareto
from vlmrt_dist.report.data import gather
from vlmrt_dist.report.plots import chart_json, log_ticks
from vlmrt_dist.store.ledger import Ledger


def test_two_kinds_of_times_of_one_engine_have_their_own_names(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    kinds = ("", "K, 250 paths")
    ledger.publish_timings("large_k", [
        dataclasses.replace(timing(k, "replay"), key=f"{k}-{n}", label=json.dumps({"varies": kind}))
        for k in (5, 9) for n, kind in enumerate(kinds)
    ])  # fmt: skip
    [study] = gather(ledger).studies
    names = {curve.name for chart in charts_of(study) for curve in chart.curves}
    assert {"replay: tracing", "replay, K, 250 paths: tracing"} <= names


def test_many_seeds_make_no_larger_curves() -> None:
    histories = [np.geomspace(1.0, 1e-3, n) for n in (1000, 700, 10)] * 100
    curve = history_curve("a", histories)
    assert curve is not None
    assert len(curve.x) <= PLACES
    assert curve.x[[0, -1]].tolist() == [1.0, 1000.0]
    assert curve.y[-1] == pytest.approx(np.median([h[-1] for h in histories]))


def test_the_pareto_front_is_what_nothing_beats() -> None:
    cost, error = np.array([3.0, 1, 2, 2, 4]), np.array([1.0, 5, 3, 4, 2])
    assert pareto(cost, error).tolist() == [1, 2, 0]


def test_ticks_of_logarithmic_axes_are_round_numbers_in_full() -> None:
    assert log_ticks(1e-4, 0.3) == [1e-4, 1e-3, 1e-2, 0.1, 1.0]
    assert log_ticks(0.05, 0.6) == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
    assert log_ticks(3000, 6000)[2:6] == [3000, 4000, 5000, 6000]
    assert len(log_ticks(1e-13, 1e3)) <= 9
    curve = Curve("a", np.array([3e3, 1e5]), np.array([3e-5, 0.4]))
    chart = Chart("c", "", "U", "MRE [%]", (curve,), xlog=True, ylog=True)
    drawn = json.loads(chart_json(chart))
    axis = drawn["layout"]["yaxis"]
    assert axis["ticktext"] == ["10<sup>-5</sup>", "10<sup>-4</sup>", "0.001", "0.01", "0.1", "1"]
    assert drawn["layout"]["xaxis"]["ticktext"][:4] == ["1000", "2000", "5000", "10000"]
