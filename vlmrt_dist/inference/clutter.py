"""Scatter of levels by what is not in the scene, with a variance that grows with the paths' length.

A room's furniture scatters and shadows, more the longer a path runs among it. Instead of guessed
boxes the noise of a link has a second part,

    noise² = declared noise² + clutter² · length,

with the power-weighted mean length [m] of the link's paths at the prior's materials, as for
independent shadowing of every metre. The clutter c [dB/√m] is estimated from the levels by their
marginal likelihood: at the fit the levels are linear in the unknowns x, which are integrated out,

    ln p(c) = -Σ ln s_i - Σ ρ(t_i) / κ - ½ |x - prior|² - ½ ln det H,    s_i = noise of link i,

with x the best fit at c, H its information, ρ the loss of the residuals t_i, κ the mean of t ρ'(t)
under normal errors, so that a robust loss tells the same clutter. The determinant is what
restricted maximum likelihood (REML) adds to the likelihood: without it the clutter would come out
too low, the more so the fewer links there are for each unknown. The prior on c >= 0 is flat, and
what is used is √ of the posterior mean of c², which is not zero where few links leave it open. Fit
and clutter are found in turn until neither changes. Levels that are bounds enter x, not the
scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.least_squares import (
    MAX_DENSE_UNKNOWNS,
    LeastSquares,
    Predict,
    levenberg_marquardt,
)
from vlmrt_dist.inference.likelihood import LinkLoss, Links, information, residuals
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.inference.quantities import Clutter

NORMAL_SLOPE: dict[LinkLoss, float] = {"squared": 1.0, "huber": 0.8214, "student_t": 0.7863}
"""κ, the mean of t ρ'(t) under normal errors."""

GRID = 40
"""Values of the clutter at which its posterior is computed, twice."""

NEGLIGIBLE = 10.0
"""Natural logarithm of a posterior density below its largest that is left out."""

ROUNDS = 8
"""Most turns of fit and clutter."""

SETTLED, SMALL = 0.02, 0.05
"""Relative change of the clutter at which it has settled, and the clutter [dB/√m] below which the
change is judged by this one."""

STEPS = 20
"""Most Gauss-Newton steps of the linear fit at one clutter."""


def fit_with_clutter(problem: Problem, fit: Callable[[Problem], Fit]) -> tuple[Problem, Fit]:
    """The fit of a problem, and the problem with the clutter that its levels show.

    The clutter is found beside local fits from the prior, and again where ``fit`` ended, which is
    repeated if that changes it. A problem whose clutter is not asked for is fitted as it is.

    :param fit: a search for the best parameters of a problem with known noise
    """
    if not problem.fits_clutter:
        return problem, fit(problem)
    problem = settled(problem, problem.data.prior)
    found = fit(problem)
    again = settled(problem, found.x)
    if _differ(problem, again):
        return again, fit(again)
    return again, found


def settled(problem: Problem, x: FloatArray) -> Problem:
    """The problem with the clutter that its levels show, fitted near ``x``.

    :param problem: one whose clutter is asked for
    """
    for _ in range(ROUNDS):
        found = _told(problem, x)
        before = problem.clutter
        problem = problem.with_clutter(found)
        if before is not None and not _moved(before.value, found.value):
            break
        x = levenberg_marquardt(problem.predict, problem.data, x[None], max_evaluations=50).x
    return problem


def _differ(one: Problem, other: Problem) -> bool:
    assert one.clutter is not None
    assert other.clutter is not None
    return _moved(one.clutter.value, other.clutter.value)


def _moved(before: float, after: float) -> bool:
    return abs(after - before) > SETTLED * max(after, SMALL)


def _told(problem: Problem, x: FloatArray) -> Clutter:
    """The clutter that the levels show, taken as linear about ``x``."""
    linear = _Linear(problem.predict, problem.data, x)
    index = linear.index
    length = problem.length_m[index] if problem.length_m is not None else index * 0.0
    base = problem.base_db[index]

    def density(values: FloatArray) -> FloatArray:
        return np.array([linear.log_marginal(np.hypot(base, c * np.sqrt(length))) for c in values])

    typical = max(float(np.median(length[length > 0.0])) if (length > 0.0).any() else 1.0, 1e-3)
    linear.log_marginal(np.hypot(base, np.sqrt(length)))
    top = 4.0 * linear.spread / np.sqrt(typical) + 1e-3
    for _ in range(6):
        values = np.linspace(0.0, top, GRID)
        log = density(values)
        if log[-1] < log.max() - NEGLIGIBLE:
            break
        top *= 2.0
    there = np.flatnonzero(log > log.max() - NEGLIGIBLE)
    first, last = max(int(there[0]) - 1, 0), min(int(there[-1]) + 1, GRID - 1)
    values = np.linspace(values[first], values[last], GRID)
    log = density(values)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    order = np.argsort(-weight)
    shortest = order[: int(np.searchsorted(np.cumsum(weight[order]), 0.95)) + 1]
    ends = values[shortest]
    return Clutter(
        float(np.sqrt((weight * values**2).sum())), float(ends.min()), float(ends.max()), True
    )


class _Linear:
    """The links of a problem with levels that are linear in the unknowns about a point."""

    def __init__(self, predict: Predict, data: LeastSquares, x: FloatArray) -> None:
        self.index = np.flatnonzero(data.used)
        level, jacobian = predict(x)
        rows = jacobian[self.index]
        self._rows: Any = rows.toarray() if len(x) <= MAX_DENSE_UNKNOWNS else rows
        self._level, self._links, self._x = level[self.index], data.links, x
        self._low, self._high, self._prior = data.low, data.high, data.prior
        self._pull = data.prior_term.precision(x)
        # Where there is no prior, the width that stands for none keeps the information regular.
        self._regular = data.proper_prior_term.precision(x).toarray()
        self._heard = ~self._links.censored
        self._last = np.zeros_like(x)

    @property
    def spread(self) -> float:
        """Root mean square residual [dB] of the levels heard, at the last fit."""
        level = self._level + self._rows @ self._last
        residual = (level - self._links.level_dbm)[self._heard]
        return float(np.sqrt((residual**2).mean())) if len(residual) else 1.0

    def log_marginal(self, noise: FloatArray) -> float:
        """Logarithm of the marginal likelihood at a noise [L'] [dB], up to a constant."""
        links = self._links._replace(noise_db=noise)
        self._last = move = self._best(links, self._last)
        level = self._level + self._rows @ move
        robust, _ = residuals(links, level)
        share = np.where(self._heard, 1.0 / NORMAL_SLOPE[links.loss], 1.0)
        curvature = self._information(information(links, level).curvature)
        factor = scipy.linalg.cholesky(curvature, lower=True)
        distance = self._x + move - self._prior
        return float(
            -np.log(noise[self._heard]).sum()
            - 0.5 * (robust**2 * share).sum()
            - 0.5 * distance @ (self._pull @ distance)
            - np.log(np.diag(factor)).sum()
        )

    def _best(self, links: Links, move: FloatArray) -> FloatArray:
        """Change of x [X] to the best fit at this noise, beginning at ``move``."""
        for _ in range(STEPS):
            residual, slope = residuals(links, self._level + self._rows @ move)
            gradient = self._rows.T @ (residual * slope)
            gradient += self._pull @ (self._x + move - self._prior)
            step = scipy.linalg.solve(self._information(slope**2), -gradient, assume_a="pos")
            ended = np.clip(self._x + move + step, self._low, self._high) - self._x
            small = np.abs(ended - move).max() < 1e-6
            move = ended
            if small:
                break
        return move

    def _information(self, weight: FloatArray) -> FloatArray:
        """[X, X] information of the links, each with a weight [1/dB²], and of the prior."""
        if sp.issparse(self._rows):
            found = (self._rows.T @ sp.diags(weight) @ self._rows).toarray()
        else:
            found = self._rows.T @ (self._rows * weight[:, None])
        return np.asarray(found + self._regular)
