"""Progress over points: lines in a log, a live table on a terminal, the time left in both."""

from __future__ import annotations

import io
import math
import os
import pty
import subprocess
import sys

import pytest

from vlmrt_dist import console


def test_a_log_has_a_line_a_point_and_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 110.0, 4000.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.point_bar("searched") as progress:
        progress("", 3, 10)
        progress("M=3", 4, 10)
        progress("M=4", 10, 10)
    assert capsys.readouterr().err.splitlines() == [
        "searched: 3 of 10 points",
        "searched: 4 of 10 points, 1:00 left M=3",
        "searched: 10 of 10 points M=4",
    ]


def test_a_terminal_shows_a_table_of_what_is_done() -> None:
    script = (
        "from vlmrt_dist.console import point_bar\n"
        "with point_bar('searched') as p:\n"
        "    p('', 0, 3)\n    p('M=3, [loss] x: MRE 1 %', 1, 3)\n    p('M=4: MRE 2 %', 2, 3)\n"
    )
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", script], stderr=theirs, check=True, timeout=60,
                   env={**os.environ, "TERM": "xterm", "COLUMNS": "100"})  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    text = seen.decode()
    assert "[loss] x: MRE 1 %" in text
    assert "M=4: MRE 2 %" in text
    assert "2/3" in text
    assert "searched" in text


def test_long_lists_are_cut_and_counted() -> None:
    names = [f"object_{k}" for k in range(30)]
    assert console.listed(names[:3]) == "object_0, object_1, object_2"
    assert console.listed(names, 2) == "object_0, object_1 and 28 more"
    assert console.first_rows([3.0, math.inf, 1.0]) == [0, 1, 2]
    assert console.first_rows([3.0, 5.0, 1.0, math.inf], most=3) == [0, 1, 2]
    assert console.first_rows([3.0, math.inf, 1.0, math.inf], most=3) == [0, 2]
    assert console.tallied(["weak", "fixed", "weak"]) == "2 weak, 1 fixed"


def test_a_bar_without_a_known_end_counts_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", screen)
    with console.progress_bar() as step:
        assert step is not None
        for done in (50, 150):
            step("fit", done, 0)
    assert "fitting, step 150" in screen.getvalue()
    assert "100%" not in screen.getvalue()
