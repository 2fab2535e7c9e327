#!/usr/bin/env python3
"""How does the error depend on the ray-tracing depth D? The paper's Table 1 beside ours.

The paper: K = 9, M = 3, N = 8, 5000 rays, VLMInit and VLMSel. With --vlm an advisor gives both;
otherwise the ITU values of the named materials stand for VLMInit and D-optimal positions, chosen at
the smallest depth, for VLMSel. As in the paper, all depths share the positions. Each seed is a
truth σ = λ σ_ITU.

same_paths    one solve of 5000 rays makes the truth and the estimate, as the paper's numbers imply
independent   truth and estimate use complete path sets from differently seeded solves
"""

from typing import Annotated

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.report import CLAIMS, TABLE_1, comparison, comparison_figure, depth_claims
from vlmrt_dist.store import Ledger, results_place
from vlmrt_dist.studies import (
    DryRun,
    Method,
    NumActors,
    NumGpus,
    Point,
    Protocol,
    Spread,
    Storage,
    actor_options,
    advised,
    evaluated,
)
from vlmrt_dist.vlm import VLM_HELP

QUICK_DEPTHS = (1, 4)
METHODS: tuple[Method, ...] = ("adam", "adam_fine", "levenberg_marquardt")
RADIO: dict[Protocol, vd.RadioConfig] = {
    "same_paths": vd.RadioConfig.paper(),
    "independent": vd.RadioConfig(),
}


def main(
    quick: Annotated[bool, typer.Option("--quick", help="5 seeds, D = 1 and 4 only.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Truths [default: 20; quick: 5].")
    ] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    vlm: Annotated[str | None, typer.Option(help=VLM_HELP)] = None,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print the paper's Table 1 (error against ray-tracing depth) beside ours."""
    folder, study = results_place(storage), "depth_quick" if quick else "depth"
    actors = actor_options(num_actors, num_gpus, placement)
    study += f"_{vlm}" if vlm else ""
    ledger = Ledger(folder)
    count = seeds or (5 if quick else 20)
    paper = {d: TABLE_1[d] for d in TABLE_1 if not quick or d in QUICK_DEPTHS}
    room = vd.box_room()
    shallow = vd.RadioConfig.paper(max_depth=1)
    advice, positions = advised(vlm, room, shallow, actors)
    points = [
        Point(study, room, positions, radio.replace(max_depth=depth), METHODS,
              "vlm" if advice else "itu", protocol, seeds=tuple(range(count)),
              label={"D": depth} | (advice.label if advice else {}),
              priors=(advice.prior,) * count if advice else None)
        for depth in paper
        for protocol, radio in RADIO.items()
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    title = f"Table 1: error against depth, {count} seeds"
    figure = comparison_figure(title, "max_depth", "D", paper, rows, folder / f"{study}.png")
    show(*comparison(title, "max_depth", "D", paper, rows))
    show(f"the paper: {CLAIMS['Table 1']}", *map(str, depth_claims(rows)))
    if advice:
        show(str(advice))
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
