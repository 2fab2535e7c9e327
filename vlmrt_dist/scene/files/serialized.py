"""Mitsuba's own mesh files (.serialized): compressed meshes, several in a file.

Layout (little-endian), from Mitsuba's documentation of its shape "serialized": for each mesh the
numbers 0x041C and 3 or 4 (the version), then a zlib stream of flags, name (version 4), numbers of
vertices and triangles, positions, normals, texture coordinates, colours and triangles. The file
ends with where each mesh begins, and their number.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from vlmrt_dist.errors import SceneError
from vlmrt_dist.scene.files.mesh_reader import (
    DEFAULT_MAX_TRIANGLES,
    MAX_VERTICES,
    Mesh,
    TooManyTriangles,
)

MAGIC = 0x041C
MAX_INFLATED = 256 * 2**20
"""Most bytes of one mesh after decompression."""
MAX_NAME = 64 * 1024
BLOCK = 64 * 1024

NORMALS, TEXTURE, COLORS, DOUBLE = 0x0001, 0x0002, 0x0008, 0x2000
_FLAGS = struct.Struct("<I")
_COUNTS = struct.Struct("<QQ")
_WIDE = 2**32 - 1
"""With more vertices than this, indices have eight bytes."""


def read_serialized(
    content: bytes, what: str, max_triangles: int = DEFAULT_MAX_TRIANGLES, *, index: int = 0
) -> Mesh:
    """One mesh of a file.

    :param what: how errors call the file
    :param max_triangles: most triangles
    :param index: which mesh
    :raises SceneError: if it is not such a file, is truncated, has no mesh of this index or more
        triangles
    """
    try:
        start, version = _begin(content, index)
        return _mesh(_Stream(memoryview(content)[start + 4 :]), version, what, max_triangles)
    except (struct.error, zlib.error, EOFError, IndexError):
        raise SceneError(f"{what}: it is no mesh file of Mitsuba's, or is truncated") from None


class _Stream:
    """Inflates a zlib stream block by block, up to a limit."""

    def __init__(self, packed: memoryview) -> None:
        self._inflater = zlib.decompressobj()
        self._blocks = (packed[k : k + BLOCK] for k in range(0, len(packed), BLOCK))
        self._waiting: bytes | memoryview = b""
        self._ready = bytearray()
        self._left = MAX_INFLATED

    def take(self, size: int) -> bytes:
        """:raises EOFError: if the stream is shorter, or its limit is reached"""
        if size > self._left + len(self._ready):
            raise EOFError
        while len(self._ready) < size:
            if not len(self._waiting):
                self._waiting = next(self._blocks, b"")
            most = min(max(size - len(self._ready), BLOCK), self._left)
            piece = self._inflater.decompress(self._waiting, most)
            if not piece and not len(self._waiting):
                raise EOFError
            self._waiting = self._inflater.unconsumed_tail
            self._left -= len(piece)
            self._ready += piece
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken


def _begin(content: bytes, index: int) -> tuple[int, int]:
    """Where a mesh begins, and the version of the format."""
    magic, version = struct.unpack_from("<HH", content)
    (count,) = struct.unpack_from("<I", content, len(content) - 4)
    if magic != MAGIC or version not in (3, 4) or not 0 <= index < count:
        raise IndexError
    entry = struct.Struct("<Q" if version == 4 else "<I")
    table = len(content) - 4 - entry.size * count
    if table < 0:
        raise IndexError
    (start,) = entry.unpack_from(content, table + entry.size * index)
    if start > len(content) or struct.unpack_from("<HH", content, start) != (MAGIC, version):
        raise IndexError
    return start, version


def _mesh(stream: _Stream, version: int, what: str, max_triangles: int) -> Mesh:
    (flags,) = _FLAGS.unpack(stream.take(_FLAGS.size))
    if version == 4:
        for _ in range(MAX_NAME):
            if stream.take(1) == b"\0":
                break
        else:
            raise EOFError
    vertices, triangles = _COUNTS.unpack(stream.take(_COUNTS.size))
    if triangles > max_triangles or vertices > MAX_VERTICES:
        raise TooManyTriangles(what)
    real = np.dtype("<f8" if flags & DOUBLE else "<f4")
    positions = np.frombuffer(stream.take(3 * vertices * real.itemsize), real).astype(np.float64)
    further = 3 * bool(flags & NORMALS) + 2 * bool(flags & TEXTURE) + 3 * bool(flags & COLORS)
    stream.take(further * vertices * real.itemsize)
    whole = np.dtype("<u8" if vertices > _WIDE else "<u4")
    corners = np.frombuffer(stream.take(3 * triangles * whole.itemsize), whole)
    return Mesh(positions.reshape(-1, 3), corners.astype(np.int64).reshape(-1, 3))
