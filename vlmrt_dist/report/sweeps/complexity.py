"""Times of an iteration against one size: the table behind the paper's Figure 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmrt_dist.report.plotting.sweep_figures import SIZES
from vlmrt_dist.store import Timing, label_of
from vlmrt_dist.studies import backward, slope


def iteration_table(title: str, varies: str, timings: Sequence[Timing]) -> Any:
    """A rich table of times against K, M, D or U, and their slopes.

    :param varies: which of them, one of :data:`~vlmrt_dist.report.plotting.sweep_figures.SIZES`
    """
    from rich.markup import escape
    from rich.table import Table

    result = Table(title=title, title_justify="left")
    for column in ("engine", varies, "paths", "scene [ms]", "forward [ms]", "backward [ms]",
                   "tracing once [ms]"):  # fmt: skip
        result.add_column(escape(column), justify="right")
    some = [t for t in timings if (label_of(t) or {}).get("varies") == varies]
    for engine in dict.fromkeys(timing.engine for timing in some):
        mine = [t for t in some if t.engine == engine]
        result.add_section()
        sizes = [SIZES[varies](t) for t in mine]
        columns = {
            "scene": [t.seconds_scene for t in mine],
            "forward": [t.seconds_value for t in mine],
            "backward": [backward(t) for t in mine],
            "trace": [t.seconds_trace for t in mine],
        }
        for i, timing in enumerate(mine):
            paths = str(timing.num_paths) if timing.num_paths >= 0 else ""
            times = ["" if v[i] != v[i] else f"{1e3 * v[i]:.3g}" for v in columns.values()]
            result.add_row(engine, str(sizes[i]), paths, *times)
        slopes = [slope(sizes, values) for values in columns.values()]
        result.add_row(engine, "slope", "", *("" if s != s else f"{s:.2f}" for s in slopes))
    return result
