"""Penetration loss: what a wall takes from a wave that meets it head-on, from its slabs or layers.

The model of an object that has a penetration loss of its own is that of its slab, whose
coefficients of transmission are multiplied at all angles by one real factor; reflection stays that
of the material. The factor is stated as a loss beyond that of the slab,

    penetration loss = loss of the slab or layers at normal incidence + extra loss    [dB]

at the reference carrier; the extra loss is the same at every carrier.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.field.materials import SLAB, Materials, Parameter
from vlmrt_dist.field.walls import Walls, walls_of
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import SPEED_OF_LIGHT, VACUUM_PERMITTIVITY

DB_PER_NEPER = 20.0 / np.log(10.0)


class NormalLoss(NamedTuple):
    """Losses at normal incidence.

    :param value: [K] incident over transmitted power of each object [dB]
    :param by: for each parameter of a slab the sparse derivative [K, K + Λ] by its logarithm at the
        objects, and then at the layers [dB]
    """

    value: FloatArray
    by: dict[Parameter, sp.csr_matrix]


def normal_loss(materials: Materials, walls: Walls | None, frequency: float) -> NormalLoss:
    """Loss at normal incidence of each object's slab or layers, the extra loss left out.

    The recursion of :func:`vlmrt_dist.field.slabs.stack` for ln T, where TE and TM are the same.

    :param materials: of K objects
    :param walls: layers of the objects; None: each is one slab
    :param frequency: carrier that ``materials`` are given at [Hz]
    """
    objects = len(materials.thickness)
    slabs, stack = list(materials.slab), np.arange(objects)[:, None]
    if walls is not None and walls.stack is not None:
        layers = walls.layers if materials.layers is None else materials.layers
        slabs = [np.concatenate(pair) for pair in zip(slabs, layers, strict=True)]
        stack = walls.stack
    sigma, permittivity, thickness = slabs
    omega_eps = 2.0 * np.pi * frequency * VACUUM_PERMITTIVITY
    wavenumber = 2.0 * np.pi * frequency / SPEED_OF_LIGHT
    there = stack >= 0
    at = np.where(there, stack, 0)
    eta = np.where(there, (permittivity - 1j * sigma / omega_eps)[at], 1.0)
    thick = np.where(there, wavenumber * thickness[at], 0.0)
    log, by_eta, by_thick = _log_transmission(eta, thick)
    row, layer = np.nonzero(there)
    column = stack[row, layer]
    steps = {
        "conductivity": by_eta * (-1j * sigma / omega_eps)[at],
        "relative_permittivity": by_eta * permittivity[at],
        "thickness": by_thick * thick,
    }
    shape = (objects, len(thickness))
    by: dict[Parameter, sp.csr_matrix] = {}
    for name in SLAB:
        change = -DB_PER_NEPER * steps[name].real[row, layer]
        by[name] = sp.coo_matrix((change, (row, column)), shape).tocsr()
    return NormalLoss(-DB_PER_NEPER * log.real, by)


def penetration_loss(materials: Materials, walls: Walls | None, frequency: float) -> FloatArray:
    """[K] penetration loss of each object [dB]: that of its slab or layers, and the extra one.

    Parameters as of :func:`normal_loss`.
    """
    extra = materials.extra_loss_db
    if extra is None and walls is not None:
        extra = walls.extra_loss_db
    loss = normal_loss(materials, walls, frequency).value
    return loss if extra is None else loss + extra


def scene_loss(scene: SceneModel, frequency: float) -> FloatArray:
    """[K] penetration loss of a scene's objects at a carrier [Hz], as it states them [dB]."""
    own = Materials(
        scene.conductivity(frequency), scene.relative_permittivity(frequency), scene.thickness
    )
    return penetration_loss(own, walls_of(scene, frequency), frequency)


def conductivity_of_loss(
    loss_db: float, permittivity: float, thickness: float, frequency: float
) -> float | None:
    """The conductivity [S/m] at which a slab has a loss at normal incidence; None where there is
    none between 1e-6 and 1e6 S/m.

    :param loss_db: [dB]
    :param thickness: [m]
    :param frequency: [Hz]
    """

    def excess(log_sigma: float) -> float:
        sigma, epsilon, depth = np.array([[np.exp(log_sigma)], [permittivity], [thickness]])
        slab = Materials(sigma, epsilon, depth)
        return float(normal_loss(slab, None, frequency).value[0]) - loss_db

    low, high = np.log(1e-6), np.log(1e6)
    if not excess(low) <= 0.0 <= excess(high):
        return None
    return float(np.exp(scipy.optimize.brentq(excess, low, high)))


def _log_transmission(eta: FloatArray, thick: FloatArray) -> tuple[FloatArray, ...]:
    """ln T [K] of stacks [K, N] at normal incidence, and its derivatives [K, N] by η and by the
    thickness in radians."""
    u = np.sqrt(eta)
    square = np.exp(-2j * thick * u)
    count = u.shape[1]
    behind = np.ones((len(u), count + 1), complex)
    divisor = np.empty_like(u)
    for n in reversed(range(count)):
        y, e, last = u[:, n], square[:, n], behind[:, n + 1]
        divisor[:, n] = y * (1.0 + e) + last * (1.0 - e)
        behind[:, n] = y * (last * (1.0 + e) + y * (1.0 - e)) / divisor[:, n]
    log = np.log(2.0 / (1.0 + behind[:, 0])) + np.sum(np.log(2.0 * u / divisor) - 1j * thick * u, 1)
    by_eta, by_thick = np.empty_like(u), np.empty_like(u)
    by_seen = -1.0 / (1.0 + behind[:, 0])
    for n in range(count):
        y, e, last, d = u[:, n], square[:, n], behind[:, n + 1], divisor[:, n]
        four = 4.0 * e * y / d**2
        by_line = by_seen * (behind[:, n] / y - four * last) + last * (1.0 - e) / (y * d)
        by_square = by_seen * 2.0 * y * (last**2 - y**2) / d**2 - (y - last) / d
        by_q = -1j * (2.0 * e * by_square + 1.0)
        by_thick[:, n] = by_q * y
        by_eta[:, n] = (by_line + by_q * thick[:, n]) / (2.0 * y)
        by_seen = by_seen * four * y - (1.0 - e) / d
    return log, by_eta, by_thick
