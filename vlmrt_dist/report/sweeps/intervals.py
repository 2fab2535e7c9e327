"""Table of how often the intervals of each verdict miss the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from vlmrt_dist.inference import VERDICT_WORDS, Verdict
from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import Tally

BOUND = 0.07
"""Largest share of estimated answers whose interval may miss the truth."""

_SHOWN = [verdict for verdict in get_args(Verdict) if verdict != "fixed"]


def interval_table(title: str, groups: Mapping[str, Mapping[str, Tally]]) -> Any:
    """For each group and verdict the number of answers, the share of those whose intervals miss the
    truth, and the 95 % interval of that share."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("truths drawn for")
    table.add_column("verdict")
    for name in ("answers", "missed", "missed [%]", "95 % interval [%]"):
        table.add_column(name.replace("[", "\\["), justify="right")
    for group, tallies in groups.items():
        for verdict in _SHOWN:
            if verdict not in tallies:
                continue
            tally = tallies[verdict]
            low, high = tally.ends
            table.add_row(
                group, VERDICT_WORDS[verdict], str(tally.answers), str(tally.missed),
                f"{100.0 * tally.share:.1f}", f"{100.0 * low:.1f} … {100.0 * high:.1f}",
            )  # fmt: skip
        table.add_section()
    return table


def interval_figure(groups: Mapping[str, Mapping[str, Tally]], path: Place) -> Place:
    """Draw the shares that are missed, with their intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 1.0 + 0.55 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for column, verdict in enumerate(_SHOWN):
        rows = [row for row, tallies in enumerate(groups.values()) if verdict in tallies]
        found = [list(groups.values())[row][verdict] for row in rows]
        if not found:
            continue
        share = [100.0 * tally.share for tally in found]
        below = [100.0 * (tally.share - tally.ends[0]) for tally in found]
        above = [100.0 * (tally.ends[1] - tally.share) for tally in found]
        place = [row + 0.12 * (column - 2) for row in rows]
        axes.errorbar(
            share, place, xerr=[below, above], fmt="o", ms=4, capsize=2,
            label=VERDICT_WORDS[verdict],
        )  # fmt: skip
    axes.axvline(100.0 * BOUND, color="k", lw=0.8, ls="--")
    axes.axvline(5.0, color="0.6", lw=0.8)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    axes.set(xlabel="answers whose intervals miss the truth [%]", xlim=(0.0, 20.0))
    axes.legend(fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    return save_both(figure, path)
