#!/usr/bin/env python3
"""How many receivers does a setup need? The paper's Figure 6: N = 2, 3, 4, 8.

The paper: K = 9, M = 3, VLMInit and VLMSel; N = 2 is under-determined, with 6 links for 9 unknowns.
Here the ITU values stand for VLMInit; positions are those of the offline advisor (VLMSel's
stand-in) and D-optimal ones. Truth and estimate share one solve of 5000 rays (same_paths).

An object has no bound where the links alone, without a prior, leave a direction of it open.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import (
    convergence_figure,
    labelled,
    of_method,
    of_the_paper,
    receivers_table,
)
from vlmrt_dist.studies import Method, Point, StudyOptions, Sweep, differing, planned, sweep

NAMES = {"random": "RandSel", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal"}


@sweep("receivers", seeds=100, quick={"seeds": 3})
def main(
    run: Sweep,
    receivers: tuple[int, ...] = (2, 3, 4, 8),
    placements: tuple[str, ...] = ("vlm", "d_optimal"),
    depth: int = 4,
    rays: int = 5000,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print the errors behind the paper's Figure 6 and draw their convergence.

    :param receivers: numbers of receivers N
    :param placements: ways to choose positions
    :param depth: ray-tracing depth D
    :param rays: rays of the one solve
    :param methods: optimizers
    :param options: configuration, truth and solver
    """
    run = run.variant(options.variant)
    room, radio = vd.box_room(), options.radio(max_depth=depth, samples_per_src=rays)
    plans = {(NAMES.get(s, s), n): planned(run, room, s, n, radio)
             for s in placements for n in receivers}  # fmt: skip
    others = differing({"D": (depth, 4), "U": (rays, 5000)})
    points = [
        Point(run.study, room, campaign, radio, methods, "itu", "same_paths", run.seeds,
              {"positions": name, "N": n, **others})
        for (name, n), (campaign, _) in plans.items()
    ]  # fmt: skip
    rows = run.rows(options.points(points))
    expected = {size: prediction for size, (_, prediction) in plans.items()}
    title = f"Figure 6: receivers, {len(run.seeds)} seeds"
    show(receivers_table(title, rows, expected, room.names))
    show(*of_the_paper(run.study, rows))
    curves = {f"{name}, N = {n}": of_method(labelled(rows, positions=name, N=n), "adam")
              for name, n in plans}  # fmt: skip
    run.close(convergence_figure("Adam, M = 3", curves, run.figure()))


if __name__ == "__main__":
    main.script()
