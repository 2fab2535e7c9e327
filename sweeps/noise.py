#!/usr/bin/env python3
"""How much noise can the levels bear? Error and coverage of intervals from 0 to 3 dB.

The paper's room, M = 3, N = 8, D-optimal positions; truth and estimate have every path up to D = 4
(exact). Truths are the paper's, λ ~ N(1, 0.1²)
truncated to 1 ± 0.2, and the estimator's prior on ln σ has the standard deviation that goes with
them, 0.1; so "coverage" means what it should: of truths drawn from the prior that is used, up to
its truncation. Drawn beside it: the prior alone, and the Cramér-Rao bound without a prior, as the
mean error √(2/π) · std that normal errors of that standard deviation have.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining
from vlmrt_dist.console import show
from vlmrt_dist.inference import LinkLoss
from vlmrt_dist.report import noise_figure, noise_table
from vlmrt_dist.studies import Method, Point, Sweep, optimal, sweep


@sweep("noise", seeds=200, quick={"seeds": 30})
def main(
    run: Sweep,
    levels_db: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    combinings: tuple[Combining, ...] = ("coherent", "power"),
    methods: tuple[Method, ...] = ("map", "levenberg_marquardt"),
    prior_width: float = 0.1,
    loss: LinkLoss = "squared",
) -> None:
    """Print error and coverage against noise, coherent and power combining.

    :param levels_db: noise of a level [dB]
    :param combinings: add the paths' powers, or their complex amplitudes
    :param methods: with the prior (map), or without
    :param prior_width: standard deviation of ln σ before measuring; the truths' is 0.1
    :param loss: how large residuals count
    """
    room = vd.box_room()
    points = []
    for combining in combinings:
        here = vd.RadioConfig(combining=combining)
        positions = optimal(run, room, here)
        points += [
            Point(run.study, room, positions, here, methods, "itu", "same_paths", seeds=run.seeds,
                  label={"noise [dB]": noise}, noise_db=noise, prior_width=prior_width, loss=loss)
            for noise in levels_db
        ]  # fmt: skip
    rows = run.rows(points)
    title = f"Error and coverage against noise, {len(run.seeds)} seeds"
    show(noise_table(title, rows))
    run.close(noise_figure(title, rows, run.figure()))


if __name__ == "__main__":
    main.script()
