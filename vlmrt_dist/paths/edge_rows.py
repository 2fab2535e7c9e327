"""What a path table holds of the wedges that its paths are diffracted by.

The faces' coefficients and the rays' geometry enter the diffracted field apart (Sionna RT, after
M. Hashimoto et al.): with the reflection matrices of the near face, which the ray comes over, and
of the far face,

    D = (D_1 - D_4) R_near + (D_2 - D_3) R_far.

Each R acts in the TE and TM directions of its face at the ray's incidence, and its result is read
in the directions (φ̂, β̂) of the wedge: along the reflected ray they mean what they mean along the
diffracted one. So a diffraction turns the field into the near face's basis as a reflection does,
and from there into the far face's and back by one angle each, which are held here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray

EDGE_COLUMNS = 13
"""Numbers that an :attr:`PathTable.edge` row has."""


class EdgeRows(NamedTuple):
    """The columns of :attr:`PathTable.edge`; zeros where a path is not diffracted.

    :param point: [P, 3] point of diffraction, in the shifted coordinates of the search [m]
    :param before: [P] unfolded length s' from the transmitter to the point [m]
    :param after: [P] unfolded length s from the point to the receiver [m]
    :param incident: [P] angle φ' of the incident ray from the near face, about the edge [rad]
    :param leaving: [P] angle φ of the diffracted ray [rad]
    :param exterior: [P] n, exterior angle of the wedge over π, from 1 to 2
    :param sine: [P] sin β_0 of the angle between rays and edge
    :param cosine: [P] cosine of the angle of incidence on the far face
    :param turned: [P] angle from the near face's basis to the far face's [rad]
    :param back: [P] angle from the far face's basis to the near face's, behind the edge [rad]
    :param bright: [P] 1 where both faces are lit, so that the far face reflects; 0 where its
        coefficient is -1, which continues the field over the shadow boundary
    """

    point: FloatArray
    before: FloatArray
    after: FloatArray
    incident: FloatArray
    leaving: FloatArray
    exterior: FloatArray
    sine: FloatArray
    cosine: FloatArray
    turned: FloatArray
    back: FloatArray
    bright: FloatArray

    @staticmethod
    def of(edge: FloatArray) -> EdgeRows:
        """The columns of [P, :data:`EDGE_COLUMNS`]."""
        return EdgeRows(edge[:, :3], *edge[:, 3:].T)


def no_edges(count: int) -> FloatArray:
    """Rows of ``count`` paths that are not diffracted."""
    return np.zeros((count, EDGE_COLUMNS))
