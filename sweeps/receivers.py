#!/usr/bin/env python3
"""How many receivers does a setup need? The paper's Figure 6: N = 2, 3, 4, 8.

The paper: K = 9, M = 3, VLMInit and VLMSel; N = 2 is under-determined, with 6 links for 9 unknowns.
Here the ITU values stand for VLMInit; positions are those of the offline advisor (VLMSel's
stand-in) and D-optimal ones. Truth and estimate share one solve of 5000 rays (same_paths).

An object has no bound where the links alone, without a prior, leave a direction of it open.
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
from vlmrt_dist.report import CLAIMS, convergence_figure, receivers_claims
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
    planned,
)

RECEIVERS = (2, 3, 4, 8)
STRATEGIES = {"vlm": "VLMSel (offline)", "d_optimal": "D-optimal"}
METHODS: tuple[Method, ...] = ("adam", "levenberg_marquardt")
RADIO = vd.RadioConfig.paper()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="3 seeds.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="[default: 20; quick: 3].")] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print the errors behind the paper's Figure 6 and draw their convergence."""
    folder, study = results_place(storage), "receivers_quick" if quick else "receivers"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    room, every = vd.box_room(), tuple(range(seeds or (3 if quick else 20)))
    plans = {
        (s, n): call(partial(planned, room, s, n, RADIO), f"{s} N={n}", actors)
        for s in STRATEGIES for n in RECEIVERS
    }  # fmt: skip
    points = {
        (s, n): Point(study, room, campaign, RADIO, METHODS, "itu", "same_paths", every,
                      {"positions": STRATEGIES[s], "N": n})
        for (s, n), (campaign, _) in plans.items()
    }  # fmt: skip
    rows = evaluated([*points.values()], ledger, actors, dry_run)
    table = Table(title=f"Figure 6: receivers, {len(every)} seeds", title_justify="left")
    for name in ("positions", "N", "links", "no bound without a prior", "predicted std",
                 "Adam MRE [%]", "iter.", "Levenberg-M. MRE [%]"):  # fmt: skip
        table.add_column(name)
    curves = {}
    for (strategy, count), point in points.items():
        expected = plans[strategy, count][1]
        some = [r for r in rows if json.loads(r.label) == point.label]
        adam, exact = ([r for r in some if r.optimizer == m] for m in METHODS)
        curves[f"{STRATEGIES[strategy]}, N = {count}"] = adam
        lost = [n for n, x in zip(room.names, expected.cramer_rao, strict=True) if x == np.inf]
        error = [100.0 * np.median([r.mre for r in x]) for x in (adam, exact)]
        table.add_row(STRATEGIES[strategy], str(count), str(expected.num_links),
                      ", ".join(lost) or "none", f"±{100.0 * expected.mean_posterior:.3g} %",
                      f"{error[0]:.3g}", f"{np.median([r.iterations for r in adam]):.0f}",
                      f"{error[1]:.2g}")  # fmt: skip
    show(table, f"the paper: {CLAIMS['Figure 6']}", *map(str, receivers_claims(rows)))
    figure = convergence_figure("Adam, η = 1e-3, M = 3", curves, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
