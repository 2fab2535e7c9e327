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

import vlmrt_dist.program  # isort: split

from functools import partial

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining
from vlmrt_dist.console import show
from vlmrt_dist.report import misnaming_figure, search_table, trust_table
from vlmrt_dist.scene import MaterialPrior, conductivity_table, misnamed, prior_from_classes
from vlmrt_dist.studies import Point, Protocol, Sweep, optimal, sweep

FREQUENCY = vd.RadioConfig.frequency
TABLE = conductivity_table(FREQUENCY)


@sweep(
    "vlm_errors",
    seeds=20,
    quick={"seeds": 5, "rates": (0.0, 0.2), "protocol": "same_paths"},
)
def main(
    run: Sweep,
    rates: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.4),
    overconfident: float = 0.95,
    noise_db: float = 0.1,
    combinings: tuple[Combining, ...] = ("power", "coherent"),
    protocol: Protocol = "independent",
) -> None:
    """Print what misnamed materials do to search, error and coverage.

    :param rates: probability p that an object is taken for another class
    :param overconfident: confidence of a model that is too sure of itself
    :param noise_db: noise of a level, where there is some [dB]
    :param combinings: add the paths' powers, or their complex amplitudes
    :param protocol: independent: the estimate has every path, the truth a union of Sionna's solves;
        same_paths: both have every path
    """
    room = vd.box_room()
    radio = vd.RadioConfig()
    positions = optimal(run, room, radio)
    point = partial(Point, run.study, room, positions, initial="vlm", seeds=run.seeds,
                    protocol=protocol)  # fmt: skip
    points: list[Point] = []
    wrong: dict[tuple[float, int], np.ndarray] = {}
    for rate in rates:
        said = [misnamed(room.materials, rate, TABLE, frequency=FREQUENCY, seed=s)
                for s in run.seeds]  # fmt: skip
        wrong |= {(rate, s): np.array(said[s]) != room.materials for s in run.seeds}
        believe = partial(priors_of, room.names, said)
        points.append(point(radio, ("adam", "levenberg_marquardt"), priors=believe(1.0 - rate),
                            label={"misnamed": rate, "confidence": "none"}))  # fmt: skip
        points += [
            point(radio.replace(combining=combining), ("map",), priors=believe(confidence),
                  label={"misnamed": rate, "confidence": name}, noise_db=noise_db)
            for combining in combinings
            for name, confidence in (("1 - p", 1.0 - rate), (f"{overconfident:g}", overconfident))
        ]  # fmt: skip
    rows = run.rows(points)
    title = f"{len(run.seeds)} seeds, {rows[0].protocol}"
    show(search_table(f"Search from misnamed materials: no noise, no prior, {title}", rows))
    show(*trust_table(f"Priors of misnamed materials: {noise_db:g} dB, {title}", rows, wrong))
    run.close(misnaming_figure(title, rows, wrong, run.figure()))


def priors_of(
    names: tuple[str, ...], said: list[list[str]], confidence: float
) -> tuple[MaterialPrior, ...]:
    """The prior of each seed, as wide as the truths are drawn."""
    trust, source = [confidence] * len(names), ["misnamed at random"] * len(names)
    return tuple(
        prior_from_classes(names, materials, trust, source, TABLE,
                       frequency=FREQUENCY, class_width=0.1)
        for materials in said
    )  # fmt: skip


if __name__ == "__main__":
    main.script()
