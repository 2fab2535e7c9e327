"""Tables and figures of the studies: their numbers are those of the rows."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.report.made_rows import row
from vlmrt_dist.report.sweeps.best_positions import best_positions_figure, best_positions_table
from vlmrt_dist.report.sweeps.frequency import frequency_figure, frequency_table
from vlmrt_dist.report.sweeps.inverse_crime import inverse_crime_figure, inverse_crime_table
from vlmrt_dist.report.sweeps.links_needed import (
    known,
    links_needed_figure,
    links_needed_table,
    needed,
)
from vlmrt_dist.report.sweeps.success import success_figure, success_table


def printed(table: Any) -> str:
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def drawn(path: Path) -> None:
    assert path.stat().st_size > 5_000
    assert path.with_suffix(".pdf").stat().st_size > 5_000


def test_success_counts_runs_and_those_whose_links_determine_each_object(tmp_path: Path) -> None:
    """Three of four runs end below 1 %; the fourth is one whose links leave an object open."""
    rows = [
        row("success", {"start": "random"}, s, initial="random", optimizer="levenberg_marquardt",
            mre=1e-12 if s < 3 else 0.3, crb=[0.1] * 8 + [5.0 if s == 3 else 0.1])
        for s in range(4)
    ]  # fmt: skip
    rows.append(row("success", {"start": "random", "reading": "small_step"}, 0, initial="random"))
    text = printed(success_table("", rows))
    (line,) = [x for x in text.split("\n") if "Levenberg" in x]
    assert "RandInit" in line
    assert "75.0 % (30.1 … 95.4)" in line  # Wilson's interval of 3 out of 4
    assert "100.0 % of 3" in line
    assert "Adam, small step" in text
    drawn(Path(success_figure("", rows, tmp_path / "one.png")))


def test_the_links_needed_are_the_fewest_that_make_most_objects_known(tmp_path: Path) -> None:
    rows = [
        row("links_needed", {"positions": "random", "K": k, "links per object": n}, s,
            optimizer="map", std=[0.05] * min(k, k * n // 4) + [0.4] * max(0, k - k * n // 4))
        for k in (10, 30) for n in (1, 2, 4) for s in range(2)
    ]  # fmt: skip
    of = {n: [r for r in rows if f'"links per object": {n}' in r.label] for n in (1, 2, 4)}
    assert known(of[2]) == pytest.approx(0.5, abs=0.02)
    assert needed({float(n): some for n, some in of.items()}) == 4.0
    assert needed({1.0: of[1]}) is None
    text = printed(links_needed_table("", rows))
    assert "100 (" in text
    drawn(Path(links_needed_figure("", rows, tmp_path / "one.png")))


def test_positions_are_held_against_the_best_found(tmp_path: Path) -> None:
    found = {"RandSel": [0.4, 0.44, 0.48], "long search": [0.11, 0.12, 0.1]}
    rows = [row("best_positions", {"positions": name}, 0, optimizer="map") for name in found]
    text = printed(best_positions_table("", rows, found, "long search"))
    assert "4.40" in text
    assert "1.00" in text
    drawn(Path(best_positions_figure("", found, "long search", tmp_path / "one.png")))


def test_carriers_beyond_the_tables_are_marked(tmp_path: Path) -> None:
    rows = [
        row("frequency", {"carrier [GHz]": f, "P.2040": told}, s, optimizer=method)
        for f, told in ((0.5, "continued"), (3.5, "tabulated"))
        for method in ("adam", "levenberg_marquardt", "map") for s in range(2)
    ]  # fmt: skip
    text = printed(frequency_table("", rows))
    assert "0.5 *" in text
    assert "3.5 *" not in text
    drawn(Path(frequency_figure("", rows, tmp_path / "one.png")))


def test_truths_of_other_making_are_told_apart(tmp_path: Path) -> None:
    rows = [
        row("inverse_crime", {"truth": truth, "adds": "power"}, s, optimizer=method, mre=error,
            coverage=1.0 if error < 0.1 else 0.5)
        for truth, error in (("exact, the same", 1e-14), ("antennas 1 cm off", 0.2))
        for method in ("levenberg_marquardt", "map") for s in range(2)
    ]  # fmt: skip
    text = printed(inverse_crime_table("", rows))
    (line,) = [x for x in text.split("\n") if "1 cm off" in x]
    assert "20" in line
    assert "50" in line
    drawn(Path(inverse_crime_figure("", rows, tmp_path / "one.png")))
