"""Correlated residuals of a calibrated scene: what furniture and doors do, learned from the links.

The residual of a link is e = s + n. n is independent from link to link (fading, the receiver). s is
shadowing: its correlation falls exponentially with the distance between receivers,

    cov(s_i, s_j) = std² · c_ij · exp(-|r_i - r_j| / distance),

c_ij = 1 for links of one transmitter and ``between`` for links of two. The exponential law is that
of M. Gudmundson, "Correlation model for shadow fading in mobile radio systems", Electronics Letters
27 (1991) 2145; a correlation of 0.5 between transmitters is common in system simulations. All four
numbers are found by maximum likelihood from the residuals of the calibration. Given these, the
residual at another receiver is normal with a mean and a variance in closed form (kriging).

It helps between positions that were measured, and says nothing beyond a few times ``distance``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.prediction.link_geometry import same_transmitters

MOST_LINKS = 3000
"""Most residuals: each step of the fit factorises a matrix of this size."""

FEWEST_LINKS = 10
"""Fewest residuals: four numbers are to be found from them."""

_STARTS = (0.3, 1.0, 3.0)
"""Distances [m] that the search begins at."""

_STD_DB = (0.01, 40.0)
_DISTANCE_M = (0.05, 500.0)
_BETWEEN = (0.0, 0.99)


@dataclass(frozen=True, eq=False)
class Shadowing:
    """Correlated residuals, and those that they were learned from.

    :param std_db: standard deviation of the shadowing [dB]
    :param distance_m: receivers this far apart have a correlation of 1/e [m]
    :param between: correlation between two transmitters' shadowing at one receiver
    :param noise_db: standard deviation of what is independent from link to link [dB]
    :param tx: [L, 3] transmitters of the links it was learned from [m]
    :param rx: [L, 3] their receivers [m]
    :param residual_db: [L] measured minus predicted levels [dB]
    """

    std_db: float
    distance_m: float
    between: float
    noise_db: float
    tx: FloatArray
    rx: FloatArray
    residual_db: FloatArray

    def __str__(self) -> str:
        return (
            f"shadowing of {self.std_db:.1f} dB, correlated over {self.distance_m:.2g} m, "
            f"by {self.between:.2f} between transmitters; {self.noise_db:.1f} dB are independent"
        )

    def predict(self, tx: FloatArray, rx: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean residuals of other links, to be added to their levels.

        :param tx: [P, 3] transmitters [m]
        :param rx: [P, 3] receivers [m]
        :return: [P] mean residual [dB], and [P] standard deviation of a measured level about the
            corrected one, the independent part included [dB]
        """
        known = self._covariance(self.tx, self.rx, self.tx, self.rx)
        known[np.diag_indices_from(known)] += self.noise_db**2
        factor = scipy.linalg.cho_factor(known, lower=True)
        across = self._covariance(tx, rx, self.tx, self.rx)
        mean = across @ scipy.linalg.cho_solve(factor, self.residual_db)
        explained = np.einsum("pl,lp->p", across, scipy.linalg.cho_solve(factor, across.T))
        variance = self.std_db**2 - explained + self.noise_db**2
        return mean, np.sqrt(np.maximum(variance, self.noise_db**2))

    def _covariance(
        self, tx: FloatArray, rx: FloatArray, other_tx: FloatArray, other_rx: FloatArray
    ) -> FloatArray:
        gap = np.linalg.norm(rx[:, None] - other_rx[None], axis=2)
        same = same_transmitters(tx, other_tx)
        shape = np.where(same, 1.0, self.between) * np.exp(-gap / self.distance_m)
        return self.std_db**2 * shape


def fit_shadowing(tx: FloatArray, rx: FloatArray, residual_db: FloatArray) -> Shadowing:
    """Shadowing and noise of residuals by maximum likelihood; their mean is taken to be zero.

    :param tx: [L, 3] transmitters [m]
    :param rx: [L, 3] receivers [m]
    :param residual_db: [L] measured minus predicted levels [dB]
    :raises ConfigurationError: if there are too few or too many residuals, or one is not finite
    """
    count = len(residual_db)
    if not FEWEST_LINKS <= count <= MOST_LINKS:
        raise ConfigurationError(
            f"shadowing is learned from {FEWEST_LINKS} to {MOST_LINKS} links with a level and a "
            f"path, not from {count}; leave it out, or calibrate with other links"
        )
    if not all(bool(np.isfinite(x).all()) for x in (tx, rx, residual_db)):
        raise ConfigurationError("shadowing is learned from finite positions and residuals only")
    gap = np.linalg.norm(rx[:, None] - rx[None], axis=2)
    same = same_transmitters(tx, tx)
    total = max(float(np.sqrt(np.mean(residual_db**2))), 2.0 * _STD_DB[0])
    bounds = [
        (math.log(_STD_DB[0]), math.log(_STD_DB[1])),
        (math.log(_DISTANCE_M[0]), math.log(_DISTANCE_M[1])),
        (0.0, 0.0) if same.all() else _BETWEEN,  # nothing tells it
        (math.log(_STD_DB[0]), math.log(_STD_DB[1])),
    ]
    half = math.log(min(total / math.sqrt(2.0), _STD_DB[1]))
    runs = [
        scipy.optimize.minimize(
            _cost,
            [half, math.log(distance), 0.0 if same.all() else 0.3, half],
            args=(gap, same, residual_db), jac=True, method="L-BFGS-B", bounds=bounds,
        )
        for distance in _STARTS
    ]  # fmt: skip
    x = min(runs, key=lambda run: float(run.fun)).x
    std, distance, noise = (float(np.exp(x[k])) for k in (0, 1, 3))
    return Shadowing(std, distance, float(x[2]), noise, tx, rx, residual_db)


def _cost(
    x: FloatArray, gap: FloatArray, same: FloatArray, residual: FloatArray
) -> tuple[float, FloatArray]:
    """Minus log-likelihood (without its constant) and its gradient by (ln std, ln distance,
    between, ln noise): with K the covariance, a = K⁻¹ e and B = ∂K/∂x it changes by
    (tr(K⁻¹ B) - aᵀ B a) / 2."""
    std2, distance, between, noise2 = np.exp(2 * x[0]), np.exp(x[1]), x[2], np.exp(2 * x[3])
    falling = std2 * np.exp(-gap / distance)
    link = np.where(same, 1.0, between)
    shadow = link * falling
    matrix = shadow + noise2 * np.eye(len(residual))
    factor = scipy.linalg.cho_factor(matrix, lower=True)
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(residual)))
    a = inverse @ residual
    inner = inverse - np.outer(a, a)
    cost = 0.5 * float(residual @ a) + float(np.log(np.diag(factor[0])).sum())
    gradient = 0.5 * np.array([
        2.0 * float((inner * shadow).sum()),
        float((inner * shadow * gap).sum()) / distance,
        float((inner * np.where(same, 0.0, falling)).sum()),
        2.0 * noise2 * float(np.trace(inner)),
    ])  # fmt: skip
    return cost, gradient
