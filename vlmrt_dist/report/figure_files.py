"""Charts and plans of a report as PNG and PDF files for a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vlmrt_dist.errors import StorageError
from vlmrt_dist.report.charts import Chart, Curve, charts_of
from vlmrt_dist.report.data import Results, StudyRows
from vlmrt_dist.report.plans import plans_of
from vlmrt_dist.report.plotting.figures import positions_figure, save_both

SIZE = (6.4, 4.4)
"""Width and height [inches]; half of it fits a column of a two-column page."""


def write_figures(results: Results, folder: Path) -> list[Path]:
    """Every chart and plan of the report as PNG and PDF.

    :return: the PNG files
    :raises StorageError: if the folder cannot be written to
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from None
    return [path for study in results.studies for path in study_figures(study, folder)]


def study_figures(study: StudyRows, folder: Path) -> list[Path]:
    """The charts and plans of one study; see :func:`write_figures`."""
    written = [
        chart_figure(chart, folder / f"{study.name}_{chart.key}.png") for chart in charts_of(study)
    ]
    for number, plan in enumerate(plans_of(study)[0], start=1):
        if plan.scene is not None:
            path = folder / f"{study.name}_plan_{number}.png"
            for one in (path.with_suffix(".pdf"), path):
                positions_figure(plan.scene, plan.campaign, one, title=plan.title)
            written.append(path)
    return written


def chart_figure(chart: Chart, path: Path) -> Path:
    """One chart as a PNG at ``path``, and a PDF beside it."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    for shade, curve in enumerate(chart.curves):
        _draw(axes, curve, "k" if curve.paper else f"C{shade % 10}")
    axes.set(
        xscale="log" if chart.xlog else "linear", yscale="log" if chart.ylog else "linear",
        xlabel=_plain(chart.xlabel), ylabel=_plain(chart.ylabel), title=_plain(chart.title),
    )  # fmt: skip
    if chart.yrange is not None:
        axes.set_ylim(chart.yrange)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return save_both(figure, path)


def _draw(axes: Any, curve: Curve, color: str) -> None:
    name = _plain(curve.name)
    if curve.style == "points":
        axes.plot(curve.x, curve.y, "o", ms=3, color=color, label=name)
        return
    if curve.style == "step":
        axes.step(curve.x, curve.y, where="post", color=color, label=name)
        return
    if curve.style == "markers":
        bars = None
        if curve.low is not None and curve.high is not None:
            bars = [curve.y - curve.low, curve.high - curve.y]
        axes.errorbar(curve.x, curve.y, yerr=bars, fmt="s--" if curve.paper else "o-", ms=4,
                      capsize=2, color=color, label=name)  # fmt: skip
        return
    axes.plot(curve.x, curve.y, color=color, label=name)
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.15, lw=0.0)


def _plain(text: str) -> str:
    """Text without mathematics for matplotlib, cut to 90 characters."""
    return re.sub(r"\s+", " ", text)[:90].replace("$", r"\$")
