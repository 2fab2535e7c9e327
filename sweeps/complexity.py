#!/usr/bin/env python3
"""What does an iteration cost, against K, M, D and U? The paper's Figures 1a and 1b.

The paper: N = 3, D = 4, 5000 rays; K = 5 to 15 at M = 1, and M at K = 9. Its Tables 1 and 2 print
the time of an iteration against the depth D and the number of rays U, here at K = 9 and M = 1.
Three times: building the scene, the forward pass (received levels), the backward pass (what their
gradient costs beside).

retrace   the paper's way: a differentiable path solve for every setup in every iteration
replay    ours: traced once, the field replayed along the stored paths

Times are medians on warm kernels, kept as rows that a second run finds again. Slopes are those of
lines through the logarithms: 0 is constant, 1 linear. The random positions are free in all rooms.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.console import show
from vlmrt_dist.field import Engine
from vlmrt_dist.report import (
    HARDWARE,
    complexity_figure,
    iteration_table,
    of_the_paper,
)
from vlmrt_dist.studies import Sweep, Timed, measure, sweep


@sweep(
    "complexity",
    quick={
        "objects": (5, 15),
        "setups": (1, 4),
        "depth": 2,
        "depths": (1, 2),
        "ray_counts": (3000, 6000),
    },
)
def main(
    run: Sweep,
    objects: tuple[int, ...] = (5, 7, 9, 11, 13, 15),
    setups: tuple[int, ...] = (1, 2, 4, 8),
    depths: tuple[int, ...] = (1, 2, 4, 6),
    ray_counts: tuple[int, ...] = (3000, 4000, 5000, 6000),
    receivers: int = 3,
    depth: int = 4,
    rays: int = 5000,
    engines: tuple[Engine, ...] = ("retrace", "replay"),
) -> None:
    """Print and draw the times behind the paper's Figure 1 and Tables 1 and 2, for both engines.

    :param objects: numbers of objects K, at M = 1
    :param setups: numbers of setups M, at K = 9
    :param depths: depths D, at K = 9 and M = 1
    :param ray_counts: numbers of rays U, at K = 9 and M = 1
    :param receivers: receivers N of a setup
    :param depth: ray-tracing depth D of the others
    :param rays: rays of one solve of the others
    :param engines: what is timed
    """
    fullest = vd.box_room(max(objects) - 5)  # its boxes stand in every smaller room, or nothing
    tasks = []
    for seed in run.seeds:
        positions = random_campaign(fullest, max(setups), receivers, seed=seed)
        sizes = [
            *(("K", k, 1, depth, rays) for k in objects),
            *(("M", 9, m, depth, rays) for m in setups),
            *(("D", 9, 1, d, rays) for d in depths),
            *(("U", 9, 1, depth, u) for u in ray_counts),
        ]
        tasks += [
            Timed(run.study, {"varies": varies, "K": k, "M": m, "seed": seed}, engine,
                  vd.box_room(k - 5), positions.subset(range(m)),
                  vd.RadioConfig.paper(max_depth=d, samples_per_src=u))
            for engine in engines for varies, k, m, d, u in sizes
        ]  # fmt: skip
    timings = run.timings(tasks, measure)
    show(iteration_table("Figure 1a: M = 1", "K", timings))
    show(iteration_table("Figure 1b: K = 9", "M", timings))
    show(iteration_table("Table 1: K = 9, M = 1", "D", timings))
    show(iteration_table("Table 2: K = 9, M = 1", "U", timings))
    show(f"ours on {timings[0].hardware}, the paper's on {HARDWARE}; its seconds are not printed")
    show(*of_the_paper(run.study, timings=timings))
    run.close(complexity_figure(f"N = {receivers}", timings, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
