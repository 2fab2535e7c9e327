"""Fits of a problem, shared by single estimations and studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.inference.adam import AdamResult
from vlmrt_dist.inference.multistart import Fit, appraise, fit_with_prior_check, starting_points
from vlmrt_dist.inference.open_ends import with_open_ends
from vlmrt_dist.inference.options import LevenbergMarquardt
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.inference.sampling import sample
from vlmrt_dist.progress import Progress


def fit_least_squares(
    problem: Problem,
    solver: LevenbergMarquardt,
    start: FloatArray,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Fit:
    """Least squares with the prior, from several starts, with a check of the prior.

    :param start: [K] conductivities of the first start [S/m]
    :param rng: of the further starts
    """
    begin = problem.unknowns.at_conductivity(start)
    starts = starting_points(begin, problem.data, solver.starts, rng)
    fit = fit_with_prior_check(
        problem.predict, problem.data, starts, solver.max_evaluations, progress
    )
    if solver.posterior != "sampled":
        return fit
    fit = replace(fit, draws=sample(problem.predict, problem.data, fit, rng.spawn(1)[0]))
    return with_open_ends(problem.predict, problem.data, fit)


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
