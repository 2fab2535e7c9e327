#!/usr/bin/env python3
"""What does an estimation cost as the number of objects K grows, with 4 links for each object?

The room is `box_room`, its links look through the boxes one after another, truth and estimate have
every path up to D (exact), and the levels have no noise. Each size is measured in a
process of its own, so that its peak memory is its own, and kept as a row that a second run finds
again. The paper calls the super-linear growth of its backward time "a significant computational
bottleneck, making the inverse problem intractable for complex, real-world scenes with many
materials".
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import say, show
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.report import CostByObjects
from vlmrt_dist.studies import ObjectCosts, Sweep, sweep

LEAST = 6
"""Floor, walls and one box to look through."""


@sweep("large_k", quick={"sizes": (9, 30, 100), "budget": 0.0})
def main(
    run: Sweep,
    sizes: tuple[int, ...] = (9, 15, 30, 100, 300, 1000, 2000),
    depth: int = 2,
    budget: float = 60.0,
) -> None:
    """Measure, print and draw time and memory against K, for each seed of positions and truth.

    :param sizes: numbers of objects K
    :param depth: most interactions of a path
    :param budget: seconds for retrace at one size; 0: no retrace
    """
    wanted = sorted(set(sizes))
    if wanted[0] < LEAST:
        raise ConfigurationError(f"--sizes takes numbers of {LEAST} or more")
    radio = vd.RadioConfig(max_depth=depth)
    costs = {seed: ObjectCosts(run.ledger, run.study, radio, seed, run.workers, _say)
             for seed in run.seeds}  # fmt: skip
    run.plan(
        {name: there for each in costs.values() for name, there in each.stored(wanted).items()}
    )
    figures = []
    for seed, each in costs.items():
        replay = [each.replay(k) for k in wanted]
        fixed = each.fixed(wanted)
        retrace = each.retraces(wanted, vd.RadioConfig.paper(max_depth=depth), budget)
        found = CostByObjects(replay, fixed, retrace)
        show(found.table(budget), *found.growth)
        figures.append(found.figure(run.figure(f"_{seed}" if seed else "")))
    run.close(*figures, timings=True)


def _say(what: str, *_: int) -> None:
    say(what)


if __name__ == "__main__":
    main.script()
