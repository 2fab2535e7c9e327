"""Distances of a campaign's links, and the walls that their straight lines pass through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.inference import SAME_PLACE
from vlmrt_dist.paths import TRANSMISSION
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class LinkGeometry:
    """The links of M setups with N receivers, as simple models of path loss see them.

    :param tx: [M, 3] transmitters [m]
    :param present: [M, N] which receivers exist
    :param distance: [M, N] length of the straight line [m]
    :param walls: [M, N, C] surfaces of each material class that it passes through; of a hollow
        body two
    :param classes: [C] material classes
    """

    tx: FloatArray
    present: BoolArray
    distance: FloatArray
    walls: FloatArray
    classes: tuple[str, ...]


def link_geometry(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, progress: Progress | None = None
) -> LinkGeometry:
    """The straight line of every link, however many walls it passes through.

    :param radio: its carrier and antennas; no path but the straight one is traced
    :raises CampaignError: if an antenna is on a surface, or on the other end of its link
    """
    from vlmrt_dist.field import trace  # imports Dr.Jit

    straight = radio.replace(
        max_depth=0, max_reflections=None, max_transmissions=None, line_of_sight="always",
        path_set="exact", diffuse_reflection=False, diffraction=False, edge_diffraction=False,
    )  # fmt: skip
    table = trace(scene, campaign, straight, progress=progress)
    classes = tuple(sorted(set(scene.materials)))
    number = np.array([classes.index(material) for material in scene.materials])
    walls = np.zeros((campaign.present.size, len(classes)))
    for kind, item in zip(table.kind.T, table.object.T, strict=True):
        passed = kind == TRANSMISSION
        np.add.at(walls, (table.link[passed], number[item[passed]]), 1.0)
    return LinkGeometry(
        tx=campaign.tx,
        present=campaign.present,
        distance=np.linalg.norm(campaign.rx - campaign.tx[:, None], axis=2),
        walls=walls.reshape(*campaign.present.shape, len(classes)),
        classes=classes,
    )


def same_transmitters(tx: FloatArray, known: FloatArray) -> BoolArray:
    """[M, M'] whether transmitters [M, 3] and [M', 3] stand at one place."""
    return np.linalg.norm(tx[:, None] - known[None], axis=2) <= SAME_PLACE
