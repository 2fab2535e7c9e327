"""``vlmrt apply``: a scene with the numbers of an estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.cli.options import SceneOptions
from vlmrt_dist.command_line import described
from vlmrt_dist.console import counted, print_result
from vlmrt_dist.inference import Calibration, read_estimate
from vlmrt_dist.scene import LAYERS_FILE, SceneModel, check_folder


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
    print_result(f"{counted(room.num_objects, 'object')} written to {path}")
    for line in [*numbers.remarks(), *in_layers_file(numbers.on(room), numbers)]:
        print_result(line)


def in_layers_file(scene: SceneModel, numbers: Calibration) -> list[str]:
    """Properties of a written scene that Sionna does not know, and the file that has them."""
    lines = numbers.missing_in_sionna(scene)
    if lines:
        lines.append(f"{LAYERS_FILE} beside the scene has what Sionna does not know; "
                     f"read it with --layers {LAYERS_FILE}")  # fmt: skip
    return lines
