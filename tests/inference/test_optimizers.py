from typing import NoReturn

import numpy as np
import pytest
import scipy.sparse as sp

from tests.numerics import PAPER
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.field.objective import DB, ValueAndGrad
from vlmrt_dist.inference.adam import run_adam
from vlmrt_dist.inference.conductivity_prior import prior_of
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.options import Adam, Parameters, Prior, StopRule
from vlmrt_dist.inference.parameters import unknowns_of
from vlmrt_dist.scene.material_prior import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY
from vlmrt_dist.scene.model import SceneModel


class Bowl:
    """Σ_m Σ_k weight[m, k] · (σ_k - centre_k)², with setups that share out the weight."""

    def __init__(self, centre: FloatArray, weight: FloatArray) -> None:
        self.centre, self.weight = centre, weight
        self.num_setups, self.num_objects = weight.shape
        self.asked: list[FloatArray] = []

    def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
        self.asked.append(theta.copy())
        away = theta[:, None, :] - self.centre
        return ValueAndGrad((self.weight * away**2).sum(2), 2.0 * self.weight * away)

    def rss(self, theta: FloatArray) -> FloatArray:
        raise NotImplementedError

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        raise NotImplementedError

    def levels(self, materials: object, wanted: object) -> NoReturn:
        raise NotImplementedError


class Levels:
    """Levels [dBm] that are a function of x = ln σ with a given Jacobian."""

    def __init__(self, function, derivative) -> None:
        self.function, self.derivative = function, derivative
        self.asked: list[FloatArray] = []

    def __call__(self, x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        self.asked.append(np.exp(x))
        return self.function(x), sp.csr_matrix(self.derivative(x))


def bowl(num_setups: int = 2) -> Bowl:
    rng = np.random.default_rng(0)
    return Bowl(rng.uniform(0.02, 0.05, 3), rng.uniform(10.0, 50.0, (num_setups, 3)))


def published_adam(
    objective: Bowl, start: FloatArray, steps: int, rate: float, log: bool
) -> FloatArray:
    """[steps, K] iterates of Kingma and Ba (2015), Algorithm 1, projected to positive.

    Dr.Jit's ε is 1e-15 where the paper suggests 1e-8.
    """
    x = np.log(start) if log else start.copy()
    m, v, visited = np.zeros_like(x), np.zeros_like(x), []
    for t in range(1, steps + 1):
        sigma = np.exp(x) if log else x
        visited.append(sigma.copy())
        g = objective.value_and_grad(sigma[None]).gradient[0].sum(0) * (sigma if log else 1.0)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-15)
        if not log:
            x = np.maximum(x, MIN_CONDUCTIVITY)
    return np.array(visited)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_adam_is_the_published_one(logarithmic: bool) -> None:
    objective, start = bowl(), np.array([0.03, 0.06, 0.01])
    rate = 1e-2 if logarithmic else 1e-3
    run = run_adam(
        objective,
        start[None],
        Adam(
            rate=rate,
            max_iterations=40,
            space="log_conductivity" if logarithmic else "conductivity",
        ),
    )
    expected = published_adam(objective, start, 40, rate, logarithmic)
    np.testing.assert_allclose(run.path[:, 0], expected, rtol=1e-9)
    assert run.losses.shape == (40, 1)
    assert run.outcome == ["max_iterations"]
    np.testing.assert_array_equal(run.iterations, [40])


def test_adam_stays_positive_by_projection() -> None:
    """Pulled towards a negative value, it stops at the lower end and leaves it again."""
    objective = Bowl(np.array([-1.0]), np.array([[1.0]]))
    run = run_adam(
        objective, np.array([[0.002]]), Adam(max_iterations=10, stop=StopRule(patience=99))
    )
    assert (run.path > 0.0).all()
    assert run.path[-1] == MIN_CONDUCTIVITY
    expected = published_adam(objective, np.array([0.002]), 10, 1e-3, False)
    np.testing.assert_allclose(run.path[:, 0], expected, rtol=1e-9)


def test_adam_on_the_logarithm_stays_in_range_and_comes_back() -> None:
    """What is clipped must not run away underneath: the way back would take as long."""

    class Pull(Bowl):
        def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
            self.asked.append(theta.copy())
            sign = 1.0 if len(self.asked) <= 60 else -1.0
            return ValueAndGrad(np.ones((1, 1)), np.full((1, 1, 1), sign) / theta[:, None])

    start = np.array([[MIN_CONDUCTIVITY * 1.5]])
    run = run_adam(
        Pull(np.zeros(1), np.ones((1, 1))),
        start,
        Adam(rate=0.1, max_iterations=100, stop=StopRule(patience=999), space="log_conductivity"),
    )
    assert run.path.min() >= MIN_CONDUCTIVITY * (1 - 1e-12)
    assert run.path[-1, 0, 0] > 2.0 * MIN_CONDUCTIVITY


class Stall(Bowl):
    """Loss and gradient that fall silent after a given evaluation: nothing moves from there."""

    def __init__(self, quiet_from: int) -> None:
        super().__init__(np.zeros(2), np.zeros((1, 2)))
        self.quiet_from = quiet_from

    def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
        self.asked.append(theta.copy())
        i = len(self.asked)
        loss = 10.0 - 0.1 * min(i, self.quiet_from)
        return ValueAndGrad(np.full((len(theta), 1), loss), np.zeros((len(theta), 1, 2)))


@pytest.mark.parametrize(("quiet_from", "patience"), [(1, 50), (7, 50), (7, 3), (4, 0)])
def test_the_stop_rule_waits_for_its_patience(quiet_from: int, patience: int) -> None:
    """(13): the changes from i to i + 1 are small for all i = I - J, ..., I: J + 1 changes. The
    first small one is that from evaluation ``quiet_from`` to the next."""
    run = run_adam(Stall(quiet_from), np.full((1, 2), 0.03), Adam(stop=StopRule(patience=patience)))
    assert run.outcome == ["converged"]
    assert run.iterations.tolist() == [quiet_from + patience + 1]
    assert len(run.losses) == quiet_from + patience + 1


def test_both_tolerances_count() -> None:
    """A loss that rests while σ moves by more than β, or the other way, is no convergence."""

    class Slide(Bowl):
        def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
            return ValueAndGrad(np.ones((1, 1)), np.ones((1, 1, 1)))

    class Sink(Bowl):
        def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
            self.asked.append(theta)
            return ValueAndGrad(np.full((1, 1), -1e-4 * len(self.asked)), np.zeros((1, 1, 1)))

    for kind in (Slide, Sink):
        objective = kind(np.zeros(1), np.ones((1, 1)))
        run = run_adam(
            objective, np.array([[0.5]]), Adam(max_iterations=80, stop=StopRule(patience=5))
        )
        assert run.outcome == ["max_iterations"]


def test_vectors_stop_by_themselves_as_if_alone() -> None:
    objective = bowl()
    starts = objective.centre * np.array([[1.001], [1.5], [0.3], [4.0]])
    rule = StopRule(1e-3, 2e-4, 5)
    together = run_adam(objective, starts, Adam(stop=rule, max_iterations=300))
    assert len(set(together.iterations.tolist())) > 1
    for s, start in enumerate(starts):
        alone = run_adam(objective, start[None], Adam(stop=rule, max_iterations=300))
        assert alone.iterations[0] == together.iterations[s]
        assert alone.outcome[0] == together.outcome[s]
        np.testing.assert_array_equal(alone.theta[0], together.theta[s])
        np.testing.assert_array_equal(alone.loss[0], together.loss[s])
        steps = alone.iterations[0]
        np.testing.assert_array_equal(alone.path[:, 0], together.path[:steps, s])
        assert np.isnan(together.losses[steps:, s]).all()


def test_what_is_not_free_stays() -> None:
    objective = bowl()
    start = np.array([[0.03, 0.0, 0.01]])  # a vacuum is not positive, and need not be
    free = np.array([True, False, True])
    run = run_adam(objective, start, Adam(max_iterations=20), free=free)
    assert (run.path[:, 0, 1] == 0.0).all()
    assert (run.path[-1, 0, [0, 2]] != start[0, [0, 2]]).all()


def test_adam_reports_progress_and_keeps_the_last_finite_values() -> None:
    class Breaks(Bowl):
        def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
            value = super().value_and_grad(theta)
            if len(self.asked) >= 6:
                value.gradient[0] = np.nan
            return value

    base = bowl()
    seen: list[tuple[str, int, int]] = []
    run = run_adam(
        Breaks(base.centre, base.weight),
        np.stack([2.0 * base.centre, 1.5 * base.centre]),
        Adam(max_iterations=12),
        progress=lambda *step: seen.append(step),
    )
    assert run.outcome == ["non_finite", "max_iterations"]
    assert run.iterations.tolist() == [6, 12]
    np.testing.assert_array_equal(run.theta[0], run.path[4, 0])
    assert np.isfinite(run.theta).all()
    assert np.isfinite(run.loss).all()
    assert seen == [("fit", i, 12) for i in range(1, 13)]


def test_a_loss_that_is_never_finite_ends_at_once_without_a_warning() -> None:
    class Never(Bowl):
        def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
            return ValueAndGrad(np.full((1, 1), np.nan), np.zeros((1, 1, 1)))

    start = np.array([[0.02]])
    run = run_adam(Never(np.zeros(1), np.ones((1, 1))), start, Adam(), progress=lambda *step: None)
    assert run.outcome == ["non_finite"]
    assert run.iterations.tolist() == [1]
    np.testing.assert_array_equal(run.theta, start)


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.nan, np.inf])
def test_bad_initial_values_are_refused(wrong: float) -> None:
    with pytest.raises(NumericalError, match="positive and finite"):
        run_adam(bowl(), np.array([[0.03, wrong, 0.03]]), Adam())
    with pytest.raises(NumericalError, match=r"\[S, K\]"):
        run_adam(bowl(), np.array([0.03, 0.03, 0.03]), Adam())


# Levenberg-Marquardt.


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
def test_the_truth_is_recovered_from_each_initial_value(room: SceneModel, initial: str) -> None:
    from vlmrt_dist.field.simulation import perturbed
    from vlmrt_dist.field.tracing import trace
    from vlmrt_dist.placement.registry import place

    campaign = place("d_optimal", room, 3, 8, seed=0)
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
