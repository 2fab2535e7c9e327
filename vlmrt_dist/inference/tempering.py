"""Particles that follow the posterior from the prior, where it is easy to draw from, to its end.

Sequential Monte Carlo (Del Moral, Doucet and Jasra 2006): particles are drawn from the prior, or
evenly over the range searched where there is none, and led along q^(1-β) p^β from that density q
to the posterior p, β rising from 0 to 1 in steps that keep their weights alike. After each step
they are resampled, and each takes Metropolis steps along differences between two others (ter Braak
2006), which reach from one minimum to another and along curved valleys. So they find what no
descent has: plateaus, and minima of little depth and much room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.stats

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.ridges import Basins, Ridges
from vlmrt_dist.inference.weighted_draws import Mode

ALIKE = 0.7
"""Effective share of the particles that a step of β leaves."""

STEPS = 6
"""Metropolis steps of each particle after each step of β."""

JUMPS = 0.1
"""Share of the steps that are a whole difference between two particles."""

MOST_RISES = 60
"""Steps of β after which it is set to one."""

FORBIDDEN = 1e12
"""Cost that stands for one that is not finite."""


@dataclass(frozen=True, eq=False)
class _Base:
    """The density that particles begin with: of each unknown, its normal prior cut to the range
    searched, or even over the range where there is none.

    :param low: [X] ends of the range
    :param high: [X]
    :param mean: [X]
    :param width: [X] infinite where it is even
    """

    low: FloatArray
    high: FloatArray
    mean: FloatArray
    width: FloatArray

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """[S, X] draws that fill it evenly."""
        share = scipy.stats.qmc.Sobol(len(self.mean), rng=rng).random(count)
        flat = np.isinf(self.width)
        width = np.where(flat, 1.0, self.width)
        a, b = (self.low - self.mean) / width, (self.high - self.mean) / width
        normal = scipy.stats.truncnorm.ppf(share, a, b, self.mean, width)
        return np.asarray(np.where(flat, self.low + share * (self.high - self.low), normal))

    def cost(self, x: FloatArray) -> FloatArray:
        """[S] negative logarithm of its density, up to a constant."""
        return np.asarray(0.5 * np.square((x - self.mean) / self.width).sum(axis=1))


@dataclass(eq=False)
class _Particles:
    """:param x: [S, X]; :param cost: [S] of the posterior; :param base: [S] of :class:`_Base`"""

    x: FloatArray
    cost: FloatArray
    base: FloatArray

    def take(self, index: IntArray) -> None:
        """Keep those of an index [S], some of them several times."""
        self.x, self.cost, self.base = self.x[index], self.cost[index], self.base[index]


class Particles(NamedTuple):
    """Where particles have come to.

    :param x: [S, X]
    :param weight: [S] of each, one in all: even where they have reached the posterior; else those
        with which they stand for it
    """

    x: FloatArray
    weight: FloatArray


def particles(
    batch: Batch, data: LeastSquares, count: int, most: int, rng: np.random.Generator
) -> Particles:
    """Draws from the posterior, nearly; good as places to look at.

    :param batch: evaluates ``data``
    :param count: S, a power of two
    :param most: evaluations of ``batch``, earlier ones included, after which it ends where it is
    """
    width = np.array(np.broadcast_to(data.prior_width, data.prior.shape))
    base = _Base(batch.low, batch.high, data.prior, width)
    x = base.draw(count, rng)
    now = _Particles(x, _cost(batch, x), base.cost(x))
    beta = 0.0
    for rise in range(MOST_RISES):
        if batch.evaluations >= most:
            break
        gain = now.cost - now.base
        step = 1.0 - beta if rise == MOST_RISES - 1 else _step(gain, 1.0 - beta)
        weight = np.exp(-step * (gain - gain.min()))
        reached = np.cumsum(weight) / weight.sum()
        ticks = (np.arange(count) + rng.random()) / count
        now.take(np.minimum(np.searchsorted(reached, ticks), count - 1))
        beta += step
        for _ in range(STEPS):
            _move(batch, base, now, beta, rng)
        if beta >= 1.0:
            break
    left = (1.0 - beta) * (now.cost - now.base)
    weight = np.exp(left.min() - left)
    return Particles(now.x, weight / weight.sum())


def _step(gain: FloatArray, most: float) -> float:
    """The step of β that leaves :data:`ALIKE` of the particles effective, at most ``most``."""

    def alike(step: float) -> bool:
        weight = np.exp(-step * (gain - gain.min()))
        return bool(weight.sum() ** 2 >= ALIKE * len(gain) * np.square(weight).sum())

    if alike(most):
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if alike(middle) else (low, middle)
    return high


def _move(
    batch: Batch, base: _Base, now: _Particles, beta: float, rng: np.random.Generator
) -> None:
    """One Metropolis step of each particle; half of them move by differences of the other half."""
    count, size = now.x.shape
    halves = np.array_split(rng.permutation(count), 2)
    for own, others in (halves, halves[::-1]):
        one, other = (now.x[rng.choice(others, len(own))] for _ in range(2))
        some = rng.random((len(own), 1)) < 0.5  # a few unknowns alone, or all of them
        moves = np.where(some, rng.random((len(own), size)) * size < 1.0, True)
        usual = 2.38 / np.sqrt(2.0 * np.maximum(moves.sum(axis=1, keepdims=True), 1))
        spread = np.exp(0.5 * rng.standard_normal((len(own), 1)))
        factor = np.where(rng.random((len(own), 1)) < JUMPS, 1.0, usual * spread)
        jitter = 1e-4 * rng.standard_normal((len(own), size))
        there = now.x[own] + moves * (factor * (one - other) + jitter)
        cost, own_base = _cost(batch, there), base.cost(there)
        rise = beta * (cost - now.cost[own]) + (1.0 - beta) * (own_base - now.base[own])
        won = (cost < FORBIDDEN) & (-np.log(rng.random(len(own))) > rise)
        at = own[won]
        now.x[at], now.cost[at], now.base[at] = there[won], cost[won], own_base[won]


def _cost(batch: Batch, x: FloatArray) -> FloatArray:
    return np.minimum(batch.cost(x), FORBIDDEN)


def particle_shares(
    predict: Predict, data: LeastSquares, modes: Sequence[Mode], count: int, seed: int
) -> FloatArray:
    """[C] shares of the particles that lie about each mode: a reference for the modes' weights.

    :param predict: the level model
    :param data: the problem whose minima the modes are
    :param count: particles, a power of two; there is no limit of evaluations
    """
    batch = Batch(predict, data)
    x, cost = np.array([m.x for m in modes]), np.array([m.cost for m in modes])
    there = particles(batch, data, count, 10**12, np.random.default_rng([seed, 77]))
    mode = Basins(batch, Ridges(data), x, cost).of(there.x)
    return np.asarray(np.bincount(mode, there.weight, len(modes)), np.float64)
