#!/usr/bin/env python3
"""How many estimations a second, side by side? Seeds per second against the number of seeds S.

The paper's configuration (K = 9, M = 3, N = 8, D = 4, 5000 rays, Adam with η = 1e-3, 1000
iterations) from a truth for each seed, all S of them in one kernel; and Levenberg-Marquardt, one
seed after another. Some seeds are run again alone: side by side they have the same bits.
"""

import vlmrt_dist.program  # isort: split

from vlmrt_dist.console import show
from vlmrt_dist.report import throughput_figure, throughput_growth, throughput_table
from vlmrt_dist.studies import Batch, Method, Sweep, TimedSeeds, sweep

MOST_IN_TURN = 100
"""Seeds of Levenberg-Marquardt, whose time is in proportion to them."""


@sweep("many_seeds", seeds=5, quick={"sizes": (1, 10, 100)})
def main(
    run: Sweep,
    sizes: tuple[int, ...] = (1, 10, 100, 1000),
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    iterations: int = 1000,
    depth: int = 4,
) -> None:
    """Measure, print and draw seeds per second. The common seeds are those that are run again
    alone.

    :param sizes: numbers of seeds S
    :param methods: optimizers
    :param iterations: iterations of Adam
    :param depth: most interactions of a path
    """
    wanted = sorted(set(sizes))
    batch = run.call(Batch(iterations, depth, wanted[-1]).traced, "paths")
    tasks = [TimedSeeds(run.study, method, count, batch) for method in methods for count in wanted
             if method == "adam" or count <= MOST_IN_TURN]  # fmt: skip
    timings = run.timings(tasks, TimedSeeds.measure)
    same = run.call(lambda: batch.same_alone(min(wanted[-1], 100), len(run.seeds)), "alone")
    show(throughput_table(timings), same, *throughput_growth(timings))
    run.close(throughput_figure(timings, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
