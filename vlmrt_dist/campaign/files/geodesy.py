"""Latitudes and longitudes, eastings and northings to coordinates of a scene, by PROJ."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.files.options import ReadingOptions, grid_name
from vlmrt_dist.errors import ConfigurationError

EARTH_RADIUS_OSM = 6378137.0
"""Radius [m] of the sphere on which importers of OpenStreetMap to Blender draw."""


def scene_from_geographic(
    latitude: FloatArray, longitude: FloatArray, options: ReadingOptions
) -> FloatArray:
    """Coordinates x and y in the scene [n,2] [m] of WGS 84 latitudes and longitudes [n] [°].

    "local" keeps distances and bearings from the origin (azimuthal equidistant on the ellipsoid).

    :raises ConfigurationError: if neither origin nor projection say where the scene lies
    """
    origin, projection = options.origin, options.projection
    if projection in ("local", "osm", "utm") and origin is None:
        raise ConfigurationError("latitudes and longitudes need the scene's origin")
    plane = _projection(projection, origin)
    grid = np.stack(plane.transform(longitude, latitude), axis=-1)
    if origin is not None:
        grid = grid - np.array(plane.transform(origin[1], origin[0]))
    return _rotated(grid, options.rotation)


def scene_from_grid(
    easting: FloatArray, northing: FloatArray, options: ReadingOptions
) -> FloatArray:
    """Coordinates x and y in the scene [n,2] [m] of eastings and northings [n] [m].

    Without a reference system they are the scene's own.

    :raises ConfigurationError: if the reference system is not known
    """
    if options.crs is None and options.origin is not None:
        raise ConfigurationError(
            "eastings and northings need their reference system beside the origin: --crs EPSG:n, "
            "or utm:32N"
        )
    if options.crs is None:
        return _rotated(np.stack([easting, northing], axis=-1), options.rotation)
    longitude, latitude = _grid("crs", options.crs).transform(
        easting, northing, direction="INVERSE"
    )
    return scene_from_geographic(latitude, longitude, options)


def _rotated(grid: FloatArray, bearing: float) -> FloatArray:
    """East and north [n,2] in axes of which y points to ``bearing`` [°], clockwise from north."""
    angle = math.radians(bearing)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(grid @ turn.T)


def _projection(name: str, origin: tuple[float, ...] | None) -> Any:
    if name == "local" and origin is not None:
        return _about(f"+proj=aeqd +lat_0={origin[0]!r} +lon_0={origin[1]!r} +ellps=WGS84")
    if name == "osm" and origin is not None:
        return _about(
            f"+proj=tmerc +lat_0={origin[0]!r} +lon_0={origin[1]!r} +R={EARTH_RADIUS_OSM}"
        )
    if name == "utm" and origin is not None:
        zone = min(int((origin[1] + 180.0) // 6.0) + 1, 60)
        return _grid("projection", f"utm:{zone}{'N' if origin[0] >= 0 else 'S'}")
    return _grid("projection", name)


class _Plane:
    """A projection that takes latitudes as they are, without a change of datum."""

    def __init__(self, definition: str) -> None:
        import pyproj

        self._plane = pyproj.Proj(definition)

    def transform(self, longitude: Any, latitude: Any) -> Any:
        """x and y [m] of longitudes and latitudes [°]."""
        return self._plane(longitude, latitude, errcheck=True)


@functools.lru_cache(maxsize=16)
def _about(definition: str) -> _Plane:
    return _Plane(definition)


@functools.lru_cache(maxsize=16)
def _grid(option: str, name: str) -> Any:
    """WGS 84 longitude and latitude to a projected system.

    :raises ConfigurationError: if PROJ does not know it, or it is not projected in metres
    """
    import pyproj
    from pyproj.exceptions import CRSError

    code = grid_name(option, name)
    try:
        system = pyproj.CRS.from_user_input(code)
    except CRSError:
        raise ConfigurationError(f"{option}: PROJ knows no {code}") from None
    units = {axis.unit_name for axis in system.axis_info}
    if not system.is_projected or units != {"metre"}:
        raise ConfigurationError(f"{option}: {code} is not a projected system in metres")
    return pyproj.Transformer.from_crs("EPSG:4326", system, always_xy=True)
