import numpy as np
import pytest

from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement import STRATEGIES, place
from vlmrt_dist.rooms import box_room
from vlmrt_dist.setups import check_campaign, random_campaign


@pytest.mark.parametrize(
    "strategy",
    # The others trace the scene first.
    [pytest.param(s, marks=[] if s in ("random", "vlm") else pytest.mark.slow) for s in STRATEGIES],
)
def test_every_strategy_gives_a_campaign_that_fits_and_repeats(strategy: str) -> None:
    room = box_room()
    campaign = place(strategy, room, 3, 8, seed=4)
    assert (campaign.num_setups, campaign.num_receivers) == (3, 8)
    assert campaign.rss_dbm is None
    check_campaign(room, campaign)
    assert place(strategy, room, 3, 8, seed=4).key == campaign.key
    assert place(strategy, room, 3, 8, seed=5).key != campaign.key


def test_random_is_random_campaign() -> None:
    room = box_room()
    expected = random_campaign(room, 2, 3, seed=9, clearance=0.5)
    assert place("random", room, 2, 3, seed=9, clearance=0.5).key == expected.key
    assert place("random", room, 2, 3).key == random_campaign(room, 2, 3, seed=0).key


def test_unknown_strategies_and_options() -> None:
    room = box_room()
    with pytest.raises(CampaignError, match=r"'clever'.*random"):
        place("clever", room, 1, 1)
    with pytest.raises(CampaignError, match=r"'pool'.*clearance"):
        place("random", room, 1, 1, pool=3)


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002 - the state that must not be touched
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    place("random", box_room(), 1, 2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]  # noqa: NPY002
