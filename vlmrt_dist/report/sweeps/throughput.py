"""Seeds per second against the number of seeds S."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.store import Place, Timing, label_of
from vlmrt_dist.studies import slope

NAMES = {"adam": "Adam, side by side", "levenberg_marquardt": "Levenberg-Marquardt, in turn"}


def throughput_table(timings: Sequence[Timing]) -> Any:
    """A rich table of seeds per second."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="seeds per second (same_paths)", title_justify="left")
    for name in ("method", "S", "iterations", "seconds", "seeds / s", "against S = 1",
                 "median MRE [%]"):  # fmt: skip
        table.add_column(escape(name), justify="left" if name == "method" else "right")
    first: dict[str, float] = {}
    for timing in timings:
        optimizer, count = _method_and_seeds(timing)
        rate = count / timing.seconds_fit
        table.add_row(
            NAMES[optimizer], str(count), str(timing.iterations), f"{timing.seconds_fit:.3g}",
            f"{rate:.3g}", f"× {rate / first.setdefault(optimizer, rate):.3g}",
            f"{100 * timing.mre:.2g}",
        )  # fmt: skip
    return table


def throughput_growth(timings: Sequence[Timing]) -> list[str]:
    """Growth of Adam's seconds with S, in a sentence."""
    some = [(s, t.seconds_fit) for t in timings for o, s in [_method_and_seeds(t)] if o == "adam"]
    growth = slope(*zip(*some, strict=True)) if len(some) > 1 else np.nan
    return [f"seconds of Adam against S: log-log slope {growth:.2f}"] if growth == growth else []


def throughput_figure(timings: Sequence[Timing], path: Place) -> Place:
    """Draw seeds per second against S."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for optimizer, label in NAMES.items():
        some = [
            (s, s / t.seconds_fit)
            for t in timings
            for o, s in [_method_and_seeds(t)]
            if o == optimizer
        ]
        axes.plot(*zip(*some, strict=True), "o-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="S, seeds", ylabel="seeds per second")
    axes.grid(alpha=0.3)
    axes.legend()
    return save_figure(figure, path)


def _method_and_seeds(timing: Timing) -> tuple[str, int]:
    label = label_of(timing) or {}
    return str(label["optimizer"]), int(label["seeds"])
