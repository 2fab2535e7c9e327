import numpy as np
import pytest

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files import polygons
from vlmrt_dist.scene.files.polygons import Polygons, triangulate

L_SHAPE = [(0, 0), (4, 0), (4, 1), (1, 1), (1, 3), (0, 3)]
COMB = [(0, 0), (7, 0), (7, 3), (6, 3), (6, 1), (5, 1), (5, 3), (4, 3), (4, 1), (3, 1), (3, 3),
        (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]  # fmt: skip
COURT = [(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (2, 4), (4, 4), (4, 2), (2, 2)]
"""A square with a square hole, joined by a slit, as exporters without holes write it."""


def area(corners: FloatArray) -> float:
    """Of a flat outline [C,2], by the shoelace formula."""
    x, y = corners.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def areas(vertices: FloatArray, faces: IntArray) -> FloatArray:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def star(rng: np.random.Generator, corners: int) -> FloatArray:
    """A random outline around the origin [C,2], most corners of which are concave or convex."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    return np.asarray(rng.uniform(0.2, 1.0, corners)[:, None] * np.c_[np.cos(angle), np.sin(angle)])


def in_space(corners: FloatArray, rng: np.random.Generator) -> FloatArray:
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(np.c_[corners, np.zeros(len(corners))] @ turn + rng.normal(size=3))


@pytest.mark.parametrize("outline", [L_SHAPE, COMB, COURT], ids=["L", "comb", "court"])
@pytest.mark.parametrize("start", [0, 1, 3])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_concave_polygon_is_covered_once(
    outline: list[tuple[int, int]], start: int, sense: int
) -> None:
    corners = np.roll(np.array(outline, dtype=float), start, axis=0)[::sense]
    vertices = in_space(corners, np.random.default_rng(start))
    faces = triangulate(vertices, Polygons.of([list(range(len(corners)))]), "mesh")
    assert len(faces) == len(corners) - 2
    # As much as the outline holds, so nothing twice and nothing outside.
    assert areas(vertices, faces).sum() == pytest.approx(area(corners), rel=1e-9)


def test_random_outlines_are_covered_once() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        corners = star(rng, int(rng.integers(4, 40)))
        vertices = in_space(corners, rng)
        faces = triangulate(vertices, Polygons.of([list(range(len(corners)))]), "mesh")
        assert areas(vertices, faces).sum() == pytest.approx(area(corners), rel=1e-6)


def test_a_convex_polygon_is_a_fan_as_in_mitsuba() -> None:
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    vertices = np.c_[np.cos(angle), np.sin(angle), np.zeros(1000)]
    faces = triangulate(vertices, Polygons.of([list(range(1000))]), "mesh")
    assert faces[:, 0].tolist() == [0] * 998
    assert faces[:, 2].tolist() == list(range(2, 1000))


def test_quads_as_an_array_one_of_them_concave() -> None:
    vertices = np.array([[0, 0, 0], [4, 0, 0], [1, 1, 0], [0, 4, 0], [4, 4, 0.0]])
    quads = np.array([[0, 1, 4, 3], [1, 2, 3, 0]])
    assert triangulate(vertices, Polygons.alike(quads[:1]), "mesh").tolist() == [
        [0, 1, 4],
        [0, 4, 3],
    ]
    faces = triangulate(vertices, Polygons.alike(quads), "mesh")
    assert areas(vertices, faces).sum() == pytest.approx(16 + 4)


def test_what_has_no_area_and_what_does_not_exist() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0], [np.nan, 0, 0]])
    assert triangulate(vertices, Polygons.of([[0, 1], [2], []]), "mesh").tolist() == []
    odd = Polygons.of([[0, 1, 2, 3], [0, 1, 4, 2], [0, 1, 2, 99]])
    assert len(triangulate(vertices, odd, "mesh")) == 6


def test_an_outline_that_crosses_itself_ends() -> None:
    rng = np.random.default_rng(1)
    vertices = np.c_[rng.normal(size=(60, 2)), np.zeros(60)]
    assert len(triangulate(vertices, Polygons.of([list(range(60))]), "mesh")) == 58


def test_work_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "MAX_TRIED_CORNERS", 20)
    vertices = np.c_[np.array(COMB, dtype=float), np.zeros(len(COMB))]
    with pytest.raises(SceneError, match="triangulate the mesh first"):
        triangulate(vertices, Polygons.of([list(range(len(COMB)))] * 9), "mesh")


def test_the_corners_compared_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "MAX_COMPARED", 100)
    vertices = np.c_[np.array(COMB, dtype=float), np.zeros(len(COMB))]
    with pytest.raises(SceneError, match="triangulate the mesh first"):
        triangulate(vertices, Polygons.of([list(range(len(COMB)))]), "mesh")


def test_polygons_of_all_sizes_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    vertices = np.c_[np.cos(angle), np.sin(angle), np.zeros(50)]
    lists = [sorted(rng.choice(50, n, replace=False).tolist()) for n in rng.integers(0, 9, 300)]
    expected = [[c[0], c[i], c[i + 1]] for c in lists for i in range(1, len(c) - 1)]
    assert triangulate(vertices, Polygons.of(lists), "mesh").tolist() == expected
    monkeypatch.setattr(polygons, "_AT_ONCE", 20)
    assert triangulate(vertices, Polygons.of(lists), "mesh").tolist() == expected
