#!/usr/bin/env python3
"""How much faster are more actors? Strong scaling, weak scaling, and seeds per second.

strong        one large campaign, its setups shared by more and more actors
weak          as many setups for every actor
seeds         points of a study, worked off by a pool of actors (K = 9, M = 3, N = 8, D = 2, Adam)

Joins the cluster of RAY_ADDRESS; without one, nodes are simulated on this machine, which says
something about overheads only as far as it has a core for every actor.
"""

import json
from typing import Annotated, Any

import numpy as np
import typer

import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.report import save_both
from vlmrt_dist.store import Place, results_place
from vlmrt_dist.studies import (
    Point,
    Shares,
    Storage,
    measure_scaling,
    nodes,
    seeds_per_second,
    whole_numbers,
)

STEPS = 1000
"""Steps of one estimation, over which tracing is spread in the shares of time."""


def main(
    actors: Annotated[str, typer.Option(help="Numbers of actors to compare.")] = "1,2",
    setups: Annotated[int, typer.Option(min=1, help="Setups of an actor (weak scaling).")] = 16,
    receivers: Annotated[int, typer.Option(min=1, help="Receivers of a setup.")] = 128,
    boxes: Annotated[int, typer.Option(min=0, help="Boxes in the room; K = 5 + boxes.")] = 35,
    seeds: Annotated[int, typer.Option(min=1, help="Parameter vectors side by side.")] = 32,
    repeats: Annotated[int, typer.Option(min=3, help="Steps that are timed.")] = 15,
    storage: Storage = None,
) -> None:
    """Measure and print strong and weak scaling and the throughput of a pool."""
    folder = results_place(storage)
    counts = whole_numbers(actors, "--actors")
    room, radio = vd.box_room(boxes), vd.RadioConfig.paper(max_depth=3)
    whole = random_campaign(room, setups * counts[-1], receivers, seed=0)
    sigma = room.conductivity(radio.frequency)
    theta = sigma * np.random.default_rng(0).uniform(0.8, 1.2, (seeds, len(sigma)))
    small = vd.box_room()
    plan, paper = random_campaign(small, 3, 8, seed=0), vd.RadioConfig.paper(max_depth=2)
    points = [
        Point("scaling", small, plan, paper.replace(seed=n), ("adam",), "itu", "same_paths",
              seeds=tuple(range(20)))
        for n in range(3 * counts[-1])
    ]  # fmt: skip
    results: dict[str, Any] = {"strong": [], "weak": [], "seeds": []}
    with nodes(simulated=counts[-1]) as where:
        say(where)
        for count in counts:
            results["strong"].append(measure_scaling(room, whole, radio, theta, count, repeats))
            part = whole.subset(range(setups * count))
            results["weak"].append(measure_scaling(room, part, radio, theta, count, repeats))
            results["seeds"].append((count, seeds_per_second(points[: 3 * count], count)))
            say(f"{count} of up to {counts[-1]} actors measured")
    show(*_tables(results), f"on {where}")
    target = folder / "scaling.json"
    content = {"where": where} | {
        name: [vars(r) if isinstance(r, Shares) else r for r in some]
        for name, some in results.items()
    }
    target.write(json.dumps(content, indent=1).encode())
    show(f"results: {target}\nfigure: {_figure(results, folder / 'scaling.png')}")


def _efficiency(kind: str, first: Shares, one: Shares) -> float:
    gain = one.num_actors / first.num_actors if kind == "strong" else 1.0
    return first.step / one.step / gain


def _tables(results: dict[str, Any]) -> list[Any]:
    from rich.table import Table

    tables = []
    for kind in ("strong", "weak"):
        table = Table(title=f"{kind} scaling", title_justify="left")
        for name in ("actors", "setups", "paths", "step (ms)", "efficiency", "tracing (s)",
                     f"of {STEPS} steps: tracing", "evaluation", "transfer", "driver",
                     "driver busy (ms)"):  # fmt: skip
            table.add_column(name, justify="right")
        for one in results[kind]:
            total = one.trace + STEPS * one.step
            parts = (one.trace / STEPS, min(one.evaluation, one.step), one.transfer, one.driver)
            table.add_row(
                str(one.num_actors), str(one.num_setups), str(one.num_paths),
                f"{1e3 * one.step:.1f}", f"{_efficiency(kind, results[kind][0], one):.2f}",
                f"{one.trace:.1f}", *(f"{100 * STEPS * part / total:.1f} %" for part in parts),
                f"{1e3 * one.busy:.1f}",
            )  # fmt: skip
        tables.append(table)
    table = Table(title="seeds per second", title_justify="left")
    for name in ("actors", "seeds / s", "efficiency"):
        table.add_column(name, justify="right")
    base_count, base_rate = results["seeds"][0]
    for count, rate in results["seeds"]:
        table.add_row(str(count), f"{rate:.1f}", f"{rate / base_rate * base_count / count:.2f}")
    return [*tables, table]


def _figure(results: dict[str, Any], path: Place) -> Place:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for kind in ("strong", "weak"):
        some = results[kind]
        axes.plot(
            [one.num_actors for one in some],
            [_efficiency(kind, some[0], one) for one in some],
            marker="o", label=f"{kind} scaling",
        )  # fmt: skip
    count, rate = results["seeds"][0]
    axes.plot(
        [c for c, _ in results["seeds"]],
        [r / rate * count / c for c, r in results["seeds"]],
        marker="o", label="seeds per second",
    )  # fmt: skip
    axes.set(xlabel="actors", ylabel="efficiency", ylim=(0.0, 1.1))
    axes.legend()
    return save_both(figure, path)


if __name__ == "__main__":
    run_script(main, __doc__)
