"""Tables and a figure of estimations with misnamed materials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from vlmrt_dist.arrays import BoolArray
from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES
from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Row, Where

SUCCESS = 0.01
"""Mean relative error below which an estimation without noise has succeeded."""

NOTE = (
    "found: misnamed objects whose prior the levels contradict, so that it was widened and the "
    "answer says so; false alarms: the same of rightly named objects"
)

Wrong = Mapping[tuple[float, int], BoolArray]
"""(rate, seed) -> mask [K] of the misnamed objects."""


class Trust(NamedTuple):
    """Reliability of intervals and warnings over S seeds of one configuration with a prior.

    :param coverage: share of the truths inside their 95 % interval
    :param coverage_wrong: the same of the misnamed objects; NaN where there is none
    :param found: share of the misnamed objects whose prior was found contradicted
    :param false_alarms: share of the rightly named objects whose prior was
    :param estimated: share of the objects with the verdict "estimated"
    """

    coverage: float
    coverage_wrong: float
    found: float
    false_alarms: float
    estimated: float


def trust_of(rows: Sequence[Row], wrong: Wrong) -> Trust:
    """Summary over seeds, without the objects held fixed."""
    asked = np.array([[v != "fixed" for v in r.verdict] for r in rows])
    truth = np.array([r.truth for r in rows])
    inside = (np.array([r.low for r in rows]) <= truth) & (
        truth <= np.array([r.high for r in rows])
    )
    contradicted = np.array([r.contradicts_prior for r in rows])
    named_wrong = np.array([wrong[rate_of(r), r.seed] for r in rows])
    return Trust(
        _share(inside, asked),
        _share(inside, asked & named_wrong),
        _share(contradicted, asked & named_wrong),
        _share(contradicted, asked & ~named_wrong),
        _share(np.array([[v == "estimated" for v in r.verdict] for r in rows]), asked),
    )


def success_of(rows: Sequence[Row]) -> float:
    """Share of the rows whose error is below ``SUCCESS``."""
    return float(np.mean([r.mre < SUCCESS for r in rows]))


def search_table(title: str, rows: Sequence[Row]) -> Table:
    """Iterations, error and success of the methods without a prior, against the rate."""
    table = Table(title=title, title_justify="left")
    for column in ("misnamed", "start: MRE [%]", "iterations", "MRE [%]", "10 … 90 % [%]"):
        table.add_column(column, justify="right")
    table.add_column("MRE < 1 %", justify="right")
    table.add_column("converged", justify="right")
    table.columns[0].justify = "left"
    for method in ("adam", "levenberg_marquardt"):
        table.add_section()
        table.add_row(OPTIMIZER_NAMES[method])
        for rate, some in _by_rate([r for r in rows if r.optimizer == method]):
            mre = 100.0 * np.array([r.mre for r in some])
            low, high = np.quantile(mre, [0.1, 0.9])
            table.add_row(
                f"{100 * rate:.0f} %",
                f"{100 * np.median([r.initial_mre for r in some]):.0f}",
                f"{np.median([r.iterations for r in some]):.0f}",
                f"{np.median(mre):.2g}",
                f"{low:.2g} … {high:.2g}",
                f"{100 * success_of(some):.0f} %",
                f"{100 * np.mean([r.outcome == 'converged' for r in some]):.0f} %",
            )
    return table


def trust_table(title: str, rows: Sequence[Row], wrong: Wrong) -> list[Table | str]:
    """Coverage, warnings and verdicts of the method with a prior, against the rate; and a note."""
    table = Table(title=title, title_justify="left")
    table.add_column("misnamed")
    for column in ("start: MRE [%]", "MRE [%]", "coverage", "of misnamed", "found", "false alarms",
                   "estimated", "iterations"):  # fmt: skip
        table.add_column(column, justify="right")
    for (combining, confidence), all_rates in _by_condition(rows):
        table.add_section()
        table.add_row(f"{combining}, confidence {confidence}")
        for rate, some in _by_rate(all_rates):
            trust = trust_of(some, wrong)
            table.add_row(
                f"{100 * rate:.0f} %",
                f"{100 * np.median([r.initial_mre for r in some]):.0f}",
                f"{100 * np.median([r.mre for r in some]):.1f}",
                *("" if np.isnan(share) else f"{100 * share:.0f} %" for share in trust),
                f"{np.median([r.iterations for r in some]):.0f}",
            )
    return [table, NOTE]


def misnaming_figure(title: str, rows: Sequence[Row], wrong: Wrong, path: Where) -> Where:
    """Success of the search, coverage, and error with a prior against the rate, as a PNG."""
    figure = Figure(figsize=(13.0, 4.4), layout="constrained")
    search, cover, error = figure.subplots(1, 3)
    figure.suptitle(title)
    for method in ("adam", "levenberg_marquardt"):
        _line(
            search,
            OPTIMIZER_NAMES[method],
            [(p, success_of(s)) for p, s in _by_rate([r for r in rows if r.optimizer == method])],
        )
    search.set(ylabel="share of seeds with MRE < 1 %", title="no noise, no prior")
    believed = [r for r in rows if r.optimizer == "map"]
    for (combining, confidence), some in _by_condition(believed):
        name = f"{combining}, confidence {confidence}"
        style = "--" if confidence == "0.95" else "-"
        color = {"power": "C0", "coherent": "C1"}[combining]
        trusts = [(p, trust_of(s, wrong)) for p, s in _by_rate(some)]
        _line(cover, name, [(p, t.coverage) for p, t in trusts], style, color)
        median = [(p, 100 * float(np.median([r.mre for r in s]))) for p, s in _by_rate(some)]
        _line(error, name, median, style, color)
    cover.axhline(0.95, color="k", lw=0.8)
    noise = believed[0].noise_db if believed else 0.0
    cover.set(ylabel="truths inside their 95 % interval", title=f"{noise:g} dB, with the prior")
    error.set(ylabel="MRE [%], median of the seeds", title=f"{noise:g} dB, with the prior")
    search.set_ylim(-0.03, 1.03)
    cover.set_ylim(0.5, 1.01)
    error.set_ylim(bottom=0.0)
    for axes in (search, cover, error):
        axes.set_xlabel("misnamed objects [%]")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return save_both(figure, path)


def rate_of(row: Row) -> float:
    """The share of objects that were misnamed, from the row's label."""
    return float(json.loads(row.label)["misnamed"])


def _line(
    axes: Any,
    name: str,
    points: Sequence[tuple[float, float]],
    style: str = "-",
    color: str | None = None,
) -> None:
    x, y = zip(*points, strict=True) if points else ((), ())
    axes.plot([100 * p for p in x], y, f"o{style}", color=color, label=name)


def _by_rate(rows: Sequence[Row]) -> list[tuple[float, list[Row]]]:
    rates = sorted({rate_of(r) for r in rows})
    return [(rate, [r for r in rows if rate_of(r) == rate]) for rate in rates]


def _by_condition(rows: Sequence[Row]) -> list[tuple[tuple[str, str], list[Row]]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.optimizer == "map":
            condition = (row.combining, str(json.loads(row.label)["confidence"]))
            found.setdefault(condition, []).append(row)
    return list(found.items())


def _share(what: BoolArray, among: BoolArray) -> float:
    return float(what[among].mean()) if among.any() else float("nan")
