#!/usr/bin/env python3
"""Do good positions matter as much as a good start? The paper's Figure 5.

The paper: K = 9, M = 3, N = 3, D = 4; VLMInit or RandInit with VLMSel or RandSel. Here the ITU
values of the named materials stand for VLMInit, the offline advisor's positions for VLMSel, and
optimal positions are added, as the pool of candidates has them and refined by a local search. Each
seed is a truth with random and advised positions of its own.

Truth and estimate share one solve of 5000 rays, as the paper's numbers imply (same_paths). The
predicted standard deviation is that of ln σ at 0.1 dB of noise and a prior of 50 %.
"""

import vlmrt_dist.program  # isort: split

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import Initial
from vlmrt_dist.report import (
    convergence_figure,
    labelled,
    of_method,
    of_the_paper,
    placement_table,
)
from vlmrt_dist.studies import (
    Method,
    Point,
    StudyOptions,
    Sweep,
    chosen_positions,
    differing,
    predicted,
    sweep,
)

NAMES = {"random": "RandSel", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal",
         "a_optimal": "A-optimal", "d_optimal_refined": "D-optimal, refined",
         "a_optimal_refined": "A-optimal, refined"}  # fmt: skip
STARTS: dict[Initial, str] = {"itu": "VLMInit", "random": "RandInit"}


@sweep("placement", seeds=100, quick={"seeds": 3})
def main(
    run: Sweep,
    placements: tuple[str, ...] = (
        "random",
        "vlm",
        "d_optimal",
        "a_optimal",
        "d_optimal_refined",
        "a_optimal_refined",
    ),
    starts: tuple[Initial, ...] = ("itu", "random"),
    setups: int = 3,
    receivers: int = 3,
    depth: int = 4,
    rays: int = 5000,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    pools: int = 1,
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print the errors behind the paper's Figure 5 and draw their convergence.

    :param placements: ways to choose positions
    :param starts: where the optimizers start
    :param setups: setups M
    :param receivers: receivers N of a setup
    :param depth: ray-tracing depth D
    :param rays: rays of the one solve
    :param methods: optimizers
    :param pools: random pools for each optimal strategy; where there are several, the seeds' truths
        have one each
    :param options: configuration, truth and solver
    """
    run = run.variant(options.variant)
    room, radio = vd.box_room(), options.radio(max_depth=depth, samples_per_src=rays)
    campaigns = {
        s: chosen_positions(run, room, s, radio, (setups, receivers),
                            run.seeds[:pools] if "optimal" in s else run.seeds)
        for s in placements
    }  # fmt: skip
    expected = {
        NAMES.get(s, s): float(np.median([p.mean_posterior for p in
                                          predicted(run, room, some, radio)]))
        for s, some in campaigns.items()
    }  # fmt: skip
    others = differing(
        {"setups": (setups, 3), "N": (receivers, 3), "D": (depth, 4), "U": (rays, 5000)}
    )
    points = [
        Point(run.study, room, campaign, radio, methods, start, "same_paths",
              run.seeds if len(some) == 1 else (run.seeds[i],),
              {"positions": NAMES.get(strategy, strategy), "start": STARTS.get(start, start),
               **others})
        for strategy, some in campaigns.items() for start in starts
        for i, campaign in enumerate(some)
    ]  # fmt: skip
    rows = run.rows(options.points(points))
    show(placement_table(f"Figure 5: positions and start, {len(run.seeds)} seeds", rows, expected))
    show(*of_the_paper(run.study, rows))
    curves = {f"{STARTS.get(s, s)} & {name}":
              of_method(labelled(rows, positions=name, start=STARTS.get(s, s)), "adam")
              for name in expected for s in starts}  # fmt: skip
    run.close(convergence_figure(f"Adam, N = {receivers}", curves, run.figure()))


if __name__ == "__main__":
    main.script()
