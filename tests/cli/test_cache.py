"""``vlmrt cache`` shows what is kept and removes nothing unasked."""

import sys
from pathlib import Path

import pytest

from tests.commands import invoke


class Terminal:
    """A standard input at which somebody answers."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._answer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    for name in (f"paths/{1:064x}.arrow", f"vlm/{2:064x}.json", "paths/mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(2_000_000))
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_files_and_sizes_are_shown(folder: Path) -> None:
    done = invoke("cache")
    assert done.exit_code == 0
    assert f"{folder}, limit 20.00 GB" in done.stdout
    assert "paths           1 files   2.00 MB  path tables, since 2" in done.stdout
    assert "answers         1 files" in done.stdout


def test_nothing_is_removed_without_a_yes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(folder)
    monkeypatch.setattr(sys, "stdin", None)
    done = invoke("cache", "--clear", "paths")
    assert done.exit_code == 2
    assert "remove 1 file, 2.00 MB (paths)" in done.stderr
    assert "--yes" in done.stderr
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    assert "nothing was removed" in invoke("cache", "--clear", "all").stderr
    done = invoke("cache", "--clear", "all", "--dry-run", "--yes")
    assert done.stdout.startswith("would remove 2 files, 4.00 MB")
    assert names(folder) == before


def test_what_is_asked_for_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert invoke("cache", "--clear", "paths").stdout == "removed 1 file\n"
    assert names(folder) == ["paths/mine.txt", f"vlm/{2:064x}.json"]
    assert "nothing to remove (paths)" in invoke("cache", "--clear", "paths", "--yes").stdout
    assert invoke("cache", "--clear", "answers", "--yes").stdout == "removed 1 file\n"
    assert names(folder) == ["paths/mine.txt"]
