"""Tests of scattered power by delay: against its sum, single paths, differences and Sionna."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.field.test_observables import bins, moments, responses
from tests.field.test_scattering import NAMES, rough
from tests.numerics import materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, Observable, RadioConfig, random_campaign
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field import LinkOffsets, Materials, ReplayObjective, arrivals, trace
from vlmrt_dist.field.arrivals import Arrivals
from vlmrt_dist.field.replays import replay_of
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.units import SPEED_OF_LIGHT, dbm_to_watts

RADIO = RadioConfig(max_depth=2, diffuse_reflection=True, scattering_points=200)
EDGES = np.arange(0.0, 100.0, 4.0)


@pytest.fixture(scope="module")
def scene() -> SceneModel:
    return rough(box_room(), 0.4)


@pytest.fixture(scope="module")
def plan(scene: SceneModel) -> Campaign:
    return random_campaign(scene, 2, 2, seed=5)


@pytest.fixture(scope="module")
def paths(scene: SceneModel, plan: Campaign, path_cache: None) -> PathTable:
    return trace(scene, plan, RADIO)


def objective(
    scene: SceneModel, plan: Campaign, paths: PathTable, *blocks: Observable
) -> ReplayObjective:
    level = np.where(plan.present, 0.0, np.nan)
    measured = dataclasses.replace(plan, rss_dbm=level, observables=blocks)
    return ReplayObjective(scene, measured, RADIO, paths)


def values(of: ReplayObjective, here: Materials, count: int = 1) -> FloatArray:
    none = np.zeros((count, 4))
    return of.observe({RADIO.frequency: here}, (), LinkOffsets(none, none)).value


def there(scene: SceneModel) -> Materials:
    rng = np.random.default_rng(0)
    return materials(scene)._replace(
        scattering_coefficient=rng.uniform(0.2, 0.8, 9), xpd_coefficient=rng.uniform(0.1, 0.9, 9)
    )


def test_arrivals_of_a_link_are_its_level(
    scene: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    replay, here = replay_of(scene, plan, RADIO, paths), there(scene)
    found = Arrivals(replay, 1.0)
    assert len(found.link) > paths.num_paths + 20
    power = found.at(here, (), coherent=False).value[:, 0]
    total = np.bincount(found.link, power, 4)
    np.testing.assert_allclose(total, replay.rss(here).ravel(), rtol=1e-12)
    straight = np.linalg.norm(plan.tx[:, None] - plan.rx, axis=2).ravel()
    assert (found.length > straight[found.link] - 1e-9).all()


def test_bins_and_moments_have_the_derivatives_of_differences(
    scene: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    blocks = bins(plan, EDGES, -110.0), moments(plan, "mean"), moments(plan, "rms_spread")
    of, here, none = objective(scene, plan, paths, *blocks), there(scene), np.zeros((1, 4))
    found = of.observe({RADIO.frequency: here}, NAMES, LinkOffsets(none, none))
    for name in NAMES:
        own = getattr(here, name)
        step = 1e-4 * own
        around = np.concatenate([own + k * step * np.eye(9) for k in (-2, -1, 1, 2)])
        moved: dict[str, Any] = {name: around}
        value = values(of, here._replace(**moved), 36).reshape(4, 9, -1)
        expected = (value[0] - 8.0 * value[1] + 8.0 * value[2] - value[3]) / (12.0 * step[:, None])
        per_log = own * (1.0 - own if name in NAMES[3:] else 1.0)
        expected = (expected * per_log[:, None]).T
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.by[name][0], expected, atol=2e-6 * scale, err_msg=name)


def test_steps_of_delay_are_fine_enough(
    scene: SceneModel, plan: Campaign, paths: PathTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bins as if each point of a surface had its own delay."""
    here, blocks = there(scene), (bins(plan, EDGES, -120.0), moments(plan, "rms_spread"))
    found = values(objective(scene, plan, paths, *blocks), here)[0]
    monkeypatch.setattr(arrivals, "STEP_OF_PULSE", 1e-4)
    exact = values(objective(scene, plan, paths, *blocks), here)[0]
    assert np.abs(found[-4:] - exact[-4:]).max() < 0.002  # ns
    level, error = exact[:-4].reshape(4, -1), np.abs(found - exact)[:-4].reshape(4, -1)
    heard = level > level.max(axis=1, keepdims=True) - 30.0
    assert error[heard].max() < 0.05
    assert error.max() < 0.2  # of tails


def test_delays_from_the_first_path_count_the_scattered_power_too(
    scene: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    from_first = dataclasses.replace(bins(plan, EDGES - 4.0, -120.0), counted_from="first_path")
    found = values(objective(scene, plan, paths, from_first), there(scene))[0]
    nothing = paths.rows(np.zeros(paths.num_paths, bool))  # scattered power alone
    alone = values(objective(scene, plan, nothing, from_first), there(scene))[0]
    assert (alone <= found + 1e-9).sum() > 40
    assert (dbm_to_watts(alone) > 2.0 * dbm_to_watts(-120.0)).sum() > 20


def test_responses_beside_scattering_are_refused(scene: SceneModel, plan: Campaign) -> None:
    block = responses(plan, "known", "known")
    with pytest.raises(UnsupportedByReplay, match=r"frequency response.*random.*delay bins"):
        trace(scene, dataclasses.replace(plan, observables=(block,)), RADIO)


@pytest.mark.slow
def test_bins_have_the_power_that_sionna_scatters_into_them() -> None:
    """A room without other paths: each of Sionna's rays scatters at its first surface."""
    from vlmrt_dist.paths import LiveScene, dr, rt

    scene = rough(box_room(), 0.4)
    radio = RADIO.replace(max_depth=1, scattering_points=8000)
    plan = random_campaign(scene, 1, 3, seed=5)
    live = LiveScene(scene, radio)
    live.place(plan.tx[0], plan.rx[0])
    with dr.suspend_grad():
        solved = rt.PathSolver()(
            live.scene, max_depth=1, max_num_paths_per_src=8_000_000, samples_per_src=700_001,
            los=False, diffuse_reflection=True, specular_reflection=False, refraction=False,
        )  # fmt: skip
    real, imaginary = (np.asarray(x.numpy(), float)[:, 0, 0, 0] for x in solved.a)
    power = (real**2 + imaginary**2) * radio.tx_power
    delay = 1e9 * np.asarray(solved.tau.numpy(), float)[:, 0]
    replay = replay_of(scene, plan, radio, trace(scene, plan, radio))
    found = Arrivals(replay, 0.5)
    value = found.at(materials(scene), (), coherent=False).value[replay.table.num_paths :, 0]
    link = found.link[replay.table.num_paths :]
    late = 1e9 * found.length[replay.table.num_paths :] / SPEED_OF_LIGHT
    for n in range(3):
        edges = np.arange(0.0, 60.0, 4.0)
        expected = np.histogram(delay[n], edges, weights=power[n])[0]
        own = np.histogram(late[link == n], edges, weights=value[link == n])[0]
        strong = expected > 0.01 * expected.sum()
        assert strong.sum() > 3
        difference = 10.0 * np.log10(own[strong] / expected[strong])
        assert np.abs(difference).max() < 0.4, difference
        assert np.abs(difference).mean() < 0.15, difference
