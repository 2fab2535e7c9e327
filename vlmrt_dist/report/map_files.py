"""Files of radio maps: NumPy arrays with coordinates, and GeoTIFF."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import RadioMap
from vlmrt_dist.report.map_page import map_page
from vlmrt_dist.report.plotting.coverage import map_figure
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import write_atomic

MAP_SUFFIXES = (".png", ".pdf", ".html", ".npz", ".tif", ".tiff")

# Numbers of tags and keys of OGC GeoTIFF 1.1 (OGC 19-008r4), and of GDAL's two private tags.
_PIXEL_SCALE, _TIEPOINT, _GEO_KEYS, _GEO_DOUBLES = 33550, 33922, 34735, 34736
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_DOUBLE, _SHORT, _ASCII = 12, 3, 2
_USER_DEFINED = 32767


@dataclass(frozen=True)
class GeoOrigin:
    """Where a scene's point x = y = 0 lies; x points east and y north.

    :param latitude: [degrees], WGS 84
    :param longitude: [degrees], WGS 84
    :raises ConfigurationError: if it is no place on Earth between 84° south and north
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not (-84.0 <= self.latitude <= 84.0 and -180.0 <= self.longitude <= 180.0):
            raise ConfigurationError(
                "the origin must be a latitude between -84 and 84 and a longitude between -180 and "
                "180 degrees"
            )


def write_map(
    found: RadioMap,
    path: str | os.PathLike[str],
    *,
    scene: SceneModel | None = None,
    origin: GeoOrigin | None = None,
) -> Path:
    """Write a map by the ending of ``path``: .png or .pdf (a figure), .html (a page that
    shows values under the pointer), .npz, .tif or .tiff.

    :param found: the map
    :param scene: whose walls are drawn in the figure and the page
    :param origin: geo-reference of a TIFF; None: it has none
    :return: ``path``
    :raises ConfigurationError: if the name has another ending
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in MAP_SUFFIXES:
        raise ConfigurationError(
            f"cannot write {target}: its name must end in {', '.join(MAP_SUFFIXES)}"
        )
    if suffix in (".png", ".pdf"):
        map_figure(found, target, scene=scene)
        return target
    if suffix == ".html":
        return write_atomic(target, map_page(found, scene).encode())
    content = _npz(found) if suffix == ".npz" else _tiff(found, origin)
    return write_atomic(target, content)


def _npz(found: RadioMap) -> bytes:
    """The arrays under their names, ``path_gain``, ``rss`` and ``cell_centers`` as Sionna has them;
    what was not estimated is absent."""
    names = (
        "tx", "x", "y", "height", "cell_size", "cell_centers", "tx_power_dbm", "frequency", "free",
        "path_gain", "rss", "prior_dbm", "prior_std_db", "calibrated_dbm", "calibrated_std_db",
        "difference_db",
    )  # fmt: skip
    arrays = {name: getattr(found, name) for name in names}
    buffer = io.BytesIO()
    there = {name: np.asarray(value) for name, value in arrays.items() if value is not None}
    np.savez_compressed(buffer, allow_pickle=False, **there)
    return buffer.getvalue()


def bands_of(found: RadioMap) -> list[tuple[str, FloatArray]]:
    """Name and values [H, W] of each band, the transmitters' one after another."""
    bands = []
    for t in range(len(found.tx)):
        for name, values in (
            ("prior level [dBm]", found.prior_dbm),
            ("prior standard deviation [dB]", found.prior_std_db),
            ("calibrated level [dBm]", found.calibrated_dbm),
            ("calibrated standard deviation [dB]", found.calibrated_std_db),
            ("calibrated minus prior [dB]", found.difference_db),
        ):
            if values is not None:
                bands.append((f"transmitter {t + 1}: {name}", values[t]))
    return bands


def _tiff(found: RadioMap, origin: GeoOrigin | None) -> bytes:
    """A TIFF in float32, a band for each quantity; NaN is "no data". North is up."""
    import tifffile

    bands = bands_of(found)
    pixels = np.stack([values[::-1] for _, values in bands]).astype(np.float32)
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, (name, _) in enumerate(bands)
    )
    tags: list[tuple[int, int, int, object, bool]] = [
        (_GDAL_METADATA, _ASCII, 0, f"<GDALMetadata>{items}</GDALMetadata>", True),
        (_GDAL_NODATA, _ASCII, 0, "nan", True),
    ]
    if origin is not None:
        tags += _geo_tags(found, origin)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, pixels, photometric="minisblack", planarconfig="separate", compression="zlib",
        metadata=None, extratags=tags,
    )  # fmt: skip
    return buffer.getvalue()


def _geo_tags(found: RadioMap, origin: GeoOrigin) -> list[tuple[int, int, int, object, bool]]:
    """A transverse Mercator projection of WGS 84 about the origin, in which the scene's x and y are
    easting and northing [m]."""
    west, north = found.x[0] - found.size / 2.0, found.y[-1] + found.size / 2.0
    # Latitude and longitude of the origin, false easting and northing, scale there.
    doubles = (origin.longitude, origin.latitude, 0.0, 0.0, 1.0)
    keys = [
        (1024, 0, 1, 1),  # model: projected
        (1025, 0, 1, 1),  # raster: a pixel is an area
        (2048, 0, 1, 4326),  # geographic: WGS 84
        (3072, 0, 1, _USER_DEFINED),
        (3074, 0, 1, _USER_DEFINED),
        (3075, 0, 1, 1),  # transverse Mercator
        (3076, 0, 1, 9001),  # metres
        *((key, _GEO_DOUBLES, 1, i) for i, key in enumerate((3080, 3081, 3082, 3083, 3092))),
    ]
    directory = [1, 1, 0, len(keys), *(number for key in keys for number in key)]
    return [
        (_PIXEL_SCALE, _DOUBLE, 3, (found.size, found.size, 0.0), True),
        (_TIEPOINT, _DOUBLE, 6, (0.0, 0.0, 0.0, float(west), float(north), 0.0), True),
        (_GEO_KEYS, _SHORT, len(directory), tuple(directory), True),
        (_GEO_DOUBLES, _DOUBLE, len(doubles), doubles, True),
    ]


def origin_of(text: str) -> GeoOrigin:
    """The origin that a user writes as LATITUDE,LONGITUDE; an altitude behind them is not used.

    :raises ConfigurationError: if it is not two or three such numbers
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    latitude, longitude = numbers[:2] if 2 <= len(numbers) <= 3 else (math.nan, math.nan)
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        raise ConfigurationError(
            f"the origin must be LATITUDE,LONGITUDE in degrees, as in 48.137,11.575; got {text!r}"
        )
    return GeoOrigin(latitude, longitude)
