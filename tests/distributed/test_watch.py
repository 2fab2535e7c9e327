"""Processor time of a process, read from outside."""

import os
import signal
import subprocess
import sys
import time

from vlmrt_dist.distributed.watch import WORKING, processor_seconds

SPIN = "while True: pass"
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPIN!r}])"


def used_within(pid: int, seconds: float) -> float:
    """Processor time that a process uses in so many seconds."""
    before = processor_seconds(pid)
    time.sleep(seconds)
    after = processor_seconds(pid)
    assert before is not None
    assert after is not None
    return after - before


def test_work_counts_also_that_of_children_and_a_stopped_process_does_none() -> None:
    with subprocess.Popen([sys.executable, "-c", NESTED], process_group=0) as process:
        try:
            end = time.monotonic() + 60.0  # the machine may be busy with other things
            while used_within(process.pid, 1.0) < WORKING and time.monotonic() < end:
                pass
            assert time.monotonic() < end
            os.killpg(process.pid, signal.SIGSTOP)
            assert used_within(process.pid, 0.5) < WORKING * 0.5
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert processor_seconds(process.pid) is None
