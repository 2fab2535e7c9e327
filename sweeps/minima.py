#!/usr/bin/env python3
"""Are the weights of several minima right? Twenty problems, beside long reference runs.

The twenty problems with two or more minima (metal or weak dielectric walls; conductivity and
thickness of a partition; a floor slab against an offset; a wrong class in the paper's room). Each
is fitted once; the weight of every minimum within two log-units of the best is compared with its
share of the posterior: by quadrature over the whole range where there are up to three unknowns,
else by many tempered particles, the mean of several runs.
"""

import vlmrt_dist.program  # isort: split

from functools import partial

from vlmrt_dist.console import show
from vlmrt_dist.report import minima_figure, minima_table
from vlmrt_dist.studies import (
    WEIGHT_BOUND,
    Sweep,
    Weights,
    WeightsTask,
    sweep,
    told_within,
    two_minima_problems,
)


@sweep("minima", seeds=4, quick={"seeds": 2, "particles": 512})
def main(
    run: Sweep,
    widths: tuple[float, ...] = (float("inf"),),
    particles: int = 4096,
) -> None:
    """Compare the weights of minima with long runs.

    The seeds are the runs of each reference made of particles.

    :param widths: prior standard deviations of ln σ; inf: no prior
    :param particles: of each run, a power of two
    """
    cases = [(case, width) for width in widths for case in two_minima_problems()]
    tasks = [WeightsTask(case, width, particles, len(run.seeds)) for case, width in cases]
    timings = run.timings(tasks, partial(WeightsTask.measure, study=run.study))
    found = [Weights.of(timing) for timing in timings]
    show(minima_table(f"Weights of minima; {len(run.seeds)} runs of {particles} particles", found))
    good, count = told_within(found)
    share = f"{100.0 * WEIGHT_BOUND:.0f} %"
    show(f"all weights within {share} of their references in {good} of {count} problems")
    run.close(minima_figure(found, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
