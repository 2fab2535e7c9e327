#!/usr/bin/env python3
"""Do good positions matter as much as a good start? The paper's Figure 5.

The paper: K = 9, M = 3, N = 3, D = 4; VLMInit or RandInit with VLMSel or RandSel. Here the ITU
values of the named materials stand for VLMInit, the offline advisor's positions for VLMSel, and
D-optimal positions are added. Each seed is a truth with random and advised positions of its own.

Truth and estimate share one solve of 5000 rays, as the paper's numbers imply (same_paths). The
predicted standard deviation is that of ln σ at 0.1 dB of noise and a prior of 50 %.
"""

import json
from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.distributed import call
from vlmrt_dist.inference import Initial
from vlmrt_dist.placement import strategy_named
from vlmrt_dist.report import CLAIMS, convergence_figure, placement_claims
from vlmrt_dist.store import Ledger, results_place
from vlmrt_dist.studies import (
    DryRun,
    Method,
    NumActors,
    NumGpus,
    Point,
    Spread,
    Storage,
    actor_options,
    evaluated,
)

STRATEGIES = {"random": "RandSel", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal"}
STARTS: dict[Initial, str] = {"itu": "VLMInit", "random": "RandInit"}
METHODS: tuple[Method, ...] = ("adam", "levenberg_marquardt")
RADIO = vd.RadioConfig.paper()
SOLVED = 1e-4
"""Relative error below which Levenberg-Marquardt has found the truth."""


def positions(room: vd.SceneModel, strategy: str, seeds: range) -> list[vd.Campaign]:
    """A campaign for each seed; one for all where nothing but the pool is random."""
    few = seeds[:1] if strategy == "d_optimal" else seeds
    return [vd.place(strategy_named(strategy, RADIO), room, 3, 3, seed=seed) for seed in few]


def spread(room: vd.SceneModel, campaigns: list[vd.Campaign]) -> float:
    """Median of the mean predicted standard deviation."""
    found = [vd.predicted_std(room, c, radio=RADIO, num_draws=1) for c in campaigns]
    return float(np.median([p.mean_posterior for p in found]))


def main(
    quick: Annotated[bool, typer.Option("--quick", help="3 seeds.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="[default: 20; quick: 3].")] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print the errors behind the paper's Figure 5 and draw their convergence."""
    folder, study = results_place(storage), "placement_quick" if quick else "placement"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    room, every = vd.box_room(), range(seeds or (3 if quick else 20))
    campaigns = {s: call(partial(positions, room, s, every), s, actors) for s in STRATEGIES}
    predicted = {s: call(partial(spread, room, campaigns[s]), s, actors) for s in STRATEGIES}
    points = [
        Point(study, room, campaign, RADIO, METHODS, start, "same_paths",
              tuple(every) if len(some) == 1 else (every[i],),
              {"positions": STRATEGIES[strategy], "start": STARTS[start]})
        for strategy, some in campaigns.items() for start in STARTS
        for i, campaign in enumerate(some)
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    table = Table(title=f"Figure 5: positions and start, {len(every)} seeds", title_justify="left")
    for name in ("positions", "start", "predicted std", "Adam MRE [%]", "Levenberg-M. MRE [%]",
                 "solved"):  # fmt: skip
        table.add_column(name, no_wrap=True)
    curves = {}
    for strategy, sel in STRATEGIES.items():
        for init in STARTS.values():
            some = [r for r in rows if json.loads(r.label) == {"positions": sel, "start": init}]
            adam, exact = ([r for r in some if r.optimizer == m] for m in METHODS)
            curves[f"{init} & {sel}"] = adam
            error = [100.0 * np.median([r.mre for r in x]) for x in (adam, exact)]
            solved = sum(r.mre < SOLVED for r in exact)
            table.add_row(sel, init, f"±{100.0 * predicted[strategy]:.3g} %", f"{error[0]:.3g}",
                          f"{error[1]:.2g}", f"{solved} of {len(exact)}")  # fmt: skip
    show(table, f"the paper: {CLAIMS['Figure 5']}", *map(str, placement_claims(rows)))
    figure = convergence_figure("Adam, η = 1e-3, N = 3", curves, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
