import numpy as np
import numpy.typing as npt
import pytest
import trimesh

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.scene.merged_mesh import split_mesh
from vlmrt_dist.scene.paper_room import box_room

Mesh = tuple[FloatArray, npt.NDArray[np.int32]]


def box(at: float, *, sides_apart: bool = False) -> Mesh:
    """A cube of 1 m about (at, 0, 0); with vertices of their own for each side, if asked."""
    made = trimesh.creation.box([1, 1, 1]).apply_translation([at, 0, 0])
    vertices, faces = np.array(made.vertices), np.array(made.faces, np.int32)
    if not sides_apart:
        return vertices, faces
    order = np.lexsort(np.round(made.face_normals).astype(int).T)
    corners: list[FloatArray] = []
    sides: list[npt.NDArray[np.int64]] = []
    for pair in faces[order].reshape(6, 2, 3):
        used, index = np.unique(pair, return_inverse=True)
        sides.append(index.reshape(2, 3) + 4 * len(sides))
        corners.append(vertices[used])
    return np.concatenate(corners), np.concatenate(sides).astype(np.int32)


def triangles_apart(mesh: Mesh) -> Mesh:
    vertices, faces = mesh
    return vertices[faces.ravel()], np.arange(faces.size, dtype=np.int32).reshape(-1, 3)


def merged(*meshes: Mesh) -> Mesh:
    count = np.cumsum([0, *(len(v) for v, _ in meshes)])
    faces = [f + first for (_, f), first in zip(meshes, count, strict=False)]
    return np.concatenate([v for v, _ in meshes]), np.concatenate(faces).astype(np.int32)


def sizes(mesh: Mesh, points: FloatArray | None = None) -> list[int]:
    pieces = split_mesh(*mesh, mesh[0] if points is None else points)
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(len(mesh[1])))
    return [len(piece) for piece in pieces]


def test_meshes_with_shared_corners_are_split() -> None:
    assert sizes(merged(box(0), box(3), box(7))) == [12, 12, 12]


def test_meshes_that_touch_are_split() -> None:
    assert sizes(merged(box(0), box(1))) == [12, 12]


def test_the_sides_of_a_body_are_joined() -> None:
    assert sizes(merged(box(0, sides_apart=True), box(3, sides_apart=True))) == [12, 12]


def test_the_walls_of_a_room_with_something_inside_are_not_joined() -> None:
    walls = box(0, sides_apart=True)
    lamp = np.array([[0.1, 0.0, 0.2]])
    assert sizes(walls, np.concatenate([walls[0], lamp])) == [2] * 6


def test_walls_without_a_ceiling_are_not_joined() -> None:
    vertices, faces = box(0, sides_apart=True)
    assert sizes((vertices[:20], faces[:10])) == [2] * 5


def test_triangles_with_corners_of_their_own_are_joined_by_place() -> None:
    apart = merged(triangles_apart(box(0)), triangles_apart(box(3)))
    assert sizes(apart) == [12, 12]


@pytest.mark.parametrize("num_boxes", [0, 4])
def test_the_papers_room_as_one_mesh(num_boxes: int) -> None:
    room = box_room(num_boxes)
    mesh = merged(*((item.vertices, item.faces) for item in room.objects))
    assert sizes(mesh) == [len(item.faces) for item in room.objects]
