"""Table of the weights of minima."""

import io

import numpy as np
from rich.console import Console

from vlmrt_dist.report import minima_table
from vlmrt_dist.studies import Weights


def test_the_weight_that_is_farthest_off_is_told() -> None:
    found = Weights(
        "walls", np.inf, np.array([0.7, 0.3]), np.array([[0.6, 0.4], [0.61, 0.39]]), "lattice",
        12_345, 2.5,
    )  # fmt: skip
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(minima_table("Weights", [found]))
    row = next(line for line in console.export_text().splitlines() if "walls" in line)
    for text in ("0.3000", "0.3950", "-24", "lattice", "12,345", "2.5"):
        assert text in row
