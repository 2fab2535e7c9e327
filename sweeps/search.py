#!/usr/bin/env python3
"""Which configuration gives a small error at a small cost? A search, and the default it suggests.

Placement strategy, setups M, receivers N, depth D, optimizer, its parametrisation and learning rate
or its loss, in the paper's room, at a stated noise (coherent, 5000 rays, same_paths), for three
objectives: the mean relative error, wall time, and the number of links. Truth and estimate have the
same depth, so D says what longer paths tell, not what leaving them out costs; an estimate knows the
noise. Truths are the paper's, and the prior of "map" is as wide, 0.1.

Each configuration is evaluated on some seeds; the Pareto front then again on fresh ones, since what
was the best of many on some seeds was lucky on them. Only those are reported.

The search is kept in the ledger. For optuna-dashboard: python sweeps/search.py --dry-run --optuna
search.db && optuna-dashboard sqlite:///search.db
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import point_bar, run_script, show
from vlmrt_dist.distributed import ActorOptions, Placement
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement import strategy_named
from vlmrt_dist.store import Ledger, Place, results_place
from vlmrt_dist.studies import (
    STORAGE_HELP,
    Choice,
    Point,
    Range,
    Space,
    Study,
    actor_options,
    again,
    best,
    text,
)

ADAM = {"optimizer": ("adam",)}
SPACE: Space = {
    "strategy": Choice(("random", "grid", "vlm", "d_optimal", "a_optimal")),
    "M": Choice((2, 3, 4)),
    "N": Choice((3, 4, 6, 8)),
    "D": Choice((1, 2, 4)),
    "optimizer": Choice(("map", "levenberg_marquardt", "adam")),
    "parametrisation": Choice(("σ", "ln σ"), when=ADAM),
    "learning_rate": Range(1e-4, 3e-2, log=True, when=ADAM),
    "loss": Choice(("squared", "huber", "student_t"), when={"optimizer": ("map",
                   "levenberg_marquardt")}),
}  # fmt: skip
TRUTH_WIDTH = 0.1
FRESH = 1_000_000
"""First seed of those that the front is evaluated on again."""


def make(given: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    """Choose positions and pose the question of one configuration."""
    room: vd.SceneModel = given["room"]
    radio = vd.RadioConfig.paper(max_depth=given["D"], combining="coherent")
    strategy = strategy_named(given["strategy"], radio)
    campaign = vd.place(strategy, room, given["M"], given["N"], seed=0)
    optimizer = given["optimizer"]
    if optimizer == "adam" and given["parametrisation"] == "ln σ":
        optimizer = "adam_log"
    return Point(
        "search", room, campaign, radio, (optimizer,), "itu", "same_paths", seeds,
        noise_db=given["noise_db"], prior_width=TRUTH_WIDTH,
        learning_rate=given.get("learning_rate"), loss=given.get("loss", "squared"),
    )  # fmt: skip


def main(
    quick: Annotated[bool, typer.Option("--quick", help="16 configurations, 5 seeds.")] = False,
    runner: Annotated[
        Literal["pool", "tune"], typer.Option(help="Optuna here, or Ray Tune.")
    ] = "pool",
    points: Annotated[
        int | None, typer.Option(min=1, help="Configurations [default: 120; quick: 16].")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=2, help="Truths [default: 20; quick: 5].")
    ] = None,
    fresh: Annotated[
        int | None, typer.Option(min=2, help="Fresh ones for the front [default: 50; quick: 10].")
    ] = None,
    noise_db: Annotated[float, typer.Option(min=0.0, help="Noise of a level [dB].")] = 0.1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    optuna: Annotated[
        Path | None, typer.Option(help="Write the search for optuna-dashboard to this SQLite file.")
    ] = None,
    storage: Annotated[str | None, typer.Option(help=STORAGE_HELP)] = None,
    num_actors: Annotated[
        int | None,
        typer.Option(min=0, help="Ray actors; 0: this process [default: pool 0, tune the cores]."),
    ] = None,
    num_gpus: Annotated[
        float | None, typer.Option(help="GPUs of an actor, or a fraction [default: 1 if any].")
    ] = None,
    placement: Annotated[Placement, typer.Option(help="Over the nodes, or onto few.")] = "SPREAD",
) -> None:
    """Print the Pareto front of error, time and links, draw it, and say what to take by default."""
    folder = results_place(storage)
    study = Study(
        "search_quick" if quick else "search", make, SPACE,
        seeds=tuple(range(seeds or (5 if quick else 20))),
        base={"room": vd.box_room(), "noise_db": noise_db},
        num_points=points or (16 if quick else 120),
        objectives=("mre", "seconds", "links"),
    )  # fmt: skip
    ledger = Ledger(folder)
    if num_actors is None:
        num_actors = (runner == "tune" and os.cpu_count()) or 0
    workers = actor_options(num_actors, num_gpus, placement)
    if dry_run:
        show(f"{study.name}: {study.total} configurations of {len(study.seeds)} seeds, of which "
             f"{len(study.found(ledger))} are there, out of:")  # fmt: skip
        for name, dimension in SPACE.items():
            show(f"  {name}: {dimension}")
    elif runner == "tune":
        from vlmrt_dist.studies import run_tune

        if workers is None:
            raise ConfigurationError("Ray Tune evaluates on actors: --num-actors must be 1 or more")
        run_tune(study, ledger, workers=workers)
    else:
        from vlmrt_dist.studies import run_pool

        with point_bar(study.name) as progress:
            run_pool(study, ledger, workers=workers, progress=progress)
    found = study.found(ledger)
    if optuna is not None:
        from vlmrt_dist.studies import write_optuna

        show(f"optuna-dashboard sqlite:///{write_optuna(study, found, optuna)}")
    if dry_run:
        return
    _report(study, ledger, folder, fresh or (10 if quick else 50), workers)


def _report(
    study: Study, ledger: Ledger, folder: Place, fresh: int, workers: ActorOptions | None
) -> None:
    from vlmrt_dist.report import front_figure, front_table, recommended
    from vlmrt_dist.studies import run_pool

    found = study.found(ledger)
    checked = again(study, best(study, found), range(FRESH, FRESH + fresh))
    with point_bar(f"{study.name}, fresh seeds") as progress:
        rows = run_pool(checked, ledger, workers=workers, progress=progress)
    front = best(checked, rows)
    title = f"Error at {study.base['noise_db']:g} dB, time, links: {study.total} configurations"
    show(front_table(f"{title}, front on {fresh} fresh seeds", checked, front))
    chosen = recommended(checked, front)
    if chosen is None:
        show("no configuration ended at finite numbers")
        sys.exit(1)
    show(f"recommended (fewest links within one standard error of the best): {text(chosen.params)}")
    path = folder / f"{study.name}.png"
    figure = front_figure(title, study, found, checked, front, path)
    show(f"rows: {ledger.folder(study.name)}\nfigure: {figure}")


if __name__ == "__main__":
    run_script(main, __doc__)
