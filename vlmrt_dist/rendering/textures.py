"""Textures of the material classes, procedural and tiling.

The texture follows from the material class alone, and resembles the material, so that a model has
to recognise it as in a photograph: no colour code stands for a name, and no class is one flat
colour. Patterns have their true size: a brick is 25 cm long with its joint.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray

Surface = Literal["matte", "glossy", "metal", "sheet"]

LONG_SIDE = 512
"""Longer side of a texture [pixels]."""


class Look(NamedTuple):
    """Appearance of the surface of a material class.

    :param draw: draws the picture [H,W,3], sRGB from 0 to 1, from a canvas
    :param size: width and height of the surface in the picture [m]
    :param surface: "matte", "glossy" (a clear coat over the picture), "metal", or "sheet" (glossy
        and seen through)
    :param roughness: of the reflecting layer, 0 (a mirror) to 1
    :param opacity: of a sheet, where its picture is black and where it is white, 0 to 1
    """

    draw: Callable[[_Canvas], FloatArray]
    size: tuple[float, float]
    surface: Surface = "matte"
    roughness: float = 1.0
    opacity: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Texture:
    """One tile of a material's surface.

    :param pixels: colours [H,W,3], sRGB, 0 to 255; the first row is the upper edge
    :param size: width and height of the tile on the surface [m]
    :param look: appearance
    """

    pixels: npt.NDArray[np.uint8]
    size: tuple[float, float]
    look: Look


def look_name(material: str) -> str:
    """The look of an object's material: its class, or ``other`` for a name outside the ITU list."""
    return material if material in LOOKS else OTHER


@functools.lru_cache(maxsize=64)
def texture(name: str, seed: int = 0) -> Texture:
    """The texture of one of ``LOOKS``; the same name and seed give the same pixels.

    :raises KeyError: if there is no such look; :func:`look_name` finds one for any material
    """
    look = LOOKS[name]
    scale = LONG_SIDE / max(look.size)
    shape = (round(look.size[1] * scale), round(look.size[0] * scale))
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    picture = look.draw(_Canvas(rng, shape, look.size))
    pixels = np.round(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
    pixels.setflags(write=False)
    return Texture(pixels, look.size, look)


class _Canvas:
    """Random fields over one tile, periodic at its edges.

    :param shape: (H, W) pixels
    :param size: width and height [m]
    """

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, int], size: tuple[float, float]
    ) -> None:
        self.rng, self.shape, self.size = rng, shape, size
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        self.u = (columns + 0.5) / shape[1] * size[0]  # to the right [m]
        self.v = size[1] - (rows + 0.5) / shape[0] * size[1]  # upwards [m]

    def noise(
        self, slope: float, finest: float = 0.0, coarsest: float = np.inf, stretch: float = 1.0
    ) -> FloatArray:
        """Noise [H,W] of mean 0 and standard deviation 1 whose amplitude falls as f**-slope.

        :param finest: shortest wavelength [m]
        :param coarsest: longest wavelength [m]
        :param stretch: length of features along u in units of that along v
        """
        height, width = self.shape
        across = np.fft.fftfreq(height, self.size[1] / height)[:, None]
        along = np.fft.rfftfreq(width, self.size[0] / width)[None, :] * stretch
        frequency = np.hypot(across, along)
        with np.errstate(divide="ignore"):
            weight = frequency**-slope
        weight[0, 0] = 0.0
        weight[frequency * finest > 1.0] = 0.0
        if np.isfinite(coarsest):
            weight[frequency * coarsest < 1.0] = 0.0
        spectrum = np.fft.rfft2(self.rng.standard_normal(self.shape)) * weight
        field = np.fft.irfft2(spectrum, self.shape)
        return np.asarray(field / field.std())

    def cells(self, spacing: float, stretch: float = 1.0) -> tuple[FloatArray, ...]:
        """Cells about random points: a value of each cell 0 to 1, and distances [m], all [H,W].

        :param spacing: of the points [m]
        :param stretch: length of cells along u in units of that along v
        :returns: the cell's value, the distance to its point, and to the border (half of the
            difference of the distances to the two nearest points)
        """
        from scipy.spatial import cKDTree  # late: importing scipy costs more than this package

        period = np.array([self.size[0] / stretch, self.size[1]])
        count = max(2, round(period[0] * period[1] / spacing**2))
        points = self.rng.random((count, 2)) * period
        where = np.stack([self.u / stretch, self.v], axis=-1).reshape(-1, 2) % period
        distance, index = cKDTree(points, boxsize=period).query(where, k=2)
        value = self.rng.random(count)[index[:, 0]]
        border = 0.5 * (distance[:, 1] - distance[:, 0])
        return tuple(a.reshape(self.shape) for a in (value, distance[:, 0], border))

    def bent(self, field: FloatArray, along: FloatArray, across: FloatArray) -> FloatArray:
        """``field`` sampled at points moved by ``along`` and ``across`` [H,W] [m]."""
        from scipy.ndimage import map_coordinates

        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]].astype(float)
        columns += along * self.shape[1] / self.size[0]
        rows -= across * self.shape[0] / self.size[1]
        bent = map_coordinates(field, [rows, columns], order=1, mode="grid-wrap")
        return np.asarray(bent)

    def tiles(self, width: float, height: float, shift: float = 0.0) -> tuple[FloatArray, ...]:
        """A grid of tiles, each row moved by ``shift`` tiles against the one below it.

        :returns: column number, row number, and the distance to the tile's edge [m], all [H,W]
        """
        across = self.v / height
        row = np.floor(across)
        along = self.u / width + row * shift
        column = np.floor(along) % round(self.size[0] / width)
        edge = np.minimum(
            width * (0.5 - np.abs(along % 1.0 - 0.5)), height * (0.5 - np.abs(across % 1.0 - 0.5))
        )
        return column, row, edge

    def value_of(self, column: FloatArray, row: FloatArray) -> FloatArray:
        """A random value, 0 to 1, for each tile, [H,W]."""
        column, row = column.astype(int), row.astype(int)
        values = self.rng.random((row.max() + 1, column.max() + 1))
        return np.asarray(values[row, column])


def _color(text: str) -> FloatArray:
    return np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)]) / 255.0


def _blend(first: Any, second: Any, share: npt.NDArray[Any]) -> FloatArray:
    """From one colour (or picture) to another, by a share [H,W] that is cut to 0 … 1."""
    first, second = (_color(c) if isinstance(c, str) else c for c in (first, second))
    weight = np.clip(share, 0.0, 1.0)[..., None]
    return np.asarray(first * (1.0 - weight) + second * weight)


def _band(distance: FloatArray, width: float | FloatArray, soft: float) -> FloatArray:
    """1 nearer than ``width`` [m], falling to 0 within ``soft`` [m] more."""
    return np.asarray(np.clip((width + soft - distance) / soft, 0.0, 1.0))


def _concrete(c: _Canvas) -> FloatArray:
    """Grey and mottled, with pores; joints and tie holes of the formwork."""
    cloud = 0.5 + 0.16 * c.noise(1.4, coarsest=1.2) + 0.08 * c.noise(0.2)
    picture = _blend("7d7d7a", "b3b1ab", cloud)
    _, centre, _ = c.cells(0.035)
    size = 0.0055 * np.clip(c.noise(1.0, finest=0.02), 0.0, 1.6)
    picture = _blend(picture, "50504e", 0.8 * _band(centre, size, 0.003))
    picture = _blend(picture, "5f5f5c", 0.75 * _band(c.tiles(1.2, 1.2)[2], 0.004, 0.004))
    corner = np.hypot(np.abs(c.u % 1.2 - 0.6) - 0.35, np.abs(c.v % 1.2 - 0.6) - 0.35)
    picture = _blend(picture, "8d8c88", 0.8 * _band(corner, 0.024, 0.004))
    return _blend(picture, "353534", _band(corner, 0.013, 0.004))


def _brick(c: _Canvas) -> FloatArray:
    """Red bricks in running bond, with light mortar."""
    column, row, edge = c.tiles(0.25, 0.075, shift=0.5)
    shade = c.value_of(column, row)
    picture = _blend("7e3527", "b8583c", shade + 0.16 * c.noise(0.7))
    burnt = c.value_of(column, row) > 0.88
    picture = _blend(picture, "5a2a26", 0.7 * burnt)
    picture = _blend(picture, "d0805c", 0.35 * (c.noise(0.4, coarsest=0.05) > 1.7))
    mortar = _blend("a9a197", "c9c2b6", 0.5 + 0.3 * c.noise(0.5))
    return _blend(picture, mortar, _band(edge + 0.0012 * c.noise(1.0), 0.005, 0.002))


def _plasterboard(c: _Canvas) -> FloatArray:
    """Ivory paper of boards, with filled and painted joints and screw heads."""
    roller = c.noise(0.3, finest=0.006, coarsest=0.03)
    picture = _blend("d9d2c0", "e9e3d4", 0.5 + 0.22 * roller + 0.15 * c.noise(1.5))
    joint = np.abs(c.u % 1.2 - 0.6)  # in the middle of the tile
    picture = _blend(picture, "fbfaf6", 0.9 * _band(joint + 0.012 * c.noise(1.5), 0.05, 0.03))
    picture = _blend(picture, "c3bcab", 0.55 * _band(joint, 0.0012, 0.002))
    along = np.abs(c.v % 0.3 - 0.15)
    for place in (0.3, 0.9):
        screw = np.hypot(np.abs(c.u % 1.2 - place), along) + 0.004 * c.noise(1.2)
        picture = _blend(picture, "fcfbf8", 0.95 * _band(screw, 0.022, 0.01))
    return picture


def _grain(c: _Canvas, rings: float, bend: float) -> tuple[FloatArray, FloatArray]:
    """Growth rings cut lengthwise, 0 to 1, and fibres (standard deviation 1)."""
    wide = c.noise(2.2, finest=0.08, stretch=7.0)
    height = rings * (c.v / c.size[1] + bend * wide)
    saw = height % 1.0
    ring = saw**2.5 * np.clip((1.0 - saw) / 0.12, 0.0, 1.0)
    return np.asarray(ring), c.noise(0.35, finest=0.003, coarsest=0.25, stretch=40.0)


def _wood(c: _Canvas) -> FloatArray:
    """Solid timber: boards with strong grain, cathedral figure and knots."""
    ring, fibre = _grain(c, 13.0, 0.16)
    _, knot, _ = c.cells(0.5, stretch=1.6)
    ring = np.maximum(ring, 0.8 * _band(np.abs((knot / 0.009) % 1.0 - 0.5) * 0.02, 0.003, 0.004)
                      * _band(knot, 0.03, 0.02))  # fmt: skip
    picture = _blend("cd9658", "8a5427", 0.1 + 0.85 * ring + 0.13 * fibre)
    picture = _blend(picture, "472710", 0.9 * _band(knot + 0.003 * c.noise(1.0), 0.013, 0.01))
    row = np.floor(c.v / 0.3)
    picture *= (0.9 + 0.2 * c.value_of(0 * row, row))[..., None]
    board = np.abs((c.v + 0.15) % 0.3 - 0.15)
    return _blend(picture, "2e190b", 0.9 * _band(board, 0.002, 0.003))


def _plywood(c: _Canvas) -> FloatArray:
    """Pale sheets with a wide, wavy figure, and the layers of their edges where they meet."""
    ring, fibre = _grain(c, 5.0, 0.35)
    picture = _blend("ecd9ae", "cfaa70", 0.05 + 0.6 * ring + 0.1 * fibre)
    edge = c.v % 0.6
    layer = np.floor(edge / 0.009) % 2.0
    layers = _blend("8a5a2c", "efdcae", layer + 0.08 * fibre)
    return _blend(picture, layers, (edge < 0.063).astype(float))


def _chipboard(c: _Canvas) -> FloatArray:
    """Pressed flakes of wood, lying every way."""
    tone = np.full(c.shape, 0.35)
    height, width = c.shape
    scale = width / c.size[0]
    for _ in range(5000):
        length, breadth = c.rng.uniform(0.012, 0.045) * scale, c.rng.uniform(0.004, 0.012) * scale
        angle = c.rng.uniform(0.0, np.pi)
        reach = int(length / 2) + 1
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        along = x * np.cos(angle) + y * np.sin(angle)
        across = y * np.cos(angle) - x * np.sin(angle)
        inside = (np.abs(along) < length / 2) & (np.abs(across) < breadth / 2)
        rows = (y[inside] + c.rng.integers(height)) % height
        columns = (x[inside] + c.rng.integers(width)) % width
        shade = across[inside] / breadth  # one long edge lies deeper
        tone[rows, columns] = c.rng.beta(2.0, 2.0) + 0.25 * shade
    return _blend("84602f", "e2c184", tone + 0.05 * c.noise(0.0))


def _glass(c: _Canvas) -> FloatArray:
    """Green-tinted panes with a bright edge."""
    streak = 0.5 + 0.2 * c.noise(1.8, stretch=0.4)
    picture = _blend("2f8a76", "62b39f", streak)
    pane = c.tiles(*c.size)[2]
    picture = _blend(picture, "a5e6d3", 0.7 * _band(pane, 0.016, 0.008))
    return _blend(picture, "f4fffb", _band(pane, 0.006, 0.004))


def _clear_acrylic(c: _Canvas) -> FloatArray:
    """Colourless sheets, finely scratched, with bright edges."""
    scratch = np.abs(c.noise(0.4, coarsest=0.3, stretch=12.0) + 0.6 * c.noise(1.0)) < 0.03
    cross = np.abs(c.noise(0.4, coarsest=0.3, stretch=0.08)) < 0.02
    picture = _blend("8d8d9c", "b9b9c6", 0.5 + 0.2 * c.noise(1.5))
    picture = _blend(picture, "e6e6f2", 0.6 * (scratch | cross))
    return _blend(picture, "ffffff", _band(c.tiles(*c.size)[2], 0.02, 0.01))


def _vacuum(c: _Canvas) -> FloatArray:
    """Transparent; a faint net of lines marks the place."""
    net = _band(c.tiles(0.25, 0.25)[2], 0.006, 0.004)
    return _blend("0a0a12", "ffffff", net + 0.02 * c.noise(0.0))


def _ceiling_board(c: _Canvas) -> FloatArray:
    """White mineral-fibre tiles, perforated and fissured, in a metal grid."""
    picture = _blend("e4e4e2", "f8f8f7", 0.5 + 0.25 * c.noise(0.3))
    _, hole, _ = c.cells(0.02)
    size = 0.0032 * np.clip(c.noise(0.5) + 0.9, 0.0, 1.8)
    picture = _blend(picture, "6d6d6b", 0.85 * _band(hole, size, 0.002))
    edge = c.tiles(0.6, 0.6)[2]
    picture = _blend(picture, "8e9194", 0.9 * _band(edge, 0.014, 0.003))
    return _blend(picture, "dfe2e4", _band(edge, 0.009, 0.002))


def _marble(c: _Canvas) -> FloatArray:
    """White and polished, with grey veins."""
    bend = 0.09 * c.noise(2.0), 0.09 * c.noise(2.0)
    slab = 0.5 + 0.3 * c.bent(c.noise(1.6), *bend)
    picture = _blend("dcdbd8", "faf9f6", slab)
    for depth, width, coarsest in ((0.85, 0.09, 2.0), (0.5, 0.06, 0.5)):
        field = c.bent(c.noise(2.0, coarsest=coarsest), *bend)
        strength = np.clip(0.65 + 0.5 * c.noise(1.5), 0.1, 1.0)
        picture = _blend(picture, "55575e", depth * strength * np.exp(-np.abs(field) / width))
    return picture


def _floorboard(c: _Canvas) -> FloatArray:
    """Narrow, dark, varnished strips, their ends staggered."""
    ring, fibre = _grain(c, 24.0, 0.1)
    column, row, edge = c.tiles(0.8, 0.1, shift=0.7)
    shade = c.value_of(column, row)
    picture = _blend("3f1d10", "8c4a2a", 0.15 + 0.7 * shade + 0.1 * fibre - 0.2 * ring)
    return _blend(picture, "120805", _band(edge, 0.0018, 0.002))


def _vinyl_tile(c: _Canvas) -> FloatArray:
    """Square tiles in two colours like a chessboard, marbled and shiny."""
    column, row, edge = c.tiles(0.3, 0.3)
    swirl = c.bent(c.noise(1.5), 0.03 * c.noise(1.8), 0.03 * c.noise(1.8))
    light = _blend("d9d3b8", "f3efdc", 0.5 + 0.3 * swirl)
    dark = _blend("2f6173", "5c95a3", 0.5 + 0.3 * swirl)
    picture = _blend(light, dark, (column + row) % 2.0)
    return _blend(picture, "3c3a34", 0.8 * _band(edge, 0.0012, 0.0015))


def _carpet_tile(c: _Canvas) -> FloatArray:
    """Dark blue loops in square tiles, each turned against its neighbours."""
    column, row, edge = c.tiles(0.5, 0.5)
    turned = (column + row) % 2.0
    lines = np.where(turned > 0.5, c.u, c.v)
    pile = np.sin(2 * np.pi * lines / 0.025) * 0.5 + 0.9 * c.noise(0.0) + 0.3 * c.noise(1.0)
    picture = _blend("232b45", "56648c", 0.42 + 0.2 * pile + 0.16 * (turned - 0.5))
    return _blend(picture, "141a2c", 0.7 * _band(edge, 0.002, 0.003))


def _asphalt_concrete(c: _Canvas) -> FloatArray:
    """Nearly black binder with stones of every grey."""
    picture = _blend("1c1c1e", "343436", 0.5 + 0.3 * c.noise(0.5))
    for spacing, radius in ((0.016, 0.0042), (0.03, 0.008)):
        value, centre, border = c.cells(spacing)
        stone = _blend("3c3c3e", "a3a09a", 1.3 * value**2)
        there = _band(centre, radius, 0.002) * np.clip(border / 0.002, 0.0, 1.0)
        picture = _blend(picture, stone, there * (value > 0.2))
    return picture


def _metal(c: _Canvas) -> FloatArray:
    """Brushed sheets with folded seams."""
    brushed = c.noise(0.15, finest=0.003, coarsest=0.6, stretch=0.02)
    picture = _blend("b4b8bc", "f0f2f4", 0.55 + 0.16 * brushed + 0.08 * c.noise(1.5))
    seam = np.abs((c.u + 0.25) % 0.5 - 0.25)
    picture = _blend(picture, "f2f4f6", 0.8 * _band(np.abs(seam - 0.014), 0.003, 0.004))
    return _blend(picture, "3a3e42", 0.9 * _band(seam, 0.006, 0.004))


def _very_dry_ground(c: _Canvas) -> FloatArray:
    """Pale clay, cracked."""
    picture = _blend("c0a076", "e2c99e", 0.5 + 0.25 * c.noise(1.2) + 0.1 * c.noise(0.2))
    value, _, border = c.cells(0.19)
    picture *= (0.92 + 0.14 * value)[..., None]
    bent = border + 0.006 * c.noise(1.2)
    picture = _blend(picture, "9c7b52", 0.6 * _band(bent, 0.009, 0.012))
    return _blend(picture, "3d2b18", _band(bent, 0.004, 0.005))


def _medium_dry_ground(c: _Canvas) -> FloatArray:
    """Brown earth with clods, pebbles and tufts of grass."""
    value, _, border = c.cells(0.03)
    clod = np.clip(border / 0.008, 0.0, 1.0)
    picture = _blend("4a3320", "9a7448", 0.15 + 0.5 * clod * value + 0.14 * c.noise(1.0))
    blade = c.noise(0.2, finest=0.004, coarsest=0.08, stretch=0.3)
    meadow = c.noise(1.7, finest=0.05) > 0.55
    grass = _blend("35491a", "86993f", 0.5 + 0.4 * blade)
    picture = _blend(picture, grass, 0.9 * meadow * np.clip(blade + 0.8, 0.0, 1.0))
    value, centre, _ = c.cells(0.12)
    return _blend(picture, "b7ab98", _band(centre, 0.009 * value, 0.003))


def _wet_ground(c: _Canvas) -> FloatArray:
    """Dark mud with puddles that mirror the sky."""
    clump = c.noise(1.0, coarsest=0.3)
    picture = _blend("17110b", "4d3a26", 0.42 + 0.25 * clump)
    pool = c.noise(2.2, finest=0.06) + 0.1 * clump
    picture = _blend(picture, "0c0a08", np.clip(2.0 * pool, 0.0, 1.0))
    return _blend(picture, "71808c", np.clip(9.0 * (pool - 0.7), 0.0, 0.85))


def _other(c: _Canvas) -> FloatArray:
    """Neutral grey paint, which shows no material."""
    return _blend("a0a0a0", "b0b0b0", 0.5 + 0.25 * c.noise(0.4, finest=0.008))


OTHER = "other"
"""The look of a material outside the ITU list, which has numbers but no class."""

LOOKS: dict[str, Look] = {
    "vacuum": Look(_vacuum, (1.0, 1.0), "sheet", 0.3, opacity=(0.06, 0.6)),
    "concrete": Look(_concrete, (2.4, 2.4)),
    "brick": Look(_brick, (1.5, 1.5)),
    "plasterboard": Look(_plasterboard, (1.2, 1.2)),
    "wood": Look(_wood, (1.8, 1.2), "glossy", 0.55),
    "glass": Look(_glass, (1.0, 1.0), "sheet", 0.03, opacity=(0.1, 0.6)),
    "clear_acrylic": Look(_clear_acrylic, (1.0, 1.0), "sheet", 0.08, opacity=(0.02, 0.75)),
    "ceiling_board": Look(_ceiling_board, (0.6, 0.6)),
    "chipboard": Look(_chipboard, (0.8, 0.8)),
    "plywood": Look(_plywood, (1.2, 1.2)),
    "marble": Look(_marble, (1.8, 1.8), "glossy", 0.12),
    "floorboard": Look(_floorboard, (1.6, 1.0), "glossy", 0.3),
    "vinyl_tile": Look(_vinyl_tile, (1.2, 1.2), "glossy", 0.15),
    "carpet_tile": Look(_carpet_tile, (1.0, 1.0)),
    "asphalt_concrete": Look(_asphalt_concrete, (0.8, 0.8)),
    "metal": Look(_metal, (1.0, 1.0), "metal", 0.3),
    "very_dry_ground": Look(_very_dry_ground, (1.6, 1.6)),
    "medium_dry_ground": Look(_medium_dry_ground, (1.6, 1.6)),
    "wet_ground": Look(_wet_ground, (1.6, 1.6), "glossy", 0.12),
    OTHER: Look(_other, (1.0, 1.0)),
}
"""Every material class of :data:`vlmrt_dist.scene.itu.MATERIALS`, and ``other``."""
