#!/usr/bin/env python3
"""How fast is replay, against tracing anew in every step? All in one run, medians and ratios.

The paper's configuration: K = 9, M = 3, N = 8, 5000 rays. Retrace is written as well as it can be:
opaque parameters, warm kernels, no compilation in the steps that count, the better of one and all
threads; setup by setup as in the paper's Algorithm 1, and all setups in one solve. Beside it stands
the loop that Sionna's guides write, with Mitsuba's Adam.

DiffeRT, another differentiable ray tracer, reflects but does not pass through walls. Where it is
installed (pip install .[bench]) it is compared on the reflections alone, D = 2.
"""

import json
import os
from functools import partial

from vlmrt_dist.console import say, show
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.report import TABLE_1, phases_table, ratio_tables, steps_beside_the_paper
from vlmrt_dist.studies import (
    Bench,
    PhaseSeconds,
    Ratio,
    StepSeconds,
    Sweep,
    hardware,
    sweep,
    time_complete_set,
    time_depths,
    time_differt,
    time_phases,
    time_side_by_side,
    time_solving,
    time_steps,
)

Times = tuple[list[Ratio], list[PhaseSeconds], list[StepSeconds]]


@sweep("bench", seeds=200)
def main(run: Sweep, steps: int = 15, depth: int = 4, deep: int = 6) -> None:
    """Time replay against retrace and print the ratios. The common seeds are the most that are
    stepped side by side; nothing is kept in the ledger.

    :param steps: retrace steps that count
    :param depth: ray-tracing depth D
    :param deep: larger D, at which replay has the complete path set
    """
    parts = ["steps"] if run.quick else ["steps", "complete set", "fits", "seeds", "DiffeRT",
                                         "phases", "depths"]  # fmt: skip
    run.plan(dict.fromkeys(parts, False))
    whole = () if run.quick else (depth, deep)
    measured = run.call(partial(_measured, steps, depth, whole, len(run.seeds)), "bench")
    ratios, phases, beside = measured
    show(f"K = 9, M = 3, N = 8 on {hardware()}", *ratio_tables(ratios))
    if phases:
        show(phases_table(phases), *steps_beside_the_paper(beside))
    path = run.folder / "bench.json"
    path.write((json.dumps([r._asdict() for r in ratios], indent=2) + "\n").encode())
    show(f"written to {path}")


def _measured(steps: int, depth: int, whole: tuple[int, ...], seeds: int) -> Times:
    """All times; those of steps only unless depths of whole estimations are given."""
    prepare_engine()
    import drjit as dr

    bench = Bench.paper(steps, lambda what, *_: say(what))
    ratios = time_steps(bench, depth)
    if not whole:
        return ratios, [], []
    ratios += time_complete_set(bench, whole[-1])
    dr.set_thread_count(os.cpu_count() or 1)
    counts = sorted({1, max(1, seeds // 10), seeds})
    ratios += time_solving(bench, depth) + time_side_by_side(bench, depth, counts)
    ratios += time_differt(bench, 2)
    return ratios, time_phases(bench, whole), time_depths(bench, [*TABLE_1])


if __name__ == "__main__":
    main.script()
