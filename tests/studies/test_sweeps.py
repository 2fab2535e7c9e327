"""Sweeps made of functions by the decorator."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests import ROOT


def test_a_sweep_that_is_told_to_stop_ends_with_a_sentence(tmp_path: Path) -> None:
    script = tmp_path / "sweep.py"
    script.write_text(
        textwrap.dedent(
            """
            "How long does it sleep?"
            import time
            from vlmrt_dist.studies import Sweep, sweep
            @sweep("sleep")
            def main(run: Sweep) -> None:
                "Sleep."
                print("begun", flush=True)
                try:
                    time.sleep(60)
                except Exception:
                    print("swallowed")
            main.script()
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, script], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        out, err = process.communicate(timeout=10)  # it would sleep for a minute
    assert process.returncode == 143
    assert out == ""
    assert err == (
        "stopped (SIGTERM); what is finished is kept, the same command goes on from there\n"
    )
