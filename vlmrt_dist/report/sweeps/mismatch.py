"""Table and figure of what an answer is worth where the model lacks something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import Counts, MismatchTask

STATED = (90.0, 97.0)
"""Share of the new levels [%] that intervals of 95 % are to hold."""

WORDS = {
    "none": "nothing",
    "layers": "layers of the walls",
    "furniture": "furniture",
    "positions": "positions, 10 cm off",
    "shadowing": "shadowing of 2 dB",
    "all": "all of these",
}
"""Names of what is missing in the model."""

NOISE = {"receiver": "receiver's error", "clutter": "and clutter, fitted"}

Found = Sequence[tuple[MismatchTask, Counts]]


def mismatch_table(found: Found) -> Any:
    """For each case the error at new positions, the share of levels in their intervals, and how
    often an interval of a conductivity excludes the effective value."""
    from rich.table import Table

    table = Table(title="A flat that is more than its model", title_justify="left")
    table.add_column("the model lacks")
    table.add_column("noise model")
    for name in ("RMS [dB]", "ITU RMS [dB]", "inside [%]", "residual / noise", "estimated",
                 "missed [%]"):  # fmt: skip
        table.add_column(name.replace("[", "\\["), justify="right")
    for task, counts in found:
        rms, itu = (np.sqrt(s / counts.links) for s in (counts.squares, counts.itu_squares))
        missed = 100.0 * counts.missed / counts.answers if counts.answers else np.nan
        table.add_row(
            WORDS[task.mismatch], NOISE[task.noise], f"{rms:.2f}", f"{itu:.2f}",
            f"{100.0 * counts.inside / counts.links:.1f}", f"{counts.scale / task.truths:.2f}",
            str(counts.answers), "–" if np.isnan(missed) else f"{missed:.0f}",
        )  # fmt: skip
    return table


def mismatch_figure(found: Found, path: Place) -> Place:
    """Draw the shares of new levels in their intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(WORDS[task.mismatch] for task, _ in found))
    for shift, noise in enumerate(NOISE):
        some = [(task, counts) for task, counts in found if task.noise == noise]
        if not some:
            continue
        share = np.array([counts.inside / counts.links for _, counts in some])
        # As if links were independent; those of one truth are not.
        half = scipy.stats.norm.ppf(0.975) * np.sqrt(
            share * (1.0 - share) / np.array([counts.links for _, counts in some])
        )
        place = [names.index(WORDS[task.mismatch]) + 0.2 * (shift - 0.5) for task, _ in some]
        axes.errorbar(100 * share, place, xerr=100 * half, fmt="o", capsize=3, label=NOISE[noise])
    axes.axvspan(*STATED, color="0.9", zorder=0)
    axes.axvline(95.0, color="0.5", lw=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="levels at new positions inside their 95 % interval [%]", ylabel="model lacks")
    axes.legend()
    axes.grid(axis="x", alpha=0.3)
    return save_both(figure, path)
