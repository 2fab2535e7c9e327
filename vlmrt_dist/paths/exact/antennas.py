"""Where antennas may be for the path search: not on a surface, nor on another antenna."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.errors import CampaignError
from vlmrt_dist.paths.exact.bodies import CLEAR
from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.crossings import depth_inside, height_over
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.records import Faces

NEAREST = 1e-4
"""Least distance [m] of an antenna from every surface and from the other end of its link."""


def check_antennas(
    scene: PreparedScene, tx: NDArray[np.float64], rx: NDArray[np.float64], setup: int
) -> None:
    """Refuse a setup whose paths are not defined.

    :param tx: [3] transmitter, shifted [m]
    :param rx: [N, 3] receivers, shifted [m]
    :param setup: its number, for the message
    :raises CampaignError: if a coordinate is not finite, or an antenna lies nearer than
        :data:`NEAREST` to a surface or to the other end of its link
    """
    points = np.concatenate([tx[None], rx])
    names = [f"the transmitter of setup {setup + 1}"]
    names += [f"receiver {n + 1} of setup {setup + 1}" for n in range(len(rx))]
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise CampaignError(f"{names[int(np.argmin(finite))]} has a position that is not finite")
    for name, near in zip(names, near_pieces(scene.faces, points, NEAREST), strict=True):
        if near >= 0:
            owner = scene.names[scene.faces.piece[near]["object"]]
            raise CampaignError(
                f"{name} lies on the surface of object {owner!r}, or nearer than 0.1 mm to it, "
                "where it is on neither side; move it away from the surface"
            )
    distance = np.linalg.norm(rx - tx, axis=1)
    if (distance < NEAREST).any():
        name = names[1 + int(np.argmin(distance))]
        raise CampaignError(f"{name} lies on its transmitter; move one of them")


@allocating
def near_pieces(faces: Faces, points: NDArray[np.float64], reach: float) -> NDArray[np.int64]:
    """[P] a piece that each point [P, 3] lies nearer to than ``reach`` [m], or -1.

    Beyond an edge the distance is taken from the edge lines, which near a sharp corner is less than
    the true one.
    """
    found = np.full(points.shape[0], -1)
    nodes, order = faces.tree
    for p in range(points.shape[0]):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        node = 0
        while node < nodes.shape[0]:
            n = nodes[node]
            if (
                abs(x - n.x) > n.half_x + reach
                or abs(y - n.y) > n.half_y + reach
                or abs(z - n.z) > n.half_z + reach
            ):
                node = n.skip
                continue
            for k in range(n.first, n.first + n.count):
                height = height_over(faces.mirror, faces.piece[order[k]].plane, x, y, z)
                if abs(height) < reach and depth_inside(faces, order[k], x, y, z) > -reach:
                    found[p] = order[k]
            node += 1
    return found


@allocating
def empty_bodies(
    faces: Faces, tx: NDArray[np.float64], rx: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """[K] the convex bodies without an antenna in them, or on them."""
    convex = faces.convex.copy()
    for k in range(convex.shape[0]):
        if convex[k]:
            convex[k] = not _in_body(faces, k, tx[0], tx[1], tx[2])
            for n in range(rx.shape[0]):
                if not convex[k]:
                    break
                convex[k] = not _in_body(faces, k, rx[n, 0], rx[n, 1], rx[n, 2])
    return convex


@compiled
def _in_body(faces: Faces, body: int, x: float, y: float, z: float) -> bool:
    for q in range(faces.side[body], faces.side[body + 1]):
        if faces.mirror[q].outward * height_over(faces.mirror, q, x, y, z) > CLEAR:
            return False
    return True
