"""``vlmrt estimate``: from measured levels to conductivities."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cli.apply import in_layers_file
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import (
    NoiseOptions,
    ParameterOptions,
    PriorOptions,
    RadioOptions,
    SceneOptions,
    SolverOptions,
    check_target,
    value_of,
)
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.errors import ConfigurationError, NumericalError, VlmrtError
from vlmrt_dist.inference import (
    RESULT_SUFFIXES,
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    Profile,
    estimate,
)
from vlmrt_dist.inference import profile as profile_likelihood
from vlmrt_dist.placement import CandidateOptions, plan_next
from vlmrt_dist.scene import SceneModel, check_folder
from vlmrt_dist.studies import WorkerOptions
from vlmrt_dist.vlm import propose_materials

WIDTH = 112
"""Most characters of a line of the tables."""

MOST_OBJECTS = 100
"""Objects of a scene up to which the estimate looks for the link that decides by itself."""


@option_group("Output")
@dataclass(frozen=True)
class EstimateOutput(Options):
    """Output of an estimation.

    :param as_json: print one JSON object
    :param figure: draw levels, residuals, prior and estimate to this .png or .pdf
    :param profiles: draw measured and replayed powers in delay bins of six links to this .png or
        .pdf
    :param out: write a row an object to this .parquet, .csv or .json; .parquet and .json hold the
        whole estimate, for predict, evaluate, map, view and apply
    :param view: write a 3D page of objects, antennas, paths and residuals to this .html
    :param links: write a row a link (levels, residuals) to this .parquet, .csv or .json
    :param scene_out: write the scene with the estimated numbers to scene.xml and meshes in this
        folder, for sionna.rt.load_scene
    :param overwrite: replace files, and the scene in that folder, that are there already
    :param profile: print the profile likelihood of this object too; may be repeated
    """

    as_json: Annotated[bool, Parameter(name="--json")] = False
    figure: Annotated[Path | None, Parameter(metavar="FILE")] = None
    profiles: Annotated[Path | None, Parameter(metavar="FILE")] = None
    view: Annotated[Path | None, Parameter(metavar="FILE")] = None
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None
    links: Annotated[Path | None, Parameter(metavar="FILE")] = None
    scene_out: Annotated[Path | None, Parameter(metavar="FOLDER")] = None
    overwrite: bool = False
    profile: Annotated[tuple[str, ...], Parameter(metavar="OBJECT")] = ()

    def __post_init__(self) -> None:
        check_target(self.figure, ".png", ".pdf", overwrite=self.overwrite)
        check_target(self.profiles, ".png", ".pdf", overwrite=self.overwrite)
        check_target(self.view, ".html", ".htm", overwrite=self.overwrite)
        check_target(self.out, *RESULT_SUFFIXES, overwrite=self.overwrite)
        check_target(self.links, *RESULT_SUFFIXES, overwrite=self.overwrite)
        if self.scene_out is not None:
            check_folder(self.scene_out, overwrite=self.overwrite)


@described
def estimate_command(
    *,
    measurements: Annotated[Path, Parameter(metavar="FILE")],
    scene: SceneOptions = SceneOptions(),
    radio: RadioOptions = RadioOptions(),
    prior: PriorOptions = PriorOptions(),
    parameters: ParameterOptions = ParameterOptions(),
    noise: NoiseOptions = NoiseOptions(),
    solver: SolverOptions = SolverOptions(),
    workers: WorkerOptions = WorkerOptions(),
    output: EstimateOutput = EstimateOutput(),
    seed: int = 0,
) -> None:
    """The conductivity [S/m] of every object of a scene, from measured levels [dBm].

    :param measurements: measured levels, one line a link: setup, tx_x, tx_y, tx_z, rx_x, rx_y, rx_z
        [m], rss_dbm [dBm] (<-95 below a floor of -95, >-30 above what the receiver can tell), and
        optionally noise_db [dB], censored and saturated (0 or 1), frequency [Hz]. Further lines may
        hold powers in delay bins (delay_ns or excess_delay_ns, rss_dbm), delay_spread_ns,
        mean_delay_ns, or a frequency response (subcarrier_hz with response_re and response_im, or
        magnitude_db). See vlmrt convert for files that are laid out otherwise
    :param seed: seed of random starts and left-out links
    """
    chosen = solver.value()
    vlm = prior.vlm or ("offline" if chosen.initial == "vlm" else None)
    if output.profile and (not isinstance(chosen, LevenbergMarquardt) or vlm):
        raise ConfigurationError(
            "--profile goes with --optimizer levenberg_marquardt and the scene's own materials"
        )
    asked = value_of(RadioConfig, radio)
    room = scene.load(asked.frequency, keep_unstated=vlm is not None)
    campaign = read_for(room, measurements, tx_power_dbm=radio.tx_power_dbm, devices=radio.devices)
    exact = (
        campaign.has_level.any()
        and noise.db is None
        and not np.any(np.nan_to_num(campaign.noise_db) > 0.0)
    )
    if exact and noise.clutter_db_per_sqrt_m is None:
        say("warning: no noise level is declared, so the levels count as exact; give --noise-db")
    unknown, errors = value_of(Parameters, parameters), value_of(Noise, noise)
    width = value_of(Prior, prior)
    profiles: list[Profile] = []
    with results_only(), progress_bar() as progress:
        # Asked before any actor starts: this takes the key out of the environment they inherit.
        advised = vlm and prior.of_advisor(
            propose_materials(vlm, room, frequency=asked.frequency).prior
        )
        room = room.fill_materials(advised.materials) if advised else room
        result = estimate(
            room, campaign, radio=asked, prior=advised or width, parameters=unknown, noise=errors,
            solver=solver.starting_at_advice() if advised else chosen,
            workers=workers.value(), seed=seed, progress=progress,
        )  # fmt: skip
        if isinstance(chosen, LevenbergMarquardt):
            profiles = [
                profile_likelihood(room, campaign, name, radio=asked, prior=width,
                                   parameters=unknown, noise=errors, solver=chosen)
                for name in output.profile
            ]  # fmt: skip
        decisive = _deciding(room, campaign, result, asked, seed)
    if result.outcome not in ("converged", "max_iterations"):
        raise NumericalError(
            f"the fit ended as {result.outcome} after {result.iterations} iterations; start from "
            "--initial itu, or use --optimizer levenberg_marquardt"
        )
    _write(result, output, room, campaign, asked)
    _print(result, profiles, decisive, output.as_json)


def _deciding(
    scene: SceneModel, campaign: Campaign, result: Estimate, radio: RadioConfig, seed: int
) -> list[str]:
    """Where several solutions explain the levels of a small scene: the link of a small pool that
    tells them apart best."""
    if len(result.solutions) < 2 or scene.num_objects > MOST_OBJECTS:
        return []
    pool = CandidateOptions(num_tx=10, num_rx=30)
    try:
        ahead = plan_next(
            scene, campaign, result, num_receivers=1, radio=radio, candidates=pool, seed=seed
        )
    except VlmrtError:  # no free space, or no link is heard: the estimate stands without it
        return []
    return ahead.sentences()


def _print(result: Estimate, profiles: list[Profile], decisive: list[str], as_json: bool) -> None:
    if not as_json:
        terminal = sys.stdout.isatty()
        width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns) if terminal else WIDTH
        more = [*decisive, *map(str, profiles)]
        if terminal:
            more = [textwrap.fill(line, width) for line in more]
        print_result("\n".join([result.text(width, wrap=terminal), *more]))
        return
    for line in [*result.remarks(), *decisive]:
        say(line)
    answer = {**result.to_dict(), "profiles": [each.to_dict() for each in profiles]}
    print_result(json.dumps(answer, indent=2, allow_nan=False))


def _write(
    result: Estimate,
    output: EstimateOutput,
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
) -> None:
    from vlmrt_dist.inference import write_estimate, write_links

    for target, write in ((output.out, write_estimate), (output.links, write_links)):
        if target is not None:
            write(result, target, scene=scene, campaign=campaign, radio=radio)
            say(f"written to {target}")
    if output.scene_out is not None:
        path = result.write_scene(output.scene_out, overwrite=output.overwrite)
        say(f"the scene with the estimated numbers is written to {path}")
        calibration = result.calibration
        for line in [*calibration.remarks(), *in_layers_file(result.calibrated_scene, calibration)]:
            say(line)
    if output.figure is not None:
        from vlmrt_dist.report import measurement_figure

        measurement_figure(scene, campaign, result, output.figure)
        say(f"figure written to {output.figure}")
    if output.profiles is not None:
        from vlmrt_dist.report import profile_figure

        profile_figure(campaign, result, output.profiles)
        say(f"figure written to {output.profiles}")
    if output.view is not None:
        from vlmrt_dist.report import view

        with results_only(), progress_bar() as progress:
            page = view(scene, campaign, result, radio=radio, progress=progress)
        page.write(output.view)
        say(f"3D page written to {output.view}")
