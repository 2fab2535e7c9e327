"""``vlmrt render``: pictures of a scene."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from vlmrt_dist.cli.options import named_scene, opt
from vlmrt_dist.console import print_result, progress_bar, say
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.rendering import SAMPLES, VIEWS, check_settings, render_scene
from vlmrt_dist.store import write_atomic

_SceneName = Annotated[str, typer.Argument(metavar="SCENE", help="As for --scene of estimate.")]
_Folder = Annotated[Path, opt("The folder to write <view>.png to.", metavar="FOLDER")]
_Views = Annotated[
    list[str] | None,
    opt("overhead or perspective; may be repeated; default: both.", metavar="VIEW"),
]
_Size = Annotated[str, opt("Width and height [pixels].", metavar="WxH")]
_Samples = Annotated[int, opt("Paths of light through each pixel; more cost time, and grain less.")]


def render(
    scene: _SceneName,
    out: _Folder,
    views: _Views = None,
    size: _Size = "1024x768",
    samples: _Samples = SAMPLES,
) -> None:
    """Pictures of a scene with a plausible surface for each material class; sizes in [pixels]."""
    chosen = tuple(dict.fromkeys(views or VIEWS))
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None:
        raise ConfigurationError(f"--size must be like 1024x768; got {size!r}")
    width, height = int(match[1]), int(match[2])
    check_settings(chosen, width, height, samples)
    room = named_scene(scene)
    files = [out / f"{view}.png" for view in chosen]
    for file in files:
        if file.exists():
            raise StorageError(f"{file} exists already; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {out}: {error.strerror}") from None
    if not os.access(out, os.W_OK):
        raise StorageError(f"cannot write to the folder {out}")
    say(f"rendering {len(chosen)} picture(s) of {room.num_objects} objects")
    with progress_bar() as progress:
        images = render_scene(
            room, chosen, width=width, height=height, samples=samples, progress=progress
        )
    for file, image in zip(files, images, strict=True):
        print_result(str(write_atomic(file, image.png)))
