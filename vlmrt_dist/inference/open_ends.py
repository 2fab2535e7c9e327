"""Which unknowns the links leave without a bound on one side: a fit with each at an end of its
range.

Above some S/m a wall reflects like metal, whatever its conductivity: the levels no longer change,
and draws from the posterior show only how the prior falls. Such an end is found by a fit that holds
the unknown there: if χ² rises by less than 3.84, its 95 % profile interval is open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.inference.least_squares import (
    MARGIN,
    LeastSquares,
    LeastSquaresResult,
    Predict,
    levenberg_marquardt,
)
from vlmrt_dist.inference.multistart import Fit, louder
from vlmrt_dist.inference.verdicts import Bounded, SortedDraws, apart

THRESHOLD = 3.841458820694124
"""Δχ² at the ends of a 95 % interval: the 95 % quantile of χ² with one degree of freedom."""


def with_open_ends(predict: Predict, data: LeastSquares, fit: Fit) -> Fit:
    """The fit with the ends of the range that explain the levels as well.

    :param data: as declared; the noise scale and the prior widths are those of ``fit``
    """
    if fit.draws is None:
        return fit
    data = louder(data, fit)
    low, high = (np.broadcast_to(end, fit.x.shape) for end in (data.low, data.high))
    found = np.zeros((2, len(fit.x)), bool)
    for k in np.flatnonzero(fit.knowledge.seen).tolist():
        values = fit.draws.x[:, k]
        groups = apart(values, fit.draws)
        prior = Bounded(data.prior[k], fit.width[k], low[k], high[k])
        for side, (group, end) in enumerate(((groups[0], low[k]), (groups[-1], high[k]))):
            some = SortedDraws.of(values[group], fit.draws.weight[group])
            if some.may_be_open(prior, upper=side == 1):
                found[side, k] = _is_open(predict, data, fit, k, float(end))
    return replace(fit, open_ends=found)


def _is_open(predict: Predict, data: LeastSquares, fit: Fit, entry: int, end: float) -> bool:
    """Whether the levels are explained as well with one unknown at an end of its range."""
    modes = [mode.x for mode in fit.modes] or [fit.x]
    x = min(modes, key=lambda mode: abs(mode[entry] - end))
    held = Held.of(predict, data, entry)
    inside = -MARGIN if end > x[entry] else MARGIN
    try:
        there = held.fit(end + inside, x).cost
    except NumericalError:  # no level is left there, as behind a wall of ten metres
        return False
    rise = there - held.fit(float(x[entry]), x).cost
    return 2.0 * rise < THRESHOLD


@dataclass(frozen=True, eq=False)
class Held:
    """A fit in which one unknown is held, without the prior on it.

    :param entry: its place in x
    :param rest: [X] the others
    :param data: levels, and the prior on the others
    """

    predict: Predict
    entry: int
    rest: BoolArray
    data: LeastSquares

    @classmethod
    def of(cls, predict: Predict, data: LeastSquares, entry: int) -> Held:
        """The fit of ``data`` with one unknown held."""
        rest = np.arange(len(data.prior)) != entry
        others = data.of_unknowns(np.flatnonzero(rest))
        return cls(predict, entry, rest, others)

    def fit(self, value: float, start: FloatArray) -> LeastSquaresResult:
        """The best fit of the others with the unknown at ``value``.

        :param start: [X] where it starts
        """
        columns = np.flatnonzero(self.rest)

        def levels(others: FloatArray) -> tuple[FloatArray, object]:
            full = np.empty(len(start))
            full[self.rest], full[self.entry] = others, value
            level, jacobian = self.predict(full)
            return level, jacobian[:, columns]

        return levenberg_marquardt(levels, self.data, start[self.rest][None])
