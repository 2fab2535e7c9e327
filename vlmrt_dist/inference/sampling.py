"""Weighted draws from the posterior of a fit, by importance sampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.likelihood import residuals
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.prior_term import PriorTerm
from vlmrt_dist.inference.weighted_draws import WeightedDraws

DRAWS = 500

TAIL = 7.0
"""Degrees of freedom of the multivariate t that is drawn from: its tails are longer than those of
the posterior, so that weights stay bounded."""


def sample(
    predict: Predict,
    data: LeastSquares,
    fit: Fit,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> WeightedDraws:
    """Importance sampling from the posterior of ``fit``; one evaluation a draw.

    :param data: as declared; the noise scale and the prior widths are those of ``fit``
    """
    scale = fit.scale if fit.scale > 1.0 else 1.0
    data = replace(data, noise_db=data.noise_db * scale, prior_width=fit.width)
    size = len(fit.x)
    root = np.linalg.cholesky(fit.knowledge.full_covariance)
    normal = rng.standard_normal((draws, size))
    stretch = np.sqrt(rng.chisquare(TAIL, draws) / TAIL)
    points = fit.x + (normal / stretch[:, None]) @ root.T
    distance = (normal**2).sum(1) / stretch**2
    log_proposal = -0.5 * (TAIL + size) * np.log1p(distance / TAIL)
    # A width that stands for no prior keeps the draws from wandering off where nothing is known.
    prior = data.proper_prior_term
    log_weight = np.array([_log_posterior(predict, data, prior, x) for x in points]) - log_proposal
    weight = np.exp(log_weight - log_weight.max())
    return WeightedDraws(points, weight / weight.sum(), np.zeros(draws, int), draws)


def _log_posterior(predict: Predict, data: LeastSquares, prior: PriorTerm, x: FloatArray) -> float:
    """Up to a constant; minus infinity outside the range searched."""
    if (x < data.low).any() or (x > data.high).any():
        return -np.inf
    level, _ = predict(x)
    robust, _ = residuals(data.links, level[np.flatnonzero(data.used)])
    value = -0.5 * float((robust**2).sum() + (prior.residuals(x) ** 2).sum())
    return value if np.isfinite(value) else -np.inf
