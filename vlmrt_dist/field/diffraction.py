"""Diffraction coefficients of edges, by the uniform theory, apart from the faces' coefficients.

R. G. Kouyoumjian and P. H. Pathak, "A uniform geometrical theory of diffraction for an edge in a
perfectly conducting surface", Proc. IEEE 62 (1974), and Recommendation ITU-R P.526-15, section
4.3.2.2, with the terms D_1 to D_4 joined to the faces as Sionna RT does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import modfresnelm

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.paths import EdgeRows

_AT_BOUNDARY = 1e-8
"""Sine below which a shadow or reflection boundary's limit stands for its quotient."""


class EdgeWeights(NamedTuple):
    """Factors of both faces' reflection matrices, with the spreading behind an edge.

    :param near: [P] complex
    :param far: [P] complex
    """

    near: NDArray[np.complex128]
    far: NDArray[np.complex128]


def edge_weights(edges: EdgeRows, wavelength: float) -> EdgeWeights:
    """The weights of P diffracted rays, against a ray of their whole length, s + s'.

    :param wavelength: [m]
    """
    wavenumber, n = 2.0 * np.pi / wavelength, edges.exterior
    total = edges.before + edges.after
    kl = wavenumber * edges.before * edges.after / total * edges.sine**2
    less, more = edges.leaving - edges.incident, edges.leaving + edges.incident
    factor = -np.exp(-0.25j * np.pi) / (2.0 * n * np.sqrt(2.0 * np.pi * wavenumber) * edges.sine)
    factor = factor * np.sqrt(total / (edges.before * edges.after))
    d1, d2 = (_term(sign, less, n, kl) for sign in (1.0, -1.0))
    d3, d4 = (_term(sign, more, n, kl) for sign in (1.0, -1.0))
    return EdgeWeights(factor * (d1 - d4), factor * (d2 - d3))


def _term(sign: float, beta: FloatArray, n: FloatArray, kl: FloatArray) -> NDArray[np.complex128]:
    """cot((π ± β) / 2n) F(kL a(β)) with the transition function F, finite at the boundary where the
    cotangent has a pole: there it is ± n √(2π kL) e^{jπ/4}."""
    psi = (np.pi + sign * beta) / (2.0 * n)
    nearest = np.rint((beta + sign * np.pi) / (2.0 * np.pi * n))
    root = np.sqrt(2.0 * kl) * np.abs(np.cos(np.pi * n * nearest - 0.5 * beta))  # √(kL a)
    sine = np.sin(psi)
    limit = n * np.sqrt(2.0 * kl) * np.where(sine >= 0.0, 1.0, -1.0)
    at_pole = np.abs(sine) < _AT_BOUNDARY
    quotient = np.where(at_pole, limit, root / np.where(at_pole, 1.0, sine))
    transition: NDArray[np.complex128] = np.cos(psi) * quotient * _over_root(root)
    return transition


def _over_root(root: FloatArray) -> NDArray[np.complex128]:
    """F(x) / √x at √x: 2j exp(jx) ∫ exp(-jt²) dt from √x on."""
    integral: NDArray[np.complex128] = modfresnelm(root)[0]
    return 2j * np.exp(1j * root * root) * integral
