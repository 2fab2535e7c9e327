"""A strict reader for untrusted mesh files: Wavefront OBJ.

It takes bytes and opens nothing: material libraries and files that a mesh names are not looked at.
Lines of the usual make are read many at a time; a block that holds anything else is read line by
line, which also finds the line that an error names.
"""

from __future__ import annotations

import io
import re
from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.mesh_reader import (
    DEFAULT_MAX_TRIANGLES,
    MAX_VERTICES,
    Mesh,
    TooManyTriangles,
)
from vlmrt_dist.scene.files.polygons import Polygons, triangulate

MAX_LINE = 2**20
"""Longest line [bytes]."""

MAX_INDEX = 2**31

_BLOCK = 2**18
"""Bytes that are read at once, and the rest of their last line."""

# Statements that say nothing about polygons.
_IGNORED = frozenset(
    (
        b"vn vt vp o g s mg l p usemtl mtllib usemap maplib call csh bevel c_interp d_interp lod "
        b"shadow_obj trace_obj ctech stech cstype deg bmat step curv curv2 surf parm trim hole "
        b"scrv sp end con res bsp bzp cdc cdp"
    ).split()
)


def read_obj(content: bytes, what: str, max_triangles: int = DEFAULT_MAX_TRIANGLES) -> Mesh:
    """The mesh in a Wavefront OBJ file; polygons become triangles, materials are ignored.

    As in Mitsuba, vertices that no polygon uses are left out, and so are lines of which the OBJ
    format knows nothing, unless there is no polygon at all.

    :param what: how errors call the file
    :param max_triangles: most triangles
    :raises SceneError: if a line cannot be understood, or there are more triangles
    """
    reader = _Reader(what, max_triangles)
    for block in _blocks(content):
        if not reader.take_together(block):
            reader.take_lines(block)
    if reader.unknown and not reader.sizes:
        raise SceneError(f"{what}, line {reader.unknown} cannot be understood as OBJ")
    points = np.array(reader.coordinates, dtype=np.float64).reshape(-1, 3)
    corners = np.array(reader.corners, dtype=np.int64)
    polygons = Polygons(corners, np.array(reader.sizes, dtype=np.int64))
    return _used_vertices(points, triangulate(points, polygons, what))


class _Reader:
    """What has been read of a file.

    :param what: how errors call the file
    :param max_triangles: most triangles
    """

    def __init__(self, what: str, max_triangles: int) -> None:
        # Flat arrays: a list of three numbers takes ten times the memory.
        self.coordinates, self.corners, self.sizes = array("d"), array("q"), array("q")
        self.unknown = 0
        self._what, self._most = what, max_triangles
        self._lines = self._triangles = 0

    def take_together(self, block: bytes) -> bool:
        """Read whole lines if all are of the usual make; otherwise nothing is read."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if b"#" in block or len(block) > MAX_LINE:
            return False
        vertices, faces = _starting(b"v ", block, lines), _starting(b"f ", block, lines)
        others: list[bytes] = []
        if len(vertices) + len(faces) < len(lines):
            others = [line for line in lines if line[:2] not in (b"v ", b"f ")]
        if not all(word[0] in _IGNORED for line in others if (word := line.split(None, 1))):
            return False
        try:
            points = _points(vertices)
            corners, sizes = _polygons(faces, len(self.coordinates) // 3, bool(vertices))
        except (ValueError, OverflowError):
            return False
        self.coordinates.extend(points)
        self.corners.frombytes(corners.tobytes())
        self.sizes.frombytes(sizes.tobytes())
        self._triangles += int(np.maximum(sizes - 2, 1).sum())
        self._lines += len(lines)
        self._check()
        return True

    def take_lines(self, block: bytes) -> None:
        """Read whole lines one by one.

        :raises SceneError: if one cannot be understood
        """
        for line in io.BytesIO(block):
            self._lines += 1
            if len(line) > MAX_LINE:
                raise SceneError(f"{self._what}, line {self._lines} has more than {MAX_LINE} bytes")
            words = line.split(b"#", 1)[0].split()
            if not words:
                continue
            try:
                self._take(words)
            except ValueError:
                raise SceneError(
                    f"{self._what}, line {self._lines} cannot be understood as OBJ"
                ) from None
            self._check()

    def _take(self, words: Sequence[bytes]) -> None:
        if words[0] == b"v":
            if len(words) < 4:
                raise ValueError
            self.coordinates.extend([float(word) for word in words[1:4]])
        elif words[0] == b"f":
            before = len(self.coordinates) // 3
            self.corners.extend([_index(word, before) for word in words[1:]])
            self.sizes.append(len(words) - 1)
            self._triangles += max(1, len(words) - 3)  # what has no area is kept, too
        elif words[0] not in _IGNORED:
            self.unknown = self.unknown or self._lines

    def _check(self) -> None:
        if self._triangles > self._most or len(self.coordinates) > 3 * MAX_VERTICES:
            raise TooManyTriangles(self._what)


def _blocks(content: bytes) -> Iterator[bytes]:
    """The content in pieces that end with a line."""
    begin = 0
    while begin < len(content):
        end = content.find(b"\n", begin + _BLOCK) + 1 or len(content)
        yield content[begin:end]
        begin = end


def _starting(word: bytes, block: bytes, lines: list[bytes]) -> list[bytes]:
    """The lines of a block that start with a word."""
    count = block.count(b"\n" + word) + block.startswith(word)
    if count in (0, len(lines)):
        return lines if count else []
    return [line for line in lines if line.startswith(word)]


def _points(lines: Sequence[bytes]) -> list[float]:
    """Coordinates of lines "v x y z", or with further numbers, of which all have as many.

    :raises ValueError: if they are others
    """
    if not lines:
        return []
    words = b" ".join(lines).split()
    size = len(words) // len(lines)
    # Every other word is a number, so that the keywords can only be the lines' first words.
    if size < 4 or len(words) != size * len(lines) or set(words[::size]) != {b"v"}:
        raise ValueError
    columns = [list(map(float, words[k::size])) for k in range(1, size)]
    return [number for point in zip(*columns[:3], strict=True) for number in point]


def _polygons(lines: Sequence[bytes], before: int, moving: bool) -> tuple[IntArray, IntArray]:
    """Corners of lines "f a b c ...", one after another, and how many each line has.

    :param before: vertices so far, which negative indices count from
    :param moving: there are vertices between the lines
    :raises ValueError: if they are others
    """
    text = b" ".join(lines)
    if b"/" in text:
        if re.search(rb"\s/", text):
            raise ValueError
        text = re.sub(rb"/\S*", b"", text)
    words = text.split()
    place = np.flatnonzero(np.array(words, "S2") == b"f")
    if len(place) != len(lines):
        raise ValueError
    sizes = np.diff(np.append(place, len(words))) - 1
    index = np.array([*map(int, filter(b"f".__ne__, words))], np.int64)
    relative = index < 0
    if (index == 0).any() or (np.abs(index) > MAX_INDEX).any() or (moving and relative.any()):
        raise ValueError
    return np.where(relative, before + index, index - 1), sizes


def _used_vertices(vertices: FloatArray, faces: IntArray) -> Mesh:
    """The mesh without vertices that no face uses; faces that name others stay as they are."""
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        return Mesh(vertices, faces)
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    return Mesh(vertices[used], (np.cumsum(used) - 1)[faces])


def _index(word: bytes, num_vertices: int) -> int:
    index = int(word.split(b"/", 1)[0])
    if index == 0 or abs(index) > MAX_INDEX:
        raise ValueError
    return index - 1 if index > 0 else num_vertices + index
