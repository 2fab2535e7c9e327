"""Sweeps made of functions by the decorator."""

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import vlmrt_dist as vd
from tests import ROOT
from tests.report.made_rows import row
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.sweeps import CommonOptions, Sweep


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


def test_rows_that_another_sweep_has_are_not_computed_again(tmp_path: Path) -> None:
    """What is missing after it would be computed; here nothing is, which takes no engine."""
    room = vd.box_room()
    campaign = vd.place("random", room, 1, 3, seed=0)
    point = Point("positions_quick", room, campaign, vd.RadioConfig(max_depth=1), ("map",), "itu",
                  "same_paths", (0, 1), {"N": 3})  # fmt: skip
    made = [row("receivers_quick", {"N": 3}, s, key=key) for key, (_, s) in point.row_keys.items()]
    run = Sweep("positions_quick", CommonOptions(storage=str(tmp_path)))
    run.ledger.publish("receivers_quick", made)
    found = run.rows([point], also_in="receivers")
    assert found == [dataclasses.replace(each, study="positions_quick") for each in made]
    assert len(run.ledger.rows("receivers_quick")) == 2
