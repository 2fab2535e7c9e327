"""Beams: the straight rays from one point through a convex window, and what they can meet.

A node of the search sees everything through its window from the transmitter's image. The beam is
kept as half spaces; a face that the beam meets is clipped to them, which gives the next window.
Everything is rounded outwards by :data:`SLACK`, so that no path is lost here; paths are judged by
exact back-tracing alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import compiled, inlined
from vlmrt_dist.paths.exact.records import BoxTree, PairTree, Records

MAX_WINDOW = 48
"""Most corners of a window; a face that would have more stays unclipped."""

SLACK = 1e-9
"""How far beams reach beyond their half spaces [m]."""

_ROUNDED = 1e-7
"""How far the box that a beam stays in is drawn beyond its window [m]."""

_SHORT = 1e-8
"""A window's edge shorter than this [m] has no reliable direction and bounds nothing."""


@compiled
def clip(
    window: NDArray[np.float64],
    count: int,
    sides: NDArray[np.float64],
    num_sides: int,
    spare: NDArray[np.float64],
    slack: float,
) -> int:
    """Clip a convex polygon in place to half spaces; return how many corners are left.

    :param window: [MAX_WINDOW, 3] corners [m], ``count`` of them used
    :param sides: [S, 4] half spaces n · x >= o as (n, o), ``num_sides`` of them used
    :param spare: [MAX_WINDOW, 4] working memory
    :param slack: how far corners may lie outside [m]
    :return: corners left, 0 where nothing is, -1 where they would not fit
    """
    for k in range(num_sides):
        a, b, c, o = sides[k, 0], sides[k, 1], sides[k, 2], sides[k, 3] - slack
        inside = 0
        for j in range(count):
            spare[j, 3] = a * window[j, 0] + b * window[j, 1] + c * window[j, 2] - o
            inside += spare[j, 3] >= 0.0
        if inside == count:
            continue
        if inside == 0:
            return 0
        kept = 0
        for j in range(count):
            i = j + 1 if j + 1 < count else 0
            here, there = spare[j, 3], spare[i, 3]
            if kept + 2 > MAX_WINDOW:
                return -1
            if here >= 0.0:
                for q in range(3):
                    spare[kept, q] = window[j, q]
                kept += 1
            if (here >= 0.0) != (there >= 0.0):
                t = here / (here - there)
                for q in range(3):
                    spare[kept, q] = window[j, q] + t * (window[i, q] - window[j, q])
                kept += 1
        count = kept
        for j in range(count):
            for q in range(3):
                window[j, q] = spare[j, q]
    return count


@compiled
def write_beam(
    apex: tuple[float, float, float],
    window: NDArray[np.float64],
    count: int,
    mirror: Records,
    plane: int,
    sides: NDArray[np.float64],
) -> int:
    """Write the half spaces of the beam from ``apex`` through a window, beyond it.

    :param apex: where the rays come from [m]
    :param window: corners [m], ``count`` of them used
    :param plane: of the window, among those of MIRROR
    :param sides: [MAX_WINDOW + 1, 4] half spaces n · x >= o, written
    :return: how many
    """
    px, py, pz = apex
    m = mirror[plane]
    sign = -1.0 if m.a * px + m.b * py + m.c * pz - m.o > 0.0 else 1.0
    sides[0, 0], sides[0, 1], sides[0, 2] = sign * m.a, sign * m.b, sign * m.c
    sides[0, 3] = sign * m.o
    x, y, z = 0.0, 0.0, 0.0
    for j in range(count):
        x += window[j, 0] - px
        y += window[j, 1] - py
        z += window[j, 2] - pz
    written = 1
    for j in range(count):
        i = j + 1 if j + 1 < count else 0
        ax, ay, az = window[j, 0] - px, window[j, 1] - py, window[j, 2] - pz
        bx, by = window[i, 0] - window[j, 0], window[i, 1] - window[j, 1]
        bz = window[i, 2] - window[j, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        reach = np.sqrt(ax * ax + ay * ay + az * az)
        if size < 1e-10 * reach or bx * bx + by * by + bz * bz < _SHORT * _SHORT:
            continue
        if nx * x + ny * y + nz * z < 0.0:
            size = -size
        nx, ny, nz = nx / size, ny / size, nz / size
        sides[written, 0], sides[written, 1], sides[written, 2] = nx, ny, nz
        sides[written, 3] = nx * px + ny * py + nz * pz
        written += 1
    return written


@compiled
def write_reach(
    apex: tuple[float, float, float],
    window: NDArray[np.float64],
    count: int,
    reach: NDArray[np.float64],
) -> None:
    """Write the axis-parallel box [2, 3] that a beam stays in beyond its window: it ends at the
    window on the sides that no ray turns to, and is infinite on the others."""
    for c in range(3):
        low, high = np.inf, -np.inf
        for j in range(count):
            low, high = min(low, window[j, c]), max(high, window[j, c])
        reach[0, c] = low - _ROUNDED if low >= apex[c] else -np.inf
        reach[1, c] = high + _ROUNDED if high <= apex[c] else np.inf


@inlined
def boxes_in_beam(
    tree: BoxTree,
    sides: NDArray[np.float64],
    num_sides: int,
    reach: NDArray[np.float64],
    found: NDArray[np.int32],
) -> int:
    """Write the members of ``tree`` whose leaves' boxes meet a beam; return how many.

    :param reach: [2, 3] box that the beam stays in
    """
    nodes, order = tree
    node, number = 0, 0
    while node < nodes.shape[0]:
        if not box_in_beam(nodes, node, sides, num_sides, reach):
            node = nodes[node].skip
            continue
        first = nodes[node].first
        for k in range(first, first + nodes[node].count):
            found[number] = order[k]
            number += 1
        node += 1
    return number


@inlined
def box_in_beam(
    nodes: Records,
    node: int,
    sides: NDArray[np.float64],
    num_sides: int,
    reach: NDArray[np.float64],
) -> bool:
    """Whether the part of a node's box within ``reach`` [2, 3] reaches into all the half spaces.

    Half spaces are asked one by one, each about the corner that lies deepest in it. Of a box that
    stands on both sides of the window's plane, corners on the wrong side would pass; so it is cut
    first.
    """
    n = nodes[node]
    x0, x1 = max(n.x - n.half_x, reach[0, 0]), min(n.x + n.half_x, reach[1, 0])
    y0, y1 = max(n.y - n.half_y, reach[0, 1]), min(n.y + n.half_y, reach[1, 1])
    z0, z1 = max(n.z - n.half_z, reach[0, 2]), min(n.z + n.half_z, reach[1, 2])
    if x0 > x1 or y0 > y1 or z0 > z1:
        return False
    for k in range(num_sides):
        a, b, c = sides[k, 0], sides[k, 1], sides[k, 2]
        deepest = max(a * x0, a * x1) + max(b * y0, b * y1) + max(c * z0, c * z1)
        if deepest - sides[k, 3] < -SLACK:
            return False
    return True


@inlined
def pairs_in_beam(
    tree: PairTree,
    apex: tuple[float, float, float],
    sides: NDArray[np.float64],
    num_sides: int,
    reach: NDArray[np.float64],
    found: NDArray[np.int32],
) -> tuple[int, int]:
    """Write the members of ``tree`` both of whose boxes a ray of a beam may meet.

    :return: how many, and how many nodes of the tree were looked at
    """
    node, number, looked = 0, 0, 0
    while node < tree.node.shape[0]:
        looked += 1
        if not (
            box_in_beam(tree.node, node, sides, num_sides, reach)
            and box_in_beam(tree.second, node, sides, num_sides, reach)
            and _in_line(tree, node, apex)
        ):
            node = tree.node[node].skip
            continue
        first = tree.node[node].first
        for k in range(first, first + tree.node[node].count):
            found[number] = tree.order[k]
            number += 1
        node += 1
    return number, looked


@inlined
def _in_line(tree: PairTree, node: int, apex: tuple[float, float, float]) -> bool:
    """Whether a segment from ``apex`` to the second box of a node may meet its first box.

    The first box then holds a point at the fraction t of the way; each axis bounds t.
    """
    n, m = tree.node[node], tree.second[node]
    begin, end = _on_axis(n.x - apex[0], n.half_x, m.x - apex[0], m.half_x)
    low, high = _on_axis(n.y - apex[1], n.half_y, m.y - apex[1], m.half_y)
    begin, end = max(begin, low), min(end, high)
    low, high = _on_axis(n.z - apex[2], n.half_z, m.z - apex[2], m.half_z)
    return max(begin, low) <= min(end, high)


@inlined
def _on_axis(first: float, half: float, second: float, reach: float) -> tuple[float, float]:
    """Bounds of t in [0, 1] with t q in first ± half for some q in second ± reach."""
    half += _ROUNDED
    if second < 0.0:
        first, second = -first, -second
    low, high, least, most = first - half, first + half, second - reach, second + reach
    if most <= 0.0:
        return (0.0, 1.0) if low <= 0.0 <= high else (1.0, 0.0)
    if least > 0.0:
        begin = low / most if low > 0.0 else 0.0
        return begin, min(1.0, high / least) if high >= 0.0 else -1.0
    if low > 0.0:
        return low / most, 1.0
    if high < 0.0:
        return (high / least, 1.0) if least < 0.0 else (1.0, 0.0)
    return 0.0, 1.0
