import dataclasses
from pathlib import Path

import pytest

from tests import ROOT
from tests.report.made_rows import DEPTH, row
from vlmrt_dist.report.data import SWEEPS, Results, description_of, gather, groups_of
from vlmrt_dist.report.page import report_page
from vlmrt_dist.store.ledger import Ledger


def test_studies_come_in_order_and_the_missing_are_named(results: Results) -> None:
    assert [s.name for s in results.studies] == ["depth", "complexity", "mine"]
    there = {"depth", "complexity"}
    assert {q.sweep for q in results.missing} == {q.sweep for q in SWEEPS} - there
    text = report_page(results)
    for description in results.missing:
        assert f"<code>python sweeps/{description.sweep}.py</code>" in text


def test_every_sweep_named_is_a_file_of_the_repository() -> None:
    sweeps = ROOT / "sweeps"
    without_rows = {"bench", "scaling", "verdicts"}
    names = {p.stem for p in sweeps.glob("*.py")} - without_rows
    assert names <= {q.sweep for q in SWEEPS}


def test_a_quick_study_makes_way_for_the_full_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("rays_quick", [row("rays_quick", {"U": 3000}, 0)])
    assert gather(ledger).studies[0].command == "python sweeps/rays.py --quick"
    ledger.publish("rays", [row("rays", {"U": 3000}, 0)])
    assert [s.command for s in gather(ledger).studies] == ["python sweeps/rays.py"]
    assert description_of("depth_quick_offline").sweep == "depth"


def test_a_damaged_file_is_named_now_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmrt_dist.store.blocks.BLOCK_ROWS", 2)
    ledger = Ledger(tmp_path)
    ledger.publish("depth", DEPTH[:3])
    file = tmp_path / "rows" / "study=depth" / "000000002.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    for _ in range(2):
        found = gather(ledger)
        assert len(found.studies[0].rows) == 2
        assert len(found.damaged) == 1
        assert file.name in found.damaged[0]
        assert file.name in report_page(found)


def test_groups_keep_what_a_label_is_even_if_it_is_no_json() -> None:
    (group,) = groups_of([dataclasses.replace(DEPTH[0], label="{")])
    assert group.label == {"label": "{"}
