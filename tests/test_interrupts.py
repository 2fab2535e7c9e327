"""Ctrl-C while a program imports its modules: one word and exit code 130, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.commands import COMMAND

STARTED = "import sys, runpy, vlmrt_dist.signals; sys.stdout.write('.'); sys.stdout.flush(); "
"""Tells when Python itself is up, and the first module of the package is there."""

PROGRAMS = {
    "program": STARTED + COMMAND,
    "sweep": STARTED + f"sys.argv[1:] = ['--quick', '--storage', 'none']; "
    f"runpy.run_path({str(ROOT / 'sweeps' / 'depth.py')!r}, run_name='__main__')",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["program", "sweep"])
def test_an_interrupt_while_importing_is_one_word(name: str, tmp_path: Path) -> None:
    arguments = ["simulate", "--out", str(tmp_path / "x.csv")] if name == "program" else []
    ends = []
    for tenths in (1, 2, 3, 4, 6, 8, 11, 15):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAMS[name], *arguments], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.read(1) == "."
            time.sleep(tenths / 10)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
            ends.append((process.returncode, said))
    assert {code for code, _ in ends} == {130}
    for _, said in ends:
        assert said.startswith("interrupted"), said
        assert len(said.splitlines()) == 1


def test_a_module_that_is_no_program_leaves_ctrl_c_as_it_is() -> None:
    script = (
        "import signal\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        f"source = open({str(ROOT / 'sweeps' / 'rooms.py')!r}).read().split('import hashlib')[0]\n"
        "exec(compile(source, 'rooms', 'exec'), {'__name__': 'rooms'})\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
