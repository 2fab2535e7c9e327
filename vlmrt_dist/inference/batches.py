"""Costs of many parameter vectors at once, and Levenberg-Marquardt from all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares, ManyPredict, Predict
from vlmrt_dist.inference.likelihood import residuals
from vlmrt_dist.inference.parameters import SIZES

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-2, 1e-9, 1e6
"""Damping of the normal equations, in units of their diagonal."""

LONGEST = 2.0
"""Longest step of an entry of x, in units of :func:`scales`: of ln σ a factor of 7."""

CONVERGED = 1e-3
"""A vector whose cost promises to sink by less than this is at its minimum."""


class Rows(NamedTuple):
    """:param residual: [S, R] residuals of links and prior; :param slope: [S, R, X]"""

    residual: FloatArray
    slope: FloatArray

    @property
    def cost(self) -> FloatArray:
        """[S] half the sum of squared residuals; infinite where one is not finite."""
        return _cost(self.residual)


class Batch:
    """Residuals of many parameter vectors of one least-squares problem.

    :param predict: the level model
    :param data: levels, noise and prior
    """

    def __init__(self, predict: Predict | ManyPredict, data: LeastSquares) -> None:
        size = len(data.prior)
        self.low, self.high = (
            np.array(np.broadcast_to(b, size), np.float64) for b in (data.low, data.high)
        )
        self.evaluations = 0
        self._predict, self._prior = predict, data.prior_term
        self._index, self._links = np.flatnonzero(data.used), data.links

    def rows(self, x: FloatArray) -> Rows:
        """Residuals and their derivatives at vectors [S, X]."""
        parts = [self._part(part, slopes=True) for part in _parts(x)]
        return Rows(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def cost(self, x: FloatArray) -> FloatArray:
        """[S] half the sum of squared residuals at vectors [S, X]; infinite outside the range."""
        inside = ((x >= self.low) & (x <= self.high)).all(axis=1)
        found = np.full(len(x), np.inf)
        if inside.any():
            parts = [self._part(part, slopes=False)[0] for part in _parts(x[inside])]
            found[inside] = _cost(np.concatenate(parts))
        return found

    def _part(self, x: FloatArray, *, slopes: bool) -> tuple[FloatArray, FloatArray]:
        with np.errstate(all="ignore"):  # far from the prior a loss may overflow; its cost is told
            level, jacobian = self._levels(x, slopes)
        self.evaluations += len(x)
        count, links = len(x), self._links
        every = links.at(np.tile(np.arange(len(links.level_dbm)), count))
        flat, slope = residuals(every, level[:, self._index].ravel())
        prior = self._prior.residuals(x)
        residual = np.concatenate([flat.reshape(count, -1), prior], axis=1)
        if not slopes:
            return residual, jacobian
        rows = jacobian[:, self._index] * slope.reshape(count, -1)[:, :, None]
        rows = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
        return residual, np.concatenate([rows, self._prior.slopes(x)], axis=1)

    def _levels(self, x: FloatArray, slopes: bool) -> tuple[FloatArray, FloatArray]:
        if isinstance(self._predict, ManyPredict):
            return self._predict.many(x, slopes=slopes)
        found = [self._predict(row) for row in x]
        dense = [jacobian.toarray() for _, jacobian in found] if slopes else []
        return np.array([level for level, _ in found]), np.array(dense)


@dataclass(frozen=True, eq=False)
class Descents:
    """:param x: [S, X] where each descent ended
    :param cost: [S] cost there
    :param settled: [S] at a minimum
    """

    x: FloatArray
    cost: FloatArray
    settled: BoolArray


def descend(
    batch: Batch,
    starts: FloatArray,
    steps: int,
    *,
    hopeless: float = np.inf,
    held: BoolArray | None = None,
) -> Descents:
    """Levenberg-Marquardt with bounds from many starts side by side.

    :param starts: [S, X]
    :param steps: evaluations of each start after the first
    :param hopeless: a descent whose linearized minimum exceeds this cost stops
    :param held: [S, X] entries that stay where they are; None: none
    """
    x = np.clip(starts, batch.low, batch.high)
    held = np.zeros(x.shape, bool) if held is None else held
    rows = batch.rows(x)
    residual, slope, cost = rows.residual.copy(), rows.slope.copy(), rows.cost
    damping = np.full(len(x), FIRST_DAMPING)
    settled = np.zeros(len(x), bool)
    going = np.isfinite(cost)
    for _ in range(steps):
        at = np.flatnonzero(going)
        if not len(at):
            break
        step, promised = _steps(batch, x[at], residual[at], slope[at], damping[at], held[at])
        done = promised < CONVERGED
        settled[at[done]] = True
        going[at[done]] = False
        at, step = at[~done], step[~done]
        if not len(at):
            break
        trial = np.clip(x[at] + step, batch.low, batch.high)
        new = batch.rows(trial)
        lower = new.cost < cost[at]
        gain = (cost[at] - np.where(lower, new.cost, cost[at])) / promised[~done]
        won = at[lower]
        x[won], cost[won] = trial[lower], new.cost[lower]
        residual[won], slope[won] = new.residual[lower], new.slope[lower]
        factor = np.where(lower, np.where(gain > 0.5, 0.1, 1.0), 10.0)
        damping[at] = np.clip(damping[at] * factor, LEAST_DAMPING, MOST_DAMPING)
        going[at] &= damping[at] < MOST_DAMPING
        if np.isfinite(hopeless):
            floor = linear_minimum(batch, x, residual, slope, held)
            going &= ~(floor > hopeless)
    return Descents(x, cost, settled)


def linear_minimum(
    batch: Batch, x: FloatArray, residual: FloatArray, slope: FloatArray, held: BoolArray
) -> FloatArray:
    """[S] lowest cost that a step within the range promises, the levels taken as linear; infinite
    where the cost is."""
    floor = _cost(residual)
    there = np.isfinite(floor)
    damping = np.full(int(there.sum()), LEAST_DAMPING)
    _, promised = _steps(
        batch, x[there], residual[there], slope[there], damping, held[there], longest=np.inf
    )
    floor[there] -= promised
    return floor


def _steps(
    batch: Batch,
    x: FloatArray,
    residual: FloatArray,
    slope: FloatArray,
    damping: FloatArray,
    held: BoolArray,
    longest: float = LONGEST,
) -> tuple[FloatArray, FloatArray]:
    """Damped Gauss-Newton steps [S, X] within the range, and by how much each promises to lower
    the cost [S]."""
    normal = slope.transpose(0, 2, 1) @ slope
    gradient = (residual[:, None, :] @ slope)[:, 0]
    diagonal = np.einsum("sii->si", normal)
    scale = diagonal.max(axis=1, keepdims=True) + 1e-30
    # What the links hardly tell is held by a share of the others' damping.
    damped = damping[:, None] * (diagonal + 1e-4 * scale) + 1e-12 * scale
    fixed = held | ((x <= batch.low) & (gradient > 0.0)) | ((x >= batch.high) & (gradient < 0.0))
    step = np.zeros_like(x)
    for _ in range(3):  # entries that a step takes beyond their range stop at its end
        free = ~fixed
        system = normal * (free[:, :, None] & free[:, None, :])
        system[:, np.arange(x.shape[1]), np.arange(x.shape[1])] += np.where(free, damped, 1.0)
        right = -(gradient + (normal @ np.where(fixed, step, 0.0)[:, :, None])[:, :, 0])
        solved = np.linalg.solve(system, np.where(free, right, 0.0)[:, :, None])[:, :, 0]
        step = np.where(free, solved, step)
        beyond = free & ((x + step < batch.low) | (x + step > batch.high))
        if not beyond.any():
            break
        step = np.where(beyond, np.clip(x + step, batch.low, batch.high) - x, step)
        fixed = fixed | beyond
    step = np.clip(step, -longest, longest)
    linear = (slope @ step[:, :, None])[:, :, 0]
    promised = -(linear * residual).sum(axis=1) - 0.5 * (linear**2).sum(axis=1)
    return step, np.maximum(promised, 0.0)


def _parts(x: FloatArray) -> list[FloatArray]:
    return [x[i : i + SIZES[-1]] for i in range(0, len(x), SIZES[-1])]


def _cost(residual: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", over="ignore"):
        found = 0.5 * (residual**2).sum(axis=1)
    return np.where(np.isfinite(found), found, np.inf)
