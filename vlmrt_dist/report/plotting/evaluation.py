"""Figure of an evaluation: how the errors of several models are distributed, and with distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.prediction import Evaluation, distance_bins
from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.store import Where

COLOURS = ("#1b4f8a", "#d95f02", "#1b9e77", "#8c6bb1", "#7f7f7f", "#c2a5cf")
"""Of the models in their order, the calibrated scene first."""

FEW = 4
"""Bins of fewer links are drawn without a line: their RMS says little."""


def evaluation_figure(found: Evaluation, path: Where, *, title: str = "") -> Where:
    """The share of links below each |error|, and errors against distance, for all models.

    :param path: a .png or .pdf
    :param title: name of the scene
    """
    figure = Figure(figsize=(12.5, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_cdf(left, found)
    _draw_distance(right, found)
    head = f"{title}: " if title else ""
    text = f"{head}{len(found.measured_dbm)} links; {found.protocol.partition(';')[0]}"
    figure.suptitle(text.replace("$", r"\$"), fontsize=10)
    return save_figure(figure, path)


def _draw_cdf(axes: Any, found: Evaluation) -> None:
    for i, model in enumerate(found.models):
        error, share = model.cdf()
        width = 2.2 if i == 0 else 1.3
        axes.step(
            np.concatenate([[0.0], error]), np.concatenate([[0.0], 100.0 * share]), where="post",
            color=COLOURS[i % len(COLOURS)], lw=width, label=f"{model.name}: {model.rms_db:.2f} dB",
        )  # fmt: skip
    axes.axhline(90.0, color="0.8", lw=0.8, zorder=0)
    axes.axhline(50.0, color="0.8", lw=0.8, zorder=0)
    axes.set(xlim=(0.0, None), ylim=(0.0, 100.0), xlabel="|error| [dB]", ylabel="links below [%]")
    axes.legend(title="RMS error", fontsize=8, title_fontsize=8, loc="lower right")


def _draw_distance(axes: Any, found: Evaluation) -> None:
    """Points of the first model, and the RMS of every model by distance."""
    first = found.models[0]
    axes.plot(
        found.distance, first.error_db, ".", ms=6, color=COLOURS[0], alpha=0.35, mew=0,
        label=f"each link's error, {first.name}",
    )  # fmt: skip
    edges = distance_bins(found.distance)
    place = np.clip(np.searchsorted(edges, found.distance, "right") - 1, 0, len(edges) - 2)
    centre = 0.5 * (edges[:-1] + edges[1:])
    enough = np.bincount(place, minlength=len(centre)) >= FEW
    for i, model in enumerate(found.models):
        rms = np.where(enough, model.rms_by(place, len(centre)), np.nan)
        axes.plot(
            centre, rms, "o-", ms=4, color=COLOURS[i % len(COLOURS)], lw=2.2 if i == 0 else 1.3,
            label="RMS of each model (colours as on the left)" if i == 0 else None,
        )  # fmt: skip
    axes.axhline(0.0, color="0.6", lw=0.8, zorder=0)
    axes.set(xlabel="distance [m]", ylabel="predicted minus measured [dB]")
    axes.legend(fontsize=8, loc="lower left")
