"""Lines that are read together give what they give one by one."""

import numpy as np
import pytest

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files import obj_reader
from vlmrt_dist.scene.files.mesh_reader import DEFAULT_MAX_TRIANGLES
from vlmrt_dist.scene.files.obj_reader import _Reader, read_obj

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def state(reader: _Reader) -> tuple[object, ...]:
    return (
        reader.coordinates, reader.corners, reader.sizes, reader.unknown, reader._lines,
        reader._triangles,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        SQUARE + "f 1 2 3\nf 1 3 4\n",
        SQUARE + "vn 0 0 1\nvt 0 0\n\no square\ns off\nf 1/1/1 2/2/1 3//1 4\n",
        SQUARE.replace("\n", " 0.5 0.5 0.5\r\n") + "f 1 2 3 \r\nusemtl wood\r\nf  1\t3 4\r\n",
        "v 1e-3 +2 -.5\nvn 0 0 1\nv 1_0 inf 2\nvn 0 0 1",
        "f \nf 7 8 9",
    ],
)
def test_usual_lines_are_read_together(text: str) -> None:
    together, one_by_one = (_Reader("mesh", DEFAULT_MAX_TRIANGLES) for _ in range(2))
    assert together.take_together(text.encode())
    one_by_one.take_lines(text.encode())
    assert state(together) == state(one_by_one)


def test_indices_from_the_end_count_the_vertices_before() -> None:
    together, one_by_one = (_Reader("mesh", DEFAULT_MAX_TRIANGLES) for _ in range(2))
    for reader in (together, one_by_one):
        reader.take_lines(SQUARE.encode())
    assert together.take_together(b"f -4 -3 -2\nf -4 3 -1\n")
    one_by_one.take_lines(b"f -4 -3 -2\nf -4 3 -1\n")
    assert state(together) == state(one_by_one)


@pytest.mark.parametrize(
    "text",
    [
        "v 0 0 0 # origin\n",
        "v 0 0\nv 0 0 0 0\n",
        "v 0 0\nv v 1 2 3\n",
        "v 0 0 0\nv 1 2 v 3\n",
        " v 0 0 0\n",
        "v\t0 0 0\n",
        "f 1 2 f\n",
        "f 1 /2 3\n",
        "f 0 1 2\n",
        "f 1 2 99999999999999999999\n",
        "v 0 0 0\nf -1 -1 -1\n",
        "g one\nsomething else\n",
    ],
)
def test_what_is_unusual_is_left_to_the_slow_way(text: str) -> None:
    reader = _Reader("mesh", DEFAULT_MAX_TRIANGLES)
    assert not reader.take_together(text.encode())
    assert state(reader) == state(_Reader("mesh", DEFAULT_MAX_TRIANGLES))


def test_any_mixture_of_lines_is_read_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over many small blocks, with lines of all kinds."""
    rng = np.random.default_rng(0)
    kinds = ["v {0} {1} 2.5", "v {0} 1 {1} 0.1 0.2", "vn 1 0 0", "f 1 2 3", "f 1/{0} 2/1 3/2 4/5",
             "# note", "f -1 -2 -3", "o {0}", "", "v {0} {1}", "f 1 x 2", "f 2 {1} 0"]  # fmt: skip
    for trial in range(300):
        most = len(kinds) if trial % 3 else 9
        lines = [kinds[k].format(*rng.integers(1, 9, 2)) for k in rng.integers(0, most, 12)]
        content = ("\n".join(lines) + "\n" * bool(trial % 2)).encode()
        answers: list[object] = []
        for block in (4, 40, 10**6):
            monkeypatch.setattr(obj_reader, "_BLOCK", block)
            for fast in (True, False):
                with monkeypatch.context() as patch:
                    if not fast:
                        patch.setattr(_Reader, "take_together", lambda self, block: False)
                    try:
                        mesh = read_obj(content, "mesh", 9)
                        answers.append((mesh.vertices.tolist(), mesh.faces.tolist()))
                    except SceneError as error:
                        answers.append(str(error))
        assert all(answer == answers[0] for answer in answers), content
