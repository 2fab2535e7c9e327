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
        tables.append(_estimations_table(results.estimations, results.processes))
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


def _estimations_table(some: list[Throughput], processes: dict[int, float]) -> Any:
    """A column for each number of actors and size of blocks.

    :param processes: rates of plain processes, by their number
    """
    from rich.table import Table

    table = Table(
        title="whole estimations, from a random campaign to a published row", title_justify="left",
        caption=f"processor time: of actors and driver, without Ray's own processes\n"
        f"plain processes: without Ray, and without publishing; {MANY:,}: extrapolated",
        caption_justify="left",
    )  # fmt: skip
    table.add_column("")
    for one in some:
        name = f"{one.num_actors} actor" + "s" * (one.num_actors != 1)
        table.add_column(f"{name},\nblocks of {one.block_seconds:g} s", justify="right")
    columns = [_rows_of(one, _efficiency_of(some, one), processes) for one in some]
    for number, name in enumerate(columns[0]):
        table.add_row(name, *(column[name] for column in columns), end_section=number in (5, 7))
    return table


def _rows_of(one: Throughput, efficiency: float, processes: dict[int, float]) -> dict[str, str]:
    """A column of the table, by the names of its rows."""
    total = one.num_actors * one.seconds
    parts = {
        "path search": one.search, "fit": one.fit,
        "rest of a row": max(0.0, one.inside - one.search - one.fit),
        "transfer, waiting": one.waiting,
    }  # fmt: skip
    plain = processes.get(one.num_actors)
    return {
        "estimations counted": f"{one.estimations}",
        "estimations a second": f"{one.rate:.1f}",
        "efficiency": f"{efficiency:.2f}",
        "of so many plain processes, a second": f"{plain:.1f}" if plain else "",
        "part of theirs": f"{one.rate / plain:.2f}" if plain else "",
        f"minutes for {MANY:,}": f"{MANY / one.rate / 60.0:.0f}",
        "processor time of one (ms)": f"{1e3 * one.processor:.1f}",
        "of it the driver's": f"{one.driver / (one.actors + one.driver):.1%}",
        **{f"actors' time: {name}": f"{part / total:.0%}" for name, part in parts.items()},
        "driver's time: publishing": f"{one.publishing / one.seconds:.1%}",
    }


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
