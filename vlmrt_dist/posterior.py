"""How much a measurement says about each object: Fisher information, prior, intervals, verdicts.

Everything is in x = ln σ, where the prior is normal. At the estimate the levels are linear in x
(Laplace's approximation), so the posterior is normal with covariance (Jᵀ J / noise² + prior⁻¹)⁻¹.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.stats
from numpy.typing import NDArray

Verdict = Literal["estimated", "weak", "unidentifiable", "saturated", "fixed"]

WEAK, UNIDENTIFIABLE = 0.5, 0.9
"""From these shares of the prior's standard deviation on, an object is weak or unidentifiable."""

NO_PRIOR_WEAK, NO_PRIOR_UNIDENTIFIABLE = 0.25, 1.0
"""The same without a prior, as standard deviations of ln σ: beyond the first, the levels are no
longer linear in ln σ, and beyond the second not even the order of magnitude is known."""

NO_PRIOR_WIDTH = 5.0
"""What stands for the width of no prior: a factor of 22,000 either way at 95 %."""

NORMAL_95 = 1.959963984540054
"""Half width of a 95 % interval in standard deviations."""

MIN_NOISE_DB = 1e-3
"""Smallest standard deviation that a level is credited with [dB].

Noise that is declared as zero would make any number look certain; this is what tracing itself
leaves open (float32 geometry, paths of negligible power that were not found).
"""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Knowledge about ln σ of K objects after the measurement.

    :param std: [K] standard deviation of ln σ (0 for objects that were not free)
    :param prior_std: [K] the same before the measurement
    :param seen: [K] free objects that a link depends on
    :param covariance: [K', K'] covariance of the K' objects seen; the others keep the prior
    :param verdict: [K]
    """

    std: NDArray[np.float64]
    prior_std: NDArray[np.float64]
    seen: NDArray[np.bool_]
    covariance: NDArray[np.float64]
    verdict: tuple[Verdict, ...]

    @property
    def unknowns(self) -> float:
        """How many parameters the data determined; one left half to the prior counts as half."""
        width = self.prior_std[self.seen]
        return float((1.0 - np.diag(self.covariance) / width**2).sum())


def posterior(
    jacobian: sp.csr_matrix,
    noise_db: NDArray[np.float64],
    theta: NDArray[np.float64],
    free: NDArray[np.bool_],
    prior_width: float | NDArray[np.float64],
    bounds: tuple[float, float],
) -> Posterior:
    """Posterior at an estimate.

    :param jacobian: [L, K] derivative of the used links' levels [dB] by ln σ
    :param noise_db: [L] standard deviation of each level [dB]
    :param theta: [K] the estimate [S/m]
    :param free: [K] which objects were estimated
    :param prior_width: [K] or one, standard deviation of ln σ before the measurement; infinite for
        none
    :param bounds: range of conductivities that was searched [S/m]
    """
    given = np.broadcast_to(prior_width, theta.shape)
    width = np.minimum(given, NO_PRIOR_WIDTH)
    seen = free & (jacobian.getnnz(axis=0) > 0)
    rows = (sp.diags(1.0 / noise_db) @ jacobian)[:, np.flatnonzero(seen)]
    information = (rows.T @ rows).toarray() + np.diag(1.0 / width[seen] ** 2)
    # Positive definite thanks to the prior, however little the data say.
    covariance = scipy.linalg.cho_solve(
        scipy.linalg.cho_factor(information, lower=True), np.eye(len(information))
    )
    std = np.where(free, width, 0.0)
    std[seen] = np.sqrt(np.diag(covariance))
    margin = 1.02
    verdict: list[Verdict] = []
    for k, value in enumerate(theta):
        weak, lost = WEAK * width[k], UNIDENTIFIABLE * width[k]
        if np.isinf(given[k]):
            weak, lost = NO_PRIOR_WEAK, NO_PRIOR_UNIDENTIFIABLE
        if not free[k]:
            verdict.append("fixed")
        elif std[k] >= lost:
            verdict.append("unidentifiable")
        elif value <= bounds[0] * margin or value >= bounds[1] / margin:
            verdict.append("saturated")
        else:
            verdict.append("weak" if std[k] >= weak else "estimated")
    return Posterior(std, np.where(free, width, 0.0), seen, covariance, tuple(verdict))


def noise_scale(residual: NDArray[np.float64], unknowns: float) -> float:
    """Factor by which residuals exceed their declared noise, at least 1; NaN if it cannot be told.

    √(χ² / degrees of freedom), and where that exceeds 1, enlarged by what a noise level that is
    itself estimated from few residuals costs (Student's t instead of the normal distribution).

    :param residual: [L] residuals in units of the declared noise
    :param unknowns: parameters that the data determined (fractions count)
    """
    freedom = len(residual) - unknowns
    if freedom < 1.0:
        return float("nan")
    scale = float(np.sqrt((residual**2).sum() / freedom))
    if scale <= 1.0:
        return 1.0
    return scale * float(scipy.stats.t.ppf(0.975, freedom)) / NORMAL_95


def conflict(
    theta: NDArray[np.float64], prior: NDArray[np.float64], knowledge: Posterior
) -> NDArray[np.float64]:
    """[K] how far each estimate lies from its prior, in the standard deviations that the prior
    allows it: √(prior² - posterior²). Far above 2, the prior is more likely wrong than unlucky."""
    allowed = np.sqrt(np.maximum(knowledge.prior_std**2 - knowledge.std**2, 0.0))
    distance = np.abs(np.log(np.maximum(theta, 1e-300) / np.maximum(prior, 1e-300)))
    return np.divide(distance, allowed, out=np.zeros(len(theta)), where=allowed > 1e-6)
