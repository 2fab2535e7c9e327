"""The points that paths of a table pass: transmitter, interactions, receiver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, MeasurementSetup
from vlmrt_dist.paths.edge_rows import EdgeRows
from vlmrt_dist.paths.exact_solver import prepared_scene
from vlmrt_dist.paths.image_method import Planes, images, planes_of, unfold
from vlmrt_dist.paths.path_table import DIFFRACTION, NONE, NOT_PROVEN, PathTable
from vlmrt_dist.scene import SceneModel


def path_points(
    scene: SceneModel, setups: Sequence[MeasurementSetup], table: PathTable
) -> FloatArray:
    """[P, D + 2, 3] transmitter, interactions and receiver of each path [m]; the receiver again
    behind the last interaction.

    :param setups: those that ``table`` was traced for in ``scene``, receivers numbered as there
    """
    planes, shift = _planes(scene, table)
    depth, turning = table.max_depth, _turning(table)
    tx = np.array([setup.tx for setup in setups])[table.setup] - shift
    first = np.cumsum([0, *(setup.num_receivers for setup in setups)])
    rx = np.concatenate([setup.rx for setup in setups])[first[table.setup] + table.receiver]
    rx = rx - shift
    _, direction = unfold(planes, tx, rx, table.kind, table.plane, turning)
    image = images(planes, tx, table.kind, table.plane, turning)
    points = np.empty((table.num_paths, depth + 2, 3))
    points[:, 0], points[:, 1:] = tx, rx[:, None]
    for d in range(depth):
        kind = table.kind[:, d]
        there = (kind != NONE) & (kind != DIFFRACTION)
        plane = np.where(there, table.plane[:, d], 0)
        height = (planes.normal[plane] * image[:, d]).sum(axis=1) - planes.offset[plane]
        slope = (planes.normal[plane] * direction[:, d]).sum(axis=1)
        along = np.divide(-height, slope, out=np.zeros_like(height), where=there)
        met = image[:, d] + along[:, None] * direction[:, d]
        points[:, d + 1] = np.where(there[:, None], met, points[:, d + 1])
        if turning is not None:
            points[:, d + 1] = np.where((kind == DIFFRACTION)[:, None], turning, points[:, d + 1])
    return points + shift


def _turning(table: PathTable) -> FloatArray | None:
    """[P, 3] where diffracted paths turn, shifted [m]; None where no path is diffracted."""
    return None if table.edge is None else EdgeRows.of(table.edge).point


def end_directions(
    scene: SceneModel, campaign: Campaign, table: PathTable
) -> tuple[FloatArray, FloatArray]:
    """Directions of travel [P, 3] in which each path leaves its transmitter, and arrives.

    :param campaign: that ``table`` numbers setups and receivers of
    """
    planes, shift = _planes(scene, table)
    tx = campaign.tx[table.setup] - shift
    rx = campaign.rx[table.setup, table.receiver] - shift
    _, direction = unfold(planes, tx, rx, table.kind, table.plane, _turning(table))
    return direction[:, 0], direction[:, -1]


def _planes(scene: SceneModel, table: PathTable) -> tuple[Planes, FloatArray]:
    """The planes that ``table`` numbers, and what was subtracted from coordinates first [3]."""
    if table.certificate != NOT_PROVEN:
        prepared = prepared_scene(scene)
        return prepared.planes, prepared.shift
    from vlmrt_dist.paths.sionna_scene import float32_shift  # imports Sionna

    shift = float32_shift(scene.bounding_boxes)
    return planes_of(scene, shift), shift
