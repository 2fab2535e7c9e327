import os
from pathlib import Path

import pytest

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.atomic_files import UnreadableFile, read_limited, write_atomic


def test_written_whole_and_nothing_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    write_atomic(target, b"old")
    assert write_atomic(target, b"new") == target
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "rows.csv"
    write_atomic(target, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        write_atomic(tmp_path / "nowhere" / "rows.csv", b"")


def test_reading_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"12345")
    assert read_limited(file, 5) == b"12345"
    with pytest.raises(UnreadableFile, match="larger than the limit of 4"):
        read_limited(file, 4)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(UnreadableFile):
            read_limited(tmp_path / name, 10)
    with pytest.raises(UnreadableFile):
        read_limited("/dev/zero", 10)
    with pytest.raises(UnreadableFile):
        read_limited("nul\0name", 10)
