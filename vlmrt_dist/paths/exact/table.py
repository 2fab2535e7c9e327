"""From the rows of the exact search to a :class:`~vlmrt_dist.paths.path_table.PathTable`.

Lengths, angles and changes of basis follow from the planes alone, by the operations, in their
order, of :func:`~vlmrt_dist.paths.image_method.unfold`; a path has the same bits whichever search
found it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.campaign import MeasurementSetup
from vlmrt_dist.paths.exact.compiling import allocating, compiled
from vlmrt_dist.paths.exact.faces import PreparedScene
from vlmrt_dist.paths.exact.search import ExactPaths
from vlmrt_dist.paths.path_table import NONE, REFLECTION, PathTable

Antenna = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Unit vectors θ̂ [P, 3] and field (F_θ, F_φ) [P, 2] for directions [P, 3] seen from the antenna."""


def exact_table(
    scene: PreparedScene,
    setups: Sequence[MeasurementSetup],
    paths: ExactPaths,
    antenna_field: Antenna,
) -> PathTable:
    """The table of ``paths``, which were found in ``scene`` for ``setups``.

    :attr:`PathTable.seconds` are zero, for the caller to fill in.

    :raises NumericalError: if a path grazes a face, so that its geometry is not finite
    """
    count = max((setup.num_receivers for setup in setups), default=0)
    tx, rx = ends_of(scene, setups, paths)
    planes = scene.planes
    length, direction, cosine = _unfold(
        planes.normal, planes.offset, tx, rx, paths.kind, paths.plane
    )
    last = (paths.kind != NONE).sum(axis=1)
    theta_t, tx_field = antenna_field(np.ascontiguousarray(direction[:, 0]))
    theta_r, rx_field = antenna_field(-direction[:, -1])
    rotation = _rotations(planes.normal, direction, paths.plane, last, theta_t, theta_r)
    return PathTable(
        num_setups=len(setups),
        num_receivers=count,
        num_objects=len(scene.names),
        setup=paths.setup,
        receiver=paths.receiver,
        length=length,
        kind=paths.kind,
        object=paths.object,
        plane=paths.plane,
        cosine=cosine,
        rotation=rotation,
        tx_field=tx_field,
        # (θ̂, φ̂) is right-handed about the direction of travel at departure; at arrival the antenna
        # looks the other way, so φ̂ changes its sign.
        rx_field=rx_field * np.array([1.0, -1.0]),
        margin=paths.margin,
        complete_to=paths.complete_to,
        seconds=np.zeros(len(setups)),
        seconds_in_solver=np.zeros(len(setups)),
    )


def ends_of(
    scene: PreparedScene, setups: Sequence[MeasurementSetup], paths: ExactPaths
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transmitter and receiver [P, 3] of each path, shifted as ``scene`` is [m]."""
    first = np.cumsum([0, *(setup.num_receivers for setup in setups)])
    places = np.concatenate([np.zeros((0, 3)), *(setup.rx for setup in setups)]) - scene.shift
    rx = places[first[paths.setup] + paths.receiver]
    tx = (np.array([setup.tx for setup in setups]).reshape(-1, 3) - scene.shift)[paths.setup]
    return tx, rx


@allocating
def _unfold(
    normal: NDArray[np.float64],
    offset: NDArray[np.float64],
    tx: NDArray[np.float64],
    rx: NDArray[np.float64],
    kind: NDArray[np.uint8],
    plane: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lengths [P] [m], directions [P, W + 1, 3] before each interaction and of arrival, and cosines
    of incidence [P, W]."""
    paths, depth = kind.shape
    length, cosine = np.empty(paths), np.ones((paths, depth))
    direction = np.empty((paths, depth + 1, 3))
    image = np.empty((depth + 1, 3))
    for p in range(paths):
        image[0] = tx[p]
        for d in range(depth):
            n, twice = normal[plane[p, d]], 0.0
            if kind[p, d] == REFLECTION:
                twice = 2.0 * (_dot(n, image[d]) - offset[plane[p, d]])
            for c in range(3):
                image[d + 1, c] = image[d, c] - twice * n[c] if twice != 0.0 else image[d, c]
        x, y, z = rx[p, 0], rx[p, 1], rx[p, 2]
        for d in range(depth, -1, -1):
            sx, sy, sz = x - image[d, 0], y - image[d, 1], z - image[d, 2]
            size = np.sqrt(sx * sx + sy * sy + sz * sz)
            if d == depth:
                length[p] = size
            way = direction[p, d]
            way[0], way[1], way[2] = sx / size, sy / size, sz / size
            if d > 0 and kind[p, d - 1] == REFLECTION:
                n = normal[plane[p, d - 1]]
                distance = (offset[plane[p, d - 1]] - _dot(n, image[d])) / _dot(n, way)
                x = image[d, 0] + distance * way[0]
                y = image[d, 1] + distance * way[1]
                z = image[d, 2] + distance * way[2]
        for d in range(depth):
            if kind[p, d] != NONE:
                along = abs(_dot(normal[plane[p, d]], direction[p, d]))
                cosine[p, d] = min(along, 1.0)
    return length, direction, cosine


@compiled
def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@allocating
def _rotations(
    normal: NDArray[np.float64],
    direction: NDArray[np.float64],
    plane: NDArray[np.int32],
    last: NDArray[np.int64],
    theta_t: NDArray[np.float64],
    theta_r: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[P, W + 1, 2] cosine and sine of each change of basis; (1, 0) behind the last."""
    paths, depth = plane.shape
    rotation = np.zeros((paths, depth + 1, 2))
    basis, wanted, across = np.empty(3), np.empty(3), np.empty(3)
    for p in range(paths):
        basis[:] = theta_t[p]
        for d in range(depth + 1):
            rotation[p, d, 0] = 1.0
            if d > last[p]:
                continue
            if d == last[p]:
                wanted[:] = theta_r[p]
            else:
                _transverse(direction[p, d], normal[plane[p, d]], basis, wanted)
            _cross(direction[p, d], basis, across)
            rotation[p, d, 0], rotation[p, d, 1] = _dot(basis, wanted), _dot(across, wanted)
            basis[:] = wanted
    return rotation


@compiled
def _cross(a: NDArray[np.float64], b: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@compiled
def _transverse(
    travel: NDArray[np.float64],
    normal: NDArray[np.float64],
    basis: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Write the unit vector perpendicular to the plane of incidence.

    At normal incidence any transverse vector will do: the incoming basis is kept.
    """
    _cross(travel, normal, out)
    size = np.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2])
    for c in range(3):
        out[c] = out[c] / size if size > 1e-9 else basis[c]
