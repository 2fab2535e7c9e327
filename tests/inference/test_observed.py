"""Estimation from observables beside received powers."""

import json
from dataclasses import replace

import numpy as np
import pytest

import vlmrt_dist as vd
from vlmrt_dist.campaign import Campaign, DelayPower, RadioConfig, parse_observables
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import Flaws, perturbed, simulate
from vlmrt_dist.inference import LevenbergMarquardt, Noise, Parameters, Prior
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)
PRIOR = Prior(width=0.5)
QUICK = LevenbergMarquardt(posterior="normal", folds=0)


def measured(
    room: SceneModel, campaign: Campaign, words: str, flaws: Flaws | None = None
) -> Campaign:
    power, plans = parse_observables(words)
    truth = perturbed(room.conductivity(3.5e9), 1, 0.5, 0.9)
    return simulate(
        room, campaign, conductivity=truth, radio=RADIO, noise_db=0.2, flaws=flaws or Flaws(),
        observables=plans, power=power,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("delay:10ns@0.2db", marks=pytest.mark.slow),
        "response:8@40db",
        pytest.param("magnitude:8@0.2db", marks=pytest.mark.slow),
        "delay_spread@0.1ns,mean_delay",
        pytest.param("power,delay:20ns,response:4", marks=pytest.mark.slow),
    ],
)
def test_the_truth_lies_within_a_few_deviations(
    room: SceneModel, campaign: Campaign, words: str
) -> None:
    truth = perturbed(room.conductivity(3.5e9), 1, 0.5, 0.9)
    found = vd.estimate(
        room, measured(room, campaign, words), radio=RADIO, prior=PRIOR, solver=QUICK
    )
    away = (np.log(found.fitted) - np.log(truth)) / found.std
    assert np.abs(away).max() < 4.0
    assert len(found.observables) == len(parse_observables(words)[1])
    for each in found.observables:
        assert 0.5 < each.standardised < 1.5
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["observables"]
    assert str(found)


def test_levels_are_predicted_from_an_estimate_with_offsets_of_delays(
    room: SceneModel, campaign: Campaign
) -> None:
    given = measured(room, campaign.subset([0]), "power,mean_delay@0.3ns")
    noise = Noise(delay_offset_ns=2.0)
    found = vd.estimate(room, given, radio=RADIO, prior=PRIOR, noise=noise, solver=QUICK)
    assert found.delay_offsets is not None
    positions = campaign.subset([1])
    told = vd.predict(found, room, positions)
    exact = simulate(room, positions, conductivity=found.fitted, radio=RADIO).rss_dbm
    assert exact is not None
    np.testing.assert_allclose(told.level_dbm, exact.ravel(), atol=1e-6)
    np.testing.assert_array_equal(vd.predict(found, room, given).level_dbm.shape, (8,))


@pytest.mark.slow
def test_delay_bins_tell_more_than_their_sum(room: SceneModel, campaign: Campaign) -> None:
    both = [
        vd.estimate(room, measured(room, campaign, w), radio=RADIO, prior=PRIOR, solver=QUICK)
        for w in ("power", "delay:5ns@0.2db")
    ]
    assert both[1].determined > both[0].determined + 1.0


@pytest.mark.slow
def test_an_offset_of_the_delays_is_found(room: SceneModel, campaign: Campaign) -> None:
    flaws = Flaws(delay_offset_ns=2.0, gain_offset_db=2.0)
    given = measured(room, campaign.subset([0]), "delay:10ns@0.2db", flaws)
    noise = Noise(delay_offset_ns=2.0, gain_offset_db=2.0)
    found = vd.estimate(room, given, radio=RADIO, prior=PRIOR, noise=noise, solver=QUICK)
    late = 2.0 * np.random.default_rng((0, 6)).standard_normal((1, 8))
    offsets = found.delay_offsets
    assert offsets is not None
    assert offsets.value == pytest.approx(late.ravel(), abs=1.0)
    assert found.observables[0].standardised < 1.3


@pytest.mark.slow
def test_offsets_of_delays_can_be_shared(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "delay:10ns")
    for shared, count in (("link", 24), ("setup", 3), ("campaign", 1)):
        noise = Noise(delay_offset_ns=1.0, delay_shared=shared)  # type: ignore[arg-type]
        found = vd.estimate(room, given, radio=RADIO, prior=PRIOR, noise=noise, solver=QUICK)
        assert found.delay_offsets is not None
        assert len(found.delay_offsets.names) == count


def test_delays_before_the_straight_path_are_named(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "delay:10ns")
    block = given.observables[0]
    assert isinstance(block, DelayPower)
    early = replace(block, start_ns=block.start_ns - 40, stop_ns=block.stop_ns - 40)
    with pytest.raises(CampaignError, match=r"straight path takes .* excess_delay_ns"):
        vd.estimate(room, replace(given, observables=(early,)), radio=RADIO)


def test_an_observable_without_noise_is_named(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "delay:10ns,delay_spread,response:4")
    remedies = ("--noise-db", "noise_ns", "column noise with")
    for block, remedy in zip(given.observables, remedies, strict=True):
        silent = block.with_measured(block.measured, np.full(len(block.row_setup), np.nan))
        with pytest.raises(CampaignError, match=f"have no noise .*{remedy}"):
            vd.estimate(room, replace(given, observables=(silent,)), radio=RADIO)


def test_what_only_levels_have_is_refused(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "delay:10ns")
    for noise in (Noise(position_error_m=0.1), Noise(clutter_db_per_sqrt_m=1.0)):
        with pytest.raises(ConfigurationError, match="received powers only"):
            vd.estimate(room, given, radio=RADIO, noise=noise)
    with pytest.raises(ConfigurationError, match=r"Adam.*beside received powers"):
        vd.estimate(room, given, radio=RADIO, solver=vd.Adam())
    powers = measured(room, campaign, "power")
    with pytest.raises(ConfigurationError, match="the campaign has none"):
        vd.estimate(room, powers, radio=RADIO, noise=Noise(delay_offset_ns=1.0))


@pytest.mark.slow
def test_held_out_links_lose_all_their_values(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "power,delay:20ns")
    solver = LevenbergMarquardt(posterior="normal", folds=4)
    parameters = Parameters(groups="material")
    found = vd.estimate(room, given, radio=RADIO, prior=PRIOR, solver=solver, parameters=parameters)
    assert 0.05 < found.held_out_db < 2.0
