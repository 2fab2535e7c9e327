#!/usr/bin/env python3
"""How much noise can the levels bear? Error and coverage of intervals from 0 to 3 dB.

The paper's room, M = 3, N = 8, D-optimal positions. Truths are the paper's, λ ~ N(1, 0.1²)
truncated to 1 ± 0.2, and the estimator's prior on ln σ has the standard deviation that goes with
them, 0.1; so "coverage" means what it should: of truths drawn from the prior that is used, up to
its truncation. Drawn beside it: the prior alone, and the Cramér-Rao bound without a prior, as the
mean error √(2/π) · std that normal errors of that standard deviation have.
"""

from functools import partial
from typing import Annotated

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.distributed import call
from vlmrt_dist.report import noise_figure, noise_table
from vlmrt_dist.store import Ledger, results_place
from vlmrt_dist.studies import (
    DryRun,
    NumActors,
    NumGpus,
    Point,
    Spread,
    Storage,
    actor_options,
    evaluated,
)

LEVELS_DB = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
TRUTH_WIDTH = 0.1


def main(
    quick: Annotated[bool, typer.Option("--quick", help="30 seeds, fewer rays.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=2, help="Truths [default: 200; quick: 30].")
    ] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print error and coverage against noise, coherent and power combining."""
    folder, study = results_place(storage), "noise_quick" if quick else "noise"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    count = seeds or (30 if quick else 200)
    room = vd.box_room()
    radio = vd.RadioConfig.paper() if quick else vd.RadioConfig()
    points = []
    for combining in ("coherent", "power"):
        here = radio.replace(combining=combining)
        choose = partial(vd.place, vd.DOptimal(radio=here), room, 3, 8, seed=0)
        positions = call(choose, "choose positions", actors)
        points += [
            Point(study, room, positions, here, ("map", "levenberg_marquardt"), "itu",
                  "same_paths", seeds=tuple(range(count)), label={"noise [dB]": noise},
                  noise_db=noise, prior_width=TRUTH_WIDTH)
            for noise in LEVELS_DB
        ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    title = f"Error and coverage against noise, {count} seeds"
    show(noise_table(title, rows))
    figure = noise_figure(title, rows, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
