"""Rendered pictures of a scene, the paper's IMG(Σ)."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.errors import ConfigurationError, EngineUnavailable, ImageError, StorageError
from vlmrt_dist.progress import Progress
from vlmrt_dist.rendering.images import SceneImage
from vlmrt_dist.rendering.render_process import (
    ARRAYS,
    PROBLEM,
    REQUEST,
    RenderRequest,
    ViewRequest,
    view_file,
)
from vlmrt_dist.rendering.textures import LOOKS, look_name
from vlmrt_dist.rendering.viewpoints import VIEWS, Seen, look_at_scene
from vlmrt_dist.scene import SceneModel

SAMPLES = 32
"""Paths of light through each pixel."""

MAX_SIDE, MIN_SIDE = 4096, 16
MAX_SAMPLES = 4096
MAX_SEED = 1_000_000

DEADLINE, MAX_DEADLINE = 600.0, 1e6
"""Seconds after which the rendering process is ended."""

RIM = 4.0
"""Width of the rim of a partition without thickness [pixels]."""

GAP = 1e-3
"""Share by which closed objects are drawn smaller, so that touching surfaces do not flicker."""

SMALLEST_TILE = 32
"""Least pixels of one metre of texture; patterns of a large scene are enlarged to it."""

POLL = 0.05
"""Seconds between two checks of the rendering process."""


def render_scene(
    scene: SceneModel,
    views: Sequence[str] = VIEWS,
    *,
    width: int = 1024,
    height: int = 768,
    samples: int = SAMPLES,
    seed: int = 0,
    num_threads: int | None = None,
    deadline: float = DEADLINE,
    progress: Progress | None = None,
) -> list[SceneImage]:
    """Pictures of a scene for a vision-language model.

    An object's texture follows from its material class alone
    (:mod:`vlmrt_dist.rendering.textures`); a material outside the ITU list is grey. Patterns have
    their true size, but are enlarged by a power of two in a scene so large that they would vanish.
    Ceilings and roofs that hide the inside are left out, outer walls between it and the camera cut
    down to a low stub (:func:`vlmrt_dist.rendering.viewpoints.look_at_scene`).

    Mitsuba runs in a process of its own, on the GPU or the CPU as :mod:`vlmrt_dist.engine.llvm`
    chooses, and leaves the caller's variant alone. The same arguments give the same picture on the
    same kind of machine.

    :param views: some of "overhead" and "perspective"
    :param width: [pixels]
    :param height: [pixels]
    :param samples: paths of light through each pixel; rounded up to a multiple of 16 above 16
    :param seed: of those paths
    :param num_threads: of the CPU; None: one for each core that this process may use
    :param deadline: [s]
    :param progress: called with ("render", passes done, passes in all)
    :returns: an image for each view, in the order of ``views``
    :raises ConfigurationError: if an argument is out of range
    :raises SceneError: if the scene has no surface
    :raises EngineUnavailable: if Mitsuba cannot run on this machine
    :raises ImageError: if the rendering process dies or exceeds the deadline
    :raises StorageError: if the folder for temporary files is full
    """
    check_settings(views, width, height, samples)
    if num_threads is not None and num_threads < 1:
        raise ConfigurationError(f"num_threads must be 1 or more; got {num_threads}")
    if not 0 <= seed <= MAX_SEED:
        raise ConfigurationError(f"seed must lie between 0 and {MAX_SEED}; got {seed}")
    if not 0.0 < deadline <= MAX_DEADLINE:
        raise ConfigurationError(
            f"deadline must be a number of seconds, at most {MAX_DEADLINE:g}; got {deadline}"
        )
    with tempfile.TemporaryDirectory(prefix="vlmrt-render-") as place:
        folder = Path(place)
        threads = num_threads or usable_cores()
        request: RenderRequest = {
            "width": width,
            "height": height,
            "samples": samples,
            "seed": seed,
            "threads": threads,
            "deadline": deadline,
            "views": [],
        }
        arrays: dict[str, npt.NDArray[np.float32]] = {}
        for index, view in enumerate(views):
            seen = look_at_scene(scene, view, width / height)
            description, some = _described(scene, seen, width, f"view{index}")
            request["views"].append(description)
            arrays |= some
        try:
            (folder / REQUEST).write_text(json.dumps(request, allow_nan=False))
            np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise StorageError(f"cannot write to {folder}: {error.strerror}") from None
        _run(folder, deadline, progress)
        return [
            SceneImage(_png(folder / view_file(i), (height, width, 3)), "render", v, width, height)
            for i, v in enumerate(views)
        ]


def texture_coordinates(triangles: FloatArray, size: tuple[float, float]) -> FloatArray:
    """Texture coordinates [T,3,2] of triangles [T,3,3] [m], projected along an axis face by face.

    The axis is that to which a face's normal is nearest. Walls get their height as the second
    coordinate, so courses of bricks lie level; floors and ceilings get (x, y).

    :param size: width and height of the texture's tile [m]
    """
    edges = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    axis = np.argmax(np.abs(np.cross(*edges)), axis=1)
    kept = np.array([[1, 2], [0, 2], [0, 1]])[axis]  # [T,2]
    flat = np.take_along_axis(triangles, np.repeat(kept[:, None], 3, axis=1), axis=2)
    return np.asarray(flat / np.array(size))


def check_settings(views: Sequence[str], width: int, height: int, samples: int) -> None:
    """Check the settings of :func:`render_scene`.

    :raises ConfigurationError: if one is out of range
    """
    if isinstance(views, str) or not views or not set(views) <= set(VIEWS):
        raise ConfigurationError(f"views must be some of {', '.join(VIEWS)}; got {views!r}")
    for name, value, low, high in (
        ("width", width, MIN_SIDE, MAX_SIDE),
        ("height", height, MIN_SIDE, MAX_SIDE),
        ("samples", samples, 1, MAX_SAMPLES),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigurationError(f"{name} must be a whole number, {low} to {high}; got {value}")


def _described(
    scene: SceneModel, seen: Seen, width: int, prefix: str
) -> tuple[ViewRequest, dict[str, npt.NDArray[np.float32]]]:
    """The request of one view, and the arrays of its meshes, one for each look."""
    camera = seen.camera
    # Single precision does not resolve centimetres far from the origin.
    origin = camera.target
    pixel = 2 * camera.distance * math.tan(math.radians(camera.fov / 2)) / width
    enlarged = 2.0 ** max(0, math.ceil(math.log2(SMALLEST_TILE * pixel)))
    triangles, owner = _with_rims(scene, _apart(scene, seen), seen.owner, RIM * pixel)
    corner = scene.bounding_boxes[:, 0].min(axis=0)
    looks = np.array([look_name(material) for material in scene.materials])[owner]
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    meshes = {}
    for name in sorted(set(looks.tolist())):
        some = triangles[looks == name]
        size = tuple(enlarged * s for s in LOOKS[name].size)
        meshes[name] = f"{prefix}-{name}"
        arrays[f"{prefix}-{name}-positions"] = (some - origin).astype(np.float32)
        arrays[f"{prefix}-{name}-uv"] = texture_coordinates(some - corner, size).astype(np.float32)  # type: ignore[arg-type]
    reach = float(np.abs(triangles - camera.origin).max())
    description: ViewRequest = {
        "origin": (camera.origin - origin).tolist(),
        "target": [0.0, 0.0, 0.0],
        "up": camera.up.tolist(),
        "fov": camera.fov,
        "light": camera.light,
        "near": 1e-3 * camera.distance,
        "far": 10.0 * (reach + camera.distance),
        "meshes": meshes,
    }
    return description, arrays


def _apart(scene: SceneModel, seen: Seen) -> FloatArray:
    """The triangles, those of closed objects shrunk slightly about the middle of their object."""
    scale = np.ones(scene.num_objects)
    scale[scene.solids] -= GAP
    middle = scene.bounding_boxes.mean(axis=1)[seen.owner][:, None]
    return np.asarray(middle + (seen.triangles - middle) * scale[seen.owner][:, None, None])


def _with_rims(
    scene: SceneModel, triangles: FloatArray, owner: IntArray, width: float
) -> tuple[FloatArray, IntArray]:
    """Triangles with a flat rim along the upper edges of partitions without thickness.

    A camera right above such a partition would see nothing of it. Walls at the scene's bounds are
    seen from the inside, and keep their edges.

    :param width: of a rim [m]
    """
    low, high = scene.bounding_boxes.swapaxes(0, 1)
    open_sheets = np.array([not item.closed for item in scene.objects])
    inside = ((low[:, :2] > scene.bounds[0, :2] + width).any(axis=1)
              & (high[:, :2] < scene.bounds[1, :2] - width).any(axis=1))  # fmt: skip
    flat = np.array([_upright_sheet(item.vertices) for item in scene.objects])
    ends, whose = [], []
    for k in np.flatnonzero(open_sheets & inside & flat):
        for triangle in triangles[owner == k]:
            top = triangle[triangle[:, 2] >= high[k, 2] - 1e-6 * (high[k, 2] - low[k, 2])]
            if len(top) == 2:
                ends.append(top)
                whose.append(k)
    if not ends:
        return triangles, owner
    edges = np.array(ends)
    along = edges[:, 1] - edges[:, 0]
    across = np.stack([-along[:, 1], along[:, 0], np.zeros(len(along))], axis=1)
    across *= width / 2.0 / np.maximum(np.linalg.norm(across, axis=1), 1e-12)[:, None]
    a, b, c, d = (edges[:, end] + side * across for end, side in ((0, -1), (1, -1), (1, 1), (0, 1)))
    rims = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return np.concatenate([triangles, rims]), np.concatenate([owner, whose, whose])


def _upright_sheet(vertices: FloatArray) -> bool:
    """Whether points lie in one upright plane."""
    middle = vertices - vertices.mean(axis=0)
    if not np.ptp(vertices[:, 2]) > 0.0:
        return False
    across = np.linalg.svd(middle[:, :2], compute_uv=False)
    return len(across) < 2 or bool(across[-1] <= 1e-6 * across[0])


def _run(folder: Path, deadline: float, progress: Progress | None) -> None:
    """Run the rendering process on the folder and wait for its end."""
    package = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    end = time.monotonic() + deadline
    with open(folder / "out.txt", "wb") as out, open(folder / "err.txt", "wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vlmrt_dist.rendering.render_process", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    raise ImageError(
                        f"rendering took longer than {deadline:g} s and was ended; take fewer "
                        "samples, a smaller picture, or a longer deadline"
                    )
                _tell(folder, progress)
                time.sleep(POLL)
        finally:
            process.kill()
            process.wait()
    _tell(folder, progress)
    if process.returncode == 0:
        return
    if (folder / PROBLEM).is_file():
        raise EngineUnavailable((folder / PROBLEM).read_text())
    lines = (folder / "err.txt").read_text("utf-8", "replace").strip().splitlines()
    code = process.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    raise ImageError(
        f"the rendering process {how}; it said: {(lines or ['nothing'])[-1][:300]!r}. "
        "`vlmrt doctor` tells whether the engine works here; memory may have run out"
    )


def _tell(folder: Path, progress: Progress | None) -> None:
    """Report the process's last line, ``done total``, as progress."""
    lines = (folder / "out.txt").read_text("utf-8", "replace").split("\n")
    if progress is not None and len(lines) > 1:
        done, total = lines[-2].split()
        progress("render", int(done), int(total))


def _png(file: Path, shape: tuple[int, int, int]) -> bytes:
    """The pixels that the process wrote, as a PNG without metadata."""
    from PIL import Image  # late: most importers do not render

    try:
        pixels = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ImageError(f"the rendering process left no picture: {error}") from None
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ImageError("the rendering process left something that is not the picture asked for")
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="png", optimize=True)
    return content.getvalue()
