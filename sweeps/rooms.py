#!/usr/bin/env python3
"""What do rooms with more and more objects look like? The paper's Figure 7.

The paper renders its room for several K in Isaac Sim; here Mitsuba does, from above the rim, with
a plausible surface for each material class. These are the images that an advisor is shown.

A picture is rendered once: its file is named by the content key of what it shows.
"""

import vlmrt_dist.program  # isort: split

import hashlib
import io
import json
from functools import partial
from importlib.metadata import version

from matplotlib.figure import Figure
from matplotlib.image import imread

import vlmrt_dist as vd
from vlmrt_dist.console import point_bar, show
from vlmrt_dist.rendering import render_scene
from vlmrt_dist.report import CLAIMS, save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import Sweep, sweep

LOOKS_VERSION = 1
"""Part of every name: raise it when the same scene would look different."""


@sweep("rooms", quick={"objects": (5, 9, 15), "size": (320, 240), "samples": 16})
def main(
    run: Sweep,
    objects: tuple[int, ...] = (5, 7, 9, 11, 13, 15),
    view: str = "perspective",
    size: tuple[int, int] = (800, 600),
    samples: int = 32,
) -> None:
    """Render the rooms of the paper's Figure 7 and set them side by side. Nothing is random here,
    so seeds change nothing.

    :param objects: numbers of objects K
    :param view: perspective or overhead
    :param size: width and height of a picture [pixels]
    :param samples: paths of light through each pixel
    """
    files = {k: run.folder / run.study / _name(k, view, size, samples) for k in objects}
    there = {k: file.read() for k, file in files.items()}
    run.plan({f"K = {k}": png is not None for k, png in there.items()})
    pictures: dict[int, bytes] = {}
    with point_bar("rooms") as progress:
        progress("", 0, len(objects))
        for k, png in there.items():
            if png is None:
                picture = partial(_png, vd.box_room(k - 5), view, size, samples)
                png = run.call(picture, f"room K={k}")
                files[k].write(png)
            pictures[k] = png
            progress(f"K={k}", len(pictures), len(objects))
    show(f"the paper's Figure 7: {CLAIMS['Figure 7']}")
    for k, file in files.items():
        materials = dict.fromkeys(vd.box_room(k - 5).materials)
        show(f"K = {k:2}: {', '.join(materials)}; {file}")
    show(f"figure: {_together(pictures, run.figure())}")


def _name(k: int, view: str, size: tuple[int, int], samples: int) -> str:
    asked = [vd.box_room(k - 5).key, view, *size, samples, version("mitsuba"), LOOKS_VERSION]
    return f"K{k}-{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}.png"


def _png(room: vd.SceneModel, view: str, size: tuple[int, int], samples: int) -> bytes:
    [image] = render_scene(room, (view,), width=size[0], height=size[1], samples=samples)
    return image.png


def _together(pictures: dict[int, bytes], path: Place) -> Place:
    """All rooms side by side, three in a row."""
    rows = -(-len(pictures) // 3)
    figure = Figure(figsize=(12.0, 3.3 * rows), layout="constrained")
    for axes, (k, png) in zip(figure.subplots(rows, 3, squeeze=False).flat, pictures.items(),
                               strict=False):  # fmt: skip
        axes.imshow(imread(io.BytesIO(png)))
        axes.set_title(f"K = {k}")
        axes.set_axis_off()
    return save_both(figure, path)


if __name__ == "__main__":
    main.script()
