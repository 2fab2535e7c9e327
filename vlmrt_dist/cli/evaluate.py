"""``vlmrt evaluate``: how far predicted levels are from measured ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import (
    NoiseOptions,
    ParameterOptions,
    PriorOptions,
    RadioOptions,
    SceneOptions,
    SolverOptions,
    check_target,
    stored_radio,
    value_of,
)
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import (
    RESULT_SUFFIXES,
    Calibration,
    Estimate,
    Noise,
    Parameters,
    Prior,
    estimate,
    read_estimate,
    write_rows,
)
from vlmrt_dist.prediction import Evaluation, LeaveOut, Offset, evaluate, leave_one_out
from vlmrt_dist.report import evaluation_figure
from vlmrt_dist.scene import SceneModel


@option_group("Output")
@dataclass(frozen=True)
class EvaluationOutput(Options):
    """Output of an evaluation.

    :param as_json: print one JSON object
    :param out: write a row a link (levels and errors of every model) to this .parquet, .csv or
        .json
    :param figure: draw the distribution of |error| and the error against distance to this .png or
        .pdf
    :param overwrite: replace files that are there already
    """

    as_json: Annotated[bool, Parameter(name="--json")] = False
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None
    figure: Annotated[Path | None, Parameter(metavar="FILE")] = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_target(self.out, *RESULT_SUFFIXES, overwrite=self.overwrite)
        check_target(self.figure, ".png", ".pdf", overwrite=self.overwrite)


@option_group("Data")
@dataclass(frozen=True, kw_only=True)
class EvaluationData(Options):
    """Test data, and calibration data.

    :param measurements: measured levels (see estimate) that judge
    :param calibration: measured levels that the scene is calibrated with, and the hand-fitted
        models are fitted to
    :param estimate: what estimate --out wrote, instead of calibrating here
    :param leave_out: judge by the measurements themselves: each link, setup or receiver's place is
        predicted by fits without it
    :param offset: fit an offset of the levels to the judging data too: none, one for each setup, or
        one for the campaign
    :param shadowing: also correct the calibrated scene's levels by the residuals of nearby links of
        the calibration
    :raises ConfigurationError: if the files named do not go together
    """

    measurements: Annotated[Path, Parameter(metavar="FILE")]
    calibration: Annotated[Path | None, Parameter(metavar="FILE")] = None
    estimate: Annotated[Path | None, Parameter(metavar="FILE")] = None
    leave_out: LeaveOut | None = None
    offset: Offset = "none"
    shadowing: Annotated[bool, Parameter(negative="")] = False

    def __post_init__(self) -> None:
        if (self.leave_out is None) == (self.calibration is None and self.estimate is None):
            raise ConfigurationError(
                "give either --leave-out link|setup|receiver, or what the scene is calibrated "
                "with: --calibration FILE (measured levels), --estimate FILE, or both"
            )
        if self.shadowing and self.calibration is None:
            raise ConfigurationError(
                "--shadowing is learned from the levels that the scene is calibrated with; name "
                "their file: --calibration FILE"
            )


@described
def evaluate_command(
    *,
    data: EvaluationData,
    scene: SceneOptions = SceneOptions(),
    radio: RadioOptions = RadioOptions(),
    prior: PriorOptions = PriorOptions(),
    parameters: ParameterOptions = ParameterOptions(),
    noise: NoiseOptions = NoiseOptions(),
    solver: SolverOptions = SolverOptions(),
    output: EvaluationOutput = EvaluationOutput(),
) -> None:
    """Errors [dB] of predicted levels at measured links, beside those of the uncalibrated scene and
    of log-distance models with and without a loss per wall.

    :raises ConfigurationError: if an advisor is asked for
    """
    if prior.vlm is not None:
        raise ConfigurationError("evaluate takes the scene's own materials; leave out --vlm")
    stored = None if data.estimate is None else read_estimate(data.estimate)
    asked = stored_radio(stored, value_of(RadioConfig, radio))
    room = scene.load(asked.frequency)
    test = read_for(room, data.measurements, tx_power_dbm=asked.tx_power_dbm, devices=radio.devices)
    unknown, errors = value_of(Parameters, parameters), value_of(Noise, noise)
    width, chosen = value_of(Prior, prior), solver.value()
    fitted: Campaign | None = None
    if data.calibration is not None:
        fitted = read_for(
            room, data.calibration, tx_power_dbm=asked.tx_power_dbm, devices=radio.devices
        )
    with results_only(), progress_bar() as progress:
        if data.leave_out is not None:
            found = leave_one_out(
                room, test, by=data.leave_out, offset=data.offset, radio=asked, prior=width,
                parameters=unknown, noise=errors, solver=chosen, progress=progress,
            )  # fmt: skip
        else:
            known: Estimate | Calibration
            if stored is not None:
                known = stored
            else:
                assert fitted is not None  # one of the two is given
                known = estimate(
                    room, fitted, radio=asked, prior=width, parameters=unknown, noise=errors,
                    solver=chosen, progress=progress,
                )  # fmt: skip
            found = evaluate(
                room, test, estimate=known, calibration=fitted, offset=data.offset, radio=asked,
                shadowing=data.shadowing, progress=progress,
            )  # fmt: skip
    _finish(found, output, room)


def _finish(found: Evaluation, output: EvaluationOutput, scene: SceneModel) -> None:
    if output.out is not None:
        write_rows(found.rows(), output.out, found.units(), {"protocol": found.protocol})
        say(f"written to {output.out}")
    if output.figure is not None:
        evaluation_figure(found, output.figure, title=scene.name)
        say(f"figure written to {output.figure}")
    if output.as_json:
        print_result(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print_result(str(found))
