"""A pool of actors on real Ray, whose workers die, hang and fail."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.distributed import pool, session, watch
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
    monkeypatch.setattr(watch, "PULSE", 3.0)
    monkeypatch.setattr(pool, "PULSE", 3.0)

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


def test_an_item_whose_worker_is_late_and_works_is_left_alone(
    ray: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "SHORTEST_DEADLINE", 2.0)
    monkeypatch.setattr(watch, "PULSE", 1.0)
    monkeypatch.setattr(pool, "PULSE", 1.0)

    def work(item: str) -> tuple[str, int]:
        end = time.monotonic() + (15.0 if item == "works" else 0.01)
        while time.monotonic() < end:  # without ever answering anyone
            pass
        return item, pool.restarts()

    items = ["quick", "works"]
    found = dict(map_on_actors(work, items, ActorOptions(1), names=items, study="late"))
    assert found == {0: ("quick", 0), 1: ("works", 0)}
    assert not caplog.records


def test_quick_items_travel_in_blocks_and_the_one_that_fails_is_told(ray: Any) -> None:
    def work(item: int) -> str:
        if item == 900:
            raise ZeroDivisionError("at 900")
        return f"{item} in {__import__('ray').get_runtime_context().get_task_id()}"

    found: dict[int, str] = {}
    with pytest.raises(ZeroDivisionError, match="at 900"):
        found.update(map_on_actors(work, range(1000), ActorOptions(1), names=["n"] * 1000))
    found = dict(map_on_actors(work, range(800), ActorOptions(2), names=["n"] * 800))
    assert [text.partition(" ")[0] for _, text in sorted(found.items())] == [
        str(n) for n in range(800)
    ]
    assert len({text.partition(" in ")[2] for text in found.values()}) < 100


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
