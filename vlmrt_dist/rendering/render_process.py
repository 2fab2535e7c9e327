"""Rendering process: Mitsuba in its RGB variant, apart from the caller's polarized one.

``python -m vlmrt_dist.rendering.render_process FOLDER`` reads ``scene.json`` and ``arrays.npz``
there, written by :mod:`vlmrt_dist.rendering.render`, and writes ``view-<i>.npy`` [H,W,3] (sRGB, 0
to 255) for each view. It prints ``done total`` after each pass; the message of a missing engine
goes to ``problem.txt``. Mitsuba gets arrays, and dictionaries made here, but no text from a user's
file.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.errors import EngineUnavailable
from vlmrt_dist.rendering.textures import texture

REQUEST, ARRAYS, PROBLEM = "scene.json", "arrays.npz", "problem.txt"

MAX_DEPTH = 5
"""Bounces of light."""

SAMPLES_A_PASS = 16
"""Paths of light through each pixel in one pass, 4 × 4 strata; bounds the memory."""

SKY_ROWS = 256

ZENITH, HORIZON, GROUND = (0.60, 0.63, 0.68), (0.90, 0.91, 0.93), (0.66, 0.66, 0.66)
"""Linear radiance of the sky, and below the horizon."""

WINDOW, WINDOW_RADIUS, WINDOW_ELEVATION = (5.3, 5.1, 4.8), 20.0, 48.0
"""Radiance of the bright spot that casts soft shadows, its radius and elevation [degrees]."""

FloatArray = npt.NDArray[np.float32]

PluginDict = dict[str, object]
"""A Mitsuba object: ``type`` and parameters."""


class ViewRequest(TypedDict):
    """One view, in single precision about the camera's target [m].

    ``near`` and ``far`` are the clipping distances [m], ``fov`` the horizontal field of view and
    ``light`` the azimuth of the brightest light [degrees]; ``meshes`` maps a look to the prefix of
    its arrays.
    """

    origin: list[float]
    target: list[float]
    up: list[float]
    fov: float
    light: float
    near: float
    far: float
    meshes: dict[str, str]


class RenderRequest(TypedDict):
    """Content of ``scene.json``: size [pixels], samples per pixel, deadline [s], views."""

    width: int
    height: int
    samples: int
    seed: int
    threads: int
    deadline: float
    views: list[ViewRequest]


def main(folder: Path) -> None:
    """Render the views that the folder's request asks for."""
    request: RenderRequest = json.loads((folder / REQUEST).read_text())
    # The caller ends this process at the deadline; the alarm does if the caller was killed.
    signal.alarm(math.ceil(request["deadline"]) + 10)
    try:
        variant = rgb_variant(prepare_engine())
    except EngineUnavailable as error:
        (folder / PROBLEM).write_text(str(error))
        raise
    import drjit as dr
    import mitsuba as mi

    mi.set_variant(variant)
    dr.set_thread_count(request["threads"])
    views, samples = request["views"], request["samples"]
    passes = math.ceil(samples / SAMPLES_A_PASS)
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        for index, view in enumerate(views):
            scene = _scene(mi, view, request, arrays)
            light = np.zeros((request["height"], request["width"], 3))
            for number in range(passes):
                image = mi.render(
                    scene, spp=min(samples, SAMPLES_A_PASS), seed=request["seed"] * passes + number
                )
                light += np.array(image)[..., :3] / passes
                print(index * passes + number + 1, len(views) * passes, flush=True)
            np.save(folder / view_file(index), developed(light))


def view_file(index: int) -> str:
    """Name of the file with a view's pixels."""
    return f"view-{index}.npy"


def rgb_variant(variant: str) -> str:
    """The RGB variant of Mitsuba on the same device as one of Sionna's polarized variants."""
    return variant.replace("mono_polarized", "rgb")


def developed(radiance: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Linear radiance [H,W,3] as sRGB, 0 to 255, with highlights rolled off instead of cut."""
    light = np.clip(np.nan_to_num(radiance.astype(np.float64)), 0.0, None)
    knee = 0.7
    over = np.maximum(light - knee, 0.0)
    light = np.minimum(light, knee) + (1.0 - knee) * over / (over + 1.0 - knee)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255.0 * srgb).astype(np.uint8)


def sky(azimuth: float) -> FloatArray:
    """Radiance from every direction [H,2H,3]: a bright sky with a soft window, a grey ground.

    The first row is the zenith (z); the columns go from the y axis over the x axis.

    :param azimuth: of the window, from the x axis towards the y axis [degrees]
    """
    height = np.radians(90.0 - 180.0 * (np.arange(SKY_ROWS) + 0.5) / SKY_ROWS)[:, None, None]
    turn = np.pi / 2 - 2 * np.pi * (np.arange(2 * SKY_ROWS) + 0.5) / (2 * SKY_ROWS)
    turn = turn[None, :, None]
    up = np.clip(np.sin(height), 0.0, 1.0)
    light = np.where(height > 0.0, HORIZON + (np.subtract(ZENITH, HORIZON)) * up**0.5, GROUND)
    elevation = math.radians(WINDOW_ELEVATION)
    towards = np.sin(height) * math.sin(elevation) + np.cos(height) * math.cos(elevation) * np.cos(
        turn - math.radians(azimuth)
    )
    radius = math.radians(WINDOW_RADIUS)
    light = light + WINDOW * np.exp((towards - 1.0) / (1.0 - math.cos(radius)))
    return np.asarray(light, np.float32)


def _scene(mi: Any, view: ViewRequest, request: RenderRequest, arrays: Any) -> Any:
    parts: PluginDict = {
        "type": "scene",
        # The one integrator of Mitsuba whose light passes through glass onto objects behind it.
        "integrator": {"type": "volpath", "max_depth": MAX_DEPTH},
        "sensor": {
            "type": "perspective",
            "fov": view["fov"],
            "fov_axis": "x",
            "near_clip": view["near"],
            "far_clip": view["far"],
            "to_world": mi.ScalarTransform4f().look_at(view["origin"], view["target"], view["up"]),
            "film": {
                "type": "hdrfilm",
                "width": request["width"],
                "height": request["height"],
                # A sample counts for one pixel, so the order of the threads does not matter.
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
            },
            "sampler": {"type": "multijitter"},
        },
        "sky": {
            "type": "envmap",
            "bitmap": mi.Bitmap(sky(view["light"])),
            "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
        },
    }
    for name, key in view["meshes"].items():
        parts[f"mesh-{name}"] = _mesh(
            mi, name, arrays[f"{key}-positions"], arrays[f"{key}-uv"], _surface(mi, name)
        )
    return mi.load_dict(parts)


def _mesh(mi: Any, name: str, positions: FloatArray, uv: FloatArray, bsdf: PluginDict) -> Any:
    """A flat-shaded mesh of triangles [T,3,3] with texture coordinates [T,3,2]."""
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(bsdf)
    properties["face_normals"] = True  # no smoothing over edges
    count = 3 * len(positions)
    mesh = mi.Mesh(name, count, len(positions), props=properties, has_vertex_texcoords=True)
    parameters = mi.traverse(mesh)
    faces = np.arange(count, dtype=np.uint32)
    for field, values in (
        ("vertex_positions", positions), ("vertex_texcoords", uv), ("faces", faces),
    ):  # fmt: skip
        parameters[field] = type(parameters[field])(values.ravel())
    parameters.update()
    return mesh


def _surface(mi: Any, name: str) -> PluginDict:
    picture = texture(name)
    look = picture.look
    color: PluginDict = {
        "type": "bitmap",
        "bitmap": mi.Bitmap(picture.pixels.copy()),
        "filter_type": "bilinear",
    }
    inner: PluginDict
    if look.surface == "metal":
        inner = {
            "type": "roughconductor",
            "material": "Al",
            "alpha": look.roughness,
            "specular_reflectance": color,
        }
    elif look.surface == "matte":
        inner = {"type": "diffuse", "reflectance": color}
    else:
        inner = {
            "type": "roughplastic",
            "diffuse_reflectance": color,
            "alpha": max(look.roughness, 0.02),
            "nonlinear": True,
        }
    both: PluginDict = {"type": "twosided", "inner": inner}
    if look.surface != "sheet":
        return both
    low, high = look.opacity
    brightness = picture.pixels.astype(np.float32).max(axis=2, keepdims=True) / 255.0
    opacity = low + (high - low) * brightness
    return {
        "type": "mask",
        "opacity": {"type": "bitmap", "bitmap": mi.Bitmap(opacity), "raw": True},
        "inner": both,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
