#!/usr/bin/env python3
"""How much does a good start help? The paper's Figures 3 and 4.

The paper: K = 9, M = 3, N = 8, D = 4, VLMSel. With --vlm an advisor gives VLMInit and VLMSel;
otherwise the ITU values of the named materials stand for VLMInit and D-optimal positions for
VLMSel. Each seed is a truth σ = λ σ_ITU; RandInit draws another start for each.

VLMInit            starts at the conductivities of the named materials
VLMInit w/o DRT    stays there: its error is the initial one
UnifInit           starts every object at the materials' average
RandInit           starts every object between 0.01 and 0.06 S/m at random

Truth and estimate share one solve of 5000 rays, as the paper's numbers imply (same_paths).
Iterations are those until the error stays below 1 %, because Adam's stop rule (13) is met by none.
"""

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import Initial, LinkLoss
from vlmrt_dist.report import (
    CLAIMS,
    cdf_figure,
    convergence_figure,
    initialization_claims,
    labelled,
    of_method,
    starts_table,
    without_drt,
)
from vlmrt_dist.studies import Method, Point, Protocol, Sweep, advised, solved_with, sweep
from vlmrt_dist.vlm import AdvisorName


@sweep("initialization", seeds=100, quick={"seeds": 10})
def main(
    run: Sweep,
    rays: int = 5000,
    depth: int = 4,
    methods: tuple[Method, ...] = ("adam", "adam_fine", "levenberg_marquardt"),
    protocol: Protocol = "same_paths",
    rate: float | None = None,
    loss: LinkLoss = "squared",
    vlm: AdvisorName | None = None,
) -> None:
    """Print the errors behind the paper's Figures 3 and 4 and draw both.

    :param rays: rays of the one solve
    :param depth: ray-tracing depth D
    :param methods: optimizers; the figures show adam
    :param protocol: which paths the truth has
    :param rate: Adam's η [S/m]; default: the method's own
    :param loss: how large residuals count for the methods that are not Adam
    :param vlm: advisor that gives VLMInit and VLMSel; default: none
    """
    run, count = run.variant(vlm), len(run.seeds)
    room, radio = vd.box_room(), vd.RadioConfig.paper(samples_per_src=rays, max_depth=depth)
    advice, positions = advised(run, vlm, room, radio)
    starts: dict[str, Initial] = {
        "VLMInit": "vlm" if advice else "itu", "UnifInit": "uniform", "RandInit": "random"
    }  # fmt: skip
    points = [
        Point(run.study, room, positions, radio, methods, start, protocol, seeds=run.seeds,
              label={"start": name, **(advice.label if advice else {})},
              priors=(advice.prior,) * count if advice and start == "vlm" else None)
        for name, start in starts.items()
    ]  # fmt: skip
    rows = run.rows([part for point in points for part in solved_with(point, rate, loss)])
    by_start = {name: labelled(rows, start=name) for name in starts}
    show(starts_table(f"Figures 3 and 4: starts, {count} seeds", by_start))
    show(f"the paper's Figure 3: {CLAIMS['Figure 3']}")
    show(f"the paper's Figure 4: {CLAIMS['Figure 4']}", *map(str, initialization_claims(rows)))
    if advice:
        show(str(advice))
    adam = {name: of_method(some, "adam") for name, some in by_start.items()}
    curves = {"VLMInit w/o DRT": without_drt(adam["VLMInit"])} | adam
    initial = {name: [100.0 * r.initial_mre for r in some] for name, some in adam.items()}
    run.close(
        convergence_figure("Figure 3: Adam, η = 1e-3, N = 8", curves, run.figure()),
        cdf_figure(f"Figure 4: {count} truths", "initial MRE [%]", initial, run.figure("_cdf")),
    )


if __name__ == "__main__":
    main.script()
