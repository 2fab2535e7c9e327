"""The list of the paper's parts is complete, and what it names is there."""

import importlib
import re
from operator import attrgetter

import pytest

from tests import ROOT
from vlmrt_dist.report.paper import CLAIMS
from vlmrt_dist.report.paper_index import ITEMS, Item


def numbers(kind: str) -> set[int]:
    """Numbers of equations or algorithm lines, ranges filled in."""
    found: set[int] = set()
    for item in ITEMS:
        if kind not in item.name:
            continue
        told = item.name.partition(", Prompt")[0].partition(kind)[2]
        ends = [int(n) for n in re.findall(r"\d+", told)]
        found |= set(range(ends[0], ends[-1] + 1)) if " to " in told else set(ends)
    return found


def test_no_equation_line_table_or_figure_is_left_out() -> None:
    assert numbers("Equation") == set(range(1, 18))
    assert numbers("Algorithm 1, line") == set(range(1, 19))
    names = {item.name for item in ITEMS}
    assert {"Table 1", "Table 2", "Figure 1a", "Figure 1b"} <= names
    assert {f"Figure {n}" for n in range(2, 9)} <= names
    assert set(CLAIMS) <= names
    assert {n for name in names for n in re.findall(r"Prompt \d", name)} == {"Prompt 1", "Prompt 2"}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_what_stands_for_a_part_is_there(item: Item) -> None:
    for name in item.module.split(", "):
        room, _, rest = name.rpartition(".") if name.count(".") < 2 else name.partition(".")
        module = importlib.import_module(f"vlmrt_dist.{room}" if room else "vlmrt_dist")
        assert attrgetter(rest)(module) is not None
    if item.sweep:
        assert (ROOT / "sweeps" / f"{item.sweep}.py").is_file()
    if item.command:
        assert item.command.startswith("vlmrt ")
        assert item.command.split()[1] in (ROOT / "vlmrt_dist/cli/app.py").read_text("utf-8")
