"""Figures of positions and of comparisons with the paper, and writing of figures."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.rendering import look_name, texture
from vlmrt_dist.report.charts import FLOOR, history_curve
from vlmrt_dist.report.paper import Printed
from vlmrt_dist.report.paper_comparison import OPTIMIZER_NAMES, groups
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import OWN_MARK, Row, Where, place_of

MAX_NAMED = 20
"""Most setups, and most materials, in a legend."""

LEGEND_ROWS = 24
MAX_REASON_LINES, REASON_WIDTH = 44, 74

TX_COLOR, RX_COLOR = "#d7191c", "#1a9641"


def positions_figure(
    scene: SceneModel,
    campaign: Campaign,
    path: Where,
    *,
    reasons: Sequence[str] | None = None,
    title: str = "Positions selected",
) -> Where:
    """The positions of a campaign over the plan of the scene, as the paper's Figure 8.

    Transmitters are red triangles with the setup's number, receivers green dots, links thin lines
    in the setup's colour; objects have a colour for each material class.

    :param path: a PNG; a PDF if it ends in .pdf
    :param reasons: a sentence for each position, printed beside the plan: M × (1 + N) in setup
        order, the transmitter first; a note counts those that do not fit
    :raises ConfigurationError: if there are not as many reasons as positions
    """
    shades = {m: texture(look_name(m)).pixels.mean(axis=(0, 1)) / 255 for m in set(scene.materials)}
    colors = [tuple(shades[material]) for material in scene.materials]
    lines = [] if reasons is None else _reason_lines(campaign, reasons)
    handles = _legend_handles(scene, campaign, colors)
    columns = 1 + (len(handles) > LEGEND_ROWS)
    widths = [7.0, 1.8 * columns, *([4.8] if lines else [])]  # plan, legend, reasons [inches]
    figure = Figure(figsize=(sum(widths), 6.4), layout="constrained")
    plan, *others = figure.subplots(1, len(widths), width_ratios=widths)
    for axes in others:
        axes.set_axis_off()
    _draw_plan(plan, scene, campaign, colors, title.replace("$", r"\$"))
    legend = others[0].legend(
        handles=handles, fontsize=8, loc="upper left", ncols=columns, borderaxespad=0.0
    )
    legend.set_in_layout(False)  # it has axes of its own; else it would shrink the plan
    if lines:
        where = others[1]
        where.text(
            0.0, 1.0, "\n".join(lines), va="top", fontsize=7.5, parse_math=False,
            transform=where.transAxes, in_layout=False,
        )  # fmt: skip
    return save_figure(figure, path)


def comparison_figure(
    title: str,
    column: str,
    symbol: str,
    paper: Mapping[Any, Printed | None],
    rows: Sequence[Row],
    path: Where,
) -> Where:
    """The error against ``column`` and along the iterations, as a PNG at ``path`` and a PDF.

    Methods whose errors lie below :data:`~vlmrt_dist.report.charts.FLOOR` are named with theirs in
    the legend instead, so that the paper's scale is in view.
    """
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    values = list(paper)
    place = np.arange(len(values))
    printed = [np.nan if p is None else p.mre for p in paper.values()]
    left.plot(place, printed, "ks--", label="paper, as printed")
    methods = sorted({(r.optimizer, r.protocol) for r in rows})
    for shade, method in enumerate(methods):
        picked = [dict(groups(rows, column, v)).get(method, []) for v in values]
        there = [i for i, some in enumerate(picked) if some]
        quantiles = np.array(
            [np.quantile([100.0 * r.mre for r in picked[i]], [0.5, 0.1, 0.9]) for i in there]
        ).T
        name, color = f"{OPTIMIZER_NAMES[method[0]]}, {method[1]}", f"C{shade}"
        if len(there) and quantiles[0].max() < FLOOR:
            left.plot([], [], "o", color=color, label=f"{name}: {quantiles[0].max():.0e} at most")
            continue
        # Dodged sideways, so that error bars of equal height stay apart.
        x = place[there] + 0.06 * (shade - len(methods) / 2)
        bars = np.abs(quantiles[1:] - quantiles[0])
        left.errorbar(x, quantiles[0], yerr=bars, fmt="o-", color=color, capsize=3, label=name)
        _draw_histories(right, picked[there[-1]] if there else [], color)
    left.set(yscale="log", xlabel=symbol, ylabel="MRE [%]: median, 10 % to 90 % of the seeds")
    left.set_xticks(place, [str(v) for v in values])
    right.set(
        xscale="log",
        yscale="log",
        xlabel="iteration",
        ylabel=f"MRE [%] at {symbol} = {values[-1]}: median, 10 % to 90 %",
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend(fontsize=8)
    return save_both(figure, path)


def _draw_histories(axes: Any, rows: Sequence[Row], color: str) -> None:
    curve = history_curve("", [100.0 * np.array(row.mre_history) for row in rows])
    if curve is not None and curve.low is not None and curve.high is not None:
        axes.plot(curve.x, curve.y, color=color)
        axes.fill_between(curve.x, curve.low, curve.high, color=color, alpha=0.2, lw=0.0)


def draw_objects(axes: Any, scene: SceneModel, colors: Sequence[Any]) -> None:
    """Objects from above in their colours [K], low ones first."""
    order = np.argsort([item.vertices[:, 2].max() for item in scene.objects], kind="stable")
    for k in order:
        item, color = scene.objects[k], colors[k]
        corners = item.vertices[item.faces][:, :, :2]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        upright = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) < 1e-9
        faint = np.ptp(item.vertices[:, 2]) == 0.0  # a floor would hide the objects on it
        for faces, width in ((corners[~upright], 0.0), (corners[upright], 2.0)):
            axes.add_collection(
                PolyCollection(
                    list(faces), facecolor=color, edgecolor=color, alpha=0.12 if faint else 0.6,
                    lw=width,
                )
            )  # fmt: skip


def _draw_plan(
    axes: Any, scene: SceneModel, campaign: Campaign, colors: Sequence[Any], title: str
) -> None:
    """Objects in their colours [K] and links from transmitters."""
    draw_objects(axes, scene, colors)
    for m, setup in enumerate(campaign.setups):
        tx, color = setup.tx, _setup_color(m, campaign)
        for rx in setup.rx:
            axes.plot([tx[0], rx[0]], [tx[1], rx[1]], color=color, lw=0.7, alpha=0.7)
        axes.plot(*setup.rx[:, :2].T, "o", ms=4, color=RX_COLOR, mec=color, mew=0.8)
        axes.plot(*tx[:2], "^", ms=9, color=TX_COLOR, mec=color, mew=1.2)
        if campaign.num_setups > 1:
            axes.annotate(
                str(m + 1), tx[:2], xytext=(5, 5), textcoords="offset points", fontsize=9,
                fontweight="bold", path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )  # fmt: skip
    axes.set(title=title, xlabel="x [m]", ylabel="y [m]")
    axes.set_aspect("equal")
    axes.autoscale_view()


def _setup_color(m: int, campaign: Campaign) -> Any:
    return colormaps["tab10" if campaign.num_setups <= 10 else "tab20"](m % 20)


def _legend_handles(scene: SceneModel, campaign: Campaign, colors: Sequence[Any]) -> list[Any]:
    """Markers, setups and material classes."""
    handles: list[Any] = [
        Line2D([], [], marker="^", ls="", ms=9, color=TX_COLOR, label="transmitter (Tx)"),
        Line2D([], [], marker="o", ls="", ms=5, color=RX_COLOR, label="receiver (Rx)"),
    ]
    handles += [
        Line2D([], [], color=_setup_color(m, campaign), lw=1.5, label=f"setup {m + 1}")
        for m in range(min(campaign.num_setups, MAX_NAMED))
    ]
    by_material = dict(zip(scene.materials, colors, strict=True))
    named = list(by_material.items())[:MAX_NAMED]
    # Names come from files, so a $ in one must not start mathematics.
    handles += [Patch(color=c, alpha=0.6, label=n[:24].replace("$", r"\$")) for n, c in named]
    return handles


def _reason_lines(campaign: Campaign, reasons: Sequence[str]) -> list[str]:
    """The reason for each position as lines of text; empty if there is none.

    :raises ConfigurationError: if there are not as many reasons as positions
    """
    names = [
        name
        for m, setup in enumerate(campaign.setups, start=1)
        for name in (f"Tx {m}", *(f"Rx {m}.{n}" for n in range(1, setup.num_receivers + 1)))
    ]
    if len(reasons) != len(names):
        raise ConfigurationError(
            f"there must be a reason for each of {len(names)} positions; got {len(reasons)}"
        )
    lines: list[str] = []
    said = [(name, text) for name, text in zip(names, reasons, strict=True) if text.strip()]
    for number, (name, text) in enumerate(said):
        wrapped = textwrap.wrap(f"{name}: {text}", REASON_WIDTH, subsequent_indent="    ")
        if len(lines) + len(wrapped) > MAX_REASON_LINES - 1:
            return [*lines, f"… and {len(said) - number} more reasons"]
        lines += wrapped
    return lines


def save_both(figure: Figure, path: Where) -> Where:
    """Write ``figure`` as a PNG and, beside it, a PDF; returns the path of the PNG."""
    save_figure(figure, place_of(path).renamed(".pdf"))
    return save_figure(figure, path)


def save_figure(figure: Figure, path: Where) -> Where:
    """Write ``figure`` as a PNG, or a PDF if the name ends in .pdf."""
    content = io.BytesIO()
    pdf = str(path).lower().endswith(".pdf")
    # Without the date, equal figures are equal files; the mark tells them from those of others.
    figure.savefig(
        content, format="pdf" if pdf else "png", dpi=120,
        metadata={"Creator": OWN_MARK, "CreationDate": None} if pdf else {"Software": OWN_MARK},
    )  # fmt: skip
    place_of(path).write(content.getvalue())
    return path
