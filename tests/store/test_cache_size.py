"""The cache keeps within its limit, and is cleared of its own files only."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store import cache_size
from vlmrt_dist.store.cache_size import (
    KINDS,
    cache_files,
    clear_cache,
    count_written,
    mark_used,
    max_cache_bytes,
    trim_cache,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache_size._Written, "since", None)
    return tmp_path


def made(file: Path, size: int, age: float = 0.0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    os.utime(file, (time.time() - age,) * 2)
    return file


def path_table(folder: Path, number: int, size: int, age: float = 0.0) -> Path:
    return made(folder / "paths" / f"{number:064x}.arrow", size, age)


def test_the_oldest_go_first_of_whatever_kind_but_answers_stay(folder: Path) -> None:
    old = path_table(folder, 1, 400, age=300)
    kernel = made(folder / "kernels" / f"{2:032x}.llvm.v6.bin", 400, age=200)
    compiled = made(folder / "compiled" / "a" / "b" / "f-1.nbc", 400, age=100)
    young = path_table(folder, 3, 400)
    answer = made(folder / "vlm" / f"{4:064x}.json", 4000, age=400)
    other = made(folder / "paths" / "mine.arrow", 4000, age=500)
    assert trim_cache(1600) == 0
    assert trim_cache(1000) == 800
    assert not old.exists()
    assert not kernel.exists()
    assert all(each.exists() for each in (compiled, young, answer, other))
    assert trim_cache(0) == 800
    assert not (folder / "compiled" / "a").exists()
    assert (folder / "compiled").is_dir()
    assert all(each.exists() for each in (answer, other))


def test_what_is_used_is_not_old(folder: Path) -> None:
    first, second = (path_table(folder, n, 100, age=1000 - n) for n in (1, 2))
    mark_used(first)
    trim_cache(150)
    assert first.exists()
    assert not second.exists()


def test_files_left_by_killed_processes_are_found_and_links_are_not_followed(folder: Path) -> None:
    left = made(folder / "paths" / ".x.arrow.12.abcd.tmp", 10, age=90_000)
    now = made(folder / "paths" / ".y.arrow.12.abcd.tmp", 10)
    outside = made(folder.parent / f"{1:064x}.arrow", 10)
    (folder / "paths" / f"{1:064x}.arrow").symlink_to(outside)
    elsewhere = folder.parent / "elsewhere"
    table = made(elsewhere / f"{2:064x}.json", 10)
    (folder / "vlm").symlink_to(elsewhere)
    files = [each for kind in KINDS for each in cache_files(kind)]
    assert [each.path for each in files] == [left]
    assert clear_cache(files) == 1
    assert clear_cache(files) == 0
    assert all(each.exists() for each in (now, outside, table))


def test_the_limit_is_kept_while_files_are_added(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMRT_CACHE_MAX_GB", "1e-4")  # 100 kB
    for number in range(300):
        count_written(path_table(folder, number, 1000, age=300 - number))
    left = cache_files("paths")
    assert 85 <= len(left) <= 101
    assert path_table(folder, 299, 1000) in [each.path for each in left]


PROCESS = """
import os, sys, pathlib
from vlmrt_dist.store.cache_size import count_written
first = int(sys.argv[1])
for number in range(first, first + 200):
    file = pathlib.Path(os.environ["VLMRT_CACHE_DIR"], "paths", f"{number:064x}.arrow")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(1000))
    count_written(file)
"""


def test_several_processes_keep_one_limit(folder: Path) -> None:
    environment = {**os.environ, "VLMRT_CACHE_MAX_GB": "1e-4"}
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(1000 * n)], env=environment)
        for n in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert 20 <= len(cache_files("paths")) <= 110


@pytest.mark.parametrize("text", ["-1", "much", "nan", "1 GB"])
def test_a_limit_that_is_none_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_MAX_GB", text)
    with pytest.raises(ConfigurationError, match=f"VLMRT_CACHE_MAX_GB='{text}'"):
        max_cache_bytes()


def test_no_limit_is_asked_for_as_inf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMRT_CACHE_MAX_GB", "inf")
    count_written(path_table(folder, 1, 1000))
    assert trim_cache() == 0
