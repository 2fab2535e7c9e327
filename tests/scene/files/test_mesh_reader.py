import numpy as np
import pytest
import trimesh

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.mesh_reader import Mesh, TooManyTriangles, read_ply
from vlmrt_dist.scene.files.obj_reader import read_obj
from vlmrt_dist.scene.scene_writer import ply_bytes

BOX = trimesh.creation.box([1, 2, 3])
SECRET = b"root:x:0:0"


def header(vertices: int, faces: int, form: str = "binary_little_endian", extra: str = "") -> bytes:
    return (
        f"ply\nformat {form} 1.0\nelement vertex {vertices}\n"
        "property float x\nproperty float y\nproperty float z\n"
        f"{extra}element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()


def same(mesh: Mesh) -> None:
    np.testing.assert_allclose(mesh.vertices, BOX.vertices, atol=1e-7)
    np.testing.assert_array_equal(mesh.faces, BOX.faces)


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary"])
def test_what_trimesh_writes_as_ply(encoding: str) -> None:
    if encoding == "binary_little_endian":
        encoding = "binary"
    same(read_ply(BOX.export(file_type="ply", encoding=encoding), "mesh"))


def test_big_endian() -> None:
    body = BOX.vertices.astype(">f4").tobytes()
    faces = b"".join(b"\3" + f.astype(">i4").tobytes() for f in BOX.faces)
    same(read_ply(header(8, 12, "binary_big_endian") + body + faces, "mesh"))


def test_our_own_ply_keeps_every_bit() -> None:
    vertices = np.random.default_rng(0).normal(size=(50, 3)) * 1e3
    faces = np.random.default_rng(1).integers(0, 50, (80, 3), dtype=np.int32)
    content = ply_bytes(vertices, faces)
    mesh = read_ply(content, "mesh")
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, faces)
    theirs = trimesh.load_mesh(trimesh.util.wrap_as_stream(content), "ply", process=False)
    np.testing.assert_array_equal(theirs.faces, faces)
    np.testing.assert_allclose(theirs.vertices, vertices)


def test_what_trimesh_writes_as_obj() -> None:
    same(read_obj(BOX.export(file_type="obj").encode(), "mesh"))


def test_obj_with_quads_and_negative_and_textured_indices() -> None:
    text = b"mtllib /etc/passwd\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1/1 2//2 3 4\nf -4 -3 -2\n"
    mesh = read_obj(text, "mesh")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]


def quads(form: str, order: str) -> bytes:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    if form == "ascii":
        return header(4, 2, form) + b"0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n3 0 1 2\n"
    lists = [np.array(c, dtype=order + "i4").tobytes() for c in ([0, 1, 2, 3], [0, 1, 2])]
    body = square.astype(order + "f4").tobytes() + b"\4" + lists[0] + b"\3" + lists[1]
    return header(4, 2, form) + body


@pytest.mark.parametrize(
    ("form", "order"),
    [("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")],
)
def test_quads_and_triangles_mixed(form: str, order: str) -> None:
    mesh = read_ply(quads(form, order), "mesh")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]


def test_quads_only() -> None:
    faces = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    body = np.zeros((4, 3), "<f4").tobytes() + b"".join(
        b"\4" + f.astype("<i4").tobytes() for f in faces
    )
    mesh = read_ply(header(4, 2) + body, "mesh")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [3, 2, 1], [3, 1, 0]]


def test_further_properties_and_elements_are_skipped() -> None:
    text = (
        b"ply\r\nformat ascii 1.0\r\ncomment made up\r\nelement camera 1\r\nproperty float fov\r\n"
        b"element vertex 3\r\nproperty uchar red\r\nproperty float z\r\nproperty float y\r\n"
        b"property double x\r\nelement face 1\r\nproperty int flag\r\n"
        b"property list uchar uint vertex_index\r\nend_header\r\n"
        b"60\r\n255 0 0 1\r\n255 0 1 0\r\n255 1 0 0\r\n7 3 0 1 2\r\n"
    )
    mesh = read_ply(text, "mesh")
    assert mesh.vertices.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert mesh.faces.tolist() == [[0, 1, 2]]


PENTAGON = ((0, 0, 0), (2, 0, 0), (3, 1, 0), (1, 2, 0), (-1, 1, 0))


def pentagon(form: str, order: str) -> bytes:
    """A PLY file of a triangle, an edge, a pentagon and a point, and an element that is skipped."""
    faces = ((0, 1, 2), (0, 1), (0, 1, 2, 3, 4), (0,))
    extra = "element strip 1\nproperty list int int of\n"
    head = header(5, len(faces), form, extra)
    if form == "ascii":
        lines = [*PENTAGON, (2, 7, 7), *((len(f), *f) for f in faces)]
        return head + "".join(" ".join(map(str, line)) + "\n" for line in lines).encode()
    whole = order + "i4"
    body = np.array(PENTAGON, order + "f4").tobytes() + np.array((2, 7, 7), whole).tobytes()
    return head + body + b"".join(bytes([len(f)]) + np.array(f, whole).tobytes() for f in faces)


@pytest.mark.parametrize(
    ("form", "order"),
    [("ascii", ""), ("binary_little_endian", "<"), ("binary_big_endian", ">")],
)
def test_polygons_of_any_size_in_ply(form: str, order: str) -> None:
    mesh = read_ply(pentagon(form, order), "mesh")
    assert mesh.vertices.tolist() == np.array(PENTAGON).tolist()
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3], [0, 3, 4]]


def test_polygons_of_any_size_in_obj() -> None:
    lines = [f"v {x} {y} {z}\n" for x, y, z in ((9, 9, 9), *PENTAGON)]
    text = "".join([*lines, "f 2 3 4 5 6\n", "f 2 3\n", "mine 1 2\n"])
    mesh = read_obj(text.encode(), "mesh")
    assert mesh.vertices.tolist() == np.array(PENTAGON).tolist()  # no face has the first one
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4]]


@pytest.mark.parametrize("content", [b"", b"v 0 0 0\n", b"# nothing\n"])
def test_an_obj_without_faces_is_an_empty_mesh(content: bytes) -> None:
    assert read_obj(content, "mesh").faces.shape == (0, 3)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_a_ply_without_faces_is_an_empty_mesh(form: str) -> None:
    cloud = b"ply\nformat %b 1.0\nelement vertex 0\n" % form.encode()
    cloud += b"".join(b"property float %b\n" % axis for axis in (b"x", b"y", b"z"))
    assert read_ply(cloud + b"end_header\n", "mesh").faces.shape == (0, 3)
    assert read_ply(header(0, 0, form), "mesh").faces.shape == (0, 3)


def test_a_reader_stops_at_its_limit() -> None:
    text = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + b"f 1 2 3\n" * 10
    assert len(read_obj(text, "mesh", 10).faces) == 10
    with pytest.raises(TooManyTriangles):
        read_obj(text, "mesh", 9)
    with pytest.raises(TooManyTriangles):
        read_ply(header(3, 2) + BODY, "mesh", 1)


BODY = np.zeros((3, 3), "<f4").tobytes() + b"\3" + np.arange(3, dtype="<i4").tobytes()
BAD_PLY = {
    "empty": b"",
    "another file": SECRET * 100,
    "no end of the header": b"ply\nformat ascii 1.0\n" + b"comment x\n" * 100_000,
    "huge counts, tiny body": header(2_000_000_000, 2_000_000_000) + BODY,
    "huge counts of text": header(2_000_000_000, 2_000_000_000, "ascii") + b"0 0 0",
    "counts beyond any integer": header(10**30, 1) + BODY,
    "huge number of faces": header(3, 2_000_000_000) + BODY,
    "truncated vertices": (header(3, 1) + BODY)[:-30],
    "truncated faces": (header(3, 1) + BODY)[:-1],
    "more corners than bytes": header(3, 1) + BODY[:36] + b"\xff" + BODY[37:],
    "words for numbers": header(1, 1, "ascii") + b"0 0 " + SECRET + b"\n3 0 0 0\n",
    "words for indices": header(1, 1, "ascii") + b"0 0 0\n3 0 0 " + SECRET + b"\n",
    "a negative length": header(1, 1, "ascii") + b"0 0 0\n-3 0 0 0\n",
    "truncated text": header(3, 1, "ascii") + b"0 0 0\n0 0 0\n",
    "no format": b"ply\nelement vertex 0\nproperty float x\nend_header\n",
    "unknown format": header(3, 1, "binary_middle_endian") + BODY,
    "unknown line": header(3, 1).replace(b"element face", b"include /etc/passwd\nelement face"),
    "no vertices": b"ply\nformat ascii 1.0\nelement face 0\n"
    b"property list uchar int vertex_indices\nend_header\n",
    "no x": header(3, 1).replace(b" x\n", b" u\n") + BODY,
    "no list": header(3, 1).replace(b"list uchar int vertex_indices", b"int vertex_indices") + BODY,
    "a list of fractions": header(3, 1).replace(b"uchar int", b"uchar float") + BODY,
    "a fractional length": header(3, 1).replace(b"uchar int", b"float int") + BODY,
    "a property twice": header(3, 1, extra="property float x\n") + BODY,
    "many properties": header(3, 1, extra="".join(f"property int a{i}\n" for i in range(99)))
    + BODY,
    "a list of vertices": header(3, 1, extra="property list uchar int a\n") + BODY,
    "vertices twice": header(3, 1, extra="element vertex 3\nproperty float x\n") + BODY,
    "no ASCII": header(3, 1).replace(b"element face", b"comment \xff\nelement face") + BODY,
}


@pytest.mark.parametrize("content", BAD_PLY.values(), ids=BAD_PLY.keys())
def test_bad_ply_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(SceneError, match=r"'room\.ply'") as caught:
        read_ply(content, "mesh 'room.ply'")
    assert SECRET.decode() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_good_ply_of_the_same_make_is_read() -> None:
    assert read_ply(header(3, 1) + BODY, "mesh").faces.tolist() == [[0, 1, 2]]


BAD_OBJ = {
    "two coordinates": b"v 0 0\n",
    "a word": b"v 0 0 " + SECRET,
    "no index": b"v 0 0 0\nf 1 0 1\n",
    "a word for an index": b"v 0 0 0\nf 1 1 " + SECRET,
    "huge index": b"v 0 0 0\nf 1 1 99999999999999999999999\n",
    "unknown keyword, no face": b"v 0 0 0\n" + SECRET,
}


@pytest.mark.parametrize("content", BAD_OBJ.values(), ids=BAD_OBJ.keys())
def test_bad_obj_is_refused_without_repeating_it(content: bytes) -> None:
    with pytest.raises(SceneError, match=r"'room\.obj', line") as caught:
        read_obj(content, "mesh 'room.obj'")
    assert SECRET.decode() not in str(caught.value)


def test_any_cut_of_a_good_file_is_refused() -> None:
    for good in (header(3, 1) + BODY, quads("binary_little_endian", "<"), quads("ascii", "")):
        cuts = range(len(good) - 4) if b"ascii" in good else range(len(good))
        for cut in cuts:
            with pytest.raises(SceneError):
                read_ply(good[:cut], "mesh")


def test_random_damage_ends_in_a_mesh_or_an_error_of_ours() -> None:
    rng = np.random.default_rng(0)
    good = BOX.export(file_type="ply", encoding="ascii")
    for content in (good, quads("binary_little_endian", "<"), header(3, 1) + BODY):
        for _ in range(300):
            damaged = bytearray(content)
            for at in rng.integers(0, len(damaged), 3):
                damaged[at] = rng.integers(0, 256)
            try:
                mesh = read_ply(bytes(damaged), "mesh")
            except SceneError:
                continue
            assert mesh.vertices.shape[1] == mesh.faces.shape[1] == 3
