"""Lower bounds on the crossings between an antenna and every piece of a scene.

They hold for every straight way from the antenna to any point of a piece. Most of a large scene is
hidden from an antenna by a few things near it, and whole boxes of the scene's tree are hidden at
once: a convex body, or a piece, hides a box where it stands between the antenna and its corners.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.crossings import INSIDE, all_cross, all_pass_through, point_height
from vlmrt_dist.paths.exact.limits import Limits
from vlmrt_dist.paths.exact.records import BoxTree, Faces
from vlmrt_dist.paths.exact.tree_nodes import (
    RECENT,
    Work,
    blockers,
    enter,
    make_work,
    open_window,
)

NEVER = 255
"""Bound of a piece that no path from the antenna can reflect at first."""


@allocating
def bounds_from(
    faces: Faces,
    convex: NDArray[np.bool_],
    antenna: NDArray[np.float64],
    limits: Limits,
    enough: int,
) -> NDArray[np.uint8]:
    """[G] crossings of every straight way from an antenna to each piece, at least.

    Where the piece reflects on its inner side, entering its body counts, too.

    :param convex: [K] bodies without antennas
    :param antenna: [3] place [m]
    :param enough: count no further; a body that is passed through still counts twice
    """
    work = make_work(1, 1, antenna)
    corner = np.empty((8, 3))
    source = np.empty((8, 3))
    for j in range(8):
        source[j] = antenna
    bound = np.empty(len(faces.piece), np.uint8)
    nodes, order = faces.tree
    node = 0
    while node < nodes.shape[0]:
        n = nodes[node]
        crossed = _before_box(faces, convex, work, node, source, corner, enough)
        if crossed >= enough:
            for k in range(_first_entry(faces.tree, node), _first_entry(faces.tree, n.skip)):
                bound[order[k]] = crossed
            node = n.skip
            continue
        for k in range(n.first, n.first + n.count):
            bound[order[k]] = _bound_of(faces, convex, work, order[k], limits, enough)
        node += 1
    return bound


@compiled
def _bound_of(
    faces: Faces, convex: NDArray[np.bool_], work: Work, g: int, limits: Limits, enough: int
) -> int:
    """The bound of one piece, from the antenna that is the root of ``work``."""
    if not enter(faces, convex, work.level, 0, g, limits):
        return NEVER
    bound = work.level[1].bound
    if bound < enough and open_window(faces, work, 1):
        bound += blockers(faces, convex, work, 1, enough - bound)
    return bound


@compiled
def _first_entry(tree: BoxTree, node: int) -> int:
    """Where the entries of a node's leaves begin in the order of a tree."""
    while node < tree.node.shape[0] and tree.node[node].count == 0:
        node += 1
    return tree.node[node].first if node < tree.node.shape[0] else len(tree.order)


@compiled
def _before_box(
    faces: Faces,
    convex: NDArray[np.bool_],
    work: Work,
    node: int,
    source: NDArray[np.float64],
    corner: NDArray[np.float64],
    enough: int,
) -> int:
    """Crossings that the latest blockers add to every way to the box of ``node``.

    :param source: [8, 3] the antenna, eight times
    :param corner: [8, 3] working memory
    """
    n = faces.tree.node[node]
    for j in range(8):
        corner[j, 0] = n.x + (n.half_x if j & 1 else -n.half_x)
        corner[j, 1] = n.y + (n.half_y if j & 2 else -n.half_y)
        corner[j, 2] = n.z + (n.half_z if j & 4 else -n.half_z)
    total = 0
    for k in range(RECENT):
        g = work.recent[1, k]
        if g < 0:
            break
        body = faces.piece[g].object
        if convex[body]:
            if all_pass_through(faces, body, source, corner, 8) and _apart(faces, body, corner):
                total += 2
        elif _is_flat(faces, faces.piece[g].surface):
            # What lies behind the plane belongs to other surfaces, each of which is met besides.
            total += all_cross(faces, g, source, corner, 8)
        if total >= enough:
            break
    return total


@compiled
def _apart(faces: Faces, body: int, corner: NDArray[np.float64]) -> bool:
    """Whether all corners [8, 3] of a box lie outside of one and the same plane of a body, so that
    the body's own pieces are not in the box."""
    for q in range(faces.side[body], faces.side[body + 1]):
        outward, least = faces.mirror[q].outward, np.inf
        for j in range(8):
            least = min(least, outward * point_height(faces.mirror, q, corner, j))
        if least > INSIDE:
            return True
    return False


@compiled
def _is_flat(faces: Faces, surface: int) -> bool:
    """Whether all pieces of a surface lie in one plane; those of a plane stand together."""
    first = faces.member[faces.first[surface]]
    last = faces.member[faces.first[surface + 1] - 1]
    return bool(faces.piece[first].plane == faces.piece[last].plane)
