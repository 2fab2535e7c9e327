"""The prior as residuals, half the sum of whose squares is its negative logarithm.

An unknown has the residual u = (x - mean) / width. Two that are correlated (ln σ and ln ε_r of one
object) have those of the Cholesky factor of their correlation matrix, u_1 and
(u_2 - ρ u_1) / √(1 - ρ²). With heavy tails a block of k such residuals r (k = 2 for a pair, else 1)
is shortened to

    r · √((ν + k) ln(1 + q / (ν + k)) / q),      q = |r|²,      ν = 4

which is the multivariate Student's t whose curvature at its centre is that of the normal prior:
near the recommended value nothing changes, and far from it the pull fades as 1 / distance.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.inference.likelihood import FREEDOM


@dataclass(frozen=True, eq=False)
class PriorShape:
    """Correlations and heavy tails of a prior on X unknowns.

    :param partner: [X] the unknown that each is correlated with, -1 for none
    :param correlation: [X] with it, in (-1, 1)
    :param heavy: [X] unknowns whose tails are Student's; partners have the same
    """

    partner: IntArray
    correlation: FloatArray
    heavy: BoolArray

    @classmethod
    def plain(cls, size: int) -> PriorShape:
        """Independent normal priors."""
        return cls(np.full(size, -1), np.zeros(size), np.zeros(size, bool))

    def alone(self, which: BoolArray) -> PriorShape:
        """The shape in which some unknowns [X] are correlated with none."""
        apart = which | which[self.partner]
        return PriorShape(
            np.where(apart, -1, self.partner), np.where(apart, 0.0, self.correlation), self.heavy
        )

    def at(self, index: IntArray) -> PriorShape:
        """The shape of some of the unknowns' marginal prior.

        :param index: [X'] which
        """
        place = np.full(len(self.partner) + 1, -1)
        place[index] = np.arange(len(index))
        partner = place[self.partner[index]]
        return PriorShape(
            partner, np.where(partner >= 0, self.correlation[index], 0.0), self.heavy[index]
        )


class PriorTerm:
    """Residuals of a prior on X unknowns.

    :param mean: [X]
    :param width: [X] standard deviation, with heavy tails that of the normal distribution with the
        same curvature at the centre; infinite for none, which has no partner
    :param shape: correlations and tails
    """

    def __init__(self, mean: FloatArray, width: FloatArray, shape: PriorShape) -> None:
        self._mean, self._width, self._inverse = mean, width, 1.0 / width
        partner = shape.partner
        self._first = np.flatnonzero(np.arange(len(mean)) < partner)
        self._second = partner[self._first]
        self._rho = shape.correlation[self._first]
        self._root = np.sqrt(1.0 - self._rho**2)
        self._heavy = shape.heavy
        self.linear = not shape.heavy.any()
        """Whether the residuals are linear in x: no tails are heavy."""
        self._other = np.full(len(mean), -1)
        self._other[self._first], self._other[self._second] = self._second, self._first
        self._size = np.where(self._other >= 0, 2.0, 1.0)

    @property
    def stated(self) -> bool:
        """Whether any unknown has a prior."""
        return bool(self._inverse.any())

    def residuals(self, x: FloatArray) -> FloatArray:
        """[..., X] residuals of vectors [..., X]."""
        plain = self._plain(x)
        if self.linear:
            return plain
        factor, _ = self._shortening(plain)
        return plain * factor

    def slope(self, x: FloatArray) -> sp.csr_matrix:
        """[X, X] derivative of the residuals at one vector [X]."""
        if self.linear:
            return self._linear
        plain = self._plain(x)
        factor, change = self._shortening(plain)
        block = self._block(factor + change * plain**2, change * plain, plain)
        return (block @ self._linear).tocsr()

    def slopes(self, x: FloatArray) -> FloatArray:
        """[S, X, X] derivatives of the residuals at vectors [S, X]."""
        linear = self._dense
        if self.linear:
            return np.broadcast_to(linear, (*x.shape, x.shape[1]))
        plain = self._plain(x)
        factor, change = self._shortening(plain)
        every = np.arange(x.shape[1])
        there = np.flatnonzero(self._other >= 0)
        block = np.zeros((*x.shape, x.shape[1]))
        block[:, every, every] = factor + change * plain**2
        pulled = change[:, there] * plain[:, there] * plain[:, self._other[there]]
        block[:, there, self._other[there]] = pulled
        return block @ linear

    def reach(self, cost: float) -> FloatArray:
        """[X] distance from the mean at which the prior alone costs so much, whatever the others
        are; infinite where there is no prior."""
        most = FREEDOM + self._size
        square = np.full(len(self._mean), 2.0 * cost)
        square = np.where(self._heavy, most * np.expm1(np.minimum(square / most, 700.0)), square)
        return self._width * np.sqrt(square)

    def precision(self, x: FloatArray) -> sp.csr_matrix:
        """[X, X] information of the prior; where tails are heavy, with the weight that the distance
        from the mean leaves, (ν + k) / (ν + k + q)."""
        if self.linear and not len(self._first):
            return sp.diags(1.0 / self._width**2, format="csr")
        linear = self._linear
        if self.linear:
            return (linear.T @ linear).tocsr()
        square = self._square(self._plain(x))
        most = FREEDOM + self._size
        weight = np.where(self._heavy, most / (most + square), 1.0)
        return (linear.T @ sp.diags(weight) @ linear).tocsr()

    def dense_precision(self, x: FloatArray) -> FloatArray:
        """:meth:`precision`, dense."""
        if self.linear and not len(self._first):
            return np.diag(1.0 / self._width**2)
        return self.precision(x).toarray()

    def _plain(self, x: FloatArray) -> FloatArray:
        """[..., X] residuals of the normal prior."""
        plain = np.asarray((x - self._mean) * self._inverse)
        if len(self._first):
            second = plain[..., self._second] - self._rho * plain[..., self._first]
            plain[..., self._second] = second / self._root
        return plain

    @functools.cached_property
    def _linear(self) -> sp.csr_matrix:
        """[X, X] derivative of :meth:`_plain`."""
        if not len(self._first):
            return sp.diags(self._inverse, format="csr")
        diagonal = self._inverse.copy()
        diagonal[self._second] /= self._root
        below = -self._rho * self._inverse[self._first] / self._root
        size = len(self._mean)
        off = sp.csr_matrix((below, (self._second, self._first)), (size, size))
        return (sp.diags(diagonal, format="csr") + off).tocsr()

    @functools.cached_property
    def _dense(self) -> FloatArray:
        """The same, dense."""
        return self._linear.toarray() if len(self._first) else np.diag(self._inverse)

    def _square(self, plain: FloatArray) -> FloatArray:
        """[..., X] q of each unknown's block."""
        square = plain**2
        return np.where(self._other >= 0, square + square[..., self._other], square)

    def _shortening(self, plain: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[..., X] the factor of each residual, and 2 d(factor)/dq."""
        most = FREEDOM + self._size
        square = self._square(plain)
        small = square < 1e-8
        safe = np.where(small, 1.0, square)
        factor = np.where(small, 1.0, np.sqrt(most * np.log1p(square / most) / safe))
        # factor² = m ln(1 + q/m) / q, so 2 factor factor' = (m / (m + q) - factor²) / q.
        slope = np.where(small, -0.5 / most, (most / (most + square) - factor**2) / (safe * factor))
        return np.where(self._heavy, factor, 1.0), np.where(self._heavy, slope, 0.0)

    def _block(self, diagonal: FloatArray, left: FloatArray, right: FloatArray) -> sp.csr_matrix:
        """[X, X] ``diagonal``, and for partners i, j the entry left_i right_j."""
        there = np.flatnonzero(self._other >= 0)
        values = left[there] * right[self._other[there]]
        size = len(diagonal)
        off = sp.csr_matrix((values, (there, self._other[there])), (size, size))
        return sp.diags(diagonal, format="csr") + off
