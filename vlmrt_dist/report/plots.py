"""Charts and plans for the page, as JSON for plotly.js."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.charts import Chart, Curve
from vlmrt_dist.report.plans import Plan

COLORS = (
    "#3b82d6", "#e07b00", "#2a9d4e", "#d0455e", "#8a63d2", "#0d9aa5", "#b08000", "#c2559d",
    "#6b8e23", "#7a7f87", "#d2691e", "#4f6bdc", "#1f9f86", "#b3446c",
)  # fmt: skip
"""Legible on white and on near-black."""

LEGEND = {"orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom"}

MOST_TICKS, LEAST_TICKS = 8, 3
"""Ticks of a logarithmic axis."""

PAPER = "#808080"
TX, RX = "#e0383e", "#2a9d4e"


def chart_json(chart: Chart) -> str:
    """A chart as JSON for Plotly.newPlot."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for shade, curve in enumerate(chart.curves):
        color = PAPER if curve.paper else COLORS[shade % len(COLORS)]
        for trace in _traces(curve, color, f"curve{shade}"):
            figure.add_trace(go.Scatter(**trace))
    figure.update_layout(
        template="none",
        xaxis=_axis(chart.xlabel, chart.xlog, [c.x for c in chart.curves]),
        yaxis=_axis(
            chart.ylabel,
            chart.ylog,
            [v for c in chart.curves for v in (c.low, c.y, c.high)],
            chart.yrange,
        ),
        legend=LEGEND,
        margin={"l": 64, "r": 16, "t": 12, "b": 48},
        height=430 + 20 * (len(chart.curves) // 2),
        hovermode="closest",
    )
    return _json(figure)


def _axis(
    label: str, log: bool, values: Sequence[Any], ends: tuple[float, float] | None = None
) -> dict[str, Any]:  # fmt: skip
    """An axis; a logarithmic one has at most eight ticks, with their whole numbers beside them."""
    axis: dict[str, Any] = {"title": {"text": _safe(label)}, "automargin": True}
    if not log:
        return axis
    axis |= {"type": "log"}
    if ends is not None:
        axis["range"] = np.log10(ends).tolist()
        values = [np.array(ends)]
    there = np.concatenate([np.asarray(v, float) for v in values if v is not None] or [np.ones(1)])
    there = there[np.isfinite(there) & (there > 0.0)]
    if not len(there):
        return axis
    ticks = log_ticks(float(there.min()), float(there.max()))
    return axis | {"tickvals": ticks, "ticktext": [_tick(value) for value in ticks]}


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers in and about a range (> 0): powers of ten, between which stand 2 and 5, or all
    digits, where there would be fewer than three."""
    ends = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    step = max(1, int(np.ceil((ends[1] - ends[0]) / MOST_TICKS)))
    found: list[float] = []
    for digits in ((1,), (1, 2, 5), tuple(range(1, 10))):
        powers = range(ends[0], ends[1] + 1, step)
        found = [float(f"{digit}e{power}") for power in powers for digit in digits]
        inside = sum(0.999 * low <= value <= 1.001 * high for value in found)
        if inside >= LEAST_TICKS:
            break
    return found


def _tick(value: float) -> str:
    """A round number; powers of ten where it would be long."""
    if 1e-3 <= value < 1e6:
        return f"{value:f}".rstrip("0").rstrip(".")
    digit, power = f"{value:.0e}".split("e")
    return f"{'' if digit == '1' else f'{digit}·'}10<sup>{int(power)}</sup>"


def _traces(curve: Curve, color: str, group: str) -> list[dict[str, Any]]:
    """A curve, and its band or error bars."""
    x, y = _plain(curve.x), _plain(curve.y)
    trace: dict[str, Any] = {
        "x": x, "y": y, "name": _safe(curve.name), "legendgroup": group,
        "mode": {"line": "lines", "step": "lines", "points": "markers"}.get(
            curve.style, "lines+markers"
        ),
        "line": {"color": color, "width": 2, "dash": "dash" if curve.paper else "solid",
                 "shape": "hv" if curve.style == "step" else "linear"},
        "marker": {"color": color, "size": 7, "symbol": "square" if curve.paper else "circle"},
    }  # fmt: skip
    if curve.text:
        trace["text"] = [_safe(text) for text in curve.text]
        trace["hovertemplate"] = "%{text}<br>%{x:.4g}: %{y:.4g}<extra></extra>"
    else:
        trace["hovertemplate"] = "%{x:.4g}: %{y:.4g}<extra>%{fullData.name}</extra>"
    if curve.low is None or curve.high is None:
        return [trace]
    if curve.style == "markers":
        trace["error_y"] = {
            "type": "data", "symmetric": False, "color": color, "thickness": 1, "width": 3,
            "array": _plain(curve.high - curve.y), "arrayminus": _plain(curve.y - curve.low),
        }  # fmt: skip
        return [trace]
    band = {
        "x": x + x[::-1], "y": _plain(curve.low) + _plain(curve.high)[::-1], "mode": "lines",
        "line": {"width": 0, "color": color}, "fill": "toself", "fillcolor": _faint(color),
        "legendgroup": group, "showlegend": False, "hoverinfo": "skip",
    }  # fmt: skip
    return [band, trace]


def plan_json(plan: Plan) -> str:
    """A plan of the room as JSON for Plotly.newPlot: objects, links, transmitters, receivers."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, corners in plan.outlines:
        ring = np.vstack([corners, corners[:1]])
        figure.add_trace(go.Scatter(
            x=_plain(ring[:, 0]), y=_plain(ring[:, 1]), mode="lines", fill="toself",
            fillcolor="rgba(128,128,128,0.22)", line={"color": "#8a8f98", "width": 1},
            name=_safe(name), text=_safe(name), hoverinfo="text", showlegend=False,
        ))  # fmt: skip
    x: list[float | None] = []
    y: list[float | None] = []
    for tx, receivers in zip(plan.tx, plan.rx, strict=True):
        for rx in receivers:
            x += [float(tx[0]), float(rx[0]), None]
            y += [float(tx[1]), float(rx[1]), None]
    line = {"color": "rgba(128,128,128,0.55)", "width": 1}
    figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip",
                                showlegend=False))  # fmt: skip
    spots = [(f"Rx {m}.{n}", p) for m, some in enumerate(plan.rx, 1) for n, p in enumerate(some, 1)]
    _spots(figure, spots, "receivers", RX, "circle", 8)
    spots = [(f"Tx {m}", p) for m, p in enumerate(plan.tx, 1)]
    _spots(figure, spots, "transmitters", TX, "triangle-up", 14)
    figure.update_layout(
        template="none",
        xaxis={"title": {"text": "x [m]"}, "constrain": "domain", "automargin": True},
        yaxis={"title": {"text": "y [m]"}, "scaleanchor": "x", "constrain": "domain"},
        legend=LEGEND,
        margin={"l": 56, "r": 12, "t": 12, "b": 48},
        height=520,
        hovermode="closest",
    )
    return _json(figure)


def _spots(
    figure: Any, spots: Sequence[tuple[str, Any]], name: str, color: str, symbol: str, size: int
) -> None:
    import plotly.graph_objects as go

    figure.add_trace(go.Scatter(
        x=[float(p[0]) for _, p in spots], y=[float(p[1]) for _, p in spots], mode="markers",
        marker={"color": color, "symbol": symbol, "size": size}, name=name,
        text=[f"{what} at ({p[0]:.2f}, {p[1]:.2f}, {p[2]:.2f}) m" for what, p in spots],
        hovertemplate="%{text}<extra></extra>",
    ))  # fmt: skip


def _safe(text: str) -> str:
    """Text without tags for plotly.js; names come from files."""
    return html.escape(text[:200], quote=False)


def _plain(values: Any) -> list[float | None]:
    """Values rounded to five digits; None for those that JSON lacks."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in np.asarray(values, float)]


def _faint(color: str) -> str:
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},0.16)"


def _json(figure: Any) -> str:
    """JSON that is safe inside a script element."""
    return str(figure.to_json()).replace("&", "\\u0026").replace("<", "\\u003c")
