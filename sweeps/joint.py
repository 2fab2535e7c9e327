#!/usr/bin/env python3
"""What does it cost not to know the permittivity, or the gain, and what do ties and carriers help?

The paper's room, M = 3, N = 8, D-optimal positions, coherent, 0.1 dB. Truths of conductivities are
the paper's, and the prior of ln σ has their standard deviation, 0.1; permittivities are drawn 5 %
wide, offsets of a setup's levels 1 dB wide, each as its prior says. Tied: objects of one class
share their values, in the truth and in the estimate. Two carriers: every setup is measured at 3.5
and at 5 GHz, twice the links; the classes' exponents are known.
"""

from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.distributed import call
from vlmrt_dist.report import joint_figure, joint_table
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

BOTH = ("conductivity", "relative_permittivity")
CASES: dict[str, dict[str, Any]] = {
    "σ": {},
    "σ, tied": {"groups": "material"},
    "σ, gain unknown": {"gain_offset_db": 1.0},
    "σ and ε_r": {"unknowns": BOTH},
    "σ and ε_r, tied": {"unknowns": BOTH, "groups": "material"},
    "σ and ε_r, gain unknown": {"unknowns": BOTH, "gain_offset_db": 1.0},
    "σ and ε_r, tied, gain unknown": {"unknowns": BOTH, "groups": "material",
                                      "gain_offset_db": 1.0},
}  # fmt: skip
CARRIERS = (3.5e9, 5.0e9)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="10 seeds, fewer rays.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=2, help="Truths [default: 100; quick: 10].")
    ] = None,
    noise_db: Annotated[float, typer.Option(min=0.0, help="Noise of a level [dB].")] = 0.1,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print errors, verdicts and coverage for what may be unknown, at one and two carriers."""
    folder, study = results_place(storage), "joint_quick" if quick else "joint"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    count = seeds or (10 if quick else 100)
    room = vd.box_room()
    radio = vd.RadioConfig.paper() if quick else vd.RadioConfig()
    radio = radio.replace(combining="coherent")
    choose = partial(vd.place, vd.DOptimal(radio=radio), room, 3, 8, seed=0)
    one = call(choose, "choose positions", actors)
    two = vd.Campaign(
        np.tile(one.tx, (2, 1)), np.tile(one.rx, (2, 1, 1)),
        frequency=np.repeat(CARRIERS, one.num_setups),
    )  # fmt: skip
    points = [
        Point(study, room, campaign, radio, ("map",), "itu", "same_paths",
              seeds=tuple(range(count)), label={"unknown": name, "carriers": carriers},
              noise_db=noise_db, prior_width=0.1, widths={"relative_permittivity": 0.05}, **case)
        for carriers, campaign in ((1, one), (2, two))
        for name, case in CASES.items()
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    title = f"What may be unknown, {count} seeds, {noise_db:g} dB of noise"
    show(joint_table(title, rows))
    figure = joint_figure(title, rows, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
