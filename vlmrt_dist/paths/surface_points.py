"""Points of a scene's surfaces that stand for the surfaces in an integral over what they scatter.

The two sides of every piece of surface are cut into cells, small where much is scattered from a
transmitter to receivers, and a point is drawn in each. A sum over the points, each with its cell's
area, is an unbiased estimate of the integral whose standard deviation falls as the inverse of the
number of cells where the integrand is smooth, and as its power 3/4 where shadows cut through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.paths.exact.antennas import NEAREST, near_pieces
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.sight import owned, sees

OFFSET = 2.0 * NEAREST
"""How far before its surface a point is taken to lie [m]: an antenna at less is refused."""

STAGES = (0.125, 0.25, 0.5)
"""Shares of the points that cells are looked at with before the last ones are drawn."""

LEAST_TRIALS = 64
"""Points of a stage, at least."""

GUESSED = 0.4
"""Share of a cell's weight that follows what was expected before, for what a single point misses:
half of it the stage before, half the first guess, which no stage forgets."""

_TINY = np.finfo(np.float64).tiny

_SMOOTH = 1.0
"""Distance [m] by which the illumination by reflected paths is smoothed."""

_ROUNDS = 40


class SurfacePoints(NamedTuple):
    """P points of surfaces.

    :param position: [P, 3] in the scene's coordinates, on the surface [m]
    :param normal: [P, 3] unit normal of the side that scatters
    :param area: [P] that each stands for [m²]
    :param object: [P] whose surface it is
    :param seen: [P, N] receivers that lie in sight of that side
    """

    position: FloatArray
    normal: FloatArray
    area: FloatArray
    object: IntArray
    seen: BoolArray

    @property
    def before(self) -> FloatArray:
        """[P, 3] places of the points, :data:`OFFSET` before their side [m]."""
        return self.position + OFFSET * self.normal

    def some(self, index: IntArray | BoolArray) -> SurfacePoints:
        """Some of the points."""
        position, normal, area, owner, seen = self
        return SurfacePoints(position[index], normal[index], area[index], owner[index], seen[index])


class Light(NamedTuple):
    """What comes to points by chains of interactions.

    :param irradiance: [P] for unit power, if nothing were lost at the interactions [1/m²]
    :param chains: how many there are
    """

    irradiance: FloatArray
    chains: int


class _Cells(NamedTuple):
    """Triangles [C, 3, 3], shifted [m], the piece of each [C] and the sign of its side [C]."""

    corner: FloatArray
    piece: IntArray
    side: FloatArray

    def some(self, index: IntArray | BoolArray) -> _Cells:
        return _Cells(self.corner[index], self.piece[index], self.side[index])

    def beside(self, other: _Cells) -> _Cells:
        return _Cells(
            np.concatenate([self.corner, other.corner]),
            np.concatenate([self.piece, other.piece]),
            np.concatenate([self.side, other.side]),
        )


def surface_points(
    scene: PreparedScene,
    tx: FloatArray,
    rx: FloatArray,
    count: int,
    seed: int,
    light: Callable[[SurfacePoints], Light],
    *,
    depth: int,
) -> SurfacePoints:
    """Points for what scatters from a transmitter to receivers, so many that about ``count`` chains
    come to them, but no more points than that.

    Cells are cut by a guess of what they scatter first, then by what points drawn in them would.

    :param tx: [3] [m]
    :param rx: [N, 3] [m]
    :param seed: of the places within the cells; the same for equal positions
    :param light: what comes to points
    :param depth: interactions on the way to them
    :return: those that a receiver sees
    """
    places = np.frombuffer(np.concatenate([tx[None], rx]).tobytes(), np.uint32)
    rng = np.random.default_rng([seed, count, depth, *places.tolist()])
    sides = _Sides(scene, tx - scene.shift, rx - scene.shift, depth == 0)
    cells = _both_sides(scene)
    factor = np.ones(len(cells.piece))
    enough = count
    for stage in STAGES:
        trials = min(max(int(stage * count), LEAST_TRIALS), enough)
        cells, factor = _cut(cells, sides.weight, trials, factor)
        points, kept = sides.drawn(cells, rng)
        found, chains = np.zeros((len(cells.piece), len(rx))), 0
        if len(kept):
            irradiance, chains = light(points)
            found[kept] = irradiance[:, None] * sides.received(points)
        guess = _share(sides.weight(cells))
        before = guess * factor
        expected = sum(each / max(each.sum(), _TINY) for each in (before, guess))
        share = (1.0 - GUESSED) * _share(found) + 0.5 * GUESSED * expected
        factor = np.divide(share, guess, out=np.zeros_like(share), where=guess > 0.0)
        enough = count * len(cells.piece) // max(chains, len(cells.piece), 1)
    cells, _ = _cut(cells, sides.weight, enough, factor)
    return sides.drawn(cells, rng)[0]


class _Sides:
    """The sides of a scene's pieces, a transmitter [3] and receivers [N, 3], shifted [m]."""

    def __init__(
        self, scene: PreparedScene, tx: FloatArray, rx: FloatArray, straight: bool
    ) -> None:
        self._scene, self._tx, self._rx, self._straight = scene, tx, rx, straight
        mirror = scene.faces.mirror
        normals = np.stack([mirror[name] for name in "abc"], axis=1)
        self._normal = normals[scene.faces.piece["plane"]]

    def normal(self, cells: _Cells) -> FloatArray:
        """[C, 3] of the cells' sides."""
        return np.asarray(self._normal[cells.piece] * cells.side[:, None])

    def weight(self, cells: _Cells) -> FloatArray:
        """[C, N] a guess of what cells scatter to each receiver, in units of its own."""
        normal = self.normal(cells)
        return _weight(cells.corner, normal, self._tx, self._rx, self._straight)

    def drawn(self, cells: _Cells, rng: np.random.Generator) -> tuple[SurfacePoints, IntArray]:
        """A point in each cell of which a receiver sees it, and the cell of each."""
        scene, rx = self._scene, self._rx
        normal = self.normal(cells)
        point = _away_from_edges(scene, cells, _drawn(cells, rng), normal)
        before = point + OFFSET * normal
        facing = ((rx - point[:, None]) * normal[:, None]).sum(axis=2) > OFFSET
        seen = sees(scene.faces, before, rx) & facing
        kept = seen.any(axis=1) & owned(scene.faces, cells.piece, point)
        kept &= near_pieces(scene.faces, before, NEAREST) < 0
        owner = scene.faces.piece["object"][cells.piece].astype(np.int64)
        found = SurfacePoints(point + scene.shift, normal, _area(cells.corner), owner, seen)
        return found.some(kept), np.flatnonzero(kept)

    def received(self, points: SurfacePoints) -> FloatArray:
        """[P, N] what points scatter to each receiver for unit irradiance, in units of its own."""
        way = self._rx + self._scene.shift - points.position[:, None]
        far = (way**2).sum(axis=2)
        facing = (way * points.normal[:, None]).sum(axis=2)
        return np.asarray(np.where(points.seen, facing / far**1.5, 0.0) * points.area[:, None])


def _share(value: FloatArray) -> FloatArray:
    """[C] share of each cell in what each receiver gets [C, N], a mean over receivers."""
    total = value.sum(axis=0)
    share = np.divide(value, total, out=np.zeros_like(value), where=total > 0.0)
    return np.asarray(share.mean(axis=1))


def _area(corner: FloatArray) -> FloatArray:
    """[C] of triangles [C, 3, 3]."""
    edge = corner - corner[:, :1]
    return np.asarray(0.5 * np.linalg.norm(np.cross(edge[:, 1], edge[:, 2]), axis=1))


def _both_sides(scene: PreparedScene) -> _Cells:
    """The pieces as triangles, once for each side."""
    piece, corner = scene.faces.piece, scene.faces.corner
    place = np.stack([corner[name] for name in "xyz"], axis=1)
    first, number = piece["first"].astype(np.int64), piece["count"].astype(np.int64) - 2
    of = np.repeat(np.arange(len(piece)), number)
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    begin = first[of]
    fan = np.stack([place[begin], place[begin + step + 1], place[begin + step + 2]], axis=1)
    size = len(of)
    side = np.repeat([1.0, -1.0], size)
    return _Cells(np.tile(fan, (2, 1, 1)), np.tile(of, 2), side)


def _weight(
    corner: FloatArray, normal: FloatArray, tx: FloatArray, rx: FloatArray, straight: bool
) -> FloatArray:
    """[C, N] what cells scatter to each receiver, shadows left out, in units of their own: the
    solid angle that a receiver sees them in, times their mean irradiance."""
    if straight:
        area = np.maximum(_area(corner), _TINY)
        light = _solid_angle(corner, normal, tx[None])[:, 0] / area
    else:
        places = np.concatenate([corner, corner.mean(axis=1, keepdims=True)], axis=1)
        light = (1.0 / (((tx - places) ** 2).sum(axis=2) + _SMOOTH**2)).mean(axis=1)
    return np.asarray(_solid_angle(corner, normal, rx) * light[:, None])


def _solid_angle(corner: FloatArray, normal: FloatArray, place: FloatArray) -> FloatArray:
    """[C, N] solid angle [sr] in which places [N, 3] see triangles [C, 3, 3], 0 from behind.

    A. van Oosterom and J. Strackee, "The solid angle of a plane triangle", IEEE Trans. Biomed. Eng.
    30 (2), 1983, equation (8).
    """
    way = corner[:, None] - place[:, None]  # [C, N, 3, 3]
    a, b, c = way[:, :, 0], way[:, :, 1], way[:, :, 2]
    size = np.sqrt((way**2).sum(axis=3))
    far = size[:, :, 0] * size[:, :, 1] * size[:, :, 2]
    for one, other, third in ((a, b, 2), (b, c, 0), (c, a, 1)):
        far += (one * other).sum(axis=2) * size[:, :, third]
    volume = np.abs((a * np.cross(b, c)).sum(axis=2))
    before = (a * normal[:, None]).sum(axis=2) < 0.0
    return np.where(before, 2.0 * np.arctan2(volume, far), 0.0)


def _cut(
    cells: _Cells,
    weight: Callable[[_Cells], FloatArray],
    count: int,
    factor: FloatArray,
) -> tuple[_Cells, FloatArray]:
    """Cells cut until about ``count`` have a weight, and their factors.

    :param weight: [C, N] of cells
    :param factor: [C] on the weight of each cell and what it is cut into
    """
    value = weight(cells)
    for _ in range(_ROUNDS):
        lit = (value.max(axis=1, initial=0.0) > 0.0) & (factor > 0.0)
        cells, factor, value = cells.some(lit), factor[lit], value[lit]
        share = _share(value) * factor
        large = np.argsort(-share, kind="stable")[: max(count - len(share), 0)]
        large = large[share[large] > share.sum() / count]
        if not len(large):
            break
        halves = _halved(cells.some(large))
        kept = np.ones(len(share), bool)
        kept[large] = False
        cells = cells.some(kept).beside(halves)
        factor = np.concatenate([factor[kept], np.tile(factor[large], 2)])
        value = np.concatenate([value[kept], weight(halves)])
    return cells, factor


def _halved(cells: _Cells) -> _Cells:
    """Each cell cut in two through the middle of its longest edge."""
    corner = cells.corner
    size = ((np.roll(corner, -1, axis=1) - corner) ** 2).sum(axis=2)
    turn = (np.argmax(size, axis=1)[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(corner, turn[..., None], axis=1).transpose(1, 0, 2)
    middle = 0.5 * (a + b)
    both = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
    return _Cells(both, np.tile(cells.piece, 2), np.tile(cells.side, 2))


def _drawn(cells: _Cells, rng: np.random.Generator) -> FloatArray:
    """[C, 3] a point of each cell, uniformly."""
    u, v = rng.random((2, len(cells.piece), 1))
    root = np.sqrt(u)
    a, b, c = cells.corner.transpose(1, 0, 2)
    return np.asarray((1.0 - root) * a + root * (1.0 - v) * b + root * v * c)


def _away_from_edges(
    scene: PreparedScene, cells: _Cells, point: FloatArray, normal: FloatArray
) -> FloatArray:
    """The points, but those next to another surface moved to the middle of their cells."""
    near = near_pieces(scene.faces, point + OFFSET * normal, NEAREST) >= 0
    return np.where(near[:, None], cells.corner.mean(axis=1), point)
