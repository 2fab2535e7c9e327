"""Table and figure of joint estimation: errors, verdicts and coverage by case."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference import NORMAL_95
from vlmrt_dist.store import Row, Where


class Side(NamedTuple):
    """One quantity over the seeds of a case.

    :param mre: [S] mean relative error
    :param coverage: share of truths inside their 95 % interval
    :param verdicts: number of objects of all seeds with each verdict
    """

    mre: FloatArray
    coverage: float
    verdicts: Counter[str]


def conductivity_side(rows: Sequence[Row]) -> Side:
    """Errors, coverage and verdicts of the conductivities."""
    verdicts = Counter(v for r in rows for v in r.verdict)
    coverage = float(np.mean([r.coverage for r in rows]))
    return Side(np.array([r.mre for r in rows]), coverage, verdicts)


def permittivity_side(rows: Sequence[Row]) -> Side | None:
    """Errors, coverage and verdicts of the permittivities; None if they were known."""
    if not rows[0].permittivity:
        return None
    value = np.array([r.permittivity for r in rows])
    truth = np.array([r.permittivity_truth for r in rows])
    std = np.array([r.permittivity_std for r in rows])
    free = std > 0.0
    inside = np.abs(np.log(value / truth)) <= NORMAL_95 * std
    mre = np.array(
        [np.abs(v / t - 1.0)[f].mean() for v, t, f in zip(value, truth, free, strict=True)]
    )
    verdicts = Counter(v for r in rows for v in r.permittivity_verdict)
    return Side(mre, float(inside[free].mean()), verdicts)


def joint_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table with a line for each case and number of carriers; errors are medians."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("unknown", "carr.", "links"):
        table.add_column(name, justify="left" if name == "unknown" else "right", no_wrap=True)
    for symbol in ("σ", "ε_r"):
        for name in ("MRE \\[%]", "10 … 90 %", "est./weak/lost", "cov. \\[%]"):
            table.add_column(f"{symbol}\n{name}", justify="right", no_wrap=True)
    for (unknown, carriers), some in _cases(rows):
        cells = [unknown, str(carriers), str(some[0].num_links)]
        for side in (conductivity_side(some), permittivity_side(some)):
            cells += _cells(side)
        table.add_row(*cells)
    return table


def joint_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """Error of both quantities by case, a mark for each number of carriers, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    from vlmrt_dist.report.plotting.figures import save_both

    figure = Figure(figsize=(10.0, 4.6), layout="constrained")
    figure.suptitle(title)
    both = figure.subplots(1, 2, sharey=True)
    cases = list(_cases(rows))
    names = list(dict.fromkeys(unknown for (unknown, _), _ in cases))
    for (unknown, carriers), some in cases:
        y = names.index(unknown) + 0.18 * (carriers - 1.5)
        for axes, side in zip(
            both, (conductivity_side(some), permittivity_side(some)), strict=True
        ):
            if side is None:
                continue
            low, middle, high = 100.0 * np.quantile(side.mre, [0.1, 0.5, 0.9])
            axes.plot([low, high], [y, y], color=f"C{carriers}", lw=2)
            axes.plot(middle, y, "o", color=f"C{carriers}")
    for axes, what in zip(both, ("σ", "ε_r"), strict=True):
        axes.set(xscale="log", xlabel=f"MRE of {what} [%]: median, 10 % to 90 %")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis="x", alpha=0.3)
    both[0].set_yticks(range(len(names)), names)
    both[0].invert_yaxis()
    handles = [
        both[0].plot([], [], "o-", color=f"C{c}", label=words)[0]
        for c, words in ((1, "one carrier"), (2, "two carriers"))
    ]
    both[0].legend(handles=handles, fontsize=8)
    return save_both(figure, path)


def _cells(side: Side | None) -> list[str]:
    if side is None:
        return ["known", "", "", ""]
    low, middle, high = 100.0 * np.quantile(side.mre, [0.1, 0.5, 0.9])
    total = side.verdicts.total() - side.verdicts["fixed"]
    shares = [
        f"{100.0 * side.verdicts[v] / max(total, 1):.0f}"
        for v in ("estimated", "weak", "not_identified")
    ]
    return [
        f"{middle:.3g}",
        f"{low:.2g} … {high:.2g}",
        "/".join(shares),
        f"{100.0 * side.coverage:.1f}",
    ]


def _cases(rows: Sequence[Row]) -> Iterator[tuple[tuple[str, int], list[Row]]]:
    found: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        label = json.loads(row.label)
        found.setdefault((label["unknown"], int(label["carriers"])), []).append(row)
    yield from found.items()
