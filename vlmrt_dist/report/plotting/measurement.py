"""Figure of a measurement: levels, residuals on the plan, prior and posterior intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.inference import VERDICT_WORDS, Estimate, Verdict
from vlmrt_dist.report.plotting.figures import draw_objects, save_figure
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import Where

MAX_INTERVALS = 40
"""Most objects whose intervals are drawn legibly."""

MAX_NAMED_LINKS = 5
CONSPICUOUS = 3.0
"""Least residual that is named on the plan, in standard deviations."""

FULL_COLOR = 4.0
"""Standard deviations at the ends of the colour scale of links."""

RESIDUAL_COLORS = LinearSegmentedColormap.from_list(
    "residual", ["#08519c", "#3182bd", "#8c8c8c", "#e6550d", "#a50f15"]
)
"""Grey in the middle, where most links are, is visible on white and on objects."""

VERDICT_COLORS: dict[Verdict, str] = {
    "estimated": "#2a7f62",
    "weak": "#e0a030",
    "at_least": "#8e5ea2",
    "at_most": "#c87fb0",
    "several": "#c0392b",
    "not_identified": "#b0b0b0",
    "fixed": "#4a6fa5",
}


def measurement_figure(
    scene: SceneModel,
    campaign: Campaign,
    result: Estimate,
    path: Where,
    *,
    truth: np.ndarray | None = None,
) -> Where:
    """Measured against replayed levels, residuals on the plan, and prior and posterior of every
    object, as a .png or .pdf at ``path``.

    :param campaign: the measurement of ``result``
    :param truth: [K] true conductivities, if known [S/m]
    """
    shown = min(sum(verdict != "fixed" for verdict in result.verdict), MAX_INTERVALS)
    figure = Figure(figsize=(17.0, max(6.0, 1.5 + 0.23 * shown)), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.0, 1.25, 1.2), height_ratios=(1.6, 1.0))
    levels = figure.add_subplot(grid[0, 0])
    _draw_levels(levels, result)
    _draw_residuals(figure.add_subplot(grid[1, 0], sharex=levels), result)
    _draw_plan(figure, figure.add_subplot(grid[:, 1]), scene, campaign, result)
    _draw_intervals(figure.add_subplot(grid[:, 2]), result, truth)
    return save_figure(figure, path)


def _draw_levels(axes: Any, result: Estimate) -> None:
    """Levels at the estimate, and as predicted by fits without the link, against measured ones."""
    links = result.links
    heard = ~np.isnan(links.replayed_dbm) & ~np.isnan(links.measured_dbm)
    known = heard & ~links.censored
    both = np.concatenate([links.measured_dbm[heard], links.replayed_dbm[heard]])
    if len(both):
        ends = [both.min() - 2.0, both.max() + 2.0]
        axes.plot(ends, ends, color="0.6", lw=0.8)
    held_out = known & ~np.isnan(links.held_out_dbm)
    if held_out.any():
        axes.plot(
            links.measured_dbm[held_out], links.held_out_dbm[held_out], "D", ms=5, mfc="none",
            color="#d95f02", lw=0.8, label="held out of the fit",
        )  # fmt: skip
    axes.plot(
        links.measured_dbm[known], links.replayed_dbm[known], "o", ms=3.5, color="#1f3b70",
        label="fitted",
    )  # fmt: skip
    floor, ceiling = links.censored & ~links.saturated, links.saturated
    bounds = ((floor, "v", "below the receiver's floor"), (ceiling, "^", "above its ceiling"))
    for which, marker, label in bounds:
        if (heard & which).any():
            axes.plot(
                links.measured_dbm[heard & which], links.replayed_dbm[heard & which], marker, ms=5,
                color="0.5", label=label,
            )  # fmt: skip
    axes.set(ylabel="replayed [dBm]", title=_quality(result))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _draw_residuals(axes: Any, result: Estimate) -> None:
    """Measured minus replayed, with twice the noise on either side."""
    links = result.links
    known = ~np.isnan(links.residual_db) & ~links.censored
    order = np.argsort(links.measured_dbm[known])
    level, noise = links.measured_dbm[known][order], links.noise_db[known][order]
    if len(level):
        axes.fill_between(level, -2.0 * noise, 2.0 * noise, color="0.85", lw=0)
    axes.axhline(0.0, color="0.6", lw=0.8)
    axes.plot(
        links.measured_dbm[known], links.held_out_residual_db[known], "D", ms=5, mfc="none",
        color="#d95f02",
    )  # fmt: skip
    axes.plot(links.measured_dbm[known], links.residual_db[known], "o", ms=3.5, color="#1f3b70")
    axes.set(xlabel="measured [dBm]", ylabel="measured - replayed [dB]")
    axes.set_title("grey: twice the declared noise", fontsize=9)
    axes.grid(alpha=0.3)


def _draw_plan(
    figure: Any, axes: Any, scene: SceneModel, campaign: Campaign, result: Estimate
) -> None:
    """Links coloured by their residual; the largest residuals are thick and named."""
    draw_objects(axes, scene, ["#c4c4c4"] * scene.num_objects)
    scale = result.noise_factor
    residual = result.links.standardised / scale
    pairs = np.argwhere(campaign.present)
    score = residual[campaign.present]
    ends = np.stack([campaign.tx[pairs[:, 0], :2], campaign.rx[campaign.present][:, :2]], axis=1)
    unknown = np.isnan(score)
    axes.add_collection(LineCollection(list(ends[unknown]), colors="0.4", lw=0.6, ls=":"))
    order = np.flatnonzero(~unknown)[np.argsort(np.abs(score[~unknown]))]  # large ones on top
    bundle = LineCollection(
        list(ends[order]),
        array=score[order],
        cmap=RESIDUAL_COLORS,
        clim=(-FULL_COLOR, FULL_COLOR),
        lw=np.where(np.abs(score[order]) > CONSPICUOUS, 2.6, 0.9),
    )
    axes.add_collection(bundle)
    axes.plot(*campaign.rx[campaign.present][:, :2].T, "o", ms=3.5, color="0.15")
    for m, tx in enumerate(campaign.tx):
        axes.plot(*tx[:2], "^", ms=8, color="k")
        axes.annotate(str(m + 1), tx[:2], xytext=(6, 4), textcoords="offset points", weight="bold")
    for index in order[::-1][:MAX_NAMED_LINKS]:
        if abs(score[index]) > CONSPICUOUS:
            m, n = pairs[index]
            axes.annotate(
                f"{m + 1}-{n + 1}: {score[index]:+.1f}", ends[index, 1], xytext=(5, -10),
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
    unit = "the noise" if scale == 1.0 else f"{scale:.1f} times the declared noise"
    figure.colorbar(
        bundle, ax=axes, shrink=0.6, extend="both", label=f"residual in units of {unit}"
    )
    axes.set(xlabel="x [m]", ylabel="y [m]")
    axes.set_title("▲ transmitters, ● receivers; large residuals as setup-receiver", fontsize=10)
    axes.set_aspect("equal")
    axes.autoscale_view()


def _draw_intervals(axes: Any, result: Estimate, truth: np.ndarray | None) -> None:
    """95 % intervals before (grey) and after (coloured) the measurement."""
    free = [k for k, verdict in enumerate(result.verdict) if verdict != "fixed"]
    sigma = result.calibration.quantities["conductivity"]
    shown = sorted(sorted(free, key=lambda k: _share_left(result, k))[:MAX_INTERVALS])
    for row, k in enumerate(shown):
        color = VERDICT_COLORS[result.verdict[k]]
        axes.plot([result.prior_low[k], result.prior_high[k]], [row, row], color="#d8d8d8", lw=9)
        for part in sigma.parts_of(k):
            axes.plot([part.low, part.high], [row, row], color=color, lw=4)
            if not (part.open_low or part.open_high):
                axes.plot(part.value, row, "|", color="k", ms=11)
        if truth is not None:
            axes.plot(truth[k], row, "x", color="k", ms=7)
    # Names come from files, so a $ in one must not start mathematics.
    axes.set_yticks(range(len(shown)), [result.names[k] for k in shown], parse_math=False)
    axes.invert_yaxis()
    marks = "95 % intervals; grey: prior, coloured: estimate"
    if truth is not None:
        marks += ", ×: truth"
    if len(shown) < len(free):
        marks += f"\n{len(free) - len(shown)} objects that are told less about are not drawn"
    axes.set(xscale="log", xlabel="conductivity [S/m]")
    axes.set_title(marks, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    present = [v for v in VERDICT_COLORS if v in {result.verdict[k] for k in shown}]
    handles = [
        axes.plot([], [], color=VERDICT_COLORS[v], lw=4, label=VERDICT_WORDS[v])[0] for v in present
    ]
    axes.legend(handles=handles, fontsize=8)


def _quality(result: Estimate) -> str:
    if np.isnan(result.residual_db):
        return "no levels were measured"
    text = f"{result.num_links - result.num_unheard} links, residual {result.residual_db:.2g} dB"
    if np.isfinite(result.held_out_db):
        text += f", held out {result.held_out_db:.2g} dB"
    return text


def _share_left(result: Estimate, k: int) -> float:
    """Width of an object's interval as a share of the prior's."""
    after, before = result.high[k] / result.low[k], result.prior_high[k] / result.prior_low[k]
    return float(np.log(after) / np.log(before))
