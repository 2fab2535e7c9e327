"""Levenberg-Marquardt for levels with a prior: dense for few unknowns, sparse for many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.inference import sparse_lm
from vlmrt_dist.inference.likelihood import Links, residuals
from vlmrt_dist.inference.options import LinkLoss
from vlmrt_dist.inference.outcome import Outcome
from vlmrt_dist.inference.prior_term import PriorShape, PriorTerm
from vlmrt_dist.inference.sparse_lm import Minimum

NO_PRIOR_WIDTH = 5.0
"""Width of the vague prior on ln σ that stands for none: a factor of 22,000 either way at 95 %."""

SPACING = 1.2
"""Distance of values of ln σ that a search for further minima tries: half a decade."""

MARGIN = 0.01
"""How far inside the range searched a start has to be: one percent of a conductivity."""

COST_TOLERANCE = 1e-12
"""A fit has converged when a step changes the cost by less than this share of it."""

MAX_DENSE = 4_000_000
"""Entries above which a Jacobian stays sparse."""

MAX_DENSE_UNKNOWNS = 50
"""Unknowns above which it does too: the dense solver factorizes their square in every step."""


Predict = Callable[[FloatArray], tuple[FloatArray, sp.csr_matrix]]
"""A parameter vector x [X] -> levels [L] [dBm], and their sparse derivative [L, X] by x."""


@runtime_checkable
class ManyPredict(Protocol):
    """A level model that takes many parameter vectors at once."""

    def __call__(self, x: FloatArray, /) -> tuple[FloatArray, sp.csr_matrix]:
        """See :data:`Predict`."""
        ...

    def many(self, x: FloatArray, *, slopes: bool = True) -> tuple[FloatArray, FloatArray]:
        """Levels [S, L] of vectors [S, X], and their derivatives [S, L, X] (empty without
        ``slopes``)."""
        ...


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Data of L links and prior on X parameters.

    Behind the levels may stand other measured values of the links, in units of their own.

    :param level_dbm: [L] measured levels; where censored, the receiver's floor or ceiling
    :param noise_db: [L] standard deviation of each
    :param used: [L] links that carry information
    :param prior: [X] prior mean of the parameters
    :param prior_width: [X] or one, their standard deviation before the measurement; infinite for
        none
    :param low: [X] or one, lower end of the range searched
    :param high: [X] or one, upper end
    :param vague: [X] or one, the width that stands for no prior where an answer needs one
    :param spacing: [X] or one, distance over which levels may rise and fall again; infinite where
        they are linear
    :param censored: [L] levels that are only known to lie at or below the one given, or where
        saturated at or above it; None: none
    :param loss: how large residuals of links count
    :param saturated: [L] which of the censored ones lie at or above the one given; None: none
    :param shape: correlations and tails of the prior; None: independent and normal
    :param link: [L] number of the link that each value belongs to; None: one value a link
    :param ripples: levels rise and fall again within ``spacing``, so that a look at a few values of
        each unknown cannot rule out other minima: they are searched for whatever the fit
    """

    level_dbm: FloatArray
    noise_db: FloatArray
    used: BoolArray
    prior: FloatArray
    prior_width: float | FloatArray
    low: float | FloatArray = -np.inf
    high: float | FloatArray = np.inf
    vague: float | FloatArray = NO_PRIOR_WIDTH
    spacing: float | FloatArray = SPACING
    censored: BoolArray | None = None
    loss: LinkLoss = "squared"
    saturated: BoolArray | None = None
    shape: PriorShape | None = None
    link: IntArray | None = None
    ripples: bool = False

    @property
    def heavy_tails(self) -> bool:
        """Whether some unknown has a prior with heavy tails."""
        return self.shape is not None and bool(self.shape.heavy.any())

    @property
    def prior_term(self) -> PriorTerm:
        """Residuals of the prior."""
        return self._term(self.prior_width)

    @property
    def proper_prior_term(self) -> PriorTerm:
        """The same with the vague width where there is no prior."""
        return self._term(np.minimum(self.prior_width, self.vague))

    def _term(self, width: float | FloatArray) -> PriorTerm:
        size = self.prior.shape
        shape = PriorShape.plain(len(self.prior)) if self.shape is None else self.shape
        # What has no prior tells nothing of another unknown.
        shape = shape.alone(np.broadcast_to(np.isinf(self.prior_width), size))
        return PriorTerm(self.prior, np.broadcast_to(width, size), shape)

    def of_unknowns(self, index: IntArray) -> LeastSquares:
        """The problem of some of the unknowns, with their marginal prior.

        :param index: [X'] which
        """
        size = self.prior.shape
        prior_width, low, high, vague = (
            np.broadcast_to(each, size)[index]
            for each in (self.prior_width, self.low, self.high, self.vague)
        )
        return replace(
            self, prior=self.prior[index], prior_width=prior_width, low=low, high=high,
            vague=vague, shape=None if self.shape is None else self.shape.at(index),
        )  # fmt: skip

    @property
    def links(self) -> Links:
        """The links used."""
        none = np.zeros(len(self.used), bool)
        hidden = none if self.censored is None else self.censored
        above = none if self.saturated is None else self.saturated & hidden
        every = Links(self.level_dbm, self.noise_db, hidden, self.loss, above)
        return every.at(np.flatnonzero(self.used))


@dataclass(frozen=True, eq=False)
class LeastSquaresResult:
    """:param x: [X] parameters
    :param cost: half the sum of squared residuals, prior included
    :param evaluations: evaluations of all starts together
    :param path: [E, X] parameters at each evaluation of the best start
    :param costs: cost of each start
    :param outcome: how the best start ended
    """

    x: FloatArray
    cost: float
    evaluations: int
    path: FloatArray
    costs: list[float] = field(default_factory=list)
    outcome: Outcome = "converged"


def is_sparse(values: int, unknowns: int) -> bool:
    """Whether a derivative [values, unknowns] is kept sparse."""
    return values * unknowns > MAX_DENSE or unknowns > MAX_DENSE_UNKNOWNS


def at_once(predict: Predict | ManyPredict, x: FloatArray, values: int) -> tuple[FloatArray, Any]:
    """Levels [L] at x [X] and their derivative [L, X], dense where that is quicker.

    :param values: how many of the levels are used
    """
    if not is_sparse(values, len(x)) and isinstance(predict, ManyPredict):
        level, jacobian = predict.many(x[None])
        return level[0], jacobian[0]
    return predict(x)


def levenberg_marquardt(
    predict: Predict,
    data: LeastSquares,
    starts: FloatArray,
    *,
    good_enough: float = 0.0,
    max_evaluations: int = 100,
    max_total: int = 400,
    progress: Callable[[int], None] | None = None,
) -> LeastSquaresResult:
    """Least squares with bounds, from several starts: by scipy's trust-region method, or for many
    unknowns by :mod:`vlmrt_dist.inference.sparse_lm`.

    :param predict: gives the levels and their Jacobian
    :param data: measured levels, noise and prior
    :param starts: [S, X] initial parameters, tried in order
    :param good_enough: a start whose cost is at most this ends the search
    :param max_evaluations: most evaluations of one start
    :param max_total: no further start is made after so many evaluations of all
    :param progress: called with the evaluations so far
    :raises NumericalError: if no start gives finite residuals
    """
    system = System(predict, data, progress)
    best: Minimum | None = None
    best_path: list[FloatArray] = []
    costs: list[float] = []
    for start in starts:
        begin = len(system.visited)
        x0 = np.clip(start, system.low + MARGIN, system.high - MARGIN)
        if not np.isfinite(system.residuals(x0)[0]).all():
            costs.append(np.inf)
            continue
        solve = sparse_lm.least_squares if system.sparse else _dense
        fit = solve(
            system.residuals, x0, system.low, system.high,
            tolerance=COST_TOLERANCE, max_evaluations=max_evaluations,
        )  # fmt: skip
        costs.append(fit.cost)
        if best is None or fit.cost < best.cost:
            best, best_path = fit, system.visited[begin:]
        if best.cost <= good_enough or len(system.visited) >= max_total:
            break
    if best is None:
        raise NumericalError("no start of the fit gives finite levels; check the initial values")
    outcome: Outcome = "converged" if best.converged else "max_iterations"
    return LeastSquaresResult(
        best.x, best.cost, len(system.visited), np.array(best_path), costs, outcome
    )


class System:
    """Residuals of links and prior with their Jacobian, dense or sparse, as a function of x."""

    def __init__(
        self, predict: Predict, data: LeastSquares, progress: Callable[[int], None] | None
    ) -> None:
        size = len(data.prior)
        self.low, self.high = (np.broadcast_to(b, size) for b in (data.low, data.high))
        self.visited: list[FloatArray] = []
        self._predict: Predict | ManyPredict = predict
        self._prior, self._progress = data.prior_term, progress
        self._index, self._links = np.flatnonzero(data.used), data.links
        self.sparse = is_sparse(len(self._index), size)
        self._constant = self._slope(data.prior) if self._prior.linear else None
        self._last: tuple[bytes, tuple[FloatArray, Any]] | None = None

    def residuals(self, x: FloatArray) -> tuple[FloatArray, Any]:
        """Residuals and their Jacobian; scipy asks for one, then for the other at the same x."""
        key = x.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._evaluate(x)
        return self._last[1]

    def _evaluate(self, x: FloatArray) -> tuple[FloatArray, Any]:
        self.visited.append(x.copy())
        if self._progress is not None:
            self._progress(len(self.visited))
        level, jacobian = self._levels(x)
        residual, slope = residuals(self._links, level[self._index])
        rows = jacobian[self._index]
        rows = sp.diags(slope) @ rows if self.sparse else rows * slope[:, None]
        if not self._prior.stated:
            return residual, rows
        residual = np.concatenate([residual, self._prior.residuals(x)])
        own = self._slope(x) if self._constant is None else self._constant
        if self.sparse:
            return residual, sp.vstack([rows, own], "csr")
        return residual, np.concatenate([rows, own])

    def _levels(self, x: FloatArray) -> tuple[FloatArray, Any]:
        """Levels [L] and their derivative [L, X], sparse or dense."""
        level, jacobian = at_once(self._predict, x, len(self._index))
        plain = self.sparse or isinstance(jacobian, np.ndarray)
        return level, jacobian if plain else jacobian.toarray()

    def _slope(self, x: FloatArray) -> Any:
        """[X, X] derivative of the prior's residuals."""
        return self._prior.slope(x) if self.sparse else self._prior.slopes(x[None])[0]


def _dense(
    residuals: Callable[[FloatArray], tuple[FloatArray, Any]],
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    tolerance: float,
    max_evaluations: int,
) -> Minimum:
    """scipy's trust-region method, with the face of :func:`sparse_lm.least_squares`."""
    fit = scipy.optimize.least_squares(
        lambda x: residuals(x)[0],
        x,
        jac=lambda x: residuals(x)[1],
        bounds=(low, high),
        x_scale="jac",
        ftol=tolerance,
        xtol=1e-12,
        gtol=1e-15,
        tr_solver="exact",
        max_nfev=max_evaluations,
    )
    return Minimum(fit.x, float(fit.cost), fit.status > 0)
