"""Parts of scene files, and a way to read them."""

from pathlib import Path
from typing import Any

import trimesh

from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.model import SceneModel

SECRET = "root:x:0:0:secret"

BOX = trimesh.creation.box([1, 2, 3])

WOOD = '<bsdf type="itu-radio-material" id="wood"><string name="type" value="wood"/></bsdf>'

CUBE = '<shape type="cube" id="mesh-crate"><ref id="wood"/></shape>'


def load(folder: Path, body: str, **options: Any) -> SceneModel:
    path = folder / "scene.xml"
    path.write_text(f'<scene version="2.1.0">{body}</scene>', encoding="utf-8")
    return load_scene(path, **options)


def shape(filename: str = "meshes/box.ply", kind: str = "ply", more: str = "") -> str:
    return (
        f'<shape type="{kind}" id="mesh-crate"><string name="filename" value="{filename}"/>'
        f'<ref id="wood" name="bsdf"/>{more}</shape>'
    )
