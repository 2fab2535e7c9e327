#!/usr/bin/env python3
"""How much does a good start help? The paper's Figures 3 and 4.

The paper: K = 9, M = 3, N = 8, D = 4, VLMSel. With --vlm an advisor gives VLMInit and VLMSel;
otherwise the ITU values of the named materials stand for VLMInit and D-optimal positions for
VLMSel. Each seed is a truth σ = λ σ_ITU; RandInit draws another start for each.

VLMInit            starts at the conductivities of the named materials
VLMInit w/o DRT    stays there: its error is the initial one
UnifInit           starts every object at the materials' average
RandInit           starts every object between 0.01 and 0.06 S/m at random

Truth and estimate share one solve of 5000 rays, as the paper's numbers imply (same_paths).
Iterations are those until the error stays below 1 %, because Adam's stop rule (13) is met by none.
"""

import json
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.inference import Initial
from vlmrt_dist.report import (
    CLAIMS,
    NEAR,
    OPTIMIZER_NAMES,
    cdf_figure,
    convergence_figure,
    initialization_claims,
    iterations_until,
    without_drt,
)
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
    advised,
    evaluated,
)
from vlmrt_dist.vlm import VLM_HELP

METHODS: tuple[Method, ...] = ("adam", "adam_fine", "levenberg_marquardt")
RADIO = vd.RadioConfig.paper()


def main(
    quick: Annotated[bool, typer.Option("--quick", help="10 seeds.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Truths [default: 100; quick: 10].")
    ] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    vlm: Annotated[str | None, typer.Option(help=VLM_HELP)] = None,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print the errors behind the paper's Figures 3 and 4 and draw both."""
    folder, study = results_place(storage), "initialization_quick" if quick else "initialization"
    study += f"_{vlm}" if vlm else ""
    ledger, actors = Ledger(folder), actor_options(num_actors, num_gpus, placement)
    count = seeds or (10 if quick else 100)
    room = vd.box_room()
    advice, positions = advised(vlm, room, RADIO, actors)
    starts: dict[str, Initial] = {
        "VLMInit": "vlm" if advice else "itu", "UnifInit": "uniform", "RandInit": "random"
    }  # fmt: skip
    points = [
        Point(study, room, positions, RADIO, METHODS, start, "same_paths",
              seeds=tuple(range(count)),
              label={"start": name, **(advice.label if advice else {})},
              priors=(advice.prior,) * count if advice and start == "vlm" else None)
        for name, start in starts.items()
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    by_start = {name: [r for r in rows if json.loads(r.label)["start"] == name] for name in starts}
    table = Table(title=f"Figures 3 and 4: starts, {count} seeds", title_justify="left")
    for column in ("start", "method", "initial MRE [%]", "MRE [%]", "10 … 90 % [%]",
                   f"iter. to {100 * NEAR:g} %", "arrived"):  # fmt: skip
        table.add_column(column, no_wrap=True)
    for name, mine in by_start.items():
        table.add_section()
        for method in METHODS:
            some = [r for r in mine if r.optimizer == method]
            low, middle, high = np.quantile([100.0 * r.mre for r in some], [0.1, 0.5, 0.9])
            steps = np.array([iterations_until(r, NEAR) for r in some])
            typical = np.median(steps)
            table.add_row(
                name, OPTIMIZER_NAMES[method],
                f"{100.0 * np.median([r.initial_mre for r in some]):.3g}",
                f"{middle:.3g}", f"{low:.2g} … {high:.2g}",
                f"{typical:.0f}" if np.isfinite(typical) else "never",
                f"{np.isfinite(steps).sum()} of {len(steps)}",
            )  # fmt: skip
        if name == "VLMInit":
            start = f"{100.0 * np.median([r.initial_mre for r in mine]):.3g}"
            table.add_row("VLMInit w/o DRT", "none", start, start, "", "never", f"0 of {count}")
    show(table, f"the paper's Figure 3: {CLAIMS['Figure 3']}")
    show(f"the paper's Figure 4: {CLAIMS['Figure 4']}", *map(str, initialization_claims(rows)))
    if advice:
        show(str(advice))
    adam = {name: [r for r in some if r.optimizer == "adam"] for name, some in by_start.items()}
    curves = {"VLMInit w/o DRT": without_drt(adam["VLMInit"])} | adam
    convergence = convergence_figure("Figure 3: Adam, η = 1e-3, N = 8", curves,
                                     folder / f"{study}.png")  # fmt: skip
    initial = {name: [100.0 * r.initial_mre for r in some] for name, some in adam.items()}
    cdf = cdf_figure(f"Figure 4: {count} truths", "initial MRE [%]", initial,
                     folder / f"{study}_cdf.png")  # fmt: skip
    show(f"rows: {ledger.folder(study)}\nfigures: {convergence}, {cdf}")


if __name__ == "__main__":
    run_script(main, __doc__)
