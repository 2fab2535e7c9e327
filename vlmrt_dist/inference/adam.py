"""Adam as the paper's Algorithm 1 uses it, on several parameter vectors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.field import Differentiable
from vlmrt_dist.inference.options import Adam, NoImprovement
from vlmrt_dist.inference.outcome import Outcome
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY

DIVERGED = 10.0
"""A run that ends at so many times its first loss has diverged."""


@dataclass(frozen=True, eq=False)
class AdamResult:
    """Runs of Adam on S parameter vectors.

    :param theta: [S, K] conductivities where each vector stopped [S/m]
    :param loss: [S] total loss there
    :param iterations: [S] iterations until the stopping criterion held, or the maximum
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


def run_adam(
    objective: Differentiable,
    initial: FloatArray,
    options: Adam,
    *,
    free: BoolArray | None = None,
    progress: Progress | None = None,
) -> AdamResult:
    """Algorithm 1 with Dr.Jit's Adam on S parameter vectors side by side.

    Conductivities that are stepped themselves are kept positive by projection.

    :param objective: evaluates the loss and its gradient
    :param initial: [S, K] initial conductivities [S/m]
    :param options: loss, step size η, space, most iterations, stopping criterion
    :param free: [K] False where the conductivity is to stay as it is
    :param progress: called after each iteration
    :raises NumericalError: if an initial value is not positive and finite
    """
    theta = np.array(initial, np.float64)
    movable = np.ones(theta.shape[-1], bool) if free is None else free
    if theta.ndim != 2 or not (np.isfinite(theta).all() and (theta[:, movable] > 0).all()):
        raise NumericalError("initial conductivities [S, K] must be positive and finite")
    logarithmic = options.space == "log_conductivity"
    begin = theta[:, movable]
    stepper = _Adam(np.log(begin) if logarithmic else begin, options.rate)
    run = _Run(theta, options)
    for i in range(1, options.max_iterations + 1):
        value = objective.value_and_grad(theta, options.loss)
        gradient = _in_setup_order(value.gradient)
        run.record(i, theta, _in_setup_order(value.loss), gradient)
        if progress is not None:
            progress("fit", i, options.max_iterations)
        if not run.running.any() or i == options.max_iterations:
            break
        gradient = np.where(run.running[:, None], gradient, 0.0)[:, movable]
        if options.decay is not None and i > 1 and (i - 1) % options.decay.every == 0:
            stepper.scale_rate(options.decay.factor)
        if logarithmic:
            bounds = np.log([MIN_CONDUCTIVITY, MAX_CONDUCTIVITY]).tolist()
            theta[:, movable] = np.exp(stepper.step(gradient * theta[:, movable], bounds))
        else:
            theta[:, movable] = stepper.step(gradient, (MIN_CONDUCTIVITY, MAX_CONDUCTIVITY))
    return run.result()


class _Run:
    """Record of S runs side by side, and which of them go on."""

    def __init__(self, theta: FloatArray, options: Adam) -> None:
        count = len(theta)
        self.running = np.ones(count, bool)
        self._stop = options.stop
        self._calm = np.zeros(count, np.int64)
        self._lowest = np.full(count, np.inf)
        self._final, self._final_loss = theta.copy(), np.full(count, np.nan)
        self._iterations = np.full(count, options.max_iterations)
        self._outcome: list[Outcome] = ["max_iterations"] * count
        self._losses: list[FloatArray] = []
        self._path: list[FloatArray] = []

    def record(self, i: int, theta: FloatArray, loss: FloatArray, gradient: FloatArray) -> None:
        """Iteration ``i`` at ``theta`` [S, K]: its losses [S] and gradients [S, K]."""
        self._losses.append(np.where(self.running, loss, np.nan))
        self._path.append(np.where(self.running[:, None], theta, np.nan))
        finite = np.isfinite(loss) & np.isfinite(gradient).all(axis=1)
        ended = self.running & (~finite | self._settled())
        for s in np.flatnonzero(ended):
            self._outcome[s] = "converged" if finite[s] else "non_finite"
            self._iterations[s] = i
        last = self.running & finite
        self._final[last], self._final_loss[last] = theta[last], loss[last]
        self.running &= ~ended

    def _settled(self) -> BoolArray:
        """[S] whether the criterion holds after the latest iteration."""
        loss, stop = self._losses[-1], self._stop
        if isinstance(stop, NoImprovement):
            lower = loss < self._lowest - stop.loss_tolerance
            self._lowest = np.where(lower, loss, self._lowest)
            self._calm = np.where(lower, 0, self._calm + 1)
            return self._calm >= stop.patience
        if len(self._losses) > stop.lag:
            step = np.abs(self._path[-1] - self._path[-1 - stop.lag]).max(axis=1)
            still = step <= stop.step_tolerance
            still &= np.abs(loss - self._losses[-1 - stop.lag]) <= stop.loss_tolerance
            self._calm = np.where(still, self._calm + 1, 0)
        return self._calm > stop.patience

    def result(self) -> AdamResult:
        """The run as a value."""
        for s in np.flatnonzero(self._final_loss > DIVERGED * self._losses[0]):
            if self._outcome[s] == "max_iterations":
                self._outcome[s] = "diverged"
        return AdamResult(
            self._final, self._final_loss, self._iterations, self._outcome,
            np.array(self._losses), np.array(self._path),
        )  # fmt: skip


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
        self._dr, self._rate = dr, learning_rate
        self._shape = values.shape
        self._adam = Adam(lr=learning_rate, params={"x": self._float(values.ravel())})

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate of the steps to come."""
        self._rate *= factor
        self._adam.set_learning_rate(self._rate)

    def step(self, gradient: FloatArray, bounds: Sequence[float]) -> FloatArray:
        """The values after one step, projected into ``bounds``."""
        dr, adam = self._dr, self._adam
        dr.set_grad(adam["x"], self._float(np.ascontiguousarray(gradient).ravel()))
        adam.step()
        adam["x"] = dr.clip(adam["x"], *(float(b) for b in bounds))
        return np.array(dr.detach(adam["x"]).numpy()).reshape(self._shape)
