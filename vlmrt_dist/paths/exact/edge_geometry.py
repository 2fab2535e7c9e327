"""Rays on the edges of wedges, as :class:`~vlmrt_dist.paths.edge_rows.EdgeRows` holds them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.paths.exact.wedges import IN_FRONT, Wedges


class Meeting(NamedTuple):
    """P rays on their edges.

    :param edge: [P, EDGE_COLUMNS] rows of the table
    :param normal: [P, 3] normal of the near face
    :param basis: [P, 3] first direction of the near face's basis
    :param leaving_basis: [P, 3] what that direction has become behind the edge
    """

    edge: FloatArray
    normal: FloatArray
    basis: FloatArray
    leaving_basis: FloatArray


def edge_rows(
    wedges: Wedges, which: IntArray, tx: FloatArray, rx: FloatArray, along: FloatArray
) -> Meeting:
    """The rows of P diffracted paths.

    :param which: [P] wedges
    :param tx: [P, 3] image of the transmitter that the edge sees [m]
    :param rx: [P, 3] that of the receiver [m]
    :param along: [P] where on the edge the path turns [m]
    """
    origin = wedges.origin[which]
    point = origin + along[:, None] * wedges.along[which]
    height = (wedges.normal[which] * (tx - origin)[:, None]).sum(-1)  # [P, 2]
    near = np.where(height[:, 0] > IN_FRONT, 0, 1)
    normal, far = wedges.normal[which, near], wedges.normal[which, 1 - near]
    tangent = wedges.tangent[which, near]
    edge = np.cross(tangent, normal)
    before, into = _size_and_unit(point - tx)
    after, out = _size_and_unit(rx - point)
    incident = _about(-into, tangent, normal)
    leaving = _about(out, tangent, normal)
    exterior = 2.0 - np.arccos(np.clip(-_dot(normal, far), -1.0, 1.0)) / np.pi
    bright = exterior * np.pi <= np.pi + incident
    phi_in = _size_and_unit(np.cross(into, edge))[1]
    phi_out = -_size_and_unit(np.cross(out, edge))[1]
    te_near, te_far = (_te(into, each, phi_in) for each in (normal, far))
    to_wedge = _to_wedge(into, normal, te_near, edge)
    from_far = np.where(bright, _to_wedge(into, far, te_far, edge), 0.0)
    turned = _angle(into, te_near, np.where(bright[:, None], te_far, phi_in))
    leaving_basis = np.cos(to_wedge)[:, None] * phi_out
    leaving_basis -= np.sin(to_wedge)[:, None] * np.cross(out, phi_out)
    columns = [
        before, after, incident, leaving, exterior, _size_and_unit(np.cross(into, edge))[0],
        np.abs(_dot(into, far)), turned, from_far - to_wedge, bright.astype(float),
    ]  # fmt: skip
    return Meeting(np.column_stack([point, *columns]), normal, te_near, leaving_basis)


def _to_wedge(into: FloatArray, normal: FloatArray, te: FloatArray, edge: FloatArray) -> FloatArray:
    """Angle [P] about the ray reflected by a face from its TE direction to the wedge's φ̂."""
    reflected = into - 2.0 * _dot(into, normal)[:, None] * normal
    return _angle(reflected, te, -_size_and_unit(np.cross(reflected, edge))[1])


def _te(travel: FloatArray, normal: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Unit vectors [P, 3] upright on the planes of incidence; at normal incidence ``otherwise``."""
    size, unit = _size_and_unit(np.cross(travel, normal))
    return np.where(size[:, None] > 1e-9, unit, otherwise)


def _about(ray: FloatArray, tangent: FloatArray, normal: FloatArray) -> FloatArray:
    """Angle [P] of rays that come from an edge, from the near face through the exterior [rad]."""
    return np.remainder(np.arctan2(_dot(ray, normal), _dot(ray, tangent)), 2.0 * np.pi)


def _angle(axis: FloatArray, begin: FloatArray, end: FloatArray) -> FloatArray:
    """Angle [P] from one direction to another about an axis upright on both [rad]."""
    return np.arctan2(_dot(np.cross(axis, begin), end), _dot(begin, end))


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return (a * b).sum(axis=1)


def _size_and_unit(vector: FloatArray) -> tuple[FloatArray, FloatArray]:
    size = np.sqrt(_dot(vector, vector))
    return size, np.divide(
        vector, size[:, None], out=np.zeros_like(vector), where=size[:, None] > 0.0
    )
