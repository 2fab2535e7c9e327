"""Weighted draws from a posterior of any shape, by adaptive importance sampling.

Draws come from a mixture of multivariate t distributions: one about each minimum, and about points
of the profiles, where a plateau or a curved valley leads away from them. Each round of draws is
weighed by the posterior over the mixture of all rounds (Cornuet, Marin, Mira and Robert 2012), and
the mixture follows the weights: its components are fitted to them, and the heaviest draws found new
ones (Raftery and Bao 2010). Where no prior is, the posterior is that of a prior which is flat in x
over the range searched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.special

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.inference.batches import Batch
from vlmrt_dist.inference.global_search import (
    Landscape,
    Points,
    covariance_roots,
    range_that_matters,
)
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.ridges import Basins
from vlmrt_dist.inference.tempering import particles
from vlmrt_dist.inference.weighted_draws import WeightedDraws

WANTED = 400.0
"""Effective number of draws at which no further round is made, if the weights of the minima are
told as well."""

NEAR, WEIGHT_ERROR = 2.0, 0.05
"""Minima whose cost exceeds the best one's by no more than this get draws until the relative
standard error of their weight is this."""

ENOUGH = 200.0
"""Effective number of draws below which a reader is told that there are few."""

ROUND, GROWTH = 256, 0.25
"""Draws of the first round, and of later ones as a share of those before."""

TAIL = 6.0
"""Degrees of freedom of the components: longer tails than the posterior's keep weights bounded."""

FROM_PROFILES, MOST_COMPONENTS = 64, 120
"""Most components about points of profiles, descents and particles in the first mixture, and most
in all."""

PARTICLES = 512
"""Particles that the first mixture is fitted to."""

FITS = 3
"""Steps of that fit."""

APART = 0.5
"""Least squared distance of two of them an unknown, in units of the spread about the first one."""

WIDE = 0.1
"""Share of the first draws that come from the whole range that matters: what no search has found
shows by the weight of such a draw."""

INFLATED = 1.3
"""Factor by which the first components' covariances exceed those of the posterior there."""

NEW = 6
"""Most components that a round founds at its heaviest draws."""

HEAVY = 0.003
"""Share of all weight from which on a draw founds one."""

STIFF = 10.0
"""Draws that a component's own shape counts for where it is fitted to those about it."""

SCREENING, NORMAL = 64, 0.75
"""Draws by which a normal approximation is judged, and their least effective share."""

TOO_SHORT = 2.0
"""By so much more than it is does the normal approximation expect the cost of a point to be, where
it does not hold."""

DEFENCE = 0.15
"""Part of a mixture that is spread evenly over its components."""

UNWEIGHED = 4000
"""Draws that are made where no evaluations are left to weigh them."""

MOST_SQUARES = 8_000_000
"""Draws times the square of the unknowns, at most: with many unknowns, to weigh a draw takes longer
than to evaluate it."""

_ROWS = 4096

NEGLIGIBLE = 1e-9
"""Draws with a smaller share of the weight are dropped."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Multivariate t distributions.

    :param share: [C] their shares
    :param mean: [C, X]
    :param root: [C, X, X] Cholesky factors of their scale matrices
    :param fixed: so many, the first, stay: those about minima, and the one that began as wide as
        the range
    """

    share: FloatArray
    mean: FloatArray
    root: FloatArray
    fixed: int

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """[S, X] draws; the number of each component's is as even as can be."""
        edges = np.cumsum(self.share) / self.share.sum()
        which = np.searchsorted(edges, (np.arange(count) + rng.random()) / count)
        which = np.minimum(which, len(self.share) - 1)
        normal = rng.standard_normal((count, self.mean.shape[1]))
        stretch = np.sqrt(rng.chisquare(TAIL, count) / TAIL)
        step = np.einsum("sij,sj->si", self.root[which], normal / stretch[:, None])
        return self.mean[which] + step

    def log_parts(self, x: FloatArray) -> FloatArray:
        """[S, C] logarithm of each component's density times its share."""
        size = self.mean.shape[1]
        white = np.linalg.inv(self.root)
        precision = white.transpose(0, 2, 1) @ white
        centre = self.mean.mean(axis=0)
        apart = self.mean - centre
        # (x - m)' P (x - m) as products of matrices: nothing of S · C · X numbers is stored.
        row, column = np.triu_indices(size)
        square = precision[:, row, column] * np.where(row == column, 1.0, 2.0)
        linear = (precision @ apart[:, :, None])[:, :, 0]
        own = (linear * apart).sum(axis=1)
        distance = np.empty((len(x), len(self.mean)))
        for i in range(0, len(x), _ROWS):
            z = x[i : i + _ROWS] - centre
            distance[i : i + _ROWS] = (
                (z[:, row] * z[:, column]) @ square.T - 2.0 * z @ linear.T + own
            )
        volume = np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum(axis=1)
        constant = (
            scipy.special.gammaln(0.5 * (TAIL + size))
            - scipy.special.gammaln(0.5 * TAIL)
            - 0.5 * size * np.log(TAIL * np.pi)
        )
        tail = -0.5 * (TAIL + size) * np.log1p(np.maximum(distance, 0.0) / TAIL)
        return np.asarray(np.log(self.share) - volume + constant + tail)

    def log_density(self, x: FloatArray) -> FloatArray:
        """[S] logarithm of the density."""
        return np.asarray(scipy.special.logsumexp(self.log_parts(x), axis=1))


def sample(
    batch: Batch, data: LeastSquares, landscape: Landscape, rng: np.random.Generator, most: int
) -> WeightedDraws:
    """Draws from the posterior.

    :param batch: evaluates ``data``
    :param data: levels with the noise that the residuals show, and the prior
    :param landscape: its minima and profiles
    :param most: evaluations of ``batch``, earlier ones included, after which it ends
    """
    begin = batch.evaluations
    most = min(most, begin + MOST_SQUARES // len(data.prior) ** 2)
    minima = landscape.minima
    basins = Basins(batch, landscape.ridges, minima.x, minima.cost)
    near = minima.cost <= minima.cost.min() + NEAR
    pool = _Pool(len(data.prior))
    mixture = _first(batch, data, landscape, rng, most)
    while True:
        new = mixture.draw(max(ROUND, int(GROWTH * len(pool.x))), rng)
        cost = batch.cost(new)
        inside = np.isfinite(cost)
        parts = pool.add(mixture, len(new), new[inside], cost[inside])
        weight, mode = pool.weight(), basins.of(pool.x)
        effective = 1.0 / np.square(weight).sum()
        error = float(_error(weight, mode, len(near))[near].max())
        told = effective >= WANTED and error <= WEIGHT_ERROR
        if (told and len(pool.mixtures) > 2) or batch.evaluations >= most:
            break
        mixture = _follow(batch, data, mixture, parts, pool.x, weight)
        mixture = _levelled(mixture, basins.of(mixture.mean))
    # Ionides, 2008: weights cut at √S times their mean; what that misses vanishes as S grows.
    weight = np.minimum(weight, weight.mean() * np.sqrt(len(weight)))
    kept = weight > NEGLIGIBLE
    weight = weight[kept] / weight[kept].sum()
    return WeightedDraws(pool.x[kept], weight, mode[kept], batch.evaluations - begin, error)


def _error(weight: FloatArray, mode: IntArray, count: int) -> FloatArray:
    """[C] relative standard error of the weight of each minimum."""
    share = np.bincount(mode, weight, count)
    own = np.bincount(mode, weight**2, count)
    variance = own * (1.0 - share) ** 2 + (own.sum() - own) * share**2
    return np.sqrt(variance) / np.maximum(share, 1e-300)


def _levelled(mixture: Mixture, mode: IntArray) -> Mixture:
    """The mixture with the shares of the minima drawn together, by the square root of each: a
    minimum of little weight needs as many draws about it as one of much.

    :param mode: [C] minimum about which each component lies
    """
    of_mode = np.bincount(mode, mixture.share)
    share = mixture.share / np.sqrt(of_mode)[mode]
    return replace(mixture, share=share / share.sum())


def about_minima(
    batch: Batch, data: LeastSquares, landscape: Landscape, rng: np.random.Generator
) -> WeightedDraws:
    """Draws from the normal approximations about all minima, as many about each as its mass says;
    the levels are not evaluated at them. Modes are numbered by their masses, the largest first.
    """
    order = np.argsort(-landscape.log_mass, kind="stable")
    mass, minima = landscape.log_mass[order], landscape.minima.x[order]
    root = covariance_roots(batch, data, minima, local=np.zeros(len(minima), bool))
    share = np.exp(mass - mass.max())
    mode = rng.choice(len(share), UNWEIGHED, p=share / share.sum())
    step = rng.standard_normal((UNWEIGHED, minima.shape[1]))
    x = np.clip(minima[mode] + np.einsum("sij,sj->si", root[mode], step), data.low, data.high)
    return WeightedDraws(x, np.full(UNWEIGHED, 1.0 / UNWEIGHED), mode)


class _Pool:
    """Draws from several mixtures, weighed as if each came from all of them together."""

    def __init__(self, size: int) -> None:
        self.x = np.zeros((0, size))
        self.mixtures: list[tuple[Mixture, float]] = []
        self._cost = np.zeros(0)
        self._log_proposal = np.zeros(0)

    def add(self, mixture: Mixture, count: int, x: FloatArray, cost: FloatArray) -> FloatArray:
        """Take in those [S, X] of ``count`` draws from a mixture that lie within the range.

        :return: :meth:`Mixture.log_parts` of all draws
        """
        before = [m.log_density(x) + n for m, n in self.mixtures]
        new = np.logaddexp.reduce(np.array([np.full(len(x), -np.inf), *before]), axis=0)
        self.x, self._cost = np.concatenate([self.x, x]), np.concatenate([self._cost, cost])
        parts, log_count = mixture.log_parts(self.x), float(np.log(count))
        own = np.asarray(scipy.special.logsumexp(parts, axis=1)) + log_count
        self._log_proposal = np.logaddexp(np.concatenate([self._log_proposal, new]), own)
        self.mixtures.append((mixture, log_count))
        return parts

    def weight(self) -> FloatArray:
        """[S] normalized weights."""
        logarithm = -self._cost - self._log_proposal
        weight = np.exp(logarithm - logarithm.max(initial=-np.inf))
        return np.asarray(weight / weight.sum())


def _first(
    batch: Batch, data: LeastSquares, landscape: Landscape, rng: np.random.Generator, most: int
) -> Mixture:
    """Components about minima, profiles and tempered particles, fitted to the particles."""
    share = (most - batch.evaluations) // 2
    there = particles(batch, data, PARTICLES, batch.evaluations + share, rng)
    mixture = _about_points(batch, data, landscape, there.x)
    for _ in range(FITS):
        parts = mixture.log_parts(there.x)
        mixture = _follow(batch, data, mixture, parts, there.x, there.weight)
    return mixture


def _about_points(
    batch: Batch, data: LeastSquares, landscape: Landscape, there: FloatArray
) -> Mixture:
    """A component about each minimum, one as wide as the range that matters, and one about each
    point of profiles, descents and particles that holds some weight and lies apart from those
    before.

    :param there: [S, X] particles
    """
    minima, profiles = landscape.minima, landscape.profiles
    x = np.concatenate([minima.x, profiles.x, there])
    cost = np.concatenate([minima.cost, profiles.cost, batch.cost(there)])
    count = len(minima.x)
    root = covariance_roots(batch, data, x, local=np.arange(len(x)) >= count)
    volume = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    mass = volume - cost
    more = count + np.argsort(-mass[count:], kind="stable")
    chosen = list(range(count))
    for i in more[mass[more] > mass.max() - 8.0]:
        if len(chosen) >= count + FROM_PROFILES:
            break
        step = np.linalg.solve(root[chosen], (x[i] - x[chosen])[:, :, None])
        if (np.square(step).sum(axis=(1, 2)) > APART * len(x[i])).all():
            chosen.append(int(i))
    low, high = range_that_matters(batch, data, float(minima.cost[0]))
    middle, width = 0.5 * (low + high), (high - low) / np.sqrt(12.0)
    share = np.exp(0.5 * (mass[chosen] - mass.max()))
    share = np.insert(share / share.sum(), count, WIDE)
    mean = np.insert(x[chosen], count, middle, axis=0)
    root = np.insert(np.sqrt(INFLATED) * root[chosen], count, np.diag(width), axis=0)
    return Mixture(_defended(share), mean, root, count + 1)


def _defended(share: FloatArray) -> FloatArray:
    """Shares of which a part is spread evenly, so that no component dies out by chance."""
    return (1.0 - DEFENCE) * share / share.sum() + DEFENCE / len(share)


def _follow(
    batch: Batch,
    data: LeastSquares,
    mixture: Mixture,
    parts: FloatArray,
    x: FloatArray,
    weight: FloatArray,
) -> Mixture:
    """The mixture fitted to weighted draws, with new components at the heaviest."""
    size = x.shape[1]
    belongs = np.exp(parts - scipy.special.logsumexp(parts, axis=1, keepdims=True))
    pull = belongs * weight[:, None]
    share = pull.sum(axis=0)
    mean, root = mixture.mean.copy(), mixture.root.copy()
    for c in np.flatnonzero(share > 1e-4):
        own = pull[:, c] / share[c]
        effective = 1.0 / np.square(own).sum()
        if effective < 2.0 * size:
            continue
        centre = own @ x
        apart = x - centre
        scatter = (own[:, None] * apart).T @ apart
        old = root[c] @ root[c].T
        blend = effective / (effective + STIFF)
        root[c] = np.linalg.cholesky(blend * scatter + (1.0 - blend) * old + 1e-12 * np.eye(size))
        mean[c] = blend * centre + (1.0 - blend) * mean[c]
    kept = share > 1e-4
    kept[: mixture.fixed] = True  # a minimum that few draws have met so far
    share, mean, root = share[kept], mean[kept], root[kept]
    heavy = np.argsort(-weight)[:NEW]
    heavy = heavy[weight[heavy] > HEAVY]
    if len(heavy) and len(share) < MOST_COMPONENTS:
        new = np.sqrt(INFLATED) * covariance_roots(batch, data, x[heavy], local=True)
        own = np.minimum(np.maximum(weight[heavy], 0.01), 0.05)
        share = np.concatenate([share, own])
        mean, root = np.concatenate([mean, x[heavy]]), np.concatenate([root, new])
    return Mixture(_defended(share), mean, root, mixture.fixed)


def normal_holds(batch: Batch, data: LeastSquares, x: FloatArray, rng: np.random.Generator) -> bool:
    """Whether the normal approximation at a minimum ``x`` holds about it: draws from it, weighed by
    the posterior, must keep :data:`NORMAL` of their effective number.

    The prior of an unknown that has none is the vague one, as in the normal posterior.
    """
    root = np.linalg.cholesky(np.linalg.inv(_precision(batch, data, x)))
    normal = rng.standard_normal((SCREENING, len(x)))
    cost = batch.cost(x + normal @ root.T)
    if not np.isfinite(cost).any():
        return False
    logarithm = 0.5 * (normal**2).sum(axis=1) - cost
    weight = np.exp(logarithm - logarithm.max())
    return bool(weight.sum() ** 2 >= NORMAL * SCREENING * (weight**2).sum())


def beyond_normal(batch: Batch, data: LeastSquares, x: FloatArray, points: Points) -> bool:
    """Whether some points explain the levels nearly as well as a minimum ``x``, where the normal
    approximation about it expects that they do not: ripples of the levels that are too low to part
    minima have many of them."""
    excess = points.cost - float(batch.cost(x[None])[0])
    step = points.x - x
    expected = 0.5 * np.einsum("sx,xy,sy->s", step, _precision(batch, data, x), step)
    return bool(((excess < NEAR) & (expected > excess + TOO_SHORT)).any())


def _precision(batch: Batch, data: LeastSquares, x: FloatArray) -> FloatArray:
    """[X, X] inverse covariance of the normal posterior at ``x``, vague where there is no prior."""
    slope = batch.rows(x[None]).slope[0]
    none = np.isinf(np.broadcast_to(data.prior_width, x.shape))
    vague = np.where(none, np.broadcast_to(data.vague, x.shape) ** -2.0, 0.0)
    return np.asarray(slope.T @ slope + np.diag(vague))
