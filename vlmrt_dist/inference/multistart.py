"""Least squares from several starts, with a check of the noise and of the prior, and folds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.special

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.global_search import SCATTERED, Landscape, explore, suspicious
from vlmrt_dist.inference.least_squares import (
    MAX_DENSE_UNKNOWNS,
    LeastSquares,
    Predict,
    at_once,
    levenberg_marquardt,
)
from vlmrt_dist.inference.likelihood import information, known_factor, noise_scale
from vlmrt_dist.inference.outcome import Outcome
from vlmrt_dist.inference.posterior import Posterior, conflict, posterior
from vlmrt_dist.inference.weighted_draws import Mode, WeightedDraws
from vlmrt_dist.progress import Progress

FALSE_ALARMS = 0.05
"""Share of fits that accuse some right prior, shared out among the unknowns: with a bound for each
by itself, the more objects a scene has, the surer a prior would be widened for nothing."""

SUSPICIOUS = 2.0
"""An estimate so many standard deviations from its prior may sit in the wrong minimum: the search
starts again further away before anything is accused."""

WIDENING, WIDENINGS = 3.0, 2
"""Factor by which a contradicted prior is widened, and how often at most."""

FAR_FACTORS = (0.03, 0.1, 0.3, 3.0, 10.0, 30.0)
"""Where the search for many doubtful parameters starts again, times their estimates."""

BETTER = 1e-3
"""A minimum is better than another if its cost is lower by more than this."""

ROUNDS = 3
"""How often a search for further minima is made again where it has found a better one."""


EVALUATIONS = 24_000
"""Most evaluations of a search, all starts and draws together."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Parameters where an optimizer ended, and the posterior there.

    :param x: [X] parameters
    :param evaluations: evaluations, all starts and draws together
    :param outcome: how the last start ended
    :param scale: factor by which the residuals exceed the declared noise (1: they do not; NaN: too
        few links to say); ``knowledge`` contains it
    :param width: [X] prior widths that were used in the end
    :param knowledge: the posterior
    :param residual_db: [L'] residuals of the links that were used and heard
    :param cost: half the sum of squared residuals with the declared noise, prior included (NaN: not
        known)
    :param modes: minima within the noise of the best, the heaviest first; the best is among them.
        All have their costs with one noise, the declared one times ``scale``
    :param draws: weighted draws from the posterior where ``knowledge``, its normal approximation,
        does not hold or draws were asked for; None: it holds, or was not questioned. With a prior
        of infinite width their prior is flat in x over the range searched
    :param open_ends: [2, X] lower and upper ends of the range searched that explain the levels as
        well, see :mod:`~vlmrt_dist.inference.open_ends`; looked at where the draws suggest it
    :param reason: how the search for the best minimum ended, as a sentence
    """

    x: FloatArray
    evaluations: int
    outcome: Outcome
    scale: float
    width: FloatArray
    knowledge: Posterior
    residual_db: FloatArray
    cost: float = np.nan
    modes: tuple[Mode, ...] = ()
    draws: WeightedDraws | None = None
    reason: str = ""
    open_ends: BoolArray = field(default_factory=lambda: np.zeros((2, 0), bool))

    @property
    def noise_factor(self) -> float:
        """``scale``, and 1 where the links are too few to say."""
        return known_factor(self.scale)


@dataclass(frozen=True, eq=False)
class Search:
    """A fit, and what the search for further minima has found.

    :param fit: the best minimum
    :param data: the problem in which minima are compared: with the noise that the residuals show,
        and the prior widths that were used in the end
    :param landscape: its minima and profiles; None: nothing gave rise to a search, or there are too
        many unknowns
    """

    fit: Fit
    data: LeastSquares
    landscape: Landscape | None


def search(
    predict: Predict,
    data: LeastSquares,
    starts: FloatArray,
    max_evaluations: int = 100,
    progress: Progress | None = None,
    max_total: int = EVALUATIONS,
) -> Search:
    """Least squares, again with a wider prior for parameters whose levels contradict it.

    A wrong material class is off by more than any spread within a class. Without this, such an
    object would be drawn towards the wrong value, with an interval that excludes the true one.

    :param starts: [S, X] tried in order, until one fits as well as its noise explains
    :param max_evaluations: most evaluations of one start
    :param max_total: no further search begins after so many evaluations
    """
    width = np.array(np.broadcast_to(data.prior_width, data.prior.shape))
    evaluations = 0
    for widened in range(WIDENINGS + 1):
        data = replace(data, prior_width=width)
        fit = _fit_least_squares(predict, data, starts, max_evaluations, progress)
        most = max_total - evaluations
        found = _search_further(predict, data, fit, max_evaluations, progress, most)
        fit = found.fit
        evaluations += fit.evaluations
        bound = -scipy.special.ndtri(FALSE_ALARMS / (2.0 * len(fit.x)))
        wrong = conflict(fit.x, data.prior, fit.knowledge) > bound
        if not wrong.any() or np.isinf(width).all() or widened == WIDENINGS:
            break
        width = np.where(wrong, WIDENING * width, width)
        if data.heavy_tails:  # nothing holds on to a wrong class: it is told, and no fit is needed
            fit = replace(fit, width=width)
            break
        starts = fit.x[None]
    reason = f"{fit.reason} ({evaluations} evaluations)"
    fit = replace(fit, evaluations=evaluations, reason=reason)
    return replace(found, fit=replace(fit, modes=_modes(fit, found.landscape)))


def _modes(fit: Fit, landscape: Landscape | None) -> tuple[Mode, ...]:
    """The minima, weighed by the normal approximation about each."""
    if landscape is None:
        return (Mode(fit.x, fit.cost, 1.0),)
    minima, mass = landscape.minima, landscape.log_mass
    share = np.exp(mass - mass.max())
    share = share / share.sum()
    order = np.argsort(-share, kind="stable")
    return tuple(Mode(minima.x[i], float(minima.cost[i]), float(share[i])) for i in order)


def _search_further(
    predict: Predict,
    data: LeastSquares,
    fit: Fit,
    max_evaluations: int,
    progress: Progress | None,
    most: int,
) -> Search:
    """A better minimum than that of ``fit``, if there is one, and the others beside it.

    A fit that its declared noise does not explain is first compared with others by that noise: the
    noise that its residuals show explains them by definition, wherever it is.
    """
    if len(fit.x) > MAX_DENSE_UNKNOWNS:
        fit = _search_together(predict, data, fit, max_evaluations, progress)
        return Search(fit, data, None)
    evaluations = fit.evaluations

    def moved(problem: LeastSquares, here: Fit) -> tuple[Landscape, Fit]:
        """The landscape of a problem, and the fit from its best minimum if that is better."""
        nonlocal evaluations
        batch = Batch(predict, problem)
        scattered = SCATTERED if here.cost <= _explained(data) else 4 * SCATTERED
        found = explore(batch, problem, here.x, most - evaluations, scattered=scattered)
        evaluations += batch.evaluations
        if found.minima.cost[0] >= found.begin - BETTER:
            return found, here
        other = _fit_least_squares(predict, data, found.minima.x[:1], max_evaluations, progress)
        evaluations += other.evaluations
        return found, other

    for _ in range(ROUNDS):
        if fit.cost <= _explained(data):
            break
        landscape, other = moved(data, fit)
        if other.cost >= fit.cost - BETTER:
            break
        fit = other
    problem = louder(data, fit)
    if fit.cost <= _explained(data):
        batch = Batch(predict, problem)
        suspected = data.ripples or suspicious(batch, problem, fit.x)
        evaluations += batch.evaluations
        if not suspected:
            reason = "a screening found no other minimum"
            return Search(replace(fit, evaluations=evaluations, reason=reason), problem, None)
    landscape, fit = moved(problem, fit)
    reason = _reason(landscape)
    return Search(replace(fit, evaluations=evaluations, reason=reason), problem, landscape)


def _reason(landscape: Landscape) -> str:
    count = len(landscape.minima.x)
    found = "one minimum" if count == 1 else f"{count} minima within the noise of the best"
    if landscape.complete:
        return f"the search found {found} and no further ones"
    return (
        f"the search ended at its limit of evaluations, with {found}; a higher "
        "max_total (--max-total) lets it "
        "go on"
    )


def louder(data: LeastSquares, fit: Fit) -> LeastSquares:
    """The problem with the noise that the residuals of a fit show, and its prior widths."""
    return replace(data, noise_db=data.noise_db * fit.noise_factor, prior_width=fit.width)


def _search_together(
    predict: Predict,
    data: LeastSquares,
    fit: Fit,
    max_evaluations: int,
    progress: Progress | None,
) -> Fit:
    """A better minimum of many unknowns: the doubtful ones are moved together, since a profile of
    each takes too long."""
    evaluations = fit.evaluations
    for _ in range(ROUNDS):
        far = conflict(fit.x, data.prior, fit.knowledge) > SUSPICIOUS
        which = fit.knowledge.seen & far
        if not which.any():
            break
        there = np.array([np.where(which, fit.x + np.log(f), fit.x) for f in FAR_FACTORS])
        other = _fit_least_squares(predict, data, there, max_evaluations, progress, every=True)
        evaluations += other.evaluations
        if other.cost >= fit.cost - BETTER:
            break
        fit = other
    reason = (
        f"with more than {MAX_DENSE_UNKNOWNS} unknowns only those in conflict with their priors "
        "were moved, all together; other minima are not told, and there are no draws"
    )
    return replace(fit, evaluations=evaluations, reason=reason)


def _fit_least_squares(
    predict: Predict,
    data: LeastSquares,
    starts: FloatArray,
    max_evaluations: int,
    progress: Progress | None,
    *,
    every: bool = False,
) -> Fit:
    """Levenberg-Marquardt from several starts; once more with the noise that the residuals show.

    :param every: try all starts; otherwise only until one fits as well as its noise explains
    """
    enough = 0.0 if every else _explained(data)
    hidden = data.links.censored.any()
    count = None if progress is None else lambda done: progress("fit", done, 0)
    run = levenberg_marquardt(
        predict,
        data,
        starts,
        good_enough=enough,
        max_evaluations=max_evaluations,
        progress=count,
    )
    fit = replace(
        appraise(predict, data, run.x),
        evaluations=run.evaluations, outcome=run.outcome, cost=run.cost,
    )  # fmt: skip
    # Without a prior squares have their minimum where it is, however loud the noise; the reach of a
    # robust loss, and what a floor tells, go with the noise.
    same = np.isinf(data.prior_width).all() and data.loss == "squared" and not hidden
    if not fit.scale > 1.0 or same:
        return fit
    again = levenberg_marquardt(
        predict,
        replace(data, noise_db=data.noise_db * fit.scale),
        fit.x[None],
        max_evaluations=max_evaluations,
        progress=count,
    )
    return replace(
        appraise(predict, data, again.x),
        evaluations=run.evaluations + again.evaluations,
        outcome=again.outcome,
        cost=run.cost,
    )


def _explained(data: LeastSquares) -> float:
    """Cost of a fit that is as good as the noise explains.

    χ² of L links, prior included, is L ± √(2 L); two such deviations above are still explained.
    """
    links = float(data.used.sum())
    return 0.5 * (links + 2.0 * float(np.sqrt(2.0 * links)))


def appraise(predict: Predict, data: LeastSquares, x: FloatArray, *, expected: bool = False) -> Fit:
    """Posterior at ``x``, with the declared noise or the larger one that the residuals show.

    :param expected: the levels are those that ``x`` predicts, whatever ``data`` holds
    """
    index, links = np.flatnonzero(data.used), data.links
    level, jacobian = at_once(predict, x, len(index))
    level, rows = level[index], jacobian[index]
    if expected:
        links = links._replace(level_dbm=level)
    heard = ~links.censored
    residual = (level - links.level_dbm)[heard]
    declared = posterior(rows, information(links, level), x, data)
    scale = noise_scale(residual / links.noise_db[heard], declared.unknowns, links.loss)
    knowledge = declared
    if scale > 1.0:
        louder = links._replace(noise_db=links.noise_db * scale)
        knowledge = posterior(rows, information(louder, level), x, data)
    width = np.array(np.broadcast_to(data.prior_width, x.shape))
    found = (Mode(x, np.nan, 1.0),)
    return Fit(x, 0, "converged", scale, width, knowledge, residual, modes=found)


def held_out_levels(
    predict: Predict,
    data: LeastSquares,
    fitted: FloatArray,
    folds: int,
    rng: np.random.Generator,
) -> FloatArray:
    """[L] levels [dBm] of links as least-squares fits that have not seen them predict them; all
    values of a link are left out together.

    Where the prior is wrong there are minima between it and the truth. A fit that starts at the
    prior and does not explain the links it has starts again where the fit to all links ended; the
    better one, by its own links, counts.

    :param fitted: [X] the fit to all links
    :return: NaN for links that are not used, and everywhere where there are too few to leave any
        out
    """
    predicted = np.full(len(data.used), np.nan)
    rows = np.flatnonzero(data.used)
    number = np.arange(len(data.used)) if data.link is None else data.link
    links = rng.permutation(np.unique(number[rows]))
    if len(links) < 2 * folds:
        return predicted
    for left_out in np.array_split(links, folds):
        part = left_out if data.link is None else rows[np.isin(number[rows], left_out)]
        used = data.used.copy()
        used[part] = False
        some = replace(data, used=used)
        fit = levenberg_marquardt(
            predict,
            some,
            np.array([data.prior, fitted]),
            good_enough=_explained(some),
            max_evaluations=50,
        )
        level, _ = predict(fit.x)
        predicted[part] = level[part]
    return predicted


def starting_points(
    start: FloatArray, data: LeastSquares, count: int, rng: np.random.Generator
) -> FloatArray:
    """[S, X] the start itself, the prior's mean, then draws from the prior."""
    width = np.minimum(data.prior_width, 1.0)
    draws = data.prior + width * rng.standard_normal((max(count - 2, 0), len(start)))
    return np.concatenate([start[None], data.prior[None], draws])[: max(count, 1)]
