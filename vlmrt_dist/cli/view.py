"""``vlmrt view``: a scene in 3D, with what was measured in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import NamedScene, RadioOptions, check_target, stored_radio, value_of
from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result, progress_bar, results_only
from vlmrt_dist.inference import read_estimate
from vlmrt_dist.report import view

PAGES = (".html", ".htm")


@described
def view_command(
    scene: Annotated[str, Parameter(metavar="SCENE")],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="FILE")],
    overwrite: bool = False,
    campaign: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    estimate: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    paths: bool = True,
    options: NamedScene = NamedScene(),
    radio: RadioOptions = RadioOptions(),
) -> None:
    """An interactive 3D page of a scene: objects by conductivity, uncertainty and residual,
    antennas, and the paths of each link with their powers [dBm]. estimate --view makes one too.

    :param scene: as for --scene of estimate
    :param out: the .html to write; it needs no network when it is opened
    :param overwrite: replace a file that is there already
    :param campaign: positions or measured levels (see estimate)
    :param estimate: what estimate --out wrote (.parquet, .csv, .json): its values instead of the
        scene's
    :param paths: trace the links' paths; in a large scene that takes time
    """
    check_target(out, *PAGES, overwrite=overwrite)
    asked = value_of(RadioConfig, radio)
    room = options.named(scene, asked.frequency, keep_unstated=True)
    calibration = None if estimate is None else read_estimate(estimate)
    asked = stored_radio(calibration, asked)
    planned = None
    if campaign is not None:
        planned = read_for(room, campaign, tx_power_dbm=radio.tx_power_dbm, devices=radio.devices)
    with results_only(), progress_bar() as progress:
        page = view(room, planned, calibration, radio=asked, paths=paths, progress=progress)
    page.write(out)
    print_result(f"{page.title} written to {out}")
