#!/usr/bin/env python3
"""How much faster are more actors? Strong scaling, weak scaling, seeds and estimations per second.

strong        one large campaign, its setups shared by more and more actors
weak          as many setups for every actor
seeds         points of a study, worked off by a pool of actors (K = 9, M = 3, N = 8, D = 2, Adam)
estimations   whole estimations of the paper's room, each from a random campaign to a published row,
              by number of actors and size of the blocks that they travel in; beside them those of
              as many plain processes, as far as this machine has cores for them

Joins the cluster of RAY_ADDRESS; without one, nodes are simulated on this machine, which says
something about overheads only as far as it has a core for every actor.
"""

import vlmrt_dist.program  # isort: split

import secrets
from typing import Literal, get_args

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.console import say, show
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import ActorOptions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.report import scaling_figure, scaling_tables
from vlmrt_dist.studies import (
    Point,
    ScalingResults,
    Sweep,
    estimations,
    measure_scaling,
    measure_throughput,
    nodes,
    rate_of_processes,
    seeds_per_second,
    sweep,
)

Part = Literal["strong", "weak", "seeds", "estimations"]
PARTS: tuple[Part, ...] = get_args(Part)
QUICK = {"seeds": 4, "setups": 2, "receivers": 16, "repeats": 3, "each": 60, "blocks": (1.0,)}


@sweep("scaling", seeds=32, quick=QUICK)
def main(
    run: Sweep,
    parts: tuple[Part, ...] = PARTS,
    actors: tuple[int, ...] = (1, 2),
    setups: int = 16,
    receivers: int = 128,
    boxes: int = 35,
    repeats: int = 15,
    each: int = 300,
    blocks: tuple[float, ...] = (0.1, 1.0, 3.0),
) -> None:
    """Measure and print strong and weak scaling and the throughput of a pool. The common seeds are
    parameter vectors side by side; --num-actors N is short for --actors 1 2 4 ... N.

    :param parts: what is measured
    :param actors: numbers of actors to compare
    :param setups: setups of an actor (weak scaling)
    :param receivers: receivers of a setup
    :param boxes: boxes in the room; K = 5 + boxes
    :param repeats: steps that are timed
    :param each: estimations that each actor makes, for each size of blocks
    :param blocks: time that a block of estimations takes [s]
    """
    if not all(0.0 <= block < np.inf for block in blocks):
        raise ConfigurationError("--blocks are times in seconds, finite and not negative")
    most = run.options.num_actors
    counts = sorted({*actors} if not most else {most, *(2**i for i in range(most.bit_length()))})
    run.plan({f"{count} actors: {', '.join(parts)}": False for count in counts})
    room, radio = vd.box_room(boxes), vd.RadioConfig.paper(max_depth=3)
    whole = random_campaign(room, setups * counts[-1], receivers, seed=0)
    sigma = room.conductivity(radio.frequency)
    theta = sigma * np.random.default_rng(0).uniform(0.8, 1.2, (len(run.seeds), len(sigma)))
    whole_estimations = estimations(each * counts[-1], first=secrets.randbelow(2**62))
    results = ScalingResults()
    with nodes(simulated=counts[-1]) as where:
        say(where)
        for count in counts:
            workers = run.options.actors(count)
            part = whole.subset(range(setups * count))
            for kind, campaign, found in (
                ("strong", whole, results.strong), ("weak", part, results.weak)
            ):  # fmt: skip
                if kind in parts:
                    found.append(measure_scaling(room, campaign, radio, theta, workers, repeats))
            if "seeds" in parts:
                results.seeds.append((count, seeds_per_second(_points(3 * count), workers)))
            if "estimations" in parts:
                # The same for all, as some take twenty times as long as others; their paths are
                # found in less time than is worth a place in the cache.
                _estimate(results, workers, whole_estimations[: each * count], blocks)
            say(f"{count} of up to {counts[-1]} actors measured")
    show(*scaling_tables(results), f"on {where}")
    target = run.file(f"{run.study}.json")
    target.write(results.to_json(where))
    show(f"results: {target}\nfigure: {scaling_figure(results, run.figure())}")


def _estimate(
    results: ScalingResults,
    workers: ActorOptions,
    points: list[Point],
    blocks: tuple[float, ...],
) -> None:
    """Estimations by block size, and in plain processes as far as there are cores for them."""
    for block in blocks:
        results.estimations.append(measure_throughput(points, workers, block))
    if workers.num_actors <= usable_cores():
        results.processes[workers.num_actors] = rate_of_processes(points, workers.num_actors)


def _points(count: int) -> list[Point]:
    """Points of equal work: K = 9, M = 3, N = 8, D = 2, Adam, 20 seeds."""
    room, radio = vd.box_room(), vd.RadioConfig.paper(max_depth=2)
    plan = random_campaign(room, 3, 8, seed=0)
    return [
        Point("scaling", room, plan, radio.replace(seed=n), ("adam",), "itu", "same_paths",
              seeds=tuple(range(20)))
        for n in range(count)
    ]  # fmt: skip


if __name__ == "__main__":
    main.script()
