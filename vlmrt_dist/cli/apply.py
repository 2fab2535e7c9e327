"""``vlmrt apply``: a scene with the numbers of an estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.cli.options import SceneOptions
from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result
from vlmrt_dist.inference import read_estimate
from vlmrt_dist.scene import check_folder


@described
def apply_command(
    *,
    estimate: Annotated[Path, Parameter(metavar="FILE")],
    out: Annotated[Path, Parameter(metavar="FOLDER")],
    scene: SceneOptions = SceneOptions(),
    overwrite: bool = False,
    force: bool = False,
) -> None:
    """Write a scene with the estimated numbers, as XML and PLY meshes [m] for sionna.rt.load_scene.

    :param estimate: what estimate --out wrote (.parquet, .csv, .json)
    :param out: the folder to write scene.xml and meshes to
    :param overwrite: replace a scene that is in the folder already
    :param force: take the values by the objects' names although geometry or materials of the scene
        are not those of the estimation
    """
    check_folder(out, overwrite=overwrite)
    numbers = read_estimate(estimate)
    room = scene.load(numbers.frequency, keep_unstated=True)
    if not force:
        numbers.check(room)
    path = numbers.write(room, out, overwrite=overwrite)
    print_result(f"{room.num_objects} objects written to {path}")
    for line in numbers.remarks():
        print_result(line)
