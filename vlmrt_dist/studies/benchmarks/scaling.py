"""Scaling over actors: shares of the time of a step, and seeds per second of a pool."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed import ActorObjective, ActorOptions, map_on_actors
from vlmrt_dist.extras import need
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import OWN_MARK
from vlmrt_dist.studies.benchmarks.estimation_rate import Throughput
from vlmrt_dist.studies.evaluation import evaluate
from vlmrt_dist.studies.point import Point

WARM_UP = 3


@dataclass(frozen=True)
class Shares:
    """Shares of the time of one step; medians over repeats.

    :param num_actors: actors that share the setups
    :param num_setups: M
    :param num_paths: paths of all of them
    :param trace: time until the last actor has its paths [s], once
    :param step: loss and gradient as the driver sees it [s]
    :param evaluation: the slowest actor's share, as it sees it [s]
    :param transfer: a call to all actors that computes nothing and returns as much [s]
    :param busy: processor time of the driver's own thread in a step [s]; not that of Ray's threads
    """

    num_actors: int
    num_setups: int
    num_paths: int
    trace: float
    step: float
    evaluation: float
    transfer: float
    busy: float

    @property
    def driver(self) -> float:
        """The remaining time: merging of the setups, and waiting for processors [s]."""
        return max(0.0, self.step - self.evaluation - self.transfer)


@dataclass(frozen=True, eq=False)
class ScalingResults:
    """Times of growing numbers of actors.

    :param strong: one campaign shared by all of them
    :param weak: as many setups for each of them
    :param seeds: (actors, seeds per second)
    :param estimations: whole estimations by numbers of actors and sizes of blocks
    :param processes: estimations per second of so many plain processes, by their number
    """

    strong: list[Shares] = field(default_factory=list)
    weak: list[Shares] = field(default_factory=list)
    seeds: list[tuple[int, float]] = field(default_factory=list)
    estimations: list[Throughput] = field(default_factory=list)
    processes: dict[int, float] = field(default_factory=dict)

    @property
    def by_kind(self) -> dict[str, list[Shares]]:
        """Strong and weak scaling by name."""
        kinds = {"strong": self.strong, "weak": self.weak}
        return {kind: some for kind, some in kinds.items() if some}

    def to_json(self, where: str) -> bytes:
        """JSON object of all times.

        :param where: the machines they were measured on
        """
        content: dict[str, Any] = {"program": OWN_MARK, "where": where, "seeds": self.seeds}
        for kind, some in self.by_kind.items():
            content[kind] = [vars(each) for each in some]
        content["estimations"] = [vars(each) for each in self.estimations]
        content["processes"] = self.processes
        return json.dumps(content, indent=1).encode()


def measure_scaling(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    theta: FloatArray,
    workers: ActorOptions,
    repeats: int,
) -> Shares:
    """Time an objective that actors share.

    :param campaign: M setups; what is measured does not matter to the time
    :param theta: [S, K] conductivities
    :param workers: the actors, of one thread each
    :param repeats: steps that are timed
    """
    measured = np.full((1, *campaign.present.shape), 1e-9)
    with ActorObjective(
        scene, campaign, radio, measured=measured,
        workers=dataclasses.replace(workers, study="scaling", cache=False),
    ) as objective:  # fmt: skip
        step = _median(lambda: objective.value_and_grad(theta), repeats)
        begin = time.thread_time()
        for _ in range(repeats):
            objective.value_and_grad(theta)
        busy = (time.thread_time() - begin) / repeats
        inside = objective.on_each(partial(_time_inside, theta=theta, repeats=repeats))
        transfer = _median(lambda: objective.on_each(partial(_echo, theta=theta)), repeats)
        held = objective.describe()
        return Shares(
            len(held),
            campaign.num_setups,
            objective.num_paths,
            max(info.trace_seconds for info in held),
            step,
            max(inside),
            transfer,
            busy,
        )


def seeds_per_second(points: Sequence[Point], workers: ActorOptions) -> float:
    """Seeds per second that a pool of actors estimates, once all of them have begun.

    :param points: more than actors, of equal work
    :param workers: the actors
    """
    begun, num_actors = 0.0, workers.num_actors
    names = [str(point) for point in points]
    results = map_on_actors(evaluate, points, workers, names=names, study="scaling")
    for count, _ in enumerate(results, start=1):
        if count == num_actors:
            begun = time.perf_counter()
    counted = sum(len(point.seeds) for point in points[num_actors:])
    return counted / (time.perf_counter() - begun)


@contextlib.contextmanager
def nodes(simulated: int) -> Iterator[str]:
    """Have Ray running, and say on what.

    :param simulated: nodes of one core each to simulate on this machine, where no cluster is named
        by ``RAY_ADDRESS``
    """
    need("ray", "ray", "sweeps/scaling.py")
    import ray

    from vlmrt_dist.distributed import connect
    from vlmrt_dist.signals import STOP_SIGNAL

    if os.environ.get("RAY_ADDRESS"):
        connect()
        alive = [node for node in ray.nodes() if node["Alive"]]
        cores = ray.cluster_resources().get("CPU", 0)
        gpus = ray.cluster_resources().get("GPU", 0)
        yield f"{len(alive)} nodes, {cores:g} cores and {gpus:g} GPUs"
        return
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    try:
        for _ in range(simulated):
            cluster.add_node(num_cpus=1, num_gpus=0)
        with STOP_SIGNAL.kept():
            ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield (
            f"{simulated} nodes that are SIMULATED on one machine with "
            f"{usable_cores()} cores, one actor a node; no network is crossed"
        )
    finally:
        ray.shutdown()
        cluster.shutdown()


def _time_inside(actor: Any, theta: FloatArray, repeats: int) -> float:
    return _median(lambda: actor.value_and_grad(theta), repeats)


def _echo(actor: Any, theta: FloatArray) -> tuple[FloatArray, ...]:
    """As many numbers as a loss and its gradient have."""
    first, stop = actor.ready().setups
    count, num_objects = theta.shape
    return np.zeros((count, stop - first)), np.zeros((count, stop - first, num_objects))


def _median(call: Callable[[], Any], repeats: int) -> float:
    for _ in range(WARM_UP):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
