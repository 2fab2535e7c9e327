#!/usr/bin/env python3
"""What is an answer worth where the model is not what was measured?

A flat of ten surfaces whose true walls have layers, with furniture, receivers 10 cm from where
they are said to be, and 2 dB of shadowing; the model has a slab for each wall and none of the rest.
Fitted to 3 × 20 links, it predicts 3 × 40 new ones. Counted: the levels there that lie in their
95 % interval, and the intervals of conductivities called estimated that exclude the effective one,
with which the model comes nearest to ten times as many links without errors.
"""

import vlmrt_dist.program  # isort: split

from functools import partial
from typing import get_args

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import mismatch_figure, mismatch_table
from vlmrt_dist.studies import Counts, Mismatch, MismatchTask, NoiseModel, Sweep, sweep


@sweep("mismatch", seeds=20, quick={"seeds": 2, "lacking": ("none", "all")})
def main(
    run: Sweep,
    lacking: tuple[Mismatch, ...] = get_args(Mismatch),
    noise: tuple[NoiseModel, ...] = get_args(NoiseModel),
    max_depth: int = 3,
) -> None:
    """Count for each kind of mismatch. The seeds are truths.

    :param lacking: what the truth has and the model lacks
    :param noise: errors that the estimation knows of: the receiver's, or a scatter by clutter too
    :param max_depth: interactions of a path
    """
    radio = vd.RadioConfig(max_depth=max_depth)
    tasks = [MismatchTask(each, n, len(run.seeds), radio) for each in lacking for n in noise]
    timings = run.timings(tasks, partial(MismatchTask.measure, study=run.study))
    found = [(task, Counts.of(timing)) for task, timing in zip(tasks, timings, strict=True)]
    show(mismatch_table(found))
    run.close(mismatch_figure(found, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
