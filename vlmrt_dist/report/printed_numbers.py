"""The numbers that the paper prints, and the seeds of each reading of it beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.report.paper import TABLE_1, TABLE_2
from vlmrt_dist.store import Row, label_of

NEARNESS = 1.1
"""Factor within which a seed's number counts as the printed one, in the likelihood."""


LIKELIHOOD_NOTE = (
    f"inside: printed numbers within the 10 … 90 % range of the seeds. ln L: sum over the sixteen "
    f"of the logarithm of the share of seeds within a factor {NEARNESS:g} of the printed number, "
    "with half a seed more on either side, so that none is zero. Both show what is compatible "
    "with the printed numbers, not what was run."
)

PAPER_SCATTER = (
    "the paper itself prints 0.273 % and 0.070 % for one configuration (D = 4, U = 5000, in its "
    "Tables 1 and 2): single runs scatter by such a factor"
)


class Cell(NamedTuple):
    """A number of the paper, and the seeds' numbers of one reading there.

    :param table: 1 or 2
    :param size: D or U
    :param column: "mre" [%] or "iterations"
    :param printed: by the paper
    :param seeds: [S] the same of each seed
    """

    table: int
    size: int
    column: str
    printed: float
    seeds: np.ndarray

    @property
    def range(self) -> tuple[float, float, float]:
        """10 %, 50 % and 90 % of the seeds."""
        low, middle, high = np.quantile(self.seeds, [0.1, 0.5, 0.9])
        return float(low), float(middle), float(high)

    @property
    def inside(self) -> bool:
        """Whether the printed number lies within the 10 to 90 % range."""
        low, _, high = self.range
        return low <= self.printed <= high

    @property
    def log_likelihood(self) -> float:
        """Logarithm of the share of seeds within a factor :data:`NEARNESS` of the printed number,
        with half a seed more on either side, so that it is never zero."""
        near = np.abs(np.log(self.seeds / self.printed)) <= np.log(NEARNESS)
        return float(np.log((near.sum() + 0.5) / (len(near) + 1.0)))


def cells_of(rows: Sequence[Row]) -> list[Cell]:
    """The printed numbers that rows of one reading and one choice of positions have seeds for."""
    found = []
    for table, printed, column in ((1, TABLE_1, "D"), (2, TABLE_2, "U")):
        other = {"D": ("U", 5000), "U": ("D", 4)}[column]
        for size, numbers in printed.items():
            some = [
                r for r in rows
                if (label_of(r) or {}).get(column) == size
                and (label_of(r) or {}).get(other[0]) == other[1]
            ]  # fmt: skip
            if some:
                mre = np.array([100.0 * r.mre for r in some])
                steps = np.array([float(r.iterations) for r in some])
                found += [Cell(table, size, "mre", numbers.mre, mre),
                          Cell(table, size, "iterations", numbers.iterations, steps)]  # fmt: skip
    return found


def by_reading(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Cell]]]:
    """Positions, reading and cells, in the rows' order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        label = label_of(row) or {}
        groups.setdefault((str(label["positions"]), str(label["reading"])), []).append(row)
    for (positions, reading), some in groups.items():
        yield positions, reading, cells_of(some)
