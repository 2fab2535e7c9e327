"""``vlmrt simulate``: a simulated measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import (
    AntennaSpace,
    RadioConfig,
    Region,
    parse_observables,
    write_campaign,
)
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import (
    CandidateFlags,
    PositionOptions,
    SceneOptions,
    SimulationRadio,
    check_target,
    csv_text,
    strategy_of,
    value_of,
)
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import MOST_ROWS, counted, listed, print_result, results_only, say, tallied
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.field import Flaws, perturbed, simulate
from vlmrt_dist.placement import place
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import write_atomic


@option_group("Positions")
@dataclass(frozen=True)
class SimulatedPositions(PositionOptions):
    """Positions of a simulation.

    :param campaign: positions (see plan) instead of --setups, --receivers, --placement
    """

    campaign: Annotated[Path | None, Parameter(metavar="FILE")] = None


@option_group("Errors of the levels")
@dataclass(frozen=True)
class ErrorOptions(Options, Flaws):
    """Errors that are added to the levels.

    :param noise_db: standard deviation of the error of each level [dB]
    :raises ConfigurationError: if a number is outside what it may be
    """

    noise_db: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.noise_db < math.inf:
            raise ConfigurationError("--noise-db must be a finite number of dB, 0 or more")


@option_group("What is measured")
@dataclass(frozen=True)
class ObservableOptions(Options):
    """Observables of every link.

    :param observe: words joined by commas: power; delay:10ns, power in delay bins of 10 ns
        (delay:10ns/150ns: a window of 150 ns); delay_spread; mean_delay; response:64, a complex
        frequency response over 64 subcarriers (response:64x0.3125mhz: their spacing); magnitude:64.
        Behind each @1db or @1ns is its noise, of a response the signal-to-noise ratio
    :raises ConfigurationError: if a word is none of these
    """

    observe: Annotated[str, Parameter(metavar="WORDS")] = "power"

    def __post_init__(self) -> None:
        parse_observables(self.observe)


@option_group("Truth and output")
@dataclass(frozen=True)
class TruthOptions(Options):
    """Truth of a simulation, and its files.

    :param out: the file to write, .csv or .parquet
    :param truth_out: where the truth [S/m] goes, .csv
    :param overwrite: replace files that are there already
    :param perturb_seed: seed of a truth up to 20 % about the scene's own values; default: these
    :raises StorageError: if a file cannot be written
    """

    out: Annotated[Path, Parameter(metavar="FILE")]
    truth_out: Annotated[Path | None, Parameter(metavar="FILE")] = None
    overwrite: bool = False
    perturb_seed: int | None = None

    def __post_init__(self) -> None:
        check_target(self.out, ".csv", ".parquet", overwrite=self.overwrite)
        check_target(self.truth_out, ".csv", overwrite=self.overwrite)
        if self.truth_out is not None and self.truth_out.absolute() == self.out.absolute():
            raise StorageError("--out and --truth-out name the same file")
        if self.perturb_seed is not None and self.perturb_seed < 0:
            raise ConfigurationError("--perturb-seed must be 0 or more")


@described
def simulate_command(
    *,
    output: TruthOptions,
    scene: SceneOptions = SceneOptions(),
    positions: SimulatedPositions = SimulatedPositions(),
    candidates: CandidateFlags = CandidateFlags(),
    observables: ObservableOptions = ObservableOptions(),
    errors: ErrorOptions = ErrorOptions(),
    radio: SimulationRadio = SimulationRadio(),
    seed: int = 0,
) -> None:
    """A simulated measurement: a file of levels [dBm] for estimate, and its truth.

    :param seed: seed of positions and noise
    """
    asked = value_of(RadioConfig, radio)
    room = scene.load(asked.frequency)
    given = None
    if positions.campaign is not None:
        given = read_for(room, positions.campaign, devices=radio.devices)
    if given is not None and candidates.stated:
        AntennaSpace(room, value_of(Region, candidates)).check(given)
    truth = room.conductivity(asked.frequency)
    if output.perturb_seed is not None:
        truth = perturbed(truth, output.perturb_seed)
    power, plans = parse_observables(observables.observe)
    strategy = strategy_of(positions.placement, candidates, asked)
    with results_only():
        planned = given or place(strategy, room, positions.setups, positions.receivers, seed=seed)
        # The placement draws from this seed too, and noise has to be independent of positions.
        measured = simulate(
            room,
            planned,
            conductivity=truth,
            radio=asked,
            noise_db=errors.noise_db,
            flaws=value_of(Flaws, errors),
            observables=plans,
            power=power,
            seed=seed + 1,
        )
    if radio.devices is not None:  # the table says more than columns of levels can
        say(f"note: {output.out} states no antennas; give estimate --devices {radio.devices} too")
        measured = measured.with_these_antennas(None)
    write_campaign(measured, output.out)
    table = _truth(room, truth, asked.frequency)
    if output.truth_out is not None:
        header = ("name", "material", "conductivity")
        write_atomic(output.truth_out, csv_text(header, table).encode())
    width = max(20, *(len(name) for name, _, _ in table[:MOST_ROWS]))
    for name, kind, value in table[:MOST_ROWS]:
        print_result(f"{name:<{width}} {kind:<18} {value:>10.4g} S/m")
    if len(table) > MOST_ROWS:
        print_result(
            f"{len(table) - MOST_ROWS} more of {len(table)} objects: "
            f"{tallied([kind for _, kind, _ in table[MOST_ROWS:]])}; all of them with --truth-out"
        )
    lossy = [f"{o.name} {o.extra_loss_db:g} dB" for o in room.objects if o.extra_loss_db]
    if lossy:
        print_result(f"extra loss of what passes through: {listed(lossy)}")
    parts = {"censored": measured.below, "saturated": measured.saturated}
    told = [f"{int(marks.sum())} {what}" for what, marks in parts.items() if marks.any()]
    bounds = f", of them {' and '.join(told)}," if told else ""
    levels = [counted(int(measured.has_level.sum()), "level")] if power else []
    blocks = [f"{len(block)} values of the {block.name}" for block in measured.observables]
    print_result(
        f"{' and '.join([*levels, *blocks])} of {counted(measured.num_links, 'link')} of "
        f"{counted(measured.num_setups, 'setup')}{bounds} written to {output.out}"
        if blocks
        else f"{levels[0]} of {counted(measured.num_setups, 'setup')}{bounds} written to "
        f"{output.out}"
    )


def _truth(
    scene: SceneModel, conductivity: FloatArray, frequency: float
) -> list[tuple[str, str, float]]:
    """Name, material and conductivity [S/m] of the objects, and of the layers of those that have
    any in their place."""
    own = zip(scene.objects, conductivity.tolist(), strict=True)
    rows = [(o.name, o.material, value) for o, value in own if o.layered is None]
    layers = scene.layers
    if layers is None:
        return rows
    values = layers.conductivity(frequency).tolist()
    return rows + list(zip(layers.names, layers.materials, values, strict=True))
