"""A pool of actors on real Ray, whose workers die, hang and fail."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.distributed import pool, session
from vlmrt_dist.distributed.pool import map_on_actors
from vlmrt_dist.distributed.session import ActorOptions
from vlmrt_dist.errors import ActorFailure

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import ray

    from vlmrt_dist.signals import STOP_SIGNAL

    with STOP_SIGNAL.kept():
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
            object_store_memory=80_000_000,
        )  # fmt: skip
    yield ray
    ray.shutdown()


def test_an_item_whose_worker_dies_or_hangs_or_dawdles_is_done_again(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "SHORTEST_DEADLINE", 8.0)

    def work(item: str) -> str:
        first = not (tmp_path / item).exists()
        (tmp_path / item).touch()
        if first and item == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if first and item == "hangs":
            os.kill(os.getpid(), signal.SIGSTOP)
        if first and item == "dawdles":
            time.sleep(300)
        return f"{item}: done after {pool.restarts()} restarts"

    items = ["plain", "plain too", "dies", "hangs", "dawdles"]
    start = time.monotonic()
    found = dict(map_on_actors(work, items, ActorOptions(2), names=items, study="faults"))
    assert [found[index] for index in range(5)] == [
        f"{item}: done after {number} restarts"
        for item, number in zip(items, (0, 0, 1, 1, 1), strict=True)
    ]
    assert time.monotonic() - start < 290  # less than the dawdler would take
    again = [r.getMessage() for r in caplog.records if "it is done again" in r.getMessage()]
    assert {message.partition(":")[0] for message in again} == {"hangs", "dawdles"}


def test_an_item_that_always_kills_its_worker_is_given_up(ray: Any) -> None:
    def work(_: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ActorFailure, match=r"deadly lost its actor 4 times: .*on Ray's dashboard"):
        list(map_on_actors(work, [0], ActorOptions(), names=["deadly"]))


def test_results_that_overfill_the_object_store_arrive(ray: Any) -> None:
    def work(item: int) -> Any:
        return np.full(4_000_000, float(item))

    kept = dict(
        map_on_actors(work, range(6), ActorOptions(2), names=[f"large {i}" for i in range(6)])
    )
    assert sum(array.nbytes for array in kept.values()) > 80_000_000
    assert all((kept[item] == item).all() for item in range(6))


def test_what_an_item_raises_is_raised(ray: Any) -> None:
    def work(_: int) -> None:
        raise ZeroDivisionError("by whom")

    with pytest.raises(ZeroDivisionError, match="by whom"):
        list(map_on_actors(work, [0], ActorOptions(), names=["wrong"]))
