"""Pareto front of a search as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.report.plotting.figures import Where, save_both
from vlmrt_dist.studies import Found, Study, text

WORST = 100.0
"""Largest error on the figure's axis; larger ones are drawn there [%]."""

AXES = {"mre": "MRE [%]", "seconds": "tracing and one fit [s]", "links": "links"}


def front_table(title: str, study: Study, front: Sequence[Found]) -> Any:
    """A rich table with a line for each configuration: error with its standard error over the
    study's seeds, costs, and the key of the configuration's rows."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in (*study.space, "links", "time [s]", "MRE [%]", "configuration"):
        table.add_column(escape(name))
    for found in front:
        values = found.values(("mre", "seconds", "links"), study.seeds)
        rows = [found.rows[s] for s in study.seeds]
        if values is None:
            told = ["", "", "not finite"]
        else:
            error = np.std([r.mre for r in rows], ddof=1) / np.sqrt(len(rows)) if rows[1:] else 0.0
            told = [f"{values[2]:.0f}", f"{values[1]:.2g}",
                    f"{100.0 * values[0]:.3g} ± {100.0 * error:.1g}"]  # fmt: skip
        params = [_word(found.params.get(name, "")) for name in study.space]
        table.add_row(*params, *told, rows[0].configuration[:12])
    return table


def _word(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def front_figure(
    title: str,
    study: Study,
    found: Sequence[Found],
    fresh: Study,
    front: Sequence[Found],
    path: Where,
) -> Where:
    """Every configuration of a search by its error and its costs, and the front on fresh seeds."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, 2)
    for axes, cost in zip(panels, ("seconds", "links"), strict=True):
        for some, seeds, shade, name in (
            (found, study.seeds, "0.7", f"searched, {len(study.seeds)} seeds"),
            (front, fresh.seeds, "C3", f"front, {len(fresh.seeds)} fresh seeds"),
        ):
            values = [each.values((cost, "mre"), seeds) for each in some if each.complete(seeds)]
            x, y = np.array([v for v in values if v is not None]).reshape(-1, 2).T
            # Errors of failed searches have no limit and would compress the front.
            axes.scatter(x, np.minimum(100.0 * y, WORST), s=22, color=shade, label=name)
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=AXES[cost],
            ylabel=f"{AXES['mre']}, {WORST:g} and worse at {WORST:g}",
        )
        axes.grid(alpha=0.3)
    panels[1].legend()
    return save_both(figure, path)


def recommended(study: Study, front: Sequence[Found]) -> Found | None:
    """The default configuration: of those whose error is within one standard error of the smallest,
    the one with the fewest links, and the quickest of these."""
    known = [
        (values, found)
        for found in front
        if (values := found.values(("mre", "links", "seconds"), study.seeds)) is not None
    ]
    if not known:
        return None
    least, best = min(known, key=lambda pair: pair[0][0])
    errors = [best.rows[s].mre for s in study.seeds]
    margin = np.std(errors, ddof=1) / np.sqrt(len(errors)) if errors[1:] else 0.0
    near = [pair for pair in known if pair[0][0] <= least[0] + margin]
    return min(near, key=lambda pair: (pair[0][1], pair[0][2], text(pair[1].params)))[1]
