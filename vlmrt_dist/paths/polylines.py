"""The points that paths of a table pass: transmitter, interactions, receiver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, MeasurementSetup
from vlmrt_dist.paths.exact_solver import prepared_scene
from vlmrt_dist.paths.image_method import Planes, planes_of, unfold
from vlmrt_dist.paths.path_table import NONE, NOT_PROVEN, REFLECTION, PathTable
from vlmrt_dist.scene import SceneModel


def path_points(
    scene: SceneModel, setups: Sequence[MeasurementSetup], table: PathTable
) -> FloatArray:
    """[P, D + 2, 3] transmitter, interactions and receiver of each path [m]; the receiver again
    behind the last interaction.

    :param setups: those that ``table`` was traced for in ``scene``, receivers numbered as there
    """
    planes, shift = _planes(scene, table)
    depth = table.max_depth
    tx = np.array([setup.tx for setup in setups])[table.setup] - shift
    first = np.cumsum([0, *(setup.num_receivers for setup in setups)])
    rx = np.concatenate([setup.rx for setup in setups])[first[table.setup] + table.receiver]
    rx = rx - shift
    _, direction = unfold(planes, tx, rx, table.kind, table.plane)
    points = np.empty((table.num_paths, depth + 2, 3))
    points[:, 0], points[:, 1:] = tx, rx[:, None]
    image = tx
    for d in range(depth):
        normal, there = planes.normal[table.plane[:, d]], table.kind[:, d] != NONE
        height = (normal * image).sum(axis=1) - planes.offset[table.plane[:, d]]
        slope = (normal * direction[:, d]).sum(axis=1)
        along = np.divide(-height, slope, out=np.zeros_like(height), where=there)
        met = image + along[:, None] * direction[:, d]
        points[:, d + 1] = np.where(there[:, None], met, points[:, d + 1])
        mirrored = image - 2.0 * height[:, None] * normal
        image = np.where((table.kind[:, d] == REFLECTION)[:, None], mirrored, image)
    return points + shift


def end_directions(
    scene: SceneModel, campaign: Campaign, table: PathTable
) -> tuple[FloatArray, FloatArray]:
    """Directions of travel [P, 3] in which each path leaves its transmitter, and arrives.

    :param campaign: that ``table`` numbers setups and receivers of
    """
    planes, shift = _planes(scene, table)
    tx = campaign.tx[table.setup] - shift
    rx = campaign.rx[table.setup, table.receiver] - shift
    _, direction = unfold(planes, tx, rx, table.kind, table.plane)
    return direction[:, 0], direction[:, -1]


def _planes(scene: SceneModel, table: PathTable) -> tuple[Planes, FloatArray]:
    """The planes that ``table`` numbers, and what was subtracted from coordinates first [3]."""
    if table.certificate != NOT_PROVEN:
        prepared = prepared_scene(scene)
        return prepared.planes, prepared.shift
    from vlmrt_dist.paths.sionna_scene import float32_shift  # imports Sionna

    shift = float32_shift(scene.bounding_boxes)
    return planes_of(scene, shift), shift
