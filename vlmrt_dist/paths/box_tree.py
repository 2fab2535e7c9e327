"""A bounding-volume hierarchy over axis-parallel boxes, as flat arrays in depth-first order.

A walk starts at node 0. Where a node's box is met it goes on with the next node; where it is
missed it jumps to ``skip``. Leaves list a few boxes; inner nodes list none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.compiling import compiled

LEAF_SIZE = 4
"""Most boxes in a leaf."""

MAX_STACK = 128
"""Pending nodes while the tree is built; two a level, and levels halve the boxes."""


class BoxTree(NamedTuple):
    """T nodes over B boxes.

    :param box: [T, 6] centre and half extent of each node's box [m]
    :param skip: [T] node to go on with where the box is missed
    :param first: [T] first entry of a leaf in ``order``
    :param count: [T] entries of a leaf; 0 for inner nodes
    :param order: [B] box numbers, leaf by leaf
    """

    box: NDArray[np.float64]
    skip: NDArray[np.int32]
    first: NDArray[np.int32]
    count: NDArray[np.int32]
    order: NDArray[np.int32]


@compiled
def build_tree(low: NDArray[np.float64], high: NDArray[np.float64], leaf_size: int) -> BoxTree:
    """The tree over the boxes from ``low`` to ``high`` [B, 3], split at the median of the longest
    side; equal inputs give equal trees."""
    number = low.shape[0]
    order = np.arange(number).astype(np.int32)
    most = 4 * (number // max(1, leaf_size)) + 8
    box = np.zeros((most, 6))
    skip = np.zeros(most, np.int32)
    first = np.zeros(most, np.int32)
    count = np.zeros(most, np.int32)
    pending = np.zeros((MAX_STACK, 3), np.int64)  # begin, end, and the node to close or -1
    pending[0, 1] = number
    pending[0, 2] = -1
    depth, nodes = 1, 0
    while depth > 0:
        depth -= 1
        begin, end, closing = pending[depth]
        if closing >= 0:
            skip[closing] = nodes
            continue
        node = nodes
        nodes += 1
        axis = _enclose(low, high, order[begin:end], box[node])
        if end - begin <= leaf_size:
            skip[node] = nodes
            first[node] = begin
            count[node] = end - begin
            continue
        part = order[begin:end].copy()
        middle = np.empty(end - begin)
        for k in range(end - begin):
            middle[k] = low[part[k], axis] + high[part[k], axis]
        order[begin:end] = part[np.argsort(middle, kind="mergesort")]
        half = (begin + end) // 2
        pending[depth] = (0, 0, node)
        pending[depth + 1] = (half, end, -1)
        pending[depth + 2] = (begin, half, -1)
        depth += 3
    return BoxTree(
        box[:nodes].copy(), skip[:nodes].copy(), first[:nodes].copy(), count[:nodes].copy(), order
    )


@compiled
def _enclose(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    members: NDArray[np.int32],
    box: NDArray[np.float64],
) -> int:
    """Write the box around ``members``; return the axis along which their centres spread most."""
    axis, spread = 0, -1.0
    for c in range(3):
        a, b, first, last = np.inf, -np.inf, np.inf, -np.inf
        for k in members:
            a, b = min(a, low[k, c]), max(b, high[k, c])
            middle = low[k, c] + high[k, c]
            first, last = min(first, middle), max(last, middle)
        box[c] = 0.5 * (a + b)
        box[3 + c] = 0.5 * (b - a)
        if last - first > spread:
            axis, spread = c, last - first
    return axis
