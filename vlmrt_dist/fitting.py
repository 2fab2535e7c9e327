"""Least squares as an estimation uses it: several starts, noise as it shows, links left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.losses import Objective
from vlmrt_dist.optimizers import (
    MAX_CONDUCTIVITY,
    MIN_CONDUCTIVITY,
    LeastSquares,
    Outcome,
    levenberg_marquardt,
)
from vlmrt_dist.posterior import conflict, noise_scale, posterior
from vlmrt_dist.priors import Prior
from vlmrt_dist.units import watts_to_dbm

SEARCHED = (MIN_CONDUCTIVITY, MAX_CONDUCTIVITY)
"""Range of conductivities that an optimizer may return [S/m]."""

CONFLICT = 2.5
"""From so many standard deviations on, an estimate contradicts its prior."""

WIDENING, WIDENINGS = 3.0, 2
"""Factor by which a contradicted prior is widened, and how often at most."""

FAR_FACTORS = (1.0, 0.03, 0.1, 0.3, 3.0, 10.0, 30.0)
"""Where the search for an object whose prior is contradicted starts again, times its estimate."""

Progress = Callable[[str, int, int], None]
"""Called with the phase, the steps done and the steps in all (0 if unknown)."""


def fit_least_squares(
    objective: Objective,
    data: LeastSquares,
    starts: NDArray[np.float64],
    max_evaluations: int,
    progress: Progress | None,
    *,
    every_start: bool = False,
) -> tuple[NDArray[np.float64], int, Outcome, float]:
    """Levenberg-Marquardt from several starts; once more with the noise that the residuals show.

    :param every_start: try them all; otherwise only until one fits as well as its noise explains

    :return: conductivities, evaluations, outcome, factor on the declared noise
    """
    # Twice the expected cost of a fit as good as its noise: worse than that, try another start.
    enough = 0.0 if every_start else float(data.used.sum())
    count = None if progress is None else lambda done: progress("fit", done, 0)
    fit = levenberg_marquardt(
        objective,
        data,
        starts,
        good_enough=enough,
        max_evaluations=max_evaluations,
        progress=count,
    )
    rss, jacobian = objective.log_jacobian(fit.theta)
    index = np.flatnonzero(data.used)
    residual = watts_to_dbm(rss.ravel()[index]) - data.level_dbm[index]
    scale = misfit(residual, jacobian[index], fit.theta, data)
    if not scale > 1.0 or np.isinf(data.prior_width).all():
        return fit.theta, fit.evaluations, fit.outcome, scale
    again = levenberg_marquardt(
        objective,
        replace(data, noise_db=data.noise_db * scale),
        fit.theta[None],
        max_evaluations=max_evaluations,
        progress=count,
    )
    return again.theta, fit.evaluations + again.evaluations, again.outcome, scale


def fit_doubting_prior(
    objective: Objective,
    data: LeastSquares,
    starts: NDArray[np.float64],
    max_evaluations: int,
    progress: Progress | None,
) -> tuple[NDArray[np.float64], int, Outcome, float, NDArray[np.float64]]:
    """:func:`fit_least_squares`, again with a wider prior for objects whose levels contradict it.

    A wrong material class is off by more than any spread within a class. Without this, such an
    object would be drawn towards the wrong value, with an interval that excludes the true one.

    :return: as :func:`fit_least_squares`, and the prior widths [K] that were used in the end
    """
    width = np.array(np.broadcast_to(data.prior_width, data.prior.shape))
    evaluations = 0
    for widened in range(WIDENINGS + 1):
        data = replace(data, prior_width=width)
        theta, count, outcome, scale = fit_least_squares(
            objective, data, starts, max_evaluations, progress, every_start=widened > 0
        )
        evaluations += count
        _, jacobian = objective.log_jacobian(theta)
        noise = data.noise_db[data.used] * (scale if scale > 1.0 else 1.0)
        rows = jacobian[np.flatnonzero(data.used)]
        knowledge = posterior(rows, noise, theta, data.free, width, SEARCHED)
        wrong = conflict(theta, data.prior, knowledge) > CONFLICT
        if not wrong.any() or np.isinf(width).all():
            break
        width = np.where(wrong, WIDENING * width, width)
        # A material that is wrong by a factor has its minimum far away, with others on the way.
        starts = np.array([np.where(wrong, theta * factor, theta) for factor in FAR_FACTORS])
    return theta, evaluations, outcome, scale, data.prior_width  # type: ignore[return-value]


def misfit(
    residual: NDArray[np.float64], jacobian: Any, theta: NDArray[np.float64], data: LeastSquares
) -> float:
    """Factor by which the residuals of the links used exceed the declared noise (>= 1, or NaN where
    there are too few links to say)."""
    noise = data.noise_db[data.used]
    knowledge = posterior(jacobian, noise, theta, data.free, data.prior_width, SEARCHED)
    return noise_scale(residual / noise, knowledge.unknowns)


def starting_points(
    start: NDArray[np.float64], prior: Prior, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """[S, K] the start itself, the prior's median, then draws from the prior."""
    width = np.minimum(prior.width, 1.0)
    draws = prior.median * np.exp(width * rng.standard_normal((max(count - 2, 0), len(start))))
    every = np.concatenate([start[None], prior.median[None], draws])[: max(count, 1)]
    return np.where(prior.free, every, prior.median)


def held_out_levels(
    objective: Objective,
    data: LeastSquares,
    folds: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """[M · N] levels [dBm] of links as least-squares fits that have not seen them predict them.

    NaN for links that are not used, and everywhere where there are too few to leave any out.
    """
    predicted = np.full(len(data.used), np.nan)
    links = rng.permutation(np.flatnonzero(data.used))
    if len(links) < 2 * folds:
        return predicted
    for part in np.array_split(links, folds):
        used = data.used.copy()
        used[part] = False
        fit = levenberg_marquardt(
            objective, replace(data, used=used), data.prior[None], max_evaluations=50
        )
        rss, _ = objective.log_jacobian(fit.theta)
        predicted[part] = watts_to_dbm(rss.ravel()[part])
    return predicted
