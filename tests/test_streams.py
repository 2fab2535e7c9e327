"""Commands whose standard streams are closed, full, read by nobody, or of a narrow encoding; and
with little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.commands import COMMAND
from vlmrt_dist.streams import open_streams

MATERIALS = (sys.executable, "-c", COMMAND, "materials")
SWEEP = (sys.executable, str(ROOT / "sweeps" / "rooms.py"), "--dry-run", "--storage", "/nowhere")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("σ = 1e-3 S/m, ε_r ≥ 1 … ±2 °", b"sigma = 1e-3 S/m, eps_r >= 1 ... +-2  deg"),
     ("│ ┏━┓ ź ﬁ", b"| --- z fi"), ("Straße 漢 \udc80", rb"Stra\xdfe \u6f22 \udc80")],
)  # fmt: skip
def test_signs_that_an_encoding_lacks_are_spelled(text: str, spelled: bytes) -> None:
    open_streams()
    assert text.encode("ascii", "spelled") == spelled


def bash(line: str, *command: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as ``"$@"`` of a line of the shell."""
    return subprocess.run(
        ["bash", "-c", line, "bash", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), **more}, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale",
    [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
     {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}],
    ids=["latin-1", "C", "POSIX"],
)  # fmt: skip
def test_a_locale_without_greek_letters_has_them_in_words(locale: dict[str, str]) -> None:
    done = bash('"$@"', *MATERIALS, PYTHONUTF8="0", **locale)
    assert done.returncode == 0, done.stderr
    assert "σ".encode() not in done.stdout
    assert b"sigma [S/m]" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [MATERIALS, SWEEP], ids=["command", "sweep"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"$@" > /dev/full', b"cannot write standard output: No space left on device"),
        ('"$@" >&-', b"standard output is closed; the results would be lost"),
        ('"$@" >&- <&- 2>&-', b""),
    ],
    ids=["full", "closed", "all closed"],
)
def test_results_that_nobody_gets_are_an_error_in_one_sentence(
    command: tuple[str, ...], line: str, said: bytes
) -> None:
    done = bash(line, *command)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == (b"error: " + said + b" [StorageError]\n" if said else b"")


@pytest.mark.slow
@pytest.mark.parametrize("line", ['"$@" 2>&-', '"$@" 2> /dev/full'], ids=["closed", "full"])
def test_without_standard_error_the_results_are_printed(line: str) -> None:
    done = bash(line, *MATERIALS)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"concrete" in done.stdout


@pytest.mark.slow
def test_a_reader_that_has_had_enough_ends_the_command_quietly() -> None:
    done = bash('"$@" | true; echo ${PIPESTATUS[0]}', *MATERIALS, "--sources")
    assert done.stderr == b""
    assert done.stdout == b"141\n"


@pytest.mark.slow
def test_a_file_that_is_opened_does_not_get_what_libraries_print(tmp_path: Path) -> None:
    """With standard error closed, the next file would have its number."""
    script = (
        "import os, sys\n"
        "from vlmrt_dist.streams import open_streams\n"
        "open_streams()\n"
        f"file = open({str(tmp_path / 'rows')!r}, 'w')\n"
        "os.write(2, b'said by a library')\n"
        "file.write('row')\n"
    )
    assert bash('"$@" 2>&-', sys.executable, "-c", script).returncode == 0
    assert (tmp_path / "rows").read_text() == "row"


@pytest.mark.slow
@pytest.mark.parametrize("path_set", ["exact", "single_solve"])
def test_too_little_address_space_is_said(path_set: str, tmp_path: Path) -> None:
    simulate = (*MATERIALS[:-1], "simulate", "--max-depth", "1", "--path-set", path_set)
    done = bash('ulimit -v 1900000; "$@"', *simulate, "--out", str(tmp_path / "rss.csv"))
    assert done.returncode == 2
    said = done.stderr.decode().splitlines()[-1]
    assert said.startswith("error: a process may have 1.9 GB of address space here (ulimit -v)")
    assert b"Traceback" not in done.stderr
