import pickle
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from vlmrt_dist.campaign.free_space import check_campaign, random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import Combining, RadioConfig
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement.options import CandidateOptions
from vlmrt_dist.placement.prediction import predicted_std, random_campaigns
from vlmrt_dist.placement.registry import STRATEGIES, place, strategy_named
from vlmrt_dist.placement.sensitivities import Design
from vlmrt_dist.placement.strategies._base import Strategy
from vlmrt_dist.placement.strategies.a_optimal import AOptimal
from vlmrt_dist.placement.strategies.d_optimal import DOptimal
from vlmrt_dist.placement.strategies.grid import Grid
from vlmrt_dist.placement.strategies.random import Random
from vlmrt_dist.placement.strategies.vlm import Vlm
from vlmrt_dist.placement.strategies.vlm_then_refine import VlmThenRefine
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.studies.evaluation import evaluate
from vlmrt_dist.studies.point import Point

RADIO = RadioConfig.paper(max_depth=2)
FEW = CandidateOptions(num_tx=5, num_rx=16)
SMALL: dict[str, Strategy] = {
    "d_optimal": DOptimal(radio=RADIO, candidates=FEW),
    "a_optimal": AOptimal(radio=RADIO, candidates=FEW),
    "d_optimal_refined": DOptimal(radio=RADIO, candidates=FEW, refine=True),
    "a_optimal_refined": AOptimal(radio=RADIO, candidates=FEW, refine=True),
    "vlm_then_refine": VlmThenRefine(radio=RADIO, candidates=FEW),
}


@pytest.mark.parametrize(
    "name", [pytest.param(s, marks=[pytest.mark.slow] * (s in SMALL)) for s in STRATEGIES]
)
def test_every_strategy_gives_a_campaign_that_fits_and_repeats(name: str) -> None:
    room = box_room()
    strategy = SMALL.get(name, name)
    campaign = place(strategy, room, 3, 8, seed=4)
    assert (campaign.num_setups, campaign.num_receivers) == (3, 8)
    assert campaign.rss_dbm is None
    assert len(np.unique(campaign.tx, axis=0)) == 3
    check_campaign(room, campaign)
    assert place(strategy, room, 3, 8, seed=4).key == campaign.key
    other = place(strategy, room, 3, 8, seed=5)
    assert (other.key == campaign.key) == (name == "grid")  # where nothing is random


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
        place(Grid(Region(clearance=5.0)), room, 1, 1)


def test_a_proposal_has_to_have_the_size_that_is_asked_for() -> None:
    room = box_room()
    start = random_campaign(room, 2, 3, seed=0)
    with pytest.raises(CampaignError, match="2 setups of up to 3 receivers; 3 of 3"):
        place(VlmThenRefine(start=start), room, 3, 3)


@pytest.mark.slow
def test_a_refined_proposal_tells_at_least_as_much(path_cache: None) -> None:
    room = box_room()
    start = random_campaign(room, 2, 3, seed=0)
    better = place(VlmThenRefine(start=start, radio=RADIO, candidates=FEW), room, 2, 3)
    before, after = (
        predicted_std(room, c, radio=RADIO, noise_db=0.01).mean_posterior for c in (start, better)
    )
    assert after < 0.8 * before


@pytest.mark.parametrize("name", ["d_optimal", "a_optimal"])
def test_pools_that_are_too_small_are_refused(name: str) -> None:
    room = box_room()
    with pytest.raises(CampaignError, match="pool of 5 transmitters"):
        place(SMALL[name], room, 6, 3)
    with pytest.raises(CampaignError, match="16 receivers"):
        place(SMALL[name], room, 2, 17)
    for setups, receivers in ((0, 3), (2, 0), (-1, 3)):
        with pytest.raises(CampaignError, match="at least one"):
            place(SMALL[name], room, setups, receivers)


@pytest.mark.parametrize("strategy", [DOptimal, AOptimal, VlmThenRefine])
@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"prior_width": 0.0}, "prior_width must be positive"),
        ({"prior_width": np.inf}, "prior_width must be positive and finite"),
        ({"noise_db": 0.0}, "noise_db must be positive"),
        ({"noise_db": np.nan}, "noise_db must be positive"),
        ({"fixed": "floor"}, "fixed takes several names"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    strategy: type[Any], options: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigurationError, match=word):
        strategy(**options)


def test_objects_and_restarts_have_to_be_some() -> None:
    with pytest.raises(CampaignError, match="'lamp'"):
        place(AOptimal(objects=("lamp",)), box_room(), 1, 2)
    with pytest.raises(ConfigurationError, match="at least one"):
        AOptimal(objects=())
    text: Any = "floor"
    with pytest.raises(ConfigurationError, match="objects takes several names"):
        AOptimal(objects=text)
    with pytest.raises(ConfigurationError, match="num_restarts"):
        DOptimal(num_restarts=0)
    with pytest.raises(ConfigurationError, match="no object is named 'lamp'"):
        place(DOptimal(fixed=("lamp",)), box_room(), 1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_d_optimal_positions_tell_far_more_than_random_ones(
    path_cache: None, combining: Combining
) -> None:
    """Cramér-Rao bounds without a prior: at least 20 times lower than the median of 100 random
    campaigns at M = 3, N = 3, and 5 times at N = 8; on all paths of the chosen positions."""
    room = box_room()
    radio = RadioConfig(combining=combining, max_depth=3)
    few = CandidateOptions(num_tx=10, num_rx=30)
    optimal = DOptimal(radio=radio, candidates=few, num_restarts=2)
    pool = optimal.pool(room, 3, 8, seed=0)
    for count, factor in ((3, 20.0), (8, 5.0)):
        planned = optimal.choose(room, pool, 3, count, seed=0)
        found = predicted_std(room, planned, radio=radio, noise_db=0.1)
        chance = random_campaigns(room, pool, 3, count, design=Design())
        assert factor * found.mean_cramer_rao < chance.mean_cramer_rao


@pytest.mark.slow
def test_estimates_from_d_optimal_positions_are_far_better(path_cache: None) -> None:
    """Coherent, M = 3, N = 3, 0.01 dB of noise, MAP with the truths' own spread as prior."""
    room, radio, seeds = box_room(), RadioConfig(combining="coherent"), tuple(range(12))
    planned = place(DOptimal(radio=radio), room, 3, 3, seed=0)

    def errors(campaign: Campaign, which: tuple[int, ...]) -> list[float]:
        point = Point(
            "quality", room, campaign, radio, ("map",), "itu", "same_paths", which,
            noise_db=0.01, prior_width=0.1,
        )  # fmt: skip
        return [row.mre for row in evaluate(point)]

    chance = [errors(random_campaign(room, 3, 3, seed=s), (s,))[0] for s in seeds]
    assert np.median(errors(planned, seeds)) < 0.15 * np.median(chance)


def test_random_is_uniform_in_the_free_space_of_a_room() -> None:
    room = box_room()
    many = place(Random(Region(clearance=0.5)), room, 20, 100, seed=9)
    points = np.concatenate([many.tx, many.rx.reshape(-1, 3)])
    assert (room.distance_to_surface(points) >= 0.5).all()
    np.testing.assert_array_equal(points, points.round(2))
    expected = random_campaign(room, 20, 100, seed=9, clearance=0.5)
    others = np.concatenate([expected.tx, expected.rx.reshape(-1, 3)])
    for axis in range(3):
        # Two samples of one distribution: the chance of a larger difference is 1e-4.
        assert ks_2samp(points[:, axis], others[:, axis]).pvalue > 1e-4
    assert place("random", room, 2, 3).key == place(Random(), room, 2, 3, seed=0).key


def test_unknown_strategies_are_refused() -> None:
    with pytest.raises(CampaignError, match=r"'clever'.*random"):
        place("clever", box_room(), 1, 1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_name_stands_for_the_defaults(name: str) -> None:
    """A radio configuration is taken by the strategies that trace candidates, and only by them."""
    plain, tuned = strategy_named(name), strategy_named(name, RADIO)
    assert plain == STRATEGIES[name]()
    assert (tuned != plain) == (name in SMALL)
    assert getattr(tuned, "radio", RADIO) == RADIO


def test_strategies_survive_the_way_to_an_actor() -> None:
    start = random_campaign(box_room(), 2, 3, seed=0)
    for strategy in (*SMALL.values(), Random(Region(height=(1.0, 2.0))), Grid(), Vlm()):
        assert pickle.loads(pickle.dumps(strategy)) == strategy
    refined = pickle.loads(pickle.dumps(VlmThenRefine(start=start)))
    assert refined.start.key == start.key


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002 - the state that must not be touched
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    place("random", box_room(), 1, 2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]  # noqa: NPY002
