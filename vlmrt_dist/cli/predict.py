"""``vlmrt predict``: levels where nobody has measured, from a stored estimate."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import SceneOptions, check_target
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import RESULT_SUFFIXES, read_estimate, write_rows
from vlmrt_dist.prediction import predict


@option_group("Output")
@dataclass(frozen=True)
class PredictionOutput(Options):
    """Output of a prediction.

    :param as_json: print one JSON object
    :param out: write a row a link to this .parquet, .csv or .json
    :param overwrite: replace files that are there already
    """

    as_json: Annotated[bool, Parameter(name="--json")] = False
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_target(self.out, *RESULT_SUFFIXES, overwrite=self.overwrite)


@described
def predict_command(
    *,
    estimate: Annotated[Path, Parameter(metavar="FILE")],
    positions: Annotated[Path, Parameter(metavar="FILE")],
    noise_db: float | None = None,
    scene: SceneOptions = SceneOptions(),
    output: PredictionOutput = PredictionOutput(),
) -> None:
    """Levels [dBm] at new positions, with the 95 % intervals of the mean level and of a
    measurement.

    :param estimate: what estimate --out wrote (.parquet, .json); its radio configuration is used
    :param positions: setup, tx_x, tx_y, tx_z, rx_x, rx_y, rx_z [m], as plan writes them
    :param noise_db: standard deviation of a measured level about the mean level [dB]; default: that
        of the estimate
    """
    known = read_estimate(estimate)
    if known.origin is None:
        raise ConfigurationError(
            f"{estimate} holds the objects' values only; give a .parquet or .json that vlmrt "
            "estimate --out wrote"
        )
    if noise_db is not None and not 0.0 <= noise_db < math.inf:
        raise ConfigurationError("--noise-db must be a finite number, not negative")
    room = scene.load(known.frequency, keep_unstated=True)
    places = read_for(room, positions, tx_power_dbm=known.origin.radio.tx_power_dbm)
    if places.rss_dbm is not None:
        say(f"note: the levels in {positions} are not used; vlmrt evaluate compares with them")
    with results_only(), progress_bar() as progress:
        found = predict(known, room, places, noise_db=noise_db, progress=progress)
    if output.out is not None:
        about = {"scene": room.name, "scene_key": room.key, "remarks": found.remarks()}
        write_rows(found.rows(), output.out, found.units(), about)
        say(f"written to {output.out}")
    if output.as_json:
        print_result(json.dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        print_result(str(found))
