"""Scenes at the limits of what a path solver resolves, and closed forms of their levels."""

import dataclasses

import numpy as np

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.scene import SceneModel, SceneObject
from vlmrt_dist.scene.model import bounding_bounds
from vlmrt_dist.units import SPEED_OF_LIGHT, VACUUM_PERMITTIVITY

FREQUENCY = 3.5e9

UTM = np.array([691_000.0, 5_334_000.0, 520.0])
"""Easting, northing and height of a place in Munich, zone 32 [m]."""

PANE_TX = [[-2.54, 2.70, 1.50], [-3.25, -1.32, 1.50]]
PANE_RX = [
    [[1.43, 3.59, 1.17], [2.27, 2.62, 1.31], [2.65, -3.78, 1.83], [2.61, -1.36, 1.88],
     [-1.91, -0.37, 0.90], [-2.21, -2.37, 1.09]],
    [[2.46, 3.85, 2.14], [3.17, 0.33, 1.12], [1.48, 3.76, 1.47], [1.35, 0.99, 1.87],
     [-2.84, 3.34, 0.76], [-2.59, -0.33, 0.79]],
]  # fmt: skip


def closed_box(name: str, low, high, material: str, thickness: float) -> SceneObject:
    """A closed box of twelve triangles."""
    sides = zip(low, high, strict=True)
    x, y, z = (np.array(side, float) for side in sides)
    vertices = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    quads = np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    )
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return SceneObject(name, material, vertices, faces, thickness=thickness)


def room_with_pane(drawn: float) -> SceneModel:
    """A room divided by a pane of 3 mm glass that is drawn as a closed box, ``drawn`` [m] thick."""
    objects = (
        closed_box("room", (-5, -5, 0), (5, 5, 3), "concrete", 0.2),
        closed_box("pane", (-drawn / 2, -4.999, 0.001), (drawn / 2, 4.999, 2.999), "glass", 0.003),
    )
    return SceneModel("room", objects, bounding_bounds(objects))


def pane_campaign() -> Campaign:
    """Two setups of four receivers behind the pane and two before it."""
    return Campaign(np.array(PANE_TX), np.array(PANE_RX))


def lone_pane(drawn: float) -> SceneModel:
    """The pane alone, in x from 0 on, wide enough to have no edge near."""
    pane = closed_box("pane", (0, -10, -10), (drawn, 10, 10), "glass", 0.003)
    return SceneModel("pane", (pane,), np.array([[-9.0, -9, -9], [9, 9, 9]]))


def metal_board() -> SceneModel:
    """A metal board of 4 m in the plane x = 0."""
    corners = np.array([[0, -2, -2], [0, 2, -2], [0, 2, 2], [0, -2, 2]], float)
    board = SceneObject("board", "metal", corners, np.array([[0, 1, 2], [0, 2, 3]]))
    return SceneModel("board", (board,), np.array([[-9.0, -9, -9], [9, 9, 9]]))


def moved(scene: SceneModel, campaign: Campaign, shift: np.ndarray) -> tuple[SceneModel, Campaign]:
    """Scene and campaign translated by ``shift`` [m]."""
    objects = tuple(
        dataclasses.replace(item, vertices=item.vertices + shift) for item in scene.objects
    )
    places = dataclasses.replace(campaign, tx=campaign.tx + shift, rx=campaign.rx + shift)
    return SceneModel(scene.name, objects, scene.bounds + shift), places


def slab(
    permittivity: float, conductivity: float, thickness: float, cosine: float, te: bool
) -> tuple[complex, complex]:
    """Reflection and transmission of a dielectric slab (ITU-R P.2040-3, equations 43 and 44)."""
    omega = 2.0 * np.pi * FREQUENCY
    eta = permittivity - 1j * conductivity / (omega * VACUUM_PERMITTIVITY)
    root = np.sqrt(eta - (1.0 - cosine**2))
    first, second = (cosine, root) if te else (eta * cosine, root)
    r = (first - second) / (first + second)
    turn = np.exp(-1j * omega / SPEED_OF_LIGHT * thickness * root)
    below = 1.0 - (r * turn) ** 2
    return r * (1.0 - turn**2) / below, (1.0 - r**2) * turn / below
