#!/usr/bin/env python3
"""What is estimated where surfaces scatter and the model's do not, and can scattering be estimated?

The paper's room (3 × 20 links, 0.2 dB), objects of one class alike. Truths scatter with one S, or
with one for each class drawn from the prior, and have four times the points of surfaces, and other
ones, than the estimates. The model takes surfaces for smooth, for scattering as they do, or for
scattering with unknown S. Counted: errors of the values called estimated, and intervals of 95 %
that hold the truth; with S drawn from the prior and unknown, these are to be 95 %.
"""

import vlmrt_dist.program  # isort: split

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import scattering_figure, scattering_table
from vlmrt_dist.studies import SURFACE_MODELS, RoughTask, SurfaceModel, Sweep, sweep


@sweep("scattering", seeds=20, quick={"seeds": 2, "shares": (0.3,), "points": 300})
def main(
    run: Sweep,
    shares: tuple[float, ...] = (0.1, 0.3, 0.5),
    models: tuple[SurfaceModel, ...] = SURFACE_MODELS,
    max_depth: int = 2,
    points: int = 1000,
) -> None:
    """Count for each scattering coefficient and model. The seeds are truths.

    :param shares: scattering coefficients of the truths; one more truth draws them from the prior
    :param models: what the estimation takes surfaces for
    :param max_depth: interactions of a path
    :param points: points of surfaces of the estimates
    """
    radio = vd.RadioConfig(max_depth=max_depth, diffuse_reflection=True, scattering_points=points)
    tasks = [
        RoughTask(share, model, len(run.seeds), radio)
        for share in (*shares, None)
        for model in models
    ]
    timings = run.timings(tasks, partial(RoughTask.measure, study=run.study))
    found = [(task, *RoughTask.found(t)) for task, t in zip(tasks, timings, strict=True)]
    show(scattering_table(found))
    run.close(scattering_figure(found, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
