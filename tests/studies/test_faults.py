"""What goes wrong on clusters, done for real: it ends as undisturbed, or non-zero with a sentence.

Actors of one estimation: tests/distributed/test_actor_objective.py; workers of a pool: test_pool.py
there; nodes that go: test_nodes.py. Drivers that are killed again and again: test_durability.py.
"""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.caches import fresh_cache
from vlmrt_dist.store.ledger import Ledger

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Four points that differ in their path seed.
STUDY = """
import time
from vlmrt_dist import RadioConfig, box_room
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.studies import Point, Sweep, run, sweep

room = box_room()
plan = random_campaign(room, 2, 3, seed=3)
points = [
    Point("faults", room, plan, RadioConfig.paper(max_depth=1).replace(seed=seed),
          ("levenberg_marquardt",), "itu", "same_paths", seeds=(0, 1))
    for seed in range(4)
]

@sweep("faults")
def main(this: Sweep, pause: float = 0.0) -> None:
    def tell(name, done, total):
        print(done, "of", total, flush=True)
        time.sleep(pause)
    run(points, this.ledger, workers=this.workers, progress=tell)

main.script()
"""


class Script:
    """The study above, as a program."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "study.py"
        self.path.write_text(STUDY)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        self.environment = kept | {
            "PYTHONPATH": str(ROOT),
            "VLMRT_CACHE_DIR": str(fresh_cache(folder / "cache")),
            "RAY_AUTH_MODE": "token",  # a private Ray makes its own
        }

    def command(self, storage: Path, *options: str) -> list[str]:
        return [sys.executable, str(self.path), "--storage", str(storage), *options]

    def start(self, storage: Path, *options: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(storage, *options), env=self.environment | more, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, storage: Path, *options: str, **more: str) -> tuple[int, str]:
        with self.start(storage, *options, **more) as process:
            try:
                log, _ = process.communicate(timeout=300)
            finally:
                process.kill()
        return process.returncode, log


def rows(storage: Path) -> list[str]:
    """Every digit of a study's rows but the times."""
    return [
        repr(dataclasses.replace(row, seconds_trace=0.0, seconds_fit=0.0))
        for row in Ledger(storage).rows("faults")
    ]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Script:
    return Script(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def undisturbed(program: Script, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    storage = tmp_path_factory.mktemp("undisturbed")
    code, log = program.run(storage)
    assert code == 0, log
    found = rows(storage)
    assert len(found) == 8
    return found


def test_a_driver_that_is_killed_goes_on_where_it_was(
    program: Script, undisturbed: list[str], tmp_path: Path
) -> None:
    with program.start(tmp_path, "--num-actors", "1", "--pause", "1") as process:
        assert process.stdout is not None
        seen = next((line for line in process.stdout if line.startswith("2 of 4")), None)
        assert seen
        process.kill()
    kept = rows(tmp_path)
    assert 4 <= len(kept) < 8
    assert set(kept) <= set(undisturbed)
    code, log = program.run(tmp_path)
    assert code == 0, log
    assert f"{len(kept) // 2} of 4" in log.splitlines()[0]
    assert rows(tmp_path) == undisturbed
    assert not list(tmp_path.glob("*/study=faults/.*"))


def test_workers_without_memory_end_with_a_sentence(program: Script, tmp_path: Path) -> None:
    """Ray's own monitor kills them: to it, one per cent of the memory is already too much."""
    code, log = program.run(
        tmp_path, "--num-actors", "1",
        RAY_memory_usage_threshold="0.01", RAY_memory_monitor_refresh_ms="100",
    )  # fmt: skip
    assert code == 2, log
    assert "error: " in log
    assert "memory" in log
    assert "Traceback" not in log


def test_without_its_head_a_study_ends_and_goes_on_later(
    program: Script, undisturbed: list[str], tmp_path: Path
) -> None:
    with program.start(
        tmp_path, "--num-actors", "1", "--pause", "1",
        RAY_gcs_rpc_server_reconnect_timeout_s="2",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert next((line for line in process.stdout if line.startswith("1 of 4")), None)
        [head] = [pid for pid in offspring(process.pid) if b"gcs_server" in command_line(pid)]
        os.kill(head, signal.SIGKILL)
        try:
            log, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode != 0
    assert "GCS may have been killed" in log  # Ray ends the process by itself
    assert set(rows(tmp_path)) <= set(undisturbed)
    assert program.run(tmp_path)[0] == 0
    assert rows(tmp_path) == undisturbed


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def offspring(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        yield from offspring(int(child))
