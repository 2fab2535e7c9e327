"""Adam, as the paper uses it, and Levenberg-Marquardt, which needs a handful of steps.

Both know objectives only through their face (:mod:`vlmrt_dist.field.objective`), so it makes no
difference whether those evaluate here or on Ray actors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field import Differentiable
from vlmrt_dist.inference import sparse_lm as normal_equations
from vlmrt_dist.inference.likelihood import LinkLoss, Links, residuals
from vlmrt_dist.inference.sparse_lm import Minimum
from vlmrt_dist.scene import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY

Outcome = Literal["converged", "max_iterations", "diverged", "non_finite", "no_signal"]
"""How an estimation ended. "diverged": at a far larger loss than it began with; "no_signal": no
link has a path, so it never began."""

NO_PRIOR_WIDTH = 5.0
"""What stands for the width of no prior on ln σ: a factor of 22,000 either way at 95 %."""

DIVERGED = 10.0
"""A run that ends at so many times its first loss has diverged."""

MARGIN = 0.01
"""How far inside the range searched a start has to be: one percent of a conductivity."""

COST_TOLERANCE = 1e-12
"""A fit has converged when a step changes the cost by less than this share of it."""

MAX_DENSE = 4_000_000
"""Entries above which a Jacobian stays sparse."""

MAX_DENSE_UNKNOWNS = 50
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

    theta: FloatArray
    loss: FloatArray
    iterations: IntArray
    outcome: list[Outcome]
    losses: FloatArray
    path: FloatArray


def adam(
    objective: Differentiable,
    initial: FloatArray,
    *,
    learning_rate: float = 1e-3,
    max_iterations: int = 1000,
    stop: StopRule | None = None,
    logarithmic: bool = False,
    free: BoolArray | None = None,
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


def _free(free: BoolArray | None, theta: FloatArray) -> BoolArray:
    return np.ones(theta.shape[1], bool) if free is None else free


def _in_setup_order(values: FloatArray) -> FloatArray:
    """[S, ...] sum over the setups of [S, M, ...], always in the same order."""
    total = np.zeros_like(values[:, 0])
    for m in range(values.shape[1]):
        total += values[:, m]
    return total


class _Adam:
    """Dr.Jit's Adam over a NumPy array, in float64."""

    def __init__(self, values: FloatArray, learning_rate: float) -> None:
        variant = prepare_engine()
        import drjit as dr
        from drjit.opt import Adam

        backend = dr.cuda if variant.startswith("cuda") else dr.llvm
        self._float: Any = backend.ad.Float64
        self._dr = dr
        self._shape = values.shape
        self._adam = Adam(lr=learning_rate, params={"x": self._float(values.ravel())})

    def step(self, gradient: FloatArray, bounds: Sequence[float]) -> FloatArray:
        """The values after one step, projected into ``bounds``."""
        dr, adam = self._dr, self._adam
        dr.set_grad(adam["x"], self._float(np.ascontiguousarray(gradient).ravel()))
        adam.step()
        adam["x"] = dr.clip(adam["x"], *(float(b) for b in bounds))
        return np.array(dr.detach(adam["x"]).numpy()).reshape(self._shape)


Predict = Callable[[FloatArray], tuple[FloatArray, sp.csr_matrix]]
"""A parameter vector x [X] -> levels [L] [dBm], and their sparse derivative [L, X] by x."""


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """What is known when a fit of X parameters to L links begins: the data and the prior.

    :param level_dbm: [L] measured levels; where censored, the receiver's floor
    :param noise_db: [L] standard deviation of each
    :param used: [L] links that carry information
    :param prior: [X] prior mean of the parameters
    :param prior_width: [X] or one, their standard deviation before the measurement; infinite for
        none
    :param low: [X] or one, lower end of the range searched
    :param high: [X] or one, upper end
    :param vague: [X] or one, the width that stands for no prior where an answer needs one
    :param censored: [L] levels that are only known to lie at or below the one given; None: none
    :param loss: how large residuals count; the prior's always count by their squares
    """

    level_dbm: FloatArray
    noise_db: FloatArray
    used: BoolArray
    prior: FloatArray
    prior_width: float | FloatArray
    low: float | FloatArray = -np.inf
    high: float | FloatArray = np.inf
    vague: float | FloatArray = NO_PRIOR_WIDTH
    censored: BoolArray | None = None
    loss: LinkLoss = "squared"

    @property
    def links(self) -> Links:
        """The links used."""
        hidden = np.zeros(len(self.used), bool) if self.censored is None else self.censored
        every = Links(self.level_dbm, self.noise_db, hidden, self.loss)
        return every.at(np.flatnonzero(self.used))


@dataclass(frozen=True, eq=False)
class LeastSquaresResult:
    """:param x: [X] parameters
    :param cost: half the sum of squared residuals, prior included
    :param evaluations: evaluations of all starts together
    :param path: [E, X] parameters at each evaluation of the best start
    :param costs: cost of each start
    :param outcome: how the best start ended
    """

    x: FloatArray
    cost: float
    evaluations: int
    path: FloatArray
    costs: list[float] = field(default_factory=list)
    outcome: Outcome = "converged"


def levenberg_marquardt(
    predict: Predict,
    data: LeastSquares,
    starts: FloatArray,
    *,
    good_enough: float = 0.0,
    max_evaluations: int = 100,
    max_total: int = 400,
    progress: Callable[[int], None] | None = None,
) -> LeastSquaresResult:
    """Least squares with bounds, from several starts: by scipy's trust-region method, or for many
    unknowns by :mod:`vlmrt_dist.inference.sparse_lm`.

    :param predict: gives the levels and their Jacobian
    :param data: measured levels, noise and prior
    :param starts: [S, X] initial parameters, tried in order
    :param good_enough: a start whose cost is at most this ends the search
    :param max_evaluations: most evaluations of one start
    :param max_total: no further start is made after so many evaluations of all
    :param progress: called with the evaluations so far
    :raises NumericalError: if no start gives finite residuals
    """
    index, links = np.flatnonzero(data.used), data.links
    size = len(data.prior)
    low, high = (np.broadcast_to(b, size) for b in (data.low, data.high))
    regular = 1.0 / np.broadcast_to(data.prior_width, size)
    sparse = len(index) * size > MAX_DENSE or size > MAX_DENSE_UNKNOWNS
    visited: list[FloatArray] = []

    def evaluate(x: FloatArray) -> tuple[FloatArray, Any]:
        visited.append(x.copy())
        if progress is not None:
            progress(len(visited))
        level, jacobian = predict(x)
        residual, slope = residuals(links, level[index])
        if sparse:
            rows = sp.diags(slope) @ jacobian[index]
        else:
            rows = jacobian.toarray()[index] * slope[:, None]
        if not regular.any():
            return residual, rows
        residual = np.concatenate([residual, (x - data.prior) * regular])
        if sparse:
            return residual, sp.vstack([rows, sp.diags(regular)], "csr")
        return residual, np.concatenate([rows, np.diag(regular)])

    memory: dict[bytes, tuple[FloatArray, Any]] = {}

    def remembered(x: FloatArray) -> tuple[FloatArray, Any]:
        key = x.tobytes()
        if key not in memory:
            memory.clear()  # scipy asks for the residuals, then for the Jacobian at the same point
            memory[key] = evaluate(x)
        return memory[key]

    best: Minimum | None = None
    best_path: list[FloatArray] = []
    costs: list[float] = []
    for start in starts:
        begin = len(visited)
        x0 = np.clip(start, low + MARGIN, high - MARGIN)
        if not np.isfinite(remembered(x0)[0]).all():
            costs.append(np.inf)
            continue
        solve = normal_equations.least_squares if sparse else _dense
        fit = solve(
            remembered, x0, low, high, tolerance=COST_TOLERANCE, max_evaluations=max_evaluations
        )
        costs.append(fit.cost)
        if best is None or fit.cost < best.cost:
            best, best_path = fit, visited[begin:]
        if best.cost <= good_enough or len(visited) >= max_total:
            break
    if best is None:
        raise NumericalError("no start of the fit gives finite levels; check the initial values")
    outcome: Outcome = "converged" if best.converged else "max_iterations"
    return LeastSquaresResult(best.x, best.cost, len(visited), np.array(best_path), costs, outcome)


def _dense(
    residuals: Callable[[FloatArray], tuple[FloatArray, Any]],
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    tolerance: float,
    max_evaluations: int,
) -> Minimum:
    """scipy's trust-region method, with the face of :func:`normal_equations.least_squares`."""
    fit = scipy.optimize.least_squares(
        lambda x: residuals(x)[0],
        x,
        jac=lambda x: residuals(x)[1],
        bounds=(low, high),
        x_scale="jac",
        ftol=tolerance,
        xtol=1e-12,
        gtol=1e-15,
        tr_solver="exact",
        max_nfev=max_evaluations,
    )
    return Minimum(fit.x, float(fit.cost), fit.status > 0)
