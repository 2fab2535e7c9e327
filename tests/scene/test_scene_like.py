from pathlib import Path
from typing import Any

import pytest

from tests.live_scenes import opened
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.live_scene import NotTakenOver
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.scene.scene_like import as_scene
from vlmrt_dist.vlm import propose_materials


def test_a_model_a_path_and_a_live_scene_are_one_scene(tmp_path: Path) -> None:
    room = box_room()
    assert as_scene(room) is room
    path = room.write(tmp_path / "room")
    assert as_scene(path).key == as_scene(str(path)).key == load_scene(path).key
    live = as_scene(opened(path))
    assert (live.names, live.materials) == (room.names, room.materials)
    with pytest.warns(NotTakenOver, match="merged"):
        merged = as_scene(opened(path, merge_shapes=True))
    assert merged.num_objects == room.num_objects


def test_an_advisor_fills_the_unstated_materials_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "scene.xml"
    path.write_text(
        '<scene><bsdf type="diffuse" id="mat-Material"/>'
        '<shape type="cube" id="brick_wall"><ref id="mat-Material"/></shape></scene>'
    )
    advice = propose_materials("offline", path, frequency=3.5e9)
    assert advice.prior.materials == ("brick",)
    scene = as_scene(path)
    assert scene.unstated == ("brick_wall",)
    with pytest.raises(MaterialError, match="--material Material=CLASS"):
        scene.conductivity(3.5e9)
    assert scene.fill_materials(advice.prior.materials).conductivity(3.5e9) > 0.0


@pytest.mark.parametrize("thing", [3, None, ["scene.xml"], object()])
def test_other_things_are_no_scenes(thing: Any) -> None:
    with pytest.raises(SceneError, match=r"a scene is a SceneModel.*; got"):
        as_scene(thing)
