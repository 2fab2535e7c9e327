"""Nodes that are lost while the actors of a pool start, and none takes their place."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vlmrt_dist.distributed import pool
from vlmrt_dist.distributed.pool import map_on_actors
from vlmrt_dist.distributed.session import ActorOptions
from vlmrt_dist.errors import ActorFailure

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster whose head has no cores and soon tells that a node is lost."""
    import ray
    from ray.cluster_utils import Cluster

    from vlmrt_dist.signals import STOP_SIGNAL

    for name, value in (("period_ms", 1000), ("timeout_ms", 3000), ("failure_threshold", 3)):
        monkeypatch.setenv(f"RAY_health_check_{name}", str(value))
    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False}
    made = Cluster(initialize_head=True, connect=False, head_node_args=head)
    with STOP_SIGNAL.kept():
        ray.init(made.address, log_to_driver=False, logging_level=logging.ERROR)
    yield made
    ray.shutdown()
    made.shutdown()


def square(item: int) -> int:
    return item * item


def test_the_others_do_its_work_and_without_any_a_sentence_says_so(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "HOMELESS", 3.0)
    monkeypatch.setattr(pool, "GLANCE", 1.0)
    started, make = [], pool._actor
    nodes = [cluster.add_node(num_cpus=1, num_gpus=0) for _ in range(2)]

    def make_and_lose(*args: Any) -> Any:
        started.append(make(*args))
        if len(started) > 1:  # its processes are being started
            threading.Timer(0.05, cluster.remove_node, (nodes.pop(), False)).start()
        return started[-1]

    monkeypatch.setattr(pool, "_actor", make_and_lose)
    items, names = list(range(12)), [f"item {n}" for n in range(12)]
    found = dict(map_on_actors(square, items, ActorOptions(2), names=names, study="lost"))
    assert found == {n: n * n for n in items}
    assert "another actor does it" in caplog.text
    few = ActorOptions(1, start_deadline=5.0)
    with pytest.raises(ActorFailure, match=r"nodes of all actors \(1\) were lost"):
        list(map_on_actors(square, items, few, names=names, study="lost"))
