import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement import selection
from vlmrt_dist.placement.candidates import CandidatePool
from vlmrt_dist.placement.selection import Criterion, DesignInformation, LinkChoice, select
from vlmrt_dist.placement.sensitivities import Design

TX, RX, OBJECTS, DRAWS = 3, 7, 5, 3
NOISE = 0.7
WIDTH = np.array([0.2, 0.5, 0.3, 0.8, 0.4])
DESIGN = Design(noise_db=NOISE, prior_width=WIDTH)
BINS = Design(noise_db=NOISE, prior_width=WIDTH, observables="delay:10ns")


def pool_of(jacobians: list[FloatArray], heard: BoolArray) -> CandidatePool:
    rng = np.random.default_rng(7)
    return CandidatePool(
        campaign=Campaign(
            tx=rng.normal(size=(*heard.shape[:1], 3)), rx=rng.normal(size=(*heard.shape, 3))
        ),
        heard=heard,
        jacobians=tuple(sp.csr_matrix(j) for j in jacobians),
        free=np.ones(jacobians[0].shape[1], bool),
        design=DESIGN,
    )


def bins_of(rows_a_link: int) -> CandidatePool:
    """A pool of whose links several values are measured, in units of their noise."""
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(TX * RX * rows_a_link, OBJECTS)) for _ in range(DRAWS)]
    plain = pool_of(rows, np.ones((TX, RX), bool))
    return replace(plain, design=BINS, per_link=rows_a_link)


@pytest.fixture
def pool() -> CandidatePool:
    rng = np.random.default_rng(0)
    links = [rng.normal(size=(TX * RX, OBJECTS)) for _ in range(DRAWS)]
    return pool_of(links, np.ones((TX, RX), bool))


def direct(
    pool: CandidatePool,
    choice: LinkChoice,
    criterion: Criterion,
    given: tuple[sp.csr_matrix, ...] | None = None,
    objects: FloatArray | None = None,
) -> float:
    """The criterion from matrices of K × K, as the textbook has it."""
    weight = np.ones(OBJECTS) if objects is None else objects
    values = []
    for b, jacobian in enumerate(pool.jacobians):
        before = np.diag(1.0 / WIDTH**2)
        if given is not None:
            before = before + (given[b].T @ given[b]).toarray()
        rows = jacobian.toarray()[pool.rows_of(pool.links(choice))] / pool.design.noise
        after = before + rows.T @ rows
        if criterion == "D":
            values.append(np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1])
        else:
            shrunk = np.linalg.inv(before) - np.linalg.inv(after)
            values.append((weight**2 * np.diag(shrunk)).sum())
    return float(np.mean(values))


def measured_already() -> tuple[sp.csr_matrix, ...]:
    rng = np.random.default_rng(1)
    return tuple(sp.csr_matrix(rng.normal(size=(3, OBJECTS))) for _ in range(DRAWS))


@pytest.mark.parametrize("criterion", ["D", "A"])
@pytest.mark.parametrize("given", [None, measured_already()])
def test_a_choice_is_worth_what_the_textbook_says(
    pool: CandidatePool, criterion: Criterion, given: tuple[sp.csr_matrix, ...] | None
) -> None:
    worth = DesignInformation(pool, criterion, DESIGN, given=given)
    choice: LinkChoice = [(2, [1, 4, 5]), (0, [6, 2, 3])]
    assert worth.value(choice) == pytest.approx(direct(pool, choice, criterion, given), rel=1e-10)


@pytest.mark.parametrize("criterion", ["D", "A"])
@pytest.mark.parametrize("given", [None, measured_already()])
@pytest.mark.parametrize("rows_a_link", [2, 3])
def test_links_of_several_values_are_worth_what_the_textbook_says(
    criterion: Criterion, given: tuple[sp.csr_matrix, ...] | None, rows_a_link: int
) -> None:
    pool = bins_of(rows_a_link)
    worth = DesignInformation(pool, criterion, BINS, given=given)
    choice: LinkChoice = [(2, [1, 4, 5]), (0, [6, 2, 3])]
    assert worth.value(choice) == pytest.approx(direct(pool, choice, criterion, given), rel=1e-10)
    found = select(worth, 1, 2, seed=0)
    best = max(
        direct(pool, [(t, list(pair))], criterion, given)
        for t in range(TX)
        for pair in itertools.combinations(range(RX), 2)
    )
    assert direct(pool, found, criterion, given) == pytest.approx(best, rel=0.01)


def test_variances_may_be_those_of_some_objects(pool: CandidatePool) -> None:
    objects = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    worth = DesignInformation(pool, "A", DESIGN, objects=objects)
    choice: LinkChoice = [(1, [0, 3]), (2, [2, 6])]
    expected = direct(pool, choice, "A", objects=objects)
    assert worth.value(choice) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("criterion", ["D", "A"])
@pytest.mark.parametrize("given", [None, measured_already()])
def test_the_search_comes_within_a_percent_of_the_best_of_all_choices(
    pool: CandidatePool, criterion: Criterion, given: tuple[sp.csr_matrix, ...] | None
) -> None:
    """1323 pairs of transmitters with two receivers each, every one tried."""
    found = select(DesignInformation(pool, criterion, DESIGN, given=given), 2, 2, seed=0)
    twos = [list(c) for c in itertools.combinations(range(RX), 2)]
    best = max(
        direct(pool, [(s, a), (t, b)], criterion, given)
        for s, t in itertools.combinations(range(TX), 2)
        for a, b in itertools.product(twos, twos)
    )
    assert 0.99 * best <= direct(pool, found, criterion, given) <= best * (1.0 + 1e-9)


def test_a_bad_start_is_exchanged_away(pool: CandidatePool) -> None:
    worth = DesignInformation(pool, "D", DESIGN)
    start: LinkChoice = [(0, [0, 1, 2]), (1, [0, 1, 2])]
    found = select(worth, 2, 3, seed=0, num_restarts=1, start=start)
    assert worth.value(found) > worth.value(start)


def test_setups_are_chosen_whole() -> None:
    """A transmitter with one splendid receiver loses against one with three good ones."""
    rows = np.zeros((2, 3, 3))
    rows[0, 0] = [10.0, 0.0, 0.0]
    rows[1] = np.eye(3) * 6.0
    whole = pool_of([rows.reshape(6, 3)], np.ones((2, 3), bool))
    [(tx, receivers)] = select(
        DesignInformation(whole, "D", Design(noise_db=1.0, prior_width=1.0)), 1, 3, seed=0
    )
    assert tx == 1
    assert sorted(receivers) == [0, 1, 2]


def test_receivers_that_hear_nothing_are_not_chosen() -> None:
    heard = np.array([[True, False, True], [True, False, False]])
    some = pool_of([np.ones((6, 2))], heard)
    worth = DesignInformation(some, "D", Design(noise_db=1.0, prior_width=1.0))
    [(tx, receivers)] = select(worth, 1, 2, seed=0)
    assert (tx, sorted(receivers)) == (0, [0, 2])
    with pytest.raises(CampaignError, match="only 1 of 2 candidate transmitters"):
        select(worth, 2, 2, seed=0)


def test_what_no_placement_can_see_is_not_chased() -> None:
    """The second object hardly changes any level; with the prior it is left alone."""
    rows = np.array([[5.0, 0.0], [4.0, 0.0], [0.0, 1e-4], [0.0, 2e-4]])
    one = pool_of([rows], np.ones((1, 4), bool))
    [(_, receivers)] = select(
        DesignInformation(one, "D", Design(noise_db=0.1, prior_width=0.5)), 1, 2, seed=0
    )
    assert sorted(receivers) == [0, 1]


def test_more_objects_than_links_and_objects_that_nothing_sees() -> None:
    rng = np.random.default_rng(3)
    rows = sp.random(TX * RX, 3000, density=0.002, random_state=rng).toarray()
    many = pool_of([rows], np.ones((TX, RX), bool))
    for criterion in ("D", "A"):
        worth = DesignInformation(many, criterion, Design(noise_db=0.1, prior_width=0.5))
        assert worth.value(select(worth, 1, 1, seed=0)) > 0.0


def test_the_same_seed_chooses_the_same(pool: CandidatePool) -> None:
    worth = DesignInformation(pool, "A", DESIGN)
    assert select(worth, 2, 2, seed=4) == select(worth, 2, 2, seed=4)


def test_pools_beyond_the_memory_or_of_another_measurement_are_refused(
    pool: CandidatePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="traced for power, not for delay:10ns"):
        DesignInformation(pool, "D", Design(observables="delay:10ns"))
    monkeypatch.setattr(selection, "MAX_KERNEL", 100)
    with pytest.raises(CampaignError, match="too large; take fewer"):
        DesignInformation(pool, "D", DESIGN)
