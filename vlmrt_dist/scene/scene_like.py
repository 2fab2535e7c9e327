"""Whatever stands for a scene, as a :class:`SceneModel`."""

from __future__ import annotations

import os
import warnings
from typing import TypeAlias

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.scene_xml import load_scene
from vlmrt_dist.scene.live_scene import NotTakenOver, SionnaScene, is_live, live_model
from vlmrt_dist.scene.model import SceneModel

SceneLike: TypeAlias = SceneModel | SionnaScene | str | os.PathLike[str]
"""A scene model, the path of a scene file, or a live ``sionna.rt.Scene``."""


def as_scene(scene: SceneLike) -> SceneModel:
    """The scene model of a scene file or of a live scene; a scene model as it is.

    Warns with :class:`NotTakenOver` of what a live scene has and the model has not. Objects whose
    material a file leaves unstated stay so, for an advisor to fill; their values raise.

    :raises SceneError: if it is none of these, or is refused
    """
    if isinstance(scene, SceneModel):
        return scene
    if isinstance(scene, (str, os.PathLike)):
        return load_scene(os.fspath(scene), unstated="keep")
    if not is_live(scene):
        raise SceneError(
            "a scene is a SceneModel, the path of a scene file, or a live sionna.rt.Scene; got "
            f"{type(scene).__name__}"
        )
    model, remarks = live_model(scene)
    for remark in remarks:
        warnings.warn(remark, NotTakenOver, stacklevel=2)
    return model
