import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.signals import STOP_SIGNAL, Stopped


@pytest.fixture(autouse=True)
def handler() -> object:
    before = signal.getsignal(signal.SIGTERM)
    STOP_SIGNAL.install()
    yield
    STOP_SIGNAL.restore()
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_raised() -> None:
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_is_held_back_is_done_whole_and_then_raised() -> None:
    done = []

    def work() -> None:
        with STOP_SIGNAL.held_back():
            with STOP_SIGNAL.held_back():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("inner")
            done.append("outer")

    with pytest.raises(Stopped):
        work()
    assert done == ["inner", "outer"]
    with STOP_SIGNAL.held_back():
        pass  # once only


def test_another_handler_that_is_installed_meanwhile_is_replaced() -> None:
    with STOP_SIGNAL.kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as ray.init does with its own
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_failure_meanwhile_does_not_swallow_the_signal() -> None:
    def work() -> None:
        with STOP_SIGNAL.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("disk full")

    with pytest.raises(Stopped) as caught:
        work()
    assert isinstance(caught.value.__context__, OSError)


def test_a_sweep_that_is_told_to_stop_ends_with_a_sentence(tmp_path: Path) -> None:
    script = tmp_path / "sweep.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from vlmrt_dist.studies import Sweep, sweep
            @sweep("slow")
            def main(this: Sweep) -> None:
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
        [sys.executable, script],
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
