#!/usr/bin/env python3
"""Which configuration gives a small error at a small cost? A search, and the default it suggests.

Placement strategy, setups M, receivers N, depth D, optimizer, its parametrisation and learning rate
or its loss, in the paper's room, at a stated noise (coherent, 5000 rays, same_paths), for three
objectives: the mean relative error, wall time, and the number of links. Truth and estimate have the
same depth, so D says what longer paths tell, not what leaving them out costs; an estimate knows the
noise. Truths are the paper's, and the prior of "map" is as wide, 0.1.

Each configuration is evaluated on some seeds; the Pareto front then again on fresh ones, since what
was the best of many on some seeds was lucky on them. Only those are reported.

The search is kept in the ledger. For optuna-dashboard: python sweeps/search.py --stored-only
--optuna search.db && optuna-dashboard sqlite:///search.db
"""

import vlmrt_dist.program  # isort: split

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import vlmrt_dist as vd
from vlmrt_dist.command_line import leave
from vlmrt_dist.console import point_bar, show
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import ActorOptions
from vlmrt_dist.extras import need
from vlmrt_dist.placement import strategy_named
from vlmrt_dist.report import front_figure, front_table, recommended
from vlmrt_dist.studies import (
    Choice,
    Found,
    Point,
    Range,
    Space,
    Study,
    Sweep,
    TrackerName,
    again,
    best,
    run_pool,
    sweep,
    text,
    trackers_named,
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
FRESH = 1_000_000
"""First seed of those that the front is evaluated on again."""


def make(given: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    """Choose positions and state the point of one configuration."""
    room: vd.SceneModel = given["room"]
    radio = vd.RadioConfig.paper(max_depth=given["D"], combining="coherent")
    strategy = strategy_named(given["strategy"], radio)
    campaign = vd.place(strategy, room, given["M"], given["N"], seed=0)
    optimizer = given["optimizer"]
    if optimizer == "adam" and given["parametrisation"] == "ln σ":
        optimizer = "adam_log"
    return Point(
        "search", room, campaign, radio, (optimizer,), "itu", "same_paths", seeds,
        noise_db=given["noise_db"], prior_width=0.1,
        learning_rate=given.get("learning_rate"), loss=given.get("loss", "squared"),
    )  # fmt: skip


@sweep("search", seeds=20, quick={"seeds": 5, "points": 16, "fresh": 10})
def main(
    run: Sweep,
    runner: Literal["pool", "tune"] = "pool",
    points: int = 120,
    fresh: int = 50,
    noise_db: float = 0.1,
    optuna: Path | None = None,
    stored_only: bool = False,
    callback: tuple[TrackerName, ...] = (),
) -> None:
    """Print the Pareto front of error, time and links, draw it, and say what to take by default.

    :param runner: Optuna here, or Ray Tune, on as many actors as cores unless they are given
    :param points: configurations
    :param fresh: fresh seeds for the front
    :param noise_db: noise of a level [dB]
    :param optuna: add the search to this SQLite file for optuna-dashboard
    :param callback: report every configuration to mlflow, wandb or tensorboard; may be repeated
    :param stored_only: evaluate nothing; with --optuna, for a look at a search that is running
    """
    study = Study(
        run.study, make, SPACE, seeds=run.seeds, num_points=points,
        base={"room": vd.box_room(), "noise_db": noise_db}, objectives=("mre", "seconds", "links"),
    )  # fmt: skip
    workers = run.workers
    compute = not (run.options.dry_run or stored_only)
    trackers = trackers_named(callback, study, run.folder) if callback and compute else ()
    if not compute:
        show(f"{study.name}: {study.total} configurations of {len(study.seeds)} seeds, of which "
             f"{len(study.found(run.ledger))} are there, out of:")  # fmt: skip
        show(*(f"  {name}: {dimension}" for name, dimension in SPACE.items()))
    elif runner == "tune":
        need("ray", "ray", "--runner tune")
        from vlmrt_dist.studies import run_tune

        workers = workers or run.options.actors(usable_cores())
        run_tune(study, run.ledger, workers=workers, callbacks=trackers)
    else:
        with point_bar(study.name) as progress:
            run_pool(study, run.ledger, workers=workers, progress=progress, callbacks=trackers)
    found = study.found(run.ledger)
    if optuna is not None and not run.options.dry_run:
        from vlmrt_dist.studies import write_optuna

        show(f"optuna-dashboard sqlite:///{write_optuna(study, found, optuna)}")
    if compute:
        _report(run, study, found, fresh, workers)


def _report(
    run: Sweep, study: Study, found: list[Found], fresh: int, workers: ActorOptions | None
) -> None:
    """Evaluate the front again on fresh seeds, and print and draw it."""
    checked = again(study, best(study, found), range(FRESH, FRESH + fresh))
    with point_bar(f"{study.name}, fresh seeds") as progress:
        rows = run_pool(checked, run.ledger, workers=workers, progress=progress)
    front = best(checked, rows)
    title = f"Error at {study.base['noise_db']:g} dB, time, links: {study.total} configurations"
    show(front_table(f"{title}, front on {fresh} fresh seeds", checked, front))
    chosen = recommended(checked, front)
    if chosen is None:
        show("no configuration ended at finite numbers")
        leave(1)
    show(f"recommended (fewest links within one standard error of the best): {text(chosen.params)}")
    run.close(front_figure(title, study, found, checked, front, run.figure()))


if __name__ == "__main__":
    main.script()
