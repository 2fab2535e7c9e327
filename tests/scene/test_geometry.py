import numpy as np
import pytest
import trimesh

from vlmrt_dist.scene.geometry import (
    CLUSTER_SIZE,
    TriangleSoup,
    is_closed,
    point_triangle_distance_squared,
)


def soup(*meshes: trimesh.Trimesh) -> TriangleSoup:
    offsets = np.cumsum([0] + [len(m.faces) for m in meshes])
    return TriangleSoup(np.concatenate([m.triangles for m in meshes]), offsets)


def brute_force(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Distance [P] by trimesh's own closest point, over every pair."""
    best = np.full(len(points), np.inf)
    for triangle in triangles:
        many = np.broadcast_to(triangle, (len(points), 3, 3))
        nearest = trimesh.triangles.closest_point(many, points)
        best = np.minimum(best, np.linalg.norm(nearest - points, axis=1))
    return best


def test_point_triangle_distance_against_trimesh() -> None:
    rng = np.random.default_rng(1)
    triangles = rng.normal(size=(5000, 3, 3))
    triangles[::50, 2] = triangles[::50, 1] + 1e-9 * rng.normal(size=(100, 3))  # slivers
    points = 2 * rng.normal(size=(5000, 3))
    nearest = trimesh.triangles.closest_point(triangles, points)
    expected = np.linalg.norm(nearest - points, axis=1)
    found = np.sqrt(point_triangle_distance_squared(points, triangles))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_degenerate_triangles_are_their_edges() -> None:
    points = np.array([[0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    line = np.array([[-1.0, 0, 0], [1.0, 0, 0], [0.0, 0, 0]])
    point = np.zeros((3, 3))
    squared = point_triangle_distance_squared(points, np.stack([line, line, point]))
    np.testing.assert_allclose(squared, [1.0, 4.0, 4.0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distance_of_a_soup_is_the_brute_force_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    meshes = [
        trimesh.creation.icosphere(1, radius=rng.uniform(0.5, 2)).apply_translation(t)
        for t in rng.uniform(-10, 10, (6, 3))
    ]
    plate = trimesh.Trimesh([[-20, -20, -3], [20, -20, -3], [20, 20, -3]], [[0, 1, 2]])
    all_of_it = soup(*meshes, plate)
    points = rng.uniform(-15, 15, (200, 3))
    np.testing.assert_allclose(
        all_of_it.distance(points), brute_force(points, all_of_it.triangles), atol=1e-9
    )


def test_large_meshes_are_asked_in_clusters() -> None:
    sphere = trimesh.creation.icosphere(3)
    points = np.random.default_rng(0).uniform(-2, 2, (60, 3))
    one = soup(sphere, trimesh.creation.box([5, 5, 5]))
    assert len(one._clusters.offsets) == 1280 // CLUSTER_SIZE + 2
    np.testing.assert_allclose(one.distance(points), brute_force(points, one.triangles), atol=1e-9)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    sphere = trimesh.creation.icosphere(3)
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 3))
    whole = soup(sphere)
    distance, inside = whole.distance(points), whole.containing_group(points, np.array([0]))
    monkeypatch.setattr("vlmrt_dist.scene.geometry.PAIRS_PER_BLOCK", 97)
    np.testing.assert_array_equal(whole.distance(points), distance)
    np.testing.assert_array_equal(whole.containing_group(points, np.array([0])), inside)
    assert 0 < (inside == 0).sum() < len(points)


def test_points_on_the_surface_have_distance_zero() -> None:
    box = soup(trimesh.creation.box())
    on_it = box.triangles.mean(axis=1)
    np.testing.assert_allclose(box.distance(on_it), 0.0, atol=1e-12)


def test_nan_points_have_no_distance_and_are_nowhere() -> None:
    box = soup(trimesh.creation.box())
    points = np.array([[np.nan, 0, 0], [0.0, 0, 0], [np.inf, 0, 0]])
    np.testing.assert_allclose(box.distance(points), [np.nan, 0.5, np.nan])
    assert box.containing_group(points, np.array([0])).tolist() == [-1, 0, -1]


def test_inside_a_torus_against_the_formula() -> None:
    torus = trimesh.creation.torus(2.0, 0.7, major_sections=128, minor_sections=64)
    points = np.random.default_rng(3).uniform(-3, 3, (2000, 3))
    ring = np.hypot(points[:, 0], points[:, 1]) - 2.0
    radius = np.hypot(ring, points[:, 2])
    clear = np.abs(radius - 0.7) > 0.01  # the mesh is a polygon
    found = soup(torus).containing_group(points, np.array([0]))
    np.testing.assert_array_equal(found[clear] == 0, radius[clear] < 0.7)


def test_orientation_of_the_faces_does_not_matter() -> None:
    box = trimesh.creation.box()
    rng = np.random.default_rng(0)
    flipped = rng.random(len(box.faces)) < 0.5
    box.faces[flipped] = box.faces[flipped][:, ::-1]
    points = rng.uniform(-1, 1, (500, 3))
    expected = (np.abs(points) < 0.5).all(axis=1)
    found = soup(box).containing_group(points, np.array([0]))
    np.testing.assert_array_equal(found == 0, expected)


def test_the_first_of_several_containers_is_named_and_others_are_not_asked() -> None:
    inner, outer = trimesh.creation.box([1, 1, 1]), trimesh.creation.box([3, 3, 3])
    both = soup(outer, inner)
    points = np.array([[0.1, 0.2, 0.3], [1.2, 0.0, 0.0], [2.0, 0.0, 0.0]])
    assert both.containing_group(points, np.array([0, 1])).tolist() == [0, 0, -1]
    assert both.containing_group(points, np.array([1])).tolist() == [1, -1, -1]


def test_closed_meshes() -> None:
    box = trimesh.creation.box()
    assert is_closed(box.vertices, box.faces)
    flat = box.triangles.reshape(-1, 3)  # as flat-shading exporters write it
    assert is_closed(flat, np.arange(36).reshape(12, 3))
    assert not is_closed(box.vertices, box.faces[1:])
    assert not is_closed(flat[:6], np.arange(6).reshape(2, 3))


def test_a_triangle_without_area_does_not_open_a_mesh() -> None:
    box = trimesh.creation.box()
    faces = np.concatenate([box.faces, [[0, 0, 1]]])
    assert is_closed(box.vertices, faces)


def test_segments_cross_a_sphere_where_the_formula_says() -> None:
    sphere = trimesh.creation.icosphere(4)
    rng = np.random.default_rng(5)
    starts, ends = rng.uniform(-2, 2, (2, 4000, 3))
    away = trimesh.creation.box([0.1, 0.1, 0.1])
    away.apply_translation([9, 9, 9])
    segment, group, at = soup(away, sphere).crossings(starts, ends)
    way = ends - starts
    a, b, c = (way**2).sum(1), (starts * way).sum(1), (starts**2).sum(1) - 1.0
    root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
    expected = np.stack([-b - root, -b + root]) / a
    meets = (b**2 > a * c) & (expected > 0) & (expected < 1)
    margin = np.abs(b**2 / a - c) > 0.02  # grazing the polygon, or ending at it
    for point in (starts, ends):
        margin &= np.abs((point**2).sum(1) - 1) > 0.02
    count = np.bincount(segment, minlength=len(starts))
    assert margin.sum() > 3000
    np.testing.assert_array_equal(count[margin], meets.sum(0)[margin])
    assert set(group.tolist()) == {1}
    inside = np.linalg.norm(starts[segment] + at[:, None] * way[segment], axis=1)
    np.testing.assert_allclose(inside, 1.0, atol=0.01)


def test_segments_along_axes_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = soup(trimesh.creation.box(), trimesh.creation.box([3, 3, 3]))
    starts = np.array([[0.1, 0.2, 0.3], [-2.0, 0.1, 0.2], [-2.0, 0.1, 0.7], [5.0, 5.0, 5.0]])
    ends = np.array([[0.1, 0.2, 9.0], [2.0, 0.1, 0.2], [0.0, 0.1, 0.7], [6.0, 5.0, 5.0]])
    expected = [(0, 0), (0, 1), (1, 0), (1, 0), (1, 1), (1, 1), (2, 1)]
    for block in (400_000, 7):
        monkeypatch.setattr("vlmrt_dist.scene.geometry.PAIRS_PER_BLOCK", block)
        segment, group, _ = boxes.crossings(starts, ends)
        assert sorted(zip(segment.tolist(), group.tolist(), strict=True)) == expected
    assert all(len(part) == 0 for part in boxes.crossings(starts[3:], ends[3:]))
