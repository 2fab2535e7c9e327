"""A strict reader for untrusted mesh files: PLY, ASCII and binary.

It takes bytes and opens nothing, so a mesh cannot name another file. Counts in a header are checked
against the bytes that are there before memory is set aside, and an error never repeats content.
"""

from __future__ import annotations

import io
import itertools
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.polygons import Polygons, triangulate

MAX_HEADER = 64 * 1024
MAX_PROPERTIES = 64
DEFAULT_MAX_TRIANGLES = 5_000_000
MAX_VERTICES = 3 * DEFAULT_MAX_TRIANGLES

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_BLOCK = 2**20
"""Bytes of a text that are split into words at once."""
_ROWS = 65536
"""Rows that are held as words at once."""
_BYTE_ORDER = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


class Mesh(NamedTuple):
    """Vertices [V,3] and triangles [F,3] as they stand in the file."""

    vertices: FloatArray
    faces: npt.NDArray[Any]


class TooManyTriangles(SceneError):
    """A mesh has more triangles than its reader may return."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has too many triangles")
        self.args = (what,)  # what pickle passes to the constructor


class _Property(NamedTuple):
    name: str
    dtype: str
    count_dtype: str | None  # None: a scalar, else a list whose length has this type


class _Element(NamedTuple):
    name: str
    rows: int
    properties: list[_Property]

    @property
    def least_size(self) -> int:
        """Fewest bytes of one row in a binary file."""
        return sum(np.dtype(p.count_dtype or p.dtype).itemsize for p in self.properties)


def read_ply(content: bytes, what: str, max_triangles: int = DEFAULT_MAX_TRIANGLES) -> Mesh:
    """The mesh in a PLY file; polygons become triangles, other properties are skipped.

    :param what: how errors call the file
    :param max_triangles: most triangles
    :raises SceneError: if it is not a PLY file of polygons, is truncated, or has more triangles
    """
    order, elements, start = _ply_header(content, what)
    names = [element.name for element in elements]
    if names.count("vertex") != 1 or names.count("face") > 1:
        raise SceneError(f"{what}: a PLY mesh needs one element 'vertex' and one 'face'")
    for element in elements:
        lists = any(each.count_dtype for each in element.properties)
        if element.rows > (max_triangles if lists or element.name == "face" else MAX_VERTICES):
            raise TooManyTriangles(what)
    body = memoryview(content)[start:]
    try:
        if order:
            return _binary_ply(body, elements, order, what)
        return _ascii_ply(_Words(body), elements, what)
    except IndexError:
        raise _truncated(what) from None
    except (ValueError, OverflowError):
        # NumPy's message could repeat what stands in the file.
        raise SceneError(f"{what}: the body does not follow the PLY header") from None


def _ply_header(content: bytes, what: str) -> tuple[str, list[_Element], int]:
    """Byte order ("" for ASCII), elements, and where the body starts."""

    def bad(reason: str) -> NoReturn:
        raise SceneError(f"{what}: {reason}") from None

    end = content.find(b"end_header", 0, MAX_HEADER)
    newline = content.find(b"\n", end, end + 16)
    if not content.startswith((b"ply\n", b"ply\r\n")) or end < 0 or newline < 0:
        bad("it is not a PLY file")
    try:
        lines = content[:end].decode("ascii").splitlines()[1:]
    except UnicodeDecodeError:
        bad("the PLY header is not ASCII text")
    order: str | None = None
    elements: list[_Element] = []
    for line in lines:
        match line.split():
            case [] | ["comment" | "obj_info", *_]:
                pass
            case ["format", name, "1.0"] if name in _BYTE_ORDER and order is None:
                order = _BYTE_ORDER[name]
            case ["element", name, count] if count.isdecimal() and len(count) < 12:
                elements.append(_Element(name, int(count), []))
            case ["property", "list", count, kind, name] if (
                elements and _TYPES.get(count, "f")[0] != "f" and kind in _TYPES
            ):
                elements[-1].properties.append(_Property(name, _TYPES[kind], _TYPES[count]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].properties.append(_Property(name, _TYPES[kind], None))
            case _:
                bad("a line of the PLY header cannot be understood")
        if len(elements) > 16 or (elements and len(elements[-1].properties) > MAX_PROPERTIES):
            bad("the PLY header names too many elements or properties")
    if order is None:
        bad("the PLY header names no format")
    for element in elements:
        names = [p.name for p in element.properties]
        if not names or len(set(names)) < len(names):
            bad("an element of the PLY header has no property, or one of them twice")
    return order, elements, newline + 1


def _binary_ply(body: memoryview, elements: list[_Element], order: str, what: str) -> Mesh:
    vertices = np.empty((0, 3))
    polygons = Polygons.of([])
    for element in elements:
        if element.rows * element.least_size > len(body):
            raise _truncated(what)
        if element.name == "vertex" and any(p.count_dtype for p in element.properties):
            raise SceneError(f"{what}: the vertices of a PLY mesh may hold no lists")
        if element.name == "face":
            index = _index_property(element, what)
            polygons, body = _binary_lists(body, element, order, what, index)
        elif any(p.count_dtype for p in element.properties):
            _, body = _binary_lists(body, element, order, what, None)
        else:
            dtype = np.dtype([(p.name, order + p.dtype) for p in element.properties])
            size = element.rows * dtype.itemsize
            if element.name == "vertex":
                rows = np.frombuffer(body[:size], dtype=dtype)
                vertices = _positions([rows[n] for n in _axes(element, what)])
            body = body[size:]
    return Mesh(vertices, triangulate(vertices, polygons, what))


def _binary_lists(
    body: memoryview, element: _Element, order: str, what: str, index: _Property | None
) -> tuple[Polygons, memoryview]:
    """The lists of property ``index`` in an element that has lists, and what follows it."""
    lists = [p for p in element.properties if p.count_dtype]
    if element.rows == 0:
        return Polygons.of([]), body
    # Nearly every file holds triangles only, or quads only: then all rows are equally long.
    for corners in (3, 4) if index is not None and len(lists) == 1 else ():
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        for p in element.properties:
            if p.count_dtype is None:
                fields.append((p.name, order + p.dtype))
            else:
                fields.append((" count", order + p.count_dtype))
                fields.append((p.name, order + p.dtype, (corners,)))
        dtype = np.dtype(fields)
        size = element.rows * dtype.itemsize
        if size > len(body):
            break
        rows = np.frombuffer(body[:size], dtype=dtype)
        if (rows[" count"] == corners).all():
            return Polygons.alike(rows[lists[0].name]), body[size:]
    return _mixed_lists(body, element, order, what, index)


def _mixed_lists(
    body: memoryview, element: _Element, order: str, what: str, index: _Property | None
) -> tuple[Polygons, memoryview]:
    sizes, begins = array("q"), array("q")
    endian: Any = "big" if order == ">" else "little"
    widths = [
        (p is index, np.dtype(p.dtype).itemsize, np.dtype(p.count_dtype or "u1").itemsize,
         p.count_dtype is not None)
        for p in element.properties
    ]  # fmt: skip
    at = total = 0
    for _ in range(element.rows):
        for wanted, width, of_count, is_list in widths:
            count = 1
            if is_list:
                count = int.from_bytes(body[at : at + of_count], endian)
                at += of_count
            if wanted:
                sizes.append(count)
                begins.append(at)
                total += count
            at += count * width
            if at > len(body):
                raise _truncated(what)
        if total > MAX_VERTICES:
            raise TooManyTriangles(what)
    if index is None:
        return Polygons.of([]), body[at:]
    sizes_, begins_ = np.array(sizes, np.int64), np.array(begins, np.int64)
    return Polygons(_gathered(body, begins_, sizes_, order + index.dtype), sizes_), body[at:]


def _gathered(body: memoryview, begin: IntArray, size: IntArray, dtype: str) -> IntArray:
    """``size`` [P] numbers from each of the places ``begin`` [P] on [bytes], all in a row."""
    kind, raw = np.dtype(dtype), np.frombuffer(body, np.uint8)
    parts = []
    for some in np.array_split(np.arange(len(begin)), max(1, int(size.sum()) // 1_000_000)):
        first = np.repeat(begin[some] - kind.itemsize * (np.cumsum(size[some]) - size[some]),
                          size[some])  # fmt: skip
        place = first + kind.itemsize * np.arange(len(first))
        piece = raw[place[:, None] + np.arange(kind.itemsize)]
        parts.append(piece.reshape(-1).view(kind).astype(np.int64))
    return np.concatenate(parts)


class _Words:
    """The words of a text one after another, of which few are held at once."""

    def __init__(self, text: memoryview) -> None:
        self._words = self._split(io.BytesIO(text))

    @staticmethod
    def _split(text: io.BytesIO) -> Iterator[bytes]:
        left = b""
        while block := text.read(_BLOCK):
            # A word may go on in the next block, and white space does not begin one.
            words = (left + block).split()
            left = words.pop() if words and not block[-1:].isspace() else b""
            if len(left) > _BLOCK:
                raise ValueError
            yield from words
        if left:
            yield left

    def take(self, count: int) -> list[bytes]:
        """:raises IndexError: if there are fewer"""
        taken = list(itertools.islice(self._words, count))
        if len(taken) < count:
            raise IndexError
        return taken


def _ascii_ply(words: _Words, elements: list[_Element], what: str) -> Mesh:
    vertices = np.empty((0, 3))
    polygons = Polygons.of([])
    for element in elements:
        if any(p.count_dtype for p in element.properties):
            if element.name == "vertex":
                raise SceneError(f"{what}: the vertices of a PLY mesh may hold no lists")
            index = _index_property(element, what) if element.name == "face" else None
            found = _ascii_lists(words, element, what, index)
            polygons = polygons if index is None else found
            continue
        if element.name == "face":
            _index_property(element, what)
        width, parts = len(element.properties), [np.empty((0, len(element.properties)))]
        for first in range(0, element.rows, _ROWS):
            some = words.take(min(_ROWS, element.rows - first) * width)
            if element.name == "vertex":
                parts.append(np.array(some, dtype=np.float64).reshape(-1, width))
        if element.name == "vertex":
            rows, columns = np.concatenate(parts), [p.name for p in element.properties]
            vertices = _positions([rows[:, columns.index(n)] for n in _axes(element, what)])
    return Mesh(vertices, triangulate(vertices, polygons, what))


def _ascii_lists(words: _Words, element: _Element, what: str, index: _Property | None) -> Polygons:
    """The lists of property ``index``."""
    corners, sizes = array("q"), array("q")
    for _ in range(element.rows):
        for p in element.properties:
            count = int(words.take(1)[0]) if p.count_dtype else 1
            if count < 0 or count > MAX_VERTICES:
                raise ValueError
            values = words.take(count)
            if p is index:
                corners.extend([int(word) for word in values])
                sizes.append(count)
        if len(corners) > MAX_VERTICES:
            raise TooManyTriangles(what)
    return Polygons(np.array(corners, np.int64), np.array(sizes, np.int64))


def _truncated(what: str) -> SceneError:
    return SceneError(f"{what}: truncated; it holds less than its PLY header says")


def _index_property(element: _Element, what: str) -> _Property:
    for p in element.properties:
        if p.name in ("vertex_indices", "vertex_index") and p.count_dtype and p.dtype[0] != "f":
            return p
    raise SceneError(f"{what}: the faces of the PLY mesh have no list 'vertex_indices'")


def _axes(element: _Element, what: str) -> tuple[str, str, str]:
    if not {"x", "y", "z"} <= {p.name for p in element.properties}:
        raise SceneError(f"{what}: the vertices of the PLY mesh have no x, y and z")
    return ("x", "y", "z")


def _positions(columns: list[npt.NDArray[np.generic]]) -> FloatArray:
    return np.stack([column.astype(np.float64) for column in columns], axis=1)
