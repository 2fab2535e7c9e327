import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files import serialized
from vlmrt_dist.scene.files.mesh_reader import TooManyTriangles
from vlmrt_dist.scene.files.serialized import read_serialized

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 2.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
SINGLE, DOUBLE = 0x1000, 0x2000


def packed(
    corners: FloatArray = CORNERS,
    flags: int = SINGLE,
    version: int = 4,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """One mesh as Mitsuba's documentation says, with what the flags promise beside positions."""
    real = "<f8" if flags & DOUBLE else "<f4"
    further = sum(n for flag, n in ((1, 3), (2, 2), (8, 3)) if flags & flag)
    body = struct.pack("<I", flags) + (b"a mesh\0" if version == 4 else b"")
    body += struct.pack("<QQ", *(counts or (len(corners), len(FACES))))
    body += corners.astype(real).tobytes() + np.ones(further * len(corners), real).tobytes()
    return struct.pack("<HH", 0x041C, version) + zlib.compress(body + FACES.astype("<u4").tobytes())


def file_of(meshes: Sequence[bytes], version: int = 4) -> bytes:
    starts = np.cumsum([0, *map(len, meshes)])[:-1].astype("<u8" if version == 4 else "<u4")
    return b"".join(meshes) + starts.tobytes() + struct.pack("<I", len(meshes))


@pytest.mark.parametrize("version", [3, 4])
def test_meshes_of_a_file(version: int) -> None:
    flags = (SINGLE, DOUBLE | 1 | 2, SINGLE | 1 | 8)
    meshes = [packed(CORNERS * k, f, version) for k, f in enumerate(flags, start=1)]
    for index in range(3):
        mesh = read_serialized(file_of(meshes, version), "mesh", index=index)
        assert mesh.vertices.tolist() == (CORNERS * (index + 1)).tolist()
        assert mesh.faces.tolist() == FACES.tolist()


def test_a_large_mesh_comes_in_blocks() -> None:
    corners = np.random.default_rng(0).normal(size=(20_000, 3))
    mesh = read_serialized(file_of([packed(corners, DOUBLE)]), "mesh")
    np.testing.assert_array_equal(mesh.vertices, corners)


GOOD = file_of([packed()])
BAD = {
    "empty": b"",
    "another file": b"root:x:0:0:secret" * 9,
    "another version": file_of([packed(version=5)]),
    "no mesh of this index": file_of([packed(), packed()[:2] + b"\1\0" + packed()[4:]])[:-4]
    + struct.pack("<I", 9),
    "more vertices than there are": file_of([packed(counts=(10**6, 2))]),
    "an endless name": file_of(
        [struct.pack("<HH", 0x041C, 4) + zlib.compress(struct.pack("<I", SINGLE) + b"x" * 100_000)]
    ),
    "no zlib stream": file_of([struct.pack("<HH", 0x041C, 4) + b"root:x:0:0:secret"]),
}


def test_a_count_of_vertices_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(SceneError, match="'a' has too many"):
        read_serialized(file_of([packed(counts=(2**63, 2))]), "mesh 'a'")


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused_without_repeating_them(content: bytes) -> None:
    with pytest.raises(SceneError, match="'a': it is no mesh file") as caught:
        read_serialized(content, "mesh 'a'")
    assert "secret" not in str(caught.value)


def test_any_cut_is_refused() -> None:
    for cut in range(len(GOOD)):
        with pytest.raises(SceneError):
            read_serialized(GOOD[:cut], "mesh")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooManyTriangles):
        read_serialized(GOOD, "mesh", 1)
    bomb = file_of([packed(np.zeros((100_000, 3)))])
    assert len(bomb) < 10_000
    monkeypatch.setattr(serialized, "MAX_INFLATED", 1_000_000)
    with pytest.raises(SceneError):
        read_serialized(bomb, "mesh")


def test_random_damage_ends_in_a_mesh_or_an_error_of_ours() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(GOOD)
        for at in rng.integers(0, len(damaged), 2):
            damaged[at] = rng.integers(0, 256)
        try:
            mesh = read_serialized(bytes(damaged), "mesh")
        except SceneError:
            continue
        assert mesh.vertices.shape[1] == mesh.faces.shape[1] == 3
