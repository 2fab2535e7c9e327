"""``vlmrt estimate``: from measured levels to conductivities."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, cast

import numpy as np
import typer

from vlmrt_dist.campaign import RadioConfig, read_campaign
from vlmrt_dist.cli.options import (
    CombiningOption,
    DepthOption,
    FrequencyOption,
    HeadroomOption,
    MaterialsOption,
    PatternOption,
    PolarizationOption,
    PowerOption,
    SamplesOption,
    SceneOption,
    SeedOption,
    SingleOption,
    SolverSeedOption,
    check_noise,
    check_target,
    named_scene,
    opt,
)
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.distributed import ActorOptions
from vlmrt_dist.errors import ConfigurationError, NumericalError
from vlmrt_dist.field import Engine
from vlmrt_dist.inference import (
    ADAMS,
    PRIOR_WIDTH,
    Initial,
    LevenbergMarquardt,
    LinkLoss,
    Noise,
    Parameters,
    Prior,
    Quantity,
    Solver,
    estimate,
)
from vlmrt_dist.inference import profile as profile_likelihood
from vlmrt_dist.vlm import propose_materials

_Measurements = Annotated[
    Path,
    opt(
        "Measured levels, .csv or .parquet, one line a link: setup, tx_x, tx_y, tx_z, rx_x, rx_y, "
        "rx_z [m], rss_dbm [dBm] (<-95 below a floor of -95), and optionally noise_db [dB], "
        "censored (0 or 1), frequency [Hz].",
        metavar="FILE",
    ),
]
_NoiseDeclared = Annotated[
    float | None, opt("Standard deviation of the levels [dB]; default: the file's noise_db.")
]
_Figure = Annotated[
    Path | None,
    opt("Draw levels, residuals, prior and estimate to this .png or .pdf.", metavar="FILE"),
]
_Out = Annotated[
    Path | None,
    opt("Write a row an object to this .parquet, .csv or .json.", metavar="FILE"),
]
_Links = Annotated[
    Path | None,
    opt("Write a row a link (levels, residuals) to this .parquet, .csv or .json.", metavar="FILE"),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Optimizer = Annotated[
    Literal["levenberg_marquardt", "adam", "adam_fine", "adam_log"],
    opt("Least squares with the prior, or Adam as in the paper."),
]
_Engine = Annotated[Engine, opt("Replay traced paths, or trace anew in every iteration.")]
_Initial = Annotated[Initial, opt("Start at the ITU values, at their mean, or at random.")]
_PriorWidth = Annotated[
    float, opt("Standard deviation of ln(conductivity) about the ITU value; inf: no prior.")
]
_Fixed = Annotated[
    list[str] | None, opt("Object of known conductivity; may be repeated.", metavar="NAME")
]
_Iterations = Annotated[
    int | None,
    opt("Most iterations of Adam (1000), or evaluations of a least-squares start (100).", min=1),
]
_Unknown = Annotated[
    list[str] | None,
    opt(
        "What is unknown: conductivity (the default), relative_permittivity, thickness, exponent; "
        "may be repeated.",
        metavar="QUANTITY",
    ),
]
_GroupBy = Annotated[
    Literal["material"] | None, opt("Objects of one material class share their values.")
]
_Gain = Annotated[
    float | None,
    opt("Standard deviation of an unknown offset of each setup's levels [dB]; inf: any offset."),
]
_Loss = Annotated[
    LinkLoss | None,
    opt("How large residuals count; huber or student_t where some levels are grossly wrong."),
]
_Quantisation = Annotated[
    float, opt("Step that the receiver rounds to [dB], if the noise does not contain it.", min=0.0)
]
_Position = Annotated[
    float, opt("Standard deviation of each receiver coordinate about the stated one [m].", min=0.0)
]
_Profile = Annotated[
    list[str] | None,
    opt("Print the profile likelihood of this object too; may be repeated.", metavar="OBJECT"),
]
_Check = Annotated[bool, typer.Option("--check", help="Check the intervals by weighted draws.")]
_Vlm = Annotated[
    str | None,
    opt(
        "Take the materials from an advisor instead of the scene: offline (by the objects' names), "
        "gemini, openai_compatible.",
        metavar="ADVISOR",
    ),
]
_Actors = Annotated[int, opt("Ray actors to share the setups among; 0: none.", min=0)]


def estimate_command(
    measurements: _Measurements,
    scene: SceneOption = "box_room",
    frequency: FrequencyOption = 3.5e9,
    noise_db: _NoiseDeclared = None,
    as_json: _Json = False,
    figure: _Figure = None,
    out: _Out = None,
    links: _Links = None,
    optimizer: _Optimizer = "levenberg_marquardt",
    engine: _Engine = "replay",
    initial: _Initial = "itu",
    prior_width: _PriorWidth = PRIOR_WIDTH,
    fixed: _Fixed = None,
    vlm: _Vlm = None,
    unknown: _Unknown = None,
    group_by: _GroupBy = None,
    gain_offset_db: _Gain = None,
    loss: _Loss = None,
    quantisation_db: _Quantisation = 0.0,
    position_error_m: _Position = 0.0,
    check: _Check = False,
    profile: _Profile = None,
    max_iterations: _Iterations = None,
    seed: SeedOption = 0,
    num_actors: _Actors = 0,
    headroom: HeadroomOption = 0.0,
    material: MaterialsOption = None,
    tx_power_dbm: PowerOption = 44.0,
    antenna_pattern: PatternOption = "iso",
    polarization: PolarizationOption = "V",
    combining: CombiningOption = "power",
    max_depth: DepthOption = 4,
    samples_per_src: SamplesOption = 1_000_000,
    single_solve: SingleOption = False,
    solver_seed: SolverSeedOption = 1,
) -> None:
    """The conductivity [S/m] of every object of a scene, from measured levels [dBm]."""
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
    if figure is not None:
        check_target(figure, ".png", ".pdf")
    for target in (out, links):
        if target is not None:
            check_target(target, ".parquet", ".csv", ".json")
    room = named_scene(scene, headroom, material)
    campaign = read_campaign(measurements, scene=room)
    if noise_db is None and not np.any(np.nan_to_num(campaign.noise_db) > 0.0):
        say("warning: no noise level is declared, so the levels count as exact; give --noise-db")
    if vlm is None and initial == "vlm":
        vlm = "offline"
    if profile and (optimizer != "levenberg_marquardt" or vlm is not None):
        raise ConfigurationError(
            "--profile goes with --optimizer levenberg_marquardt and the scene's own materials"
        )
    solver: Solver
    if optimizer == "levenberg_marquardt":
        if engine == "retrace":
            raise ConfigurationError("--engine retrace goes with one of the Adams")
        solver = LevenbergMarquardt(
            loss=loss or "squared", max_evaluations=max_iterations or 100, initial=initial,
            check=check,
        )  # fmt: skip
    else:
        if check or loss is not None:
            raise ConfigurationError("--check and --loss go with --optimizer levenberg_marquardt")
        solver = replace(
            ADAMS[optimizer], max_iterations=max_iterations or 1000, initial=initial, engine=engine
        )
    quantities = cast("tuple[Quantity, ...]", tuple(unknown or ("conductivity",)))
    parameters = Parameters(quantities, tuple(fixed or ()), group_by)
    noise = Noise(noise_db, quantisation_db, position_error_m, gain_offset_db)
    workers = ActorOptions(num_actors=num_actors) if num_actors else None
    with results_only(), progress_bar() as progress:
        # Asked before any actor starts: this takes the key out of the environment they inherit.
        advised = None if vlm is None else propose_materials(vlm, room, frequency=frequency).prior
        result = estimate(
            room, campaign, radio=radio, prior=advised or Prior(prior_width),
            parameters=parameters, noise=noise, solver=solver, workers=workers, seed=seed,
            progress=progress,
        )  # fmt: skip
        profiles = [
            profile_likelihood(
                room, campaign, name, radio=radio, prior=Prior(prior_width), parameters=parameters,
                noise=noise, solver=solver,
            )
            for name in profile or ()
            if isinstance(solver, LevenbergMarquardt)
        ]  # fmt: skip
    if result.outcome not in ("converged", "max_iterations"):
        raise NumericalError(
            f"the fit ended as {result.outcome} after {result.iterations} iterations; start from "
            "--initial itu, or use --optimizer levenberg_marquardt"
        )
    if as_json:
        for line in result.remarks():
            say(line)
        answer = {**result.to_dict(), "profiles": [each.to_dict() for each in profiles]}
        print_result(json.dumps(answer, indent=2, allow_nan=False))
    else:
        print_result("\n".join([str(result), *map(str, profiles)]))
    if out is not None or links is not None:
        from vlmrt_dist.inference import write_estimate, write_links

        for target, write in ((out, write_estimate), (links, write_links)):
            if target is not None:
                write(result, target, scene=room, campaign=campaign, radio=radio)
                say(f"written to {target}")
    if figure is not None:
        from vlmrt_dist.report import measurement_figure

        measurement_figure(room, campaign, result, figure)
        say(f"figure written to {figure}")
