"""Power in delay bins, delay moments and frequency responses from replayed paths, with derivatives.

Everything here is a sum over the paths of a link, of powers p or of amplitudes a, times weights
that do not depend on the materials:

    power in a delay bin    Σ p w,  w the share of the pulse's energy that falls into the bin
    mean delay              τ̄ = Σ p τ / Σ p
    delay spread            √(Σ p (τ - τ̄)² / Σ p)
    frequency response      H(f) = Σ a e^{-j 2π f τ} / √(transmit power)

Derivatives by an object's parameter are the same sums of the paths' derivatives. The sums are
sparse and in the order of the paths, so the bits are the same for any split of the setups. Where a
snapshot's phase φ and timing t are unknown they take the values with which e^{j(φ - 2π f t)} H is
nearest to what was measured; the derivatives contain that these follow the materials, so that the
fit loses what phase and timing hide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
import scipy.special
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import (
    Campaign,
    Carrier,
    DelayMoment,
    DelayPower,
    FrequencyResponse,
    Observable,
    RadioConfig,
    ResponseMagnitude,
)
from vlmrt_dist.field.arrivals import Arrivals
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.objective import DB, LinkOffsets, Observed
from vlmrt_dist.field.replay import NEPER, Replay
from vlmrt_dist.field.scattering import refuse_beside_scattering
from vlmrt_dist.paths import PathTable
from vlmrt_dist.units import SPEED_OF_LIGHT, dbm_to_watts, watts_to_dbm

REACH = 9.0
"""Standard deviations of a pulse beyond which it carries nothing (2e-19 of its energy)."""

_FAR = 1e7
"""Distance of the delays of one link from those of the next, where they stand in one list [ns]."""

_MARGIN = 1e-3
"""Rounding error of a reach in that list [ns]."""

NEWTON_STEPS = 30
"""Most steps that a snapshot's timing takes from the best of a grid to its optimum."""


@dataclass(frozen=True, eq=False)
class _Sum:
    """One block at one parameter vector: values, and their derivative by the paths' values.

    :param value: [R]
    :param make_weights: makes :attr:`weights`
    :param by_delay: [R]
    :param by_gain: [R]
    :param rows: makes [R, K] of [E, K] where these are complex; None: they are the rows
    """

    value: FloatArray
    make_weights: Callable[[], sp.csr_matrix]
    by_delay: FloatArray
    by_gain: FloatArray
    rows: _Rotation | None = None

    @functools.cached_property
    def weights(self) -> sp.csr_matrix:
        """[R, P] real, or [E, P] complex, derivative by the path's power or amplitude; made once,
        where slopes are wanted."""
        return self.make_weights()


class _Model(Protocol):
    """A block of one carrier as a function of its paths."""

    coherent: bool

    def __call__(self, paths: NDArray[Any], delay_ns: FloatArray, gain_db: FloatArray) -> _Sum:
        """Values for the powers [W] or amplitudes [√W] of paths [P], with offsets of each line."""
        ...


class ObservableReplay:
    """Replays the observables of a campaign.

    :param campaign: M setups with their observables
    :param table: their paths
    :param carriers: of the campaign
    :param replays: of the setups at each carrier
    """

    def __init__(
        self,
        campaign: Campaign,
        table: PathTable,
        carriers: Sequence[Carrier],
        replays: Sequence[Replay],
    ) -> None:
        self._parts: list[tuple[Carrier, Arrivals, list[_Placed]]] = []
        self._num_rows = sum(len(block.row_setup) for block in campaign.observables)
        self._receivers = campaign.num_receivers
        power = _transmit_powers(campaign)
        if any(replay.mechanisms for replay in replays):
            refuse_beside_scattering(campaign)
        pulses = [b.pulse_ns for b in campaign.observables if isinstance(b, DelayPower)]
        each = [Arrivals(replay, min(pulses, default=None)) for replay in replays]
        first = _first_delays(table, carriers, each)
        for carrier, arrivals in zip(carriers, each, strict=True):
            placed, start = [], 0
            number = np.full(campaign.num_setups, -1)
            number[carrier.setups] = np.arange(len(carrier.setups))
            for block in campaign.observables:
                here = number[block.setup] >= 0
                rows = start + np.flatnonzero(number[block.row_setup] >= 0)
                start += len(block.row_setup)
                if here.any():
                    some = block.take(here)
                    link = some.setup * self._receivers + some.receiver
                    lines = _Lines.of(some, number[some.setup], arrivals, first[link])
                    placed.append(_Placed(rows, link, _model(some, lines, carrier.radio, power)))
            self._parts.append((carrier, arrivals, placed))

    def __call__(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        *,
        turned: bool = False,
    ) -> Observed:
        """Values and derivatives of S parameter vectors.

        :param materials: those at each carrier [Hz], [S, K] or [K] each
        :param wanted: parameters to differentiate by
        :param turned: differentiate one vector by the orientations that the replays are aimed with
        """
        count = len(offsets.delay_ns)
        shape = count, self._num_rows
        value, by_delay, by_gain = (np.zeros(shape) for _ in range(3))
        by: dict[Parameter, FloatArray] = {}
        by_pose = np.zeros((*shape, 6)) if turned else None
        for carrier, arrivals, placed in self._parts:
            here = materials[carrier.radio.frequency]
            for coherent in (False, True):
                which = [each for each in placed if each.model.coherent == coherent]
                if not which:
                    continue
                values = arrivals.at(here, wanted, coherent=coherent)
                sums = [each.sums(values.value, offsets) for each in which]
                for q in values.paths.by_path:
                    slopes = arrivals.by_object(values, q)
                    slopes *= arrivals.replay.steps(here, q)[:, None, :]
                    total = by.setdefault(q, np.zeros((*shape, slopes.shape[2])))
                    for each, found in zip(which, sums, strict=True):
                        for s, one in enumerate(found):
                            total[s, each.rows] = _rows(one, slopes[s])
                if by_pose is not None:
                    turns = arrivals.replay.turned_paths(here, coherent=coherent)
                    for each, found in zip(which, sums, strict=True):
                        by_pose[0, each.rows] = _rows(found[0], turns)
                for each, found in zip(which, sums, strict=True):
                    for s, one in enumerate(found):
                        value[s, each.rows] = one.value
                        by_delay[s, each.rows] = one.by_delay
                        by_gain[s, each.rows] = one.by_gain
        return Observed(value, by, by_delay, by_gain, by_pose)


class _Placed(NamedTuple):
    """A block's lines at one carrier.

    :param rows: [R] their rows among all
    :param link: [E] link of each line
    """

    rows: IntArray
    link: IntArray
    model: _Model

    def sums(self, paths: NDArray[Any], offsets: LinkOffsets) -> list[_Sum]:
        """Values for each parameter vector."""
        return [
            self.model(paths[:, s], offsets.delay_ns[s, self.link], offsets.gain_db[s, self.link])
            for s in range(len(offsets.delay_ns))
        ]


def _rows(found: _Sum, by_path: NDArray[Any]) -> FloatArray:
    """[R, K] derivative of a block's rows from that of its paths [P, K]."""
    product = found.weights @ by_path
    return np.asarray(product if found.rows is None else found.rows.rows(product))


class _Lines(NamedTuple):
    """Pairs of a line and a path of its link, line by line, paths in their order.

    :param num: E
    :param line: [Q]
    :param path: [Q]
    :param delay_ns: [Q] the path's delay, counted as the block's are
    :param begin: [E + 1] where each line's pairs begin
    """

    num: int
    line: IntArray
    path: IntArray
    delay_ns: FloatArray
    begin: IntArray

    @staticmethod
    def of(block: Observable, setup: IntArray, arrivals: Arrivals, first_ns: FloatArray) -> _Lines:
        """The pairs of a block.

        :param setup: [E] setup of each line in the replay's table
        :param first_ns: [E] delay of the earliest path of its link
        """
        replay = arrivals.replay
        order = np.argsort(arrivals.link, kind="stable")
        ends = np.searchsorted(arrivals.link[order], np.arange(replay.num_links + 1))
        link = setup * replay.table.num_receivers + block.receiver
        sizes = ends[link + 1] - ends[link]
        begin = np.concatenate([[0], np.cumsum(sizes)])
        line = np.repeat(np.arange(len(link)), sizes)
        path = order[ends[link][line] + np.arange(len(line)) - begin[:-1][line]]
        delay = 1e9 * arrivals.length[path] / SPEED_OF_LIGHT
        if getattr(block, "counted_from", "") == "first_path":
            delay = delay - first_ns[line]
        return _Lines(len(link), line, path, delay, begin)

    def matrix(self, values: NDArray[Any], paths: int) -> sp.csr_matrix:
        """[E, P] of a value for each pair."""
        return sp.csr_matrix((values, self.path, self.begin), (self.num, paths))

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """[E] sums over each line's paths, one after another."""
        if values.dtype.kind == "c":
            return self.total(values.real) + 1j * self.total(values.imag)
        return np.bincount(self.line, values, self.num).astype(np.float64)


def _first_delays(
    table: PathTable, carriers: Sequence[Carrier], arrivals: Sequence[Arrivals]
) -> FloatArray:
    """[M · N] delay of the earliest path of each link [ns]; where there is none that of the first
    scattered power, and zero where nothing arrives."""
    shape = table.num_setups, table.num_receivers
    first = np.full(shape[0] * shape[1], np.inf)
    np.minimum.at(first, table.link, table.length)
    first = first.reshape(shape)
    for carrier, each in zip(carriers, arrivals, strict=True):
        own = np.full(each.replay.num_links, np.inf)
        np.minimum.at(own, each.link, each.length)
        here = first[carrier.setups]
        first[carrier.setups] = np.where(np.isfinite(here), here, own.reshape(here.shape))
    return np.where(np.isfinite(first), 1e9 * first / SPEED_OF_LIGHT, 0.0).ravel()


def _transmit_powers(campaign: Campaign) -> FloatArray:
    """[M] transmit power of each setup [W]; NaN where it is the radio configuration's."""
    found = np.full(campaign.num_setups, np.nan)
    if campaign.antennas is not None:
        for m, kind in enumerate(campaign.antennas.tx.tolist()):
            own = campaign.antennas.kinds[kind].power_dbm
            found[m] = np.nan if own is None else float(dbm_to_watts(own))
    return found


def _model(block: Observable, lines: _Lines, radio: RadioConfig, power: FloatArray) -> _Model:
    """:param power: [M] transmit powers of setups that have one of their own [W]"""
    if isinstance(block, DelayPower):
        return _Bins(block, lines)
    if isinstance(block, DelayMoment):
        return _Moments(block, lines)
    own = power[block.setup]
    turns = _turns(block.frequency_hz, lines, np.where(np.isnan(own), radio.tx_power, own))
    if isinstance(block, ResponseMagnitude):
        return _Magnitudes(lines, turns)
    return _Responses(block, lines, turns)


class _Bins:
    coherent = False

    def __init__(self, block: DelayPower, lines: _Lines) -> None:
        self._block, self._num, self._pulse = block, lines.num, float(block.pulse_ns)
        self._floor = np.nan_to_num(dbm_to_watts(block.floor_dbm))
        pair = np.stack([block.setup, block.receiver])
        new = np.append(True, (np.diff(pair, axis=1) != 0).any(axis=0))[: lines.num]
        # All lines of a link have the same paths: those of its first line stand for it.
        first = np.flatnonzero(new[lines.line])
        link = np.cumsum(new) - 1
        begin = np.append(np.flatnonzero(new), lines.num)
        self._path, self._delay = lines.path[first], lines.delay_ns[first]
        self._first = lines.line[first]
        self._place = _FAR * link[self._first]
        self._last = begin[link[self._first] + 1]
        self._starts, self._stops = _FAR * link + block.start_ns, _FAR * link + block.stop_ns

    def _near(self, delay_ns: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Lines, paths and arrivals [ns] of all pairs in which a bin gets some of the path's
        energy, line by line, paths in their order."""
        arrival = self._delay + delay_ns[self._first]
        reach = REACH * self._pulse + _MARGIN
        place = self._place + np.clip(arrival, -0.4 * _FAR, 0.4 * _FAR)
        low = np.searchsorted(self._stops, place - reach, side="right")
        high = np.searchsorted(self._starts, place + reach, side="left")
        low, high = np.maximum(low, self._first), np.minimum(high, self._last)
        count = np.maximum(high - low, 0)
        which = np.repeat(np.arange(len(count)), count)
        line = low[which] + np.arange(len(which)) - (np.cumsum(count) - count)[which]
        # Rounding in the list decides about pairs at its reach, and it changes with the links that
        # stand in it; what is kept is decided for each pair by itself.
        block, reach = self._block, REACH * self._pulse
        at = arrival[which]
        near = (block.start_ns[line] - at < reach) & (at - block.stop_ns[line] < reach)
        which, line = which[near], line[near]
        order = np.argsort(line, kind="stable")
        which = which[order]
        return line[order], self._path[which], arrival[which]

    def __call__(self, paths: FloatArray, delay_ns: FloatArray, gain_db: FloatArray) -> _Sum:
        block, num = self._block, self._num
        line, path, arrival = self._near(delay_ns)
        low = (block.start_ns[line] - arrival) / self._pulse
        high = (block.stop_ns[line] - arrival) / self._pulse
        # Late tails are differences of small numbers too, not of numbers near one.
        sign = np.where(low > 0.0, -1.0, 1.0)
        share = sign * (scipy.special.ndtr(sign * high) - scipy.special.ndtr(sign * low))
        slope = (np.exp(-0.5 * low**2) - np.exp(-0.5 * high**2)) / (
            np.sqrt(2.0 * np.pi) * self._pulse
        )
        power = paths[path]
        heard = np.bincount(line, share * power, num).astype(np.float64)
        moved: FloatArray = np.bincount(line, slope * power, num).astype(np.float64)
        gain = np.exp(2.0 * NEPER * gain_db)
        total = gain * heard + self._floor
        per_watt = np.divide(DB * gain, total, out=np.zeros_like(total), where=total > 0.0)
        begin = np.searchsorted(line, np.arange(num + 1))

        def weights() -> sp.csr_matrix:
            return sp.csr_matrix((share * per_watt[line], path, begin), (num, len(paths)))

        by_delay: FloatArray = per_watt * moved
        by_gain = 2.0 * NEPER * heard * per_watt
        return _Sum(watts_to_dbm(total), weights, by_delay, by_gain)


class _Moments:
    coherent = False

    def __init__(self, block: DelayMoment, lines: _Lines) -> None:
        self._mean, self._lines = block.moment == "mean", lines

    def __call__(self, paths: FloatArray, delay_ns: FloatArray, gain_db: FloatArray) -> _Sum:
        lines = self._lines
        power, delay = paths[lines.path], lines.delay_ns
        total = lines.total(power)
        there = total > 0.0
        one = np.where(there, total, 1.0)
        mean = lines.total(power * delay) / one
        away = delay - mean[lines.line]
        none = np.zeros(lines.num)
        if self._mean:
            by_delay = np.where(there, 1.0, 0.0)
            return _Sum(
                np.where(there, mean + delay_ns, np.nan),
                lambda: lines.matrix(away / one[lines.line], len(paths)), by_delay, none,
            )  # fmt: skip
        square = lines.total(power * away**2) / one
        spread = np.sqrt(square)
        # One path has no spread, and no derivative of it.
        twice = np.where(spread > 0.0, 2.0 * spread * one, np.inf)
        return _Sum(
            np.where(there, spread, np.nan),
            lambda: lines.matrix(
                (away**2 - square[lines.line]) / twice[lines.line], len(paths)
            ), none, none,
        )  # fmt: skip


class _Magnitudes:
    coherent = True

    def __init__(self, lines: _Lines, turns: NDArray[np.complex128]) -> None:
        self._lines, self._turn = lines, turns

    def __call__(
        self, paths: NDArray[np.complex128], delay_ns: FloatArray, gain_db: FloatArray
    ) -> _Sum:
        lines = self._lines
        response = lines.total(self._turn * paths[lines.path])
        size = np.abs(response)
        with np.errstate(divide="ignore"):
            value = 2.0 * DB * np.log(size) + gain_db
        # d 20 log10 |H| = 20 / ln 10 Re(dH / H)
        factor = np.divide(2.0 * DB, response, out=np.zeros_like(response), where=size > 0.0)
        none = np.zeros(lines.num)
        return _Sum(
            value, lambda: lines.matrix(self._turn * factor[lines.line], len(paths)), none,
            (size > 0.0) * 1.0, _Real(),
        )  # fmt: skip


class _Rotation(Protocol):
    def rows(self, response: NDArray[np.complex128]) -> FloatArray:
        """[R, K] derivative of the real rows from the complex one of the lines [E, K]."""
        ...


class _Real:
    """The real part."""

    def rows(self, response: NDArray[np.complex128]) -> FloatArray:
        return response.real


class _Responses:
    coherent = True

    def __init__(
        self, block: FrequencyResponse, lines: _Lines, turns: NDArray[np.complex128]
    ) -> None:
        self._block, self._lines, self._turn = block, lines, turns
        noise = block.noise_of_parts
        stated = np.isfinite(noise) & (noise > 0.0)
        weight = np.where(stated, 1.0 / np.where(stated, noise, 1.0) ** 2, 1.0)
        measured = np.where(np.isfinite(block.value), block.value, 0.0)
        self._align = None
        if block.phase == "unknown" and np.isfinite(block.value).all():
            self._align = _Alignment(
                block.group, block.frequency_hz, weight * measured, block.timing == "unknown"
            )

    def __call__(
        self, paths: NDArray[np.complex128], delay_ns: FloatArray, gain_db: FloatArray
    ) -> _Sum:
        lines, block = self._lines, self._block
        response = lines.total(self._turn * paths[lines.path]) * np.exp(NEPER * gain_db)
        omega = 2.0 * np.pi * block.frequency_hz * 1e-9
        rotation = np.exp(-1j * omega * delay_ns)
        turned = np.exp(NEPER * gain_db) * rotation
        response = response * rotation
        known = self._align is None
        aligned = _Fixed() if self._align is None else self._align.at(response)
        value = aligned.value(response)
        shift = -1j * omega * response
        by_delay = aligned.lines(shift) if known else _changes(aligned, shift)
        by_gain = NEPER * _parts_of(value)
        return _Sum(
            _parts_of(value), lambda: lines.matrix(self._turn * turned[lines.line], len(paths)),
            _parts_of(by_delay), by_gain, aligned,
        )  # fmt: skip


class _Fixed:
    """Phase and timing as they are."""

    def value(self, response: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return response

    def lines(self, change: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return change

    def rows(self, response: NDArray[np.complex128]) -> FloatArray:
        return _interleaved(response)


class _Alignment:
    """Phase and timing of snapshots that bring a response nearest to what was measured.

    :param group: [E] snapshot of each line
    :param frequency: [E] relative to the carrier [Hz]
    :param weighed: [E] measured value over the variance of its noise
    :param timing: whether the timing is unknown too
    """

    def __init__(
        self,
        group: IntArray,
        frequency: FloatArray,
        weighed: NDArray[np.complex128],
        timing: bool,
    ) -> None:
        self.group, self.weighed, self.timing = group, weighed, timing
        self.omega = 2.0 * np.pi * frequency * 1e-9
        self.count = int(group.max(initial=-1)) + 1
        self._begin = np.searchsorted(group, np.arange(self.count + 1))
        self._grids = [self._grid(g) for g in range(self.count)] if timing else []

    def _grid(self, g: int) -> FloatArray:
        """Timings [ns] over the range in which subcarriers tell them apart, four to a peak."""
        omega = np.unique(self.omega[self._begin[g] : self._begin[g + 1]])
        if len(omega) < 2:
            return np.zeros(1)
        period = 2.0 * np.pi / np.diff(omega).min()
        steps = int(np.ceil(4.0 * period * np.ptp(omega) / (2.0 * np.pi))) + 1
        return np.linspace(-0.5 * period, 0.5 * period, steps)

    def total(self, values: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """[G] sums over each snapshot."""
        real, imaginary = (
            np.bincount(self.group, part, self.count) for part in (values.real, values.imag)
        )
        return real + 1j * imaginary

    def at(self, response: NDArray[np.complex128]) -> _Aligned:
        """Phase and timing for a response [E]."""
        product = np.conj(response) * self.weighed
        if not self.timing:
            return _Aligned(self, product, np.zeros(self.count))
        best = np.zeros(self.count)
        for g, grid in enumerate(self._grids):
            part = slice(self._begin[g], self._begin[g + 1])
            size = np.abs(np.exp(1j * np.outer(grid, self.omega[part])) @ product[part])
            best[g] = grid[int(size.argmax())]
        step = np.array([np.ptp(grid) / max(len(grid) - 1, 1) for grid in self._grids])
        low, high = best - step, best + step
        going = np.ones(self.count, bool)  # each by itself: others may be on another actor
        for _ in range(NEWTON_STEPS):
            first, second = self.slopes(product, best)
            # Uphill on |Z|² where it is not yet concave, but never beyond the neighbours.
            move = np.where(second < 0.0, -first / np.where(second < 0.0, second, -1.0),
                            0.25 * step * np.sign(first))  # fmt: skip
            new = np.where(going, np.clip(best + move, low, high), best)
            going &= np.abs(new - best) > 1e-15 * np.maximum(np.abs(best), 1.0)
            best = new
            if not going.any():
                break
        return _Aligned(self, product, best)

    def slopes(
        self, product: NDArray[np.complex128], timing: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """[G] first and second derivative of |Z(t)|², Z = Σ conj(H) D e^{jωt}."""
        turned = product * np.exp(1j * self.omega * timing[self.group])
        z, dz, ddz = (self.total((1j * self.omega) ** n * turned) for n in range(3))
        return (
            2.0 * (np.conj(z) * dz).real,
            2.0 * (np.abs(dz) ** 2 + (np.conj(z) * ddz).real),
        )


class _Aligned:
    """Phase and timing found for one response.

    :param timing: [G] [ns]
    """

    def __init__(self, of: _Alignment, product: NDArray[np.complex128], timing: FloatArray) -> None:
        self._of, self._timing = of, timing
        turned = product * np.exp(1j * of.omega * timing[of.group])
        self._z, self._dz, ddz = (of.total((1j * of.omega) ** n * turned) for n in range(3))
        size = np.abs(self._z)
        phase = np.divide(self._z, size, out=np.ones_like(self._z), where=size > 0.0)
        self._turn = phase[of.group] * np.exp(-1j * of.omega * timing[of.group])
        curve = 2.0 * (np.abs(self._dz) ** 2 + (np.conj(self._z) * ddz).real)
        self._curve = np.where(curve < 0.0, curve, -np.inf)
        self._safe = np.where(size > 0.0, self._z, np.inf)
        self._response: NDArray[np.complex128] | None = None

    def value(self, response: NDArray[np.complex128]) -> NDArray[np.complex128]:
        self._response = response * self._turn
        return self._response

    def lines(self, change: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """[E, K] changes of the aligned response for changes [E, K] of the response."""
        of = self._of
        assert self._response is not None
        turned = (of.weighed * np.exp(1j * of.omega * self._timing[of.group]))[:, None]
        every = sp.csr_matrix(
            (np.ones(len(of.group)), np.arange(len(of.group)), of._begin),
            (of.count, len(of.group)),
        )
        dz = every @ (np.conj(change) * turned)
        time = np.zeros(dz.shape)
        if of.timing:
            ddz = every @ (np.conj(change) * turned * (1j * of.omega)[:, None])
            slope = 2.0 * (np.conj(dz) * self._dz[:, None] + np.conj(self._z)[:, None] * ddz).real
            time = -slope / self._curve[:, None]
        angle = ((dz + self._dz[:, None] * time) / self._safe[:, None]).imag
        nuisance = 1j * (angle[of.group] - of.omega[:, None] * time[of.group])
        return change * self._turn[:, None] + self._response[:, None] * nuisance

    def rows(self, response: NDArray[np.complex128]) -> FloatArray:
        return _interleaved(self.lines(response))


def _changes(aligned: Any, change: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(aligned.lines(change[:, None])[:, 0])


def _turns(frequency: FloatArray, lines: _Lines, power: FloatArray) -> NDArray[np.complex128]:
    """[Q] phase of each pair at its subcarrier, over the transmitted amplitude.

    :param power: [E] transmit power [W]
    """
    turns = np.remainder(1e-9 * frequency[lines.line] * lines.delay_ns, 1.0)
    return np.asarray(np.exp(-2j * np.pi * turns) / np.sqrt(power)[lines.line])


def _parts_of(values: NDArray[np.complex128]) -> FloatArray:
    """[R] real and imaginary part of each value in turn."""
    return np.ascontiguousarray(values).view(np.float64)


def _interleaved(values: NDArray[np.complex128]) -> FloatArray:
    """[R, K] rows of real and imaginary parts from [E, K]."""
    return np.stack([values.real, values.imag], axis=1).reshape(-1, values.shape[1])
