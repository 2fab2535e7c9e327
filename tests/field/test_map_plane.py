from typing import Any

import numpy as np
import pytest

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import MapPlane
from vlmrt_dist.scene import SceneModel


def test_cells_cover_the_region_and_are_centred_on_it(room: SceneModel) -> None:
    cells = MapPlane(cell_size=0.3, area="-1 0 1 0 1 0.5 -1 0.5").cells_of(room)
    assert cells.shape == (2, 7)
    assert cells.height == 1.5
    for centres, low, high in ((cells.x, -1.0, 1.0), (cells.y, 0.0, 0.5)):
        np.testing.assert_allclose(np.diff(centres), 0.3)
        assert centres[0] - 0.15 <= low
        assert centres[-1] + 0.15 >= high
        assert centres.mean() == pytest.approx((low + high) / 2.0)


def test_without_a_size_the_longer_side_has_a_hundred_cells(room: SceneModel) -> None:
    cells = MapPlane(area=[(0, 0), (4, 0), (4, 1), (0, 1)]).cells_of(room)
    assert cells.shape == (25, 100)
    assert MapPlane().cells_of(room).shape == (100, 100)


def test_no_antenna_stands_in_a_box_or_on_its_surface(room: SceneModel) -> None:
    box = next(o for o in room.objects if o.name == "box_marble")
    low, high = box.vertices.min(0), box.vertices.max(0)
    inside = MapPlane(height=float(high[2]) / 2.0, cell_size=0.1).cells_of(room)
    point = inside.centers
    within = ((point > low) & (point < high)).all(axis=2)
    assert within.any()
    assert not inside.free(room)[within].any()
    on_top = MapPlane(height=float(high[2]), cell_size=0.1).cells_of(room)
    over = (point[..., :2] > low[:2]).all(axis=2) & (point[..., :2] < high[:2]).all(axis=2)
    assert not on_top.free(room)[over].any()


def test_an_area_with_a_hole_leaves_the_other_cells_out(room: SceneModel) -> None:
    plane = MapPlane(2.0, 0.5, "-2 -2 2 -2 2 2 -2 2; -1 -1 1 -1 1 1 -1 1")
    cells = plane.cells_of(room)
    free, centres = cells.free(room), cells.centers
    assert cells.shape == (8, 8)
    hole = (np.abs(centres[..., :2]) < 1.0).all(axis=2)
    np.testing.assert_array_equal(free, ~hole)


def test_tiles_hold_each_free_cell_once(room: SceneModel) -> None:
    cells = MapPlane(height=0.5, cell_size=0.25).cells_of(room)
    free = cells.free(room)
    assert sorted(cells.in_tiles(free)) == np.flatnonzero(free).tolist()


@pytest.mark.parametrize(
    "given",
    [
        {"height": float("nan")},
        {"cell_size": 0.0},
        {"cell_size": -1.0},
        {"area": "0 0 0 1"},
        {"area": "0 0 1 1 2 2"},
        {"area": [(0.0, 0.0), (float("inf"), 0.0), (1.0, 1.0)]},
    ],
)
def test_impossible_planes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"metres|must be|region"):
        MapPlane(**given)


def test_a_slip_in_the_size_is_no_gigabyte(room: SceneModel) -> None:
    with pytest.raises(ConfigurationError, match="cells, more than"):
        MapPlane(cell_size=1e-4).cells_of(room)
