"""The records that the compiled search reads and writes.

Compiled functions take few arrays of records rather than many plain ones: Numba passes every array
of a tuple by value with each call, and what is read together lies together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]
"""An array of the records named beside it."""

NODE = np.dtype(
    [(name, "f8") for name in ("x", "y", "z", "half_x", "half_y", "half_z")]
    + [(name, "i4") for name in ("skip", "first", "count", "spare")],
)
"""Node of a box tree: centre and half extent of its box [m]; node to go on with where the box is
missed; first entry of a leaf in the tree's order, and how many (0: an inner node)."""

PIECE = np.dtype([(name, "i4") for name in ("plane", "surface", "object", "first", "count")])
"""Convex piece: its plane, that plane's class and object; its corners in the array of corners."""

CORNER = np.dtype([(name, "f8") for name in ("x", "y", "z", "a", "b", "c", "o")])
"""Corner of a piece [m], and the half space a x + b y + c z >= o of the edge that begins there."""

MIRROR = np.dtype(
    [(name, "f8") for name in ("a", "b", "c", "o", "outward")]
    + [(name, "i4") for name in ("object", "surface", "first", "count")]
)
"""Plane a x + b y + c z = o; sign that makes its normal point out of a convex body, 0: there is
none; its object and its class; its first piece, and how many it has."""

LEVEL = np.dtype(
    [(name, "f8") for name in ("x", "y", "z")]
    + [(name, "i4") for name in ("piece", "plane", "surface", "bound", "inside")]
    + [(name, "i4") for name in ("corners", "sides", "number", "position", "legs")]
)
"""Node of the image tree on the way to the present one: the transmitter's image [m]; the piece that
reflects, its plane and class; crossings of every path, at least; body that rays are inside of
after the reflection, or -1; corners of the window, half spaces of the beam; candidates below, and
how many of them are done; pieces that the segment behind the reflection passes through."""

PASSED = np.dtype([("piece", "i4"), ("surface", "i4"), ("at", "f8")])
"""Piece that a segment passes through, its class, and the fraction of the way to it."""


class BoxTree(NamedTuple):
    """A bounding-volume hierarchy over B boxes: T nodes in depth-first order.

    A walk starts at node 0. Where a node's box is met it goes on with the next node; where it is
    missed it jumps to ``skip``.

    :param node: [T] of NODE
    :param order: [B] box numbers, leaf by leaf
    """

    node: Records
    order: NDArray[np.int32]


class PairTree(NamedTuple):
    """A hierarchy over B pairs of boxes, walked as a :class:`BoxTree` is.

    :param node: [T] of NODE, about the first boxes
    :param second: [T] of NODE, about the second boxes; only the boxes are filled in
    :param order: [B] pair numbers, leaf by leaf
    """

    node: Records
    second: Records
    order: NDArray[np.int32]


class Faces(NamedTuple):
    """A prepared scene's G pieces on Q planes of C classes; places are shifted.

    :param piece: [G] of PIECE, those of one object before those of the next
    :param corner: of CORNER, piece by piece, round the plane's normal
    :param mirror: [Q] of MIRROR
    :param first: [C + 1] where each class begins in ``member``
    :param member: [G] pieces of each class, ascending
    :param tree: over the pieces
    :param convex: [K] whether an object is a convex body
    :param side: [K + 1] where each object's planes begin
    """

    piece: Records
    corner: Records
    mirror: Records
    first: NDArray[np.int32]
    member: NDArray[np.int32]
    tree: BoxTree
    convex: NDArray[np.bool_]
    side: NDArray[np.int32]


class Pieces(NamedTuple):
    """G convex pieces with V corners at most, those of one object before those of the next.

    :param corner: [G, V, 3] corners [m], round the normal of the plane
    :param corners: [G] how many each piece has
    :param edge: [G, V, 4] half spaces n · x >= o that bound it, through its edges and upright on it
    :param plane: [G] plane that it lies in
    """

    corner: NDArray[np.float64]
    corners: NDArray[np.int32]
    edge: NDArray[np.float64]
    plane: NDArray[np.int32]
