"""Search for further minima of a fit: profiles of single unknowns over the whole range searched.

The level of a link is not monotonic in a conductivity: a wall of metal reflects as a weak
dielectric may, so that a fit has minima that lie orders of magnitude apart. A profile holds one
unknown at each of a row of values, from the present minimum outwards in both directions, and lets
the others follow; where it has a minimum of its own, a fit starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares, Predict, System

SPACING = 1.2
"""Distance of a profile's values: for ln σ half a decade."""

MOST_POINTS = 24
"""Most values of a profile."""

FOLLOWING = 2
"""Steps that the other unknowns take at each value, from where they were at its neighbour."""

LONGEST_STEP = 1.0
"""Longest step of one of them."""

MOST_STARTS = 10
"""Most fits that start from the profiles of one search, the promising first."""

HOPELESS = 50.0
"""A minimum of a profile is left alone whose cost exceeds three times the present one, and this."""


@dataclass(frozen=True, eq=False)
class Start:
    """A minimum of a profile.

    :param cost: half the sum of squared residuals there, prior included
    :param x: [X] parameters
    """

    cost: float
    x: FloatArray


def further_starts(
    predict: Predict, data: LeastSquares, x: FloatArray, which: BoolArray
) -> tuple[list[Start], int]:
    """Where profiles of some unknowns have minima besides the present one, the best first.

    :param x: [X] the present minimum
    :param which: [X] unknowns to make profiles of
    :return: the starts, and the evaluations that they took
    """
    system = System(predict, data, None)
    here = _cost(system.residuals(x)[0])
    starts: list[Start] = []
    for k in np.flatnonzero(which).tolist():
        below, above = _values(system, x, k)
        sides = [_profile(system, x, k, values) for values in (below, above)]
        row = [*sides[0][::-1], Start(here, x), *sides[1]]
        starts += _minima(row, len(sides[0]))
    hopeful = [s for s in starts if s.cost < 3.0 * here + HOPELESS]
    hopeful.sort(key=lambda start: start.cost)
    return hopeful[:MOST_STARTS], len(system.visited)


def _values(system: System, x: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Values of unknown ``k`` below the present one and above it, outwards."""
    low, high = float(system.low[k]), float(system.high[k])
    step = max(SPACING, (high - low) / MOST_POINTS)
    return np.arange(x[k] - step, low, -step), np.arange(x[k] + step, high, step)


def _profile(system: System, x: FloatArray, k: int, values: FloatArray) -> list[Start]:
    """The cost at each value of unknown ``k``, while the others follow."""
    row = []
    z = x.copy()
    rest = np.arange(len(x)) != k
    for value in values:
        z[k] = value
        best = Start(np.inf, z)
        for _ in range(FOLLOWING):
            residual, jacobian = system.residuals(z)
            cost = _cost(residual)
            if cost < best.cost:
                best = Start(cost, z.copy())
            z[rest] += _step(jacobian, residual, rest)
            np.clip(z, system.low, system.high, out=z)
        if not np.isfinite(best.cost):
            break
        z = best.x.copy()
        row.append(best)
    return row


def _step(jacobian: FloatArray, residual: FloatArray, rest: BoolArray) -> FloatArray:
    """A damped Gauss-Newton step of the other unknowns."""
    rows = jacobian[:, rest]
    normal = rows.T @ rows
    normal[np.diag_indices_from(normal)] *= 1.01
    normal[np.diag_indices_from(normal)] += 1e-6
    step = -np.linalg.solve(normal, rows.T @ residual)
    return np.clip(step, -LONGEST_STEP, LONGEST_STEP)


def _minima(row: list[Start], present: int) -> list[Start]:
    """Entries that are lower than their neighbours, but for the present minimum."""
    found = []
    for i, start in enumerate(row):
        before = row[i - 1].cost if i > 0 else np.inf
        behind = row[i + 1].cost if i + 1 < len(row) else np.inf
        if i != present and start.cost <= before and start.cost <= behind:
            found.append(start)
    return found


def _cost(residual: FloatArray) -> float:
    return 0.5 * float((residual**2).sum())
