"""Weighted draws from a posterior: its shape where the normal distribution does not fit it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Mode:
    """A minimum of the cost, and the share of the posterior about it.

    :param x: [X] parameters at the minimum
    :param cost: half the sum of squared residuals there, prior included
    :param weight: share of the posterior's probability that lies about this minimum
    """

    x: FloatArray
    cost: float
    weight: float


@dataclass(frozen=True, eq=False)
class WeightedDraws:
    """Draws from the posterior of X unknowns, each with its weight.

    :param x: [S, X] parameters
    :param weight: [S] weights, which add up to one
    :param mode: [S] the mode about which each draw lies, by its number
    :param evaluations: evaluations of the levels that the draws took
    :param error: largest relative standard error of the weights of the modes near the best one
    """

    x: FloatArray
    weight: FloatArray
    mode: IntArray
    evaluations: int = 0
    error: float = 0.0

    @property
    def effective(self) -> float:
        """Effective number of independent draws: 1 / Σ weight²."""
        return float(1.0 / np.square(self.weight).sum())

    def quantile(self, unknown: int, share: float) -> float:
        """Smallest drawn value of one unknown at which the weights reach ``share``.

        :param unknown: its place in x
        :param share: between 0 and 1
        """
        order = np.argsort(self.x[:, unknown])
        reached = np.cumsum(self.weight[order])
        place = int(np.searchsorted(reached, share * reached[-1]))
        return float(self.x[order[min(place, len(order) - 1)], unknown])

    def share_of(self, mode: int) -> float:
        """Weight of the draws about one mode."""
        return float(self.weight[self.mode == mode].sum())
