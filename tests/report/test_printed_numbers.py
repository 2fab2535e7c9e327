"""Printed numbers of the paper inside or outside what the seeds of a reading give."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.store.test_ledger import ROW
from vlmrt_dist.report.plotting.readings import readings_figure
from vlmrt_dist.report.printed_numbers import Cell, by_reading
from vlmrt_dist.report.sweeps.readings import readings_table
from vlmrt_dist.store.rows import Row


def rows(reading: str, error: float, iterations: int) -> list[Row]:
    sizes = [(d, 5000) for d in (1, 2, 4, 6)] + [(4, u) for u in (3000, 4000, 6000)]
    return [
        dataclasses.replace(
            ROW, seed=s, optimizer="adam", mre=error * (0.5 + s / 10), iterations=iterations,
            label=json.dumps({"reading": reading, "positions": "d_optimal", "D": d, "U": u}),
        )
        for d, u in sizes for s in range(11)
    ]  # fmt: skip


def test_each_table_has_its_four_sizes_and_one_of_them_is_shared() -> None:
    [(positions, reading, cells)] = by_reading(rows("literal", 0.003, 1000))
    assert (positions, reading, len(cells)) == ("d_optimal", "literal", 16)
    shared = [c for c in cells if (c.table, c.size) in ((1, 4), (2, 5000)) and c.column == "mre"]
    assert [c.printed for c in shared] == [0.273, 0.070]
    np.testing.assert_array_equal(shared[0].seeds, shared[1].seeds)


@pytest.mark.parametrize(
    ("printed", "inside"), [(0.9, False), (1.0, True), (9.0, True), (9.2, False)]
)
def test_a_number_is_inside_between_the_tenth_and_the_ninetieth_percent(
    printed: float, inside: bool
) -> None:
    assert Cell(1, 4, "mre", printed, np.arange(11.0)).inside is inside


def test_the_likelihood_is_the_share_of_seeds_that_come_near() -> None:
    cell = Cell(1, 4, "mre", 1.0, np.array([0.5, 0.95, 1.05, 1.2]))
    assert cell.log_likelihood == pytest.approx(math.log(2.5 / 5.0))
    far = Cell(1, 4, "mre", 100.0, np.array([0.5, 0.95, 1.05, 1.2]))
    assert far.log_likelihood == pytest.approx(math.log(0.5 / 5.0))


def test_readings_are_printed_and_drawn_with_their_hits(tmp_path: Path) -> None:
    made = rows("literal", 0.003, 1000) + rows("patience", 0.0006, 300)
    table, *notes = readings_table("Readings", made)
    inside = list(table.columns[-2].cells)
    # 0.18 … 0.42 % hold 0.273 and 0.185; 0.036 … 0.084 % hold 0.070 twice; none has 300 steps
    assert inside == ["2 of 16", "2 of 16"]
    assert any("not what was run" in note for note in notes)
    figure = readings_figure("Readings", made, tmp_path / "readings.png")
    assert figure.stat().st_size > 20_000
