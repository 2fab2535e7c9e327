import numpy as np
import pytest

from tests.towns import SLOPE, hollow_town, under_a_roof
from vlmrt_dist.campaign.free_space import check_campaign, random_campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement import candidates
from vlmrt_dist.placement.candidates import prior_draws, random_positions
from vlmrt_dist.placement.strategies.grid import Grid
from vlmrt_dist.placement.strategies.random import Random
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.paper_room import box_room

ROOM = box_room()


def test_a_pool_is_in_free_space_and_repeats() -> None:
    pool = random_positions(ROOM, 4, 6, seed=3)
    check_campaign(ROOM, pool)
    assert (pool.num_setups, pool.num_receivers) == (4, 6)
    assert random_positions(ROOM, 4, 6, seed=3).key == pool.key
    assert random_positions(ROOM, 4, 6, seed=4).key != pool.key


def test_heights_are_above_the_floor() -> None:
    pool = random_positions(ROOM, 3, 20, seed=0, region=Region(height=(1.2, 1.8)))
    z = np.concatenate([pool.tx[:, 2], pool.rx[:, :, 2].ravel()])
    assert ((z >= 1.2) & (z <= 1.8)).all()


def test_at_street_level_nobody_stands_on_a_roof() -> None:
    street = load_scene(bundled_scene("simple_street_canyon"), headroom=5.0)
    pool = random_positions(street, 3, 20, seed=0, region=Region(height=(1.5, 2.0)))
    check_campaign(street, pool)
    assert pool.rx[:, :, 2].max() <= 2.0 + 1e-9


def test_transmitters_may_stand_higher() -> None:
    region = Region(height=(1.0, 1.2), tx_height=(2.0, 2.5))
    pool = random_positions(ROOM, 6, 5, seed=0, region=region)
    assert ((pool.tx[:, 2] >= 2.0) & (pool.tx[:, 2] <= 2.5)).all()
    assert pool.rx[..., 2].max() <= 1.2


@pytest.mark.parametrize("strategy", [Random, Grid])
def test_in_a_city_of_hollow_shells_nobody_stands_indoors(strategy: type[Random | Grid]) -> None:
    town = hollow_town()
    street = Region(height=(1.5, 1.5), tx_height=(3.0, 6.0))
    campaign = strategy(street).place(town, 3, 40, seed=1)
    points = np.concatenate([campaign.tx, campaign.rx.reshape(-1, 3)])
    assert (town.inside_object(points) < 0).all()  # no shell is closed: this knows nothing
    assert not under_a_roof(points).any()
    rise = points[:, 2] - SLOPE * points[:, 0]
    np.testing.assert_allclose(rise[3:], 1.5, atol=0.0051)
    assert ((rise[:3] >= 2.99) & (rise[:3] <= 6.01)).all()
    # Without the rule a third of the places would be under a roof.
    drawn = np.random.default_rng(0).uniform(0.0, 130.0, (500, 2))
    assert 0.2 < under_a_roof(drawn).mean() < 0.5


def test_receivers_stay_within_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "REACH", 1.0)
    pool = random_positions(ROOM, 5, 10, seed=0)
    assert np.abs(pool.rx - pool.tx[:, None]).max() <= 1.0 + 1e-9


def test_setups_that_join_come_first_and_are_filled_up() -> None:
    extra = random_campaign(ROOM, 2, 3, seed=8)
    pool = random_positions(ROOM, 4, 5, seed=0, extra=extra)
    assert pool.num_setups == 6
    np.testing.assert_array_equal(pool.tx[:2], extra.tx)
    np.testing.assert_array_equal(pool.rx[:2, :3], extra.rx)
    check_campaign(ROOM, pool)


def test_draws_begin_at_the_prior_and_leave_what_is_fixed() -> None:
    radio = RadioConfig()
    draws = prior_draws(ROOM, radio, 0.5, 400, 0, fixed=("floor",))
    median = ROOM.conductivity(radio.frequency)
    np.testing.assert_allclose(draws[0], median)
    np.testing.assert_allclose(draws[:, 0], median[0])
    np.testing.assert_allclose(np.log(draws[1:, 1:] / median[1:]).std(), 0.5, rtol=0.05)
    with pytest.raises(ConfigurationError, match="num_draws"):
        prior_draws(ROOM, radio, 0.5, 0, 0)
    with pytest.raises(ConfigurationError, match="prior_width"):
        prior_draws(ROOM, radio, 0.0, 1, 0)


@pytest.mark.slow
def test_scenes_that_scatter_nothing_are_told() -> None:
    from vlmrt_dist.field import NothingScatters
    from vlmrt_dist.placement.candidates import pool_for
    from vlmrt_dist.placement.options import CandidateOptions

    radio = RadioConfig(max_depth=1, diffuse_reflection=True, scattering_points=10)
    few = CandidateOptions(num_tx=2, num_rx=3)
    with pytest.warns(NothingScatters, match="no surface scatters"):
        pool_for(ROOM, 1, 2, seed=0, radio=radio, candidates=few)
