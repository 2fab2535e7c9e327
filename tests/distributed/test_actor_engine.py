import os
import subprocess
import sys

from tests import ROOT


def test_an_actor_without_a_gpu_computes_on_the_cpu_whatever_the_environment_says() -> None:
    code = """
from vlmrt_dist.distributed.actor_engine import prepare_actor_engine
print(prepare_actor_engine(threads=3, gpu=False))
import drjit
print(drjit.thread_count())
print(prepare_actor_engine(threads=1, gpu=False), drjit.thread_count())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "VLMRT_VARIANT": "cuda"},
    )  # fmt: skip
    variant = "llvm_ad_mono_polarized"
    assert done.stdout.splitlines() == [variant, "3", f"{variant} 1"]
