"""Actors against the local objective, which is their specification; on real Ray and Sionna."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.caches import fresh_cache
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.distributed import actor_objective, watch
from vlmrt_dist.distributed.actor_objective import ActorObjective
from vlmrt_dist.distributed.session import SECRETS, ActorOptions
from vlmrt_dist.engine.llvm import choose_variant
from vlmrt_dist.errors import (
    ActorFailure,
    CampaignError,
    ConfigurationError,
    UnsupportedByReplay,
)
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.objective import Objective, ValueAndGrad
from vlmrt_dist.paths import NOT_PROVEN
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

RADIO = RadioConfig.paper(max_depth=2)


@dataclass
class Case:
    """Four setups, one with a receiver less, their levels for three truths, and the answer."""

    scene: SceneModel
    campaign: Campaign
    measured: FloatArray
    local: Objective
    objectives: dict[int, ActorObjective] = field(default_factory=dict)

    def sharded(self, num_actors: int) -> ActorObjective:
        """Actors take seconds to start: each number of them is started once."""
        if num_actors not in self.objectives:
            self.objectives[num_actors] = ActorObjective(
                self.scene,
                self.campaign,
                RADIO,
                measured=self.measured,
                workers=ActorOptions(
                    num_actors,
                    num_gpus=0,
                    num_cpus=0.5,
                    study="test",
                    deadline=3.0 if num_actors == 1 else 120.0,
                    cache=num_actors != 2,  # so that these have to trace by themselves
                ),
            )
        return self.objectives[num_actors]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMRT_CACHE_DIR", str(fresh_cache(tmp_path_factory.mktemp("cache"))))
        for name in SECRETS:
            patch.setenv(name, "not for workers")
        from vlmrt_dist.field.evaluators import ReplayObjective
        from vlmrt_dist.field.replay import Materials, Replay
        from vlmrt_dist.field.tracing import trace

        scene = box_room()
        planned = random_campaign(scene, 4, 3, seed=3)
        present = np.ones((4, 3), bool)
        present[2, 1] = False
        campaign = Campaign(planned.tx, planned.rx, present=present)
        table = trace(scene, campaign, RADIO)
        truth = thetas(scene, 3, seed=5)
        permittivity = scene.relative_permittivity(RADIO.frequency)
        measured = Replay(table, RADIO).rss(Materials(truth, permittivity, scene.thickness))
        local = ReplayObjective(scene, campaign, RADIO, table, measured)
        # Two of the GPUs are Ray's word only; they must not be computed on.
        ray.init(
            address="local", num_cpus=8, num_gpus=2, include_dashboard=False, log_to_driver=False
        )
        made = Case(scene, campaign, measured, local)
        yield made
        for objective in made.objectives.values():
            objective.close()
        ray.shutdown()


def thetas(scene: SceneModel, count: int, seed: int) -> FloatArray:
    sigma = scene.conductivity(RADIO.frequency)
    return sigma * np.random.default_rng(seed).uniform(0.5, 2.0, (count, len(sigma)))


def same_bits(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        left, right = (x.toarray() if hasattr(x, "toarray") else np.asarray(x) for x in (a, b))
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        assert left.tobytes() == right.tobytes()


def descend(objective: Objective, start: FloatArray, before: Callable[[int], None]) -> Any:
    theta = start
    for step in range(30):
        before(step)
        theta = theta - 1e-5 * np.sign(total(objective.value_and_grad(theta)))
    return theta


def total(value: ValueAndGrad) -> FloatArray:
    result = np.zeros_like(value.gradient[:, 0])
    for m in range(value.gradient.shape[1]):
        result = result + value.gradient[:, m]
    return result


def test_the_driver_stays_free_of_ray_and_the_engine() -> None:
    code = (
        "import sys, vlmrt_dist.distributed.actor_objective; "
        "print({'drjit', 'mitsuba', 'sionna', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.ray
@pytest.mark.parametrize("num_actors", [1, 2, 4])
def test_same_bits_as_in_one_process(case: Case, num_actors: int) -> None:
    objective = case.sharded(num_actors)
    assert (objective.num_setups, objective.num_objects) == (4, 9)
    for seed in range(4):
        theta = thetas(case.scene, 3, seed)
        same_bits(objective.value_and_grad(theta), case.local.value_and_grad(theta))
        same_bits(objective.value_and_grad(theta[:1]), case.local.value_and_grad(theta[:1]))
        same_bits([objective.rss(theta)], [case.local.rss(theta)])
        same_bits(objective.log_jacobian(theta[0]), case.local.log_jacobian(theta[0]))
        wanted: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")
        here = Materials(
            theta[0], case.scene.relative_permittivity(RADIO.frequency), case.scene.thickness
        )
        there = objective.levels({RADIO.frequency: here}, wanted)
        alone = case.local.levels({RADIO.frequency: here}, wanted)
        same_bits([there.rss, *there.by.values()], [alone.rss, *alone.by.values()])
    assert objective.num_paths == sum(info.num_paths for info in objective.describe())
    assert objective.complete_to == NOT_PROVEN


@pytest.mark.ray
def test_what_actors_say_of_themselves(case: Case) -> None:
    import ray

    objective = case.sharded(2)
    information = objective.describe()
    assert [info.setups for info in information] == [(0, 2), (2, 4)]
    assert all(info.device == "llvm_ad_mono_polarized (1 threads)" for info in information)
    assert all(info.trace_seconds > 0 for info in information)
    assert all(info.node == os.uname().nodename for info in information)
    actor = objective._actors[1]
    text = ray.get(actor.__ray_call__.remote(repr), timeout=60)
    assert text == f"test/box_room, setups 3 to 4, {information[1].num_paths} paths"
    seen = ray.get(actor.__ray_call__.remote(lambda _: set(SECRETS) & set(os.environ)), timeout=60)
    assert seen == set()


@pytest.mark.ray
def test_killed_midway_the_result_has_the_same_bits(case: Case) -> None:
    objective = case.sharded(2)
    start = thetas(case.scene, 1, seed=8)
    pids = [info.pid for info in objective.describe()]

    def interfere(step: int) -> None:
        if step == 10:
            os.kill(pids[0], signal.SIGKILL)
        if step == 20:
            threading.Timer(0.001, os.kill, (pids[1], signal.SIGKILL)).start()

    killed = descend(objective, start, interfere)
    same_bits([killed], [descend(case.local, start, lambda _: None)])
    assert {info.pid for info in objective.describe()}.isdisjoint(pids)


@pytest.mark.ray
def test_a_stuck_actor_is_restarted(
    case: Case, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PULSE", 2.0)
    monkeypatch.setattr(actor_objective, "PULSE", 2.0)
    objective = case.sharded(1)
    theta = thetas(case.scene, 1, seed=9)
    pid = objective.describe()[0].pid
    os.kill(pid, signal.SIGSTOP)
    same_bits(objective.value_and_grad(theta), case.local.value_and_grad(theta))
    assert "setups 1 to 4: no answer in 3 s, and it does nothing" in caplog.text
    assert objective.describe()[0].pid != pid
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.ray
def test_an_actor_that_died_for_good_has_a_successor(case: Case) -> None:
    import ray

    objective = case.sharded(1)
    ray.kill(objective._actors[0])
    theta = thetas(case.scene, 1, seed=10)
    same_bits(objective.value_and_grad(theta), case.local.value_and_grad(theta))


@pytest.mark.ray
def test_what_an_actor_raises_arrives_as_it_is(case: Case) -> None:
    radio = RADIO.replace(diffraction=True)
    with pytest.raises(UnsupportedByReplay, match="engine='retrace'") as caught:
        ActorObjective(
            case.scene,
            case.campaign,
            radio,
            measured=case.measured,
            workers=ActorOptions(num_gpus=0),
        )
    assert type(caught.value) is UnsupportedByReplay
    with pytest.raises(ValueError, match="shape"):
        case.sharded(1).rss(np.ones((1, 4)))


@pytest.mark.ray
def test_refused_before_anything_starts(case: Case) -> None:
    with pytest.raises(ConfigurationError, match=r"room for 2: the cluster has 8 CPU and 2 GPU"):
        ActorObjective(
            case.scene,
            case.campaign,
            RADIO,
            measured=case.measured,
            workers=ActorOptions(num_actors=3, num_gpus=0.7),
        )
    with pytest.raises(ConfigurationError, match="room for 0"):
        ActorObjective(
            case.scene,
            case.campaign,
            RADIO,
            measured=case.measured,
            workers=ActorOptions(num_cpus=64),
        )
    with pytest.raises(ConfigurationError, match="replay or retrace"):
        ActorObjective(case.scene, case.campaign, RADIO, engine="magic")  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="positions only"):
        ActorObjective(case.scene, case.campaign, RADIO)


@pytest.mark.ray
def test_waiting_for_room_has_an_end(case: Case) -> None:
    import ray

    hog = ray.util.placement_group([{"GPU": 2}])
    assert hog.wait(10)
    try:
        with pytest.raises(ActorFailure, match=r"waited 0\.5 s for 1 CPU and 1 GPU each"):
            ActorObjective(
                case.scene,
                case.campaign,
                RADIO,
                measured=case.measured,
                workers=ActorOptions(start_deadline=0.5),
            )
    finally:
        ray.util.remove_placement_group(hog)


@pytest.mark.ray
def test_part_of_a_gpu_and_never_more_actors_than_setups(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    seen: list[tuple[int, int]] = []
    one = case.campaign.subset([0, 1])
    with ActorObjective(
        case.scene,
        one,
        RADIO,
        measured=case.measured[:, :2],
        workers=ActorOptions(num_actors=5, num_gpus=0.5),
        progress=lambda _, done, count: seen.append((done, count)),
    ) as objective:
        assert seen == [(1, 2), (2, 2)]
        assert "5 actors were asked for, 2 are started" in caplog.text
        information = objective.describe()
        # Whether a GPU computes is decided by what CUDA says, not by what Ray was told.
        assert all(info.device.startswith(choose_variant()) for info in information)
        theta = thetas(case.scene, 2, seed=2)
        if choose_variant().startswith("llvm"):
            assert "hold a GPU but compute on the CPU" in caplog.text
            expected = case.local.rss(theta)[:, :2]
            same_bits([objective.rss(theta)], [expected])
    with pytest.raises(ActorFailure, match="closed"):
        objective.rss(theta)


@pytest.mark.ray
def test_an_estimation_has_the_same_bits_on_actors(case: Case) -> None:
    from vlmrt_dist.inference import Adam, estimate
    from vlmrt_dist.units import watts_to_dbm

    level = np.where(case.campaign.present, watts_to_dbm(case.measured[0]), np.nan)
    measured = case.campaign.with_rss(level, noise_db=0.1)
    solver = Adam(max_iterations=25)
    here = estimate(case.scene, measured, radio=RADIO, solver=solver)
    workers = ActorOptions(num_actors=3, num_cpus=0.5, num_gpus=0)
    there = estimate(case.scene, measured, radio=RADIO, solver=solver, workers=workers)
    same_bits([there.fitted, there.low, there.losses], [here.fitted, here.low, here.losses])
    assert there.verdict == here.verdict
