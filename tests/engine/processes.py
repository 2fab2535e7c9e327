"""Python in a process of its own."""

import os
import subprocess
import sys

from tests import ROOT
from vlmrt_dist.engine import llvm


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: which library Dr.Jit takes is settled once per process."""
    clean = {k: v for k, v in os.environ.items() if k not in (llvm.PATH_VARIABLE, "VLMRT_VARIANT")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
    )
