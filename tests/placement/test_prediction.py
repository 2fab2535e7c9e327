from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tests.placement.test_selection import pool_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement.prediction import (
    PlanTarget,
    plan_for_target,
    pool_prediction,
    random_campaigns,
    spread,
)
from vlmrt_dist.placement.sensitivities import Design
from vlmrt_dist.placement.strategies.d_optimal import DOptimal
from vlmrt_dist.scene.paper_room import box_room

ROOM = box_room(0)  # five objects
ALL = np.ones(2, bool)
UNIT = Design(noise_db=1.0)


def test_one_object_by_hand() -> None:
    """Links of 3 and 4 times the noise: information 25, and 4 from the prior."""
    posterior, bound = spread(sp.csr_matrix([[3.0], [4.0]]), np.array([0.5]), np.ones(1, bool))
    np.testing.assert_allclose(posterior, [1.0 / np.sqrt(29.0)])
    np.testing.assert_allclose(bound, [0.2])


def test_both_are_what_inverting_the_information_gives() -> None:
    rng = np.random.default_rng(0)
    rows, width = rng.normal(size=(12, 5)), rng.uniform(0.2, 0.9, 5)
    posterior, bound = spread(sp.csr_matrix(rows), width, np.ones(5, bool))
    information = rows.T @ rows
    expected = np.linalg.inv(information + np.diag(1.0 / width**2))
    np.testing.assert_allclose(posterior, np.sqrt(np.diag(expected)), rtol=1e-12)
    np.testing.assert_allclose(bound, np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-10)


def test_what_links_leave_open_has_no_bound() -> None:
    """Two objects that only ever appear together, one that nothing sees, one by itself."""
    rows = sp.csr_matrix([[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0], [4.0, 4.0, 0.0, 0.0]])
    posterior, bound = spread(rows, np.full(4, 0.5), np.ones(4, bool))
    np.testing.assert_allclose(bound, [np.inf, np.inf, np.inf, 0.25])
    assert posterior[2] == 0.5
    assert (posterior[:2] < 0.5).all()


def test_fewer_links_than_objects() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3, 50))
    posterior, bound = spread(sp.csr_matrix(rows), np.full(50, 0.5), np.ones(50, bool))
    expected = np.linalg.inv(rows.T @ rows + np.eye(50) * 4.0)
    np.testing.assert_allclose(posterior, np.sqrt(np.diag(expected)), rtol=1e-10)
    assert np.isinf(bound).all()


def test_fixed_objects_have_no_spread() -> None:
    free = np.array([True, False])
    posterior, bound = spread(sp.csr_matrix([[2.0, 0.0]]), np.array([0.5, 0.0]), free)
    assert posterior[1] == bound[1] == 0.0


def sketched(strength: float = 20.0):
    """A pool in which each link sees one object, receiver n object n; the last is seen by none."""
    rows = np.zeros((4, 8, 5))
    for n in range(8):
        rows[:, n, n % 4] = strength
    return pool_of([rows.reshape(32, 5)], np.ones((4, 8), bool))


def test_verdicts_and_links_of_a_pool() -> None:
    pool = sketched()
    found = pool_prediction(ROOM, pool, np.array([0, 1]), UNIT)
    assert found.num_links == found.num_heard == 2
    assert found.verdict == ("estimated", "estimated", *["not_identified"] * 3)
    np.testing.assert_allclose(found.strongest, [20.0, 20.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("grow", "size"), [("receivers", (2, 2)), ("setups", (2, 2))])
def test_the_fewest_links_that_reach_a_target(grow, size) -> None:
    """Four objects that can be seen need one link each: two setups of two receivers."""
    target = PlanTarget(0.1, grow=grow)
    plan = plan_for_target(DOptimal(noise_db=1.0), ROOM, target, 2, 2, pool=sketched())
    assert plan.reached
    assert (plan.campaign.num_setups, plan.campaign.num_receivers) == size
    assert plan.never == (ROOM.names[4],)


def test_an_object_that_nothing_sees_makes_all_of_them_unreachable() -> None:
    target = PlanTarget(0.1, scope="all")
    plan = plan_for_target(DOptimal(noise_db=1.0), ROOM, target, 2, 8, pool=sketched())
    assert not plan.reached
    assert plan.campaign.num_receivers == 4  # half of the pool's
    assert plan.tried[-1][2] == 0.5


@pytest.mark.parametrize(
    ("options", "word"),
    [({"std": 0.0}, "target"), ({"std": np.nan}, "target"), ({"scope": "some"}, "identifiable"),
     ({"grow": "antennas"}, "setups")],
)  # fmt: skip
def test_a_target_that_makes_no_sense_is_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        PlanTarget(**({"std": 0.1} | options))


def test_random_campaigns_are_medians_of_choices_from_the_pool() -> None:
    pool = sketched()
    first = random_campaigns(ROOM, pool, 2, 3, design=UNIT, count=20, seed=1)
    again = random_campaigns(ROOM, pool, 2, 3, design=UNIT, count=20, seed=1)
    assert first.mean_posterior == again.mean_posterior
    assert first.posterior[4] == 0.5
    assert 0.1 < first.mean_posterior < 0.5
