import numpy as np
import pytest

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene import itu
from vlmrt_dist.scene import paper_room as rooms
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room


def box_bounds(room: SceneModel) -> np.ndarray:
    """Lower and upper corners of the boxes [B,2,3]."""
    return room.bounding_boxes[5:]


def test_the_papers_room() -> None:
    room = box_room()
    assert room.names == (
        "floor",
        "wall_west",
        "wall_east",
        "wall_south",
        "wall_north",
        "box_wood",
        "box_concrete",
        "box_marble",
        "box_chipboard",
    )
    assert room.materials == ("brick",) * 5 + ("wood", "concrete", "marble", "chipboard")
    assert room.bounds.tolist() == [[-5, -5, 0], [5, 5, 3]]
    centres = box_bounds(room).mean(axis=1)[:, :2]
    assert centres.tolist() == [[-3, 3], [3, -3], [-3, -3], [3, 3]]
    sizes = np.diff(box_bounds(room), axis=1)[:, 0]
    np.testing.assert_array_equal(sizes, np.tile([1.0, 2.0, 1.0], (4, 1)))
    assert (box_bounds(room)[:, 0, 2] == rooms.BOX_LIFT).all()


def test_walls_stand_where_their_names_say() -> None:
    boxes = dict(zip(box_room().names, box_room().bounding_boxes.tolist(), strict=True))
    assert boxes["floor"] == [[-5, -5, 0], [5, 5, 0]]
    assert boxes["wall_west"] == [[-5, -5, 0], [-5, 5, 3]]
    assert boxes["wall_east"] == [[5, -5, 0], [5, 5, 3]]
    assert boxes["wall_south"] == [[-5, -5, 0], [5, -5, 3]]
    assert boxes["wall_north"] == [[-5, 5, 0], [5, 5, 3]]


def test_normals_point_into_the_room_and_out_of_the_boxes() -> None:
    for item in box_room().objects:
        a, b, c = np.moveaxis(item.vertices[item.faces], 1, 0)
        normals = np.cross(b - a, c - a)
        middle = item.vertices.mean(axis=0) if item.closed else np.array([0.0, 0.0, 1.5])
        side = np.einsum("fi,fi->f", normals, a - middle)
        assert (side > 0).all() if item.closed else (side < 0).all(), item.name


def test_only_the_boxes_are_closed() -> None:
    room = box_room()
    assert room.solids.tolist() == [5, 6, 7, 8]
    assert [len(o.faces) for o in room.objects] == [2] * 5 + [12] * 4


@pytest.mark.parametrize("num_boxes", [0, 1, 3, 4, 5, 10, 15, 16, 45, 46, 200, 2000])
def test_any_number_of_boxes_fits(num_boxes: int) -> None:
    room = box_room(num_boxes)
    assert room.num_objects == 5 + num_boxes
    assert len(set(room.names)) == room.num_objects
    low, high = box_bounds(room)[:, 0], box_bounds(room)[:, 1]
    assert (low[:, :2] - room.bounds[0, :2] >= 0.5).all()
    assert (room.bounds[1, :2] - high[:, :2] >= 0.5).all()
    # Free space between two boxes: apart by 0.5 m along x or along y.
    gap = np.maximum(low[:, None] - high[None], low[None] - high[:, None])[..., :2].max(axis=2)
    np.fill_diagonal(gap, np.inf)
    assert num_boxes < 2 or gap.min() >= 0.5


@pytest.mark.parametrize(
    ("num_boxes", "side"), [(15, 10.0), (16, 16.0), (45, 16.0), (46, 22.0), (2000, 100.0)]
)
def test_the_room_grows_only_when_it_must(num_boxes: int, side: float) -> None:
    low, high = box_room(num_boxes).bounds
    assert (high - low).tolist() == [side, side, 3.0]


def test_boxes_are_evenly_distributed() -> None:
    # Six sites of a grid taken far from each other: every quadrant has its share.
    for num_boxes in (8, 12, 40, 100):
        room = box_room(num_boxes)
        centres = box_bounds(room).mean(axis=1)[:, :2] / room.bounds[1, 0]
        share = [
            ((centres * s > 0).all(axis=1)).mean() for s in ([1, 1], [1, -1], [-1, 1], [-1, -1])
        ]
        assert max(share) - min(share) <= 2 / num_boxes


def test_the_papers_boxes_stay_where_they_are_in_a_larger_room() -> None:
    small, large = box_room(4), box_room(300)
    np.testing.assert_array_equal(box_bounds(large)[:4], box_bounds(small))
    assert large.names[5:9] == small.names[5:]
    assert large.names[9:12] == ("box_5", "box_6", "box_7")


def test_further_materials_differ_and_have_a_conductivity_at_the_papers_carrier() -> None:
    assert len(set(rooms.FURTHER_MATERIALS)) == len(rooms.FURTHER_MATERIALS)
    room = box_room(4 + len(rooms.FURTHER_MATERIALS))
    assert room.materials[9:] == rooms.FURTHER_MATERIALS
    sigma = room.conductivity(3.5e9)
    assert ((sigma > 0) & (sigma < 1)).all()
    assert all(name in itu.MATERIALS for name in room.materials)


def test_the_room_is_a_value() -> None:
    assert box_room(7).key == box_room(7).key
    assert len({box_room(n).key for n in range(8)}) == 8


@pytest.mark.parametrize("count", [-1, 2001, 4.0, True, "4", None])
def test_impossible_numbers_of_boxes(count: object) -> None:
    with pytest.raises(SceneError, match="num_boxes"):
        box_room(count)  # type: ignore[arg-type]
