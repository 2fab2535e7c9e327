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

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import LinkLoss
from vlmrt_dist.report import CLAIMS, TABLE_1, comparison, comparison_figure, depth_claims
from vlmrt_dist.studies import (
    Method,
    Point,
    Protocol,
    ReportedProtocol,
    Sweep,
    advised,
    solved_with,
    sweep,
)
from vlmrt_dist.vlm import AdvisorName


@sweep("depth", seeds=20, quick={"seeds": 5, "depths": (1, 4)})
def main(
    run: Sweep,
    depths: tuple[int, ...] = (1, 2, 4, 6),
    rays: int = 5000,
    methods: tuple[Method, ...] = ("adam", "adam_fine", "levenberg_marquardt"),
    protocols: tuple[ReportedProtocol, ...] = ("same_paths", "exact", "independent"),
    rate: float | None = None,
    loss: LinkLoss = "squared",
    vlm: AdvisorName | None = None,
) -> None:
    """Print the paper's Table 1 (error against ray-tracing depth) beside ours.

    :param depths: ray-tracing depths D
    :param rays: rays of the one solve of same_paths
    :param methods: optimizers
    :param protocols: which paths truth and estimate have
    :param rate: Adam's η [S/m]; default: the method's own
    :param loss: how large residuals count for the methods that are not Adam
    :param vlm: advisor that gives VLMInit and VLMSel; default: none
    """
    run = run.variant(vlm)
    sampled = vd.RadioConfig.paper(samples_per_src=rays)
    cases: dict[ReportedProtocol, tuple[vd.RadioConfig, Protocol]] = {
        "same_paths": (sampled, "same_paths"),
        "exact": (vd.RadioConfig(), "same_paths"),
        "independent": (vd.RadioConfig(), "independent"),
    }
    room = vd.box_room()
    advice, positions = advised(run, vlm, room, vd.RadioConfig.paper(max_depth=min(depths)))
    points = [
        Point(run.study, room, positions, radio.replace(max_depth=depth), methods,
              "vlm" if advice else "itu", protocol, seeds=run.seeds,
              label={"D": depth} | (advice.label if advice else {}),
              priors=(advice.prior,) * len(run.seeds) if advice else None)
        for depth in depths
        for radio, protocol in map(cases.__getitem__, protocols)
    ]  # fmt: skip
    rows = run.rows([part for point in points for part in solved_with(point, rate, loss)])
    title = f"Table 1: error against depth, {len(run.seeds)} seeds"
    paper = {depth: TABLE_1.get(depth) for depth in depths}
    figure = comparison_figure(title, "max_depth", "D", paper, rows, run.figure())
    show(*comparison(title, "max_depth", "D", paper, rows))
    show(f"the paper: {CLAIMS['Table 1']}", *map(str, depth_claims(rows)))
    if advice:
        show(str(advice))
    run.close(figure)


if __name__ == "__main__":
    main.script()
