"""Polygons in the plan of a scene, from numbers or a file: where antennas may stand.

Coordinates are the scene's own x and y in metres, also in GeoJSON.
"""

from __future__ import annotations

import csv
import functools
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store import UnreadableFile, read_limited

Ring = tuple[tuple[float, float], ...]
"""Corners (x, y) [m] of a closed line; the last one is joined with the first."""

MAX_BYTES = 8 * 2**20
MAX_CORNERS = 100_000
MAX_RINGS = 2000
"""Most rings; to unite them takes quadratic time."""
LARGEST = 1e7
"""Largest coordinate [m]."""

FORMS = (
    "numbers such as '0 0 8 0 8 6 0 6' (corners x y; a further ring, after ';', is a hole or "
    "another part), a CSV file with columns x, y and perhaps ring, or GeoJSON in metres of the "
    "scene"
)

_NUMBERS = re.compile(r"[\s,;0-9.eE+-]*")


@dataclass(frozen=True)
class Area:
    """A part of the plan of a scene: polygons, each with its holes.

    :param polygons: for each polygon its outer ring, then the holes
    :raises ConfigurationError: if there is none, a ring has fewer than three corners or crosses
        itself, or a number is not finite
    """

    polygons: tuple[tuple[Ring, ...], ...]

    def __post_init__(self) -> None:
        if not self.polygons:
            raise ConfigurationError(f"the region is empty; give {FORMS}")
        count = sum(len(ring) for polygon in self.polygons for ring in polygon)
        if count > MAX_CORNERS:
            raise ConfigurationError(f"the region has more than {MAX_CORNERS} corners")
        numbers = [v for polygon in self.polygons for ring in polygon for p in ring for v in p]
        if not all(abs(v) <= LARGEST for v in numbers):  # false for NaN
            raise ConfigurationError(
                f"the region's corners must be numbers of metres up to {LARGEST:g}"
            )
        fewest = min((len(ring) for polygon in self.polygons for ring in polygon), default=3)
        if fewest < 3:
            raise ConfigurationError(
                f"a ring of the region has {fewest} corners; it needs three or more"
            )
        shape = self._shape
        if not shape.is_valid or not shape.area > 0.0:
            from shapely import is_valid_reason

            raise ConfigurationError(f"the region is no area: {is_valid_reason(shape)}")

    @classmethod
    def of_rings(cls, rings: Sequence[Sequence[Sequence[float]]]) -> Area:
        """The area that an odd number of rings enclose: a ring within another one is a hole.

        :param rings: corners of each
        :raises ConfigurationError: if a ring is no polygon
        """
        import shapely

        parts: list[Any] = []
        if len(rings) > MAX_RINGS:
            raise ConfigurationError(f"the region has more than {MAX_RINGS} rings")
        for number, ring in enumerate(rings, 1):
            if len(ring) < 3:
                raise ConfigurationError(
                    f"ring {number} of the region has {len(ring)} corners; it needs three or more"
                )
            part = cls(((tuple((float(x), float(y)) for x, y in ring),),))
            parts.append(part._shape)
        while len(parts) > 1:  # in pairs: one after another takes quadratic time
            pairs = zip(parts[::2], parts[1::2], strict=False)
            odd = parts[-1:] if len(parts) % 2 else []
            parts = [one.symmetric_difference(other) for one, other in pairs] + odd
        whole = parts[0] if parts else shapely.Polygon()
        return cls.of_shape(whole)

    @classmethod
    def of_shape(cls, shape: Any) -> Area:
        """The area of a shapely polygon, multi-polygon or collection of polygons.

        :raises ConfigurationError: if it holds anything else
        """
        import shapely

        parts = shapely.get_parts(shape)
        while any(hasattr(part, "geoms") for part in parts):
            parts = shapely.get_parts(parts)
        if len(parts) > MAX_RINGS:
            raise ConfigurationError(f"the region has more than {MAX_RINGS} parts")
        kinds = {part.geom_type for part in parts} - {"Polygon"}
        if kinds:
            raise ConfigurationError(
                f"the region holds a {sorted(kinds)[0]}; it must be made of polygons"
            )
        whole = shapely.union_all(parts) if len(parts) > 1 and _valid(parts) else None
        parts = parts if whole is None else shapely.get_parts(whole)
        return cls(tuple(
            tuple(tuple((float(x), float(y)) for x, y, *_ in ring.coords[:-1])
                  for ring in (part.exterior, *part.interiors))
            for part in parts if not part.is_empty
        ))  # fmt: skip

    @functools.cached_property
    def _shape(self) -> Any:
        import shapely

        shape = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in self.polygons])
        shapely.prepare(shape)
        return shape

    @property
    def bounds(self) -> FloatArray:
        """Lower and upper corner [2, 2] [m]."""
        return np.array(self._shape.bounds).reshape(2, 2)

    @property
    def size(self) -> float:
        """Area [m²]."""
        return float(self._shape.area)

    def contains(self, places: FloatArray) -> BoolArray:
        """Which places [P, 2 or more] lie in the area; on its edge counts as inside."""
        import shapely

        return np.asarray(shapely.intersects_xy(self._shape, places[:, 0], places[:, 1]))

    def share_of(self, begin: FloatArray, end: FloatArray) -> FloatArray:
        """[P] share of each straight line's length that lies in the area.

        :param begin: [P, 2 or more] where the lines begin
        :param end: [P, 2 or more] where they end; one above its beginning lies in the area wholly
            or not at all
        """
        import shapely

        lines = shapely.linestrings(np.stack([begin[:, :2], end[:, :2]], axis=1))
        length = shapely.length(lines)
        inside = shapely.length(shapely.intersection(lines, self._shape))
        upright = self.contains(begin).astype(np.float64)
        return np.asarray(np.divide(inside, length, out=upright, where=length > 1e-9))


AreaLike = Area | str | os.PathLike[str] | Sequence[Sequence[float]] | npt.NDArray[np.float64]
"""An area, corners [n, 2], or text: numbers or the name of a file."""


def area_of(given: AreaLike | None) -> Area | None:
    """An area from whatever states it; None: none is stated.

    :param given: an :class:`Area`, corners [n, 2], a shapely polygon, numbers as text, or the path
        of a .csv, .txt, .json or .geojson file
    :raises ConfigurationError: if it states no polygons
    """
    if given is None or isinstance(given, Area):
        return given
    if hasattr(given, "geom_type"):
        return Area.of_shape(given)
    if isinstance(given, str) and _NUMBERS.fullmatch(given):
        return Area.of_rings([_corners(part) for part in given.split(";") if part.strip()])
    if isinstance(given, (str, os.PathLike)):
        return read_area(Path(given))
    try:
        corners = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ConfigurationError("the region's corners must be an array [n, 2]; or give " + FORMS)
    return Area.of_rings([corners.tolist()])


def read_area(path: Path) -> Area:
    """The area in a file: GeoJSON, or CSV with columns x, y and perhaps ring.

    In a CSV file, an empty line begins a new ring too. Lines that begin with # are comments.

    :raises ConfigurationError: if it cannot be read, or holds no polygons
    """
    try:
        content = read_limited(path, MAX_BYTES)
        text = content.decode("utf-8-sig")
    except UnreadableFile as error:
        raise ConfigurationError(
            f"cannot read the region {str(path)!r}: {error}; give {FORMS}"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the region {str(path)!r} is no text; give {FORMS}") from None
    try:
        if text.lstrip().startswith(("{", "[")):
            return _of_geojson(text)
        return Area.of_rings(_rings_of_csv(text))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _valid(parts: Iterable[Any]) -> bool:
    return all(part.is_valid for part in parts)


def _corners(text: str) -> list[list[float]]:
    words = text.replace(",", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise ConfigurationError(f"the region is no list of numbers; give {FORMS}") from None
    if len(numbers) % 2:
        raise ConfigurationError(
            f"the region has an odd count of numbers ({len(numbers)}); corners are x y pairs"
        )
    return [numbers[i : i + 2] for i in range(0, len(numbers), 2)]


def _of_geojson(text: str) -> Area:
    import shapely

    try:
        shape = shapely.from_geojson(text)
    except (shapely.errors.GEOSException, ValueError, RecursionError):
        raise ConfigurationError("the region is no GeoJSON with polygons") from None
    return Area.of_shape(shape)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """:raises ConfigurationError: if a cell is longer than any number"""
    rows = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        yield from rows
    except csv.Error as error:
        raise ConfigurationError(f"line {rows.line_num} cannot be read as CSV ({error})") from None


def _rings_of_csv(text: str) -> list[list[list[float]]]:
    rings: dict[tuple[str, int], list[list[float]]] = {}
    columns: tuple[int, ...] | None = None
    gaps = count = 0
    delimiter = ";" if ";" in text and "," not in text else ","
    for number, row in enumerate(_rows(text, delimiter), 1):
        cells = [cell.strip() for cell in row]
        if cells and cells[0].startswith("#"):
            continue
        if not any(cells):
            gaps += 1
            continue
        if columns is None:
            columns = _columns(cells)
            if columns is not None:
                continue
            columns = tuple(range(min(len(cells), 3)))
        if len(cells) <= max(columns[:2], default=0) or len(columns) < 2:
            raise ConfigurationError(f"line {number} has no x and y")
        try:
            corner = [float(cells[columns[0]]), float(cells[columns[1]])]
        except ValueError:
            raise ConfigurationError(f"line {number} holds no numbers x, y [m]") from None
        if not all(map(math.isfinite, corner)):
            raise ConfigurationError(f"line {number} holds a number that is not finite")
        name = cells[columns[2]] if len(columns) > 2 and len(cells) > columns[2] else ""
        rings.setdefault((name, gaps), []).append(corner)
        count += 1
        if count > MAX_CORNERS:
            raise ConfigurationError(f"the region has more than {MAX_CORNERS} corners")
    return list(rings.values())


def _columns(cells: list[str]) -> tuple[int, ...] | None:
    """Columns of x, y and ring in a heading; None: the line is no heading.

    :raises ConfigurationError: if it is a heading without x and y
    """
    try:
        float(cells[0])
        return None
    except ValueError:
        names = [re.sub(r"\s*[\[(].*", "", cell).lower() for cell in cells]
    if "x" not in names or "y" not in names:
        raise ConfigurationError(f"the heading has no columns x and y; got {', '.join(cells)[:80]}")
    found = (names.index("x"), names.index("y"))
    return (*found, names.index("ring")) if "ring" in names else found
