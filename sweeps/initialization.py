#!/usr/bin/env python3
"""How much does a good start help? The paper's Figures 3 and 4.

The paper: K = 9, M = 3, N = 8, D = 4, VLMSel. With --vlm an advisor gives VLMInit and VLMSel;
otherwise the ITU values of the named materials stand for VLMInit and D-optimal positions for
VLMSel. Each seed is a truth σ = λ σ_ITU; RandInit draws another start for each.

VLMInit            starts at the conductivities of the named materials
VLMInit w/o DRT    stays there: its error is the initial one
UnifInit           starts every object at the average of the objects' materials
UnifInit, table    starts every object at the average of ITU-R P.2040's materials (the paper does
                   not say which average it takes; no claim is judged by this one)
RandInit           starts every object between 0.01 and 0.06 S/m at random

Truth and estimate share one solve of 5000 rays, as the paper's numbers imply (same_paths).
Iterations are those until the error stays below 1 %, because Adam's stop rule (13) is met by none.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import Initial
from vlmrt_dist.report import (
    cdf_figure,
    convergence_figure,
    labelled,
    of_method,
    of_the_paper,
    starts_table,
    without_drt,
)
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

NAMES: dict[Initial, str] = {"itu": "VLMInit", "uniform": "UnifInit",
                             "uniform_table": "UnifInit, table", "random": "RandInit"}  # fmt: skip


@sweep("initialization", seeds=100, quick={"seeds": 10})
def main(
    run: Sweep,
    rays: int = 5000,
    depth: int = 4,
    methods: tuple[Method, ...] = ("adam", "levenberg_marquardt"),
    starts: tuple[Initial, ...] = ("itu", "uniform", "uniform_table", "random"),
    protocol: Protocol = "same_paths",
    options: StudyOptions = StudyOptions(),
    where: PositionOptions = PositionOptions(),
) -> None:
    """Print the errors behind the paper's Figures 3 and 4 and draw both.

    :param rays: rays of the one solve
    :param depth: ray-tracing depth D
    :param methods: optimizers; the figures show adam
    :param starts: where they start; itu: VLMInit, also where an advisor gives it
    :param protocol: which paths the truth has
    :param options: configuration, truth and solver
    :param where: positions of the antennas
    """
    run, count = run.variant(where.variant, options.variant), len(run.seeds)
    room, radio = vd.box_room(), options.radio(samples_per_src=rays, max_depth=depth)
    advice, positions = where.chosen(run, room, radio)
    begun: dict[str, Initial] = {
        NAMES.get(start, start): "vlm" if advice and start == "itu" else start for start in starts
    }
    others = where.label | differing({"D": (depth, 4), "U": (rays, 5000)})
    points = [
        Point(run.study, room, positions, radio, methods, start, protocol, seeds=run.seeds,
              label={"start": name, **others, **(advice.label if advice else {})},
              priors=(advice.prior,) * count if advice and start == "vlm" else None)
        for name, start in begun.items()
    ]  # fmt: skip
    rows = run.rows(options.points(points))
    by_start = {name: labelled(rows, start=name) for name in begun}
    show(starts_table(f"Figures 3 and 4: starts, {count} seeds", by_start))
    show(*of_the_paper(run.study, rows))
    if advice:
        show(str(advice))
    adam = {name: of_method(some, "adam") for name, some in by_start.items()}
    still = {"VLMInit w/o DRT": without_drt(adam["VLMInit"])} if "VLMInit" in adam else {}
    curves = still | adam
    initial = {name: [100.0 * r.initial_mre for r in of_method(some, methods[0])]
               for name, some in by_start.items()}  # fmt: skip
    run.close(
        convergence_figure(f"Figure 3: Adam, N = {where.receivers}", curves, run.figure()),
        cdf_figure(f"Figure 4: {count} truths", "initial MRE [%]", initial, run.figure("_cdf")),
    )


if __name__ == "__main__":
    main.script()
