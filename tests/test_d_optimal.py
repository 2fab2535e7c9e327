# ruff: noqa: F401, F811  (pytest finds imported fixtures by their names)
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numerics import PAPER, path_cache, room

from vlmrt_dist.errors import CampaignError, VlmrtError
from vlmrt_dist.placement import d_optimal, place
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import check_campaign, random_campaign

SMALL: dict[str, Any] = {"radio": PAPER, "num_tx_candidates": 5, "num_rx_candidates": 20}


def log_det(rows: np.ndarray, width: float) -> float:
    information = rows.T @ rows + np.eye(rows.shape[1]) / width**2
    return float(np.linalg.slogdet(information)[1])


def test_each_receiver_is_the_best_next_one() -> None:
    rng = np.random.default_rng(0)
    rows, width = rng.normal(size=(15, 4)), 0.5
    heard = rng.random(15) > 0.2
    gain, chosen, covariance = d_optimal._receivers(rows, heard, np.eye(4) * width**2, 5)
    so_far: list[int] = []
    for best in chosen:
        left = [int(i) for i in np.flatnonzero(heard) if i not in so_far]
        values = [log_det(rows[[*so_far, i]], width) for i in left]
        assert left[int(np.argmax(values))] == best
        so_far.append(best)
    base = log_det(np.zeros((0, 4)), width)
    assert gain == pytest.approx(log_det(rows[chosen], width) - base, rel=1e-12)
    expected = np.linalg.inv(rows[chosen].T @ rows[chosen] + np.eye(4) / width**2)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_setups_are_chosen_whole() -> None:
    """A transmitter with one splendid receiver loses against one with three good ones."""
    rows = np.zeros((2, 3, 3))
    rows[0, 0] = [10.0, 0.0, 0.0]
    rows[1] = np.eye(3) * 6.0
    chosen = d_optimal._greedy(
        sp.csr_matrix(rows.reshape(6, 3)), np.ones(6, bool), (2, 3), 1, 3, 1.0
    )
    assert chosen[0][0] == 1
    assert sorted(chosen[0][1]) == [0, 1, 2]


def test_receivers_that_hear_nothing_are_not_chosen() -> None:
    audible = np.array([True, False, True, True, False, False])
    rows = sp.csr_matrix(np.ones((6, 2)))
    chosen = d_optimal._greedy(rows, audible, (2, 3), 1, 2, 1.0)
    assert chosen == [(0, [0, 2])] or chosen == [(0, [2, 0])]
    with pytest.raises(CampaignError, match="only 1 of 2 candidate transmitters"):
        d_optimal._greedy(rows, audible, (2, 3), 2, 2, 1.0)


def test_the_pool_has_to_be_large_enough(room: SceneModel) -> None:
    with pytest.raises(CampaignError, match="pool of 5 transmitters"):
        place("d_optimal", room, 6, 3, **SMALL)
    with pytest.raises(CampaignError, match="20 receivers"):
        place("d_optimal", room, 2, 21, **SMALL)


@pytest.mark.parametrize("option", [{"noise_db": 0.0}, {"noise_db": -1.0}, {"prior_width": 0.0}])
def test_impossible_options_are_refused(room: SceneModel, option: dict[str, Any]) -> None:
    with pytest.raises(VlmrtError, match=next(iter(option))):
        place("d_optimal", room, 1, 2, **SMALL, **option)


@pytest.mark.parametrize(("setups", "receivers"), [(0, 3), (2, 0), (-1, 3)])
def test_nothing_to_place_is_an_error(room: SceneModel, setups: int, receivers: int) -> None:
    with pytest.raises(CampaignError, match="at least one"):
        place("d_optimal", room, setups, receivers, **SMALL)


@pytest.mark.slow
def test_it_places_a_campaign_that_fits_and_repeats(room: SceneModel) -> None:
    first = place("d_optimal", room, 3, 4, seed=3, **SMALL)
    second = place("d_optimal", room, 3, 4, seed=3, **SMALL)
    assert first.key == second.key
    assert (first.num_setups, first.num_receivers) == (3, 4)
    assert first.rss_dbm is None
    check_campaign(room, first)
    assert len(np.unique(first.tx, axis=0)) == 3
    assert place("d_optimal", room, 3, 4, seed=4, **SMALL).key != first.key


@pytest.mark.slow
def test_it_tells_more_than_random_positions(room: SceneModel) -> None:
    from vlmrt_dist.objective import ReplayObjective
    from vlmrt_dist.tracing import trace

    def mean_bound(campaign) -> float:
        blank = campaign.with_rss(np.zeros(campaign.present.shape))
        objective = ReplayObjective(room, blank, PAPER, trace(room, campaign, PAPER))
        _, jacobian = objective.log_jacobian(room.conductivity(PAPER.frequency))
        rows = jacobian.toarray() / 0.1
        covariance = np.linalg.inv(rows.T @ rows + np.eye(9) / 5.0**2)
        return float(np.exp(np.log(np.diag(covariance)).mean() / 2))

    planned = mean_bound(place("d_optimal", room, 3, 8, seed=0, radio=PAPER))
    random = np.median([mean_bound(random_campaign(room, 3, 8, seed=s)) for s in range(5)])
    assert planned < 0.5 * random
