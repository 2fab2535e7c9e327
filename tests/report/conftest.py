"""A ledger with a study of the paper, timings, and a study of somebody else."""

import pytest

from tests.report.made_rows import DEPTH, HOSTILE, row, timing
from vlmrt_dist.report.data import Results, gather
from vlmrt_dist.store.ledger import Ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "results")
    ledger.publish("depth", DEPTH)
    ledger.publish("mine", [row("mine", {"what": HOSTILE}, s, hardware=HOSTILE) for s in (0, 1)])
    ledger.publish_timings(
        "complexity", [timing(k, e) for k in (5, 9, 15) for e in ("replay", "retrace")]
    )
    return ledger


@pytest.fixture(scope="module")
def results(ledger: Ledger) -> Results:
    return gather(ledger)
