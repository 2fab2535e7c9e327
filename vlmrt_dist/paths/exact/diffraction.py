"""Search for the paths that one wedge diffracts, with reflections and transmissions on both sides.

The point of diffraction depends on both ends of a path, so a search from either end follows the
image tree down to the wedges that its beams meet: a *way* is a chain of reflecting pieces and the
part of a wedge's edge that it may reach. Ways of both ends that meet on an edge make a path where
the rays between their images turn on the edge by Keller's law. With the images unfolded about the
edge that is a straight line, so the point lies at

    x = (x_t ρ_r + x_r ρ_t) / (ρ_t + ρ_r)

along the edge, with the places x and the distances ρ of both images from it. The path is then
traced back on both sides, as specular ones are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.beams import boxes_in_beam
from vlmrt_dist.paths.exact.compiling import allocating, compiled, inlined
from vlmrt_dist.paths.exact.image_tree import MAX_BOUNDS, with_room
from vlmrt_dist.paths.exact.limits import Limits
from vlmrt_dist.paths.exact.records import Faces
from vlmrt_dist.paths.exact.tree_nodes import (
    Work,
    allowed,
    blockers,
    enter,
    image_height,
    make_work,
    open_beam,
    open_window,
    reflect_image,
    trace_back,
)
from vlmrt_dist.paths.exact.visibility import bounds_from
from vlmrt_dist.paths.exact.wedges import IN_FRONT, Wedges

COVERED = 1e-2
"""A surface that is crossed, or reflects, so near to the edge [m] covers it: Sionna drops segments
that are shorter."""

_ON_EDGE = 1e-9
"""How far beyond a way's part of an edge a point may lie [m]."""

HEAD = 4
"""Columns of a row before its interactions."""


class Ways(NamedTuple):
    """W ways from an antenna to wedges, those of one wedge together.

    :param begin: [E + 1] where the ways to each wedge begin
    :param chain: [W, R + 2] number of reflections, crossings of every such path at least, and the
        pieces that reflect, from the antenna on
    :param image: [W, 5] the antenna's image [m], and the part of the edge that may be reached [m]
    """

    begin: NDArray[np.int64]
    chain: NDArray[np.int32]
    image: NDArray[np.float64]


@allocating
def ways_to_wedges(
    faces: Faces,
    wedges: Wedges,
    convex: NDArray[np.bool_],
    antenna: NDArray[np.float64],
    limits: Limits,
    spent: NDArray[np.int64],
) -> Ways:
    """The ways from an antenna [3] to all wedges.

    :param convex: [K] bodies without antennas
    :param limits: of what a path may have beside its diffraction
    :param spent: [1] steps taken; added to, and above the limit where the search was given up
    """
    edges, pieces = len(wedges.length), len(faces.piece)
    work = make_work(limits.depth, pieces, antenna)
    state = work.level
    edge = np.zeros(max(64, edges), np.int32)
    chain = np.zeros((max(64, edges), 2 + limits.reflections), np.int32)
    image = np.zeros((max(64, edges), 5))
    found = np.empty(edges, np.int32)
    written = 0
    for e in range(edges):
        written = _add(wedges, work, 0, e, edge, chain, image, written)
    level = 0
    if limits.reflections > 0 and limits.depth > 0:
        state[0].number = _roots(faces, convex, antenna, limits, work.candidate[0])
    while level >= 0:
        if state[level].position == state[level].number:
            level -= 1
            continue
        g = work.candidate[level, state[level].position]
        state[level].position += 1
        spent[0] += 1
        if spent[0] > limits.steps or written > limits.rows:
            spent[0] = max(spent[0], limits.steps + 1)
            break
        most = allowed(limits, level + 1)
        if not enter(faces, convex, state, level, g, limits) or not open_window(
            faces, work, level + 1
        ):
            continue
        here = state[level + 1]
        here.bound += blockers(faces, convex, work, level + 1, most - here.bound + 1)
        if here.bound > most:
            continue
        open_beam(faces, work, level + 1)
        beam, sides, reach = work.beam[level + 1], here.sides, work.reach[level + 1]
        met = boxes_in_beam(wedges.tree, beam, sides, reach, found)
        spent[0] += met
        edge, chain, image = _room(edge, chain, image, written + met)
        for k in range(met):
            written = _add(wedges, work, level + 1, found[k], edge, chain, image, written)
        if here.bound <= allowed(limits, level + 2):
            level += 1
            here.number = boxes_in_beam(faces.tree, beam, sides, reach, work.candidate[level])
            here.position = 0
    order = np.argsort(edge[:written], kind="mergesort")
    begin = np.searchsorted(edge[:written][order], np.arange(edges + 1))
    return Ways(begin, chain[:written][order], image[:written][order])


@allocating
def _roots(
    faces: Faces,
    convex: NDArray[np.bool_],
    antenna: NDArray[np.float64],
    limits: Limits,
    roots: NDArray[np.int32],
) -> int:
    """Write the pieces that a way may reflect at first; return how many."""
    pieces, most, number = len(faces.piece), allowed(limits, 1), 0
    bound = np.zeros(pieces, np.uint8)
    if pieces <= MAX_BOUNDS and most >= 0:
        bound = bounds_from(faces, convex, antenna, limits, most + 1)
    for g in range(pieces):
        if bound[g] <= most:
            roots[number] = g
            number += 1
    return number


@allocating
def _room(
    edge: NDArray[np.int32], chain: NDArray[np.int32], image: NDArray[np.float64], needed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    while len(edge) < needed:
        edge = np.concatenate((edge, np.zeros_like(edge)))
        chain = np.concatenate((chain, np.zeros_like(chain)))
        image = np.concatenate((image, np.zeros_like(image)))
    return edge, chain, image


@compiled
def _add(
    wedges: Wedges,
    work: Work,
    level: int,
    e: int,
    edge: NDArray[np.int32],
    chain: NDArray[np.int32],
    image: NDArray[np.float64],
    written: int,
) -> int:
    """Add the way of the node of ``level`` to wedge ``e`` if there is one."""
    here = work.level[level]
    if not _in_front(wedges, e, here.x, here.y, here.z):
        return written
    low, high = 0.0, wedges.length[e]
    o, d = wedges.origin[e], wedges.along[e]
    for k in range(here.sides):
        s = work.beam[level, k]
        height = s[0] * o[0] + s[1] * o[1] + s[2] * o[2] - s[3]
        slope = s[0] * d[0] + s[1] * d[1] + s[2] * d[2]
        if height + slope * low < -_ON_EDGE and height + slope * high < -_ON_EDGE:
            return written
        if slope > 1e-12:
            low = max(low, -height / slope)
        elif slope < -1e-12:
            high = min(high, -height / slope)
    if low > high + _ON_EDGE:
        return written
    edge[written] = e
    chain[written, 0], chain[written, 1] = level, here.bound
    for i in range(level):
        chain[written, 2 + i] = work.level[i + 1].piece
    image[written, 0], image[written, 1], image[written, 2] = here.x, here.y, here.z
    image[written, 3], image[written, 4] = low, high
    return written + 1


@inlined
def _in_front(wedges: Wedges, e: int, x: float, y: float, z: float) -> bool:
    """Whether a point lies on the exterior of a wedge."""
    o, n = wedges.origin[e], wedges.normal[e]
    for i in range(2):
        height = n[i, 0] * (x - o[0]) + n[i, 1] * (y - o[1]) + n[i, 2] * (z - o[2])
        if height > IN_FRONT:
            return True
    return False


@allocating
def diffracted(
    faces: Faces,
    wedges: Wedges,
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    ways: tuple[Ways, Ways],
    limits: Limits,
    spent: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The diffracted paths of one link.

    :param ends: transmitter and receiver [3] each [m]
    :param ways: from either to the wedges
    :param limits: of what a path may have beside its diffraction
    :param spent: [1] steps taken; added to, and above the limit where the search was given up
    :return: rows of wedge, number of interactions, the one that is the diffraction, a zero, and,
        for each interaction, 2 · piece + 1 where it is passed, 2 · piece where it reflects, and -1
        for the diffraction [P, HEAD + 1 + depth]; both images, the point along the edge and how
        near it is to its end [P, 8] [m]
    """
    works = (
        make_work(limits.depth, 1, ends[0]),
        make_work(limits.depth, 1, ends[1]),
    )
    rows = np.zeros((16, HEAD + 1 + limits.depth), np.int32)
    places = np.zeros((16, 8))
    point, written = np.zeros((1, 3)), 0
    for e in range(len(wedges.length)):
        first, last = ways[1].begin[e], ways[1].begin[e + 1]
        if first == last:
            continue
        for a in range(ways[0].begin[e], ways[0].begin[e + 1]):
            spent[0] += last - first
            if spent[0] > limits.steps:
                return rows[:0], places[:0]
            for b in range(first, last):
                reflections = ways[0].chain[a, 0] + ways[1].chain[b, 0]
                budget = allowed(limits, reflections)
                if ways[0].chain[a, 1] + ways[1].chain[b, 1] > budget:
                    continue
                x = _turning_point(wedges, e, ways[0].image[a], ways[1].image[b])
                if x < 0.0:
                    continue
                for c in range(3):
                    point[0, c] = wedges.origin[e, c] + x * wedges.along[e, c] + wedges.lift[e, c]
                passed = _trace(faces, works[0], ways[0].chain[a], point, budget)
                if passed < 0:
                    continue
                more = _trace(faces, works[1], ways[1].chain[b], point, budget - passed)
                if more < 0:
                    continue
                rows = with_room(rows, written + 1)
                if written == len(places):
                    places = np.concatenate((places, np.zeros_like(places)))
                rows[written, 0] = e
                _write(rows[written], works, ways[0].chain[a, 0], ways[1].chain[b, 0])
                for c in range(3):
                    places[written, c] = ways[0].image[a, c]
                    places[written, 3 + c] = ways[1].image[b, c]
                places[written, 6] = x
                places[written, 7] = min(x, wedges.length[e] - x)
                written += 1
    return rows[:written], places[:written]


@compiled
def _turning_point(
    wedges: Wedges, e: int, one: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    """Where on a wedge's edge a ray between two images turns [m]; -1.0 where it does not."""
    o, d = wedges.origin[e], wedges.along[e]
    x, y = 0.0, 0.0
    for c in range(3):
        x += (one[c] - o[c]) * d[c]
        y += (other[c] - o[c]) * d[c]
    here, there = 0.0, 0.0
    for c in range(3):
        here += (one[c] - o[c] - x * d[c]) ** 2
        there += (other[c] - o[c] - y * d[c]) ** 2
    here, there = np.sqrt(here), np.sqrt(there)
    if here < IN_FRONT or there < IN_FRONT:
        return -1.0
    at = x + (y - x) * here / (here + there)
    if at <= 0.0 or at >= wedges.length[e]:
        return -1.0
    if at < max(one[3], other[3]) - _ON_EDGE or at > min(one[4], other[4]) + _ON_EDGE:
        return -1.0
    return at


@compiled
def _trace(
    faces: Faces, work: Work, chain: NDArray[np.int32], point: NDArray[np.float64], budget: int
) -> int:
    """Trace a way back from a point [1, 3] of the edge; transmissions, or -1 where it is none."""
    if budget < 0:
        return -1
    last, level = chain[0], work.level
    for i in range(last):
        piece = faces.piece[chain[2 + i]]
        level[i + 1].piece, level[i + 1].plane = chain[2 + i], piece.plane
        level[i + 1].surface = piece.surface
        height = image_height(faces, piece.plane, level, i)
        reflect_image(faces, piece.plane, height, level, i)
    passed = trace_back(faces, work, last, point, 0, budget)
    if passed < 0:
        return -1
    length = 0.0
    for c in range(3):
        length += (work.point[last + 1, c] - work.point[last, c]) ** 2
    length = np.sqrt(length)
    if last > 0 and length < COVERED:  # a reflection from the wedge's own faces
        return -1
    for k in range(passed - level[last].legs, passed):
        if (1.0 - work.passed[k].at) * length < COVERED:
            return -1
    return passed


@compiled
def _write(row: NDArray[np.int32], works: tuple[Work, Work], before: int, after: int) -> None:
    """Write the interactions of the path that was traced back last on both sides.

    :param before: reflections before the diffraction
    :param after: reflections behind it
    """
    column, k, level = HEAD, 0, works[0].level
    for i in range(before + 1):
        for _ in range(level[i].legs):
            row[column] = 2 * works[0].passed[k].piece + 1
            column, k = column + 1, k + 1
        if i < before:
            row[column] = 2 * level[i + 1].piece
            column += 1
    row[2], row[column] = column - HEAD, -1
    column, k, level = column + 1, 0, works[1].level
    for i in range(after + 1):
        k += level[i].legs
    for i in range(after, -1, -1):  # from the edge to the receiver
        for _ in range(level[i].legs):
            k -= 1
            row[column] = 2 * works[1].passed[k].piece + 1
            column += 1
        if i > 0:
            row[column] = 2 * level[i].piece
            column += 1
    row[1] = column - HEAD
