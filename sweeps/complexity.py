#!/usr/bin/env python3
"""What does an iteration cost, against K and against M? The paper's Figures 1a and 1b.

The paper: N = 3, D = 4, 5000 rays; K = 5 to 15 at M = 1, and M at K = 9. Three times: building the
scene, the forward pass (received levels), the backward pass (what their gradient costs beside).

retrace   the paper's way: a differentiable path solve for every setup in every iteration
replay    ours: traced once, the field replayed along the stored paths

Times are medians on warm kernels, kept as rows that a second run finds again. Slopes are those of
lines through the logarithms: 0 is constant, 1 linear. The random positions are free in all rooms.
"""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.console import point_bar, run_script, show
from vlmrt_dist.distributed import ActorOptions, map_on_actors
from vlmrt_dist.field import Engine
from vlmrt_dist.report import CLAIMS, HARDWARE, complexity_claims, complexity_figure
from vlmrt_dist.store import Ledger, Timing, results_place
from vlmrt_dist.studies import (
    NumActors,
    NumGpus,
    Spread,
    Storage,
    Timed,
    backward,
    measure,
    slope,
)

ENGINES: tuple[Engine, ...] = ("retrace", "replay")
OBJECTS, SETUPS = (5, 7, 9, 11, 13, 15), (1, 2, 4, 8)
QUICK_OBJECTS, QUICK_SETUPS, QUICK_DEPTH = (5, 15), (1, 4), 2
RECEIVERS = 3


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Two K, two M, D = 2.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Random positions to average over.")] = 1,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
) -> None:
    """Print and draw the times behind the paper's Figure 1, for both engines."""
    folder, study = results_place(storage), "complexity_quick" if quick else "complexity"
    ledger, radio = Ledger(folder), vd.RadioConfig.paper()
    objects, setups = (QUICK_OBJECTS, QUICK_SETUPS) if quick else (OBJECTS, SETUPS)
    if quick:
        radio = radio.replace(max_depth=QUICK_DEPTH)
    fullest = vd.box_room(
        max(objects) - 5
    )  # its boxes stand in every smaller room, or nothing does
    asked = []
    for seed in range(seeds):
        positions = random_campaign(fullest, max(setups), RECEIVERS, seed=seed)
        sizes = [("K", k, 1) for k in objects] + [("M", 9, m) for m in setups]
        asked += [
            Timed(study, {"varies": varies, "K": k, "M": m, "seed": seed}, engine,
                  vd.box_room(k - 5), positions.subset(range(m)), radio)
            for engine in ENGINES for varies, k, m in sizes
        ]  # fmt: skip
    found = {timing.key: timing for timing in ledger.timings(study)}
    missing = [timed for timed in asked if timed.key not in found]
    with point_bar("complexity") as progress:
        done = len(asked) - len(missing)
        progress("", done, len(asked))
        measured: Iterable[tuple[int, Timing]] = enumerate(map(measure, missing))
        if num_actors:  # one: two on one machine would disturb each other
            one = ActorOptions(num_gpus=num_gpus, placement=placement, study=study)
            measured = map_on_actors(measure, missing, one, names=[*map(str, missing)])
        for index, timing in measured:
            ledger.publish_timings(study, [timing])
            found[timing.key] = timing
            done += 1
            progress(str(missing[index]), done, len(asked))
    timings = [found[timed.key] for timed in asked]
    show(*(table(name, varies, timings)
           for name, varies in (("Figure 1a: M = 1", "K"), ("Figure 1b: K = 9", "M"))))  # fmt: skip
    show(f"ours on {timings[0].hardware}, the paper's on {HARDWARE}; its seconds are not printed")
    show(f"the paper's Figure 1a: {CLAIMS['Figure 1a']}")
    show(f"the paper's Figure 1b: {CLAIMS['Figure 1b']}", *map(str, complexity_claims(timings)))
    figure = complexity_figure(f"N = 3, D = {radio.max_depth}", timings, folder / f"{study}.png")
    show(f"rows: {folder}, timings of {study}\nfigure: {figure}")


def table(title: str, varies: str, timings: list[Timing]) -> Table:
    """Times against K or M, and their slopes."""
    result = Table(title=title, title_justify="left")
    for column in ("engine", varies, "paths", "scene [ms]", "forward [ms]", "backward [ms]",
                   "tracing once [ms]"):  # fmt: skip
        result.add_column(escape(column), justify="right")
    for engine in ENGINES:
        mine = [t for t in timings if t.engine == engine and f'"varies": "{varies}"' in t.label]
        result.add_section()
        sizes = [t.num_objects if varies == "K" else t.num_setups for t in mine]
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


if __name__ == "__main__":
    run_script(main, __doc__)
