import numpy as np
import pytest

from vlmrt_dist.paths.image_method import planes_of
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.offline.informative_links import (
    MIRROR,
    THROUGH,
    Face,
    InformativeLinks,
    faces_of,
    links_of,
)


@pytest.fixture(scope="module")
def room() -> SceneModel:
    return box_room()


@pytest.fixture(scope="module")
def faces(room: SceneModel) -> list[Face]:
    return faces_of(room, planes_of(room), range(room.num_objects))


def links(
    room: SceneModel, faces: list[Face], tx: list[float], rx: list[list[float]]
) -> InformativeLinks:
    targets = range(room.num_objects)
    return links_of(room, np.array(tx), np.array(rx, dtype=float), targets, faces)


def of(room: SceneModel, found: InformativeLinks, name: str, kind: int) -> np.ndarray:
    return np.flatnonzero((found.target == room.names.index(name)) & (found.kind == kind))


def test_a_box_in_between_is_a_link_through_it(room: SceneModel, faces: list[Face]) -> None:
    # box_wood is 1 m wide in x about -3, 2 m in y about 3, up to 1.01 m.
    found = links(room, faces, [-4.5, 3, 0.5], [[-1, 3, 0.5], [-1, 3, 2.5], [-4.5, 0, 0.5]])
    through = of(room, found, "box_wood", THROUGH)
    assert found.place[through].tolist() == [0]
    assert found.others[through].tolist() == [0]
    assert (found.kind == THROUGH).sum() == 1


def test_objects_in_a_row_are_counted(room: SceneModel, faces: list[Face]) -> None:
    found = links(room, faces, [-4.5, 3, 0.5], [[4.5, 3, 0.5]])
    (wood,), (chip,) = (of(room, found, f"box_{m}", THROUGH) for m in ("wood", "chipboard"))
    assert found.others[wood] == found.others[chip] == 1
    one = links(room, faces, [-4.5, 3, 0.5], [[0.5, 3, 0.5]])
    assert one.quality[of(room, one, "box_wood", THROUGH)] > found.quality[wood]


def test_mirror_points_obey_the_law_of_reflection(room: SceneModel, faces: list[Face]) -> None:
    tx, rx = np.array([0.0, 1.0, 1.5]), np.array([[2.0, -1.0, 2.0], [-1.0, -2.0, 1.0]])
    found = links(room, faces, tx.tolist(), rx.tolist())
    mirror = np.flatnonzero(found.kind == MIRROR)
    names = {room.names[k] for k in found.target[mirror]}
    assert {"floor", "wall_west", "wall_east", "wall_south", "wall_north"} <= names
    for link in mirror:
        point, receiver = found.point[link], rx[found.place[link]]
        assert room.distance_to_surface(point[None])[0] < 1e-9
        arriving, leaving = point - tx, receiver - point
        arriving, leaving = (v / np.linalg.norm(v) for v in (arriving, leaving))
        turned = leaving - arriving
        assert np.count_nonzero(np.abs(turned) > 1e-9) == 1  # along the normal, an axis here


def test_the_mirror_point_by_hand(room: SceneModel, faces: list[Face]) -> None:
    found = links(room, faces, [0, 0, 1], [[2, 0, 1]])
    (link,) = of(room, found, "wall_north", MIRROR)
    np.testing.assert_allclose(found.point[link], [1, 5, 1])
    (link,) = of(room, found, "floor", MIRROR)
    np.testing.assert_allclose(found.point[link], [1, 0, 0], atol=1e-12)


def test_a_mirror_behind_a_box_is_none(room: SceneModel, faces: list[Face]) -> None:
    # The wooden box stands between both antennas and the west wall.
    found = links(room, faces, [-2.2, 3.2, 0.4], [[-2.2, 2.8, 0.4]])
    assert len(of(room, found, "wall_west", MIRROR)) == 0
    (box,) = of(room, found, "box_wood", MIRROR)
    np.testing.assert_allclose(found.point[box], [-2.5, 3.0, 0.4])


def test_a_mirror_is_worth_more_where_the_direct_path_is_blocked(
    room: SceneModel, faces: list[Face]
) -> None:
    found = links(room, faces, [-4.5, 3, 0.5], [[-1, 3, 0.5], [-4.5, 0, 0.5]])
    north = of(room, found, "wall_north", MIRROR)
    blocked = found.others[north] > 0
    assert found.place[north[blocked]].tolist() == [0]
    assert (found.quality[north[blocked]] >= 0.5).all()
    assert (found.quality[found.kind == MIRROR] <= 1.0).all()


def test_no_places_and_no_faces(room: SceneModel) -> None:
    found = links_of(room, np.array([0.0, 0, 1]), np.zeros((0, 3)), [0], [])
    assert all(len(column) == 0 for column in found)
