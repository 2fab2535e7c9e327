import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import shapely

from vlmrt_dist.campaign.area import MAX_BYTES, Area, area_of
from vlmrt_dist.errors import ConfigurationError

SQUARE = [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0], [0.0, 0.0]]
HOLE = [[2.0, 2.0], [4.0, 2.0], [4.0, 4.0], [2.0, 4.0], [2.0, 2.0]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
PLACES = np.array([[1.0, 1.0], [3.0, 3.0], [9.0, 1.0], [8.0, 3.0], [np.nan, 0.0]])
EXPECTED = [True, False, False, True, False]


def holed(area: Area | None) -> Area:
    """The area, which has to be the square with its hole."""
    assert area is not None
    assert area.size == pytest.approx(44.0)
    assert area.contains(PLACES).tolist() == EXPECTED
    np.testing.assert_array_equal(area.bounds, [[0, 0], [8, 6]])
    return area


@pytest.mark.parametrize(
    "text",
    [
        "0 0 8 0 8 6 0 6; 2 2 4 2 4 4 2 4",
        "0,0 8,0, 8,6 0,6 ;2,2,4,2,4,4,2,4;",
        "2 2 4 2 4 4 2 4; 0 0 8 0 8 6 0 6",
        "0 0 8e0 0 8 6 -0 6 0 0; 2 2 4 2 4 4 2 4",
    ],
)
def test_numbers_state_rings(text: str) -> None:
    holed(area_of(text))


@pytest.mark.parametrize(
    "content",
    [
        POLYGON,
        {"type": "Feature", "properties": {"name": "hall"}, "geometry": POLYGON},
        {"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": None, "geometry": POLYGON}]},
        {"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE]]},
        {"type": "GeometryCollection", "geometries": [POLYGON]},
    ],
)  # fmt: skip
def test_geojson_is_read(content: object, tmp_path: Path) -> None:
    path = tmp_path / "region.geojson"
    path.write_text(json.dumps(content))
    holed(area_of(path))
    holed(area_of(str(path)))


def test_a_hole_of_two_corners_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "region.geojson"
    flat = [[1, 1], [2, 1], [1, 1]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [SQUARE, flat]}))
    with pytest.raises(ConfigurationError, match="a ring of the region has 2 corners"):
        area_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n0,0\n8,0\n8,6\n0,6\n\n2,2\n4,2\n4,4\n2,4\n",
        "# of the hall\nring,X [m],y (m)\na,0,0\na,8,0\na,8,6\na,0,6\nb,2,2\nb,4,2\nb,4,4\nb,2,4\n",
        "0;0\n8;0\n8;6\n0;6\n\n2;2\n4;2\n4;4\n2;4",
        "\ufeffx,y,ring\r\n0,0,1\r\n8,0,1\r\n8,6,1\r\n0,6,1\r\n2,2,2\r\n4,2,2\r\n4,4,2\r\n2,4,2\r\n",
    ],
)
def test_csv_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "region.csv"
    path.write_text(text, encoding="utf-8")
    holed(area_of(path))


def test_arrays_and_shapes_are_areas_too() -> None:
    shape = shapely.Polygon(SQUARE, [HOLE])
    area = holed(area_of(shape))
    assert holed(pickle.loads(pickle.dumps(area))) == area
    assert area_of(area) is area
    assert area_of(None) is None
    plain = area_of(np.array(SQUARE[:-1]))
    assert plain is not None
    assert plain.size == 48.0
    two = area_of("0 0 1 0 1 1 0 1; 5 5 6 5 6 6 5 6")
    assert two is not None
    assert two.size == 2.0
    assert two.contains(np.array([[0.5, 0.5], [5.5, 5.5], [3.0, 3.0]])).tolist() == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "empty"),
        ("0 0 1", "odd count"),
        ("0 0 1 1", "3 or more|three or more"),
        ("0 0 1 1 2 2", "no area"),
        ("0 0 4 4 4 0 0 4", "Self-intersection"),
        ("0 0 1e9 0 1e9 1", "numbers of metres"),
        ("1 2 e e", "no list of numbers"),
        ("nowhere.csv", "no such file"),
        ("0 0 a b", "no such file"),
        ([[0, 0, 0], [1, 0, 0], [1, 1, 0]], r"\[n, 2\]"),
        ([["a", "b"]], r"\[n, 2\]"),
        (shapely.Point(0, 0), "Point"),
    ],
)
def test_what_is_no_area_is_refused(given: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        area_of(given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "no text"),
        (b"x,z\n0,0\n", "columns x and y"),
        (b"x,y\n0,0\n1,oops\n", "line 3"),
        (b"x,y\n0,0\n1\n", "line 3"),
        (b"x,y\n0,0\n1,inf\n1,1\n", "line 3"),
        (b"0\n1\n2\n", "line 1"),
        (b"{", "no GeoJSON"),
        (b"[" * 100_000, "no GeoJSON"),
        (b'{"type": "Point", "coordinates": [0, 0]}', "Point"),
        (b'{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}', "GeoJSON"),
        (b'{"type": "Polygon", "coordinates": [[[0,0],[4,4],[4,0],[0,4],[0,0]]]}', "no area"),
        (b"0,0\n" * 100_001, "corners"),
        (b" " * (MAX_BYTES + 1), "limit"),
    ],
)
def test_files_that_hold_no_area_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "region.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        area_of(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ConfigurationError, match="regular file"):
        area_of(tmp_path / "pipe.csv")


def test_the_share_of_lines_in_an_area() -> None:
    area = holed(area_of("0 0 8 0 8 6 0 6; 2 2 4 2 4 4 2 4"))
    begin = np.array([[0, 3, 0], [-2, 1, 0], [9, 9, 1], [1, 1, 0], [3, 3, 0], [1, 1, 0]], float)
    end = np.array([[8, 3, 5], [2, 1, 0], [10, 9, 2], [1, 1, 3], [3, 3, 4], [2, 1, 0]], float)
    np.testing.assert_allclose(area.share_of(begin, end), [0.75, 0.5, 0.0, 1.0, 0.0, 1.0])


def test_rings_are_bounded() -> None:
    def squares(count: int) -> list[list[tuple[float, float]]]:
        return [[(3 * i, 0.0), (3 * i + 2, 0.0), (3 * i + 2, 2.0)] for i in range(count)]

    assert len(Area.of_rings(squares(300)).polygons) == 300
    with pytest.raises(ConfigurationError, match="more than 2000 rings"):
        Area.of_rings(squares(2001))
    many = shapely.MultiPolygon([shapely.Polygon(ring) for ring in squares(2001)])
    with pytest.raises(ConfigurationError, match="more than 2000 parts"):
        Area.of_shape(many)
