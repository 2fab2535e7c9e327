"""Strong and weak scaling over actors, and seeds per second."""

from __future__ import annotations

from typing import Any

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import ScalingResults, Shares

STEPS = 1000
"""Steps of one estimation, over which tracing is spread in the shares of time."""


def scaling_tables(results: ScalingResults) -> list[Any]:
    """Rich tables: strong scaling, weak scaling, seeds per second."""
    from rich.table import Table

    tables = [_shares_table(kind, some) for kind, some in results.by_kind.items()]
    table = Table(title="seeds per second", title_justify="left")
    for name in ("actors", "seeds / s", "efficiency"):
        table.add_column(name, justify="right")
    base_count, base_rate = results.seeds[0]
    for count, rate in results.seeds:
        table.add_row(str(count), f"{rate:.1f}", f"{rate / base_rate * base_count / count:.2f}")
    return [*tables, table]


def _shares_table(kind: str, some: list[Shares]) -> Any:
    from rich.table import Table

    table = Table(title=f"{kind} scaling", title_justify="left")
    for name in ("actors", "setups", "paths", "step (ms)", "efficiency", "tracing (s)",
                 f"of {STEPS} steps: tracing", "evaluation", "transfer", "driver",
                 "driver busy (ms)"):  # fmt: skip
        table.add_column(name, justify="right")
    for one in some:
        total = one.trace + STEPS * one.step
        parts = (one.trace / STEPS, min(one.evaluation, one.step), one.transfer, one.driver)
        table.add_row(
            str(one.num_actors), str(one.num_setups), str(one.num_paths),
            f"{1e3 * one.step:.1f}", f"{_efficiency(kind, some[0], one):.2f}",
            f"{one.trace:.1f}", *(f"{100 * STEPS * part / total:.1f} %" for part in parts),
            f"{1e3 * one.busy:.1f}",
        )  # fmt: skip
    return table


def scaling_figure(results: ScalingResults, path: Place) -> Place:
    """Draw efficiencies against the number of actors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for kind, some in results.by_kind.items():
        axes.plot(
            [one.num_actors for one in some],
            [_efficiency(kind, some[0], one) for one in some],
            marker="o", label=f"{kind} scaling",
        )  # fmt: skip
    count, rate = results.seeds[0]
    axes.plot(
        [c for c, _ in results.seeds],
        [r / rate * count / c for c, r in results.seeds],
        marker="o", label="seeds per second",
    )  # fmt: skip
    axes.set(xlabel="actors", ylabel="efficiency", ylim=(0.0, 1.1))
    axes.legend()
    return save_both(figure, path)


def _efficiency(kind: str, first: Shares, one: Shares) -> float:
    gain = one.num_actors / first.num_actors if kind == "strong" else 1.0
    return first.step / one.step / gain
