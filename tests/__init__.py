"""Tests, in folders that mirror the packages."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The project's folder."""

THREADS: int | None = None
"""Threads of a library in this process; None: as many as the library takes by itself."""

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # Several test processes share the cores. Set here, before anything imports NumPy.
    THREADS = max(1, len(os.sched_getaffinity(0)) // int(workers))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, str(THREADS))
