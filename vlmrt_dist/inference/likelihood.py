"""Likelihood of measured levels: normal errors, outliers, levels beyond a receiver's range.

Every link has a residual t whose square is twice its negative log-likelihood: for a level that was
heard t = (level - measured) / noise; for one that is only known to lie at or below the floor
t = √(-2 ln Φ(z)), z = (floor - level) / noise, which is zero far below the floor; for one at or
above the ceiling, where the receiver saturates, t = -√(-2 ln Φ(z)), z = (level - ceiling) / noise.
A robust loss then transforms t, so that a gross error counts less than its square.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray

LinkLoss = Literal["squared", "huber", "student_t"]

HUBER = 1.345
"""Residuals beyond this count linearly: 95 % as efficient as squares where errors are normal."""

FREEDOM = 4.0
"""Degrees of freedom of Student's t, a usual choice for data with some gross errors."""

SPREAD = 0.7102
"""Mean of Huber's ψ² under normal errors, ψ = half the derivative of the squared robust
residual."""

SANDWICH_FLOOR: dict[LinkLoss, float] = {"squared": 1.0, "huber": 0.8, "student_t": 1.15}
"""Least variance of ψ at a link, in units of its curvature, that an interval allows for; so it is
as wide as the estimator's spread under normal errors, (mean ψ²) / (mean ψ')², or a little wider."""


class Links(NamedTuple):
    """Measured levels of L links.

    :param level_dbm: [L] level, or the receiver's floor or ceiling where censored
    :param noise_db: [L] standard deviation of each
    :param censored: [L] where the true level lies at or below the one given, or where saturated at
        or above it
    :param loss: how large residuals count
    :param saturated: [L] which of the censored levels are the receiver's ceiling
    """

    level_dbm: FloatArray
    noise_db: FloatArray
    censored: BoolArray
    loss: LinkLoss
    saturated: BoolArray

    def at(self, index: IntArray) -> Links:
        """Some of the links."""
        return Links(
            self.level_dbm[index], self.noise_db[index], self.censored[index], self.loss,
            self.saturated[index],
        )  # fmt: skip


def residuals(links: Links, level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Robust residuals [L] at predicted levels [L] [dBm], and their derivative by the level [1/dB].

    Half the sum of their squares is what a fit minimises.
    """
    with np.errstate(all="ignore"):  # a link that fell silent: the step there is refused
        t, slope, _ = _plain(links, level)
        robust, derivative = _robust(t, links.loss)
        return robust, derivative * slope


class Information(NamedTuple):
    """Fisher information of links about their levels, for
    :func:`~vlmrt_dist.inference.posterior.posterior`.

    :param curvature: [L] of the negative log-likelihood by the level [1/dB²]
    :param variance: [L] of its derivative; equal to the curvature where the model is right
    """

    curvature: FloatArray
    variance: FloatArray


def information(links: Links, level: FloatArray) -> Information:
    """Information of each link at predicted levels [L] [dBm].

    Squared loss: 1/noise² where a level was heard, and the observed curvature λ(λ + z)/noise²,
    λ = φ(z)/Φ(z), where only a bound is known. A robust loss weighs a link by ψ(t)/t, which is next
    to nothing for an outlier, and allows for the pull ψ(t) that the outlier still has (a sandwich
    estimate).
    """
    t, _, base = _plain(links, level)
    if links.loss == "squared":
        return Information(base, base)
    robust, derivative = _robust(t, links.loss)
    psi = robust * derivative
    weight = np.divide(psi, t, out=np.ones_like(t), where=np.abs(t) > 1e-12)
    variance = np.maximum(psi**2, SANDWICH_FLOOR[links.loss] * weight)
    return Information(weight * base, variance * base)


def noise_scale(residual: FloatArray, unknowns: float, loss: LinkLoss = "squared") -> float:
    """Factor by which residuals exceed their declared noise, at least 1; NaN if it cannot be told.

    √(χ² / degrees of freedom), and where that exceeds 1, enlarged by what a noise level that is
    itself estimated from few residuals costs (Student's t instead of the normal distribution).
    With a robust loss Huber's ψ² takes the place of squares (his proposal 2), so that a few
    outliers do not pass for noise.

    :param residual: [L] residuals of levels that were heard, in units of the declared noise
    :param unknowns: parameters that the data determined (fractions count)
    """
    freedom = len(residual) - unknowns
    if freedom < 1.0:
        return float("nan")
    if loss == "squared":
        scale = float(np.sqrt((residual**2).sum() / freedom))
    else:
        scale = _robust_scale(residual, freedom)
    if scale <= 1.0:
        return 1.0
    return scale * float(scipy.special.stdtrit(freedom, 0.975) / scipy.special.ndtri(0.975))


def known_factor(scale: float) -> float:
    """The factor of :func:`noise_scale`, and 1 where it cannot be told (NaN)."""
    return scale if scale > 1.0 else 1.0


def _robust_scale(residual: FloatArray, freedom: float) -> float:
    """The scale s >= 1 at which Σ ψ(residual / s)² is what normal errors would have."""

    def excess(scale: float) -> float:
        psi = np.clip(residual / scale, -HUBER, HUBER)
        return float((psi**2).sum() - freedom * SPREAD)

    if excess(1.0) <= 0.0:
        return 1.0
    most = 1.0 + float(np.sqrt((residual**2).sum() / (freedom * SPREAD)))
    return float(scipy.optimize.brentq(excess, 1.0, most))


def _plain(links: Links, level: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """t, its derivative by the level, and the curvature of t²/2 by the level."""
    t = (level - links.level_dbm) / links.noise_db
    slope = 1.0 / links.noise_db
    curvature = slope**2
    hidden = links.censored
    if hidden.any():
        sign = np.where(links.saturated[hidden], -1.0, 1.0)
        z = -sign * t[hidden]
        log_phi = scipy.special.log_ndtr(z)
        mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2.0 * np.pi) - log_phi)
        root = np.sqrt(-2.0 * log_phi)
        silent = root == 0.0  # so far beyond the bound that nothing is left
        t[hidden] = sign * root
        slope[hidden] *= np.where(silent, 0.0, mills / np.where(silent, 1.0, root))
        share = np.where(mills > 0.0, mills * (mills + np.where(np.isfinite(z), z, 0.0)), 0.0)
        curvature[hidden] *= np.clip(share, 0.0, 1.0)  # it lies between, but for rounding
    return t, slope, curvature


def _robust(t: FloatArray, loss: LinkLoss) -> tuple[FloatArray, FloatArray]:
    """Robust residual of t, and its derivative by t."""
    if loss == "squared":
        return t, np.ones_like(t)
    size = np.abs(t)
    if loss == "huber":
        beyond = size > HUBER
        root = np.sqrt(np.where(beyond, 2.0 * HUBER * size - HUBER**2, 1.0))
        return np.where(beyond, np.sign(t) * root, t), np.where(beyond, HUBER / root, 1.0)
    root = np.sqrt((FREEDOM + 1.0) * np.log1p(t**2 / FREEDOM))
    small = size < 1e-6
    rising = (FREEDOM + 1.0) * size / (FREEDOM + t**2) / np.where(small, 1.0, root)
    limit = np.sqrt((FREEDOM + 1.0) / FREEDOM)
    return np.sign(t) * root, np.where(small, limit, rising)
