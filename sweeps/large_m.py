#!/usr/bin/env python3
"""What does tracing cost as the number of links grows, and what do the paths of all of them take?

Random positions in the paper's room, every path, nothing in the cache. Setups are written to one
Arrow file as they are traced, which is then read by memory map and evaluated. Each size is measured
in a process of its own, so that its peak memory is its own; one that the ledger has, from the same
hardware and versions, is not measured again. The smallest is compared with a union of Sionna's
solves.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import links_figure, links_findings, links_table
from vlmrt_dist.studies import Sweep, TracingTask, sizes_of, sweep, tracing_cost


@sweep("large_m", quick={"sizes": ("3x8", "10x10", "10x50"), "rays": 20_000})
def main(
    run: Sweep,
    sizes: tuple[str, ...] = ("3x8", "10x10", "10x100", "100x100"),
    depth: int = 4,
    rays: int = 100_000,
) -> None:
    """Measure, print and draw time and memory against the number of links.

    :param sizes: setups x receivers
    :param depth: most interactions of a path
    :param rays: rays of one of Sionna's solves, for the comparison
    """
    wanted = sizes_of(sizes)
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=rays)
    tasks = [TracingTask(run.study, *size, radio, seed, compared=size == wanted[0])
             for seed in run.seeds for size in wanted]  # fmt: skip
    costs = [tracing_cost(timing) for timing in run.timings(tasks, TracingTask.measure)]
    show(links_table(costs, radio), *links_findings(costs))
    run.close(links_figure(costs, run.figure()), timings=True)


if __name__ == "__main__":
    main.script()
