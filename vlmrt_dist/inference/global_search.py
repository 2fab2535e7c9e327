"""Search for the minima of a fit over the whole range of the unknowns.

The level of a link is not monotonic in a conductivity: a wall of metal reflects as a weak
dielectric may; a slab is transparent at every multiple of half a wavelength. So a fit has minima
that lie orders of magnitude apart. The search walks from a minimum along each unknown to both ends
of the range that the prior leaves possible, while the others follow (a profile), and descends from
the minima of the profiles and from points that fill the prior evenly. It does so again from every
minimum that it finds, until there are no new ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats.qmc

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.inference.batches import Batch, descend, linear_minimum
from vlmrt_dist.inference.least_squares import LeastSquares
from vlmrt_dist.inference.ridges import SAME, WAY, Ridges, ways_between

KEPT = 6.0
"""Minima whose cost exceeds the best one's by more are forgotten: e^-6 of its probability."""

FOLLOWING = 2
"""Steps that the other unknowns take at each value of a profile, from where they were before."""

MOST_POINTS = 48
"""Most values of a profile to each side."""

DESCENT = 40
"""Most steps of a descent from a start."""

HOPELESS = 40.0
"""A start is left alone whose cost exceeds three times the best one, and this."""

MOST_STARTS = 24
"""Most descents that start from one set of profiles, the promising first."""

SCATTERED = 8
"""Starts that are spread over the prior; four times as many where the fit is not explained."""

MANY, MOST_POINTS_OF_MANY = 16, 4
"""With more unknowns, profiles have so many values to each side, start from the best minimum alone,
and half as many descents start from them."""

MOST_SCANNED = 10
"""Most minima that profiles start from."""

SCANNED = 3.0
"""Of these, those within this of the best one are searched from."""

DETOURS = 2
"""Minima to which a way on which the other unknowns follow is tried, if a straight one does not
lead there."""


@dataclass(frozen=True, eq=False)
class Points:
    """Parameter vectors with their costs.

    :param x: [S, X]
    :param cost: [S] half the sum of squared residuals, prior included
    """

    x: FloatArray
    cost: FloatArray


@dataclass(frozen=True, eq=False)
class Landscape:
    """Minima and profiles that a search has found.

    :param minima: the distinct minima, the best first
    :param profiles: points of the profiles, and ends of descents, that are not hopeless
    :param log_mass: [S] logarithm of the probability about each minimum by the normal approximation
        there, up to a constant
    :param begin: cost of the minimum that the search began at
    :param complete: False: the evaluations were used up before the search was through
    :param ridges: between the minima, as far as they are known
    """

    minima: Points
    profiles: Points
    log_mass: FloatArray
    begin: float
    complete: bool
    ridges: Ridges


def explore(
    batch: Batch, data: LeastSquares, x: FloatArray, most: int, *, scattered: int = SCATTERED
) -> Landscape:
    """The minima of a fit, found from one of them.

    :param batch: evaluates ``data``
    :param x: [X] a minimum
    :param most: evaluations of ``batch``, earlier ones included, after which it ends
    :param scattered: starts that are spread over the prior
    """
    cost = float(batch.cost(x[None])[0])
    minima, ridges = Points(x[None], np.array([cost])), Ridges(data)
    scanned: list[FloatArray] = []
    walked: list[Points] = []
    starts = _spread(data, batch, cost, scattered)
    complete = True
    many = len(x) > MANY
    while len(scanned) < (1 if many else MOST_SCANNED):
        waiting = [
            i for i in range(len(minima.x))
            if minima.cost[i] <= minima.cost[0] + SCANNED
            and not any(np.array_equal(minima.x[i], z) for z in scanned)
        ]  # fmt: skip
        if not waiting:
            break
        if batch.evaluations >= most:
            complete = False
            break
        here = minima.x[waiting[0]]
        scanned.append(here)
        rows = _profiles(batch, data, here, float(minima.cost[0]), most)
        walked += rows
        low = [_lowest(row) for row in rows]
        there = np.concatenate([starts, *low])
        starts = np.zeros((0, len(x)))
        costs = batch.cost(there)
        order = np.argsort(costs, kind="stable")[: MOST_STARTS // 2 if many else MOST_STARTS]
        order = order[costs[order] < 3.0 * minima.cost[0] + HOPELESS]
        if not len(order):
            continue
        ended = descend(batch, there[order], DESCENT, hopeless=minima.cost[0] + 3.0 * KEPT)
        walked.append(Points(ended.x, ended.cost))
        minima = distinct(batch, ridges, _joined(minima, Points(ended.x, ended.cost)))
    points = _joined(*walked) if walked else minima
    near = points.cost <= minima.cost[0] + KEPT
    root = covariance_roots(batch, data, minima.x)
    mass = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) - minima.cost
    profiles = Points(points.x[near], points.cost[near])
    return Landscape(minima, profiles, mass, cost, complete, ridges)


def covariance_roots(
    batch: Batch, data: LeastSquares, x: FloatArray, *, local: BoolArray | bool = False
) -> FloatArray:
    """[S, X, X] Cholesky factors of the covariances that the levels' slopes at points [S, X] say,
    within the range searched; where ``local``, no wider than the spacing of a search."""
    size = x.shape[1]
    slope = batch.rows(x).slope
    spread = (batch.high - batch.low) / np.sqrt(12.0)
    spacing = np.broadcast_to(data.spacing, size)
    narrow = np.minimum(spread, np.where(np.isinf(spacing), spread, spacing))
    near = np.broadcast_to(local, len(x))[:, None]
    normal = slope.transpose(0, 2, 1) @ slope
    normal[:, np.arange(size), np.arange(size)] += np.where(near, narrow, spread) ** -2.0
    return np.linalg.cholesky(np.linalg.inv(normal))


def suspicious(batch: Batch, data: LeastSquares, x: FloatArray) -> bool:
    """Whether there may be another minimum, or a plateau, within the noise of a minimum ``x``.

    One evaluation at each point of every unknown's profile, where the others are put as the normal
    approximation at ``x`` says: if the levels, taken as linear there, promise a cost near the
    present one, and one far below what the normal approximation expects, there may be.
    """
    here = batch.rows(x[None])
    cost = float(here.cost[0])
    low, high = range_that_matters(batch, data, cost)
    size = len(x)
    spread = (batch.high - batch.low) / np.sqrt(12.0)
    slope = here.slope[0]
    covariance = np.linalg.inv(slope.T @ slope + np.diag(spread**-2.0))
    spacing = np.broadcast_to(data.spacing, size)
    points, unknown = [], []
    for k in np.flatnonzero(np.isfinite(spacing)):
        step = max(float(spacing[k]), float(high[k] - low[k]) / _most_points(size))
        values = np.concatenate([
            np.arange(x[k] - step, low[k], -step), np.arange(x[k] + step, high[k], step)
        ])  # fmt: skip
        shift = covariance[:, k] / covariance[k, k]
        points.append(np.clip(x + shift * (values - x[k])[:, None], batch.low, batch.high))
        points[-1][:, k] = values
        unknown.append(np.full(len(values), k))
    if not points or not sum(map(len, points)):
        return False
    there, index = np.concatenate(points), np.concatenate(unknown)
    rows = batch.rows(there)
    held = np.arange(size) == index[:, None]
    floor = linear_minimum(batch, there, rows.residual, rows.slope, held) - cost
    variance = covariance[index, index]
    expected = (there[np.arange(len(there)), index] - x[index]) ** 2 / (2.0 * variance)
    return bool(((floor < KEPT) & (floor < 0.5 * expected - 1.0)).any())


def range_that_matters(
    batch: Batch, data: LeastSquares, cost: float
) -> tuple[FloatArray, FloatArray]:
    """[X] ends of the range in which a minimum can lie that matters: beyond, the prior alone costs
    more than the present minimum and :data:`KEPT`."""
    # χ² of L links and X unknowns is hardly below L - X - 2 √(2 L) anywhere.
    links = float(data.used.sum())
    least = 0.5 * max(links - len(data.prior) - 2.0 * np.sqrt(2.0 * links), 0.0)
    reach = data.prior_term.reach(max(cost - least, 0.0) + KEPT)
    return np.maximum(batch.low, data.prior - reach), np.minimum(batch.high, data.prior + reach)


def _most_points(size: int) -> int:
    """Most values of a profile to each side."""
    return MOST_POINTS_OF_MANY if size > MANY else MOST_POINTS


def _spread(data: LeastSquares, batch: Batch, cost: float, count: int) -> FloatArray:
    """[S, X] points that fill the prior, cut to the range that matters, evenly."""
    size = len(data.prior)
    if count == 0:
        return np.zeros((0, size))
    low, high = range_that_matters(batch, data, cost)
    share = scipy.stats.qmc.Sobol(size, seed=0).random(count)
    flat = low + share * (high - low)
    width = np.broadcast_to(data.prior_width, size)
    normal = data.prior + np.where(np.isinf(width), 0.0, width) * scipy.stats.norm.ppf(
        np.clip(share, 1e-6, 1.0 - 1e-6)
    )
    # Unknowns that levels are linear in are found from anywhere.
    linear = np.isinf(np.broadcast_to(data.spacing, size))
    found = np.where(np.isinf(width), flat, np.clip(normal, low, high))
    return np.where(linear, data.prior, found)


def _profiles(
    batch: Batch, data: LeastSquares, x: FloatArray, cost: float, most: int
) -> list[Points]:
    """A profile along each unknown, ordered by its value, the minimum ``x`` among its points.

    All unknowns and both sides take their steps together.
    """
    low, high = range_that_matters(batch, data, cost)
    spacing = np.broadcast_to(data.spacing, x.shape)
    walks = [(k, side) for k in range(len(x)) for side in (-1.0, 1.0) if np.isfinite(spacing[k])]
    unknown = np.array([k for k, _ in walks], int)
    side = np.array([s for _, s in walks])
    far = np.where(side < 0.0, x[unknown] - low[unknown], high[unknown] - x[unknown])
    step = np.maximum(spacing[unknown], far / _most_points(len(x)))
    count = np.maximum(np.floor(far / step), 0.0).astype(int)
    here = np.repeat(x[None], len(walks), axis=0)
    found: list[list[tuple[FloatArray, float]]] = [[] for _ in walks]
    for i in range(1, int(count.max(initial=0)) + 1):
        at = np.flatnonzero(count >= i)
        if batch.evaluations >= most:
            break
        begin = here[at].copy()
        begin[np.arange(len(at)), unknown[at]] = x[unknown[at]] + side[at] * i * step[at]
        held = np.zeros(begin.shape, bool)
        held[np.arange(len(at)), unknown[at]] = True
        ended = descend(batch, begin, FOLLOWING, held=held)
        finite = np.isfinite(ended.cost)
        here[at[finite]] = ended.x[finite]
        for j, walk in enumerate(at):
            found[walk].append((ended.x[j], float(ended.cost[j])))
    start = float(batch.cost(x[None])[0])
    return [_row(found[i], found[i + 1], x, start) for i in range(0, len(walks), 2)]


def _row(
    below: list[tuple[FloatArray, float]],
    above: list[tuple[FloatArray, float]],
    x: FloatArray,
    cost: float,
) -> Points:
    row = [*below[::-1], (x, cost), *above]
    return Points(np.array([z for z, _ in row]), np.array([c for _, c in row]))


def _lowest(row: Points) -> FloatArray:
    """[S, X] points of a profile that are lower than their neighbours."""
    padded = np.concatenate([[np.inf], row.cost, [np.inf]])
    here = np.isfinite(row.cost) & (row.cost <= padded[:-2]) & (row.cost <= padded[2:])
    return row.x[here]


def _joined(*points: Points) -> Points:
    return Points(np.concatenate([p.x for p in points]), np.concatenate([p.cost for p in points]))


def distinct(batch: Batch, ridges: Ridges, points: Points) -> Points:
    """Minima that are apart, the best first; of each, its lowest point.

    :param batch: evaluates the problem
    :param ridges: of the problem
    """
    order = np.argsort(points.cost, kind="stable")
    order = order[points.cost[order] <= points.cost[order[0]] + KEPT]
    rows = batch.rows(points.x[order])
    curvature = rows.slope.transpose(0, 2, 1) @ rows.slope
    kept: list[int] = []
    for place, i in enumerate(order):
        x, cost = points.x[i], float(points.cost[i])
        there = points.x[order[kept]]
        apart = np.einsum("px,pxy,py->p", x - there, curvature[kept], x - there) / 2.0
        if not (apart < SAME).any() and not _joined_up(batch, ridges, x, there, cost):
            kept.append(place)
    return Points(points.x[order[kept]], points.cost[order[kept]])


def _joined_up(
    batch: Batch, ridges: Ridges, x: FloatArray, others: FloatArray, cost: float
) -> bool:
    """Whether a way without a ridge leads from a minimum [X] to one of others [P, X]."""
    known = [ridges.known(x, z) for z in others]
    if any(ridge is not None and ridge.same for ridge in known):
        return True
    others = others[[i for i, ridge in enumerate(known) if ridge is None]]
    if not len(others):
        return False
    here = np.broadcast_to(x, others.shape)
    ways = batch.cost(ways_between(here, others).reshape(-1, len(x)))
    height = ways.reshape(len(others), WAY).max(axis=1) - cost
    if (height <= SAME).any():
        return True
    near = others[np.argsort(height, kind="stable")[:DETOURS]]
    higher = np.full(len(near), cost)
    return any(r.same for r in ridges.between(batch, here[: len(near)], near, higher))
