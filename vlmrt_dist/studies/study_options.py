"""Options that the sweeps of the paper share: configuration, truth, solver and positions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmrt_dist.campaign import AntennaPattern, Campaign, Combining, Polarization, RadioConfig
from vlmrt_dist.command_line import Options, option_group
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import PowerLoss
from vlmrt_dist.inference import (
    Adam,
    LinkLoss,
    NoImprovement,
    Reading,
    ReadingName,
    StopRule,
    reading_named,
)
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies.point import TRUTH_WIDTH, WIDEST, Point
from vlmrt_dist.studies.positions import chosen_positions
from vlmrt_dist.studies.sweeps import Sweep
from vlmrt_dist.vlm import (
    Advice,
    AdvisorName,
    AdvisorOptions,
    Gemini,
    Offline,
    PromptName,
    Recorded,
    ask,
)

Label = dict[str, float | str]

PositionName = Literal[
    "random",
    "grid",
    "vlm",
    "d_optimal",
    "a_optimal",
    "d_optimal_refined",
    "a_optimal_refined",
    "vlm_then_refine",
]
"""A strategy that chooses positions; "vlm" is the offline advisor's."""


@option_group("Configuration, truth and solver")
@dataclass(frozen=True)
class StudyOptions(Options):
    """The paper's configuration C, its truth, and how it is read; what differs from the paper is
    part of every label.

    :param frequency: carrier [Hz]
    :param tx_power_dbm: transmit power [dBm]
    :param antenna_pattern: of both antennas
    :param polarization: of both antennas
    :param combining: add the paths' powers, or their complex amplitudes; default: the reading's
    :param truth_width: standard deviation of λ in the truths σ = λ σ_ITU, truncated at twice that
    :param noise_db: noise of a level [dB]
    :param reading: how the paper's optimization is read: what the method adam does
    :param rate: η of every Adam; default: the reading's, or the method's own
    :param adam_loss: loss of adam: nae, the paper's (8), or squares of decibels; default: the
        reading's
    :param patience: J of adam's stop rule; default: the reading's
    :param iterations: most iterations of Adam
    :param loss: how large residuals count for the methods that are not Adam
    :raises ConfigurationError: if a number makes no sense
    """

    frequency: float = RadioConfig.frequency
    tx_power_dbm: float = RadioConfig.tx_power_dbm
    antenna_pattern: AntennaPattern = "iso"
    polarization: Polarization = "V"
    combining: Combining | None = None
    truth_width: float = TRUTH_WIDTH
    noise_db: float = 0.0
    reading: ReadingName = "literal"
    rate: float | None = None
    adam_loss: PowerLoss | None = None
    patience: int | None = None
    iterations: int = Adam.max_iterations
    loss: LinkLoss = "squared"

    def __post_init__(self) -> None:
        if not 0.0 < self.truth_width < WIDEST:
            raise ConfigurationError(f"--truth-width must lie between 0 and {WIDEST:g}")
        if not 0.0 <= self.noise_db < float("inf"):
            raise ConfigurationError("--noise-db must be finite and not negative")
        reading_named(self.reading)
        self.radio()
        self.adam  # checks itself  # noqa: B018

    def read_as(self, reading: ReadingName) -> StudyOptions:
        """The same under another reading."""
        return dataclasses.replace(self, reading=reading)

    def radio(self, **more: Any) -> RadioConfig:
        """The paper's radio configuration with what the options change.

        :param more: other fields
        """
        return RadioConfig.paper(**(self._radio_fields | more))

    def exact_radio(self, **more: Any) -> RadioConfig:
        """The same with every path up to the depth."""
        return RadioConfig(**(self._radio_fields | more))

    @property
    def _radio_fields(self) -> dict[str, Any]:
        return {
            "frequency": self.frequency,
            "tx_power_dbm": self.tx_power_dbm,
            "antenna_pattern": self.antenna_pattern,
            "polarization": self.polarization,
            "combining": self.combining or self.named_reading.combining,
        }

    @property
    def named_reading(self) -> Reading:
        """The reading."""
        return reading_named(self.reading)

    @property
    def adam(self) -> Adam:
        """The solver behind the method "adam"."""
        adam = self.named_reading.solver
        changes: dict[str, Any] = {"max_iterations": self.iterations}
        if self.rate is not None:
            changes["rate"] = self.rate
        if self.adam_loss is not None:
            changes["loss"] = self.adam_loss
        if self.patience is not None:
            changes["stop"] = _with_patience(adam.stop, self.patience)
        return dataclasses.replace(adam, **changes)

    @property
    def variant(self) -> str | None:
        """Part of a study's name: a reading that is not the literal one."""
        return None if self.reading == StudyOptions.reading else self.reading

    @property
    def label(self) -> Label:
        """Options that differ from the paper's, by name."""
        return {
            each.name: getattr(self, each.name)
            for each in dataclasses.fields(self)
            if getattr(self, each.name) != each.default
        }

    def points(self, points: Iterable[Point]) -> list[Point]:
        """Points under these options; several for one where its methods need different ones.

        :param points: their radio configurations as these options state them
        """
        return [part for point in points for part in self._parts(point)]

    def _parts(self, point: Point) -> list[Point]:
        point = dataclasses.replace(
            point, adam=self.adam, truth_width=self.truth_width, noise_db=self.noise_db,
            label=point.label | self.label,
        )  # fmt: skip
        adams = tuple(m for m in point.optimizers if m.startswith("adam"))
        others = tuple(m for m in point.optimizers if m not in adams)
        parts = []
        if adams:
            parts.append(dataclasses.replace(point, optimizers=adams, learning_rate=self.rate))
        if others:
            parts.append(dataclasses.replace(point, optimizers=others, loss=self.loss))
        same = self.rate is None and self.loss == "squared"
        return [point] if same else parts


def _with_patience(stop: StopRule | NoImprovement, patience: int) -> StopRule | NoImprovement:
    """A stop rule with another J, which a rule that compares distant iterations has as its lag."""
    if isinstance(stop, StopRule) and stop.lag > 1:
        return dataclasses.replace(stop, lag=patience)
    return dataclasses.replace(stop, patience=patience)


def differing(axes: Mapping[str, tuple[float, float]]) -> Label:
    """Label of axes that are not at the paper's value.

    :param axes: value, and the paper's, by the entry of the label
    """
    return {name: value for name, (value, papers) in axes.items() if value != papers}


@option_group("Positions")
@dataclass(frozen=True)
class PositionOptions(Options):
    """Positions of the antennas.

    :param positions: how they are chosen; vlm: as the offline advisor does
    :param setups: M
    :param receivers: N of a setup
    :param vlm: advisor that gives VLMInit and VLMSel instead
    :param recording: the answers that --vlm recorded replays, .json
    :param anonymous: hide the scene's names and classes from the advisor
    :param prompt: of a model: the paper's in words of our own, or as printed
    :raises ConfigurationError: if options do not go together
    """

    positions: PositionName = "d_optimal"
    setups: int = 3
    receivers: int = 8
    vlm: AdvisorName | None = None
    recording: Path | None = None
    anonymous: bool = False
    prompt: PromptName = "structured"

    def __post_init__(self) -> None:
        if self.setups < 1 or self.receivers < 1:
            raise ConfigurationError("--setups and --receivers must be 1 or more")
        if (self.vlm == "recorded") != (self.recording is not None):
            raise ConfigurationError("--vlm recorded and --recording FILE go together")
        if self.vlm and self.positions != PositionOptions.positions:
            raise ConfigurationError("--vlm chooses the positions too; leave --positions out")
        if self.anonymous and not self.vlm:
            raise ConfigurationError("--anonymous goes with --vlm")
        if self.prompt != PositionOptions.prompt and self.vlm in (None, "offline"):
            raise ConfigurationError("--prompt goes with the --vlm of a model or a recording")

    @property
    def variant(self) -> str | None:
        """Part of a study's name: an advisor, and how it is asked."""
        if not self.vlm:
            return None
        return "_".join(
            [self.vlm, *["anonymous"] * self.anonymous, *["verbatim"] * (self.prompt == "verbatim")]
        )

    @property
    def label(self) -> Label:
        """Options that differ from the paper's, by name; an advisor is named by its advice."""
        names = {"placement": "positions", "setups": "setups", "receivers": "receivers"}
        return {
            entry: getattr(self, name)
            for entry, name in names.items()
            if getattr(self, name) != getattr(PositionOptions, name)
        }

    @property
    def _advisor(self) -> AdvisorOptions:
        if self.vlm == "offline":
            return Offline(anonymous=self.anonymous)
        if self.recording is not None:
            return Recorded(self.recording, anonymous=self.anonymous, prompt=self.prompt)
        if self.vlm == "gemini":
            return Gemini(anonymous=self.anonymous, prompt=self.prompt)
        raise ConfigurationError(
            "a sweep asks offline, gemini or a recording; record the answers of another model with "
            "vlmrt advise --record"
        )

    def chosen(
        self, run: Sweep, room: SceneModel, radio: RadioConfig
    ) -> tuple[Advice | None, Campaign]:
        """Advice, where an advisor is asked, and the positions."""
        if self.vlm:
            advice = ask(
                self._advisor, room, self.setups, self.receivers, frequency=radio.frequency
            )
            return advice, advice.campaign
        size = self.setups, self.receivers
        return None, chosen_positions(run, room, self.positions, radio, size)[0]
