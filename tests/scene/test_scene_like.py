from pathlib import Path
from typing import Any

import pytest

from tests.live_scenes import opened
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.live_scene import NotTakenOver
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.scene.scene_like import as_scene


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


@pytest.mark.parametrize("thing", [3, None, ["scene.xml"], object()])
def test_other_things_are_no_scenes(thing: Any) -> None:
    with pytest.raises(SceneError, match=r"a scene is a SceneModel.*; got"):
        as_scene(thing)
