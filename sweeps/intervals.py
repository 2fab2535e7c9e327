#!/usr/bin/env python3
"""Do the intervals hold what they say? Truths drawn from the prior that the estimator is given.

The twenty problems with two or more minima (metal or weak dielectric walls; conductivity and
thickness of a partition; a floor slab against an offset; a wrong class in the paper's room) at
several widths of the prior, and the paper's room (M = 3, N = 8, random positions, the default
prior) at several levels of noise. Counted for each verdict: the answers none of whose intervals
holds the truth. Of those called "estimated" these may be 7 % at most.
"""

import vlmrt_dist.program  # isort: split

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.console import show
from vlmrt_dist.report import interval_figure, interval_table
from vlmrt_dist.studies import CoverageTask, Sweep, counted, coverage_cases, sweep


@sweep("intervals", seeds=50, quick={"seeds": 3})
def main(
    run: Sweep,
    widths: tuple[float, ...] = (0.5, 1.5, 5.0),
    noises_db: tuple[float, ...] = (0.1, 1.0, 3.0),
    room_truths: int = 20,
) -> None:
    """Count the answers that miss the truth, by verdict.

    The seeds are the truths of each of the twenty problems at each width.

    :param widths: prior standard deviations of ln σ of the problems with two minima
    :param noises_db: noise of a level in the room [dB]
    :param room_truths: truths of the room at each noise, as a multiple of the seeds
    """
    positions = random_campaign(vd.box_room(), 3, 8, seed=0)
    count = len(run.seeds)
    tasks = []
    for case in coverage_cases(widths, noises_db, positions):
        number = count * room_truths if case.name == "box_room" else count
        tasks.append(CoverageTask(case, number))
    timings = run.timings(tasks, partial(CoverageTask.measure, study=run.study))
    groups = counted(timings)
    title = f"Answers whose intervals miss the truth; {count} truths a problem and width"
    show(interval_table(title, groups))
    run.close(interval_figure(groups, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
