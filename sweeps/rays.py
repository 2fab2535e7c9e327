#!/usr/bin/env python3
"""How does the error depend on the number of rays U? The paper's Table 2 beside ours.

The paper: K = 9, M = 3, N = 8, VLMInit and VLMSel, U = 3000 to 6000; its setup has D = 4. With
--vlm an advisor gives both; otherwise the ITU values of the named materials stand for VLMInit and
D-optimal positions for VLMSel. All U share the positions. Each seed is a truth σ = λ σ_ITU.

same_paths    one solve of U rays makes the truth and the estimate, as the paper's numbers imply
independent   one solve of U rays makes the estimate, the truth has a complete path set: this is
              what rays are for
"""

from typing import Annotated

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.report import CLAIMS, TABLE_2, comparison, comparison_figure, rays_claims
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

BEYOND = (10_000, 100_000, 1_000_000)
"""Rays beyond the paper's."""

QUICK = (3000, 6000, 100_000)
METHODS: tuple[Method, ...] = ("adam", "adam_fine", "levenberg_marquardt")
PROTOCOLS: tuple[Protocol, ...] = ("same_paths", "independent")


def main(
    quick: Annotated[bool, typer.Option("--quick", help="5 seeds, three numbers of rays.")] = False,
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
    """Print the paper's Table 2 (error against number of rays) beside ours."""
    folder, study = results_place(storage), "rays_quick" if quick else "rays"
    study += f"_{vlm}" if vlm else ""
    ledger, actors = Ledger(folder), actor_options(num_actors, num_gpus, placement)
    count = seeds or (5 if quick else 20)
    rays = QUICK if quick else (*TABLE_2, *BEYOND)
    paper = {u: TABLE_2.get(u) for u in rays}
    room, radio = vd.box_room(), vd.RadioConfig.paper()
    advice, positions = advised(vlm, room, radio, actors)
    points = [
        Point(study, room, positions, radio.replace(samples_per_src=u), METHODS,
              "vlm" if advice else "itu", protocol, seeds=tuple(range(count)),
              label={"U": u} | (advice.label if advice else {}),
              priors=(advice.prior,) * count if advice else None)
        for u in rays
        for protocol in PROTOCOLS
    ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    title = f"Table 2: error against rays, {count} seeds"
    show(*comparison(title, "samples_per_src", "U", paper, rows))
    show(f"the paper: {CLAIMS['Table 2']}", *map(str, rays_claims(rows)))
    if advice:
        show(str(advice))
    figure = comparison_figure(title, "samples_per_src", "U", paper, rows, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
