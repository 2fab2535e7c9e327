"""Levenberg-Marquardt for many unknowns: damped normal equations, sparse as the links are.

A link's level depends on the few objects that its paths meet, so JᵀJ is sparse, or at worst a
matrix of X² numbers. Its damped Cholesky factor gives the step of all X unknowns at once; scipy's
``least_squares`` would factorize the dense Jacobian by singular values, or, with ``lsmr``, search
two directions at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg

from vlmrt_dist.arrays import FloatArray

Residuals = Callable[[FloatArray], tuple[FloatArray, sp.csr_matrix]]
"""A parameter vector x [X] -> residuals [L], and their sparse derivative [L, X] by x."""

FIRST_RADIUS = 1.0
"""Most that an entry of x changes in the first step: a factor of 2.7, where it is a logarithm."""

FIRST_CAUTION = 1e-3
"""How much at first all unknowns are held where they are, in units of the mean diagonal of JᵀJ, a
tenth of it after each step that succeeds. What links tell about an unknown that they hardly depend
on is wrong until the others are right; it would go far, and end in another minimum."""

LEAST_DAMPING, MOST_DAMPING = 1e-10, 1e10
"""Damping in units of the diagonal of JᵀJ: what rounding needs where two unknowns are only seen
together; and the most, which no step follows."""

PASSES = 4
"""So often are entries of a step that leave their range put at its end, and the others solved for
again."""

SPARSE = 0.1
"""Share of entries of JᵀJ below which it is factorized as a sparse matrix."""


class Minimum(NamedTuple):
    """:param x: [X] where the search ended
    :param cost: half the sum of squared residuals there
    :param converged: False: after the most evaluations
    """

    x: FloatArray
    cost: float
    converged: bool


def least_squares(
    residuals: Residuals,
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    tolerance: float,
    max_evaluations: int,
) -> Minimum:
    """Minimum of half the sum of squared residuals between bounds.

    Each step minimises the linear model within the bounds and within a radius for every entry: a
    level hardly depends on some unknowns, whose steps are far too long, and the radius stops those
    and leaves the others as they are. An unknown that no residual depends on stays.

    :param residuals: must be finite at ``x``; a step to where they are not is shortened
    :param x: [X] start, between the bounds
    :param low: [X]
    :param high: [X]
    :param tolerance: relative change of the cost, and of x, below which the search has converged
    :param max_evaluations: most evaluations, the one at ``x`` included
    """
    residual, jacobian = residuals(x)
    cost = 0.5 * float(residual @ residual)
    damping, radius, caution = LEAST_DAMPING, FIRST_RADIUS, FIRST_CAUTION
    scale = np.zeros(len(x))
    fresh = True
    for _ in range(max_evaluations - 1):
        if fresh:
            gradient = jacobian.T @ residual
            normal = (jacobian.T @ jacobian).tocsc()
            # The largest seen, so that a flat spot does not set an unknown loose (Moré).
            scale = np.maximum(scale, normal.diagonal())
        ends = np.maximum(low - x, -radius), np.minimum(high - x, radius)
        hold = damping * scale + np.where(scale > 0.0, caution * scale.mean(), 0.0)
        step = _step(normal, gradient, hold, *ends)
        size = float(np.abs(step).max(initial=0.0))
        bent = jacobian @ step
        predicted = -float(gradient @ step) - 0.5 * float(bent @ bent)
        still = np.linalg.norm(step) <= tolerance * (tolerance + np.linalg.norm(x))
        if still or 0.0 <= predicted <= 0.1 * tolerance * cost:  # or rounding is all that is left
            if caution == 0.0:
                return Minimum(x, cost, True)
            caution = 0.0
            continue
        there = np.clip(x + step, low, high)  # rounding may leave it a little outside
        candidate = residuals(there)
        new = 0.5 * float(candidate[0] @ candidate[0])
        gained = cost - new
        fresh = bool(np.isfinite(new) and gained > 0.0 and predicted > 0.0)
        if fresh:
            done = gained <= tolerance * cost and gained > 0.25 * predicted
            x, cost, (residual, jacobian) = there, new, candidate
            if done and caution == 0.0:
                return Minimum(x, cost, True)
            caution = 0.0 if done or caution < 1e-9 else 0.1 * caution
            damping = max(0.1 * damping, LEAST_DAMPING)
        elif damping >= MOST_DAMPING:
            return Minimum(x, cost, True)
        else:
            damping *= 10.0
        if not fresh or gained < 0.25 * predicted:
            radius = 0.25 * size
        elif gained > 0.75 * predicted and size > 0.99 * radius:
            radius *= 2.0
    return Minimum(x, cost, False)


def _step(
    normal: sp.csc_matrix,
    gradient: FloatArray,
    damping: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> FloatArray:
    """Minimum of the damped linear model between ``low`` and ``high``, nearly."""
    step = np.zeros(len(gradient))
    whole: FloatArray | None = None
    free = damping > 0.0  # some residual depends on it
    # At a bound and pushed against it.
    free &= ~(((low >= 0.0) & (gradient > 0.0)) | ((high <= 0.0) & (gradient < 0.0)))
    for _ in range(PASSES):
        index = np.flatnonzero(free)
        if not len(index):
            break
        right = -(gradient + normal @ np.where(free, 0.0, step))[index]
        step[index] = _solution(normal[index][:, index], damping[index], right)
        beyond = free & ((step < low) | (step > high))
        if not beyond.any():
            break
        whole = step.copy() if whole is None else whole
        free &= ~beyond
        step = np.clip(step, low, high)
    step = np.clip(step, low, high)
    if whole is None:
        return step
    # What was put at an end may have been wrong to go there once the others have moved. The whole
    # step, made shorter, goes downhill for certain.
    reach = np.where(whole < 0.0, low, high)
    share = np.divide(reach, whole, out=np.ones(len(whole)), where=whole != 0.0).min()
    shorter = min(1.0, share) * whole

    def change(of: FloatArray) -> float:
        return float(gradient @ of + 0.5 * of @ (normal @ of))

    return step if change(step) < change(shorter) else shorter


def _solution(normal: sp.csc_matrix, diagonal: FloatArray, right: FloatArray) -> FloatArray:
    """x of (normal + diag(diagonal)) x = right, in units in which the matrix's diagonal is one."""
    units = 1.0 / np.sqrt(normal.diagonal() + diagonal)
    matrix = sp.diags(units) @ (normal + sp.diags(diagonal)) @ sp.diags(units)
    right = right * units
    if matrix.nnz < SPARSE * matrix.shape[0] ** 2:
        # Positive definite, so no pivoting is needed, and the order can be the symmetric one.
        factor = scipy.sparse.linalg.splu(
            matrix.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return np.asarray(units * factor.solve(right))
    return np.asarray(units * scipy.linalg.solve(matrix.toarray(), right, assume_a="pos"))
