"""Estimation from observables beside received powers."""

import json
from dataclasses import replace

import numpy as np
import pytest

import vlmrt_dist as vd
from vlmrt_dist.campaign import Antenna, Campaign, DelayPower, RadioConfig, parse_observables
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import Flaws, perturbed, simulate
from vlmrt_dist.inference import (
    Assumptions,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    open_problem,
)
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


EVERYTHING = "power,delay:10ns@1db,mean_delay@0.3ns,delay_spread@0.3ns,response:4@30db,magnitude:4"


def test_every_unknown_of_links_beside_every_observable(
    room: SceneModel, campaign: Campaign
) -> None:
    """Derivatives against central differences, all unknowns of devices and links together."""
    sector = Antenna.in_degrees(pattern="tr38901", yaw=30.0, pitch=5.0)
    few = campaign.subset([0, 1]).with_antennas(sector, Antenna("hw_dipole", 0.2, (0.3, 0.4, 0.5)))
    angles = {"tx_yaw": 20.0, "tx_pitch": 10.0, "rx_yaw": 20.0, "rx_roll": 10.0}
    noise = Noise(
        gain_offset_db=1.0, delay_offset_ns=1.0, excess_loss_db_per_m=0.3, orientation_deg=angles
    )
    assumed = Assumptions(RADIO, PRIOR, noise=noise)
    with open_problem(room, measured(room, few, EVERYTHING), assumed) as problem:
        rng = np.random.default_rng(0)
        width = np.minimum(problem.unknowns.width, 0.3)
        x = problem.unknowns.mean + 0.3 * width * rng.standard_normal(len(width))
        _, exact = problem.predict(x)
        used = problem.data.used
        slopes = exact.toarray()[used] / problem.data.noise_db[used, None]
        kinds = np.array(problem.unknowns.quantity)
        for kind in np.unique(kinds):
            i, step = int(np.flatnonzero(kinds == kind)[0]), 3e-6
            ends = [problem.predict(x + s * step * np.eye(len(x))[i])[0][used] for s in (1, -1)]
            difference = (ends[0] - ends[1]) / (2.0 * step) / problem.data.noise_db[used]
            assert np.abs(slopes[:, i]).max() > 0.0, kind
            error = np.abs(difference - slopes[:, i]).max()
            assert error <= 1e-6 * np.abs(slopes[:, i]).max() + 1e-7, (kind, error)


def test_clutter_and_wrong_positions_make_observables_less_certain(
    room: SceneModel, campaign: Campaign
) -> None:
    few = campaign.subset([0])
    given, found = measured(room, few, EVERYTHING), []
    for noise in (Noise(), Noise(clutter_db_per_sqrt_m=1.0), Noise(position_error_m=0.05)):
        with open_problem(room, given, Assumptions(RADIO, PRIOR, noise=noise)) as problem:
            found.append(problem.data.noise_db)
            rows = problem.num_levels
    plain, cluttered, moved = (each[rows:] for each in found)
    in_db = np.concatenate([np.full(len(b.row_setup), b.unit == "dB") for b in given.observables])
    assert (cluttered[in_db] > plain[in_db]).all()
    np.testing.assert_array_equal(cluttered[~in_db], plain[~in_db])
    assert (moved >= plain).all()
    assert (moved > plain).mean() > 0.7


@pytest.mark.slow
def test_a_wrong_orientation_is_found_in_delay_bins_among_clutter(
    room: SceneModel, campaign: Campaign
) -> None:
    stated, true = (Antenna.in_degrees(pattern="tr38901", yaw=yaw) for yaw in (20.0, 50.0))
    given = measured(room, campaign.with_antennas(true), "power,delay:10ns@1db")
    given = given.with_these_antennas(campaign.with_antennas(stated).antennas)
    noise = Noise(
        orientation_deg={"tx_yaw": 20.0}, clutter_db_per_sqrt_m="fit", delay_offset_ns=1.0
    )
    found = vd.estimate(room, given, radio=RADIO, prior=PRIOR, noise=noise, solver=QUICK)
    for each in found.devices:
        assert each.low < 30.0 < each.high
        assert each.high - each.low < 15.0
    assert found.clutter is not None
    assert found.clutter.value < 0.2  # there was none


def test_what_only_levels_have_is_refused(room: SceneModel, campaign: Campaign) -> None:
    given = measured(room, campaign, "delay:10ns")
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
