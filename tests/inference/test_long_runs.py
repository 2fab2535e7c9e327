"""One estimation after another takes no more memory, files or threads."""

import os
import subprocess
import sys

import pytest

from tests import ROOT

PROGRAM = """
import os, warnings
warnings.simplefilter("ignore")
import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign

def state():
    status = dict(line.split(":") for line in open("/proc/self/status"))
    memory = int(status["VmRSS"].split()[0]) / 1024
    return memory, len(os.listdir("/proc/self/fd")), int(status["Threads"])

room, radio = vd.box_room(), vd.RadioConfig(max_depth=1)
for number in range(200):
    campaign = random_campaign(room, 1, 4, seed=number)
    measured = vd.simulate(room, campaign, radio=radio, noise_db=0.3)
    measured = getattr(measured, "campaign", measured)
    vd.estimate(room, measured, radio=radio, noise=vd.Noise(db=0.3))
    if number in (69, 199):
        print(*state())
"""


@pytest.mark.slow
def test_two_hundred_estimations_leave_nothing_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (early, files, threads), (late, *others) = (
        [float(word) for word in line.split()] for line in done.stdout.splitlines()
    )
    assert [files, threads] == others
    assert late - early < 15.0  # MiB; compiled kernels of further shapes are a few of them
