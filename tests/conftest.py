"""What has to be settled before any test module, or a Ray worker of one, imports the libraries."""

import contextlib
import os

from vlmrt_dist.engine.llvm import prepare_engine
from vlmrt_dist.errors import EngineUnavailable

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Clusters of the tests listen on the loopback only; with tokens Ray would write one into the home.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

# Without an engine the tests that need one say so themselves; the others run all the same.
with contextlib.suppress(EngineUnavailable):
    prepare_engine()
