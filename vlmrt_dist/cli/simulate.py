"""``vlmrt simulate``: a measurement that was never made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from vlmrt_dist.campaign import RadioConfig, read_campaign, write_campaign
from vlmrt_dist.cli.options import (
    CombiningOption,
    DepthOption,
    FileOutOption,
    FrequencyOption,
    HeadroomOption,
    MaterialsOption,
    PatternOption,
    PlacementOption,
    PolarizationOption,
    PowerOption,
    ReceiversOption,
    SamplesOption,
    SceneOption,
    SeedOption,
    SetupsOption,
    SingleOption,
    SolverSeedOption,
    check_noise,
    check_target,
    csv_text,
    named_scene,
    opt,
    placed,
)
from vlmrt_dist.console import print_result, results_only
from vlmrt_dist.errors import StorageError
from vlmrt_dist.field import Flaws, perturbed, simulate
from vlmrt_dist.store import write_atomic

_NoiseAdded = Annotated[float, opt("Standard deviation of the error of each level [dB].")]
_Quantisation = Annotated[float, opt("Step that levels are rounded to [dB]; 0: none.", min=0.0)]
_Floor = Annotated[
    float | None,
    opt("Lowest level a receiver can tell [dBm]; what is lower is written as censored."),
]
_OutlierShare = Annotated[float, opt("Share of levels that are grossly wrong.", min=0.0, max=1.0)]
_OutlierSize = Annotated[float, opt("How wrong these are, up or down [dB].", min=0.0)]
_Offset = Annotated[
    float, opt("Standard deviation of an error that a setup's levels share [dB].", min=0.0)
]
_PositionError = Annotated[
    float, opt("Standard deviation of each receiver coordinate about the stated one [m].", min=0.0)
]
_Planned = Annotated[
    Path | None,
    opt("Positions (see plan) instead of --setups, --receivers, --placement.", metavar="FILE"),
]
_Perturb = Annotated[
    int | None,
    opt("Seed of a truth up to 20 % about the scene's own values; default: these.", min=0),
]
_TruthOut = Annotated[Path | None, opt("Where the truth [S/m] goes, .csv.", metavar="FILE")]


def simulate_command(
    out: FileOutOption,
    scene: SceneOption = "box_room",
    setups: SetupsOption = 3,
    receivers: ReceiversOption = 8,
    placement: PlacementOption = "random",
    seed: SeedOption = 0,
    campaign: _Planned = None,
    frequency: FrequencyOption = 3.5e9,
    noise_db: _NoiseAdded = 0.0,
    quantisation_db: _Quantisation = 0.0,
    noise_floor_dbm: _Floor = None,
    outlier_share: _OutlierShare = 0.0,
    outlier_db: _OutlierSize = 20.0,
    gain_offset_db: _Offset = 0.0,
    position_error_m: _PositionError = 0.0,
    perturb_seed: _Perturb = None,
    truth_out: _TruthOut = None,
    headroom: HeadroomOption = 0.0,
    material: MaterialsOption = None,
    tx_power_dbm: PowerOption = 44.0,
    antenna_pattern: PatternOption = "iso",
    polarization: PolarizationOption = "V",
    combining: CombiningOption = "power",
    max_depth: DepthOption = 4,
    samples_per_src: SamplesOption = 1_000_000,
    single_solve: SingleOption = False,
    solver_seed: SolverSeedOption = 2,
) -> None:
    """A measurement that was never made: a file of levels [dBm] for estimate, and its truth."""
    radio = RadioConfig(
        frequency=frequency,
        tx_power_dbm=tx_power_dbm,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        samples_per_src=samples_per_src,
        seed=solver_seed,
        complete=not single_solve,
        combining=combining,
    )
    check_noise(noise_db)
    check_target(out, ".csv", ".parquet")
    if truth_out is not None:
        check_target(truth_out, ".csv")
        if truth_out.absolute() == out.absolute():
            raise StorageError("--out and --truth-out name the same file")
    room = named_scene(scene, headroom, material)
    given = read_campaign(campaign, scene=room) if campaign is not None else None
    truth = room.conductivity(frequency)
    if perturb_seed is not None:
        truth = perturbed(truth, perturb_seed)
    with results_only():
        planned = given or placed(placement, room, setups, receivers, seed, radio)
        # The placement draws from this seed too, and noise has to be independent of positions.
        measured = simulate(
            room,
            planned,
            conductivity=truth,
            radio=radio,
            noise_db=noise_db,
            flaws=Flaws(
                quantisation_db,
                noise_floor_dbm,
                outlier_share,
                outlier_db,
                gain_offset_db,
                position_error_m,
            ),
            seed=seed + 1,
        )
    write_campaign(measured, out)
    table = list(zip(room.names, room.materials, truth.tolist(), strict=True))
    if truth_out is not None:
        write_atomic(truth_out, csv_text(("name", "material", "conductivity"), table).encode())
    for name, kind, value in table:
        print_result(f"{name:<20} {kind:<18} {value:>10.4g} S/m")
    censored = int(measured.censored.sum())
    below = f", {censored} of them censored," if censored else ""
    print_result(
        f"{measured.num_links} levels of {measured.num_setups} setups{below} written to {out}"
    )
