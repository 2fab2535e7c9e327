"""Fits of a problem, shared by single estimations and studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.adam import AdamResult
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.global_search import Landscape, explore
from vlmrt_dist.inference.least_squares import MAX_DENSE_UNKNOWNS, LeastSquares
from vlmrt_dist.inference.multistart import Fit, Search, appraise, search, starting_points
from vlmrt_dist.inference.open_ends import with_open_ends
from vlmrt_dist.inference.options import LevenbergMarquardt
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.inference.sampling import (
    ENOUGH,
    WEIGHT_ERROR,
    about_minima,
    beyond_normal,
    normal_holds,
    sample,
)
from vlmrt_dist.inference.weighted_draws import Mode
from vlmrt_dist.progress import Progress

DRAWS_SEED = 1
"""Seed of the draws from every posterior."""


MOST_PATHS, MOST_PATHS_SEARCHED = 40_000_000, 16_000_000
"""Most paths that a fit replays, evaluations times paths, and a search: some seconds of one
core."""

ONE_BY_ONE = 6
"""So many paths each counts for where antennas turn or devices move. Their fields are computed for
each parameter vector, which takes twenty times as long; but draws need some evaluations."""

LEAST_FOR_DRAWS, LEAST_BY_SQUARES = 500, 20
"""Evaluations that draws need at least, and as a multiple of the square of the unknowns."""

KEPT_FOR_DRAWS = 0.7
"""Share of all evaluations that a search leaves for draws."""

TOLD = 1.5
"""Multiple of the wanted error of the minima's weights from which on it is told."""

FEW = 50.0
"""With a smaller effective number of draws the normal posterior is no worse."""


def fit_least_squares(
    problem: Problem,
    solver: LevenbergMarquardt,
    start: FloatArray,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Fit:
    """Least squares with the prior, from several starts, with a check of the prior, a search for
    further minima, and draws where the posterior is not normal.

    :param start: [K] conductivities of the first start [S/m]
    :param rng: of the further starts
    """
    paths = max(problem.evaluator.num_paths, 1)
    if problem.unknowns.poses(problem.data.prior) is not None:
        paths *= ONE_BY_ONE
    solver = replace(solver, max_total=max(1, min(solver.max_total, MOST_PATHS // paths)))
    least = _least_for_draws(len(problem.data.prior))
    begin = problem.unknowns.at_conductivity(start)
    starts = starting_points(begin, problem.data, solver.starts, rng)
    for_search = min(solver.max_total, max(1, MOST_PATHS_SEARCHED // paths))
    kept = int(KEPT_FOR_DRAWS * solver.max_total)
    if solver.posterior != "normal" and kept >= least:
        for_search = min(for_search, solver.max_total - kept)
    found = search(
        problem.predict, problem.data, starts, solver.max_evaluations, progress, for_search
    )
    if solver.posterior == "normal" or len(found.fit.x) > MAX_DENSE_UNKNOWNS:
        return found.fit
    # The same draws whoever asks: a study's point answers with the bits of an estimation.
    return _with_draws(problem, solver, found, np.random.default_rng(DRAWS_SEED))


def _with_draws(
    problem: Problem, solver: LevenbergMarquardt, found: Search, rng: np.random.Generator
) -> Fit:
    """The fit with draws, if they are asked for or its posterior is not normal."""
    fit, data, landscape = found.fit, found.data, found.landscape
    batch = Batch(problem.predict, data)
    several = landscape is not None and len(landscape.minima.x) > 1
    wider = several or (
        landscape is not None and beyond_normal(batch, data, fit.x, landscape.profiles)
    )
    if solver.posterior == "auto" and not wider and normal_holds(batch, data, fit.x, rng):
        return replace(fit, evaluations=fit.evaluations + batch.evaluations)
    most = solver.max_total - fit.evaluations
    if most < _least_for_draws(len(fit.x)):
        fit = _undrawn(fit, "too few evaluations were left to draw from it")
        return _told_apart(fit, batch, data, landscape, rng) if landscape and several else fit
    if landscape is None:
        landscape = explore(batch, data, fit.x, most)
    draws = sample(batch, data, landscape, rng, most)
    if draws.effective < FEW:
        spent = replace(fit, evaluations=fit.evaluations + batch.evaluations)
        fit = _undrawn(spent, f"of its draws only {draws.effective:.0f} count")
        return _told_apart(fit, batch, data, landscape, rng) if several else fit
    reason = fit.reason
    if draws.effective < ENOUGH:
        reason += (
            f"; the posterior's shape rests on {draws.effective:.0f} effective draws only: a "
            "higher max_total makes more"
        )
    elif draws.error > TOLD * WEIGHT_ERROR:
        reason += (
            f"; the weights of its minima are known to {draws.error:.0%}: a higher max_total "
            "(--max-total) tells them better"
        )
    minima = landscape.minima
    weight = np.array([draws.share_of(i) for i in range(len(minima.x))])
    order = np.argsort(-weight, kind="stable")
    modes = tuple(Mode(minima.x[i], float(minima.cost[i]), float(weight[i])) for i in order)
    place = np.argsort(order, kind="stable")
    ordered = replace(draws, mode=place[draws.mode])
    fit = replace(
        fit, evaluations=fit.evaluations + batch.evaluations, modes=modes, draws=ordered,
        reason=reason,
    )  # fmt: skip
    return with_open_ends(problem.predict, problem.data, fit)


def _least_for_draws(size: int) -> int:
    """Evaluations without which draws of so many unknowns are too few to tell anything."""
    return max(LEAST_FOR_DRAWS, LEAST_BY_SQUARES * size**2)


def _undrawn(fit: Fit, why: str) -> Fit:
    """The fit without draws that it should have had."""
    doubt = (
        f"; the posterior may not be normal, but {why}: a higher max_total (--max-total) makes more"
    )
    return replace(fit, reason=fit.reason + doubt)


def _told_apart(
    fit: Fit, batch: Batch, data: LeastSquares, landscape: Landscape, rng: np.random.Generator
) -> Fit:
    """The fit with draws from the normal approximations about its minima, so that an interval is
    not that of the best of them alone."""
    return replace(fit, draws=about_minima(batch, data, landscape, rng))


def appraise_adam(problem: Problem, run: AdamResult, index: int) -> Fit:
    """Posterior where Adam left parameter vector ``index``, without a prior, since Adam knows none
    and its answer must not be credited with one."""
    alone = replace(problem.data, prior_width=np.inf)
    x = problem.unknowns.at_conductivity(run.theta[index])
    return replace(
        appraise(problem.predict, alone, x),
        evaluations=int(run.iterations[index]),
        outcome=run.outcome[index],
    )
