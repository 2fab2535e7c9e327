"""The check of a GPU: rehearsed on the CPU, and a sentence where there is no GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.engine import count_gpus
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.studies.benchmarks import gpu_check
from vlmrt_dist.studies.benchmarks.gpu_check import CheckedPart, GpuCheck, check_as_markdown

SCRIPT = ROOT / "cluster" / "gpu_check.py"
PARTS = ["device", "exact search", "replay", "retrace", "pinned actors", "small study"]


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.skipif(count_gpus() > 0, reason="there is a GPU")
def test_without_a_gpu_one_sentence_says_so(tmp_path: Path) -> None:
    done = check("--out", tmp_path / "found")
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: no NVIDIA GPU with CUDA and OptiX answers here")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ray
def test_a_rehearsal_on_the_cpu_passes_all_parts(tmp_path: Path) -> None:
    done = check("--variant", "llvm", "--small", "--out", tmp_path / "found")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_bytes())
    assert [part["name"] for part in found["parts"]] == PARTS
    assert {part["state"] for part in found["parts"]} == {"passed"}
    assert found["parts"][2]["times"]["step, S = 1"] > 0.0
    assert "2 actors" in found["parts"][4]["text"]
    table = (tmp_path / "found.md").read_text()
    assert table.startswith("# Check of the CPU, a rehearsal: CUDA was not run")
    assert "| replay: step, S = 1 |" in table


def test_a_part_that_fails_is_told_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: GpuCheck) -> tuple[str, dict[str, float]]:
        raise NumericalError("differs")

    def passing(self: GpuCheck) -> tuple[str, dict[str, float]]:
        return "fine", {"step": 0.5}

    for name in ("device", "search", "retrace", "actors", "study"):
        monkeypatch.setattr(GpuCheck, name, passing)
    monkeypatch.setattr(GpuCheck, "replay", failing)
    told: list[CheckedPart] = []
    parts = GpuCheck().run(told.append)
    assert told == parts
    assert [part.name for part in parts] == PARTS
    assert [part.state for part in parts].count("passed") == 5
    assert (parts[2].state, parts[2].text) == ("failed", "NumericalError: differs")
    text = check_as_markdown(parts, {"variant": "cuda_ad_mono_polarized", "GPU": "H"}).decode()
    assert text.startswith("# Check of a GPU\n")
    assert "| replay | failed | NumericalError: differs |" in text
    assert "| retrace: step | 0.5 |" in text


def test_nothing_is_begun_after_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "SECONDS", 0.0)
    assert {part.state for part in GpuCheck().run()} == {"left out"}


def test_a_difference_is_a_share_of_the_largest_value() -> None:
    import numpy as np

    expected = np.array([[[1.0, -4.0]], [[0.0, 0.0]]])
    found = expected + np.array([[[0.0, 0.004]], [[1e-9, 0.0]]])
    assert gpu_check._difference(found, expected) == pytest.approx(1e-3)
    assert np.isnan(gpu_check._difference(found * np.nan, expected))
