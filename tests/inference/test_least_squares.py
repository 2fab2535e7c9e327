from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp

from tests.numerics import PAPER
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.field.objective import DB
from vlmrt_dist.inference.conductivity_prior import prior_of
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.options import Parameters, Prior
from vlmrt_dist.inference.unknown_vector import unknowns_of
from vlmrt_dist.scene.material_prior import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY
from vlmrt_dist.scene.model import SceneModel

pytestmark = pytest.mark.filterwarnings("ignore:Sionna's solver drops paths")
"""Positions that are placed for the paper's sampled paths may lie in a corner; whether Sionna says
so is tested in tests/paths/test_sionna_limits.py."""


class Levels:
    """Levels [dBm] that are a function of x = ln σ with a given Jacobian."""

    def __init__(self, function, derivative) -> None:
        self.function, self.derivative = function, derivative
        self.asked: list[FloatArray] = []

    def __call__(self, x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        self.asked.append(np.exp(x))
        return self.function(x), sp.csr_matrix(self.derivative(x))


def least_squares(level: FloatArray, num_objects: int, **changes: object) -> LeastSquares:
    values: dict[str, object] = {
        "level_dbm": level,
        "noise_db": np.ones(len(level)),
        "used": np.ones(len(level), bool),
        "prior": np.full(num_objects, np.log(0.03)),
        "prior_width": np.inf,
        "low": np.log(MIN_CONDUCTIVITY),
        "high": np.log(MAX_CONDUCTIVITY),
    }
    return LeastSquares(**{**values, **changes})  # type: ignore[arg-type]


def linear(matrix: FloatArray, offset: FloatArray) -> Levels:
    return Levels(lambda x: matrix @ x + offset, lambda x: matrix)


def test_a_linear_problem_has_the_answer_of_linear_algebra() -> None:
    rng = np.random.default_rng(0)
    matrix, noise = rng.normal(size=(12, 4)), rng.uniform(0.1, 1.0, 12)
    level, width = rng.normal(size=12) - 40.0, 0.5
    data = least_squares(level, 4, noise_db=noise, prior_width=width)
    fit = levenberg_marquardt(
        linear(matrix, np.full(12, -40.0)), data, np.log(np.full((1, 4), 0.05))
    )
    weighted = matrix / noise[:, None]
    normal = weighted.T @ weighted + np.eye(4) / width**2
    right = weighted.T @ ((level + 40.0) / noise) + data.prior / width**2
    np.testing.assert_allclose(fit.x, np.linalg.solve(normal, right), rtol=1e-7)
    assert fit.outcome == "converged"
    assert fit.evaluations < 30


def test_unused_links_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(12, 4))
    truth = rng.uniform(0.02, 0.05, 4)
    level = matrix @ np.log(truth) - 40.0
    level[3] = 999.0
    level[5] = np.nan
    used = ~np.isin(np.arange(12), [3, 5])
    data = least_squares(level, 4, used=used)
    fit = levenberg_marquardt(linear(matrix, np.full(12, -40.0)), data, data.prior[None])
    np.testing.assert_allclose(np.exp(fit.x), truth, rtol=1e-9)


def test_a_bad_first_start_is_followed_by_others() -> None:
    """Two valleys in ln σ; the first start leads into the false one."""

    def level(x: FloatArray) -> FloatArray:
        return np.array([x[0] ** 2, 0.1 * x[0]]) - 40.0

    def slope(x: FloatArray) -> FloatArray:
        return np.array([[2.0 * x[0]], [0.1]])

    target = level(np.log([0.05]))
    data = least_squares(target, 1, noise_db=np.full(2, 0.01))
    objective = Levels(level, slope)
    bad, good = np.log([[15.0]]), np.log([[0.04]])
    stuck = levenberg_marquardt(objective, data, bad)
    assert stuck.cost > 1.0
    fit = levenberg_marquardt(objective, data, np.concatenate([bad, good, good]), good_enough=1e-6)
    np.testing.assert_allclose(np.exp(fit.x), [0.05], rtol=1e-9)
    assert len(fit.costs) == 2  # the third start was not needed
    assert fit.costs[0] > fit.costs[1]


def test_the_answer_stays_within_the_bounds() -> None:
    for level, bound in ((1e4, MAX_CONDUCTIVITY), (-1e4, MIN_CONDUCTIVITY)):
        objective = linear(np.ones((1, 1)), np.zeros(1))
        fit = levenberg_marquardt(objective, least_squares(np.array([level]), 1), np.log([[0.03]]))
        np.testing.assert_allclose(np.exp(fit.x), [bound], rtol=1e-2)
        assert all(
            MIN_CONDUCTIVITY * 0.99 <= x[0] <= MAX_CONDUCTIVITY * 1.01 for x in objective.asked
        )


def test_starts_outside_the_bounds_are_moved_inside() -> None:
    objective = linear(np.ones((1, 1)), np.zeros(1))
    data = least_squares(np.log([0.03]), 1)
    for start in (1e-12, 1e9):
        fit = levenberg_marquardt(objective, data, np.log([[start]]))
        np.testing.assert_allclose(np.exp(fit.x), [0.03], rtol=1e-9)


@pytest.mark.parametrize("silent", [np.nan, -np.inf])
def test_levels_that_are_not_finite_are_survived(silent: float) -> None:
    """A start at which a link falls silent is skipped, a step into such a place shortened."""

    def level(x: FloatArray) -> FloatArray:
        return np.where(x > np.log(1.0), silent, 3.0 * x) - 40.0

    objective = Levels(level, lambda x: np.full((1, 1), 3.0))
    data = least_squares(3.0 * np.log([0.9]) - 40.0, 1)
    fit = levenberg_marquardt(objective, data, np.log([[5.0], [0.01]]))
    np.testing.assert_allclose(np.exp(fit.x), [0.9], rtol=1e-9)
    assert np.isinf(fit.costs[0])
    with pytest.raises(NumericalError, match="no start"):
        levenberg_marquardt(objective, data, np.log([[5.0]]))


def test_few_evaluations_are_said_to_be_too_few() -> None:
    def level(x: FloatArray) -> FloatArray:
        return np.array([np.expm1(3.0 * x[0])])

    objective = Levels(level, lambda x: np.array([[3.0 * np.exp(3.0 * x[0])]]))
    data = least_squares(level(np.log([0.5])), 1)
    fit = levenberg_marquardt(objective, data, np.log([[3.0]]), max_evaluations=2)
    assert fit.outcome == "max_iterations"
    assert fit.evaluations == 2


def test_a_sparse_jacobian_gives_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(12, 4))
    data = least_squares(rng.normal(size=12), 4, prior_width=0.5)
    dense = levenberg_marquardt(linear(matrix, np.zeros(12)), data, data.prior[None])
    monkeypatch.setattr("vlmrt_dist.inference.least_squares.MAX_DENSE", 1)
    sparse = levenberg_marquardt(linear(matrix, np.zeros(12)), data, data.prior[None])
    np.testing.assert_allclose(sparse.x, dense.x, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("initial", ["itu", "uniform", "random"])
def test_the_truth_is_recovered_from_each_initial_value(
    room: SceneModel, well_placed: Callable[[RadioConfig], Campaign], initial: str
) -> None:
    from vlmrt_dist.field.simulation import perturbed
    from vlmrt_dist.field.tracing import trace

    campaign = well_placed(PAPER)
    itu = room.conductivity(PAPER.frequency)
    truth = perturbed(itu, seed=5)
    blank = ReplayObjective(
        room, campaign.with_rss(np.zeros((3, 8))), PAPER, trace(room, campaign, PAPER)
    )
    rss, _ = blank.log_jacobian(truth)
    level = DB * np.log(rss.ravel()) + 30.0
    rng = np.random.default_rng(0)
    start = {
        "itu": itu,
        "uniform": np.full(9, itu.mean()),
        "random": rng.uniform(0.01, 0.06, 9),
    }[initial]
    more = itu * np.exp(0.5 * rng.standard_normal((7, 9)))
    data = least_squares(level, 9, noise_db=np.full(24, 1e-3), prior=np.log(itu))
    prior = prior_of(room, PAPER, Prior(np.inf))
    predict = unknowns_of(room, campaign, PAPER, prior, Parameters()).predict(blank)
    starts = np.log(np.concatenate([start[None], more]))
    fit = levenberg_marquardt(predict, data, starts, good_enough=1.0)
    np.testing.assert_allclose(np.exp(fit.x), truth, rtol=1e-10)
