"""Which points of surfaces see which antennas, and which piece of a surface owns them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.paths.exact.compiling import allocating
from vlmrt_dist.paths.exact.crossings import crossings, is_owner
from vlmrt_dist.paths.exact.records import PASSED, Faces


@allocating
def sees(
    faces: Faces, points: NDArray[np.float64], targets: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """[P, N] whether nothing lies between points [P, 3] and targets [N, 3], shifted [m]."""
    found = np.zeros((points.shape[0], targets.shape[0]), np.bool_)
    passed, ends = np.empty(1, PASSED), np.empty((2, 3))
    for p in range(points.shape[0]):
        ends[0] = points[p]
        for n in range(targets.shape[0]):
            ends[1] = targets[n]
            found[p, n] = crossings(faces, ends, (-1, -1), 0, passed, 0) == 0
    return found


@allocating
def owned(faces: Faces, piece: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[P] whether each point [P, 3] belongs to its piece, and to no earlier one of its surface."""
    found = np.zeros(len(piece), np.bool_)
    for p in range(len(piece)):
        found[p] = is_owner(faces, piece[p], points[p, 0], points[p, 1], points[p, 2])
    return found
