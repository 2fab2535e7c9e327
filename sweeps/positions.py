#!/usr/bin/env python3
"""Where would each way of choosing measure? The paper's Figure 8.

The paper draws the transmitters (red) and receivers (green) that RandSel and VLMSel select, for
M = 3 and N = 3 and 8. Here beside them D-optimal positions. What each tells is predicted (standard
deviation of ln σ at 0.1 dB of noise and a prior of 50 %), and tried on seeds of truths from ITU
values, truth and estimate on one solve of 5000 rays (same_paths).
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
from vlmrt_dist.report import CLAIMS, positions_figure
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

STRATEGIES = {"random": "RandSel", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal"}
METHODS: tuple[Method, ...] = ("adam", "levenberg_marquardt")
RADIO = vd.RadioConfig.paper()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="N = 3 only, 3 seeds.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="[default: 20; quick: 3].")] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Draw the positions of the paper's Figure 8 and print what each set of them tells."""
    folder, study = results_place(storage), "positions_quick" if quick else "positions"
    ledger, actors = Ledger(folder), actor_options(num_actors, num_gpus, placement)
    room, every = vd.box_room(), tuple(range(seeds or (3 if quick else 20)))
    plans = {
        (strategy, count): call(partial(planned, room, strategy, count, RADIO),
                                f"{strategy} N={count}",
                                actors)
        for count in ((3,) if quick else (3, 8)) for strategy in STRATEGIES
    }  # fmt: skip
    points = [
        Point(study, room, campaign, RADIO, METHODS, "itu", "same_paths", every,
              {"positions": STRATEGIES[strategy], "N": count})
        for (strategy, count), (campaign, _) in plans.items()
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    table = Table(title=f"Figure 8: positions, M = 3, {len(every)} seeds", title_justify="left")
    for name in ("positions", "N", "predicted std", "Adam MRE [%]", "Levenberg-M. MRE [%]"):
        table.add_column(name)
    figures = []
    for (strategy, count), (campaign, expected) in plans.items():
        label = json.dumps({"positions": STRATEGIES[strategy], "N": count}, sort_keys=True)
        some = [r for r in rows if r.label == label]
        error = [100.0 * np.median([r.mre for r in some if r.optimizer == m]) for m in METHODS]
        table.add_row(STRATEGIES[strategy], str(count), f"±{100.0 * expected.mean_posterior:.3g} %",
                      f"{error[0]:.3g}", f"{error[1]:.2g}")  # fmt: skip
        title = f"{STRATEGIES[strategy]}, M = 3, N = {count}"
        file = folder / f"{study}_{strategy}_N{count}.png"
        positions_figure(room, campaign, file.renamed(".pdf"), title=title)
        figures.append(positions_figure(room, campaign, file, title=title))
    show(table, f"the paper's Figure 8: {CLAIMS['Figure 8']}")
    show(f"rows: {ledger.folder(study)}\nfigures: {', '.join(map(str, figures))}")


if __name__ == "__main__":
    run_script(main, __doc__)
