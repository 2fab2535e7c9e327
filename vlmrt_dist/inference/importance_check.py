"""Is the normal posterior right? Draws from it, weighed by the true one (importance sampling)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.likelihood import residuals
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.posterior import NORMAL_95

DRAWS = 500

TAIL = 7.0
"""Degrees of freedom of the multivariate t that is drawn from: its tails are longer than those of
the posterior, so that weights stay bounded."""

FEW = 50.0
"""With a smaller effective number of draws no interval is judged."""

DISAGREEMENT = 0.5
"""Ends of an interval that differ by more than this many standard deviations disagree."""


@dataclass(frozen=True, eq=False)
class PosteriorCheck:
    """Normal posterior of X unknowns beside weighted draws.

    :param effective: effective number of draws
    :param draws: how many there were
    :param low: [X] lower end of the reweighted 95 % interval
    :param high: [X] upper end
    :param shift: [X] largest distance between an end of it and the normal interval's, in standard
        deviations
    """

    effective: float
    draws: int
    low: FloatArray
    high: FloatArray
    shift: FloatArray

    @property
    def reliable(self) -> bool:
        """True if there are enough effective draws for a judgement."""
        return self.effective >= FEW

    @property
    def disagreeing(self) -> BoolArray:
        """[X] unknowns whose normal interval disagrees with the draws."""
        return self.shift > DISAGREEMENT


def check_posterior(
    predict: Predict,
    data: LeastSquares,
    fit: Fit,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> PosteriorCheck:
    """Importance sampling from the posterior of ``fit``; one evaluation a draw.

    :param data: as declared; the noise scale and the prior widths are those of ``fit``
    """
    scale = fit.scale if fit.scale > 1.0 else 1.0
    data = replace(data, noise_db=data.noise_db * scale, prior_width=fit.width)
    covariance = fit.knowledge.full_covariance
    size = len(fit.x)
    root = np.linalg.cholesky(covariance)
    normal = rng.standard_normal((draws, size))
    stretch = np.sqrt(rng.chisquare(TAIL, draws) / TAIL)
    points = fit.x + (normal / stretch[:, None]) @ root.T
    distance = (normal**2).sum(1) / stretch**2
    log_proposal = -0.5 * (TAIL + size) * np.log1p(distance / TAIL)
    log_weight = np.array([_log_posterior(predict, data, x) for x in points]) - log_proposal
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    low, high = (np.array([_quantile(p, weight, q) for p in points.T]) for q in (0.025, 0.975))
    std = fit.knowledge.std
    ends = np.abs([low - (fit.x - NORMAL_95 * std), high - (fit.x + NORMAL_95 * std)]) / std
    return PosteriorCheck(float(1.0 / (weight**2).sum()), draws, low, high, ends.max(axis=0))


def _log_posterior(predict: Predict, data: LeastSquares, x: FloatArray) -> float:
    """Up to a constant; minus infinity outside the range searched."""
    if (x < data.low).any() or (x > data.high).any():
        return -np.inf
    level, _ = predict(x)
    robust, _ = residuals(data.links, level[np.flatnonzero(data.used)])
    # A width that stands for no prior keeps the draws from wandering off where nothing is known.
    width = np.minimum(data.prior_width, data.vague)
    value = -0.5 * float((robust**2).sum() + (((x - data.prior) / width) ** 2).sum())
    return value if np.isfinite(value) else -np.inf


def _quantile(values: FloatArray, weight: FloatArray, q: float) -> float:
    order = np.argsort(values)
    return float(
        values[order][np.searchsorted(np.cumsum(weight[order]), q).clip(0, len(order) - 1)]
    )
