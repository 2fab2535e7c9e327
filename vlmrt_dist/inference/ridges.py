"""Ridges between the minima of a fit, and the basins that they part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.inference.batches import Batch, descend
from vlmrt_dist.inference.least_squares import LeastSquares

SAME = 0.5
"""Two minima are one if no point on the way between them is higher than both by more than this."""

WAY = 8
"""Points that are tried on the way between two minima."""

FOLLOWING = 3
"""Steps that the other unknowns take at each of them."""


@dataclass(frozen=True)
class Ridge:
    """The highest point on the way between two minima.

    :param unknown: the one in which they are farthest apart, in units of its spacing
    :param value: of it, at that point
    :param height: cost there above the higher minimum's
    """

    unknown: int
    value: float
    height: float

    @property
    def same(self) -> bool:
        """Whether there is no ridge to speak of."""
        return self.height <= SAME


class Ridges:
    """Ridges between minima of one problem; each is searched for once.

    :param data: the problem
    """

    def __init__(self, data: LeastSquares) -> None:
        self._spacing = np.broadcast_to(data.spacing, data.prior.shape)
        self._known: dict[tuple[bytes, bytes], Ridge] = {}

    def known(self, one: FloatArray, other: FloatArray) -> Ridge | None:
        """The ridge between two minima [X], if it was searched for."""
        return self._known.get(_pair(one, other))

    def between(
        self, batch: Batch, one: FloatArray, other: FloatArray, cost: FloatArray
    ) -> list[Ridge]:
        """The ridges between P pairs of minima: the unknown in which two are farthest apart goes
        from one to the other, the rest follow.

        :param batch: evaluates the problem
        :param one: [P, X]
        :param other: [P, X]
        :param cost: [P] of the higher minimum
        """
        new = [p for p in range(len(one)) if self.known(one[p], other[p]) is None]
        if new:
            found = self._found(batch, one[new], other[new], cost[new])
            for p, ridge in zip(new, found, strict=True):
                self._known[_pair(one[p], other[p])] = ridge
        return [self._known[_pair(a, b)] for a, b in zip(one, other, strict=True)]

    def _found(
        self, batch: Batch, one: FloatArray, other: FloatArray, cost: FloatArray
    ) -> list[Ridge]:
        spacing = np.where(np.isinf(self._spacing), 1e3, self._spacing)
        apart = np.abs(one - other) / spacing
        along = np.argmax(apart, axis=1)
        ways = ways_between(one, other)
        flat = ways.reshape(-1, one.shape[1])
        held = np.arange(one.shape[1]) == np.repeat(along, WAY)[:, None]
        ended = descend(batch, flat, FOLLOWING, held=held)
        height = ended.cost.reshape(len(one), WAY) - cost[:, None]
        top = np.argmax(height, axis=1)
        pairs = zip(along.tolist(), top.tolist(), strict=True)
        return [
            Ridge(k, float(ways[p, t, k]), float(height[p, t]) if apart[p, k] >= 1e-3 else 0.0)
            for p, (k, t) in enumerate(pairs)
        ]


class Basins:
    """The minima about which points lie.

    Two minima are parted at the ridge between them: by the unknown in which they are farthest
    apart, at its value there.

    :param batch: evaluates the problem
    :param ridges: of the problem
    :param x: [C, X] the minima
    :param cost: [C] their costs
    """

    def __init__(self, batch: Batch, ridges: Ridges, x: FloatArray, cost: FloatArray) -> None:
        self._count = len(x)
        self._one, self._other = np.triu_indices(len(x), 1)
        one, other = x[self._one], x[self._other]
        higher = np.maximum(cost[self._one], cost[self._other])
        found = ridges.between(batch, one, other, higher)
        self._unknown = np.array([r.unknown for r in found], int)
        self._value = np.array([r.value for r in found])
        pairs = np.arange(len(found))
        self._first_below = one[pairs, self._unknown] < self._value

    def of(self, x: FloatArray) -> IntArray:
        """[S] number of the minimum about which each of the points [S, X] lies."""
        won = np.zeros((len(x), self._count), int)
        first = (x[:, self._unknown] < self._value) == self._first_below
        for pair, (i, j) in enumerate(zip(self._one, self._other, strict=True)):
            won[:, i] += first[:, pair]
            won[:, j] += ~first[:, pair]
        return np.argmax(won, axis=1)


def ways_between(one: FloatArray, other: FloatArray) -> FloatArray:
    """[P, WAY, X] points on the straight way from each of P points [P, X] to another."""
    share = np.linspace(0.0, 1.0, WAY + 2)[1:-1, None]
    return np.asarray(one[:, None] + share * (other - one)[:, None])


def _pair(one: FloatArray, other: FloatArray) -> tuple[bytes, bytes]:
    a, b = sorted((one.tobytes(), other.tobytes()))
    return a, b
