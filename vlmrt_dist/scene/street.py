"""Height of the ground in a scene of buildings, and whether the sky is open above it.

Buildings of a map are often hollow shells without a floor, of several objects each, so that no mesh
is closed and no position is inside one. But a roof lies above a position in a building.
"""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.scene.model import SceneModel

OUTDOOR_HEIGHT, OUTDOOR_SIDE = 10.0, 40.0
"""A scene higher and wider than this [m] whose streets see the sky is one of buildings."""

OUTDOOR_SKY = 0.2
"""Share of places that must see the sky."""

ROOF = 0.5
"""Something this far above the ground [m] hides the sky."""


def ground(scene: SceneModel, places: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The ground at places [P,2]: height of the lowest surface there and whether it sees the sky.

    :return: [P] [m], NaN where there is no surface at all; [P] whether nothing lies more than
        :data:`ROOF` above it
    """
    line, _, height = scene.surfaces_at(places)
    level, top = np.full(len(places), np.inf), np.full(len(places), -np.inf)
    np.minimum.at(level, line, height)
    np.maximum.at(top, line, height)
    there = np.isfinite(level)
    return np.where(there, level, np.nan), there & (top < level + ROOF)


def outdoors(scene: SceneModel) -> bool:
    """Whether a scene is one of buildings, where antennas stand in the street under the sky."""
    low, high = scene.bounds
    if high[2] - low[2] <= OUTDOOR_HEIGHT or (high - low)[:2].min() <= OUTDOOR_SIDE:
        return False
    # A grid, not random: what a scene is must not depend on a seed.
    steps = np.linspace(0.03, 0.97, 20)
    x, y = np.meshgrid(*(low[:2] + steps[:, None] * (high - low)[:2]).T)
    _, open_sky = ground(scene, np.stack([x.ravel(), y.ravel()], axis=1))
    return bool(open_sky.mean() >= OUTDOOR_SKY)
