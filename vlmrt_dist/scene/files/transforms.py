"""Affine transforms [4,4] as Mitsuba's scene files spell them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray


def translation(offset: npt.ArrayLike) -> FloatArray:
    """Shift by ``offset`` [3] [m]."""
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    return matrix


def scaling(factors: npt.ArrayLike) -> FloatArray:
    """Scale by ``factors`` [3] along the axes."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(np.asarray(factors, dtype=np.float64))
    return matrix


def rotation(axis: npt.ArrayLike, angle: float) -> FloatArray:
    """Turn by ``angle`` [degrees] about ``axis`` [3] through the origin, right-handed.

    Rodrigues' formula, in which Mitsuba takes the axis as it is: one that is not of length 1 also
    deforms.

    :raises ValueError: if the axis has no direction
    """
    along = np.asarray(axis, dtype=np.float64)
    _unit(along)
    x, y, z = along
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.eye(4)
    matrix[:3, :3] = cos * np.eye(3) + sin * cross + (1.0 - cos) * np.outer(along, along)
    return matrix


def look_at(
    origin: npt.ArrayLike, target: npt.ArrayLike, up: npt.ArrayLike | None = None
) -> FloatArray:
    """Place at ``origin`` [3], local z towards ``target`` [3], local y as near to ``up`` as can be.

    :param up: None: any, the one that Mitsuba takes
    :raises ValueError: if target and origin coincide, or ``up`` points along the view
    """
    place = np.asarray(origin, dtype=np.float64)
    forward = _unit(np.asarray(target, dtype=np.float64) - place)
    if up is None:
        up = _any_perpendicular(forward)
    left = _unit(np.cross(np.asarray(up, dtype=np.float64), forward))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([left, np.cross(forward, left), forward], axis=1)
    matrix[:3, 3] = place
    return matrix


def _any_perpendicular(direction: FloatArray) -> FloatArray:
    """A unit vector [3] across a unit vector [3].

    Duff et al., Building an Orthonormal Basis, Revisited, JCGT 6(1), 2017; as in Mitsuba.
    """
    x, y, z = direction
    sign = np.copysign(1.0, z)
    a = -1.0 / (sign + z)
    return np.array([1.0 + sign * x * x * a, sign * x * y * a, -sign * x])


def apply(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Transform points [V,3] by an affine ``matrix`` [4,4]."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def _unit(vector: FloatArray) -> FloatArray:
    length = float(np.linalg.norm(vector))
    if not (np.isfinite(length) and length > 0):
        raise ValueError("a direction of length zero")
    return vector / length
