"""Tables and figure of the study of misnamed materials, from made-up rows and the sweep's."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests.store.test_ledger import ROW
from vlmrt_dist.console import show
from vlmrt_dist.report.plotting.misnaming import (
    misnaming_figure,
    search_table,
    success_of,
    trust_of,
    trust_table,
)
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.rows import Row


def row(seed: int, rate: float, optimizer: str, confidence: str = "none", **more: object) -> Row:
    values: dict[str, object] = {
        "label": json.dumps({"misnamed": rate, "confidence": confidence}),
        "combining": "power",
        "truth": [1.0, 1.0, 1.0, 1.0],
        "low": [0.9, 0.9, 1.1, 1.0],
        "high": [1.1, 1.1, 1.2, 1.0],
        "verdict": ["estimated", "weak", "estimated", "fixed"],
        "contradicts_prior": [True, False, True, False],
    } | more
    return dataclasses.replace(ROW, seed=seed, optimizer=optimizer, **values)  # type: ignore[arg-type]


WRONG = {(0.2, 0): np.array([True, True, False, False])}


def test_shares_are_counted_over_the_objects_that_were_asked() -> None:
    trust = trust_of([row(0, 0.2, "map")], WRONG)
    assert trust.coverage == pytest.approx(2 / 3)  # the fixed one does not count
    assert trust.coverage_wrong == 1.0
    assert trust.found == 0.5
    assert trust.false_alarms == 1.0
    assert trust.estimated == pytest.approx(2 / 3)
    nobody = trust_of([row(0, 0.2, "map")], {(0.2, 0): np.zeros(4, bool)})
    assert np.isnan(nobody.coverage_wrong)
    assert np.isnan(nobody.found)


def test_success_is_an_error_below_one_percent() -> None:
    rows = [row(s, 0.2, "adam", mre=mre) for s, mre in enumerate((1e-9, 0.0099, 0.02, np.inf))]
    assert success_of(rows) == 0.5


def test_tables_and_figure_hold_every_rate_and_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        row(0, rate, optimizer, confidence)
        for rate in (0.0, 0.2)
        for optimizer, confidence in (
            ("adam", "none"),
            ("levenberg_marquardt", "none"),
            ("map", "1 - p"),
            ("map", "0.95"),
        )
    ]
    wrong = WRONG | {(0.0, 0): np.zeros(4, bool)}
    show(search_table("Search", rows), *trust_table("Trust", rows, wrong))
    text = capsys.readouterr().out
    for expected in ("Adam", "Levenberg-Marquardt", "20 %", "power, confidence 1 - p", "67 %"):
        assert expected in text
    figure = misnaming_figure("Title", rows, wrong, tmp_path / "figure.png")
    assert figure.stat().st_size > 10_000


def sweep(name: str, folder: Path, *options: str) -> str:
    command = [sys.executable, str(ROOT / "sweeps" / name), "--quick", "--storage", str(folder)]
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(folder: Path, study: str) -> list[Row]:
    return Ledger(folder).rows(study)


@pytest.mark.slow
def test_the_sweep_of_misnamed_materials_runs_as_a_script(tmp_path: Path) -> None:
    printed = sweep("vlm_errors.py", tmp_path, "--seeds", "3")
    assert "coherent, confidence 0.95" in printed
    assert (tmp_path / "vlm_errors_quick.png").stat().st_size > 10_000
    rows = rows_of(tmp_path, "vlm_errors_quick")
    assert len(rows) == 2 * 3 * (2 + 4)  # rates, seeds, searches and priors
    right = [r for r in rows if json.loads(r.label)["misnamed"] == 0.0]
    searched = [r.mre for r in right if r.optimizer == "levenberg_marquardt"]
    assert max(searched) < 1e-8
    covered = np.mean([r.coverage for r in right if r.optimizer == "map"])
    assert covered >= 0.85


@pytest.mark.slow
def test_the_depth_sweep_takes_an_advisor(tmp_path: Path) -> None:
    printed = sweep("depth.py", tmp_path, "--seeds", "1", "--depths", "1", "--vlm", "offline")
    assert "VLMInit and VLMSel by offline, which looked at no image" in printed
    rows = rows_of(tmp_path, "depth_quick_offline")
    assert {r.initial for r in rows} == {"vlm"}
    assert {json.loads(r.label)["vlm"] for r in rows} == {"offline"}
    assert max(r.mre for r in rows if r.optimizer == "levenberg_marquardt") < 1e-6
