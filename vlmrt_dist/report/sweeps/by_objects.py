"""Cost of an estimation against the number of objects K."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.store import Place, Timing, label_of
from vlmrt_dist.studies import FIXED_PATHS, GIVEN_UP, slope

LARGE = 100
"""Objects from which on the growth is stated once more."""


class CostByObjects(NamedTuple):
    """Times of rooms of growing size.

    :param replay: all parts of an estimation by replay
    :param fixed: value and gradient with the same number of paths in each room
    :param retrace: value and gradient by tracing anew; the last may be given up
    """

    replay: Sequence[Timing]
    fixed: Sequence[Timing]
    retrace: Sequence[Timing]

    @property
    def curves(self) -> dict[str, dict[int, float]]:
        """Seconds by number of objects."""
        search = {t.num_objects: t.seconds_trace - _label(t, "around") for t in self.replay}
        curves = {
            "searching for the paths": search,
            "geometry and table": {t.num_objects: _label(t, "around") for t in self.replay},
            "value and gradient": {t.num_objects: t.seconds_gradient for t in self.replay},
            "value and gradient (processor)": {
                t.num_objects: _label(t, "value_cpu") for t in self.replay
            },
            f"value and gradient, {FIXED_PATHS} paths": {
                t.num_objects: t.seconds_gradient for t in self.fixed
            },
            "sparse Jacobian": {t.num_objects: t.seconds_jacobian for t in self.replay},
            "one fit": {t.num_objects: t.seconds_fit for t in self.replay},
            "estimation with 5 folds": {t.num_objects: _label(t, "whole") for t in self.replay},
            "value and gradient, retrace": self.retraced,
        }
        return {name: points for name, points in curves.items() if points}

    @property
    def retraced(self) -> dict[int, float]:
        """Seconds of value and gradient by tracing anew, by number of objects."""
        return {t.num_objects: t.seconds_gradient for t in self.retrace if t.outcome != GIVEN_UP}

    @property
    def growth(self) -> list[str]:
        """Growth with K between the smallest and the largest room, and from 100 objects on."""
        return [
            f"{name}: {_growth(points)}" for name, points in self.curves.items() if len(points) > 1
        ]

    def table(self, budget: float) -> Any:
        """A rich table.

        :param budget: seconds after which retrace was given up
        """
        from rich.markup import escape
        from rich.table import Table

        title = f"cost against K (retrace: all setups, given up beyond {budget:.0f} s a size)"
        table = Table(title=title, title_justify="left")
        columns = (
            "K", "M", "links", "paths", "complete to", "scene [s]", "search [s]", "around [s]",
            "value+grad [ms]",
            f"{FIXED_PATHS} paths [ms]", "Jacobian [ms]", "fit [s]", "5 folds [s]", "estimated",
            "seen", "MRE [%]", "peak [GB]", "retrace [s]", "load",
        )  # fmt: skip
        for name in columns:
            # Escaped, for [s] would strike through.
            table.add_column(escape(name).replace(" ", "\n", 1), justify="right", no_wrap=True)
        for t, same in zip(self.replay, self.fixed, strict=True):
            seconds = self.retraced.get(t.num_objects)
            label = partial(_label, t)
            table.add_row(
                str(t.num_objects), str(t.num_setups), str(t.num_links), str(t.num_paths),
                f"D = {label('complete_to'):.0f}", f"{t.seconds_scene:.2f}",
                f"{t.seconds_trace - label('around'):.2f}", f"{label('around'):.2f}",
                f"{1e3 * t.seconds_gradient:.2f}",
                f"{1e3 * same.seconds_gradient:.3f}",
                f"{1e3 * t.seconds_jacobian:.2f}", f"{t.seconds_fit:.2f}",
                f"{label('whole'):.2f}", f"{label('estimated'):.0f}", f"{label('seen'):.0f}",
                f"{100 * t.mre:.2g}", f"{t.peak_bytes / 1e9:.2f}",
                "-" if seconds is None else f"{seconds:.1f}", f"{label('load'):.1f}",
            )  # fmt: skip
        return table

    def figure(self, path: Place) -> Place:
        """Draw seconds against K."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.5, 5.0), layout="constrained")
        axes = figure.subplots()
        for name, points in self.curves.items():
            if name.endswith("(processor)"):
                continue  # on one thread, as good as the wall's
            style = "ks--" if name.endswith("retrace") else "o-"
            axes.plot(list(points), list(points.values()), style, label=name)
        axes.set(xscale="log", yscale="log", xlabel="K, with 4 links an object", ylabel="seconds")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right center", fontsize=8)
        return save_figure(figure, path)


def _label(row: Timing, name: str) -> float:
    return float((label_of(row) or {})[name])


def _growth(points: dict[int, float]) -> str:
    text = [f"x {points[max(points)] / points[min(points)]:.2f} from {min(points)} to "
            f"{max(points)}, log-log slope {slope([*points], [*points.values()]):.2f}"]  # fmt: skip
    large = {k: v for k, v in points.items() if k >= LARGE}
    if 1 < len(large) < len(points):
        text.append(f"{slope([*large], [*large.values()]):.2f} from K = {min(large)} on")
    return ", ".join(text)
