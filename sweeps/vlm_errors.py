#!/usr/bin/env python3
"""How wrong may a vision-language model be? Estimations whose materials are partly misnamed.

Each object of the paper's room (K = 9, M = 3, N = 8, D = 4, D-optimal positions) is taken for
another class of the ITU table with probability p. Truths are the paper's, λ ~ N(1, 0.1²). Only the
conductivity follows the name: the relative permittivity stays as the scene states it, as the paper
assumes; a model that is wrong about that too does more harm.

no noise, no prior   Adam (paper mode) and Levenberg-Marquardt start at the names' conductivities
0.1 dB, with prior   the names' confidence is the width of the prior: 1 - p, as it should be, or
                     0.95 whatever p, as a model that is too sure of itself
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, show
from vlmrt_dist.distributed import call
from vlmrt_dist.report import misnaming_figure, search_table, trust_table
from vlmrt_dist.scene import MaterialPrior, conductivity_table, misnamed, prior_from_classes
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

RATES = (0.0, 0.05, 0.1, 0.2, 0.4)
OVERCONFIDENT = 0.95
TRUTH_WIDTH, NOISE_DB = 0.1, 0.1
FREQUENCY = vd.RadioConfig().frequency
TABLE = conductivity_table(FREQUENCY)


def main(
    quick: Annotated[
        bool, typer.Option("--quick", help="5 seeds, 0 and 20 % misnamed, one solve of 5000 rays.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Truths [default: 20; quick: 5].")
    ] = None,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
    dry_run: DryRun = False,
) -> None:
    """Print what misnamed materials do to search, error and coverage."""
    folder, study = results_place(storage), "vlm_errors_quick" if quick else "vlm_errors"
    actors = actor_options(num_actors, num_gpus, placement)
    ledger = Ledger(folder)
    truths = range(seeds or (5 if quick else 20))
    room = vd.box_room()
    radio = vd.RadioConfig.paper() if quick else vd.RadioConfig()
    choose = partial(vd.place, vd.DOptimal(radio=radio), room, 3, 8, seed=0)
    positions = call(choose, "choose positions", actors)
    point = partial(Point, study, room, positions, initial="vlm", seeds=tuple(truths),
                    protocol="same_paths" if quick else "independent")  # fmt: skip
    points: list[Point] = []
    wrong: dict[tuple[float, int], np.ndarray] = {}
    for rate in RATES if not quick else (0.0, 0.2):
        said = [misnamed(room.materials, rate, TABLE, frequency=FREQUENCY, seed=s) for s in truths]
        wrong |= {(rate, s): np.array(said[s]) != room.materials for s in truths}
        believe = partial(priors_of, room.names, said)
        points.append(point(radio, ("adam", "levenberg_marquardt"), priors=believe(1.0 - rate),
                            label={"misnamed": rate, "confidence": "none"}))  # fmt: skip
        points += [
            point(radio.replace(combining=combining), ("map",), priors=believe(confidence),
                  label={"misnamed": rate, "confidence": name}, noise_db=NOISE_DB)
            for combining in ("power", "coherent")
            for name, confidence in (("1 - p", 1.0 - rate), ("0.95", OVERCONFIDENT))
        ]  # fmt: skip
    rows = evaluated(points, ledger, actors, dry_run)
    title = f"{len(truths)} seeds, {rows[0].protocol}"
    show(search_table(f"Search from misnamed materials: no noise, no prior, {title}", rows))
    show(*trust_table(f"Priors of misnamed materials: {NOISE_DB:g} dB, {title}", rows, wrong))
    figure = misnaming_figure(title, rows, wrong, folder / f"{study}.png")
    show(f"rows: {ledger.folder(study)}\nfigure: {figure}")


def priors_of(
    names: tuple[str, ...], said: list[list[str]], confidence: float
) -> tuple[MaterialPrior, ...]:
    """What is believed of the objects, for each seed."""
    trust, source = [confidence] * len(names), ["misnamed at random"] * len(names)
    return tuple(
        prior_from_classes(names, materials, trust, source, TABLE,
                       frequency=FREQUENCY, class_width=TRUTH_WIDTH)
        for materials in said
    )  # fmt: skip


if __name__ == "__main__":
    run_script(main, __doc__)
