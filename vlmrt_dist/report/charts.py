"""Charts of a report as values, drawn alike by the page and the printed figures.

A curve over many seeds is their median with the band from 10 % to 90 %, at most ``PLACES`` points,
so that the size of the page does not grow with the number of rows.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.report.data import Group, StudyRows, label_of, value_of, varying
from vlmrt_dist.report.paper import TABLE_1, TABLE_2, Printed
from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES
from vlmrt_dist.store import Timing
from vlmrt_dist.store import column as column_of

PLACES = 120
"""Most points of a curve."""

MOST_CURVES = 14
"""Most curves of a chart; a note counts those left out."""

Floats = FloatArray
Style = Literal["line", "markers", "step", "points"]


@dataclass(frozen=True)
class Curve:
    """One curve: ``y`` over ``x``, and a band.

    :param style: line; markers with error bars to low and high; step; points without a line
    :param paper: true for numbers that the paper prints
    :param text: of each point, shown under the pointer
    """

    name: str
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    style: Style = "line"
    paper: bool = False
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """One chart. Titles and axes carry units.

    :param key: part of file names and anchors
    :param note: explanation below the chart
    :param yrange: ends of the vertical axis; None: those of the curves
    """

    key: str
    title: str
    xlabel: str
    ylabel: str
    curves: tuple[Curve, ...]
    xlog: bool = False
    ylog: bool = False
    note: str = ""
    yrange: tuple[float, float] | None = None


FLOOR = 1e-4
"""Errors below are as good as none [%]; axes end there, for else thirteen decades would hide the
paper's numbers."""

BAND = "median over the seeds; the band goes from 10 % to 90 % of them"


def charts_of(study: StudyRows) -> list[Chart]:
    """The charts of a study that have curves."""
    charts = [chart for draw in _CHARTS for chart in draw(study)]
    return [chart for chart in charts if chart.curves]


def _error_against(study: StudyRows) -> list[Chart]:
    """The error against the varied setting, with the paper's numbers."""
    description = study.description
    groups = [g for g in study.groups if _number(g.label.get(description.by))]
    if not description.by or len({g.label[description.by] for g in groups}) < 2:
        return []
    others = [name for name in varying(groups) if name != description.by]
    curves = []
    for name, some in _by_name(groups, others).items():
        some = sorted(some, key=lambda g: g.label[description.by])
        x = np.array([g.label[description.by] for g in some], float)
        low, middle, high = np.array([g.quantiles("mre", 100.0) for g in some]).T
        curves.append(Curve(name, x, middle, low, high, "markers"))
    printed: dict[int, Printed] = {"D": TABLE_1, "U": TABLE_2}.get(description.by, {})
    if printed:
        x = np.array(list(printed), float)
        y = np.array([p.mre for p in printed.values()])
        curves.append(Curve("the paper, as printed", x, y, style="markers", paper=True))
    shown, span, below = _in_view(curves)
    chart = Chart(
        "error", f"{description.title}: error", description.axis, "MRE [%]", _few(shown),
        xlog=description.xlog, ylog=True, yrange=span,
        note="Medians; bars go from 10 % to 90 % of the seeds." + below + _left_out(shown),
    )  # fmt: skip
    return [chart, *_coverage(study, groups, others)]


def _in_view(
    curves: Sequence[Curve],
) -> tuple[list[Curve], tuple[float, float] | None, str]:  # fmt: skip
    """Curves of errors [%] that reach above :data:`FLOOR`, the ends of their axis, and a sentence
    on the others."""
    above = shown = [c for c in curves if np.nanmax(c.y) >= FLOOR]
    if not above:
        return list(curves), None, ""
    ends = [v for c in above for v in (c.low, c.y, c.high) if v is not None]
    values = np.concatenate([np.asarray(v, float) for v in ends])
    values = values[np.isfinite(values) & (values >= FLOOR)]
    span = float(values.min() / 1.5), float(values.max() * 1.5)
    some_below = [c.name for c in above if np.nanmin(c.y) < FLOOR]
    above = [dataclasses.replace(c, y=np.where(c.y < FLOOR, np.nan, c.y)) for c in above]
    hidden = [f"{c.name} ({np.nanmax(c.y):.0e} % at most)" for c in curves if c not in shown]
    hidden += [f"some of {name}" for name in some_below]
    said = f" Far below the axis, as good as no error: {'; '.join(hidden)}." if hidden else ""
    return above, span, said


def _coverage(study: StudyRows, groups: Sequence[Group], others: Sequence[str]) -> list[Chart]:
    """The share of truths inside their interval, where a prior was used."""
    groups = [g for g in groups if g.optimizer == "map"]
    curves = []
    for name, some in _by_name(groups, others).items():
        some = sorted(some, key=lambda g: g.label[study.description.by])
        x = np.array([g.label[study.description.by] for g in some], float)
        y = np.array([100.0 * np.mean(column_of(g.rows, "coverage")) for g in some])
        curves.append(Curve(name, x, y, style="markers"))
    note = "Stated as 95 %." + _left_out(curves)
    return [Chart("coverage", f"{study.description.title}: coverage", study.description.axis,
                  "truths inside their interval [%]", _few(curves), xlog=study.description.xlog,
                  note=note)]  # fmt: skip


MANY = ("readings", "frequency", "inverse_crime")
"""Studies with a curve for each of many cases: their own pictures show them."""


def _convergence(study: StudyRows) -> list[Chart]:
    """Adam's loss and error along its iterations."""
    if study.description.sweep in MANY:
        return []
    groups = [g for g in study.groups if g.optimizer.startswith("adam")]
    groups = [g for g in groups if any(len(r.mre_history) > 1 for r in g.rows)]
    shared = [g for g in groups if g.protocol == "same_paths"]
    if study.description.paper and shared:  # as the paper's; those of others lie on them
        groups = shared
    names = varying(groups)
    charts = []
    for key, column, what, scale in (
        ("loss", "loss_history", "loss (8)", 1.0),
        ("convergence", "mre_history", "MRE [%]", 100.0),
    ):
        curves = []
        for name, some in _by_name(groups, names).items():
            histories = [np.array(getattr(r, column)) * scale for g in some for r in g.rows]
            curve = history_curve(name or "Adam", histories)
            if curve is not None:
                curves.append(curve)
        title = f"{study.description.title}: Adam's {what.split()[0]}"
        charts.append(Chart(
            key, title, "iteration", what, _few(curves),
            xlog=True, ylog=True, note=f"Curves are the {BAND}; a seed that has stopped keeps its "
            "last value." + _left_out(curves),
        ))  # fmt: skip
    return charts


def history_curve(name: str, histories: Sequence[Floats]) -> Curve | None:
    """Median and band of histories of different lengths; None if there is none.

    Iterations are taken at about equal distances of their logarithm.
    """
    histories = [h for h in histories if len(h)]
    if not histories:
        return None
    longest = max(map(len, histories))
    places = np.unique(np.geomspace(1, longest, PLACES).round().astype(int))
    taken = np.array([h[np.minimum(places, len(h)) - 1] for h in histories])
    low, middle, high = np.quantile(taken, [0.1, 0.5, 0.9], axis=0)
    return Curve(name, places.astype(float), middle, low, high)


def _initial_error(study: StudyRows) -> list[Chart]:
    """Distribution of the error at the start of the estimation."""
    if study.description.sweep not in ("initialization", "placement"):
        return []
    by_start: dict[str, dict[int, float]] = {}
    for row in study.rows:
        start = str(label_of(row).get("start", row.initial))
        by_start.setdefault(start, {})[row.seed] = 100.0 * row.initial_mre
    curves = []
    for start, errors in by_start.items():
        x = np.sort(list(errors.values()))
        share = np.arange(1, len(x) + 1) / len(x)
        keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), PLACES)).round().astype(int))
        curves.append(Curve(f"{start}, {len(x)} samples", x[keep], share[keep], style="step"))
    return [Chart("initial", f"{study.description.title}: error at the start", "initial MRE [%]",
                  "share of samples at most as far", tuple(curves), xlog=True)]  # fmt: skip


def _links(study: StudyRows) -> list[Chart]:
    """The largest uncertainty against the links measured."""
    if study.description.sweep != "active":
        return []
    curves = []
    plans: dict[str, dict[int, list[float]]] = {}
    for row in study.rows:
        plan = str(label_of(row).get("plan", ""))
        plans.setdefault(plan, {}).setdefault(row.num_links, []).append(100.0 * max(row.std))
    for plan, by_links in plans.items():
        links = sorted(by_links)
        bands = np.array([np.quantile(by_links[n], [0.1, 0.5, 0.9]) for n in links]).T
        curves.append(Curve(plan, np.array(links, float), bands[1], bands[0], bands[2]))
    return [Chart("links", f"{study.description.title}: uncertainty", "links measured",
                  "largest standard deviation of ln σ [%]", tuple(curves), ylog=True,
                  note=f"Curves are the {BAND}.")]  # fmt: skip


def _pareto(study: StudyRows) -> list[Chart]:
    """A search: the error against the links and against the time, with the Pareto fronts."""
    if study.description.sweep != "search":
        return []
    groups = [g for g in study.groups if np.isfinite(g.quantiles("mre")[1])]
    if not groups:
        return []
    error = np.array([100.0 * float(np.mean(column_of(g.rows, "mre"))) for g in groups])
    text = tuple(", ".join(f"{k} = {v}" for k, v in g.label.items()) for g in groups)
    charts = []
    for key, what, cost in (
        ("links", "links", [g.quantiles("num_links")[1] for g in groups]),
        ("time", "fit [s]", [g.quantiles("seconds_fit")[1] for g in groups]),
    ):
        costs = np.array(cost, float)
        front = pareto(costs, error)
        best = tuple(text[i] for i in front)
        curves = (
            Curve("configurations", costs, error, style="points", text=text),
            Curve("Pareto front", costs[front], error[front], style="step", text=best),
        )
        title, ylabel = f"Error against {what}", "mean MRE over the seeds [%]"
        charts.append(Chart(f"pareto_{key}", title, what, ylabel, curves, xlog=True, ylog=True))
    return charts


def pareto(cost: Floats, error: Floats) -> NDArray[np.intp]:
    """Indices of the Pareto-optimal points (least cost and error), the cheapest first."""
    order = np.lexsort((error, cost))
    least, front = np.inf, []
    for i in order:
        if error[i] < least:
            least = error[i]
            front.append(i)
    return np.array(front, np.intp)


_PHASES = {
    "seconds_scene": "building the scene",
    "seconds_trace": "tracing",
    "seconds_value": "forward",
    "seconds_gradient": "with gradient",
    "seconds_jacobian": "Jacobian",
    "seconds_fit": "estimation",
}


def _scaling(study: StudyRows) -> list[Chart]:
    """Time against the number of objects and of setups or links, of each engine and phase."""
    charts = []
    objects, setups, links = (
        ("objects", "num_objects", "objects K"),
        ("setups", "num_setups", "setups M"),
        ("links", "num_links", "links"),
    )
    for key, column, axis in (
        (links,) if study.description.sweep == "large_m" else (objects, setups)
    ):
        curves = []
        series = _series(study.timings, column)
        of_engine = Counter(engine for engine, _ in series)
        for (engine, varies), timings in series.items():
            name = f"{engine}, {varies}" if varies and of_engine[engine] > 1 else engine
            for phase, words in _PHASES.items():
                some = [t for t in timings if np.isfinite(getattr(t, phase))]
                x = np.array(sorted({getattr(t, column) for t in some}), float)
                y = np.array([_median_at(some, phase, column, n) for n in x])
                if len(x) > 1:
                    curves.append(Curve(f"{name}: {words}", x, y, style="markers"))
        charts.append(Chart(f"time_{key}", f"{study.description.title} against {axis}", axis,
                            "time [s]", _few(curves), xlog=True, ylog=True,
                            note="Medians. Replay traces once, then evaluates; retrace does both "
                            "in every iteration." + _left_out(curves)))  # fmt: skip
    return charts


def _median_at(timings: Sequence[Timing], phase: str, column: str, value: float) -> float:
    return float(np.median([getattr(t, phase) for t in timings if getattr(t, column) == value]))


def _series(timings: Sequence[Timing], column: str) -> dict[tuple[str, str], list[Timing]]:
    """Timings by engine and the label's "varies", if the column takes several values."""
    found: dict[tuple[str, str], list[Timing]] = {}
    for timing in timings:
        label = label_of(timing)
        found.setdefault((timing.engine, str(label.get("varies", ""))), []).append(timing)
    return {k: some for k, some in found.items() if len({getattr(t, column) for t in some}) > 1}


_CHARTS: tuple[Callable[[StudyRows], list[Chart]], ...] = (
    _error_against, _convergence, _initial_error, _links, _pareto, _scaling,
)  # fmt: skip


def _by_name(groups: Sequence[Group], names: Sequence[str]) -> dict[str, list[Group]]:
    """Groups by their names, made of the entries ``names``."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        parts = [_words(name, value_of(group, name)) for name in names]
        found.setdefault(", ".join(filter(None, parts)), []).append(group)
    return found


def _words(name: str, value: object) -> str:
    if name == "optimizer":
        return OPTIMIZER_NAMES.get(str(value), str(value))
    return f"{name} = {value}" if isinstance(value, int | float) else str(value)


def _few(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """The paper's curves, and at most ``MOST_CURVES`` of ours."""
    paper = [c for c in curves if c.paper]
    return (*[c for c in curves if not c.paper][:MOST_CURVES], *paper)


def _left_out(curves: Sequence[Curve]) -> str:
    more = len([c for c in curves if not c.paper]) - MOST_CURVES
    return f" {more} more curves are left out; their numbers are in the table." if more > 0 else ""


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
