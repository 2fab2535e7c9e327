"""Paths whose ends move while the faces that they meet stay the same: geometry and derivatives.

Reflections unfold, so that a path is a straight line from the transmitter's image to the receiver.
With its direction k of arrival, its length L, and M the product of its mirrors,

    dL = k · (dr - M dt),    dk = (1 - k kᵀ) (dr - M dt) / L,

for moves dr of the receiver and dt of the transmitter; the directions before follow by mirroring
dk back. Cosines of incidence, changes of basis and the antennas' fields are functions of these
directions. The amplitude's derivative goes forwards through the path, with the slabs'
coefficients differentiated by the cosine of incidence.

This is NumPy in complex numbers, for slabs of one layer; the values themselves come from the kernel
of :mod:`~vlmrt_dist.field.replay`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.paths import (
    DIFFRACTION,
    NONE,
    NOT_PROVEN,
    REFLECTION,
    EndFields,
    PathTable,
    Poses,
    prepared_scene,
)
from vlmrt_dist.scene import SceneModel

NORMAL_INCIDENCE = 1e-9
"""Sine of the angle of incidence below which the basis in front is kept."""

ON_AXIS = 1e-12


class Bent(NamedTuple):
    """Geometry of P moved paths, and its derivatives by the moves of transmitter and receiver.

    :param table: the paths
    :param leaving: [P, 3] direction at departure
    :param arriving: [P, 3] direction of travel at arrival
    :param length: [P, 6] derivative of the length
    :param cosine: [P, D, 6] of the cosines of incidence
    :param angle: [P, D + 1, 6] of the changes of basis [rad/m]
    :param ends: [2, P, 2, 6] of the directions seen from the devices, along their θ̂ and φ̂ [rad/m]
    """

    table: PathTable
    leaving: FloatArray
    arriving: FloatArray
    length: FloatArray
    cosine: FloatArray
    angle: FloatArray
    ends: FloatArray


class MovingPaths:
    """The paths of a campaign whose devices move.

    :param scene: that ``table`` was traced in
    :param campaign: that it numbers
    :raises UnsupportedByReplay: if paths are diffracted, or were sampled
    """

    def __init__(self, scene: SceneModel, campaign: Campaign, table: PathTable) -> None:
        if table.certificate == NOT_PROVEN or (table.kind == DIFFRACTION).any():
            what = "diffraction" if table.certificate != NOT_PROVEN else "sampled paths"
            raise UnsupportedByReplay(
                f"unknown positions are not modelled together with {what}; leave out the one or "
                "the other"
            )
        prepared = prepared_scene(scene)
        self._planes, self._table = prepared.planes, table
        self._tx = campaign.tx[table.setup] - prepared.shift
        self._rx = campaign.rx[table.setup, table.receiver] - prepared.shift
        kind, plane = table.kind, np.where(table.kind == NONE, 0, table.plane)
        self._normal = prepared.planes.normal[plane]
        self._offset = prepared.planes.offset[plane]
        self._mirrors, self._meets = kind == REFLECTION, kind != NONE
        self._last = self._meets.sum(axis=1)

    def at(self, poses: Poses) -> Bent:
        """The paths once devices have moved."""
        assert poses.tx_move is not None
        assert poses.rx_move is not None
        tx = self._tx + poses.tx_move[self._table.setup]
        rx = self._rx + poses.rx_move[self._table.setup, self._table.receiver]
        length, direction, by_length, change = self._unfolded(tx, rx)
        along = np.einsum("pdi,pdi->pd", self._normal, direction[:, :-1])
        cosine = np.where(self._meets, np.minimum(np.abs(along), 1.0), 1.0)
        d_cosine = np.einsum("pdi,pdix->pdx", self._normal, change[:, :-1])
        d_cosine *= (np.sign(along) * self._meets)[..., None]
        rotation, angle = self._rotations(direction, change)
        table = dataclasses.replace(self._table, length=length, cosine=cosine, rotation=rotation)
        ends = np.stack([
            _along(direction[:, 0], change[:, 0]), _along(-direction[:, -1], -change[:, -1])
        ])  # fmt: skip
        return Bent(table, direction[:, 0], direction[:, -1], by_length, d_cosine, angle, ends)

    def _unfolded(
        self, tx: FloatArray, rx: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Length [P], directions [P, D + 1, 3], and their derivatives [P, 6], [P, D + 1, 3, 6]."""
        paths, depth = self._mirrors.shape
        image, mirror = tx.copy(), np.broadcast_to(np.eye(3), (paths, 3, 3)).copy()
        for d in range(depth):
            n, there = self._normal[:, d], self._mirrors[:, d]
            height = np.where(there, (n * image).sum(axis=1) - self._offset[:, d], 0.0)
            image -= 2.0 * height[:, None] * n
            mirror -= 2.0 * there[:, None, None] * n[:, :, None] * (n[:, None, :] @ mirror)
        way = rx - image
        length = np.linalg.norm(way, axis=1)
        k = way / length[:, None]
        shift = np.concatenate([-mirror, np.broadcast_to(np.eye(3), (paths, 3, 3))], axis=2)
        by_length = np.einsum("pi,pix->px", k, shift)
        direction, change = np.empty((paths, depth + 1, 3)), np.empty((paths, depth + 1, 3, 6))
        direction[:, depth] = k
        change[:, depth] = (shift - k[:, :, None] * by_length[:, None]) / length[:, None, None]
        for d in range(depth - 1, -1, -1):
            n, twice = self._normal[:, d], 2.0 * self._mirrors[:, d]
            k, dk = direction[:, d + 1], change[:, d + 1]
            direction[:, d] = k - (twice * (n * k).sum(axis=1))[:, None] * n
            back = twice[:, None] * np.einsum("pi,pix->px", n, dk)
            change[:, d] = dk - n[:, :, None] * back[:, None]
        return length, direction, by_length, change

    def _rotations(
        self, direction: FloatArray, change: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Changes of basis [P, D + 1, 2], and derivatives of their angles [P, D + 1, 6]."""
        paths, depth = self._mirrors.shape
        rotation = np.zeros((paths, depth + 1, 2))
        rotation[..., 0] = 1.0
        angle = np.zeros((paths, depth + 1, 6))
        basis, d_basis = _theta_hat(direction[:, 0], change[:, 0])
        at_end = _theta_hat(-direction[:, -1], -change[:, -1])
        for d in range(depth + 1):
            k, dk = direction[:, d], change[:, d]
            wanted, d_wanted = at_end
            if d < depth:
                met = (d < self._last)[:, None]
                own, d_own = _transverse(k, dk, self._normal[:, d], (basis, d_basis))
                wanted = np.where(met, own, wanted)
                d_wanted = np.where(met[..., None], d_own, d_wanted)
            across = np.cross(k, basis)
            d_across = _crossed(dk, basis) + _crossed(k, d_basis)
            cos, sin = (basis * wanted).sum(axis=1), (across * wanted).sum(axis=1)
            d_cos = _dots(d_basis, wanted) + _dots(d_wanted, basis)
            d_sin = _dots(d_across, wanted) + _dots(d_wanted, across)
            there = d <= self._last
            rotation[:, d] = np.where(there[:, None], np.column_stack([cos, sin]), rotation[:, d])
            turned = cos[:, None] * d_sin - sin[:, None] * d_cos
            angle[:, d] = np.where(there[:, None], turned, 0.0)
            basis, d_basis = wanted, d_wanted
        return rotation, angle


def amplitudes_by_moves(
    bent: Bent,
    fields: tuple[EndFields, EndFields],
    slabs: tuple[NDArray[Any], FloatArray],
    wavenumber: float,
) -> NDArray[np.complex128]:
    """[P, 6] derivatives of the paths' amplitudes by the moves, but for the phase of their length,
    which is multiplied afterwards and whose own derivative is in them.

    :param fields: of the antennas at both ends, the transmitter's with the amplitude by length
    :param slabs: η and 2π · thickness / λ of each interaction [P, D]
    :param wavenumber: 2π / λ
    """
    table, (tx, rx) = bent.table, fields
    field = tx.value.astype(np.complex128)
    change = np.einsum("ipc,pix->pcx", tx.by_turn[3:], bent.ends[0]).astype(np.complex128)
    for d in range(table.max_depth + 1):
        field, change = _turned(field, change, table.rotation[:, d], bent.angle[:, d])
        if d == table.max_depth:
            break
        kind, cos = table.kind[:, d], table.cosine[:, d]
        value, slope = _slab(cos, slabs[0][:, d], slabs[1][:, d], kind == REFLECTION)
        there = (kind != NONE)[:, None]
        value, slope = np.where(there, value, 1.0), np.where(there, slope, 0.0)
        moved = (slope * field)[..., None] * bent.cosine[:, d, None, :]
        change = value[..., None] * change + moved
        field = value * field
    by_rx = np.einsum("ipc,pix->pcx", rx.by_turn[3:], bent.ends[1])
    amplitude = (field * rx.value).sum(axis=1)
    found = np.einsum("pcx,pc->px", change, rx.value) + np.einsum("pcx,pc->px", by_rx, field)
    spreading = (1.0 / table.length + 1j * wavenumber)[:, None] * bent.length
    return np.asarray(found - amplitude[:, None] * spreading)


def _turned(
    field: NDArray[Any], change: NDArray[Any], rotation: FloatArray, angle: FloatArray
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A field [P, 2] and its changes [P, 2, 6] after a change of basis whose angle changes."""
    cos, sin = rotation[:, 0, None], rotation[:, 1, None]
    found = np.concatenate([field[:, :1] * cos + field[:, 1:] * sin,
                            field[:, 1:] * cos - field[:, :1] * sin], axis=1)  # fmt: skip
    first, second = change[:, 0], change[:, 1]
    moved = np.stack([first * cos + second * sin, second * cos - first * sin], axis=1)
    moved[:, 0] += found[:, 1:] * angle
    moved[:, 1] -= found[:, :1] * angle
    return found, moved


def _slab(
    cos: FloatArray, eta: NDArray[Any], thickness: FloatArray, reflects: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coefficients [P, 2] (TE, TM) of a slab and their derivatives by the cosine of incidence;
    Recommendation ITU-R P.2040-4, equations (37), (43), (44), as in
    :func:`~vlmrt_dist.field.slabs.slab`."""
    u = np.sqrt(eta - (1.0 - cos * cos))
    du = cos / u
    exp_q = np.exp(-1j * thickness * u)
    d_exp = -1j * thickness * du * exp_q
    exp_2q, d_exp_2q = exp_q * exp_q, 2.0 * exp_q * d_exp
    more = u - cos * du
    interface = [(cos - u) / (cos + u), (eta * cos - u) / (eta * cos + u)]
    slopes = [2.0 * more / (cos + u) ** 2, 2.0 * eta * more / (eta * cos + u) ** 2]
    values, changes = [], []
    for r, dr in zip(interface, slopes, strict=True):
        square, scale = r * r, 1.0 / (1.0 - r * r * exp_2q)
        d_scale = scale * (2.0 * r * dr * exp_2q + square * d_exp_2q)
        value = np.where(reflects, r * (1.0 - exp_2q), (1.0 - square) * exp_q) * scale
        change = np.where(reflects, dr * (1.0 - exp_2q) - r * d_exp_2q,
                          (1.0 - square) * d_exp - 2.0 * r * dr * exp_q)  # fmt: skip
        values.append(value)
        changes.append(change * scale + value * d_scale)
    return np.stack(values, axis=1), np.stack(changes, axis=1)


def _theta_hat(k: FloatArray, dk: FloatArray) -> tuple[FloatArray, FloatArray]:
    """θ̂ [P, 3] of directions [P, 3], and its derivatives [P, 3, 6]."""
    theta, phi = _hats(k)
    along = _along(k, dk)
    sine = np.maximum(np.hypot(k[:, 0], k[:, 1]), ON_AXIS)
    turn = (k[:, 2] / sine)[:, None] * along[:, 1]
    return theta, -k[:, :, None] * along[:, None, 0] + phi[:, :, None] * turn[:, None]


def _hats(k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """θ̂ and φ̂ [P, 3] of directions [P, 3]."""
    azimuth = np.arctan2(k[:, 1], k[:, 0])
    cos, sin, flat = np.cos(azimuth), np.sin(azimuth), np.hypot(k[:, 0], k[:, 1])
    theta = np.column_stack([k[:, 2] * cos, k[:, 2] * sin, -flat])
    return theta, np.column_stack([-sin, cos, np.zeros_like(cos)])


def _along(k: FloatArray, dk: FloatArray) -> FloatArray:
    """[P, 2, 6] changes of directions [P, 3, 6] along their θ̂ and φ̂."""
    return np.stack([_dots(dk, hat) for hat in _hats(k)], axis=1)


def _dots(change: FloatArray, vector: FloatArray) -> FloatArray:
    """[P, 6] products of changes [P, 3, 6] with vectors [P, 3]."""
    return np.einsum("pix,pi->px", change, vector)


def _crossed(one: FloatArray, other: FloatArray) -> FloatArray:
    """[P, 3, 6] vector products of which one factor is [P, 3] and one [P, 3, 6]."""
    if one.ndim == 2:
        return np.cross(one[:, :, None], other, axis=1)
    return np.cross(one, other[:, :, None], axis=1)


def _transverse(
    k: FloatArray, dk: FloatArray, normal: FloatArray, before: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """The unit vector perpendicular to the plane of incidence and its derivatives; at normal
    incidence those of the basis before."""
    cross, d_cross = np.cross(k, normal), _crossed(dk, normal)
    size = np.linalg.norm(cross, axis=1)
    some = size > NORMAL_INCIDENCE
    safe = np.where(some, size, 1.0)[:, None]
    own = cross / safe
    d_own = (d_cross - own[:, :, None] * _dots(d_cross, own)[:, None]) / safe[..., None]
    return (
        np.where(some[:, None], own, before[0]),
        np.where(some[:, None, None], d_own, before[1]),
    )
