#!/usr/bin/env python3
"""How fast are the exact search, and replay, against tracing by Sionna? Ratios in one run.

paths: processor seconds of the exact search on one thread, set and path table, in the paper's room
against the union of Sionna's solves of a million rays, with the paths that only one of them has;
then 10,000 links, a room of 2000 objects, munich, a pool of candidate positions, and 1000 random
campaigns that are traced and fitted (large).

antennas: replay of links whose antennas are stated (isotropic, turned sectors, 2 × 2 ports) against
links that state none, step by step in turns.

The other parts have the paper's configuration: K = 9, M = 3, N = 8, 5000 rays. Retrace is written
as well as it can be: opaque parameters, warm kernels, no compilation in the steps that count, the
better of one and all threads; setup by setup as in the paper's Algorithm 1, and all setups in one
solve. Beside it stands the loop that Sionna's guides write, with Mitsuba's Adam.

DiffeRT, another differentiable ray tracer, reflects but does not pass through walls. Where it is
installed (pip install .[bench]) it is compared on the reflections alone, D = 2.
"""

import vlmrt_dist.program  # isort: split

import json
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from vlmrt_dist.console import say, show
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.report import (
    TABLE_1,
    phases_table,
    ratio_tables,
    steps_beside_the_paper,
    tracing_table,
)
from vlmrt_dist.store import OWN_MARK
from vlmrt_dist.studies import (
    Bench,
    PhaseSeconds,
    Ratio,
    StepSeconds,
    Sweep,
    Traced,
    hardware,
    sweep,
    time_antennas,
    time_depths,
    time_differt,
    time_every_path,
    time_large_tracing,
    time_phases,
    time_side_by_side,
    time_solving,
    time_steps,
    time_tracing,
)

Part = Literal["paths", "large", "steps", "every_path", "antennas", "fits", "seeds", "differt",
               "phases", "depths"]  # fmt: skip
PARTS: tuple[Part, ...] = ("paths", "large", "steps", "every_path", "antennas", "fits", "seeds",
                           "differt", "phases", "depths")  # fmt: skip


@dataclass
class Times:
    """What the parts measured."""

    traced: list[Traced] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    phases: list[PhaseSeconds] = field(default_factory=list)
    depths: list[StepSeconds] = field(default_factory=list)


@sweep("bench", seeds=200, quick={"parts": ("paths", "steps"), "trace_depths": (1, 2)})
def main(
    run: Sweep,
    parts: tuple[Part, ...] = PARTS,
    trace_depths: tuple[int, ...] = (1, 2, 3, 4, 6),
    steps: int = 15,
    depth: int = 4,
    deep: int = 6,
) -> None:
    """Time the exact search against Sionna's solves, and replay against retrace, and print the
    ratios. The common seeds are the most that are stepped side by side; nothing is kept in the
    ledger.

    :param parts: what is timed
    :param trace_depths: depths D of the part "paths"
    :param steps: retrace steps that count
    :param depth: ray-tracing depth D
    :param deep: larger D, at which replay has every path
    """
    run.plan(dict.fromkeys(parts, False))
    work = partial(_measured, parts, trace_depths, steps, depth, deep, len(run.seeds))
    times = run.call(work, "bench")
    show(f"on {hardware()}")
    if times.traced:
        show(tracing_table(times.traced))
    show("K = 9, M = 3, N = 8", *ratio_tables(times.ratios))
    if times.phases:
        show(phases_table(times.phases))
    if times.depths:
        show(*steps_beside_the_paper(times.depths))
    path = run.file("bench.json")
    written = {
        "program": OWN_MARK,
        "paths": [row._asdict() for row in times.traced],
        "ratios": [ratio._asdict() for ratio in times.ratios],
    }
    path.write((json.dumps(written, indent=2) + "\n").encode())
    show(f"written to {path}")


def _measured(
    parts: tuple[Part, ...],
    trace_depths: tuple[int, ...],
    steps: int,
    depth: int,
    deep: int,
    seeds: int,
) -> Times:
    """The times of all parts that are asked for."""
    prepare_engine()
    import drjit as dr

    def tell(what: str, *_: int) -> None:
        say(what)

    times = Times()
    if "paths" in parts:
        times.traced += time_tracing(trace_depths, tell)
    if "large" in parts:
        times.traced += time_large_tracing(tell)
    if not set(parts) - {"paths", "large"}:
        return times
    bench = Bench.paper(steps, tell)
    if "steps" in parts:
        times.ratios += time_steps(bench, depth)
    if "every_path" in parts:
        times.ratios += time_every_path(bench, deep)
    if "antennas" in parts:
        times.ratios += time_antennas(bench, depth)
    dr.set_thread_count(usable_cores())
    if "fits" in parts:
        times.ratios += time_solving(bench, depth)
    if "seeds" in parts:
        times.ratios += time_side_by_side(bench, depth, sorted({1, max(1, seeds // 10), seeds}))
    if "differt" in parts:
        times.ratios += time_differt(bench, 2)
    if "phases" in parts:
        times.phases += time_phases(bench, (depth, deep))
    if "depths" in parts:
        times.depths += time_depths(bench, [*TABLE_1])
    return times


if __name__ == "__main__":
    main.script()
