"""Cores that a process may use."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.cores import _Share, own_cores, quota, share_cores, usable_cores


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/job\n", {"job/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/step\n", {"job/cpu.max": "400000 100000", "job/step/cpu.max": "max 100000"}, 4.0),
        ("0::/../outside\n", {"cpu.max": "200000 100000"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000"}, math.inf),
        (
            "3:cpu,cpuacct:/box\n2:memory:/other\n",
            {"cpu/box/cpu.cfs_quota_us": "250000\n", "cpu/box/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        (
            "3:cpu,cpuacct:/\n",
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"},
            math.inf,
        ),
        ("0::/job\n", {"job/cpu.max": "nonsense"}, math.inf),
        ("", {}, math.inf),
    ],
)
def test_the_quota_of_the_control_groups(
    tmp_path: Path, groups: str, files: dict[str, str], cores: float
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    for name, content in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(content)
    assert quota(tmp_path / "cgroup", tmp_path / "fs") == cores


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_that_is_bound_to_one_core_uses_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); "
        "from vlmrt_dist.cores import usable_cores; print(usable_cores())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))


def test_an_actor_leaves_cores_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Share, "own", None)
    assert own_cores() == usable_cores()
    share_cores(1)
    assert own_cores() == 1
    share_cores(10**6)
    assert own_cores() == usable_cores()
