from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.free_space import check_campaign, random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import Combining, RadioConfig
from vlmrt_dist.errors import CampaignError, VlmrtError
from vlmrt_dist.placement.prediction import predicted_std, random_campaigns
from vlmrt_dist.placement.registry import STRATEGIES, place
from vlmrt_dist.placement.strategies.optimal import choose, pool_for
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.studies.runs import Point, evaluate

SMALL: dict[str, Any] = {
    "radio": RadioConfig.paper(max_depth=2),
    "num_tx_candidates": 5,
    "num_rx_candidates": 16,
}
TRACED = ("d_optimal", "a_optimal", "vlm_then_refine")


@pytest.mark.parametrize(
    "strategy", [pytest.param(s, marks=[pytest.mark.slow] * (s in TRACED)) for s in STRATEGIES]
)
def test_every_strategy_gives_a_campaign_that_fits_and_repeats(strategy: str) -> None:
    room = box_room()
    options = SMALL if strategy in TRACED else {}
    campaign = place(strategy, room, 3, 8, seed=4, **options)
    assert (campaign.num_setups, campaign.num_receivers) == (3, 8)
    assert campaign.rss_dbm is None
    assert len(np.unique(campaign.tx, axis=0)) == 3
    check_campaign(room, campaign)
    assert place(strategy, room, 3, 8, seed=4, **options).key == campaign.key
    other = place(strategy, room, 3, 8, seed=5, **options)
    assert (other.key == campaign.key) == (strategy == "grid")  # where nothing is random


@pytest.mark.parametrize(("setups", "receivers"), [(1, 1), (4, 9), (7, 40)])
def test_a_grid_is_regular_and_its_transmitters_far_apart(setups: int, receivers: int) -> None:
    room = box_room()
    campaign = place("grid", room, setups, receivers)
    check_campaign(room, campaign)
    assert len(np.unique(campaign.rx[0], axis=0)) == receivers
    np.testing.assert_array_equal(campaign.rx[0], campaign.rx[-1])
    if setups > 1:
        distance = np.linalg.norm(campaign.tx[:, None] - campaign.tx, axis=2)
        assert distance[distance > 0].min() > 2.0
    with pytest.raises(CampaignError, match="grid has only"):
        place("grid", room, 1, 1, clearance=5.0)


def test_a_proposal_has_to_have_the_size_that_is_asked_for() -> None:
    room = box_room()
    start = random_campaign(room, 2, 3, seed=0)
    with pytest.raises(CampaignError, match="2 setups of up to 3 receivers; 3 of 3"):
        place("vlm_then_refine", room, 3, 3, start=start)


@pytest.mark.slow
def test_a_refined_proposal_tells_at_least_as_much(path_cache: None) -> None:
    room, radio = box_room(), SMALL["radio"]
    start = random_campaign(room, 2, 3, seed=0)
    better = place("vlm_then_refine", room, 2, 3, start=start, **SMALL)
    before, after = (
        predicted_std(room, c, radio=radio, noise_db=0.01).mean_posterior for c in (start, better)
    )
    assert after < 0.8 * before


@pytest.mark.parametrize("strategy", ["d_optimal", "a_optimal"])
def test_pools_and_options_that_make_no_sense_are_refused(strategy: str) -> None:
    room = box_room()
    with pytest.raises(CampaignError, match="pool of 5 transmitters"):
        place(strategy, room, 6, 3, **SMALL)
    with pytest.raises(CampaignError, match="16 receivers"):
        place(strategy, room, 2, 17, **SMALL)
    for setups, receivers in ((0, 3), (2, 0), (-1, 3)):
        with pytest.raises(CampaignError, match="at least one"):
            place(strategy, room, setups, receivers, **SMALL)
    with pytest.raises(VlmrtError, match="prior_width"):
        place(strategy, room, 1, 2, prior_width=0.0, **SMALL)
    with pytest.raises(CampaignError, match="'lamp'"):
        place("a_optimal", room, 1, 2, objects=("lamp",), **SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_d_optimal_positions_tell_far_more_than_random_ones(
    path_cache: None, combining: Combining
) -> None:
    """Cramér-Rao bounds without a prior: at least 20 times lower than the median of 100 random
    campaigns at M = 3, N = 3, and 5 times at N = 8; on complete paths of the chosen positions."""
    room = box_room()
    radio = RadioConfig(combining=combining, samples_per_src=20_000, max_depth=3)
    pool = pool_for(room, 3, 8, seed=0, radio=radio, num_tx_candidates=10, num_rx_candidates=30)
    for count, factor in ((3, 20.0), (8, 5.0)):
        planned = choose(pool, "D", 3, count, seed=0, num_restarts=2)
        found = predicted_std(room, planned, radio=radio, noise_db=0.1)
        chance = random_campaigns(room, pool, 3, count, noise_db=0.1, prior_width=0.5)
        assert factor * found.mean_cramer_rao < chance.mean_cramer_rao


@pytest.mark.slow
def test_estimates_from_d_optimal_positions_are_far_better(path_cache: None) -> None:
    """Coherent, M = 3, N = 3, 0.01 dB of noise, MAP with the truths' own spread as prior."""
    room, radio, seeds = box_room(), RadioConfig.paper(combining="coherent"), tuple(range(12))
    planned = place("d_optimal", room, 3, 3, seed=0, radio=radio)

    def errors(campaign: Campaign, which: tuple[int, ...]) -> list[float]:
        point = Point(
            "quality", room, campaign, radio, ("map",), "itu", "same_paths", which,
            noise_db=0.01, prior_width=0.1,
        )  # fmt: skip
        return [row.mre for row in evaluate(point)]

    chance = [errors(random_campaign(room, 3, 3, seed=s), (s,))[0] for s in seeds]
    assert np.median(errors(planned, seeds)) < 0.1 * np.median(chance)


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
