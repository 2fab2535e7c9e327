"""Shares of a posterior about its minima by quadrature, where there are few unknowns.

The range that is searched is bisected until the residuals are nearly linear across each cell. A
cell is dropped once no point of it can hold weight: its residuals, linearized at its centre, stay
too long. The density is summed over a lattice of points in each cell that is left. Nothing is
drawn, and no minimum has to be known beforehand, so these shares are a reference for those of
draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.ridges import Basins, Ridges
from vlmrt_dist.inference.weighted_draws import Mode

MOST_UNKNOWNS = 3
"""With more the cells are too many."""

FIRST = 32
"""Cells along each unknown that the range is cut into at first."""

DEEP = 10.0
"""Cost above the best one's at which a cell holds no weight to speak of."""

SLACK = 1.25
"""Factor by which the change across a cell may exceed the linearized one."""

POINTS = 4
"""Points along each unknown of the lattice in a cell."""

_CHUNK = 2048


class _Cells(NamedTuple):
    """:param centre: [S, X]
    :param half: [S, X] half of each edge
    """

    centre: FloatArray
    half: FloatArray

    def taken(self, which: IntArray | slice) -> _Cells:
        return _Cells(self.centre[which], self.half[which])

    def bisected(self, cut: IntArray) -> _Cells:
        """The two halves of each cell, cut across the unknown [S]."""
        cells = np.arange(len(cut))
        half = self.half.copy()
        half[cells, cut] *= 0.5
        step = np.zeros_like(half)
        step[cells, cut] = half[cells, cut]
        return _Cells(
            np.concatenate([self.centre - step, self.centre + step]), np.concatenate([half, half])
        )


def lattice_shares(
    predict: Predict, data: LeastSquares, modes: Sequence[Mode], fineness: float
) -> FloatArray:
    """[C] shares of the posterior about each mode.

    :param predict: the level model
    :param data: the problem whose minima the modes are; at most :data:`MOST_UNKNOWNS` unknowns,
        each of a bounded range
    :param fineness: largest change of the residuals, as a norm, from a cell's centre to its faces
    """
    batch = Batch(predict, data)
    x, cost = np.array([m.x for m in modes]), np.array([m.cost for m in modes])
    basins = Basins(batch, Ridges(data), x, cost)
    best, share = float(cost.min()), np.zeros(len(modes))
    waiting = [_first(batch.low, batch.high)]
    while waiting:
        cells = waiting.pop()
        if len(cells.centre) > _CHUNK:
            waiting += [cells.taken(slice(_CHUNK, None)), cells.taken(slice(_CHUNK))]
            continue
        rows = batch.rows(cells.centre)
        change = np.linalg.norm(rows.slope, axis=1) * cells.half
        least = np.sqrt(2.0 * rows.cost) - SLACK * change.sum(axis=1)
        matters = 0.5 * np.square(np.maximum(least, 0.0)) <= best + DEEP
        fine = change.max(axis=1) <= fineness
        leaf, coarse = np.flatnonzero(matters & fine), np.flatnonzero(matters & ~fine)
        slope = rows.slope[leaf]
        quadratic = (
            rows.cost[leaf],
            *(
                np.einsum("srx,srz->sxz", slope, other)
                for other in (rows.residual[leaf][:, :, None], slope)
            ),
        )
        share += _mass(basins, cells.taken(leaf), quadratic, best, len(modes))
        if len(coarse):
            waiting.append(cells.taken(coarse).bisected(np.argmax(change[coarse], axis=1)))
    return np.asarray(share / share.sum())


def _first(low: FloatArray, high: FloatArray) -> _Cells:
    """The cells that a range is cut into at first."""
    half = (high - low) / (2.0 * FIRST)
    steps = low[:, None] + half[:, None] * (2.0 * np.arange(FIRST) + 1.0)
    centre = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, len(low))
    return _Cells(centre, np.broadcast_to(half, centre.shape))


def _mass(
    basins: Basins,
    cells: _Cells,
    quadratic: tuple[FloatArray, FloatArray, FloatArray],
    best: float,
    count: int,
) -> FloatArray:
    """[C] mass that cells hold about each mode, over exp(-best).

    :param quadratic: [S] costs at the centres, [S, X, 1] their gradients, [S, X, X] the products of
        the residuals' slopes
    """
    cost, gradient, curvature = quadratic
    size = cells.centre.shape[1]
    ticks = (2.0 * np.arange(POINTS) + 1.0) / POINTS - 1.0
    inside = np.stack(np.meshgrid(*[ticks] * size, indexing="ij"), axis=-1).reshape(-1, size)
    step = inside * cells.half[:, None]  # [S, points, X]
    there = cost[:, None] + (step @ gradient)[:, :, 0]
    there += 0.5 * np.einsum("spx,sxy,spy->sp", step, curvature, step)
    mass = cells.half.prod(axis=1)[:, None] * np.exp(best - there)
    mode = basins.of((cells.centre[:, None] + step).reshape(-1, size))
    return np.bincount(mode, mass.ravel(), count).astype(np.float64)
