"""References for the suite of problems with several minima: dense lattices and many starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.least_squares import LeastSquares, levenberg_marquardt
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.studies.benchmarks.two_minima import TwoMinima


def best_of_many_starts(problem: Problem, case: TwoMinima, data: LeastSquares, count: int) -> float:
    """Lowest cost that Levenberg-Marquardt reaches from the truth, from there with each unknown far
    off, and from random starts."""
    rng = np.random.default_rng(11)
    truth = case.true_x(problem.unknowns)
    size = len(truth)
    reach = np.where(np.array(problem.unknowns.quantity) == "thickness", 0.5, 4.0)
    moved = [truth + reach * side * (np.arange(size) == k) for k in range(size) for side in (-1, 1)]
    spread = np.minimum(np.broadcast_to(data.prior_width, size), 3.0)
    random = data.prior + spread * rng.standard_normal((count, size))
    starts = np.concatenate([truth[None], np.array(moved), random])
    starts = np.clip(starts, data.low, data.high)
    return levenberg_marquardt(problem.predict, data, starts, max_total=10**6).cost


def lattice(
    problem: Problem, data: LeastSquares, ends: FloatArray, points: dict[str, int]
) -> tuple[FloatArray, FloatArray]:
    """Points [S, X] of a dense lattice, with the logarithm of the posterior at each, up to a
    constant; offsets of setups, in which levels are linear, are integrated out.

    :param ends: [2, X] ends of the lattice
    :param points: along each unknown, by quantity
    """
    quantity = np.array(problem.unknowns.quantity)
    free = np.flatnonzero(quantity != "gain")
    low = np.maximum(ends[0], data.low)
    high = np.minimum(ends[1], data.high)
    axes = []
    for k in free:
        count = points[quantity[k]]
        axes.append(low[k] + (high[k] - low[k]) / count * (0.5 + np.arange(count)))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(free))
    x = np.broadcast_to(data.prior, (len(grid), len(quantity))).copy()
    x[:, free] = grid
    batch = Batch(problem.predict, data)
    gain = np.flatnonzero(quantity == "gain")
    if not len(gain):
        return x, -batch.cost(x)
    log = np.empty(len(x))
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // 512)):
        rows = batch.rows(x[part])
        slope = rows.slope[:, :, gain]
        normal = slope.transpose(0, 2, 1) @ slope + 1e-9 * np.eye(len(gain))
        step = -np.linalg.solve(normal, (rows.residual[:, None] @ slope).transpose(0, 2, 1))
        x[np.ix_(part, gain)] += step[:, :, 0]
        residual = rows.residual + (slope @ step)[:, :, 0]
        log[part] = -0.5 * (residual**2).sum(axis=1) - 0.5 * np.linalg.slogdet(normal)[1]
    return x, log


def declared(data: LeastSquares, scale: float, width: FloatArray) -> LeastSquares:
    """The problem in which a fit compares its minima."""
    return replace(data, noise_db=data.noise_db * max(scale, 1.0), prior_width=width)
