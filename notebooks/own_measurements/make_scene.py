"""Writes scene.xml and meshes/: an L-shaped office of 8 m by 7 m, 2.7 m high, with 13 objects.

What a drawing program would export. Run it from anywhere; it writes beside itself:

    python notebooks/own_measurements/make_scene.py
"""

from pathlib import Path

import numpy as np

from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds

HEIGHT = 2.7
GAP = 0.01  # surfaces in one plane would leave it to rounding which of them a ray meets

CORNERS = [(0, 0), (8, 0), (8, 4), (4.5, 4), (4.5, 7), (0, 7)]
"""The floor's corners, counter-clockwise [m]."""

WALLS = [
    ("wall_south", "brick", 0.24),
    ("wall_east", "brick", 0.24),
    ("wall_corridor", "plasterboard", 0.1),
    ("wall_kitchen", "plasterboard", 0.1),
    ("wall_north", "brick", 0.24),
    ("wall_west", "concrete", 0.2),
]
"""One a side of the floor, beginning with that from the first corner to the second."""

BOXES = [
    ("pillar", "concrete", (2.0, 3.4, GAP), (2.4, 3.8, HEIGHT - GAP), 0.1),
    ("wardrobe", "chipboard", (5.2, 3.3, GAP), (7.0, 3.9, 2.1), 0.02),
    ("bookcase", "wood", (0.3, 5.0, GAP), (0.7, 6.6, 2.0), 0.03),
    ("refrigerator", "metal", (3.6, 6.2, GAP), (4.3, 6.9, 1.8), 0.01),
]
"""Name, material, two opposite corners [m], thickness of the sides [m]."""

CUBE = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def quads(name: str, material: str, corners: list, sides: list, thickness: float) -> SceneObject:
    """An object of four-cornered faces."""
    faces = [f for a, b, c, d in sides for f in ((a, b, c), (a, c, d))]
    return SceneObject(
        name, material, np.array(corners, dtype=float), np.array(faces), thickness=thickness
    )


def office() -> SceneModel:
    """Floor, ceiling, six walls, a glass partition, four closed pieces."""
    ends = [*CORNERS, CORNERS[0]]
    level = [(0, 0), (4.5, 0), (4.5, 4), (4.5, 7), (0, 7), (8, 0), (8, 4)]
    halves = [(0, 1, 3, 4), (1, 5, 6, 2)]
    objects = [
        quads("floor", "concrete", [(x, y, 0) for x, y in level], halves, 0.2),
        quads("ceiling", "plasterboard", [(x, y, HEIGHT) for x, y in level], halves, 0.02),
    ]
    for (name, material, thickness), (a, b), (c, d) in zip(WALLS, ends, ends[1:], strict=False):
        corners = [(a, b, 0), (c, d, 0), (c, d, HEIGHT), (a, b, HEIGHT)]
        objects.append(quads(name, material, corners, [(0, 1, 2, 3)], thickness))
    pane = [(5.0, GAP, GAP), (5.0, 2.4, GAP), (5.0, 2.4, 2.3), (5.0, GAP, 2.3)]
    objects.append(quads("partition", "glass", pane, [(0, 1, 2, 3)], 0.012))
    for name, material, low, high, thickness in BOXES:
        corners = np.array(low) + CUBE * (np.array(high) - np.array(low))
        objects.append(quads(name, material, corners.tolist(), SIDES, thickness))
    return SceneModel("office", tuple(objects), bounding_bounds(tuple(objects)))


if __name__ == "__main__":
    print(office().write(Path(__file__).parent, overwrite=True))
