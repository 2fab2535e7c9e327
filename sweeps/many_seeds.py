#!/usr/bin/env python3
"""How many estimations a second, side by side? Seeds per second against the number of seeds S.

The paper's configuration (K = 9, M = 3, N = 8, D = 4, 5000 rays, Adam with η = 1e-3, 1000
iterations) from a truth for each seed, all S of them in one kernel; and Levenberg-Marquardt, one
seed after another. Some seeds are run again alone: side by side they have the same bits.
"""

import dataclasses
import hashlib
import json
import time
from typing import Annotated, Any

import numpy as np
import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.engine import engine_versions, prepare_engine
from vlmrt_dist.field import perturbed
from vlmrt_dist.inference import (
    Adam,
    AdamResult,
    Assumptions,
    ConductivityPrior,
    Evaluator,
    Prior,
    build_problem,
    mean_relative_error,
    run_adam,
)
from vlmrt_dist.store import SCHEMA_VERSION, Ledger, Place, Timing, results_place
from vlmrt_dist.studies import (
    MethodFit,
    Point,
    Storage,
    hardware,
    nothing_timed,
    run_method,
    slope,
    whole_numbers,
)
from vlmrt_dist.units import watts_to_dbm

SIZES, QUICK_SIZES = (1, 10, 100, 1000), (1, 10, 100)
ALONE = 5
"""Seeds that are run again, each alone."""

MOST_IN_TURN = 100
"""Seeds of Levenberg-Marquardt, whose time is in proportion to them."""


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Up to 100 seeds.")] = False,
    sizes: Annotated[str, typer.Option(help="Numbers of seeds, instead of the usual.")] = "",
    iterations: Annotated[int, typer.Option(min=2, help="Iterations of Adam.")] = 1000,
    depth: Annotated[int, typer.Option(min=1, help="Most interactions of a path.")] = 4,
    storage: Storage = None,
) -> None:
    """Measure, print and draw seeds per second."""
    prepare_engine()
    from vlmrt_dist.field import ReplayObjective, trace

    folder, study = results_place(storage), "many_seeds_quick" if quick else "many_seeds"
    ledger = Ledger(folder)
    usual = QUICK_SIZES if quick else SIZES
    wanted = whole_numbers(sizes, "--sizes") if sizes else list(usual)
    asked = [("adam", s) for s in wanted]
    asked += [("levenberg_marquardt", s) for s in wanted if s <= MOST_IN_TURN]
    room, radio = vd.box_room(), vd.RadioConfig.paper(max_depth=depth)
    positions = vd.place(vd.DOptimal(radio=vd.RadioConfig.paper(max_depth=1)), room, 3, 8, seed=0)
    table = trace(room, positions, radio)
    itu = room.conductivity(radio.frequency)
    truth = np.array([perturbed(itu, seed) for seed in range(max(wanted))])
    blank = positions.with_rss(np.zeros(positions.present.shape))
    rss = ReplayObjective(room, blank, radio, table).rss(truth)
    start = np.tile(itu, (len(truth), 1))

    def side_by_side(seeds: slice) -> tuple[AdamResult, float]:
        batch = ReplayObjective(room, blank, radio, table, measured=rss[seeds])
        run_adam(batch, start[seeds], Adam(max_iterations=2))  # compiles
        begin = time.perf_counter()
        result = run_adam(batch, start[seeds], Adam(max_iterations=iterations))
        return result, time.perf_counter() - begin

    def in_turn(count: int) -> tuple[list[MethodFit], float]:
        point = Point(study, room, positions, radio, ("levenberg_marquardt",), "itu",
                      "same_paths", seeds=(0,))  # fmt: skip
        none = ConductivityPrior(itu, np.full(len(itu), np.inf), np.ones(len(itu), bool))
        objective = ReplayObjective(room, blank, radio, table, measured=rss[:1])
        assumed = Assumptions(radio, Prior(np.inf), noise=point.noise)
        problems = [
            build_problem(room, positions.with_rss(watts_to_dbm(each)), assumed,
                          Evaluator(objective), none)
            for each in rss[:count]
        ]  # fmt: skip
        begin = time.perf_counter()
        fits = run_method(point, "levenberg_marquardt", problems, start[:count], truth[:count])
        return fits, time.perf_counter() - begin

    known = {timing.key: timing for timing in ledger.timings(study)}
    timings = []
    for optimizer, count in asked:
        one = _unmeasured(study, optimizer, count, iterations, radio, table)
        if one.key not in known:
            if optimizer == "adam":
                result, seconds = side_by_side(slice(0, count))
                theta, steps = result.theta, iterations
            else:
                fits, seconds = in_turn(count)
                theta = np.array([fit.theta for fit in fits])
                steps = int(np.median([fit.iterations for fit in fits]))
            error = [mean_relative_error(*pair) for pair in zip(theta, truth, strict=False)]
            known[one.key] = dataclasses.replace(
                one, seconds_fit=seconds, iterations=steps, mre=float(np.median(error))
            )
            ledger.publish_timings(study, [known[one.key]])
            say(f"{count} seeds of {optimizer}: {seconds:.3g} s")
        timings.append(known[one.key])
    some = min(max(wanted), 100)
    together, _ = side_by_side(slice(0, some))
    picked = np.linspace(0, some - 1, min(ALONE, some)).astype(int)
    same = all(
        np.array_equal(one.path[:, 0], together.path[: len(one.path), s], equal_nan=True)
        for s in picked for one in [side_by_side(slice(s, s + 1))[0]]
    )  # fmt: skip
    show(_table(timings), *_sentences(timings, same, len(picked), some))
    show(f"results: {folder}\nfigure: {_figure(timings, folder / f'{study}.png')}")


def _unmeasured(
    study: str, optimizer: str, count: int, iterations: int, radio: vd.RadioConfig, table: Any
) -> Timing:
    """A row of the ledger before it is measured; seeds and optimizer are in the label."""
    label = json.dumps({"optimizer": optimizer, "seeds": count})
    text = json.dumps([label, iterations, radio.key, table.key, hardware(),
                       json.dumps(engine_versions()), SCHEMA_VERSION])  # fmt: skip
    return nothing_timed(
        study, hashlib.sha256(text.encode()).hexdigest(), label, "replay", radio,
        num_objects=table.num_objects, num_setups=table.num_setups,
        num_links=table.num_setups * table.num_receivers, num_paths=table.num_paths,
        seconds_trace=float(table.seconds.sum()),
    )  # fmt: skip


def _what(timing: Timing) -> tuple[str, int]:
    label = json.loads(timing.label)
    return str(label["optimizer"]), int(label["seeds"])


def _table(timings: list[Timing]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="seeds per second (same_paths)", title_justify="left")
    for name in ("method", "S", "iterations", "seconds", "seeds / s", "against S = 1",
                 "median MRE [%]"):  # fmt: skip
        table.add_column(escape(name), justify="left" if name == "method" else "right")
    names = {"adam": "Adam, side by side", "levenberg_marquardt": "Levenberg-Marquardt, in turn"}
    first: dict[str, float] = {}
    for timing in timings:
        optimizer, count = _what(timing)
        rate = count / timing.seconds_fit
        table.add_row(
            names[optimizer], str(count), str(timing.iterations), f"{timing.seconds_fit:.3g}",
            f"{rate:.3g}", f"× {rate / first.setdefault(optimizer, rate):.3g}",
            f"{100 * timing.mre:.2g}",
        )  # fmt: skip
    return table


def _sentences(timings: list[Timing], same: bool, alone: int, together: int) -> list[str]:
    some = [(s, t.seconds_fit) for t in timings for o, s in [_what(t)] if o == "adam"]
    growth = slope(*zip(*some, strict=True)) if len(some) > 1 else np.nan
    bits = "have the same bits at every iteration" if same else "DIFFER from what they are"
    return [
        f"{alone} seeds, run alone, {bits} among {together} side by side",
        *([f"seconds of Adam against S: log-log slope {growth:.2f}"] if growth == growth else []),
    ]


def _figure(timings: list[Timing], path: Place) -> Place:
    from matplotlib.figure import Figure

    from vlmrt_dist.report import save_figure

    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for optimizer, label in (("adam", "Adam, side by side"),
                             ("levenberg_marquardt", "Levenberg-Marquardt, in turn")):  # fmt: skip
        some = [(s, s / t.seconds_fit) for t in timings for o, s in [_what(t)] if o == optimizer]
        axes.plot(*zip(*some, strict=True), "o-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="S, seeds", ylabel="seeds per second")
    axes.grid(alpha=0.3)
    axes.legend()
    return save_figure(figure, path)


if __name__ == "__main__":
    run_script(main, __doc__)
