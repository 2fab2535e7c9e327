import dataclasses
import functools
import io
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlmrt_dist.errors import ConfigurationError, EngineUnavailable, ImageError
from vlmrt_dist.rendering import render
from vlmrt_dist.rendering.render import render_scene, texture_coordinates
from vlmrt_dist.rendering.viewpoints import look_at_scene
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room

tiny_scene = functools.partial(render_scene, width=64, height=48, samples=1)
FLOOR = np.array([[0, 1, 2], [0, 2, 3]])


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(float)


OTHERS: set[int] = set()
"""Processes that other tests have left running, such as multiprocessing's resource tracker."""


@pytest.fixture(autouse=True)
def _others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "OTHERS", set(child_processes()))


def child_processes() -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == os.getpid() and int(folder.name) not in OTHERS:
                found.append(int(folder.name))
    return found


def test_bricks_lie_level_and_have_their_size_on_walls_and_floors() -> None:
    x = [[1.0, 0, 0], [1.0, 3, 0], [1.0, 3, 2]]  # a wall across x: (y, z)
    y = [[0, 5.0, 0], [4, 5.0, 0], [4, 5.0, 2]]  # a wall across y: (x, z)
    z = [[0, 0, 7.0], [4, 0, 7.0], [4, 3, 7.0]]  # a floor: (x, y)
    uv = texture_coordinates(np.array([x, y, z]), (2.0, 0.5))
    assert np.allclose(uv[0], np.array([[0, 0], [1.5, 0], [1.5, 4]]))
    assert np.allclose(uv[1], [[0, 0], [2, 0], [2, 4]])
    assert np.allclose(uv[2], [[0, 0], [2, 0], [2, 6]])


def test_a_slanted_face_is_projected_along_the_axis_nearest_to_its_normal() -> None:
    roof = np.array([[[0, 0, 0.0], [2, 0, 0.5], [0, 2, 0.0]]])
    assert np.allclose(texture_coordinates(roof, (1.0, 1.0)), roof[..., :2])


@pytest.mark.parametrize(
    "arguments",
    [
        {"views": ()},
        {"views": "overhead"},
        {"views": ("from below",)},
        {"width": 15},
        {"height": 10_000},
        {"width": 64.0},
        {"samples": 0},
        {"num_threads": 0},
        {"seed": -1},
        {"deadline": 0.0},
        {"deadline": float("inf")},
    ],
)
def test_impossible_settings_are_refused_before_the_work(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        render_scene(box_room(), **arguments)
    assert not child_processes()


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ImageError, match=r"longer than 0.2 s"):
        render_scene(box_room(), deadline=0.2)
    assert not child_processes()


def test_without_an_engine_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "/nowhere/libLLVM.so.19")
    monkeypatch.setenv("VLMRT_VARIANT", "llvm")
    with pytest.raises(EngineUnavailable, match="/nowhere/libLLVM"):
        tiny_scene(box_room())


@pytest.mark.slow
def test_a_process_that_dies_is_reported() -> None:
    def kill(*_: object) -> None:
        for process in child_processes():
            os.kill(process, signal.SIGKILL)

    with pytest.raises(ImageError, match="ended by signal 9"):
        render_scene(box_room(), width=64, height=48, samples=4096, progress=kill)


@pytest.mark.slow
def test_mitsuba_stays_out_of_the_caller() -> None:
    code = (
        "import sys; from vlmrt_dist.scene.paper_room import box_room\n"
        "from vlmrt_dist.rendering.render import render_scene\n"
        "image, = render_scene(box_room(), ['overhead'], width=64, height=48, samples=1)\n"
        "print(image.width, [m for m in ('mitsuba', 'drjit', 'sionna') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split(maxsplit=1) == ["64", "[]\n"]


@pytest.mark.slow
def test_pictures_are_repeatable_and_the_caller_s_variant_stays() -> None:
    from vlmrt_dist.paths import sionna_scene  # sets the polarized variant

    told: list[tuple[str, int, int]] = []
    first = tiny_scene(box_room(), progress=lambda *step: told.append(step))
    assert sionna_scene.mi.variant() == sionna_scene.VARIANT
    again = tiny_scene(box_room(), num_threads=1)
    other = tiny_scene(box_room(), ["perspective"], seed=1)
    assert [image.view for image in first] == ["overhead", "perspective"]
    assert [image.png for image in first] == [image.png for image in again]
    assert other[0].png != first[1].png
    assert told[-1] == ("render", 2, 2)
    for image in first:
        assert (image.source, image.width, image.height) == ("render", 64, 48)
        assert pixels(image.png).shape == (48, 64, 3)
        names, at = [], 8
        while at < len(image.png):
            size = struct.unpack(">I", image.png[at : at + 4])[0]
            names.append(image.png[at + 4 : at + 8])
            at += size + 12
        assert set(names) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.slow
def test_an_object_of_every_class_is_seen_and_no_picture_is_black_or_burnt() -> None:
    """Boxes on grey paint, from above, far from the origin: each differs from the paint."""
    size, across = (480, 360), 5
    offset = np.array([3e5, 5e5, 100.0])
    numbers = 0.1, 2.0, 0.1  # thickness, permittivity, conductivity
    square = np.array([[-1, -1, 0], [10, -1, 0], [10, 8, 0], [-1, 8, 0.0]])
    objects = [SceneObject("floor", "paint", square + offset, FLOOR, *numbers)]
    box = box_room(1).objects[-1]
    corners = (box.vertices - box.vertices.min(axis=0)) * np.array([1.2, 0.6, 0.8]) + np.array(
        [0.0, 0.0, 0.01]
    )
    for k, name in enumerate(itu.MATERIALS):
        place = offset + np.array([2.0 * (k % across), 2.0 * (k // across), 0.0])
        objects.append(SceneObject(name, name, corners + place, box.faces, *numbers))
    model = SceneModel("all", tuple(objects), bounding_bounds(tuple(objects)))
    image = pixels(render_scene(model, ["overhead"], width=480, height=360, samples=16)[0].png)
    assert 60.0 < image.mean() < 230.0
    assert (image.max(axis=2) < 3).mean() < 0.001
    assert (image.min(axis=2) > 252).mean() < 0.05

    camera = look_at_scene(model, "overhead", 480 / 360).camera
    slope = np.tan(np.radians(camera.fov / 2))

    def patch(point: np.ndarray) -> np.ndarray:
        seen = point - camera.origin
        x, y = size[0] / 2 * (seen[:2] / -seen[2] / slope)
        row, column = round(size[1] / 2 - y), round(size[0] / 2 + x)
        return image[row - 8 : row + 8, column - 8 : column + 8].reshape(-1, 3)

    floor = patch(offset + np.array([9.4, 7.4, 0.0]))
    for item in objects[1:]:
        top = patch(np.append(item.vertices[:, :2].mean(axis=0), item.vertices[:, 2].max()))
        color = np.abs(top.mean(axis=0) - floor.mean(axis=0)).max()
        contrast = top.std(axis=0).max() - floor.std(axis=0).max()
        assert color > 6.0 or contrast > 6.0, (item.name, color, contrast)


def test_a_partition_without_thickness_has_a_rim_that_a_camera_above_sees() -> None:
    """Its area is that of the upper edge times the width; walls at the bounds get none."""
    room = box_room()
    corners = np.array([[0, -5, 0], [1, 3, 0], [1, 3, 2.5], [0, -5, 2.5]], float)
    partition = dataclasses.replace(
        room.objects[1], name="partition", vertices=corners, faces=np.array([[0, 1, 2], [0, 2, 3]])
    )
    scene = dataclasses.replace(room, objects=(*room.objects, partition))
    for shown, count in ((room, 0), (scene, 2)):
        seen = look_at_scene(shown, "overhead", 1.0)
        triangles, owner = render._with_rims(shown, seen.triangles, seen.owner, 0.1)
        assert len(owner) == len(triangles) == len(seen.triangles) + count
        np.testing.assert_array_equal(triangles[: len(seen.triangles)], seen.triangles)
    rim = triangles[-2:]
    assert set(owner[-2:]) == {9}
    np.testing.assert_array_equal(rim[..., 2], 2.5)
    sides = rim[:, 1] - rim[:, 0], rim[:, 2] - rim[:, 0]
    area = np.linalg.norm(np.cross(*sides), axis=1).sum() / 2.0
    assert area == pytest.approx(0.1 * np.hypot(1.0, 8.0))
