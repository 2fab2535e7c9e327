"""``vlmrt export-scene``: a scene as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.cli.options import NamedScene
from vlmrt_dist.command_line import described
from vlmrt_dist.console import counted, print_result
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene import LAYERS_FILE


@described
def export_command(
    scene: Annotated[str, Parameter(metavar="SCENE")],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="FOLDER")],
    boxes: int | None = None,
    frequency: float | None = None,
    overwrite: bool = False,
    options: NamedScene = NamedScene(),
) -> None:
    """Write a scene as XML and PLY meshes [m], which you can edit and give to --scene.

    :param scene: as for --scene of estimate
    :param out: the folder to write scene.xml and meshes to
    :param boxes: boxes of box_room; default: 4
    :param frequency: carrier at which numbers of the ITU table are written where Sionna would not
        take them from there [Hz]
    :param overwrite: replace a scene that is in the folder already
    """
    if boxes is not None and scene != "box_room":
        raise SceneError("--boxes goes with box_room only")
    name = scene if boxes is None else f"box_room_{boxes}"
    room = options.named(name, frequency or RadioConfig.frequency)
    path = room.write(out, frequency=frequency, overwrite=overwrite)
    print_result(f"{counted(room.num_objects, 'object')} written to {path}")
    if any(item.layered is not None or item.extra_loss_db for item in room.objects):
        print_result(
            f"Sionna has no layers and no extra losses: they are in {LAYERS_FILE} beside it; read "
            f"it with --layers {LAYERS_FILE}"
        )
