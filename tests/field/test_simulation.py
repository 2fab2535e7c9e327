import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.numerics import PAPER, materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import check_campaign
from vlmrt_dist.campaign.model import Campaign, paths_provenance
from vlmrt_dist.errors import (
    CampaignError,
    ConfigurationError,
    MaterialError,
    NoPathsError,
    VlmrtError,
)
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.simulation import Flaws, displaced, perturbed, simulate
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.units import dbm_to_watts


def levels(campaign: Campaign) -> FloatArray:
    assert campaign.rss_dbm is not None
    return campaign.rss_dbm


def test_levels_are_those_of_the_paths(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    found = simulate(room, campaign, radio=PAPER)
    np.testing.assert_allclose(
        dbm_to_watts(levels(found)), Replay(table, PAPER).rss(materials(room))[0], rtol=1e-12
    )
    assert found.simulated_from == paths_provenance(room, PAPER)
    np.testing.assert_array_equal(found.rx, campaign.rx)
    other = simulate(room, campaign, radio=PAPER, conductivity=np.full(9, 0.05))
    assert (levels(other) != levels(found)).all()


def test_noise_is_seeded_and_has_its_standard_deviation(
    room: SceneModel, campaign: Campaign
) -> None:
    clean = simulate(room, campaign, radio=PAPER)
    errors = []
    for seed in range(100):
        noisy = simulate(room, campaign.subset([0]), radio=PAPER, noise_db=0.5, seed=seed)
        errors.append(levels(noisy) - levels(clean)[:1])
        assert noisy.noise_db == 0.5
    assert np.std(errors) == pytest.approx(0.5, rel=0.1)
    assert np.mean(errors) == pytest.approx(0.0, abs=0.06)
    again = simulate(room, campaign.subset([0]), radio=PAPER, noise_db=0.5, seed=99)
    np.testing.assert_array_equal(levels(again), levels(noisy))


@pytest.mark.parametrize(
    "conductivity", [np.ones(8), -np.ones(9), np.full(9, np.nan), np.full(9, np.inf)]
)
def test_impossible_conductivities_are_refused(
    room: SceneModel, campaign: Campaign, conductivity: np.ndarray
) -> None:
    with pytest.raises(MaterialError, match="9 finite numbers"):
        simulate(room, campaign, radio=PAPER, conductivity=conductivity)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_impossible_noise_is_refused(room: SceneModel, campaign: Campaign, noise: float) -> None:
    with pytest.raises(VlmrtError, match="noise_db"):
        simulate(room, campaign, radio=PAPER, noise_db=noise)


def test_positions_have_to_fit(room: SceneModel, campaign: Campaign) -> None:
    inside = campaign.rx.copy()
    inside[1, 2] = [-3.0, 3.0, 0.5]
    with pytest.raises(CampaignError, match=r"setup 2, receiver 3 .*inside 'box_wood'"):
        simulate(room, dataclasses.replace(campaign, rx=inside), radio=PAPER)


@pytest.mark.slow
def test_receivers_that_nothing_reaches_are_taken_out(room: SceneModel) -> None:
    """Lines of sight only, and a box in the way of all but one receiver of the first setup."""
    blocked = [[3.8, -3.0, 0.5], [3.9, -3.2, 0.4]]
    places = Campaign(
        np.array([[2.2, -3.0, 0.5], [2.0, -3.0, 0.5]]),
        np.array([[blocked[0], [0.0, 0.0, 2.0]], blocked]),
    )
    with pytest.warns(UserWarning, match=r"no path reaches 3 receivers.*setup 1 receiver 1"):
        found = simulate(room, places, radio=PAPER.replace(max_depth=0))
    assert found.num_setups == 1
    np.testing.assert_array_equal(found.present, [[False, True]])
    assert np.isfinite(levels(found)[found.present]).all()
    with pytest.raises(NoPathsError, match="max_depth"):
        simulate(room, places.subset([1]), radio=PAPER.replace(max_depth=0))


def test_noise_may_differ_from_link_to_link(room: SceneModel, campaign: Campaign) -> None:
    clean = levels(simulate(room, campaign, radio=PAPER))
    noise = np.zeros(clean.shape)
    noise[1, 2] = 3.0
    found = simulate(room, campaign, radio=PAPER, noise_db=noise, seed=1)
    changed = np.argwhere(levels(found) != clean)
    assert changed.tolist() == [[1, 2]]
    np.testing.assert_array_equal(found.noise_db, noise)
    with pytest.raises(ConfigurationError, match="noise_db"):
        simulate(room, campaign, radio=PAPER, noise_db=np.zeros(8))


def test_levels_are_rounded_after_noise_and_the_rounding_is_declared(
    room: SceneModel, campaign: Campaign
) -> None:
    noisy = simulate(room, campaign, radio=PAPER, noise_db=0.3, seed=2)
    found = simulate(
        room, campaign, radio=PAPER, noise_db=0.3, flaws=Flaws(quantisation_db=0.5), seed=2
    )
    np.testing.assert_array_equal(levels(found), 0.5 * np.round(2.0 * levels(noisy)))
    assert found.noise_db == pytest.approx(np.sqrt(0.3**2 + 0.5**2 / 12.0))


def test_what_lies_below_the_floor_is_censored_there(room: SceneModel, campaign: Campaign) -> None:
    clean = levels(simulate(room, campaign, radio=PAPER))
    floor = float(np.quantile(clean, 0.3))
    found = simulate(room, campaign, radio=PAPER, flaws=Flaws(noise_floor_dbm=floor))
    np.testing.assert_array_equal(found.censored, clean < floor)
    assert 0 < found.censored.sum() < found.num_links == campaign.num_links
    np.testing.assert_array_equal(levels(found), np.maximum(clean, floor))


def test_what_lies_above_the_ceiling_saturates(room: SceneModel, campaign: Campaign) -> None:
    clean = levels(simulate(room, campaign, radio=PAPER))
    low, high = (float(np.quantile(clean, q)) for q in (0.3, 0.7))
    flaws = Flaws(noise_floor_dbm=low, saturation_dbm=high)
    found = simulate(room, campaign, radio=PAPER, flaws=flaws)
    np.testing.assert_array_equal(found.saturated, clean > high)
    np.testing.assert_array_equal(found.below, clean < low)
    np.testing.assert_array_equal(levels(found), np.clip(clean, low, high))


def test_outliers_hit_their_share_and_leave_the_rest(room: SceneModel, campaign: Campaign) -> None:
    clean = levels(simulate(room, campaign, radio=PAPER, noise_db=0.1, seed=0))
    counts = []
    for seed in range(30):
        plain = levels(simulate(room, campaign, radio=PAPER, noise_db=0.1, seed=seed))
        found = simulate(
            room,
            campaign,
            radio=PAPER,
            noise_db=0.1,
            flaws=Flaws(outlier_share=0.2, outlier_db=10),
            seed=seed,
        )
        error = levels(found) - plain
        assert found.noise_db == 0.1
        np.testing.assert_allclose(np.abs(error[error != 0.0]), 10.0)
        counts.append((error != 0.0).mean())
    assert np.mean(counts) == pytest.approx(0.2, abs=0.05)
    assert (levels(simulate(room, campaign, radio=PAPER, noise_db=0.1, seed=0)) == clean).all()


def test_the_levels_of_a_setup_share_a_gain_offset(room: SceneModel, campaign: Campaign) -> None:
    clean = levels(simulate(room, campaign, radio=PAPER))
    offsets = []
    for seed in range(40):
        error = (
            levels(
                simulate(room, campaign, radio=PAPER, flaws=Flaws(gain_offset_db=2.0), seed=seed)
            )
            - clean
        )
        np.testing.assert_allclose(error, error[:, :1].repeat(8, axis=1), atol=1e-9)
        offsets.append(error[:, 0])
    assert np.std(offsets) == pytest.approx(2.0, rel=0.2)


def test_displaced_receivers_stay_where_an_antenna_can_be(room: SceneModel) -> None:
    beside = Campaign(
        np.array([[0.0, 0.0, 1.5]]), np.array([[[-3.0, 3.0, 1.3], [4.9, 4.9, 2.9], [2, 2, 1]]])
    )
    found = [displaced(room, beside, 0.3, np.random.default_rng(s)).rx for s in range(40)]
    for rx in found:
        check_campaign(room, Campaign(beside.tx, rx))
    error = (np.array(found) - beside.rx)[:, 0]
    assert error[:, 2].std() == pytest.approx(0.3, rel=0.2)
    # In the corner only away from it: what would be outside is drawn again, not clipped.
    assert (error[:, 1] < 0.1).all()
    assert len(np.unique(error[:, 1])) == error[:, 1].size
    outside = Campaign(beside.tx, beside.rx + 50.0)
    with pytest.raises(CampaignError, match="lower the position error"):
        displaced(room, outside, 0.1, np.random.default_rng(0))


@pytest.mark.slow
def test_wrong_positions_change_the_levels_and_not_what_is_stated(
    room: SceneModel, campaign: Campaign
) -> None:
    clean = simulate(room, campaign, radio=PAPER)
    found = simulate(room, campaign, radio=PAPER, flaws=Flaws(position_error_m=0.05), seed=4)
    np.testing.assert_array_equal(found.rx, clean.rx)
    assert (levels(found) != levels(clean)).all()
    # Other positions have other paths, so an estimate from these levels is no same_paths one.
    assert found.simulated_from not in (None, clean.simulated_from)
    again = simulate(room, campaign, radio=PAPER, flaws=Flaws(position_error_m=0.05), seed=4)
    assert again.key == found.key


def test_each_setup_is_received_at_its_carrier(room: SceneModel, campaign: Campaign) -> None:
    several = Campaign.from_setups(campaign.setups, frequency=[5e9, 3.5e9, 5e9])
    found = simulate(room, several, radio=PAPER)
    assert found.frequency is not None
    assert found.frequency.tolist() == [5e9, 3.5e9, 5e9]
    plain = simulate(room, campaign, radio=PAPER)
    high = dataclasses.replace(several, frequency=np.full(3, 5e9))
    np.testing.assert_array_equal(levels(found)[1], levels(plain)[1])
    np.testing.assert_array_equal(
        levels(found)[[0, 2]], levels(simulate(room, high, radio=PAPER))[[0, 2]]
    )
    assert found.simulated_from == plain.simulated_from  # the paths are the same ones


def test_another_carrier_gives_what_a_radio_of_that_carrier_gives(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    """The stored paths of 3.5 GHz, replayed with the materials and wavelength of 5 GHz."""
    several = Campaign.from_setups(campaign.setups, frequency=[5e9] * 3)
    radio = PAPER.replace(frequency=5e9)
    expected = Replay(table, radio).rss(materials(room, 5e9))[0]
    found = levels(simulate(room, several, radio=PAPER))
    np.testing.assert_allclose(dbm_to_watts(found), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ({"quantisation_db": -1.0}, "quantisation_db"),
        ({"quantisation_db": float("nan")}, "quantisation_db"),
        ({"noise_floor_dbm": float("-inf")}, "noise_floor_dbm"),
        ({"saturation_dbm": float("nan")}, "saturation_dbm"),
        ({"noise_floor_dbm": -20.0, "saturation_dbm": -30.0}, "must lie below"),
        ({"outlier_share": 1.5}, "outlier_share"),
        ({"outlier_db": -1.0}, "outlier_db"),
        ({"gain_offset_db": float("inf")}, "gain_offset_db"),
        ({"position_error_m": -0.1}, "position_error_m"),
    ],
)
def test_impossible_flaws_are_refused(flaw: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Flaws(**flaw)


@pytest.mark.slow
def test_with_a_noise_floor_receivers_that_nothing_reaches_are_censored(room: SceneModel) -> None:
    """Lines of sight only, and a box in the way of one receiver."""
    places = Campaign(np.array([[2.2, -3.0, 0.5]]), np.array([[[3.8, -3.0, 0.5], [0.0, 0.0, 2.0]]]))
    radio = PAPER.replace(max_depth=0)
    found = simulate(room, places, radio=radio, flaws=Flaws(noise_floor_dbm=-90.0))
    assert found.present.all()
    assert found.censored.tolist() == [[True, False]]
    assert levels(found)[0, 0] == -90.0


def test_truths_are_drawn_as_in_the_paper() -> None:
    nominal = np.array([0.03, 0.1])
    factor = np.array([perturbed(nominal, seed) / nominal for seed in range(3000)])
    assert factor.min() >= 0.8
    assert factor.max() <= 1.2
    assert factor.mean() == pytest.approx(1.0, abs=0.01)
    # N(1, 0.1²) truncated at two standard deviations has 0.088 left, and no heaps at its ends.
    assert factor.std() == pytest.approx(0.088, abs=0.003)
    assert ((factor == 0.8) | (factor == 1.2)).sum() == 0
    np.testing.assert_array_equal(perturbed(nominal, 4), perturbed(nominal, 4))
