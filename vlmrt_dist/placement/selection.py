"""Choosing links by their joint information: greedy selection with exchange, D- and A-optimal.

With the rows a of a link's sensitivities in units of its noise, times the prior's width, the
links S leave of the prior N(0, 1) the covariance P = (I + A_Sᵀ A_S)⁻¹. D-optimal links maximise
ln det P⁻¹, A-optimal ones minimise the trace of P in units of ln σ. Both only need the products
a_iᵀ P a_j of links with each other (their kernel), never a matrix of K × K: the memory is some
B · T · R² numbers for B draws of the conductivities, T transmitters and R receivers of each,
whatever the number of objects. One more measured link changes the kernel by a rank-one update:
a step of Gaussian process regression, with the links as its points. A link of which several values
are measured has r rows and as many updates; its worth is ln det (I + A P Aᵀ), or the trace of
(I + A P Aᵀ)⁻¹ A P W² P Aᵀ, of its own r × r blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.placement.candidates import MAX_KERNEL, CandidatePool
from vlmrt_dist.placement.sensitivities import (
    Design,
    Rows,
    compact,
    dense,
    of_conductivities,
)
from vlmrt_dist.progress import Progress

Criterion = Literal["D", "A"]
LinkChoice = list[tuple[int, list[int]]]
"""Transmitters of a pool, each with the receivers chosen for it."""

MOST_FACTORS = 64
"""Unknowns up to which rows are kept instead of their products, where a link has several."""

MAX_SWEEPS = 20
"""Most rounds of exchange; it ends before that when no exchange helps."""

POLISHED = 3
"""Number of the best transmitters whose receivers are exchanged too before one is taken."""

LEAST_GAIN = 1e-9
"""An exchange has to gain more than this share, or rounding would exchange for ever."""


@dataclass(frozen=True, eq=False)
class _Step:
    """One more measured row of each transmitter: columns of the kernels as it was measured.

    :param k: [B, T, R · r] a_iᵀ P a_n
    :param q: [B, T, R · r] a_iᵀ P W² P a_n (zeros where D-optimal links are sought)
    :param left: [B, T] 1 + a_nᵀ P a_n
    :param own: [B, T] a_nᵀ P W² P a_n
    """

    k: FloatArray
    q: FloatArray
    left: FloatArray
    own: FloatArray


class _Stored(NamedTuple):
    """Products of the rows of each transmitter with each other, all of them.

    :param values: [B, T, n, n]
    """

    values: FloatArray

    def of(self, which: IntArray | list[int]) -> _Stored:
        """Those of some transmitters."""
        return _Stored(self.values[:, which])

    def columns(self, row: IntArray) -> FloatArray:
        """[B, T, n] products with a ``row`` [T] of each transmitter."""
        # NumPy puts the indexed axis first.
        return self.values[:, np.arange(len(row)), :, row].swapaxes(0, 1)

    def own_blocks(self, per_link: int) -> FloatArray:
        """[B, T, R, r, r] products of each link's rows with each other."""
        count = self.values.shape[-1] // per_link
        parts = self.values.reshape(*self.values.shape[:2], count, per_link, count, per_link)
        return np.moveaxis(np.diagonal(parts, axis1=2, axis2=4), -1, 2).copy()


class _Factors(NamedTuple):
    """The same from what is multiplied, where that is less: few unknowns and many rows.

    :param values: [B, T, n, Y]
    """

    values: FloatArray

    def of(self, which: IntArray | list[int]) -> _Factors:
        """Those of some transmitters."""
        return _Factors(self.values[:, which])

    def columns(self, row: IntArray) -> FloatArray:
        """[B, T, n] products with a ``row`` [T] of each transmitter."""
        own = self.values[:, np.arange(len(row)), row]
        return np.asarray((self.values @ own[..., None])[..., 0])

    def own_blocks(self, per_link: int) -> FloatArray:
        """[B, T, R, r, r] products of each link's rows with each other."""
        shape = self.values.shape
        parts = self.values.reshape(*shape[:2], -1, per_link, shape[-1])
        return np.asarray(parts @ parts.swapaxes(-1, -2))


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Kernels of the rows of each transmitter with each other, given what is measured already.

    :param k: a_iᵀ P a_j of R · r rows
    :param q: a_iᵀ P W² P a_j with the weights W of the trace (A-optimal only)
    :param steps: rows measured since, which the kernels do not contain
    :param k_diagonal: [B, T, R, r, r] their blocks of single links, which contain them
    :param q_diagonal: [B, T, R, r, r]
    """

    k: _Stored | _Factors
    q: _Stored | _Factors | None
    k_diagonal: FloatArray
    q_diagonal: FloatArray | None
    steps: tuple[_Step, ...] = ()

    @classmethod
    def fresh(cls, k: _Stored | _Factors, q: _Stored | _Factors | None, per_link: int) -> _Blocks:
        return cls(k, q, k.own_blocks(per_link), None if q is None else q.own_blocks(per_link))

    @property
    def per_link(self) -> int:
        """r"""
        return self.k_diagonal.shape[-1]

    def of(self, which: IntArray | list[int]) -> _Blocks:
        q = None if self.q is None else self.q.of(which)
        return _Blocks.fresh(self.k.of(which), q, self.per_link)

    def gain(self) -> FloatArray:
        """[T, R] gain of the criterion by each link, averaged over the draws."""
        if self.per_link > 1:
            left = np.eye(self.per_link) + self.k_diagonal
            if self.q_diagonal is None:
                return np.asarray(np.linalg.slogdet(left)[1].mean(0))
            shrunk = np.linalg.solve(left, self.q_diagonal)
            return np.asarray(np.trace(shrunk, axis1=-2, axis2=-1).mean(0))
        left = 1.0 + self.k_diagonal[..., 0, 0]
        if self.q_diagonal is None:
            return np.asarray(np.log(left).mean(0))
        return np.asarray((self.q_diagonal[..., 0, 0] / left).mean(0))

    def after(self, receiver: IntArray) -> _Blocks:
        """The kernels once each transmitter's ``receiver`` [T] is measured."""
        found = self
        for i in range(self.per_link):
            found = found._after_row(receiver * self.per_link + i)
        return found

    def _after_row(self, row: IntArray) -> _Blocks:
        """The kernels once a ``row`` [T] of each transmitter is measured."""
        t = np.arange(len(row))
        k = self.k.columns(row)
        for step in self.steps:
            k = k - step.k * (step.k[:, t, row] / step.left)[..., None]
        left = 1.0 + k[:, t, row]
        shape = (*k.shape[:2], -1, self.per_link)
        own_k = k.reshape(shape)
        scale = left[..., None, None, None]
        k_diagonal = self.k_diagonal - _outer(own_k, own_k) / scale
        if self.q is None or self.q_diagonal is None:
            step = _Step(k, np.zeros(0), left, np.zeros(0))
            return _Blocks(self.k, None, k_diagonal, None, (*self.steps, step))
        q = self.q.columns(row)
        for step in self.steps:
            k_n, q_n = step.k[:, t, row] / step.left, step.q[:, t, row] / step.left
            q = q - step.k * (q_n - k_n * step.own / step.left)[..., None] - step.q * k_n[..., None]
        own = q[:, t, row]
        share, own_q = (k / left[..., None]).reshape(shape), q.reshape(shape)
        mixed = _outer(share, own_q) + _outer(own_q, share)
        more = _outer(share, share) * own[..., None, None, None]
        step = _Step(k, q, left, own)
        q_diagonal = self.q_diagonal - mixed + more
        return _Blocks(self.k, self.q, k_diagonal, q_diagonal, (*self.steps, step))


class DesignInformation:
    """The value of choices from a pool, by a criterion of optimal design.

    :param pool: candidates and their Jacobians
    :param criterion: "D" or "A"
    :param design: noise and prior; what is measured is as in the pool's
    :param given: for each draw, the rows [G, Y] of links measured already, in units of their noise
    :param objects: [K] weight of each conductivity's variance in the trace (A); default: those that
        any candidate sees
    :raises CampaignError: if the pool is too large
    :raises ConfigurationError: if the pool was traced for another measurement
    """

    def __init__(
        self,
        pool: CandidatePool,
        criterion: Criterion,
        design: Design,
        given: tuple[sp.csr_matrix, ...] | None = None,
        objects: FloatArray | None = None,
    ) -> None:
        pool.check(design)
        tx, rx = pool.heard.shape
        few = len(pool.free) * len(design.quantities) <= MOST_FACTORS
        self._factored = pool.per_link > 1 and few
        size = len(pool.jacobians) * tx * (rx * pool.per_link) ** 2
        if size > MAX_KERNEL and not self._factored:
            raise CampaignError(
                f"a pool of {tx} transmitters with {rx} receivers at {len(pool.jacobians)} draws "
                "of the conductivities is too large; take fewer receivers or draws"
            )
        self.pool, self.criterion = pool, criterion
        width = design.widths(len(pool.free))
        of_objects = np.ones(len(pool.free)) if objects is None else objects
        weight = width * of_conductivities(of_objects, len(width))
        noise = design.noise
        self._rows = _scaled(pool.jacobians, width / noise)
        self._given = None if given is None else _scaled(given, width)
        self._heavy, self._heavy_given = self._rows, self._given
        self._weight = weight
        if self._factored:
            return
        blocks, second = _Stored(np.stack([self._gram(rows) for rows in self._rows])), None
        if criterion == "A":
            self._heavy = _scaled(pool.jacobians, width * weight / noise)
            self._heavy_given = None if given is None else _scaled(given, width * weight)
            second = _Stored(np.stack([self._gram(rows) for rows in self._heavy]))
        self._prior = _Blocks.fresh(blocks, second, pool.per_link)

    @property
    def _rows_a_tx(self) -> int:
        """R · r"""
        return int(self.pool.heard.shape[1]) * self.pool.per_link

    def _gram(self, rows: Rows) -> FloatArray:
        tx, rx = len(self.pool.heard), self._rows_a_tx
        parts = [rows[t * rx : (t + 1) * rx] for t in range(tx)]
        return np.stack([dense(p @ p.T) for p in parts])

    def _conditioned(self, choice: LinkChoice, which: list[int]) -> _Blocks:
        """The kernels of the transmitters ``which`` once ``choice`` is measured."""
        if self._factored:
            return self._conditioned_factors(choice, which)
        prior = self._prior.of(which)
        if not choice and self._given is None:
            return prior
        links = self.pool.rows_of(self.pool.links(choice))
        rx = self._rows_a_tx
        columns = (np.array(which)[:, None] * rx + np.arange(rx)).ravel()
        own_k, own_q = prior.k.values, None if prior.q is None else prior.q.values
        k = np.empty_like(own_k)
        q = None if own_q is None else np.empty_like(own_q)
        for b, rows in enumerate(self._rows):
            measured = _below(self._given, b, rows[links])
            gram = np.eye(measured.shape[0]) + dense(measured @ measured.T)
            cross = dense(measured @ rows[columns].T)  # [n, which · R]
            seen = _by_tx(np.asarray(np.linalg.solve(gram, cross), np.float64), rx)
            k[b] = own_k[b] - _by_tx(cross, rx).swapaxes(1, 2) @ seen
            if q is not None and own_q is not None:
                heavy = _below(self._heavy_given, b, self._heavy[b][links])
                second = _by_tx(dense(heavy @ self._heavy[b][columns].T), rx)
                mixed = seen.swapaxes(1, 2) @ second
                square = seen.swapaxes(1, 2) @ (dense(heavy @ heavy.T) @ seen)
                q[b] = own_q[b] - mixed - mixed.swapaxes(1, 2) + square
        return _Blocks.fresh(_Stored(k), None if q is None else _Stored(q), prior.per_link)

    def _conditioned_factors(self, choice: LinkChoice, which: list[int]) -> _Blocks:
        """The same where products are not stored: rows times a root of P, and times P W."""
        links = self.pool.rows_of(self.pool.links(choice))
        size = self._rows_a_tx
        columns = (np.array(which)[:, None] * size + np.arange(size)).ravel()
        k, q = [], []
        for b, rows in enumerate(self._rows):
            measured = dense(_below(self._given, b, rows[links]))
            _, strength, basis = np.linalg.svd(measured, full_matrices=False)
            # P = (I + Aᵀ A)⁻¹ differs from I along what A sees.
            less = (basis.T * (1.0 - 1.0 / np.sqrt(1.0 + strength**2))) @ basis
            root = np.eye(len(less)) - less
            own = dense(rows[columns]) @ root
            k.append(own)
            q.append(own @ (root * self._weight))
        shape = len(self._rows), len(which), size, -1
        second = _Factors(np.reshape(q, shape)) if self.criterion == "A" else None
        return _Blocks.fresh(_Factors(np.reshape(k, shape)), second, self.pool.per_link)

    def value(self, choice: LinkChoice) -> float:
        """ln det of the information, or minus the trace of the covariance, beyond what the prior
        and the links measured already give; averaged over the draws."""
        total = 0.0
        for m, (t, receivers) in enumerate(choice):
            part = self._conditioned(choice[:m], [t])
            for n in receivers:
                total += float(part.gain()[0, n])
                part = part.after(np.array([n]))
        return total

    def best_group(
        self, rest: LinkChoice, allowed: list[int], count: int
    ) -> tuple[float, tuple[int, list[int]]]:
        """The best transmitter of ``allowed`` with ``count`` receivers, given ``rest``.

        Every transmitter's receivers are chosen greedily; those of the best few are then exchanged
        one by one until none can be replaced by a better one.

        :return: gain of the criterion, and the choice
        """
        some = self._conditioned(rest, allowed)
        receivers, gain = self._greedy(some, self.pool.heard[allowed], count)
        best: tuple[float, tuple[int, list[int]]] = (-np.inf, (-1, []))
        for i in np.argsort(-gain, kind="stable")[:POLISHED]:
            value, chosen = self._polish(
                some.of([i]), self.pool.heard[allowed[i]], receivers[i].tolist(), float(gain[i])
            )
            if value > best[0]:
                best = value, (allowed[i], chosen)
        return best

    def better_receivers(
        self, rest: LinkChoice, group: tuple[int, list[int]]
    ) -> tuple[float, tuple[int, list[int]]]:
        """``group`` after exchanges of single receivers, and its gain given ``rest``."""
        block = self._conditioned(rest, [group[0]])
        value, part = 0.0, block
        for n in group[1]:
            value += float(part.gain()[0, n])
            part = part.after(np.array([n]))
        value, chosen = self._polish(block, self.pool.heard[group[0]], list(group[1]), value)
        return value, (group[0], chosen)

    @staticmethod
    def _greedy(blocks: _Blocks, heard: BoolArray, count: int) -> tuple[IntArray, FloatArray]:
        """[T, count] receivers of each transmitter, and their gain [T] (-inf: too few hear it)."""
        free, total = heard.copy(), np.zeros(len(heard))
        chosen = np.zeros((len(heard), count), np.int64)
        row = np.arange(len(heard))
        for i in range(count):
            gain = np.where(free, blocks.gain(), -np.inf)
            chosen[:, i] = gain.argmax(1)
            total += gain.max(1)
            free[row, chosen[:, i]] = False
            blocks = blocks.after(chosen[:, i])
        return chosen, total

    @staticmethod
    def _polish(
        block: _Blocks, heard: BoolArray, chosen: list[int], value: float
    ) -> tuple[float, list[int]]:
        """Exchange single receivers of one transmitter while that gains anything."""
        for _ in range(MAX_SWEEPS):
            before = value
            for i in range(len(chosen)):
                others, part, base = [n for n in chosen if n != chosen[i]], block, 0.0
                for n in others:
                    base += float(part.gain()[0, n])
                    part = part.after(np.array([n]))
                gain = np.where(heard, part.gain()[0], -np.inf)
                gain[others] = -np.inf
                best = int(gain.argmax())
                if base + gain[best] > value + LEAST_GAIN * abs(value):
                    chosen = [*chosen[:i], best, *chosen[i + 1 :]]
                    value = base + float(gain[best])
            if value <= before:
                break
        return value, chosen


def select(
    information: DesignInformation,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    num_restarts: int = 4,
    start: LinkChoice | None = None,
    progress: Progress | None = None,
) -> LinkChoice:
    """M transmitters with N receivers each: greedy, then exchange of whole transmitter groups and
    of single receivers until none helps; from several starts, the best of which is kept.

    :param num_restarts: starts; the first is greedy, further ones begin at random transmitters
    :param start: a choice to begin the first one at instead
    :raises CampaignError: if too few candidate transmitters reach enough receivers
    """
    heard = information.pool.heard
    able = [t for t in range(len(heard)) if heard[t].sum() >= num_receivers]
    if len(able) < num_setups:
        raise CampaignError(
            f"only {len(able)} of {len(heard)} candidate transmitters reach {num_receivers} "
            "receivers; enlarge the pool, or ask for fewer receivers"
        )
    rng = np.random.default_rng([seed, 2])
    best: tuple[float, LinkChoice] = (-np.inf, [])
    for restart in range(max(num_restarts, 1)):
        if restart:
            first = rng.choice(able, num_setups, replace=False).tolist()
            choice: LinkChoice = []
            for t in first:
                choice.append(information.best_group(choice, [t], num_receivers)[1])
        elif start is not None:
            choice = [(t, list(rx)) for t, rx in start]
        else:
            choice = []
            for _ in range(num_setups):
                left = [t for t in able if t not in [c for c, _ in choice]]
                choice.append(information.best_group(choice, left, num_receivers)[1])
        value, choice = _exchanged(information, choice, able)
        if value > best[0] + LEAST_GAIN * abs(value):
            best = value, choice
        if progress is not None:
            progress("choose", restart + 1, num_restarts)
    return best[1]


def _exchanged(
    information: DesignInformation, choice: LinkChoice, able: list[int]
) -> tuple[float, LinkChoice]:
    """``choice`` after exchanges of transmitter groups, each with its best receivers."""
    value = information.value(choice)
    for _ in range(MAX_SWEEPS):
        before = value
        for m in range(len(choice)):
            rest = [c for i, c in enumerate(choice) if i != m]
            taken = {t for t, _ in rest}
            left = [t for t in able if t not in taken]
            base = information.value(rest)
            for gain, group in (
                information.better_receivers(rest, choice[m]),
                information.best_group(rest, left, len(choice[m][1])),
            ):
                if base + gain > value + LEAST_GAIN * abs(value):
                    value, choice = base + gain, [*choice[:m], group, *choice[m + 1 :]]
        if value <= before + LEAST_GAIN * abs(value):
            break
    return value, choice


def _scaled(rows: Sequence[sp.csr_matrix], columns: FloatArray) -> list[Rows]:
    """Rows [n, Y] of each draw, their columns multiplied by ``columns`` [Y]."""
    return compact([(r @ sp.diags(columns)).tocsr() for r in rows])


def _below(first: list[Rows] | None, draw: int, second: Rows) -> Rows:
    """The rows of a draw, if there are any, and below them ``second``."""
    if first is None:
        return second
    above = first[draw]
    if isinstance(above, np.ndarray) and isinstance(second, np.ndarray):
        return np.concatenate([above, second])
    return sp.vstack([above, second]).tocsr()


def _by_tx(x: FloatArray, rx: int) -> FloatArray:
    """[n, T · R] as [T, n, R]."""
    return x.reshape(len(x), -1, rx).swapaxes(0, 1)


def _outer(one: FloatArray, other: FloatArray) -> FloatArray:
    """[..., r, r] products of the entries of two arrays [..., r]."""
    return np.asarray(one[..., :, None] * other[..., None, :])
