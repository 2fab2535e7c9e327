"""Objects of simple shapes, at right angles to the axes."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.scene.scene_object import SceneObject

# Corner number = 4x + 2y + z for the unit cube; outward orientation.
_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
_QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)
_FACES = np.concatenate([_QUADS[:, [0, 1, 2]], _QUADS[:, [0, 2, 3]]]).astype("int32")


def box(name: str, material: str, low: FloatArray, high: FloatArray) -> SceneObject:
    """A closed box between two corners [3] [m]."""
    return SceneObject(name, material, low + _CORNERS * (high - low), _FACES)


def rectangle(
    name: str, material: str, axis: int, at: float, low: FloatArray, high: FloatArray
) -> SceneObject:
    """A rectangle at right angles to one axis.

    :param axis: 0, 1 or 2
    :param at: its place along that axis [m]
    :param low: [2] its lower corner along the other two [m]
    :param high: [2] its upper corner
    """
    u, v = (
        np.array([low[0], high[0], high[0], low[0]]),
        np.array([low[1], low[1], high[1], high[1]]),
    )
    corners = np.insert(np.stack([u, v], axis=1), axis, at, axis=1)
    return SceneObject(name, material, corners, np.array([[0, 1, 2], [0, 2, 3]]))
