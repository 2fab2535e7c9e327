"""Positions compared: the tables behind the paper's Figures 5, 6 and 8, and of closed loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.placement import Prediction
from vlmrt_dist.store import Row, label_of

SOLVED = 1e-4
"""Relative error below which Levenberg-Marquardt has found the truth."""


def labelled(rows: Sequence[Row], **label: Any) -> list[Row]:
    """The rows whose label holds these values."""
    return [r for r in rows if ((label_of(r) or {}).items() >= label.items())]


def of_method(rows: Sequence[Row], method: str) -> list[Row]:
    """The rows of one method."""
    return [row for row in rows if row.optimizer == method]


def placement_table(title: str, rows: Sequence[Row], predicted: Mapping[str, float]) -> Any:
    """A rich table of errors by positions and start.

    :param predicted: median predicted standard deviation of ln σ by name of the positions
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("positions", "start", "predicted std", "Adam MRE [%]", "Levenberg-M. MRE [%]",
                 "solved"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    starts = dict.fromkeys((label_of(row) or {})["start"] for row in rows)
    for positions, std in predicted.items():
        for start in starts:
            some = labelled(rows, positions=positions, start=start)
            exact = of_method(some, "levenberg_marquardt")
            solved = sum(r.mre < SOLVED for r in exact)
            table.add_row(positions, start, f"±{100.0 * std:.3g} %",
                          _error(of_method(some, "adam"), ".3g"), _error(exact, ".2g"),
                          f"{solved} of {len(exact)}")  # fmt: skip
    return table


def positions_table(
    title: str, rows: Sequence[Row], expected: Mapping[tuple[str, int], Prediction]
) -> Any:
    """A rich table of errors by positions and number of receivers.

    :param expected: predictions by (name of the positions, N)
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("positions", "N", "predicted std", "Adam MRE [%]", "Levenberg-M. MRE [%]"):
        table.add_column(name)
    for (positions, count), prediction in expected.items():
        some = labelled(rows, positions=positions, N=count)
        table.add_row(positions, str(count), _std(prediction), _error(of_method(some, "adam"),
                      ".3g"), _error(of_method(some, "levenberg_marquardt"), ".2g"))  # fmt: skip
    return table


def receivers_table(
    title: str,
    rows: Sequence[Row],
    expected: Mapping[tuple[str, int], Prediction],
    objects: Sequence[str],
) -> Any:
    """A rich table of errors by number of receivers, with the objects that links leave open.

    :param expected: predictions by (name of the positions, N)
    :param objects: names of the scene's objects
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("positions", "N", "links", "no bound without a prior", "predicted std",
                 "Adam MRE [%]", "iter.", "Levenberg-M. MRE [%]"):  # fmt: skip
        table.add_column(name)
    for (positions, count), prediction in expected.items():
        some = labelled(rows, positions=positions, N=count)
        adam = of_method(some, "adam")
        lost = [n for n, x in zip(objects, prediction.cramer_rao, strict=True) if x == np.inf]
        steps = f"{np.median([r.iterations for r in adam]):.0f}" if adam else ""
        table.add_row(positions, str(count), str(prediction.num_links), ", ".join(lost) or "none",
                      _std(prediction), _error(adam, ".3g"), steps,
                      _error(of_method(some, "levenberg_marquardt"), ".2g"))  # fmt: skip
    return table


def links_to_target_table(
    title: str, rows: Sequence[Row], plans: Sequence[str], target: float, most: int
) -> Any:
    """A rich table of the links after which the largest standard deviation of ln σ is ``target``.

    :param plans: names of the ways of planning, as in the rows' labels
    :param most: most links that any of them has
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in ("plan", "links (median)", "arrived", "MRE there [%]"):
        table.add_column(column)
    seeds = dict.fromkeys(row.seed for row in rows)
    for name in plans:
        mine = sorted(labelled(rows, plan=name), key=lambda r: r.num_links)
        first = [next((r for r in mine if r.seed == s and max(r.std) <= target), None)
                 for s in seeds]  # fmt: skip
        there = [r for r in first if r is not None]
        links = np.median([r.num_links if r else np.inf for r in first])
        table.add_row(name, f"{links:.0f}" if np.isfinite(links) else f"more than {most}",
                      f"{len(there)} of {len(first)}", _error(there, ".3g"))  # fmt: skip
    return table


def _error(rows: Sequence[Row], digits: str) -> str:
    """Median relative error [%]; empty where there are no rows."""
    return f"{100.0 * np.median([row.mre for row in rows]):{digits}}" if rows else ""


def _std(prediction: Prediction) -> str:
    return f"±{100.0 * prediction.mean_posterior:.3g} %"
