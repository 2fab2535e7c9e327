"""Observables of links beside their received power: delays and frequency responses.

A campaign holds any mixture of blocks, one for each kind of measured value. A block is a table with
a line for each value, sorted by setup, receiver and delay or frequency. To the estimation a block
is R rows of real numbers, each with a standard deviation; a complex response has two rows a line,
its real and its imaginary part.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign.validation import listed, read_only
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.units import dbm_to_watts, watts_to_dbm

DelayReference = Literal["transmission", "first_path"]
"""Where delays are counted from: the departure at the transmitter, or the earliest arrival that
the receiver has detected, which is early or late by an unknown offset."""

RESOLUTION = 0.99
"""Least width of a delay bin in units of one over the bandwidth; the rest is rounding."""

LONGEST_NS = 1e5
"""Longest delay of a path [ns], 30 km."""


@dataclass(frozen=True, eq=False)
class _Block:
    """Lines of one kind of value: setup and receiver of each, counted from 0 [E]."""

    setup: IntArray
    receiver: IntArray

    name: ClassVar[str]
    unit: ClassVar[str]

    def _arrays(self, **kinds: Any) -> None:
        """Check the columns' lengths and sort the lines."""
        count = len(np.atleast_1d(np.asarray(self.setup)))
        columns: dict[str, Any] = {}
        for name, kind in {"setup": np.int64, "receiver": np.int64, **kinds}.items():
            try:
                value = np.array(getattr(self, name), dtype=kind, order="C")
            except (TypeError, ValueError) as error:
                raise CampaignError(f"{name} of {self.name} must be an array of numbers") from error
            columns[name] = np.array(np.broadcast_to(value, count)) if value.ndim == 0 else value
            if columns[name].shape != (count,):
                raise CampaignError(
                    f"{name} of {self.name} has shape {value.shape}, expected ({count},)"
                )
        keys = [columns[name] for name in self._sorted_by()]
        order = np.lexsort(keys[::-1]) if count else np.zeros(0, np.int64)
        for name, value in columns.items():
            object.__setattr__(self, name, read_only(value[order]))

    def _sorted_by(self) -> tuple[str, ...]:
        return ("setup", "receiver")

    def __len__(self) -> int:
        return len(self.setup)

    @property
    def row_setup(self) -> IntArray:
        """[R] setup of each row."""
        return self.setup

    @property
    def row_receiver(self) -> IntArray:
        """[R] receiver of each row."""
        return self.receiver

    @property
    def censored(self) -> BoolArray:
        """[R] rows of which only is known that the true value lies at or below the one given."""
        return np.zeros(len(self.row_setup), bool)

    def take(self, lines: IntArray | BoolArray) -> Any:
        """Some of the lines."""
        columns = {
            each.name: getattr(self, each.name)[lines]
            for each in dataclasses.fields(self)
            if isinstance(getattr(self, each.name), np.ndarray)
        }
        return dataclasses.replace(self, **columns)

    def of_setups(self, pick: IntArray) -> Any:
        """The lines of some setups, renumbered in the order given."""
        parts = [np.flatnonzero(self.setup == m) for m in pick.tolist()]
        lines = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return dataclasses.replace(self.take(lines), setup=number)

    def digest(self) -> bytes:
        """Content hash."""
        found = hashlib.sha256(self.name.encode())
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                plain = value.astype("<c16") if value.dtype.kind == "c" else value.astype("<f8")
                nothing = np.isnan(plain)
                found.update(np.where(nothing, 0.0, plain + 0.0).tobytes() + nothing.tobytes())
            else:
                found.update(repr(value).encode())
        return found.digest()

    def _lines(self, wrong: BoolArray) -> str:
        """Lines that are wrong, for a message."""
        return listed(
            [
                f"setup {self.setup[i] + 1}, receiver {self.receiver[i] + 1}"
                for i in np.flatnonzero(wrong)
            ]
        )

    def _check_finite(self, *names: str) -> None:
        for name in names:
            wrong = ~np.isfinite(getattr(self, name))
            if wrong.any():
                raise CampaignError(f"{name} of {self.name} must be finite: {self._lines(wrong)}")

    def _check_measured(self, name: str) -> None:
        """Values are finite, or all of them planned."""
        if not np.isnan(getattr(self, name)).all():
            self._check_finite(name)

    def _check_noise(self, name: str) -> None:
        value = getattr(self, name)
        wrong = ~(np.isnan(value) | (np.isfinite(value) & (value >= 0.0)))
        if wrong.any():
            raise CampaignError(
                f"{name} of {self.name} must be finite and not negative: {self._lines(wrong)}"
            )


@dataclass(frozen=True, eq=False)
class DelayPower(_Block):
    """Received power in bins of delay: the sum of the powers of the paths that arrive in a bin.

    A path is spread over neighbouring bins by the pulse of a measurement of that bandwidth, whose
    energy is taken as normal in time. Paths in a bin add as powers, whatever the radio
    configuration's combining is: their phases are not known to a fraction of a wavelength.

    :param start_ns: where each bin begins [E] [ns]
    :param stop_ns: where it ends [E] [ns]
    :param power_dbm: power in it [E] [dBm]; where censored the receiver's floor; NaN: planned
    :param noise_db: standard deviation of each power [E] [dB]; NaN: not stated
    :param below: bins in which nothing was heard above the floor [E], or one for all
    :param bandwidth_hz: between the half-power frequencies; None: one over the narrowest bin
    :param counted_from: where delays are counted from
    :param floor_dbm: power of the noise in each bin, which adds to that of the paths [E], or one
        number; NaN: none, and a bin that no path reaches cannot be used
    :raises CampaignError: if a number is not finite, bins overlap, or are finer than the bandwidth
        resolves
    """

    start_ns: FloatArray
    stop_ns: FloatArray
    power_dbm: FloatArray
    noise_db: FloatArray
    below: BoolArray = field(default_factory=lambda: np.array(False))
    bandwidth_hz: float | None = None
    counted_from: DelayReference = "transmission"
    floor_dbm: FloatArray = field(default_factory=lambda: np.array(np.nan))

    name: ClassVar[str] = "power in delay bins"
    unit: ClassVar[str] = "dB"

    def __post_init__(self) -> None:
        names = ("start_ns", "stop_ns", "power_dbm", "noise_db", "floor_dbm")
        of_lines = dict.fromkeys(names, np.float64)
        self._arrays(**of_lines, below=np.bool_)
        self._check_finite("start_ns", "stop_ns")
        self._check_measured("power_dbm")
        self._check_noise("noise_db")
        _check_reference(self.counted_from)
        wrong = ~(self.stop_ns > self.start_ns)
        if wrong.any():
            raise CampaignError(f"a delay bin ends before it begins: {self._lines(wrong)}")
        if len(self) and max(-self.start_ns.min(), self.stop_ns.max()) > LONGEST_NS:
            raise CampaignError(
                f"delays reach from {self.start_ns.min():g} to {self.stop_ns.max():g} ns, more "
                "than 30 km of path; check their unit"
            )
        same = (np.diff(self.setup) == 0) & (np.diff(self.receiver) == 0)
        overlap = np.append(False, same & (self.start_ns[1:] < self.stop_ns[:-1] - 1e-6))
        if overlap.any():
            raise CampaignError(
                f"delay bins overlap or stand twice: {self._lines(overlap)}; average repeats of a "
                "bin first"
            )
        self._check_bandwidth()

    def _check_bandwidth(self) -> None:
        band = self.bandwidth_hz
        if band is None or not len(self):
            return
        if not (np.isfinite(band) and band > 0.0):
            raise CampaignError(f"the bandwidth of delay bins must be positive [Hz]; got {band:g}")
        resolved = 1e9 / band
        if self.narrowest < RESOLUTION * resolved:
            times = int(np.ceil(resolved / self.narrowest * RESOLUTION))
            raise CampaignError(
                f"delay bins of {self.narrowest:.4g} ns are finer than a bandwidth of "
                f"{band / 1e6:g} MHz resolves ({resolved:.3g} ns), so that their errors are not "
                f"independent; merge {times} at a time (--delay-bin-ns "
                f"{times * self.narrowest:.4g}, or DelayPower.merged({times}))"
            )

    def _sorted_by(self) -> tuple[str, ...]:
        return ("setup", "receiver", "start_ns")

    @property
    def narrowest(self) -> float:
        """Width of the narrowest bin [ns], to nine digits: differences of the bins' ends are
        rounded differently along the delays, so that links would have pulses of their own."""
        return float(f"{(self.stop_ns - self.start_ns).min(initial=np.inf):.9g}")

    def take(self, lines: IntArray | BoolArray) -> Any:
        """Some of the lines, with the bandwidth of all."""
        found = super().take(lines)
        if self.bandwidth_hz is None and len(found) and found.narrowest != self.narrowest:
            return dataclasses.replace(found, bandwidth_hz=1e9 / self.narrowest)
        return found

    @property
    def pulse_ns(self) -> float:
        """Standard deviation of the pulse's energy in time [ns], for a normal spectrum whose power
        falls to one half at ± B / 2."""
        band = 1e9 / self.narrowest if self.bandwidth_hz is None else self.bandwidth_hz
        # |P(f)|² ~ exp(-f² / 2 s²) with s = B / √(8 ln 2); |p(t)|² is then normal with 1 / (4 π s).
        return float(1e9 * np.sqrt(8.0 * np.log(2.0)) / (4.0 * np.pi * band))

    @property
    def measured(self) -> FloatArray:
        """[R] measured values."""
        return self.power_dbm

    @property
    def noise(self) -> FloatArray:
        """[R] standard deviations."""
        return self.noise_db

    @property
    def censored(self) -> BoolArray:
        """[R] bins at or below the receiver's floor."""
        return self.below

    def with_measured(self, values: FloatArray, noise: FloatArray) -> DelayPower:
        """The same bins with other values [R] and noise [R]; none is below a floor."""
        return dataclasses.replace(self, power_dbm=values, noise_db=noise, below=np.array(False))

    def within(self, range_db: float) -> DelayPower:
        """The same with bins that lie more than ``range_db`` below the strongest of their link as
        below a floor there, which is also the noise in each bin: what a model of the large surfaces
        alone can be asked to explain.

        :raises CampaignError: if the range is not positive
        """
        if not range_db > 0.0:
            raise CampaignError("the range of delay bins must be a positive number of dB")
        pair = np.stack([self.setup, self.receiver])
        link = np.unique(pair, axis=1, return_inverse=True)[1].reshape(-1)
        strongest = np.full(int(link.max(initial=0)) + 1, -np.inf)
        np.maximum.at(strongest, link, self.power_dbm)
        floor = strongest[link] - range_db
        low = self.power_dbm < floor
        return dataclasses.replace(
            self,
            power_dbm=np.where(low, floor, self.power_dbm),
            below=self.below | low,
            floor_dbm=np.fmax(self.floor_dbm, floor),
        )

    def merged(self, times: int) -> DelayPower:
        """The same with neighbouring bins joined, their powers added.

        Bins below the floor add nothing where another was heard. The joint bin keeps the largest
        noise of its parts. What is left over at the end of a link's bins is dropped only where it
        is less than ``times`` bins.

        :raises CampaignError: if ``times`` is less than one
        """
        if times < 1:
            raise CampaignError("bins are merged one or more at a time")
        link = np.stack([self.setup, self.receiver])
        begin = np.append(True, (np.diff(link, axis=1) != 0).any(axis=0))[: len(self)]
        place = np.arange(len(self)) - np.flatnonzero(begin)[np.cumsum(begin) - 1]
        lead = begin | (place % times == 0)
        lead[1:] |= self.start_ns[1:] > self.stop_ns[:-1] + 1e-6
        group = np.cumsum(lead) - 1
        count = np.bincount(group)
        watts = dbm_to_watts(self.power_dbm)
        heard = np.bincount(group, np.where(self.below, 0.0, watts))
        floors = np.bincount(group, np.where(self.below, watts, 0.0))
        last = np.cumsum(count) - 1
        noise = np.full(len(count), -np.inf)
        np.maximum.at(noise, group, np.nan_to_num(self.noise_db, nan=-1.0))
        values: dict[str, Any] = {
            "setup": self.setup[lead],
            "receiver": self.receiver[lead],
            "start_ns": self.start_ns[lead],
            "stop_ns": self.stop_ns[last],
            "power_dbm": watts_to_dbm(np.where(heard > 0.0, heard, floors)),
            "noise_db": np.where(noise < 0.0, np.nan, noise),
            "below": heard == 0.0,
            "bandwidth_hz": self.bandwidth_hz,
            "counted_from": self.counted_from,
            "floor_dbm": watts_to_dbm(np.bincount(group, dbm_to_watts(self.floor_dbm))),
        }
        return DelayPower(**{
            name: value[count == times] if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        })  # fmt: skip


@dataclass(frozen=True, eq=False)
class DelayMoment(_Block):
    """Mean or root-mean-square spread of the delays of a link's paths, weighted by their powers.

    :param moment: "mean" or "rms_spread"
    :param value_ns: measured [E] [ns]; NaN: planned
    :param noise_ns: standard deviation [E] [ns]; NaN: not stated
    :param counted_from: where a mean is counted from
    :raises CampaignError: if a number is not finite, or negative where it cannot be
    """

    moment: Literal["mean", "rms_spread"]
    value_ns: FloatArray
    noise_ns: FloatArray
    counted_from: DelayReference = "transmission"

    unit: ClassVar[str] = "ns"

    def __post_init__(self) -> None:
        if self.moment not in ("mean", "rms_spread"):
            raise CampaignError(f"a delay moment is mean or rms_spread; got {self.moment!r}")
        self._arrays(value_ns=np.float64, noise_ns=np.float64)
        self._check_measured("value_ns")
        self._check_noise("noise_ns")
        _check_reference(self.counted_from)
        if self.moment == "rms_spread" and (self.value_ns < 0.0).any():
            raise CampaignError(
                f"a delay spread is negative: {self._lines(self.value_ns < 0.0)}; is it in "
                "decibels? It is wanted in ns"
            )
        large = np.abs(self.value_ns) > LONGEST_NS
        if large.any():
            raise CampaignError(
                f"{self.name} above {LONGEST_NS:g} ns: {self._lines(large)}; check its unit"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the moment, for messages and tables."""
        return "mean delay" if self.moment == "mean" else "delay spread"

    @property
    def measured(self) -> FloatArray:
        """[R] measured values."""
        return self.value_ns

    @property
    def noise(self) -> FloatArray:
        """[R] standard deviations."""
        return self.noise_ns

    def with_measured(self, values: FloatArray, noise: FloatArray) -> DelayMoment:
        """The same links with other values [R] and noise [R]."""
        return dataclasses.replace(self, value_ns=values, noise_ns=noise)


@dataclass(frozen=True, eq=False)
class FrequencyResponse(_Block):
    """Complex frequency response over subcarriers, as Sionna's ``Paths.cfr()``: the received
    amplitude over the transmitted one, in the baseband.

    :param frequency_hz: subcarriers relative to the carrier [E] [Hz]
    :param value: response [E]; NaN: planned
    :param noise_of_parts: standard deviation of its real and of its imaginary part [E]; NaN: not
        stated
    :param snapshot: lines of a link with one number were measured at once: they share phase and
        timing [E], or one number for all
    :param phase: "unknown": each snapshot has a phase of its own, of which nothing is known
    :param timing: "unknown": each snapshot has a delay of its own, of which nothing is known
    :raises CampaignError: if a number is not finite, or a response is above one
    """

    frequency_hz: FloatArray
    value: Any
    noise_of_parts: FloatArray
    snapshot: IntArray = field(default_factory=lambda: np.array(0))
    phase: Literal["known", "unknown"] = "unknown"
    timing: Literal["known", "unknown"] = "unknown"

    name: ClassVar[str] = "frequency response"
    unit: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        self._arrays(
            frequency_hz=np.float64, value=np.complex128, noise_of_parts=np.float64,
            snapshot=np.int64,
        )  # fmt: skip
        self._check_finite("frequency_hz")
        self._check_measured("value")
        loud = np.abs(self.value) > 1.0
        if loud.any():
            raise CampaignError(
                "a frequency response is above one, more than was transmitted: "
                f"{self._lines(loud)}; it is the received amplitude over the transmitted one, not "
                "in decibels"
            )
        self._check_noise("noise_of_parts")
        for choice in (self.phase, self.timing):
            if choice not in ("known", "unknown"):
                raise CampaignError(f"phase and timing are known or unknown; got {choice!r}")
        _check_subcarriers(self, self.frequency_hz)
        if self.timing == "unknown" and self.phase == "known":
            raise CampaignError("a response with unknown timing has an unknown phase too")
        key = np.stack([self.setup, self.receiver, self.snapshot])
        twice = np.append(
            False, (np.diff(key, axis=1) == 0).all(axis=0) & (np.diff(self.frequency_hz) == 0.0)
        )[: len(self)]
        if twice.any():
            raise CampaignError(
                f"a subcarrier stands twice in a snapshot: {self._lines(twice)}; number the "
                "snapshots (column snapshot)"
            )

    def _sorted_by(self) -> tuple[str, ...]:
        return ("setup", "receiver", "snapshot", "frequency_hz")

    @property
    def row_setup(self) -> IntArray:
        """[R] setup of each row."""
        return np.repeat(self.setup, 2)

    @property
    def row_receiver(self) -> IntArray:
        """[R] receiver of each row."""
        return np.repeat(self.receiver, 2)

    @property
    def group(self) -> IntArray:
        """[E] number of the snapshot among all of all links."""
        key = np.stack([self.setup, self.receiver, self.snapshot])
        new = np.append(False, (np.diff(key, axis=1) != 0).any(axis=0))[: len(self)]
        return np.cumsum(new)

    @property
    def measured(self) -> FloatArray:
        """[R] real and imaginary part of each value in turn."""
        return self.value.view(np.float64)

    @property
    def noise(self) -> FloatArray:
        """[R] standard deviations."""
        return np.repeat(self.noise_of_parts, 2)

    def with_measured(self, values: FloatArray, noise: FloatArray) -> FrequencyResponse:
        """The same subcarriers with other values [R] and noise [R]."""
        complex_ = np.ascontiguousarray(values).view(np.complex128)
        return dataclasses.replace(self, value=complex_, noise_of_parts=noise[::2])


@dataclass(frozen=True, eq=False)
class ResponseMagnitude(_Block):
    """Magnitude of the frequency response over subcarriers, as many receivers report it.

    :param frequency_hz: subcarriers relative to the carrier [E] [Hz]
    :param magnitude_db: twenty times the common logarithm of the received amplitude over the
        transmitted one [E] [dB]; NaN: planned
    :param noise_db: standard deviation [E] [dB]; NaN: not stated
    :raises CampaignError: if a number is not finite
    """

    frequency_hz: FloatArray
    magnitude_db: FloatArray
    noise_db: FloatArray

    name: ClassVar[str] = "magnitude of the frequency response"
    unit: ClassVar[str] = "dB"

    def __post_init__(self) -> None:
        self._arrays(frequency_hz=np.float64, magnitude_db=np.float64, noise_db=np.float64)
        self._check_finite("frequency_hz")
        self._check_measured("magnitude_db")
        self._check_noise("noise_db")
        _check_subcarriers(self, self.frequency_hz)
        loud = self.magnitude_db > 0.0
        if loud.any():
            raise CampaignError(
                f"a magnitude above 0 dB is more than was transmitted: {self._lines(loud)}; is it "
                "linear? It is wanted as 20 log10 |H|"
            )

    def _sorted_by(self) -> tuple[str, ...]:
        return ("setup", "receiver", "frequency_hz")

    @property
    def measured(self) -> FloatArray:
        """[R] measured values."""
        return self.magnitude_db

    @property
    def noise(self) -> FloatArray:
        """[R] standard deviations."""
        return self.noise_db

    def with_measured(self, values: FloatArray, noise: FloatArray) -> ResponseMagnitude:
        """The same subcarriers with other values [R] and noise [R]."""
        return dataclasses.replace(self, magnitude_db=values, noise_db=noise)


Observable: TypeAlias = DelayPower | DelayMoment | FrequencyResponse | ResponseMagnitude
"""Measured values of one kind."""

OBSERVABLES = get_args(Observable)

HIGHEST_OFFSET = 1e11
"""Subcarriers further from the carrier than this [Hz] are in another unit."""


def _check_reference(given: str) -> None:
    if given not in get_args(DelayReference):
        raise CampaignError(f"delays are counted from transmission or first_path; got {given!r}")


def _check_subcarriers(block: _Block, frequency: FloatArray) -> None:
    far = np.abs(frequency) > HIGHEST_OFFSET
    if far.any():
        raise CampaignError(
            f"subcarriers of the {block.name} lie {np.abs(frequency).max():g} Hz from the carrier; "
            "they are counted from it, in Hz"
        )


def checked_blocks(given: Any, present: BoolArray, frequency: FloatArray | None) -> tuple[Any, ...]:
    """Blocks of a campaign.

    :raises CampaignError: if one is none, or a line belongs to no receiver
    """
    blocks = tuple(given)
    for block in blocks:
        if not isinstance(block, OBSERVABLES):
            raise CampaignError(
                "observables are DelayPower, DelayMoment, FrequencyResponse or ResponseMagnitude; "
                f"got {type(block).__name__}"
            )
        m, n = block.setup, block.receiver
        inside = (m >= 0) & (m < present.shape[0]) & (n >= 0) & (n < present.shape[1])
        strange = ~inside
        strange[inside] = ~present[m[inside], n[inside]]
        if strange.any():
            raise CampaignError(
                f"{block.name} of receivers that do not exist: {block._lines(strange)}"
            )
        if frequency is not None and isinstance(block, (FrequencyResponse, ResponseMagnitude)):
            absolute = block.frequency_hz > 0.5 * frequency[m]
            if absolute.any():
                raise CampaignError(
                    f"subcarriers of the {block.name} are counted from the carrier; "
                    f"{block.frequency_hz.max():g} Hz looks like an absolute frequency: subtract "
                    "the carrier"
                )
    return blocks


def observed_links(blocks: Iterable[Any], shape: tuple[int, int]) -> BoolArray:
    """[M,N] links that a block has a line of."""
    there = np.zeros(shape, bool)
    for block in blocks:
        there[block.setup, block.receiver] = True
    return there


def joined(blocks: Iterable[Any], values: Callable[[Any], FloatArray]) -> FloatArray:
    """Rows of all blocks one after another."""
    parts = [np.asarray(values(block)) for block in blocks]
    return np.concatenate(parts) if parts else np.zeros(0)
