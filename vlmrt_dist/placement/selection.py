"""Choosing links by their joint information: greedy selection with exchange, D- and A-optimal.

With the rows a of a link's sensitivities in units of its noise, times the prior's width, the
links S leave of the prior N(0, 1) the covariance P = (I + A_Sᵀ A_S)⁻¹. D-optimal links maximise
ln det P⁻¹, A-optimal ones minimise the trace of P in units of ln σ. Both only need the products
a_iᵀ P a_j of links with each other (their kernel), never a matrix of K × K: the memory is some
B · T · R² numbers for B draws of the conductivities, T transmitters and R receivers of each,
whatever the number of objects. One more measured link changes the kernel by a rank-one update:
a step of Gaussian process regression, with the links as its points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement.candidates import CandidatePool, Rows, compact, dense
from vlmrt_dist.progress import Progress

Criterion = Literal["D", "A"]
LinkChoice = list[tuple[int, list[int]]]
"""Transmitters of a pool, each with the receivers chosen for it."""

MAX_KERNEL = 20_000_000
"""Most numbers B · T · R² of the kernel (160 MB); about five such arrays live at a time, and a
larger pool is refused."""

MAX_SWEEPS = 20
"""Most rounds of exchange; it ends before that when no exchange helps."""

POLISHED = 3
"""Number of the best transmitters whose receivers are exchanged too before one is taken."""

LEAST_GAIN = 1e-9
"""An exchange has to gain more than this share, or rounding would exchange for ever."""


@dataclass(frozen=True, eq=False)
class _Step:
    """One more measured link of each transmitter: columns of the kernels as it was measured.

    :param k: [B, T, R] a_iᵀ P a_n
    :param q: [B, T, R] a_iᵀ P W² P a_n (zeros where D-optimal links are sought)
    :param left: [B, T] 1 + a_nᵀ P a_n
    :param own: [B, T] a_nᵀ P W² P a_n
    """

    k: FloatArray
    q: FloatArray
    left: FloatArray
    own: FloatArray


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Kernels of the links of each transmitter with each other, given what is measured already.

    :param k: [B, T, R, R] a_iᵀ P a_j
    :param q: [B, T, R, R] a_iᵀ P W² P a_j with the weights W of the trace (A-optimal only)
    :param steps: links measured since, which the arrays above do not contain
    :param k_diagonal: [B, T, R] their diagonals, which contain them
    :param q_diagonal: [B, T, R]
    """

    k: FloatArray
    q: FloatArray | None
    k_diagonal: FloatArray
    q_diagonal: FloatArray | None
    steps: tuple[_Step, ...] = ()

    @classmethod
    def fresh(cls, k: FloatArray, q: FloatArray | None) -> _Blocks:
        return cls(k, q, _diagonal(k), None if q is None else _diagonal(q))

    def of(self, which: IntArray | list[int]) -> _Blocks:
        return _Blocks.fresh(self.k[:, which], None if self.q is None else self.q[:, which])

    def gain(self) -> FloatArray:
        """[T, R] gain of the criterion by each link, averaged over the draws."""
        left = 1.0 + self.k_diagonal
        if self.q_diagonal is None:
            return np.asarray(np.log(left).mean(0))
        return np.asarray((self.q_diagonal / left).mean(0))

    def after(self, receiver: IntArray) -> _Blocks:
        """The kernels once each transmitter's ``receiver`` [T] is measured."""
        t = np.arange(len(receiver))
        k = self.k[:, t, :, receiver].swapaxes(0, 1)  # NumPy puts the indexed axis first
        for step in self.steps:
            k = k - step.k * (step.k[:, t, receiver] / step.left)[..., None]
        left = 1.0 + k[:, t, receiver]
        k_diagonal = self.k_diagonal - k**2 / left[..., None]
        if self.q is None or self.q_diagonal is None:
            step = _Step(k, np.zeros(0), left, np.zeros(0))
            return _Blocks(self.k, None, k_diagonal, None, (*self.steps, step))
        q = self.q[:, t, :, receiver].swapaxes(0, 1)
        for step in self.steps:
            k_n, q_n = step.k[:, t, receiver] / step.left, step.q[:, t, receiver] / step.left
            q = q - step.k * (q_n - k_n * step.own / step.left)[..., None] - step.q * k_n[..., None]
        own = q[:, t, receiver]
        share = k / left[..., None]
        q_diagonal = self.q_diagonal - 2.0 * share * q + share**2 * own[..., None]
        step = _Step(k, q, left, own)
        return _Blocks(self.k, self.q, k_diagonal, q_diagonal, (*self.steps, step))


class DesignInformation:
    """The value of choices from a pool, by a criterion of optimal design.

    :param pool: candidates and their Jacobians
    :param criterion: "D" or "A"
    :param noise_db: standard deviation of a level [dB]
    :param prior_width: standard deviation of ln σ before the measurement, one or [K]
    :param given: for each draw, the rows [G, K] of links measured already, in units of their noise
    :param objects: [K] weight of each object's variance in the trace (A); default: those that any
        candidate sees
    :raises CampaignError: if the pool is too large
    """

    def __init__(
        self,
        pool: CandidatePool,
        criterion: Criterion,
        noise_db: float,
        prior_width: float | FloatArray,
        given: tuple[sp.csr_matrix, ...] | None = None,
        objects: FloatArray | None = None,
    ) -> None:
        if not 0.0 < noise_db < np.inf:
            raise ConfigurationError("noise_db must be positive and finite")
        tx, rx = pool.heard.shape
        if len(pool.jacobians) * tx * rx * rx > MAX_KERNEL:
            raise CampaignError(
                f"a pool of {tx} transmitters with {rx} receivers at {len(pool.jacobians)} draws "
                "of the conductivities is too large; take fewer receivers or draws"
            )
        self.pool, self.criterion = pool, criterion
        width = np.broadcast_to(prior_width, pool.free.shape)
        weight = width if objects is None else width * objects
        self._rows = _scaled(pool.jacobians, width / noise_db)
        self._given = None if given is None else _scaled(given, width)
        blocks = np.stack([self._gram(rows) for rows in self._rows])
        second, self._heavy, self._heavy_given = None, self._rows, self._given
        if criterion == "A":
            self._heavy = _scaled(pool.jacobians, width * weight / noise_db)
            self._heavy_given = None if given is None else _scaled(given, width * weight)
            second = np.stack([self._gram(rows) for rows in self._heavy])
        self._prior = _Blocks.fresh(blocks, second)

    def _gram(self, rows: Rows) -> FloatArray:
        tx, rx = self.pool.heard.shape
        parts = [rows[t * rx : (t + 1) * rx] for t in range(tx)]
        return np.stack([dense(p @ p.T) for p in parts])

    def _conditioned(self, choice: LinkChoice, which: list[int]) -> _Blocks:
        """The kernels of the transmitters ``which`` once ``choice`` is measured."""
        prior = self._prior.of(which)
        if not choice and self._given is None:
            return prior
        links = self.pool.links(choice)
        rx = self.pool.heard.shape[1]
        columns = (np.array(which)[:, None] * rx + np.arange(rx)).ravel()
        k = np.empty_like(prior.k)
        q = None if prior.q is None else np.empty_like(prior.q)
        for b, rows in enumerate(self._rows):
            measured = _below(self._given, b, rows[links])
            gram = np.eye(measured.shape[0]) + dense(measured @ measured.T)
            cross = dense(measured @ rows[columns].T)  # [n, which · R]
            seen = _by_tx(np.asarray(np.linalg.solve(gram, cross), np.float64), rx)
            k[b] = prior.k[b] - _by_tx(cross, rx).swapaxes(1, 2) @ seen
            if q is not None and prior.q is not None:
                heavy = _below(self._heavy_given, b, self._heavy[b][links])
                second = _by_tx(dense(heavy @ self._heavy[b][columns].T), rx)
                mixed = seen.swapaxes(1, 2) @ second
                square = seen.swapaxes(1, 2) @ (dense(heavy @ heavy.T) @ seen)
                q[b] = prior.q[b] - mixed - mixed.swapaxes(1, 2) + square
        return _Blocks.fresh(k, q)

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
    """Rows [n, K] of each draw, their columns multiplied by ``columns`` [K]."""
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


def _diagonal(blocks: FloatArray) -> FloatArray:
    return np.diagonal(blocks, axis1=2, axis2=3).copy()
