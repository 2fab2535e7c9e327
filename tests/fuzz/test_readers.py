"""Every file ends in a value or in an error of ours, in bounded time and memory."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.judge import Judge
from tests.fuzz.mutations import CHANGES, STEPS, Step, changed
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import seeds_of

MINUTES = float(os.environ.get("FUZZ_MINUTES", "10"))
"""Time of the long run, all readers together [min]."""

KEPT = os.environ.get("FUZZ_KEEP", "")
"""Folder that inputs that are faults are copied to; empty: none."""


def fault_of(judge: Judge, reader: str, content: bytes) -> str:
    """What is wrong with how a reader ends with a file; empty if nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / READERS[reader].file
        file.write_bytes(content)
        fault = judge.ask(reader, file).fault
    if fault and KEPT:
        Path(KEPT, reader).mkdir(parents=True, exist_ok=True)
        Path(KEPT, reader, f"{abs(hash(content)):016x}").write_bytes(content)
    return fault


def search(judge: Judge, reader: str, examples: int, start: int) -> None:
    """Change good files at random and look for a fault; Hypothesis shortens what it finds."""
    change = CHANGES.get(reader, changed)

    @seed(start)
    @settings(
        max_examples=examples, deadline=None, database=None, print_blob=False,
        report_multiple_bugs=False, phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(range(len(seeds_of(reader)))), st.lists(STEPS, min_size=1, max_size=5))
    def look(which: int, steps: list[Step]) -> None:
        fault = fault_of(judge, reader, change(seeds_of(reader)[which], steps))
        assert not fault, f"{reader}, seed {which} changed by {steps}: {fault}"

    look()


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_changed_files_end_in_a_value_or_an_error_of_ours(judge: Judge, reader: str) -> None:
    for content in seeds_of(reader):
        assert fault_of(judge, reader, content) == ""
    search(judge, reader, examples=40, start=0)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # of long steps
def test_many_changed_files(judge: Judge) -> None:
    end, start = time.monotonic() + 60.0 * MINUTES, int(time.time())
    found = []
    for turn, reader in enumerate(itertools.cycle(READERS)):
        if time.monotonic() > end:
            break
        try:
            search(judge, reader, examples=50, start=start + turn)
        except AssertionError as error:
            found.append(str(error))
    assert not found, "\n".join(found)


def test_the_judge_tells_faults(judge: Judge, tmp_path: Path) -> None:
    good = tmp_path / "scene.xml"
    good.write_bytes(seeds_of("scene")[0])
    assert judge.ask("scene", good).end == "value"
    assert judge.ask("layers", good).end == "refused"
    assert judge.ask("no such reader", good).fault.startswith("escaped: Traceback")
    judge.kill()
    assert judge.ask("scene", good).fault.startswith("died")
    assert judge.ask("scene", good).end == "value"  # another process
