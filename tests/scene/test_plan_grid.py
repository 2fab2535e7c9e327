import numpy as np
from scipy import ndimage

from tests.towns import hollow_town
from vlmrt_dist.scene.plan_grid import PlanGrid, rays_met, sliced


def test_columns_are_where_upright_lines_meet_surfaces() -> None:
    town = hollow_town()
    triangles = np.concatenate([o.vertices[o.faces] for o in town.objects])
    groups = np.repeat(np.arange(town.num_objects), [len(o.faces) for o in town.objects])
    grid = PlanGrid.over(np.zeros(2), np.array([130.0, 130.0]))
    columns = grid.columns(triangles, groups)
    index = np.column_stack(np.divmod(np.arange(grid.size), grid.shape[1]))
    line, group, height = town.surfaces_at(grid.corner + (index + 0.5) * grid.cell)
    order = np.lexsort((height, line))
    np.testing.assert_array_equal(columns.cell, line[order])
    np.testing.assert_array_equal(columns.group, group[order])
    np.testing.assert_allclose(columns.height, height[order])


def test_values_are_interpolated_between_cells_and_kept_beyond() -> None:
    grid = PlanGrid.over(np.zeros(2), np.array([10.0, 6.0]))
    x, y = np.indices(grid.shape)
    places = np.random.default_rng(0).uniform(0, 6, (50, 2))
    values = 2.0 * (grid.corner[0] + (x + 0.5) * grid.cell) - (
        grid.corner[1] + (y + 0.5) * grid.cell
    )
    np.testing.assert_allclose(
        grid.interpolated(values, places), 2.0 * places[:, 0] - places[:, 1], atol=1e-9
    )
    assert grid.interpolated(values, np.array([[-99.0, -99.0]])) == values[0, 0]


def test_walls_have_no_gaps_in_any_direction() -> None:
    grid = PlanGrid.over(np.zeros(2), np.array([20.0, 20.0]))
    for angle in np.linspace(0.0, np.pi / 2, 23):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-6, -6], [6, -6], [6, 6], [-6, 6]]) @ turn.T + 10.0
        segments = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
        walls = grid.walls(segments)
        label, _ = ndimage.label(~walls, np.ones((3, 3)))
        cells, _ = grid.cells_at(np.array([[10.0, 10.0], [0.0, 0.0]]))
        inside, outside = label.reshape(-1)[cells]
        assert inside != outside


def test_a_plane_cuts_a_box_in_its_outline() -> None:
    town = hollow_town()
    triangles = np.concatenate([o.vertices[o.faces] for o in town.objects if "walls" in o.name])
    cut = sliced(triangles, 7.5)
    assert np.linalg.norm(np.diff(cut, axis=1), axis=2).sum() == np.float64(16 * 4 * 18).round(6)
    places = np.array([[19.0, 19.0], [5.0, 5.0], [34.0, 34.0]])
    for direction in ([1.0, 0.2], [0.0, 1.0], [-1.0, 0.0]):
        assert (rays_met(places, cut, np.array(direction)) % 2).tolist() == [1, 0, 0]


def test_a_corner_is_met_once() -> None:
    corner = np.array([[[1.0, -1.0], [2.0, 0.0]], [[2.0, 0.0], [1.0, 1.0]]])
    assert rays_met(np.array([[0.0, 0.0]]), corner, np.array([1.0, 0.0])) == 1
