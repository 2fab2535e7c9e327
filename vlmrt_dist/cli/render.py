"""``vlmrt render``: pictures of a scene."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.cli.options import NamedScene
from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result, progress_bar, say
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.rendering import SAMPLES, VIEWS, check_settings, render_scene
from vlmrt_dist.store import write_atomic


@described
def render_command(
    scene: Annotated[str, Parameter(metavar="SCENE")],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="FOLDER")],
    views: tuple[str, ...] = VIEWS,
    size: Annotated[str, Parameter(metavar="WxH", allow_leading_hyphen=True)] = "1024x768",
    samples: int = SAMPLES,
    options: NamedScene = NamedScene(),
) -> None:
    """Pictures of a scene with a plausible surface for each material class; sizes in [pixels].

    :param scene: as for --scene of estimate
    :param out: the folder to write <view>.png to
    :param views: overhead or perspective; may be repeated
    :param size: width and height [pixels]
    :param samples: paths of light through each pixel; more cost time, and grain less
    """
    chosen = tuple(dict.fromkeys(views))
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match is None:
        raise ConfigurationError(f"--size must be like 1024x768; got {size!r}")
    width, height = int(match[1]), int(match[2])
    check_settings(chosen, width, height, samples)
    room = options.named(scene, keep_unstated=True)
    files = [out / f"{view}.png" for view in chosen]
    _make_folder(out, files)
    say(f"rendering {len(chosen)} picture(s) of {room.num_objects} objects")
    with progress_bar() as progress:
        images = render_scene(
            room, chosen, width=width, height=height, samples=samples, progress=progress
        )
    for file, image in zip(files, images, strict=True):
        print_result(str(write_atomic(file, image.png)))


def _make_folder(folder: Path, files: list[Path]) -> None:
    """:raises StorageError: if one of the files is there already, or the folder cannot be made"""
    for file in files:
        if file.exists():
            raise StorageError(f"{file} exists already; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise StorageError(f"cannot write to the folder {folder}")
