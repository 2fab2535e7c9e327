"""A town as maps have them: hollow shells on a slope, walls and roof apart, without a floor."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.scene.model import SceneModel, SceneObject

SLOPE = 0.05
"""Rise of the ground along x."""

CORNERS = [(10.0 + 30.0 * i, 10.0 + 30.0 * j) for i in range(4) for j in range(4)]
SIDE, HEIGHT = 18.0, 12.0
QUAD = np.array([[0, 1, 2], [0, 2, 3]])


def hollow_town() -> SceneModel:
    """16 shells of 18 m on ground of 130 m, 33 objects; walls begin beneath the ground."""
    ground = np.array([[0, 0, 0], [130, 0, 130 * SLOPE], [130, 130, 130 * SLOPE], [0, 130, 0.0]])
    objects = [SceneObject("ground", "concrete", ground, QUAD)]
    for n, (x, y) in enumerate(CORNERS):
        plan = np.array([[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE]])
        base, top = SLOPE * x - 1.0, SLOPE * x + HEIGHT
        roof = np.column_stack([plan, np.full(4, top)])
        walls = np.concatenate([np.column_stack([plan, np.full(4, base)]), roof])
        faces = [[i, (i + 1) % 4, 4 + (i + 1) % 4] for i in range(4)]
        faces += [[i, 4 + (i + 1) % 4, 4 + i] for i in range(4)]
        objects.append(SceneObject(f"walls_{n}", "brick", walls, np.array(faces)))
        objects.append(SceneObject(f"roof_{n}", "metal", roof, QUAD))
    return SceneModel("town", tuple(objects), np.array([[0, 0, -2.0], [130, 130, 40.0]]))


def under_a_roof(points: np.ndarray) -> np.ndarray:
    """Whether points [P,2 or 3] lie within the plan of a shell, [P]."""
    at = points[:, None, :2] - np.array(CORNERS)
    return ((at > 0.0) & (at < SIDE)).all(axis=2).any(axis=1)
