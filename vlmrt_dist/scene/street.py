"""Height of the floor or the ground in a scene, and whether the sky is open above it.

Buildings of a map are often hollow shells without a floor, of several objects each, so that no mesh
is closed and no position is inside one. But a roof lies above a position in a building.
"""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.scene.model import SceneModel


def ground(scene: SceneModel, places: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The floor or the ground at places [P,2], see :mod:`~vlmrt_dist.scene.floor_plan`.

    :return: [P] its height [m], NaN where there is none; [P] whether nothing lies above it
    """
    line, group, height = scene.surfaces_at(places)
    found = scene.floor_plan.ground(np.asarray(places, np.float64), line, group, height)
    return found.level, found.open_sky


def outdoors(scene: SceneModel) -> bool:
    """Whether a scene is one of buildings, where antennas stand in the street under the sky."""
    return scene.floor_plan.outdoors
