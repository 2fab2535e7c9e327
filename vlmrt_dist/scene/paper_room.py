"""The paper's room (Section V and Figure 7): a floor, four walls and boxes, no ceiling."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.scene_object import SceneObject
from vlmrt_dist.scene.simple_shapes import box

HALF_SIDE = 5.0
"""Half the side of the paper's square room [m]."""

HEIGHT = 3.0
"""Height of the walls [m]."""

BOX_SIZE = np.array([1.0, 2.0, 1.0])
"""Extent of a box along x, y, z [m]."""

BOX_LIFT = 0.01
"""Gap between the floor and the underside of the boxes [m].

Two surfaces in one plane leave it to rounding which of them a ray meets: path sets of independent
solves then differ by up to 2 % of a link's power. With the gap they are equal."""

PITCH = np.array([1.5, 3.0])
"""Distance of neighbouring box sites along x and y [m]: 0.5 m and 1 m stay free between boxes."""

PAPER_BOXES: tuple[tuple[str, float, float], ...] = (
    ("wood", -3.0, 3.0),
    ("concrete", 3.0, -3.0),
    ("marble", -3.0, -3.0),
    ("chipboard", 3.0, 3.0),
)
"""Material and centre (x, y) [m] of the paper's four boxes."""

# Tabulated at 3.5 GHz, and neither without conductivity (vacuum) nor without gradient (metal).
FURTHER_MATERIALS: tuple[str, ...] = (
    "plasterboard",
    "glass",
    "plywood",
    "ceiling_board",
    "brick",
    "asphalt_concrete",
    "vinyl_tile",
    "carpet_tile",
    "wood",
    "concrete",
    "marble",
    "chipboard",
)
MAX_BOXES = 2000


def box_room(num_boxes: int = 4) -> SceneModel:
    """The paper's room with ``num_boxes`` boxes; K = 5 + num_boxes objects.

    Brick floor of 10 m × 10 m around the origin at z = 0, four brick walls of 3 m, no ceiling, and
    boxes of 1 m × 2 m × 1 m (x, y, z), ``BOX_LIFT`` above the floor. The paper's come first:
    ``box_wood`` at (-3, 3), ``box_concrete`` at (3, -3), ``box_marble`` at (-3, -3) and
    ``box_chipboard`` at (3, 3). ``box_5``, ``box_6``, … follow, their materials cycling through
    ``FURTHER_MATERIALS``.

    The further boxes stand on a grid of sites through the paper's four, 1.5 m apart in x and 3 m
    in y, each as far as possible from those already there. So boxes keep at least 0.5 m from each
    other and 1 m from the walls. The paper's room has 15 sites. When more are needed its walls
    move outwards by 3 m on every side, again and again, until the sites suffice (a side of
    10 + 6j metres has (5 + 4j)(3 + 2j) of them: 16 m for up to 45 boxes, 100 m for 2000); the
    four boxes stay where they are.

    :param num_boxes: 0 to 2000
    :raises SceneError: if ``num_boxes`` is outside that
    """
    if isinstance(num_boxes, bool) or not isinstance(num_boxes, (int, np.integer)):
        raise SceneError("num_boxes must be a whole number")
    if not 0 <= num_boxes <= MAX_BOXES:
        raise SceneError(f"num_boxes must lie between 0 and {MAX_BOXES}; got {num_boxes}")
    rings = 0
    while _num_sites(rings) < num_boxes:
        rings += 1
    half = HALF_SIDE + rings * PITCH[1]
    centres = _box_centres(int(num_boxes), rings)
    objects = [*_shell(half)]
    for index, centre in enumerate(centres):
        if index < len(PAPER_BOXES):
            material = PAPER_BOXES[index][0]
            name = f"box_{material}"
        else:
            material = FURTHER_MATERIALS[(index - len(PAPER_BOXES)) % len(FURTHER_MATERIALS)]
            name = f"box_{index + 1}"
        objects.append(_box(name, material, centre))
    bounds = np.array([[-half, -half, 0.0], [half, half, HEIGHT]])
    name = "box_room" if num_boxes == len(PAPER_BOXES) else f"box_room_{num_boxes}"
    return SceneModel(name=name, objects=tuple(objects), bounds=bounds)


def _num_sites(rings: int) -> int:
    return (5 + 4 * rings) * (3 + 2 * rings)


def _box_centres(num_boxes: int, rings: int) -> FloatArray:
    """Centres [num_boxes,2] [m]: the paper's, then farthest-first over the free sites."""
    columns = np.arange(-2 - 2 * rings, 3 + 2 * rings) * PITCH[0]
    rows = np.arange(-1 - rings, 2 + rings) * PITCH[1]
    sites = np.stack(np.meshgrid(columns, rows, indexing="ij"), axis=-1).reshape(-1, 2)
    # Among sites equally far from all boxes the one nearest to the middle comes first.
    sites = sites[np.lexsort((sites[:, 1], sites[:, 0], (sites**2).sum(axis=1)))]
    centres = [np.array([x, y]) for _, x, y in PAPER_BOXES][:num_boxes]
    nearest = np.full(len(sites), np.inf)
    for _, x, y in PAPER_BOXES:
        nearest = np.minimum(nearest, ((sites - (x, y)) ** 2).sum(axis=1))
    while len(centres) < num_boxes:
        centre = sites[np.argmax(nearest)]
        centres.append(centre)
        nearest = np.minimum(nearest, ((sites - centre) ** 2).sum(axis=1))
    return np.array(centres).reshape(-1, 2)


def _shell(half: float) -> list[SceneObject]:
    """The floor and the four walls, each a quad of two triangles facing into the room."""
    h, z = half, HEIGHT
    quads = {
        "floor": [(-h, -h, 0), (h, -h, 0), (h, h, 0), (-h, h, 0)],
        "wall_west": [(-h, h, 0), (-h, h, z), (-h, -h, z), (-h, -h, 0)],
        "wall_east": [(h, -h, 0), (h, -h, z), (h, h, z), (h, h, 0)],
        "wall_south": [(-h, -h, 0), (-h, -h, z), (h, -h, z), (h, -h, 0)],
        "wall_north": [(h, h, 0), (h, h, z), (-h, h, z), (-h, h, 0)],
    }
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    return [
        SceneObject(name, "brick", np.array(corners, dtype=np.float64), faces)
        for name, corners in quads.items()
    ]


def _box(name: str, material: str, centre: FloatArray) -> SceneObject:
    low = np.array([*centre, BOX_LIFT]) - [BOX_SIZE[0] / 2, BOX_SIZE[1] / 2, 0.0]
    return box(name, material, low, low + BOX_SIZE)
