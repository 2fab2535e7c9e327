"""Strong and weak scaling over actors, seeds and estimations per second."""

from __future__ import annotations

from typing import Any

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import ScalingResults, Shares, Throughput

MANY = 100_000
"""Estimations whose time is extrapolated."""

STEPS = 1000
"""Steps of one estimation, over which tracing is spread in the shares of time."""


def scaling_tables(results: ScalingResults) -> list[Any]:
    """Rich tables: strong scaling, weak scaling, seeds and estimations per second, as far as they
    were measured."""
    tables = [_shares_table(kind, some) for kind, some in results.by_kind.items()]
    if results.seeds:
        tables.append(_seeds_table(results.seeds))
    if results.estimations:
        tables.append(_estimations_table(results.estimations))
    return tables


def _seeds_table(seeds: list[tuple[int, float]]) -> Any:
    from rich.table import Table

    table = Table(title="seeds per second", title_justify="left")
    for name in ("actors", "seeds / s", "efficiency"):
        table.add_column(name, justify="right")
    base_count, base_rate = seeds[0]
    for count, rate in seeds:
        table.add_row(str(count), f"{rate:.1f}", f"{rate / base_rate * base_count / count:.2f}")
    return table


def _estimations_table(some: list[Throughput]) -> Any:
    """Shares are of the actors' wall time, but publishing: of the driver's."""
    from rich.table import Table

    table = Table(
        title="whole estimations, from a random campaign to a published row", title_justify="left",
        caption=f"processor: time of actors and driver for an estimation, without Ray's own "
        f"processes; {MANY:,}: extrapolated", caption_justify="left",
    )  # fmt: skip
    for name in ("actors", "blocks (s)", "counted", "a second", "efficiency", "processor (ms)",
                 "of it driver", "search", "fit", "rest of a row", "transfer, waiting",
                 "publishing", f"{MANY:,} (min)"):  # fmt: skip
        table.add_column(name, justify="right")
    for one in some:
        total = one.num_actors * one.seconds
        rest = max(0.0, one.inside - one.search - one.fit)
        parts = [part / total for part in (one.search, one.fit, rest, one.waiting)]
        table.add_row(
            str(one.num_actors), f"{one.block_seconds:g}", str(one.estimations),
            f"{one.rate:.1f}", f"{_efficiency_of(some, one):.2f}", f"{1e3 * one.processor:.1f}",
            f"{one.driver / (one.actors + one.driver):.1%}",
            *(f"{part:.0%}" for part in parts), f"{one.publishing / one.seconds:.1%}",
            f"{MANY / one.rate / 60.0:.0f}",
        )  # fmt: skip
    return table


def _efficiency_of(some: list[Throughput], one: Throughput) -> float:
    """Estimations a second of an actor over those of the fewest actors with the same blocks."""
    same = [each for each in some if each.block_seconds == one.block_seconds]
    return one.rate / one.num_actors / same[0].rate * same[0].num_actors


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
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for kind, some in results.by_kind.items():
        axes.plot(
            [one.num_actors for one in some],
            [_efficiency(kind, some[0], one) for one in some],
            marker="o", label=f"{kind} scaling",
        )  # fmt: skip
    if results.seeds:
        count, rate = results.seeds[0]
        axes.plot(
            [c for c, _ in results.seeds],
            [r / rate * count / c for c, r in results.seeds],
            marker="o", label="seeds per second",
        )  # fmt: skip
    for block in dict.fromkeys(each.block_seconds for each in results.estimations):
        same = [each for each in results.estimations if each.block_seconds == block]
        axes.plot(
            [each.num_actors for each in same], [_efficiency_of(same, each) for each in same],
            marker="s", linestyle="--", label=f"estimations per second, blocks of {block:g} s",
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="actors", ylabel="efficiency", ylim=(0.0, 1.1))
    axes.legend()
    return save_both(figure, path)


def _efficiency(kind: str, first: Shares, one: Shares) -> float:
    gain = one.num_actors / first.num_actors if kind == "strong" else 1.0
    return first.step / one.step / gain
