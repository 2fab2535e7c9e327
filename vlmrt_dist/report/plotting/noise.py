"""Table and figure of error and coverage against noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.store import Row, Where

MEAN_OF_NORMAL = float(np.sqrt(2.0 / np.pi))
"""Mean absolute error of a normal error of standard deviation one."""


class Errors(NamedTuple):
    """Errors of one configuration over its S seeds and K' estimated objects.

    :param mre: [S] mean relative error
    :param prior: [S] mean relative error of the prior alone
    :param bound: mean relative error at the Cramér-Rao bound
    :param ratio: root mean square error of ln σ in units of that of the bound; objects whose bound
        is no better than the prior are left out
    :param coverage: share of truths inside their 95 % interval
    """

    mre: FloatArray
    prior: FloatArray
    bound: float
    ratio: float
    coverage: float


LINEAR = 0.1
"""Greatest Cramér-Rao bound of ln σ of objects in the ratio to it: beyond it the levels are not
linear, or the prior dominates."""


def errors_of(rows: Sequence[Row]) -> Errors:
    """Summary of the rows of one configuration and method."""
    truth = np.array([r.truth for r in rows])
    bound = np.array([r.crb for r in rows])
    asked = bound > 0.0
    error = np.log(np.array([r.conductivity for r in rows]) / truth)
    told = asked & (bound < LINEAR)
    ratio = np.nan
    if told.any():
        ratio = float(np.sqrt((error[told] ** 2).mean() / (bound[told] ** 2).mean()))
    return Errors(
        np.array([r.mre for r in rows]),
        np.array([r.initial_mre for r in rows]),
        float(MEAN_OF_NORMAL * bound[asked].mean()),
        ratio,
        float(np.mean([r.coverage for r in rows])),
    )


def noise_table(title: str, rows: Sequence[Row]) -> Any:
    """A rich table with a line for each combining and noise.

    Errors are medians over the seeds, "bound" is the Cramér-Rao bound of the links alone as the
    mean relative error that it amounts to, "MAP / bound" compares root mean squares.
    """
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in (
        "combining", "noise \\[dB]", "MAP: MRE \\[%]", "10 … 90 % \\[%]", "prior alone \\[%]",
        "no prior \\[%]", "bound \\[%]", "MAP / bound", "coverage \\[%]", "fit \\[ms]",
    ):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for combining, noise, some in _groups(rows):
        best = errors_of([r for r in some if r.optimizer == "map"])
        alone = errors_of([r for r in some if r.optimizer == "levenberg_marquardt"])
        low, middle, high = 100.0 * np.quantile(best.mre, [0.1, 0.5, 0.9])
        table.add_row(
            combining,
            f"{noise:g}",
            f"{middle:.3g}",
            f"{low:.2g} … {high:.2g}",
            f"{100 * np.median(best.prior):.3g}",
            f"{100 * np.median(alone.mre):.3g}",
            f"{100 * best.bound:.3g}",
            f"{best.ratio:.2f}",
            f"{100 * best.coverage:.1f}",
            f"{1e3 * np.median([r.seconds_fit for r in some if r.optimizer == 'map']):.0f}",
        )
    return table


def noise_figure(title: str, rows: Sequence[Row], path: Where) -> Where:
    """Error (left) and coverage (right) against noise, as a PNG at ``path`` and a PDF."""
    from matplotlib.figure import Figure

    from vlmrt_dist.report.plotting.figures import save_both

    figure = Figure(figsize=(11.0, 4.4), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    for shade, combining in enumerate(sorted({r.combining for r in rows})):
        mine = [r for r in rows if r.combining == combining]
        levels = [(noise, some) for _, noise, some in _groups(mine)]
        # The smallest noise above zero is a decade and a half away from the place of zero.
        x = np.array([max(noise, 1e-3) for noise, _ in levels])
        best = [errors_of([r for r in some if r.optimizer == "map"]) for _, some in levels]
        color = f"C{shade}"
        quantiles = 100.0 * np.array([np.quantile(e.mre, [0.1, 0.5, 0.9]) for e in best])
        left.fill_between(x, quantiles[:, 0], quantiles[:, 2], color=color, alpha=0.2)
        left.plot(x, quantiles[:, 1], "o-", color=color, label=f"MAP, {combining}")
        bound = [100.0 * e.bound for e in best]
        left.plot(x, bound, ":", color=color, label=f"Cramér-Rao bound, {combining}")
        right.plot(x, [100.0 * e.coverage for e in best], "o-", color=color, label=combining)
    prior = 100.0 * np.median([r.initial_mre for r in rows])
    left.axhline(prior, color="k", lw=1.0, ls="--", label="prior alone")
    left.set(xscale="log", yscale="log", xlabel="noise [dB] (0 at 0.001)", ylabel="MRE [%]")
    left.set_ylim(bottom=1e-3)
    right.axhline(95.0, color="k", lw=1.0, ls="--")
    right.axhspan(90.0, 99.0, color="#d8d8d8", alpha=0.5)
    right.set(
        xscale="log", xlabel="noise [dB] (0 at 0.001)", ylabel="95 % intervals that hold [%]",
        ylim=(80.0, 101.0),
    )  # fmt: skip
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return save_both(figure, path)


def _groups(rows: Sequence[Row]) -> Iterator[tuple[str, float, list[Row]]]:
    for combining in sorted({r.combining for r in rows}):
        for noise in sorted({r.noise_db for r in rows}):
            some = [r for r in rows if r.combining == combining and r.noise_db == noise]
            if some:
                yield combining, noise, some
