"""Coordinates against PROJ's geodesics, and the formulas of the importers they stand for."""

import math
from typing import Any

import numpy as np
import pytest
from pyproj import Geod

from vlmrt_dist.campaign.files.geodesy import scene_from_geographic, scene_from_grid
from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.errors import ConfigurationError

MUNICH = (48.137, 11.575)
LATITUDE = np.array([48.137, 48.140, 48.130, 48.20])
LONGITUDE = np.array([11.575, 11.580, 11.560, 11.70])


@pytest.mark.parametrize("bearing", [0.0, 30.0, -125.0])
@pytest.mark.parametrize("origin", [MUNICH, (-33.9, 18.4), (64.0, -21.9), (0.5, 179.9)])
def test_local_coordinates_keep_distance_and_bearing(
    origin: tuple[float, float], bearing: float
) -> None:
    geod = Geod(ellps="WGS84")
    azimuth = np.array([10.0, 100.0, 200.0, 300.0])
    distance = np.array([5.0, 80.0, 1500.0, 9000.0])
    lon, lat, _ = geod.fwd(np.full(4, origin[1]), np.full(4, origin[0]), azimuth, distance)
    xy = scene_from_geographic(
        np.asarray(lat), np.asarray(lon), ReadingOptions(origin=origin, rotation=bearing)
    )
    np.testing.assert_allclose(np.hypot(*xy.T), distance, atol=1e-6)
    found = np.degrees(np.arctan2(xy[:, 0], xy[:, 1])) + bearing
    np.testing.assert_allclose((found - azimuth + 180.0) % 360.0 - 180.0, 0.0, atol=1e-6)


def test_the_sphere_of_openstreetmap_importers() -> None:
    # TransverseMercator.fromGeographic of Blosm (blender-osm), with scale 1.
    lat, lon = np.radians(LATITUDE), np.radians(LONGITUDE - MUNICH[1])
    across = np.sin(lon) * np.cos(lat)
    x = 0.5 * 6378137.0 * np.log((1 + across) / (1 - across))
    y = 6378137.0 * (np.arctan(np.tan(lat) / np.cos(lon)) - math.radians(MUNICH[0]))
    xy = scene_from_geographic(LATITUDE, LONGITUDE, ReadingOptions(origin=MUNICH, projection="osm"))
    np.testing.assert_allclose(xy, np.stack([x, y], axis=1), atol=1e-4)
    true = scene_from_geographic(LATITUDE, LONGITUDE, ReadingOptions(origin=MUNICH))
    assert np.abs(xy - true)[-1].max() > 10.0  # of 11.6 km: why the projection is asked for


def test_utm_by_zone_and_by_code_and_back() -> None:
    zone = ReadingOptions(origin=MUNICH, projection="utm")
    code = ReadingOptions(origin=MUNICH, projection="EPSG:32632")
    xy = scene_from_geographic(LATITUDE, LONGITUDE, zone)
    np.testing.assert_array_equal(xy, scene_from_geographic(LATITUDE, LONGITUDE, code))
    absolute = scene_from_geographic(LATITUDE, LONGITUDE, ReadingOptions(projection="utm:32N"))
    np.testing.assert_allclose(absolute[0], [691544, 5334776], atol=500.0)
    grid = ReadingOptions(origin=MUNICH, projection="utm", crs="utm:32N")
    np.testing.assert_allclose(scene_from_grid(absolute[:, 0], absolute[:, 1], grid), xy, atol=1e-6)
    south = scene_from_geographic(
        np.array([-33.9]), np.array([18.4]), ReadingOptions(projection="EPSG:32734")
    )
    assert south[0, 1] > 6e6  # false northing of the south


def test_a_grid_without_a_reference_system_is_the_scenes() -> None:
    easting, northing = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    xy = scene_from_grid(easting, northing, ReadingOptions(rotation=90.0))
    np.testing.assert_allclose(xy, [[-3, 1], [-4, 2]], atol=1e-12)
    with pytest.raises(ConfigurationError, match="--crs"):
        scene_from_grid(easting, northing, ReadingOptions(origin=MUNICH))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"origin": (11.575,)}, "LATITUDE,LONGITUDE"),
        ({"origin": (148.0, 11.0)}, "the latitude comes first"),
        ({"origin": MUNICH, "projection": "+proj=merc +nadgrids=/etc/passwd"}, "EPSG:n"),
        ({"crs": "EPSG:4326 +init"}, "EPSG:n"),
        ({"crs": "utm:61N"}, "utm:32N"),
        ({"projection": "utm"}, "needs the scene's origin"),
        ({"rotation": math.nan}, "finite"),
    ],
)
def test_other_systems(options: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words.replace("+", r"\+")):
        ReadingOptions(**options)


@pytest.mark.parametrize("code", ["EPSG:4326", "EPSG:999999", "EPSG:2263"])
def test_systems_that_are_not_projected_in_metres(code: str) -> None:
    with pytest.raises(ConfigurationError, match=code):
        scene_from_geographic(LATITUDE, LONGITUDE, ReadingOptions(projection=code))
