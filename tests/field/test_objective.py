import dataclasses

import numpy as np
import pytest

from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.field.objective import measured_power, power_loss


def test_the_loss_by_hand() -> None:
    measured = np.array([[[1.0, 2.0], [4.0, 5.0]]])
    rss = np.array([[[1.5, 1.0], [4.0, 10.0]]])
    loss, slope = power_loss(rss, measured)
    np.testing.assert_allclose(loss, [[(0.5 + 0.5) / 2, (0.0 + 1.0) / 2]])
    np.testing.assert_allclose(slope, [[[0.5, -0.25], [0.0, 0.1]]])


def test_squares_of_decibels_by_hand() -> None:
    measured = np.array([[[1.0, 1.0, np.nan]]])
    rss = np.array([[[10.0, 0.1, 7.0]]])
    loss, slope = power_loss(rss, measured, "decibel_squares")
    np.testing.assert_allclose(loss, [[100.0]])
    # d (10 log10 r)² / dr = 2 · 10 log10 r · 10 / (r ln 10), half of it for each of two receivers
    expected = [10.0 * 10.0 / (10.0 * np.log(10.0)), -10.0 * 10.0 / (0.1 * np.log(10.0)), 0.0]
    np.testing.assert_allclose(slope, [[expected]])
    assert power_loss(np.array([[[0.0]]]), np.ones((1, 1, 1)), "decibel_squares")[0] == np.inf


def test_absent_receivers_are_not_counted() -> None:
    measured = np.array([[[1.0, 2.0, np.nan]]])
    rss = np.array([[[1.5, 1.0, 7.0]]])
    loss, slope = power_loss(rss, measured)
    np.testing.assert_allclose(loss, [[0.5]])
    np.testing.assert_allclose(slope, [[[0.5, -0.25, 0.0]]])


def test_a_receiver_without_a_path_costs_one() -> None:
    loss, _ = power_loss(np.array([[[0.0]]]), np.array([[[3.0]]]))
    assert loss == [[1.0]]


def test_one_measurement_serves_every_vector() -> None:
    rng = np.random.default_rng(0)
    rss, measured = rng.uniform(1, 2, (5, 3, 4)), rng.uniform(1, 2, (1, 3, 4))
    together = power_loss(rss, measured)
    for s in range(5):
        alone = power_loss(rss[s : s + 1], measured)
        np.testing.assert_array_equal(alone[0][0], together[0][s])
        np.testing.assert_array_equal(alone[1][0], together[1][s])


def test_padding_receivers_changes_no_bit() -> None:
    """A setup is evaluated alone by an actor, padded beside others here."""
    rng = np.random.default_rng(1)
    rss, measured = rng.uniform(1, 2, (1, 1, 11)), rng.uniform(1, 2, (1, 1, 11))
    wide = np.full((1, 1, 40), np.nan)
    wide[..., :11] = measured
    more = np.concatenate([rss, np.full((1, 1, 29), np.nan)], axis=2)
    alone, padded = power_loss(rss, measured), power_loss(more, wide)
    np.testing.assert_array_equal(alone[0], padded[0])
    np.testing.assert_array_equal(alone[1], padded[1][..., :11])


def test_measured_powers(campaign: Campaign) -> None:
    with pytest.raises(CampaignError, match="positions only"):
        measured_power(campaign, None)
    level = campaign.with_rss(np.full((3, 8), -30.0))
    np.testing.assert_allclose(measured_power(level, None), np.full((1, 3, 8), 1e-6))
    with pytest.raises(ValueError, match=r"expected \[S, M, N\]"):
        measured_power(level, np.ones((3, 8)))
    for wrong in (0.0, -1.0, np.nan, np.inf):
        power = np.ones((2, 3, 8))
        power[1, 2, 3] = wrong
        with pytest.raises(CampaignError, match="cannot be fitted"):
            measured_power(level, power)


def test_absent_receivers_have_no_measured_power(campaign: Campaign) -> None:
    present = np.ones((3, 8), bool)
    present[1, 2:] = False
    ragged = dataclasses.replace(campaign, rss_dbm=np.full((3, 8), -40.0), present=present)
    np.testing.assert_array_equal(np.isnan(measured_power(ragged, None)[0]), ~present)
