"""Observables of every link of a campaign, planned before they are measured."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.observables import (
    DelayMoment,
    DelayPower,
    DelayReference,
    FrequencyResponse,
    Observable,
    ResponseMagnitude,
)
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.units import SPEED_OF_LIGHT

MOST_BINS = 10_000
"""Most delay bins, or subcarriers, of a link."""

LEAD_NS = 5.0
"""Least time between the begin of a window of delay bins and the straight path [ns]."""


@dataclass(frozen=True)
class PlannedBins:
    """Power in delay bins from shortly before the straight path on.

    :param width_ns: width of a bin [ns]
    :param window_ns: length of the window [ns]
    :param noise_db: standard deviation of each power [dB]
    :param range_db: how far the noise in a bin lies below the strongest bin of its link [dB]
    :param counted_from: where delays are counted from
    :raises ConfigurationError: if a number is not positive, or there are too many bins
    """

    width_ns: float = 10.0
    window_ns: float = 150.0
    noise_db: float = 1.0
    range_db: float = 30.0
    counted_from: DelayReference = "transmission"

    word: ClassVar[str] = "delay"

    def __post_init__(self) -> None:
        _check_positive(self, "width_ns", "window_ns", "noise_db", "range_db")
        if not self.width_ns <= self.window_ns <= MOST_BINS * self.width_ns:
            raise ConfigurationError(
                f"a window of {self.window_ns:g} ns holds no bins of {self.width_ns:g} ns, or too "
                "many"
            )

    def on(self, campaign: Campaign) -> Observable:
        """The bins of every link, not measured yet."""
        m, n = np.nonzero(campaign.present)
        count = math.ceil(self.window_ns / self.width_ns)
        begin = np.full(len(m), -max(LEAD_NS, self.width_ns))
        if self.counted_from == "transmission":
            straight = np.linalg.norm(campaign.tx[m] - campaign.rx[m, n], axis=1)
            begin = np.maximum(begin + 1e9 * straight / SPEED_OF_LIGHT, 0.0)
        start = (begin[:, None] + self.width_ns * np.arange(count)).ravel()
        nothing = np.full(len(start), np.nan)
        return DelayPower(
            np.repeat(m, count), np.repeat(n, count), start, start + self.width_ns, nothing,
            np.full(len(start), self.noise_db), counted_from=self.counted_from,
        )  # fmt: skip


@dataclass(frozen=True)
class PlannedMoment:
    """Mean or root-mean-square spread of the delays of every link.

    :param moment: "mean" or "rms_spread"
    :param noise_ns: standard deviation [ns]
    :raises ConfigurationError: if it is not positive
    """

    moment: Literal["mean", "rms_spread"] = "rms_spread"
    noise_ns: float = 1.0

    def __post_init__(self) -> None:
        _check_positive(self, "noise_ns")

    @property
    def word(self) -> str:
        """Its word in :data:`GRAMMAR`."""
        return "mean_delay" if self.moment == "mean" else "delay_spread"

    def on(self, campaign: Campaign) -> Observable:
        """The moment of every link, not measured yet."""
        m, n = np.nonzero(campaign.present)
        nothing = np.full(len(m), np.nan)
        return DelayMoment(m, n, self.moment, nothing, np.full(len(m), self.noise_ns))


@dataclass(frozen=True)
class PlannedResponse:
    """Frequency response over equally spaced subcarriers about the carrier.

    :param subcarriers: how many
    :param bandwidth_hz: from the first to the last [Hz]
    :param noise: standard deviation: of a complex response in decibels below the root mean square
        of its snapshot (a signal-to-noise ratio), of a magnitude in decibels
    :param magnitude: whether only the magnitude is reported
    :param phase: whether the phase of a snapshot is known
    :param timing: whether its timing is
    :raises ConfigurationError: if a number is not positive
    """

    subcarriers: int = 64
    bandwidth_hz: float = 20e6
    noise: float = 30.0
    magnitude: bool = False
    phase: Literal["known", "unknown"] = "unknown"
    timing: Literal["known", "unknown"] = "unknown"

    def __post_init__(self) -> None:
        _check_positive(self, "bandwidth_hz", "noise")
        if not 2 <= self.subcarriers <= MOST_BINS:
            raise ConfigurationError(f"a response has 2 to {MOST_BINS} subcarriers")

    @property
    def word(self) -> str:
        """Its word in :data:`GRAMMAR`."""
        return "magnitude" if self.magnitude else "response"

    def on(self, campaign: Campaign) -> Observable:
        """The subcarriers of every link, not measured yet; the noise of a complex response is not
        known before its size is."""
        m, n, frequency = self._lines(campaign)
        nothing = np.full(len(m), np.nan)
        if self.magnitude:
            noise = np.full(len(m), self.noise)
            return ResponseMagnitude(m, n, frequency, nothing, noise)
        return FrequencyResponse(
            m, n, frequency, nothing + 0j, nothing, phase=self.phase, timing=self.timing
        )

    def _lines(self, campaign: Campaign) -> tuple[IntArray, IntArray, FloatArray]:
        m, n = np.nonzero(campaign.present)
        half = 0.5 * self.bandwidth_hz
        frequency = np.tile(np.linspace(-half, half, self.subcarriers), len(m))
        return np.repeat(m, self.subcarriers), np.repeat(n, self.subcarriers), frequency


ObservablePlan: TypeAlias = PlannedBins | PlannedMoment | PlannedResponse
"""An observable to be measured on every link beside its level."""


def _check_positive(plan: object, *names: str) -> None:
    for name in names:
        value = getattr(plan, name)
        if not 0.0 < value < math.inf:
            raise ConfigurationError(f"{name} must be positive and finite; got {value:g}")


_SIZE = r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)"
_BINS = re.compile(rf"delay:{_SIZE}ns(?:/{_SIZE}ns)?(?:@{_SIZE}db)?")
_MOMENT = re.compile(rf"(delay_spread|mean_delay)(?:@{_SIZE}ns)?")
_RESPONSE = re.compile(rf"(response|magnitude):([0-9]+)(?:x{_SIZE}(k|m|g)hz)?(?:@{_SIZE}db)?")

GRAMMAR = (
    "power, delay:10ns (bins of 10 ns; /150ns: the window), delay_spread, mean_delay, response:64 "
    "(64 subcarriers; x0.3125mhz: their spacing), magnitude:64; behind each @1db or @1ns the "
    "noise, of a response the signal-to-noise ratio"
)
"""The words of :func:`parse_observables`."""


def parse_observables(text: str) -> tuple[bool, tuple[ObservablePlan, ...]]:
    """The observables that words as in ``power,delay:10ns@2db,response:64`` name.

    :return: whether received power is among them, and the others
    :raises ConfigurationError: if a word is none of :data:`GRAMMAR`, or stands twice
    """
    words = [word.strip().casefold() for word in text.split(",") if word.strip()]
    if not words or len(set(words)) < len(words):
        raise ConfigurationError(f"name what is measured, each once: {GRAMMAR}; got {text!r}")
    return "power" in words, tuple(_plan(word) for word in words if word != "power")


def observable_words(campaign: Campaign) -> str:
    """The words of :func:`parse_observables` for what was measured in a campaign, so that other
    links can be planned alike; window, subcarriers and noise are medians."""
    words = ["power"] if campaign.has_level.any() else []
    for block in campaign.observables:
        word = _word(block)
        if word.partition("@")[0] not in [each.partition("@")[0] for each in words]:
            words.append(word)
    return ",".join(words) or "power"


def _word(block: Observable) -> str:
    links = len(np.unique(np.stack([block.setup, block.receiver]), axis=1).T)
    noise = float(np.nanmedian(np.append(block.noise[block.noise > 0.0], np.nan)))
    if isinstance(block, DelayPower):
        width = float(np.median(block.stop_ns - block.start_ns))
        window = width * max(1, round(len(block) / max(links, 1)))
        return f"delay:{width:g}ns/{window:g}ns" + _noise_word(noise, "db")
    if isinstance(block, DelayMoment):
        name = "mean_delay" if block.moment == "mean" else "delay_spread"
        return name + _noise_word(noise, "ns")
    tones = np.unique(block.frequency_hz)
    spacing = float(np.ptp(tones)) / max(len(tones) - 1, 1) / 1e6
    name = "magnitude"
    if isinstance(block, FrequencyResponse):
        name = "response"
        ratio = np.sqrt((np.abs(block.value) ** 2).mean()) / (np.sqrt(2.0) * noise)
        noise = float(20.0 * np.log10(ratio))
    step = f"x{spacing:g}mhz" if spacing else ""
    return f"{name}:{max(len(tones), 2)}{step}" + _noise_word(noise, "db")


def _noise_word(noise: float, unit: str) -> str:
    return f"@{noise:.3g}{unit}" if noise > 0.0 else ""


def _plan(word: str) -> ObservablePlan:
    if parts := _BINS.fullmatch(word):
        width = float(parts[1])
        window = float(parts[2]) if parts[2] else max(150.0, 4.0 * width)
        plan = PlannedBins(width, window)
        return plan if parts[3] is None else dataclasses.replace(plan, noise_db=float(parts[3]))
    if parts := _MOMENT.fullmatch(word):
        moment: Literal["mean", "rms_spread"] = "mean" if parts[1] == "mean_delay" else "rms_spread"
        return PlannedMoment(moment, float(parts[2] or 1.0))
    if parts := _RESPONSE.fullmatch(word):
        count, only = int(parts[2]), parts[1] == "magnitude"
        scale = {"k": 1e3, "m": 1e6, "g": 1e9}[parts[4] or "m"]
        spacing = float(parts[3]) * scale if parts[3] else 20e6 / max(count - 1, 1)
        noise = float(parts[5]) if parts[5] else (1.0 if only else 30.0)
        return PlannedResponse(count, spacing * max(count - 1, 1), noise, only)
    raise ConfigurationError(f"{word!r} is nothing that is measured; what there is: {GRAMMAR}")
