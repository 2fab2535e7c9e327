"""Normal posterior of the unknowns: Fisher information, prior, covariance.

Unknowns are the entries of a vector x with a normal prior (ln σ among them). At the estimate the
levels are linear in x (Laplace's approximation), so the posterior is normal with covariance
(Jᵀ J / noise² + prior⁻¹)⁻¹. A robust loss has a sandwich in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.csgraph as csgraph

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.likelihood import Information

NORMAL_95 = 1.959963984540054
"""Half width of a 95 % interval in standard deviations."""

MIN_NOISE_DB = 1e-3
"""Smallest standard deviation that a level is credited with [dB].

Noise that is declared as zero would make any number look certain; this is what tracing itself
leaves open (float32 geometry, paths of negligible power that were not found).
"""

SMALL = 100
"""Unknowns up to which nothing is gained by LAPACK's inverse, which wakes its threads for them."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Knowledge about X unknowns after the measurement.

    :param std: [X] standard deviation
    :param prior_std: [X] the same before the measurement
    :param seen: [X] unknowns that a link depends on
    :param covariance: [X', X'] covariance of the X' unknowns seen; the others keep the prior
    """

    std: FloatArray
    prior_std: FloatArray
    seen: BoolArray
    covariance: FloatArray

    @property
    def unknowns(self) -> float:
        """Number of parameters that the data determine; one left half to the prior counts as
        half."""
        width = self.prior_std[self.seen]
        return float((1.0 - np.diag(self.covariance) / width**2).sum())

    @property
    def full_covariance(self) -> FloatArray:
        """[X, X] covariance of all unknowns."""
        if self.seen.all():
            return self.covariance.copy()
        full = np.diag(self.std**2)
        full[np.ix_(self.seen, self.seen)] = self.covariance
        return full


def posterior(
    jacobian: sp.csr_matrix | FloatArray, links: Information, x: FloatArray, data: LeastSquares
) -> Posterior:
    """Posterior at an estimate.

    :param jacobian: [L, X] derivative of the used links' levels [dB] by x, sparse or dense
    :param links: [L] what each of them tells about its level
    :param x: [X] the estimate
    :param data: the prior, and the range searched
    """
    given = np.broadcast_to(data.prior_width, x.shape)
    vague = np.broadcast_to(data.vague, x.shape)
    width = np.minimum(given, vague)
    if isinstance(jacobian, np.ndarray):
        seen = (jacobian != 0.0).any(axis=0)
    else:
        seen = jacobian.getnnz(axis=0) > 0
    if data.shape is not None:  # the prior tells it of its partner
        seen = seen | ((data.shape.partner >= 0) & seen[data.shape.partner])
    index = np.flatnonzero(seen)
    rows = jacobian[:, index]
    term = data.of_unknowns(index).proper_prior_term
    dense = isinstance(jacobian, np.ndarray)
    prior = term.dense_precision(x[index]) if dense else term.precision(x[index])
    # Positive definite thanks to the prior, however little the data say.
    covariance = inverse(_information(rows, links.curvature) + prior)
    if links.variance is not links.curvature:
        spread = sp.csr_matrix(_information(rows, links.variance) + prior)
        covariance = covariance @ (spread @ covariance)
        # Cap at the prior variance.
        shrink = np.minimum(1.0, width[seen] / np.sqrt(np.diag(covariance)))
        covariance *= shrink
        covariance *= shrink[:, None]
    std = width.copy()
    std[seen] = np.sqrt(np.diag(covariance))
    return Posterior(std, width, seen, covariance)


def _information(rows: Any, weight: FloatArray) -> Any:
    """[X, X] rowsᵀ · diag(weight) · rows, sparse or dense as the rows are [L, X]."""
    if isinstance(rows, np.ndarray):
        # Link by link, as a sparse product adds up, and not in the order of BLAS.
        each = (rows * weight[:, None])[:, :, None] * rows[:, None, :]
        return np.cumsum(each, axis=0)[-1] if len(each) else np.zeros(each.shape[1:])
    return (rows.T @ sp.diags(weight) @ rows).tocsr()


def inverse(matrix: sp.csr_matrix | FloatArray) -> FloatArray:
    """Dense inverse of a matrix that is symmetric and positive definite.

    Unknowns that share no link, directly or through others, are inverted by themselves. LAPACK
    inverts each Cholesky factor in its own memory: a third of the work of solving for every column.

    :raises scipy.linalg.LinAlgError: if it is not positive definite
    """
    if matrix.shape[0] <= SMALL:
        plain = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        factor = scipy.linalg.cho_factor(plain, lower=True)
        return np.asarray(scipy.linalg.cho_solve(factor, np.eye(len(plain))))
    matrix = sp.csr_matrix(matrix)
    count, group = csgraph.connected_components(matrix, directed=False)
    if count == 1:
        return _inverse(matrix.toarray(order="F"))
    found = np.zeros(matrix.shape)
    order = np.argsort(group, kind="stable")
    for index in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(index):
            block = matrix[index][:, index].toarray(order="F")
            found[np.ix_(index, index)] = _inverse(block)
    return found


def _inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of a positive definite matrix [X, X], which is overwritten if it is in Fortran's
    order."""
    factor, wrong = scipy.linalg.lapack.dpotrf(matrix, lower=True, clean=False, overwrite_a=True)
    if wrong == 0:
        found, wrong = scipy.linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    if wrong != 0:
        raise scipy.linalg.LinAlgError("the information matrix is not positive definite")
    np.copyto(found, found.T, where=np.tri(len(found), k=-1, dtype=bool).T)
    return np.ascontiguousarray(found.T)  # symmetric: no copy


def conflict(x: FloatArray, prior: FloatArray, knowledge: Posterior) -> FloatArray:
    """[X] how far each estimate lies from its prior, in the standard deviations that the prior
    allows it: √(prior² - posterior²). Far above 2, the prior is more likely wrong than unlucky."""
    allowed = np.sqrt(np.maximum(knowledge.prior_std**2 - knowledge.std**2, 0.0))
    return np.divide(np.abs(x - prior), allowed, out=np.zeros(len(x)), where=allowed > 1e-6)
