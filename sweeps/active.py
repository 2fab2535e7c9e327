#!/usr/bin/env python3
"""How many links does it take to know every object to 10 %, at 0.1 dB of noise, coherent?

active      setup after setup of 3 receivers, each planned with what the ones before told
D-optimal   one batch of M setups, planned before anything is measured
advised     the first M setups of the offline advisor (VLMSel's stand-in)
random      the first M of each seed's own random setups (RandSel)

The estimate is MAP with a prior of 50 %; a campaign has arrived when the largest standard
deviation of ln σ that it states is 10 %. Truth and estimate share one solve (same_paths).
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
from vlmrt_dist.field import perturbed
from vlmrt_dist.placement import Strategy
from vlmrt_dist.report import progress_figure
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

RADIO = vd.RadioConfig.paper(combining="coherent")
TARGET, NOISE_DB, RECEIVERS = 0.1, 0.1, 3


def active(room: vd.SceneModel, seed: int, most: int) -> vd.Campaign:
    """The positions that a closed loop comes to for the truth of ``seed``."""
    truth = perturbed(room.conductivity(RADIO.frequency), seed)

    def measure(planned: vd.Campaign) -> vd.Campaign:
        noise_seed = 1000 * seed + int(planned.key[:6], 16)  # other positions, other noise
        return vd.simulate(room, planned, conductivity=truth, radio=RADIO, noise_db=NOISE_DB,
                           seed=noise_seed)  # fmt: skip

    loop = vd.measure_until(room, measure, vd.Target(TARGET, max_setups=most),
                            num_receivers=RECEIVERS, radio=RADIO)  # fmt: skip
    return loop.campaign


def main(
    quick: Annotated[bool, typer.Option("--quick", help="2 seeds.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="[default: 20; quick: 2].")] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print how many links each way of planning needs, and draw how the uncertainty falls."""
    folder, study = results_place(storage), "active_quick" if quick else "active"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    room, every, most = vd.box_room(), range(seeds or (2 if quick else 20)), 4 if quick else 12

    def place(strategy: Strategy, setups: int) -> vd.Campaign:
        task = partial(vd.place, strategy, room, setups, RECEIVERS)
        return call(task, f"{type(strategy).__name__} M={setups}", actors)

    advised = place(vd.Vlm(), most)
    optimal = vd.DOptimal(radio=RADIO, candidates=vd.CandidateOptions(num_tx=24))
    batches = {m: place(optimal, m) for m in range(1, min(most, 6) + 1)}
    plans: list[tuple[str, vd.Campaign, tuple[int, ...]]] = [
        ("D-optimal, one batch", batch, tuple(every)) for batch in batches.values()
    ]
    plans += [("advised (offline)", advised.subset(range(m)), tuple(every))
              for m in range(1, most + 1)]  # fmt: skip
    for seed in every:
        loop = call(partial(active, room, seed, most), f"active {seed}", actors)
        chance = vd.place("random", room, most, RECEIVERS, seed=seed)
        for name, whole in (("active", loop), ("random", chance)):
            plans += [(name, whole.subset(range(m)).with_rss(None), (seed,))
                      for m in range(1, whole.num_setups + 1)]  # fmt: skip
    points = [Point(study, room, positions, RADIO, ("map",), "itu", "same_paths", which,
                    {"plan": name, "M": positions.num_setups}, noise_db=NOISE_DB)
              for name, positions, which in plans]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    table = Table(title=f"Links to ±10 % for every object, {len(every)} seeds",
                  title_justify="left")  # fmt: skip
    for column in ("plan", "links (median)", "arrived", "MRE there [%]"):
        table.add_column(column)
    curves: dict[str, dict[int, list[float]]] = {}
    for name in ("active", "D-optimal, one batch", "advised (offline)", "random"):
        some = (r for r in rows if json.loads(r.label)["plan"] == name)
        mine = sorted(some, key=lambda r: r.num_links)
        curve = curves.setdefault(name, {})
        for row in mine:
            curve.setdefault(row.num_links, []).append(100.0 * max(row.std))
        first = [next((r for r in mine if r.seed == s and max(r.std) <= TARGET), None)
                 for s in every]  # fmt: skip
        there = [r for r in first if r is not None]
        links = np.median([r.num_links if r else np.inf for r in first])
        error = f"{100.0 * np.median([r.mre for r in there]):.3g}" if there else ""
        table.add_row(name, f"{links:.0f}" if np.isfinite(links) else f"more than {3 * most}",
                      f"{len(there)} of {len(first)}", error)  # fmt: skip
    show(table, "the paper leaves closed-loop measurement to future work")
    figure = progress_figure("Coherent, 0.1 dB", "largest standard deviation of ln σ [%]", curves,
                             100.0 * TARGET, folder / f"{study}.png")  # fmt: skip
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
