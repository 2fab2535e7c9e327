"""Adam, as the paper uses it, and Levenberg-Marquardt, which needs a handful of steps.

Both know objectives only through their face (:mod:`vlmrt_dist.losses`), so it makes no difference
whether those evaluate here or on Ray actors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.errors import NumericalError
from vlmrt_dist.llvm import prepare_engine
from vlmrt_dist.losses import Objective

Outcome = Literal["converged", "max_iterations", "diverged", "non_finite", "no_signal"]
"""How an estimation ended. "diverged": at a far larger loss than it began with; "no_signal": no
link has a path, so it never began."""

MIN_CONDUCTIVITY, MAX_CONDUCTIVITY = 1e-5, 1e3
"""Range searched [S/m]: from air-like to a conductor whose reflection no longer changes."""

DIVERGED = 10.0
"""A run that ends at so many times its first loss has diverged."""

MAX_DENSE = 4_000_000
"""Entries above which a Jacobian stays sparse."""

MAX_DENSE_UNKNOWNS = 300
"""Unknowns above which it does too: the dense solver factorizes their square in every step."""


@dataclass(frozen=True)
class StopRule:
    """The paper's stopping criterion (13), for each parameter vector by itself.

    :param loss_tolerance: α, largest change of the loss
    :param step_tolerance: β, largest change of any conductivity [S/m]
    :param patience: J, iterations over which both must hold
    """

    loss_tolerance: float = 1e-5
    step_tolerance: float = 1e-4
    patience: int = 50


@dataclass(frozen=True, eq=False)
class AdamResult:
    """What Adam did with S parameter vectors.

    :param theta: [S, K] conductivities where each vector stopped [S/m]
    :param loss: [S] total loss (8) there
    :param iterations: [S] iterations until (13) held, or the maximum
    :param outcome: [S] how each ended
    :param losses: [I, S] total loss at each iteration; NaN after a vector stopped
    :param path: [I, S, K] conductivities at each iteration [S/m]; NaN after a vector stopped
    """

    theta: NDArray[np.float64]
    loss: NDArray[np.float64]
    iterations: NDArray[np.int64]
    outcome: list[Outcome]
    losses: NDArray[np.float64]
    path: NDArray[np.float64]


def adam(
    objective: Objective,
    initial: NDArray[np.float64],
    *,
    learning_rate: float = 1e-3,
    max_iterations: int = 1000,
    stop: StopRule | None = None,
    logarithmic: bool = False,
    free: NDArray[np.bool_] | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> AdamResult:
    """Algorithm 1 with Dr.Jit's Adam on S parameter vectors side by side.

    :param objective: evaluates loss (8) and its gradient
    :param initial: [S, K] initial conductivities [S/m]
    :param learning_rate: η: the size of a step, in S/m, or in ln σ if ``logarithmic``
    :param max_iterations: most iterations
    :param stop: criterion (13); None: the paper's tolerances
    :param logarithmic: optimize ln σ; otherwise σ itself, kept positive by projection
    :param free: [K] False where the conductivity is to stay as it is
    :param progress: called with the iteration and the mean loss
    :raises NumericalError: if an initial value is not positive and finite
    """
    rule = stop or StopRule()
    theta = np.array(initial, np.float64)
    if theta.ndim != 2 or not (
        np.isfinite(theta).all() and (theta[:, _free(free, theta)] > 0).all()
    ):
        raise NumericalError("initial conductivities [S, K] must be positive and finite")
    movable = _free(free, theta)
    count = len(theta)
    stepper = _Adam(np.log(theta[:, movable]) if logarithmic else theta[:, movable], learning_rate)
    final, final_loss = theta.copy(), np.full(count, np.nan)
    iterations = np.full(count, max_iterations)
    outcome: list[Outcome] = ["max_iterations"] * count
    running, calm = np.ones(count, bool), np.zeros(count, np.int64)
    losses, path = [], []
    for i in range(1, max_iterations + 1):
        value = objective.value_and_grad(theta)
        loss, gradient = _in_setup_order(value.loss), _in_setup_order(value.gradient)
        losses.append(np.where(running, loss, np.nan))
        path.append(np.where(running[:, None], theta, np.nan))
        finite = np.isfinite(loss) & np.isfinite(gradient).all(axis=1)
        if i > 1:
            still = np.abs(path[-1] - path[-2]).max(axis=1) <= rule.step_tolerance
            still &= np.abs(losses[-1] - losses[-2]) <= rule.loss_tolerance
            calm = np.where(still, calm + 1, 0)
        ended = running & (~finite | (calm > rule.patience))
        for s in np.flatnonzero(ended):
            outcome[s] = "converged" if finite[s] else "non_finite"
            iterations[s] = i
        last = running & finite
        final[last], final_loss[last] = theta[last], loss[last]
        running &= ~ended
        if progress is not None:
            progress(i, float(loss[finite].mean()) if finite.any() else float("nan"))
        if not running.any() or i == max_iterations:
            break
        gradient = np.where(running[:, None], gradient, 0.0)[:, movable]
        if logarithmic:
            bounds = np.log([MIN_CONDUCTIVITY, MAX_CONDUCTIVITY]).tolist()
            theta[:, movable] = np.exp(stepper.step(gradient * theta[:, movable], bounds))
        else:
            theta[:, movable] = stepper.step(gradient, (MIN_CONDUCTIVITY, MAX_CONDUCTIVITY))
    for s in np.flatnonzero(final_loss > DIVERGED * losses[0]):
        if outcome[s] == "max_iterations":
            outcome[s] = "diverged"
    return AdamResult(final, final_loss, iterations, outcome, np.array(losses), np.array(path))


def _free(free: NDArray[np.bool_] | None, theta: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(theta.shape[1], bool) if free is None else free


def _in_setup_order(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[S, ...] sum over the setups of [S, M, ...], always in the same order."""
    total = np.zeros_like(values[:, 0])
    for m in range(values.shape[1]):
        total += values[:, m]
    return total


class _Adam:
    """Dr.Jit's Adam over a NumPy array, in float64."""

    def __init__(self, values: NDArray[np.float64], learning_rate: float) -> None:
        variant = prepare_engine()
        import drjit as dr
        from drjit.opt import Adam

        backend = dr.cuda if variant.startswith("cuda") else dr.llvm
        self._float: Any = backend.ad.Float64
        self._dr = dr
        self._shape = values.shape
        self._adam = Adam(lr=learning_rate, params={"x": self._float(values.ravel())})

    def step(self, gradient: NDArray[np.float64], bounds: Sequence[float]) -> NDArray[np.float64]:
        """The values after one step, projected into ``bounds``."""
        dr, adam = self._dr, self._adam
        dr.set_grad(adam["x"], self._float(np.ascontiguousarray(gradient).ravel()))
        adam.step()
        adam["x"] = dr.clip(adam["x"], *(float(b) for b in bounds))
        return np.array(dr.detach(adam["x"]).numpy()).reshape(self._shape)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """What is known when a Levenberg-Marquardt fit begins: the data and the prior.

    :param level_dbm: [L] measured levels
    :param noise_db: [L] standard deviation of each
    :param used: [L] links that carry information
    :param prior: [K] prior median of the conductivities [S/m]
    :param prior_width: [K] or one, standard deviation of ln σ before the measurement; infinite for
        none
    :param free: [K] which objects' conductivities are unknown
    """

    level_dbm: NDArray[np.float64]
    noise_db: NDArray[np.float64]
    used: NDArray[np.bool_]
    prior: NDArray[np.float64]
    prior_width: float | NDArray[np.float64]
    free: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LeastSquaresResult:
    """:param theta: [K] conductivities [S/m]
    :param cost: half the sum of squared residuals, prior included
    :param evaluations: evaluations of all starts together
    :param path: [E, K] conductivities at each evaluation of the best start [S/m]
    :param costs: cost of each start
    :param outcome: how the best start ended
    """

    theta: NDArray[np.float64]
    cost: float
    evaluations: int
    path: NDArray[np.float64]
    costs: list[float] = field(default_factory=list)
    outcome: Outcome = "converged"


def levenberg_marquardt(
    objective: Objective,
    data: LeastSquares,
    starts: NDArray[np.float64],
    *,
    good_enough: float = 0.0,
    max_evaluations: int = 100,
    max_total: int = 400,
    progress: Callable[[int], None] | None = None,
) -> LeastSquaresResult:
    """Least squares on ln σ with bounds, from several starts, by scipy's trust-region method.

    :param objective: gives the levels and their sparse Jacobian
    :param data: measured levels, noise and prior
    :param starts: [S, K] initial conductivities, tried in order [S/m]
    :param good_enough: a start whose cost is at most this ends the search
    :param max_evaluations: most evaluations of one start
    :param max_total: no further start is made after so many evaluations of all
    :param progress: called with the evaluations so far
    :raises NumericalError: if no start gives finite residuals
    """
    free, used = data.free, data.used
    weight = 1.0 / data.noise_db[used]
    regular = 1.0 / np.broadcast_to(data.prior_width, free.shape)[free]
    log_prior = np.log(data.prior[free])
    size = int(free.sum())
    sparse = used.sum() * size > MAX_DENSE or size > MAX_DENSE_UNKNOWNS
    visited: list[NDArray[np.float64]] = []

    def evaluate(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], Any]:
        theta = data.prior.copy()
        theta[free] = np.exp(x)
        visited.append(theta)
        if progress is not None:
            progress(len(visited))
        rss, jacobian = objective.log_jacobian(theta)
        with np.errstate(divide="ignore"):  # a link that fell silent: the step is refused
            level = 10.0 * np.log10(rss.ravel()[used]) + 30.0
        residual = (level - data.level_dbm[used]) * weight
        rows = sp.diags(weight) @ jacobian[np.flatnonzero(used)][:, np.flatnonzero(free)]
        if regular.any():
            residual = np.concatenate([residual, (x - log_prior) * regular])
            rows = sp.vstack([rows, sp.diags(regular)])
        return residual, rows.tocsr() if sparse else rows.toarray()

    memory: dict[bytes, tuple[NDArray[np.float64], Any]] = {}

    def remembered(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], Any]:
        key = x.tobytes()
        if key not in memory:
            memory.clear()  # scipy asks for the residuals, then for the Jacobian at the same point
            memory[key] = evaluate(x)
        return memory[key]

    best: scipy.optimize.OptimizeResult | None = None
    best_path: list[NDArray[np.float64]] = []
    costs: list[float] = []
    for start in starts:
        begin = len(visited)
        x0 = np.log(np.clip(start[free], MIN_CONDUCTIVITY * 1.01, MAX_CONDUCTIVITY / 1.01))
        if not np.isfinite(remembered(x0)[0]).all():
            costs.append(np.inf)
            continue
        fit = scipy.optimize.least_squares(
            lambda x: remembered(x)[0],
            x0,
            jac=lambda x: remembered(x)[1],
            bounds=(np.log(MIN_CONDUCTIVITY), np.log(MAX_CONDUCTIVITY)),
            x_scale="jac",
            ftol=1e-15,
            xtol=1e-12,
            gtol=1e-15,
            tr_solver="lsmr" if sparse else "exact",
            max_nfev=max_evaluations,
        )
        costs.append(float(fit.cost))
        if best is None or fit.cost < best.cost:
            best, best_path = fit, visited[begin:]
        if best.cost <= good_enough or len(visited) >= max_total:
            break
    if best is None:
        raise NumericalError("no start of the fit gives finite levels; check the initial values")
    theta = data.prior.copy()
    theta[free] = np.exp(best.x)
    outcome: Outcome = "converged" if best.status > 0 else "max_iterations"
    return LeastSquaresResult(
        theta, float(best.cost), len(visited), np.array(best_path), costs, outcome
    )
