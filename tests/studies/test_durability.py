"""A study's rows survive what is done to its driver and its disk, with no Ray involved."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import ROOT
from tests.caches import fresh_cache
from vlmrt_dist.store.ledger import Ledger

pytestmark = pytest.mark.slow

KILLS, ROWS = 25, 40

STUDY = """
from vlmrt_dist import RadioConfig, box_room
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.studies import Point, Sweep, run, sweep

room, radio = box_room(4), RadioConfig.paper(max_depth=1).replace(samples_per_src=1000)
plan = random_campaign(room, 1, 3, seed=3)
points = [
    Point("durable", room, plan, radio, ("levenberg_marquardt",), "itu", "same_paths",
          seeds=(2 * n, 2 * n + 1))
    for n in range(20)
]

@sweep("durable")
def main(this: Sweep) -> None:
    run(points, this.ledger,
        progress=lambda name, done, total: print(done, "of", total, flush=True))

main.script()
"""


class Program:
    """The study above: 40 rows."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "study.py"
        self.path.write_text(STUDY)
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "VLMRT_CACHE_DIR": str(fresh_cache(folder / "cache")),
        }

    def command(self, storage: Path) -> list[str]:
        return [sys.executable, str(self.path), "--storage", str(storage)]

    def start(self, storage: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(storage), env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, storage: Path) -> str:
        with self.start(storage) as process:
            log, _ = process.communicate(timeout=300)
        assert process.returncode == 0, log
        return log


def rows(storage: Path) -> list[str]:
    """Every digit of the rows but the times."""
    return [
        repr(dataclasses.replace(row, seconds_trace=0.0, seconds_fit=0.0))
        for row in Ledger(storage).rows("durable")
    ]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def undisturbed(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("undisturbed")
    program.run(storage)
    assert len(rows(storage)) == len(set(rows(storage))) == ROWS
    return storage


def test_two_drivers_that_are_killed_again_and_again(
    program: Program, undisturbed: Path, tmp_path: Path
) -> None:
    """kill -9 at 25 random moments; a study that is done meanwhile begins anew elsewhere."""
    expected = rows(undisturbed)
    rng = random.Random(20_260)
    storages = [tmp_path / "0"]
    drivers = [program.start(storages[-1]) for _ in range(2)]
    partly = 0
    try:
        for kill in range(KILLS):
            driver = drivers[kill % 2]
            assert driver.stdout is not None
            for _ in range(rng.randint(1, 4)):  # the first: it has looked at what is there
                driver.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.2))
            driver.kill()
            driver.communicate()
            assert driver.returncode in (0, -9)
            kept = rows(storages[-1])  # whole rows only: a warning of damage would be an error
            assert set(kept) <= set(expected)
            partly += 0 < len(kept) < ROWS
            if len(kept) == ROWS:
                drivers[(kill + 1) % 2].communicate(timeout=300)
                storages.append(tmp_path / str(len(storages)))
                drivers[(kill + 1) % 2] = program.start(storages[-1])
            drivers[kill % 2] = program.start(storages[-1])
        for driver in drivers:
            log, _ = driver.communicate(timeout=300)
            assert driver.returncode == 0, log
    finally:
        for driver in drivers:
            driver.kill()
            driver.communicate()
    assert partly >= 5  # they were killed in the middle of something
    for storage in storages:
        assert rows(storage) == expected
        keys = pq.read_table(storage / "rows")["key"].to_pylist()
        assert len(keys) == len(set(keys)) == ROWS
        assert not (storage / "damaged").exists()
    assert f"{ROWS // 2} of {ROWS // 2}" in program.run(storages[-1]).splitlines()[0]


def test_a_cut_and_an_altered_file_are_computed_again(
    program: Program, undisturbed: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "results"
    shutil.copytree(undisturbed, storage)
    files = sorted((storage / "rows" / "study=durable").iterdir(), key=os.path.getmtime)
    files[-1].write_bytes(files[-1].read_bytes()[:-100])
    altered = bytearray(files[0].read_bytes())
    altered[len(altered) // 3] ^= 4
    files[0].write_bytes(altered)
    log = program.run(storage)
    for file in (files[0], files[-1]):
        assert f"{file} is damaged" in log
        assert len(list((storage / "damaged").rglob(f"{file.name}.*"))) == 1
    assert rows(storage) == rows(undisturbed)


def inside_a_mount(mount: str, *arguments: str | Path, environment: dict[str, str]) -> str:
    """What a driver says that ends with an error, run where ``mount`` has been done."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root may mount something, in a name space of its own")
    try:
        subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        pytest.skip("mounting is not allowed here")
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", mount, *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_full_disk_ends_with_a_sentence_and_half_of_nothing(
    program: Program, undisturbed: Path, tmp_path: Path
) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    mount = (
        'mount -t tmpfs -o size=64k tmpfs $0 && "${@:2}"; code=$?; '
        "mkdir $1 && cp -r $0/rows $0/histories $1; exit $code"
    )
    said = inside_a_mount(
        mount, disk, copy, *program.command(disk), environment=program.environment
    )
    assert said.startswith("error: cannot write ")
    assert "No space left on device" in said
    assert {path.suffix for path in copy.rglob("*") if path.is_file()} == {".parquet"}
    kept = rows(copy)
    assert 0 < len(kept) < ROWS
    assert set(kept) <= set(rows(undisturbed))
    program.run(copy)
    assert rows(copy) == rows(undisturbed)


def test_a_folder_that_is_read_only_ends_with_a_sentence(
    program: Program, undisturbed: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "results"
    Ledger(storage).publish("durable", Ledger(undisturbed).rows("durable")[10:])
    mount = 'mount --bind $0 $0 && mount -o remount,bind,ro $0 && "$@"'
    said = inside_a_mount(
        mount, storage, *program.command(storage), environment=program.environment
    )
    assert said.startswith("error: cannot ")
    assert "Read-only file system" in said
    assert len(rows(storage)) == ROWS - 10


def test_complete_rows_in_a_read_only_storage_are_told(tmp_path: Path) -> None:
    """The table is printed; only the figure has no place."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("only root may mount something, in a name space of its own")
    storage = tmp_path / "results"
    command = [
        sys.executable, str(ROOT / "sweeps" / "depth.py"), "--depths", "1", "--seeds", "1",
        "--methods", "levenberg_marquardt", "--storage", str(storage),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    mount = 'mount --bind $0 $0 && mount -o remount,bind,ro $0 && "$@"'
    again = subprocess.run(
        ["unshare", "-m", "bash", "-c", mount, storage, *command],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert again.returncode == 2
    table = first.stdout.partition("\nrows: ")[0]
    assert "Table 1" in table
    assert again.stdout.rstrip("\n") == table.rstrip("\n")
    last = again.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: cannot write {storage}/depth.p")
    assert last.endswith("Read-only file system [StorageError]")
