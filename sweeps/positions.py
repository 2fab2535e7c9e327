#!/usr/bin/env python3
"""Where would each way of choosing measure? The paper's Figure 8.

The paper draws the transmitters (red) and receivers (green) that RandSel and VLMSel select, for
M = 3 and N = 3 and 8. Here beside them D-optimal positions. What each tells is predicted (standard
deviation of ln σ at 0.1 dB of noise and a prior of 50 %), and tried on seeds of truths from ITU
values, truth and estimate on one solve of 5000 rays (same_paths). What the sweep of receivers has
in the same storage is not computed again.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import of_the_paper, positions_figure, positions_table
from vlmrt_dist.studies import Method, Point, StudyOptions, Sweep, differing, planned, sweep

NAMES = {"random": "RandSel", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal"}


@sweep("positions", seeds=100, quick={"seeds": 3, "receivers": (3,)})
def main(
    run: Sweep,
    receivers: tuple[int, ...] = (3, 8),
    placements: tuple[str, ...] = ("random", "vlm", "d_optimal"),
    depth: int = 4,
    rays: int = 5000,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    options: StudyOptions = StudyOptions(),
) -> None:
    """Draw the positions of the paper's Figure 8 and print the predicted uncertainty of each.

    :param receivers: numbers of receivers N
    :param placements: ways to choose positions
    :param depth: ray-tracing depth D
    :param rays: rays of the one solve
    :param methods: optimizers
    :param options: configuration, truth and solver
    """
    run = run.variant(options.variant)
    room, radio = vd.box_room(), options.radio(max_depth=depth, samples_per_src=rays)
    plans = {(s, n): planned(run, room, s, n, radio)
             for n in receivers for s in placements}  # fmt: skip
    others = differing({"D": (depth, 4), "U": (rays, 5000)})
    points = [
        Point(run.study, room, campaign, radio, methods, "itu", "same_paths", run.seeds,
              {"positions": NAMES.get(s, s), "N": n, **others})
        for (s, n), (campaign, _) in plans.items()
    ]  # fmt: skip
    rows = run.rows(options.points(points), also_in="receivers")
    expected = {(NAMES.get(s, s), n): prediction for (s, n), (_, prediction) in plans.items()}
    title = f"Figure 8: positions, M = 3, {len(run.seeds)} seeds"
    show(positions_table(title, rows, expected), *of_the_paper(run.study, rows))
    figures = []
    for (s, n), (campaign, _) in plans.items():
        title, file = f"{NAMES.get(s, s)}, M = 3, N = {n}", run.figure(f"_{s}_N{n}")
        positions_figure(room, campaign, file.renamed(".pdf"), title=title)
        figures.append(positions_figure(room, campaign, file, title=title))
    run.close(*figures)


if __name__ == "__main__":
    main.script()
