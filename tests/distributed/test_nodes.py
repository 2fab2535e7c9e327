"""Actors on several nodes with GPUs. The nodes are Ray's own simulation, the GPUs are its word."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.caches import fresh_cache
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.distributed.actor_objective import ActorObjective
from vlmrt_dist.distributed.pool import map_on_actors
from vlmrt_dist.distributed.session import ActorOptions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field.objective import Objective
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RADIO = RadioConfig.paper(max_depth=1)


@dataclass
class Case:
    """Two nodes with two GPUs each beside a head without, and four setups with their answer."""

    cluster: Any
    nodes: list[Any]
    scene: SceneModel
    campaign: Campaign
    measured: FloatArray
    local: Objective

    def objective(self, **options: Any) -> ActorObjective:
        return ActorObjective(
            self.scene, self.campaign, RADIO, measured=self.measured,
            workers=ActorOptions(num_actors=4, num_cpus=0.5, study="nodes", **options),
        )  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    import ray
    from ray.cluster_utils import Cluster

    from vlmrt_dist.field.evaluators import ReplayObjective
    from vlmrt_dist.field.tracing import trace

    scene = box_room()
    campaign = random_campaign(scene, 4, 3, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMRT_CACHE_DIR", str(fresh_cache(tmp_path_factory.mktemp("cache"))))
        # The GPUs are not there, so neither may an actor that holds one compute on it.
        patch.setenv("VLMRT_VARIANT", "llvm")
        # Soon enough for a test, late enough for a busy machine.
        patch.setenv("RAY_health_check_period_ms", "1000")
        patch.setenv("RAY_health_check_timeout_ms", "3000")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        table = trace(scene, campaign, RADIO)
        measured = np.full((1, *campaign.present.shape), 1e-9)
        local = ReplayObjective(scene, campaign, RADIO, table, measured)
        cluster = Cluster(
            initialize_head=True, connect=False,
            head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False},
        )  # fmt: skip
        try:
            nodes = [cluster.add_node(num_cpus=4, num_gpus=2) for _ in range(2)]
            ray.init(address=cluster.address, log_to_driver=False)
            yield Case(cluster, nodes, scene, campaign, measured, local)
        finally:
            ray.shutdown()
            cluster.shutdown()


def where(objective: ActorObjective) -> list[tuple[str, str]]:
    """The node and the GPUs in sight of each actor."""

    def look(_: Any) -> tuple[str, str]:
        import ray

        return ray.get_runtime_context().get_node_id(), os.environ["CUDA_VISIBLE_DEVICES"]

    return objective.on_each(look)


def thetas(case: Case) -> FloatArray:
    sigma = case.scene.conductivity(RADIO.frequency)
    return sigma * np.random.default_rng(0).uniform(0.5, 2.0, (2, len(sigma)))


def same_bits(case: Case, objective: ActorObjective) -> bool:
    there, here = objective.value_and_grad(thetas(case)), case.local.value_and_grad(thetas(case))
    return all(a.tobytes() == b.tobytes() for a, b in zip(there, here, strict=True))


@pytest.fixture(scope="class")
def spread(case: Case) -> Iterator[ActorObjective]:
    with case.objective(num_gpus=1) as objective:
        yield objective


class TestOneGpuEach:
    """Four actors over both nodes."""

    def test_they_are_spread_over_the_nodes(self, case: Case, spread: ActorObjective) -> None:
        found = where(spread)
        nodes = {node for node, _ in found}
        assert nodes == {node.node_id for node in case.nodes}
        for node in nodes:
            assert sorted(gpu for place, gpu in found if place == node) == ["0", "1"]
        assert same_bits(case, spread)

    def test_a_node_that_goes_in_the_middle_changes_nothing(
        self, case: Case, spread: ActorObjective
    ) -> None:
        lost = case.nodes.pop()
        gone = threading.Timer(0.05, case.cluster.remove_node, (lost, False))
        gone.start()
        end = time.monotonic() + 3.0
        while time.monotonic() < end and gone.is_alive():
            assert same_bits(case, spread)
        gone.join()
        case.nodes.append(case.cluster.add_node(num_cpus=4, num_gpus=2))
        assert same_bits(case, spread)
        assert {node for node, _ in where(spread)} == {node.node_id for node in case.nodes}

    def test_neither_does_one_that_freezes(self, case: Case, spread: ActorObjective) -> None:
        frozen = case.nodes.pop()
        raylet = frozen.all_processes["raylet"][0].process.pid
        workers = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
        tree = (raylet, *map(int, workers))
        for pid in tree:
            os.kill(pid, signal.SIGSTOP)
        try:
            case.nodes.append(case.cluster.add_node(num_cpus=4, num_gpus=2))
            assert same_bits(case, spread)
            assert {node for node, _ in where(spread)} == {node.node_id for node in case.nodes}
        finally:
            case.cluster.remove_node(frozen, allow_graceful=False)
            for pid in tree:  # what is stopped does not see its raylet end
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_a_part_of_a_gpu_packed_onto_one_node(case: Case) -> None:
    with case.objective(num_gpus=0.5, placement="PACK") as objective:
        found = where(objective)
        assert len({node for node, _ in found}) == 1
        assert Counter(gpu for _, gpu in found) == {"0": 2, "1": 2}


def test_nodes_without_gpus_take_part_where_there_are_some(case: Case) -> None:
    def look(_: int) -> tuple[str, str | None, str]:
        import ray

        time.sleep(2.0)  # so that everyone gets something to do
        gpus = ray.get_runtime_context().get_accelerator_ids()["GPU"]
        return ray.get_runtime_context().get_node_id(), ",".join(gpus), os.environ["VLMRT_VARIANT"]

    names = [f"look {i}" for i in range(5)]
    found = dict(map_on_actors(look, range(5), ActorOptions(5), names=names, study="mixed"))
    assert sorted(found) == [0, 1, 2, 3, 4]
    with_gpu = {(node, gpu) for node, gpu, _ in found.values() if gpu}
    assert with_gpu == {(n.node_id, gpu) for n in case.nodes for gpu in "01"}
    assert {variant for _, gpu, variant in found.values() if not gpu} == {"llvm"}
    with pytest.raises(ConfigurationError, match="9 actors need 1 CPU and 1 GPU each"):
        list(map_on_actors(look, range(9), ActorOptions(9, num_gpus=1), names=["look"] * 9))
