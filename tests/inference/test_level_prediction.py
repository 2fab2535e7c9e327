"""Levels of an estimate at new positions, against the estimation's own numbers and simulations."""

import dataclasses

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import ConfigurationError, SceneError
from vlmrt_dist.field import Flaws, simulate
from vlmrt_dist.inference import (
    Calibration,
    Estimate,
    LevelPosterior,
    LevenbergMarquardt,
    Noise,
    Parameters,
    WeightedDraws,
    estimate,
    level_posterior,
)
from vlmrt_dist.inference.level_prediction import centred, centred_noise, evenly_weighted
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=1)
SOLVER = LevenbergMarquardt(folds=0, posterior="normal")


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign) -> Campaign:
    flaws = Flaws(gain_offset_db=2.0)
    return simulate(room, campaign, radio=RADIO, noise_db=0.3, flaws=flaws, seed=3)


@pytest.fixture(scope="module")
def result(room: SceneModel, measured: Campaign) -> Estimate:
    return estimate(
        room, measured, radio=RADIO, solver=SOLVER, noise=Noise(gain_offset_db=5.0),
        parameters=Parameters(("conductivity", "relative_permittivity"), groups="material"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def same_place(room: SceneModel, measured: Campaign, result: Estimate) -> LevelPosterior:
    return level_posterior(room, result.calibration, measured)


def test_at_the_measured_links_it_is_the_estimate_s_own_level(
    result: Estimate, same_place: LevelPosterior
) -> None:
    np.testing.assert_allclose(same_place.level_dbm, result.links.replayed_dbm, atol=1e-9)
    assert same_place.known.all()
    np.testing.assert_allclose(same_place.noise_db, 0.3 * result.noise_scale)


def test_the_jacobian_is_that_of_the_levels(
    room: SceneModel, measured: Campaign, result: Estimate, same_place: LevelPosterior
) -> None:
    joint = result.joint
    assert joint is not None
    for i in (0, len(joint.x) // 2, len(joint.x) - 1):
        x = joint.x.copy()
        x[i] += 1e-5
        moved = dataclasses.replace(result.calibration, joint=joint._replace(x=x))
        level = level_posterior(room, moved, measured).level_dbm
        slope = (level - same_place.level_dbm).ravel() / 1e-5
        np.testing.assert_allclose(slope, same_place.jacobian[:, i], atol=1e-4)


def test_draws_of_the_normal_posterior_give_its_intervals(
    room: SceneModel, measured: Campaign, result: Estimate, same_place: LevelPosterior
) -> None:
    joint = result.joint
    assert joint is not None
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal(joint.x, joint.matrix, size=200)
    draws = WeightedDraws(x, np.full(200, 1.0 / 200), np.zeros(200, int))
    drawn = dataclasses.replace(result.calibration, joint=joint._replace(draws=draws))
    found = level_posterior(room, drawn, measured)
    index = np.arange(measured.present.size)
    ratio = found.std_db(index) / same_place.std_db(index)
    np.testing.assert_allclose(np.median(ratio), 1.0, atol=0.1)
    noise = np.full(len(index), 0.3)
    for group in (None, np.repeat([0, 1, -1], 8)):
        wide = found.bounds_db(index, group, noise_db=noise)
        plain = same_place.bounds_db(index, group, noise_db=noise)
        assert np.median(np.abs(wide[1] / plain[1] - 1.0)) < 0.1
        assert np.median(np.abs(wide[0] / plain[0] - 1.0)) < 0.1


def test_an_offset_goes_with_its_transmitter(
    room: SceneModel, measured: Campaign, result: Estimate
) -> None:
    others = random_campaign(room, 2, 4, seed=9)
    mixed = Campaign(np.stack([measured.tx[2], others.tx[1]]), others.rx)
    found = level_posterior(room, result.calibration, mixed)
    assert found.known.tolist() == [[True] * 4, [False] * 4]
    std = found.std_db(np.arange(8))
    heard = np.isfinite(found.level_dbm.ravel())
    np.testing.assert_array_equal(np.isfinite(std), heard)
    assert np.nanmax(std[:4]) < 2.0
    assert (std[4:][heard[4:]] > 5.0).all()  # the prior of an offset
    # Less the mean over the setup, an unknown offset plays no part.
    inner = found.std_db(np.arange(8), np.repeat([0, 1], 4))
    assert np.nanmax(inner) < 2.0


@pytest.mark.parametrize("shared", ["device", "receiver", "campaign"])
def test_offsets_go_with_what_shares_them(
    room: SceneModel, measured: Campaign, shared: str
) -> None:
    rx = measured.rx.copy()
    rx[1, :4] = rx[0, :4]
    places = simulate(room, Campaign(measured.tx, rx), radio=RADIO, noise_db=0.3)
    noise = Noise(gain_offset_db=5.0, gain_shared=shared)  # type: ignore[arg-type]
    found = estimate(room, places, radio=RADIO, solver=SOLVER, noise=noise)
    again = level_posterior(room, found.calibration, places)
    np.testing.assert_allclose(again.level_dbm, found.links.replayed_dbm, atol=1e-9)
    assert again.known.all()
    elsewhere = level_posterior(room, found.calibration, random_campaign(room, 1, 3, seed=8))
    assert elsewhere.known.all() == (shared == "campaign")


def test_a_wrong_scene_is_refused_by_what_differs(
    room: SceneModel, measured: Campaign, result: Estimate
) -> None:
    known = result.calibration
    with pytest.raises(SceneError, match="the material of box_wood differs"):
        level_posterior(room.with_materials(thickness={"box_wood": 0.2}), known, measured)
    item = room.objects[6]
    moved = dataclasses.replace(item, vertices=item.vertices + 0.01)
    objects = (*room.objects[:6], moved, *room.objects[7:])
    with pytest.raises(SceneError, match=f"the geometry of {item.name} differs"):
        level_posterior(SceneModel("other", objects, room.bounds), known, measured)
    fewer = SceneModel("fewer", room.objects[:-1], room.bounds)
    with pytest.raises(SceneError, match="fewer"):
        level_posterior(fewer, known, measured)


def test_values_without_their_posterior_predict_nothing(
    room: SceneModel, measured: Campaign, result: Estimate
) -> None:
    bare = Calibration(
        result.names, result.materials, RADIO.frequency, result.calibration.quantities
    )
    with pytest.raises(ConfigurationError, match="does not carry its posterior"):
        level_posterior(room, bare, measured)


def test_an_exponent_enters_at_other_carriers_only(room: SceneModel, campaign: Campaign) -> None:
    both = dataclasses.replace(campaign, frequency=np.array([3.5e9, 6e9, 6e9]))
    levels = simulate(room, both, radio=RADIO, noise_db=0.3)
    known = estimate(
        room, levels, radio=RADIO, solver=SOLVER,
        parameters=Parameters(("conductivity", "exponent"), groups="material"),
    )  # fmt: skip
    assert known.joint is not None
    again = level_posterior(room, known.calibration, levels)
    np.testing.assert_allclose(again.level_dbm, known.links.replayed_dbm, atol=1e-9)
    here = level_posterior(room, known.calibration, campaign)
    np.testing.assert_allclose(here.level_dbm[0], known.links.replayed_dbm[0], atol=1e-9)
    exponent = np.array(known.joint.quantity) == "exponent"
    assert not here.jacobian[:, exponent].any()
    assert again.jacobian[8:, exponent].any()


def test_offsets_that_are_not_known_widen_draws_as_they_do_normal_intervals(
    room: SceneModel, measured: Campaign, result: Estimate
) -> None:
    joint = result.joint
    assert joint is not None
    draws = WeightedDraws(np.tile(joint.x, (200, 1)), np.full(200, 0.005), np.zeros(200, int))
    drawn = dataclasses.replace(result.calibration, joint=joint._replace(draws=draws))
    far = random_campaign(room, 1, 2, seed=8)
    low, high = level_posterior(room, drawn, far).bounds_db(np.arange(2))
    np.testing.assert_allclose(high, 1.96 * 5.0, rtol=0.05)
    np.testing.assert_allclose(low, -high, rtol=0.01)


def test_means_of_groups_are_taken_out_of_members_only() -> None:
    left = centred(np.array([1.0, 3.0, 7.0, 9.0]), np.array([0, 0, -1, 1]))
    assert left.tolist() == [-1.0, 1.0, 7.0, 0.0]


def test_noise_shrinks_where_the_mean_of_a_group_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    group = np.array([0, 0, 0, 1, -1])
    noise = np.array([2.0, 1.0, 0.5, 3.0, 1.5])
    draws = centred((noise * rng.standard_normal((40_000, 5))).T, group)
    np.testing.assert_allclose(draws.std(axis=1), centred_noise(noise, group), atol=0.03)


def test_draws_are_resampled_by_their_weights() -> None:
    x = np.arange(4.0)[:, None]
    draws = WeightedDraws(x, np.array([0.5, 0.0, 0.25, 0.25]), np.zeros(4, int))
    assert evenly_weighted(draws, 4).ravel().tolist() == [0.0, 0.0, 2.0, 3.0]
