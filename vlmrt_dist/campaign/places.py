"""Positions that stand several times in a campaign."""

from __future__ import annotations

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray


def same_points(points: FloatArray) -> IntArray:
    """[n] number of each position [n, 3], equal for equal ones, in order of first appearance."""
    _, first, group = np.unique(points + 0.0, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[group.reshape(-1)])
