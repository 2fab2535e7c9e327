"""Building a bounding-volume hierarchy over axis-parallel boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.records import NODE, BoxTree, PairTree, Records

LEAF_SIZE = 4
"""Most boxes in a leaf."""

MAX_STACK = 128
"""Pending nodes while the tree is built; two a level, and levels halve the boxes."""


@allocating
def build_tree(low: NDArray[np.float64], high: NDArray[np.float64], leaf_size: int) -> BoxTree:
    """The tree over the boxes from ``low`` to ``high`` [B, 3], split at the median of the longest
    side; equal inputs give equal trees."""
    pair = _build(low, high, leaf_size)
    return BoxTree(pair.node, pair.order)


@allocating
def build_pair_tree(low: NDArray[np.float64], high: NDArray[np.float64]) -> PairTree:
    """The tree over pairs of boxes from ``low`` to ``high`` [B, 6], the second in columns 3 to 5,
    split at the median of the longest of all sides."""
    return _build(low, high, LEAF_SIZE)


@allocating
def _build(low: NDArray[np.float64], high: NDArray[np.float64], leaf_size: int) -> PairTree:
    number = low.shape[0]
    order = np.arange(number).astype(np.int32)
    most = 4 * (number // max(1, leaf_size)) + 8
    node = np.zeros(most, NODE)
    second = np.zeros(most if low.shape[1] > 3 else 0, NODE)
    pending = np.zeros((MAX_STACK, 3), np.int64)  # begin, end, and the node to close or -1
    pending[0, 1] = number
    pending[0, 2] = -1
    depth, nodes = 1, 0
    while depth > 0:
        depth -= 1
        begin, end, closing = pending[depth]
        if closing >= 0:
            node[closing].skip = nodes
            continue
        here = nodes
        nodes += 1
        axis = _enclose(low, high, order[begin:end], node, second, here)
        if end - begin <= leaf_size:
            node[here].skip, node[here].first, node[here].count = nodes, begin, end - begin
            continue
        part = order[begin:end].copy()
        middle = np.empty(end - begin)
        for k in range(end - begin):
            middle[k] = low[part[k], axis] + high[part[k], axis]
        order[begin:end] = part[np.argsort(middle, kind="mergesort")]
        half = (begin + end) // 2
        pending[depth] = (0, 0, here)
        pending[depth + 1] = (half, end, -1)
        pending[depth + 2] = (begin, half, -1)
        depth += 3
    return PairTree(node[:nodes].copy(), second[:nodes].copy(), order)


@allocating
def _enclose(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    members: NDArray[np.int32],
    node: Records,
    second: Records,
    here: int,
) -> int:
    """Write the boxes around ``members``; return the axis along which their centres spread most."""
    axis, spread = 0, -1.0
    middle, half = np.zeros(low.shape[1]), np.zeros(low.shape[1])
    for c in range(low.shape[1]):
        a, b, first, last = np.inf, -np.inf, np.inf, -np.inf
        for k in members:
            a, b = min(a, low[k, c]), max(b, high[k, c])
            twice = low[k, c] + high[k, c]
            first, last = min(first, twice), max(last, twice)
        middle[c], half[c] = 0.5 * (a + b), 0.5 * (b - a)
        if last - first > spread:
            axis, spread = c, last - first
    _write_box(node, here, middle[:3], half[:3])
    if low.shape[1] > 3:
        _write_box(second, here, middle[3:], half[3:])
    return axis


@compiled
def _write_box(
    node: Records, here: int, middle: NDArray[np.float64], half: NDArray[np.float64]
) -> None:
    node[here].x, node[here].y, node[here].z = middle[0], middle[1], middle[2]
    node[here].half_x, node[here].half_y, node[here].half_z = half[0], half[1], half[2]
