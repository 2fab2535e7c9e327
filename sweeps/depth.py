#!/usr/bin/env python3
"""How does the error depend on the ray-tracing depth D? The paper's Table 1 beside ours.

The paper: K = 9, M = 3, N = 8, 5000 rays, VLMInit and VLMSel. With --vlm an advisor gives both;
otherwise the ITU values of the named materials stand for VLMInit and D-optimal positions, chosen at
the smallest depth, for VLMSel. As in the paper, all depths share the positions. Each seed is a
truth σ = λ σ_ITU.

same_paths    one solve of 5000 rays makes the truth and the estimate, as the paper's numbers imply
exact         truth and estimate have every path up to D
independent   the estimate has every path up to D, the truth those of another solver: a union of
              Sionna's solves
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import TABLE_1, comparison, comparison_figure, of_the_paper
from vlmrt_dist.studies import (
    Method,
    Point,
    PositionOptions,
    Protocol,
    ReportedProtocol,
    StudyOptions,
    Sweep,
    differing,
    sweep,
)


@sweep("depth", seeds=100, quick={"seeds": 5, "depths": (1, 4)})
def main(
    run: Sweep,
    depths: tuple[int, ...] = (1, 2, 4, 6),
    rays: int = 5000,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    protocols: tuple[ReportedProtocol, ...] = ("same_paths", "exact"),
    options: StudyOptions = StudyOptions(),
    where: PositionOptions = PositionOptions(),
) -> None:
    """Print the paper's Table 1 (error against ray-tracing depth) beside ours.

    :param depths: ray-tracing depths D
    :param rays: rays of the one solve of same_paths
    :param methods: optimizers
    :param protocols: which paths truth and estimate have
    :param options: configuration, truth and solver
    :param where: positions of the antennas
    """
    run = run.variant(where.variant, options.variant)
    cases: dict[ReportedProtocol, tuple[vd.RadioConfig, Protocol]] = {
        "same_paths": (options.radio(samples_per_src=rays), "same_paths"),
        "exact": (options.exact_radio(), "same_paths"),
        "independent": (options.exact_radio(), "independent"),
    }
    room = vd.box_room()
    advice, positions = where.chosen(run, room, options.radio(max_depth=min(depths)))
    others = where.label | differing({"U": (rays, 5000)})
    points = [
        Point(run.study, room, positions, radio.replace(max_depth=depth), methods,
              "vlm" if advice else "itu", protocol, seeds=run.seeds,
              label={"D": depth} | others | (advice.label if advice else {}),
              priors=(advice.prior,) * len(run.seeds) if advice else None)
        for depth in depths
        for radio, protocol in map(cases.__getitem__, protocols)
    ]  # fmt: skip
    rows = run.rows(options.points(points))
    title = f"Table 1: error against depth, {len(run.seeds)} seeds"
    paper = {depth: TABLE_1.get(depth) for depth in depths}
    show(*comparison(title, "max_depth", "D", paper, rows), *of_the_paper(run.study, rows))
    if advice:
        show(str(advice))
    run.close(comparison_figure(title, "max_depth", "D", paper, rows, run.figure()))


if __name__ == "__main__":
    main.script()
