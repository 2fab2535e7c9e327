#!/usr/bin/env python3
"""What do rooms with more and more objects look like? The paper's Figure 7.

The paper renders its room for several K in Isaac Sim; here Mitsuba does, from above the rim, with
a plausible surface for each material class. These are the images that an advisor is shown.

A picture is rendered once: its file is named by the content key of what it shows.
"""

import hashlib
import io
import json
from functools import partial
from importlib.metadata import version
from typing import Annotated

import typer
from matplotlib.figure import Figure
from matplotlib.image import imread

import vlmrt_dist as vd
from vlmrt_dist.console import point_bar, run_script, show
from vlmrt_dist.distributed import call
from vlmrt_dist.rendering import render_scene
from vlmrt_dist.report import CLAIMS, save_both
from vlmrt_dist.store import Place, results_place
from vlmrt_dist.studies import NumActors, NumGpus, Spread, Storage, actor_options

OBJECTS = (5, 7, 9, 11, 13, 15)
VIEW = "perspective"
LOOKS_VERSION = 1
"""Part of every name: raise it when the same scene would look different."""


def main(
    quick: Annotated[bool, typer.Option("--quick", help="K = 5, 9 and 15, small.")] = False,
    seeds: Annotated[int, typer.Option(help="Unused: nothing here is random.", hidden=True)] = 1,
    storage: Storage = None,
    num_actors: NumActors = 0,
    num_gpus: NumGpus = None,
    placement: Spread = "SPREAD",
) -> None:
    """Render the rooms of the paper's Figure 7 and set them side by side."""
    folder, name = results_place(storage), "rooms_quick" if quick else "rooms"
    objects = (5, 9, 15) if quick else OBJECTS
    width, height, samples = (320, 240, 16) if quick else (800, 600, 32)
    pictures: dict[int, bytes] = {}
    files: dict[int, Place] = {}
    with point_bar("rooms") as progress:
        progress("", 0, len(objects))
        for k in objects:
            room = vd.box_room(k - 5)
            asked = [room.key, VIEW, width, height, samples, version("mitsuba"), LOOKS_VERSION]
            key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
            file = folder / name / f"K{k}-{key}.png"
            png = file.read()
            if png is None:
                png = call(partial(_png, room, width, height, samples), f"room K={k}",
                           actor_options(num_actors, num_gpus, placement))  # fmt: skip
                file.write(png)
            pictures[k], files[k] = png, file
            progress(f"K={k}", len(pictures), len(objects))
    show(f"the paper's Figure 7: {CLAIMS['Figure 7']}")
    for k, file in files.items():
        room = vd.box_room(k - 5)
        show(f"K = {k:2}: {', '.join(dict.fromkeys(room.materials))}; {file}")
    show(f"figure: {_together(pictures, folder / f'{name}.png')}")


def _png(room: vd.SceneModel, width: int, height: int, samples: int) -> bytes:
    [image] = render_scene(room, (VIEW,), width=width, height=height, samples=samples)
    return image.png


def _together(pictures: dict[int, bytes], path: Place) -> Place:
    """All rooms side by side, three in a row."""
    rows = -(-len(pictures) // 3)
    figure = Figure(figsize=(12.0, 3.3 * rows), layout="constrained")
    for axes, (k, png) in zip(figure.subplots(rows, 3, squeeze=False).flat, pictures.items(),
                               strict=True):  # fmt: skip
        axes.imshow(imread(io.BytesIO(png)))
        axes.set_title(f"K = {k}")
        axes.set_axis_off()
    return save_both(figure, path)


if __name__ == "__main__":
    run_script(main, __doc__)
