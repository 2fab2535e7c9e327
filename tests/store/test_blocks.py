"""Blocks of rows: each row once, whoever writes, reads, merges or is killed at the moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import ROOT
from tests.store.test_ledger import row
from tests.store.test_places import place, server
from vlmrt_dist.errors import StorageError
from vlmrt_dist.store import blocks, nothing_written
from vlmrt_dist.store.checksummed_parquet import sealed
from vlmrt_dist.store.folder_lock import folder_lock
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import Place
from vlmrt_dist.store.rows import table_of

__all__ = ["place", "server"]  # fixtures


def keys_seen(storage: Path) -> list[str]:
    """Keys as a plain reader of the files sees them."""
    keys: list[str] = pq.read_table(storage / "rows")["key"].to_pylist()
    return sorted(keys)


def test_rows_are_added_to_the_last_file_until_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 10)
    for number in range(0, 40, 4):
        Ledger(tmp_path).publish("depth", [row(f"k{n:02d}") for n in range(number, number + 4)])
    assert keys_seen(tmp_path) == [f"k{n:02d}" for n in range(40)]
    files = sorted((tmp_path / "rows" / "study=depth").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [12, 12, 12, 4]


def test_a_row_is_published_once_whoever_publishes_it_again(place: Place) -> None:
    first, second = Ledger(place), Ledger(place)
    first.publish("depth", [row("a", seed=1), row("b", seed=1)])
    second.publish("depth", [row("b", seed=2), row("c", seed=2), row("c", seed=3)])
    first.publish("depth", [row("c", seed=1), row("d", seed=1)])
    found = {r.key: r.seed for r in Ledger(place).rows("depth")}
    assert found == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert first.keys("depth") == second.keys("depth") == set(found)


def test_compaction_keeps_every_digit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    ledger = Ledger(place)
    for number in range(0, 60, 5):
        ledger.publish(
            "depth", [row(f"k{n}", mre=random.random()) for n in range(number, number + 5)]
        )
    before = ledger.rows("depth")
    done = ledger.compact("depth")
    assert (done["rows"].before, done["rows"].after) == (12, 1)
    assert ledger.rows("depth") == Ledger(place).rows("depth") == before
    assert [r.mre_history for r in ledger.rows("depth")] == [r.mre_history for r in before]
    ledger.publish("depth", [row("after"), row("k3")])
    assert len(Ledger(place).rows("depth")) == 61
    assert ledger.compact("depth")["rows"].after == 1
    assert len(Ledger(place).rows("depth")) == 61


def test_many_files_are_merged_by_the_driver_that_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 1)
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row(f"k{n:03d}") for n in range(blocks.MANY + 3)])
    assert len(list((tmp_path / "rows" / "study=depth").iterdir())) == 1
    assert len(keys_seen(tmp_path)) == blocks.MANY + 3


def test_only_what_can_be_merged_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 10)
    monkeypatch.setattr(blocks, "MERGED_ROWS", 40)
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row(f"k{n:03d}") for n in range(100)])
    first = ledger.compact("depth")["rows"]
    assert (first.before, first.after) == (10, 3)
    assert ledger.compact("depth")["rows"] == blocks.Compaction(3, 3)
    assert len(keys_seen(tmp_path)) == 100


def test_where_folders_cannot_be_exchanged_rows_are_merged_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    monkeypatch.setattr(blocks, "exchange", lambda *_, **__: False)
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row(f"k{n:02d}") for n in range(20)])
    assert ledger.compact("depth")["rows"].after == 1
    assert keys_seen(tmp_path) == [f"k{n:02d}" for n in range(20)]


def test_a_reader_that_meets_a_merged_file_and_its_parts_sees_each_row_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row("a"), row("b")])
    folder = tmp_path / "rows" / "study=depth"
    [part] = folder.iterdir()
    (folder / "000000001-000000004.parquet").write_bytes(part.read_bytes())
    assert [r.key for r in Ledger(tmp_path).rows("depth")] == ["a", "b"]
    Ledger(tmp_path).compact("depth")
    assert keys_seen(tmp_path) == ["a", "b"]


def test_without_locks_nobody_changes_a_file_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", _no_locks)
    for number in range(3):
        Ledger(tmp_path).publish("depth", [row(f"k{number}"), row("both")])
    assert keys_seen(tmp_path) == ["both", "k0", "k1", "k2"]
    assert len(list((tmp_path / "rows" / "study=depth").iterdir())) == 3


def _no_locks(*_: object) -> None:
    raise OSError(38, "Function not implemented")


def test_a_lock_that_is_not_given_back_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.lock"
    held = pytest.raises(StorageError, match=r"another process has held .*lock")
    with folder_lock(path), held, folder_lock(path, wait=0.05):
        pass
    with folder_lock(path, wait=0.05) as alone:
        assert alone


WRITER = """
import sys
from tests.store.test_ledger import row
from vlmrt_dist.store import blocks, nothing_written
from vlmrt_dist.store.checksummed_parquet import sealed
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import place_of

blocks.BLOCK_ROWS, blocks.MANY = 8, 6
storage, total = sys.argv[1], int(sys.argv[2])
for number in range(0, total, 3):
    Ledger(storage).publish("depth", [row(f"k{n:04d}", seed=n) for n in range(number, number + 3)])
    if number % 60 == 0:
        Ledger(storage).compact("depth")
"""


def writer(storage: Path, total: int) -> subprocess.Popen[bytes]:
    """A process that publishes rows three at a time and merges files often."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(storage), str(total)], cwd=ROOT)


@pytest.mark.slow
def test_two_writers_that_are_killed_and_merge_files_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    rng, total = random.Random(7), 900
    writers = [writer(tmp_path, total) for _ in range(2)]
    try:
        for kill in range(20):
            time.sleep(rng.uniform(0.3, 1.2))
            victim = kill % 2
            writers[victim].send_signal(signal.SIGKILL)
            writers[victim].wait()
            present = Ledger(tmp_path).rows("depth")
            assert [r.key for r in present] == sorted({r.key for r in present})
            assert all(r == row(f"k{r.seed:04d}", seed=r.seed) for r in present)
            writers[victim] = writer(tmp_path, total)
        assert [process.wait(timeout=120) for process in writers] == [0, 0]
    finally:
        for process in writers:
            process.kill()
            process.wait()
    assert keys_seen(tmp_path) == [f"k{n:04d}" for n in range(total)]
    assert not (tmp_path / "damaged").exists()
    Ledger(tmp_path).compact("depth")
    assert keys_seen(tmp_path) == [f"k{n:04d}" for n in range(total)]
    assert {path.suffix for path in (tmp_path / ".ledger").iterdir()} == {".lock"}


def test_compaction_keeps_what_else_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 1)
    folder = tmp_path / "rows" / "study=depth"
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row("a"), row("b"), row("c")])
    (folder / "notes.txt").write_text("mine")
    assert ledger.compact("depth")["rows"].after == 1
    (folder / "mine").mkdir()
    (folder / "mine" / "more.txt").write_text("mine too")
    (folder / "link").symlink_to("notes.txt")
    ledger.publish("depth", [row("d"), row("e")])
    assert ledger.compact("depth")["rows"].after == 1
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "mine" / "more.txt").read_text() == "mine too"
    assert (folder / "link").is_symlink()
    assert sorted(Ledger(tmp_path).keys("depth")) == ["a", "b", "c", "d", "e"]


@pytest.mark.filterwarnings("ignore:1 files with rows")
def test_rows_of_another_version_are_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "rows" / "study=depth"
    folder.mkdir(parents=True)
    table = table_of("rows", [row("old")])
    marked = table.replace_schema_metadata({b"vlmrt_schema_version": b"0"})
    other = folder / "000000001.parquet"
    other.write_bytes(sealed(marked))
    before = other.read_bytes()
    Ledger(tmp_path).publish("depth", [row("a")])
    Ledger(tmp_path).publish("depth", [row("b")])
    assert other.read_bytes() == before
    assert set(Ledger(tmp_path).keys("depth")) == {"a", "b"}


def test_reading_without_a_trace_leaves_a_damaged_file_where_it_is(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [row("a")])
    [file] = (tmp_path / "rows" / "study=depth").iterdir()
    file.write_bytes(file.read_bytes()[:-50])
    there = sorted(tmp_path.rglob("*"))
    with nothing_written():
        with pytest.warns(UserWarning, match="its rows are left out"):
            assert Ledger(tmp_path).rows("depth") == []
        with pytest.raises(StorageError, match="dry run"):
            Ledger(tmp_path).storage.__truediv__("x.png").write(b"x")
    assert sorted(tmp_path.rglob("*")) == there
