#!/usr/bin/env python3
"""How does the error depend on the number of rays U? The paper's Table 2 beside ours.

The paper: K = 9, M = 3, N = 8, VLMInit and VLMSel, U = 3000 to 6000; its setup has D = 4. With
--vlm an advisor gives both; otherwise the ITU values of the named materials stand for VLMInit and
D-optimal positions for VLMSel. All U share the positions. Each seed is a truth σ = λ σ_ITU.

same_paths    one solve of U rays makes the truth and the estimate, as the paper's numbers imply
independent   one solve of U rays makes the estimate, the truth has every path, found exactly: this
              is what rays are for
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import TABLE_2, comparison, comparison_figure, of_the_paper
from vlmrt_dist.studies import (
    Method,
    Point,
    PositionOptions,
    Protocol,
    StudyOptions,
    Sweep,
    differing,
    sweep,
)

BEYOND = (100_000,)
"""Rays beyond the paper's."""


@sweep("rays", seeds=100, quick={"seeds": 5, "rays": (3000, 6000, 100_000)})
def main(
    run: Sweep,
    rays: tuple[int, ...] = (*TABLE_2, *BEYOND),
    depth: int = 4,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    protocols: tuple[Protocol, ...] = ("same_paths", "independent"),
    options: StudyOptions = StudyOptions(),
    where: PositionOptions = PositionOptions(),
) -> None:
    """Print the paper's Table 2 (error against number of rays) beside ours.

    :param rays: numbers of rays U
    :param depth: ray-tracing depth D
    :param methods: optimizers
    :param protocols: which paths the truth has
    :param options: configuration, truth and solver
    :param where: positions of the antennas
    """
    run = run.variant(where.variant, options.variant)
    room, radio = vd.box_room(), options.radio(max_depth=depth)
    advice, positions = where.chosen(run, room, radio)
    others = where.label | differing({"D": (depth, 4)})
    points = [
        Point(run.study, room, positions, radio.replace(samples_per_src=u), methods,
              "vlm" if advice else "itu", protocol, seeds=run.seeds,
              label={"U": u} | others | (advice.label if advice else {}),
              priors=(advice.prior,) * len(run.seeds) if advice else None)
        for u in rays
        for protocol in protocols
    ]  # fmt: skip
    rows = run.rows(options.points(points))
    title = f"Table 2: error against rays, {len(run.seeds)} seeds"
    paper = {u: TABLE_2.get(u) for u in rays}
    show(*comparison(title, "samples_per_src", "U", paper, rows), *of_the_paper(run.study, rows))
    if advice:
        show(str(advice))
    run.close(comparison_figure(title, "samples_per_src", "U", paper, rows, run.figure()))


if __name__ == "__main__":
    main.script()
