from typing import NoReturn

import numpy as np
import pytest
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field.objective import PowerLoss, ValueAndGrad
from vlmrt_dist.inference.adam import run_adam
from vlmrt_dist.inference.options import Adam, NoImprovement, StepDecay, StopRule
from vlmrt_dist.scene.material_prior import MIN_CONDUCTIVITY


class Bowl:
    """Σ_m Σ_k weight[m, k] · (σ_k - centre_k)², with setups that share out the weight."""

    def __init__(self, centre: FloatArray, weight: FloatArray) -> None:
        self.centre, self.weight = centre, weight
        self.num_setups, self.num_objects = weight.shape
        self.asked: list[FloatArray] = []

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        self.asked.append(theta.copy())
        away = theta[:, None, :] - self.centre
        return ValueAndGrad((self.weight * away**2).sum(2), 2.0 * self.weight * away)

    def rss(self, theta: FloatArray) -> FloatArray:
        raise NotImplementedError

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        raise NotImplementedError

    def levels(self, materials: object, wanted: object) -> NoReturn:
        raise NotImplementedError


def bowl(num_setups: int = 2) -> Bowl:
    rng = np.random.default_rng(0)
    return Bowl(rng.uniform(0.02, 0.05, 3), rng.uniform(10.0, 50.0, (num_setups, 3)))


def published_adam(
    objective: Bowl,
    start: FloatArray,
    steps: int,
    rate: float,
    log: bool,
    decay: StepDecay | None = None,
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
        now = rate * decay.factor ** ((t - 1) // decay.every) if decay else rate
        x = x - now * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-15)
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


def test_a_rate_falls_in_steps() -> None:
    objective, start, decay = bowl(), np.array([0.03, 0.06, 0.01]), StepDecay(0.25, 7)
    run = run_adam(objective, start[None], Adam(rate=1e-3, decay=decay, max_iterations=30))
    expected = published_adam(objective, start, 30, 1e-3, False, decay)
    np.testing.assert_allclose(run.path[:, 0], expected, rtol=1e-9)
    steady = published_adam(objective, start, 30, 1e-3, False)
    assert np.abs(expected - steady).max() > 1e-3


def first_stop(losses: FloatArray, path: FloatArray, stop: StopRule | NoImprovement) -> int:
    """The iteration (from 1) at which a rule first holds, by its words."""
    for i in range(1, len(losses) + 1):
        if isinstance(stop, NoImprovement):
            lowest, since = np.inf, 0
            for loss in losses[:i]:
                since = 0 if loss < lowest - stop.loss_tolerance else since + 1
                lowest = min(lowest, loss) if since == 0 else lowest
            if since >= stop.patience:
                return i
            continue
        pairs = [(j - stop.lag, j) for j in range(i - stop.patience - 1, i)]
        if pairs[0][0] >= 0 and all(
            abs(losses[a] - losses[b]) <= stop.loss_tolerance
            and np.abs(path[a] - path[b]).max() <= stop.step_tolerance
            for a, b in pairs
        ):
            return i
    return len(losses)


@pytest.mark.parametrize(
    "stop",
    [
        NoImprovement(1e-6, 20),
        NoImprovement(1e-3, 1),
        StopRule(1e-4, 1e-3, patience=0, lag=30),
        StopRule(1e-4, 1e-3, patience=8, lag=5),
    ],
)
def test_a_stop_rule_holds_when_its_words_say_so(stop: StopRule | NoImprovement) -> None:
    """On two vectors of different length, against the record of a run that never stops."""
    objective = bowl()
    start = np.array([[0.03, 0.06, 0.01], [0.2, 0.06, 0.01]])
    never = StopRule(0.0, 0.0, patience=10**6)
    record = run_adam(objective, start, Adam(max_iterations=600, stop=never))
    run = run_adam(objective, start, Adam(max_iterations=600, stop=stop))
    expected = [first_stop(record.losses[:, s], record.path[:, s], stop) for s in range(2)]
    assert run.iterations.tolist() == expected
    assert expected[0] < expected[1] <= 600
    np.testing.assert_array_equal(run.theta[0], record.path[expected[0] - 1, 0])


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
        def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
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

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        self.asked.append(theta.copy())
        i = len(self.asked)
        value = 10.0 - 0.1 * min(i, self.quiet_from)
        return ValueAndGrad(np.full((len(theta), 1), value), np.zeros((len(theta), 1, 2)))


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
        def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
            return ValueAndGrad(np.ones((1, 1)), np.ones((1, 1, 1)))

    class Sink(Bowl):
        def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
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
        def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
            value = super().value_and_grad(theta, loss)
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
        def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
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
