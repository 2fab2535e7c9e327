import numpy as np
import pytest
import scipy.sparse as sp

import vlmrt_dist as vd
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.placement.candidates import prior_draws, random_positions
from vlmrt_dist.placement.refinement import PlanCriterion, refined
from vlmrt_dist.placement.selection import Criterion
from vlmrt_dist.placement.sensitivities import LEVELS, Design

RADIO = vd.RadioConfig(max_depth=2)
ROUNDS = 4


def judged_by(
    room: vd.SceneModel,
    criterion: Criterion,
    weight: FloatArray | None = None,
    design: Design = LEVELS,
) -> PlanCriterion:
    count = room.num_objects
    return PlanCriterion(
        criterion,
        RADIO,
        prior_draws(room, RADIO, 0.5, 3, 0),
        np.ones(count, bool),
        design,
        weight,
    )


@pytest.mark.parametrize("criterion", ["D", "A"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_criterion_is_the_textbooks(
    room: vd.SceneModel, criterion: Criterion, sparse: bool
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.0, 1.0, 9)
    rows = [rng.normal(size=(5, 9)) for _ in range(3)]
    expected = []
    for r in rows:  # in units of noise and prior
        after = np.eye(9) + r.T @ r
        shrunk = (weight * 0.5) ** 2 * np.diag(np.eye(9) - np.linalg.inv(after))
        expected.append(np.linalg.slogdet(after)[1] if criterion == "D" else shrunk.sum())
    given = [sp.csr_matrix(r) for r in rows] if sparse else list(rows)
    found = judged_by(room, criterion, weight).value(given)
    assert found == pytest.approx(np.mean(expected), rel=1e-10)


@pytest.mark.parametrize("criterion", ["D", "A"])
def test_the_criterion_grows_and_antennas_stay_where_they_may_stand(
    room: vd.SceneModel, criterion: Criterion
) -> None:
    region = Region(clearance=0.4, height=(1.0, 1.5), tx_height=(2.0, 2.0))
    start = random_positions(room, 2, 3, seed=0, region=region)
    measured = judged_by(room, criterion)
    calls: list[tuple[str, int, int]] = []
    found = refined(
        room, start, measured, region, seed=0, rounds=ROUNDS,
        progress=lambda *call: calls.append(call),
    )  # fmt: skip
    assert calls == [("refine", r + 1, ROUNDS) for r in range(ROUNDS)]
    before, after = (measured.value(measured.rows(room, c)[1]) for c in (start, found))
    assert after > before
    rx = found.rx.reshape(-1, 3)
    points = np.concatenate([found.tx, rx])
    assert room.inside_bounds(points).all()
    assert (room.inside_object(points) < 0).all()
    assert (room.distance_to_surface(points) >= 0.4).all()
    floor = room.bounds[0, 2]
    np.testing.assert_allclose(found.tx[:, 2] - floor, 2.0, atol=1e-9)
    assert ((rx[:, 2] - floor >= 1.0 - 1e-9) & (rx[:, 2] - floor <= 1.5 + 1e-9)).all()
    again = refined(room, start, measured, region, seed=0, rounds=ROUNDS)
    np.testing.assert_array_equal(again.tx, found.tx)
    np.testing.assert_array_equal(again.rx, found.rx)


def test_the_criterion_grows_with_delay_bins(room: vd.SceneModel) -> None:
    design = Design(observables="power,delay:10ns")
    judged, start = judged_by(room, "D", design=design), random_positions(room, 1, 2, seed=0)
    rows = judged.rows(room, start)[1]
    assert rows[0].shape == (2 * judged.per_link, room.num_objects)
    found = refined(room, start, judged, Region(), seed=0, rounds=2)
    assert judged.value(judged.rows(room, found)[1]) > judged.value(rows)


def test_what_cannot_move_stays(room: vd.SceneModel) -> None:
    """No position keeps ten kilometres from every surface."""
    start = random_positions(room, 1, 2, seed=0)
    region = Region(clearance=1e4)
    found = refined(room, start, judged_by(room, "D"), region, seed=0, rounds=2)
    assert found.key == start.key


@pytest.mark.slow
@pytest.mark.parametrize("kind", [vd.DOptimal, vd.AOptimal])
def test_a_refined_strategy_is_no_worse_than_its_pool(
    room: vd.SceneModel, kind: type[vd.DOptimal | vd.AOptimal]
) -> None:
    few = vd.CandidateOptions(num_tx=4, num_rx=12, num_draws=3)
    plain, moved = (kind(radio=RADIO, candidates=few, refine=r) for r in (False, True))
    best = [vd.place(s, room, 2, 3, seed=1) for s in (plain, moved)]
    measured = moved._plan_criterion(room, moved.pool(room, 2, 3, seed=1), 1)
    values = [measured.value(measured.rows(room, c)[1]) for c in best]
    assert values[1] > values[0]
