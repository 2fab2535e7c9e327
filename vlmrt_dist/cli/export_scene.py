"""``vlmrt export-scene``: a scene as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmrt_dist.cli.options import (
    named_scene,
    opt,
)
from vlmrt_dist.console import print_result
from vlmrt_dist.errors import SceneError, StorageError
from vlmrt_dist.scene import SCENE_FILE, box_room

_SceneName = Annotated[str, typer.Argument(metavar="SCENE", help="As for --scene of estimate.")]
_Folder = Annotated[Path, opt("The folder to write scene.xml and meshes to.", metavar="FOLDER")]
_Boxes = Annotated[int | None, opt("Boxes of box_room; default: 4.")]


def export_scene(scene: _SceneName, out: _Folder, boxes: _Boxes = None) -> None:
    """Write a scene as XML and PLY meshes [m], which you can edit and give to --scene."""
    if boxes is not None and scene != "box_room":
        raise SceneError("--boxes goes with box_room only")
    room = named_scene(scene) if boxes is None else box_room(boxes)
    if (out / SCENE_FILE).exists():
        raise StorageError(f"{out / SCENE_FILE} exists already; choose another folder")
    print_result(f"{room.num_objects} objects written to {room.write(out)}")
