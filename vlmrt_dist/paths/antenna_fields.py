"""Fields of the antennas of a campaign in the directions in which paths leave and arrive.

A turned antenna's field is that of the antenna in its own coordinates, as a vector,

    E(k) = R (F_θ θ̂ + F_φ φ̂)(Rᵀ k),

with the rotation R of its orientation (Sionna RT, "rotation matrix": yaw, pitch, roll), and an
element at d wavelengths from its device adds the phase 2π k · R d of a synthetic array. What the
path table holds are the components of E along the scene's own θ̂ and φ̂, those of a receiver
conjugated (the phase of its element aside), as Sionna has it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import (
    Antenna,
    AntennaPattern,
    Antennas,
    Campaign,
    PatternTable,
    RadioConfig,
    antennas_of,
    same_points,
)
from vlmrt_dist.paths.antenna_patterns import LocalField, angles_of, local_field
from vlmrt_dist.paths.path_table import PathTable, PortRows
from vlmrt_dist.paths.polylines import end_directions
from vlmrt_dist.paths.poses import Poses
from vlmrt_dist.scene import SceneModel

_ON_AXIS = 1e-12
"""Least sine of a zenith angle that an azimuth's derivative is divided by."""


NO_SLOPES = np.zeros((5, 0, 2))
"""Derivatives that nobody wants."""


class EndFields(NamedTuple):
    """Fields of the antennas at one end of P paths.

    :param value: [P, 2] components along θ̂ and, seen in the direction of travel, φ̂
    :param by_turn: [5, P, 2] derivative by yaw, pitch and roll, and by the direction in which the
        path leaves or comes, along its θ̂ and along its φ̂ [1/rad]
    """

    value: NDArray[Any]
    by_turn: NDArray[Any]


class _Port(NamedTuple):
    """Key of an antenna's field apart from direction and orientation.

    :param slant: of the polarization [rad]
    :param place: of the element [wavelengths]
    :param power_db: transmit power beyond the radio configuration's
    :param receiving: the antenna is that of a receiver
    """

    pattern: AntennaPattern | PatternTable
    slant: float
    place: tuple[float, ...]
    power_db: float
    receiving: bool


class _Group(NamedTuple):
    """Rows of equal ports, and the orientation of each [rows, 3] [rad]."""

    port: _Port
    rows: IntArray
    angles: FloatArray


@dataclasses.dataclass(eq=False)
class _End:
    """One end of the paths: directions seen from the device [P, 3], its antenna, port, setup and
    receiver (-1 for a transmitter) [P]."""

    direction: FloatArray
    kind: IntArray
    port: IntArray
    setup: IntArray
    receiver: IntArray
    groups: list[_Group] | None = None


class AntennaFields:
    """The antennas' fields for the rows of a path table, as functions of their orientations.

    :param scene: that ``table`` was traced in
    :param campaign: that it was traced for
    :param radio: antenna and transmit power of devices that state none
    :param table: with its ports, see :func:`with_antennas`
    """

    def __init__(
        self, scene: SceneModel, campaign: Campaign, radio: RadioConfig, table: PathTable
    ) -> None:
        self._antennas = antennas = antennas_or_default(campaign, radio)
        self._power_dbm = radio.tx_power_dbm
        leaving, arriving = end_directions(scene, campaign, table)
        setup, receiver = table.setup.astype(np.int64), table.receiver.astype(np.int64)
        pair = np.zeros(len(setup), np.int64) if table.ports is None else table.ports.pair
        of_tx, of_rx = antennas.tx[setup], antennas.rx[setup, receiver]
        several = np.array([len(kind.ports) for kind in antennas.kinds])
        nobody = np.full(len(setup), -1)
        self._tx = _End(leaving, of_tx, pair // several[of_rx], setup, nobody)
        self._rx = _End(-arriving, of_rx, pair % several[of_rx], setup, receiver)
        self._last_tx: tuple[FloatArray, EndFields] | None = None
        self._last_rx: tuple[FloatArray, EndFields] | None = None

    def towards(self, leaving: FloatArray, arriving: FloatArray) -> AntennaFields:
        """The same for other directions of travel [P, 3] at departure and arrival."""
        other = copy.copy(self)
        other._tx = dataclasses.replace(self._tx, direction=leaving)
        other._rx = dataclasses.replace(self._rx, direction=-arriving)
        other._last_tx = other._last_rx = None
        return other

    def tx(self, poses: Poses | None = None, *, slopes: bool = True) -> EndFields:
        """At departure, with the factor that a transmitter's own power puts on its amplitude.

        :param poses: changes of the orientations, with derivatives by them; None: none
        :param slopes: without ``poses``: whether derivatives are wanted, which are empty otherwise
        """
        end = self._tx
        if poses is None:
            return self._fields(end, None, slopes)
        turn = poses.tx_turn
        if self._last_tx is None or not np.array_equal(self._last_tx[0], turn):
            self._last_tx = turn.copy(), self._fields(end, turn[end.setup], True)
        return self._last_tx[1]

    def rx(self, poses: Poses | None = None, *, slopes: bool = True) -> EndFields:
        """At arrival; see :meth:`tx`."""
        end = self._rx
        if poses is None:
            return _arriving(self._fields(end, None, slopes))
        turn = poses.rx_turn
        if self._last_rx is None or not np.array_equal(self._last_rx[0], turn):
            change = turn[end.setup, end.receiver]
            self._last_rx = turn.copy(), _arriving(self._fields(end, change, True))
        return self._last_rx[1]

    def _fields(self, end: _End, change: FloatArray | None, slopes: bool) -> EndFields:
        if not slopes and change is None:
            parts = [(rows, self._stated(end, rows)) for rows in self._rows_of_ports(end)]
        else:
            parts = []
            for group in self._groups(end):
                angles = group.angles if change is None else group.angles + change[group.rows]
                direction = end.direction[group.rows]
                parts.append((group.rows, _turned(group.port, angles, direction, slopes)))
        count = len(end.kind)
        dtype = np.result_type(np.float64, *(p.value.dtype for _, p in parts))
        value = np.zeros((count, 2), dtype)
        by_turn = np.zeros((5, count if slopes else 0, 2), dtype)
        for rows, part in parts:
            value[rows] = part.value
            if slopes:
                by_turn[:, rows] = part.by_turn
        return EndFields(value, by_turn)

    def _stated(self, end: _End, rows: IntArray) -> EndFields:
        """Fields of one antenna's port, turned as the campaign states."""
        antenna = self._antennas.kinds[end.kind[rows[0]]]
        angles = np.array([antenna.orientation])
        return _turned(self._port(end, int(rows[0])), angles, end.direction[rows], False)

    def _port(self, end: _End, row: int) -> _Port:
        antenna = self._antennas.kinds[end.kind[row]]
        slant, place = antenna.of_port(antenna.ports[end.port[row]])
        power = 0.0 if antenna.power_dbm is None else antenna.power_dbm - self._power_dbm
        receiving = bool(end.receiver[row] >= 0)
        return _Port(antenna.pattern, slant, tuple(place.tolist()), power, receiving)

    def _rows_of_ports(self, end: _End) -> list[IntArray]:
        """The rows of each port of each antenna."""
        number = end.kind * (int(end.port.max(initial=0)) + 1) + end.port
        order = np.argsort(number, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []

    def _groups(self, end: _End) -> list[_Group]:
        """The rows of ports that differ in their orientation only."""
        if end.groups is None:
            members: dict[_Port, list[IntArray]] = {}
            for rows in self._rows_of_ports(end):
                members.setdefault(self._port(end, int(rows[0])), []).append(rows)
            turn = np.array([kind.orientation for kind in self._antennas.kinds])
            end.groups = [
                _Group(port, rows, turn[end.kind[rows]])
                for port, rows in ((p, np.concatenate(r)) for p, r in members.items())
            ]
        return end.groups


def _arriving(fields: EndFields) -> EndFields:
    """Fields seen in the direction of travel: (θ̂, φ̂) is right-handed about it at departure; at
    arrival the antenna looks the other way, so φ̂ changes its sign."""
    sign = np.array([1.0, -1.0])
    return EndFields(fields.value * sign, fields.by_turn * sign)


def transmitted_field(antenna: Antenna, direction: FloatArray, power_dbm: float) -> NDArray[Any]:
    """Field [P, 2] of a transmitter of one port in directions [P, 3] seen from it, with the factor
    that its own power puts on its amplitude.

    :param power_dbm: transmit power of devices that state none
    """
    own = antenna.power_dbm
    return _of_device(antenna, direction, 0.0 if own is None else own - power_dbm, False).value


def received_field(antenna: Antenna, direction: FloatArray) -> NDArray[Any]:
    """Field [P, 2] of a receiver of one port in directions [P, 3] seen from it, as a wave from
    there meets it: along θ̂ and, in the direction of travel, φ̂."""
    return _arriving(_of_device(antenna, direction, 0.0, True)).value


def _of_device(
    antenna: Antenna, direction: FloatArray, power_db: float, receiving: bool
) -> EndFields:
    [number] = antenna.ports
    slant, place = antenna.of_port(number)
    port = _Port(antenna.pattern, slant, tuple(place.tolist()), power_db, receiving)
    return _turned(port, np.array([antenna.orientation]), direction, False)


def antennas_or_default(campaign: Campaign, radio: RadioConfig) -> Antennas:
    """The campaign's antennas; where it states none, those of the radio configuration."""
    if campaign.antennas is not None:
        return campaign.antennas
    own = Antenna(radio.antenna_pattern, radio.polarization)
    return antennas_of(campaign.present, own, own)


def rotation_matrices(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations R_z(yaw) R_y(pitch) R_x(roll) [P, 3, 3], and their derivatives by each angle
    [3, P, 3, 3].

    :param angles: [P, 3] yaw, pitch, roll [rad]
    """
    about, change = [], []
    for axis, angle in zip((2, 1, 0), angles.T, strict=True):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix, slope = np.zeros((2, len(angle), 3, 3))
        matrix[:, axis, axis] = 1.0
        matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
        matrix[:, j, i], matrix[:, i, j] = np.sin(angle), -np.sin(angle)
        slope[:, i, i] = slope[:, j, j] = -np.sin(angle)
        slope[:, j, i], slope[:, i, j] = np.cos(angle), -np.cos(angle)
        about.append(matrix)
        change.append(slope)
    z, y, x = about
    slopes = np.stack([change[0] @ y @ x, z @ change[1] @ x, z @ y @ change[2]])
    return z @ y @ x, slopes


def _turned(port: _Port, angles: FloatArray, direction: FloatArray, slopes: bool) -> EndFields:
    """Fields of one port of an antenna in directions [P, 3] of the scene.

    :param angles: [P, 3] or [1, 3] orientation [rad]
    """
    found = _of_unit_power(port, angles, direction, slopes)
    if port.power_db == 0.0:
        return found
    factor = 10.0 ** (port.power_db / 20.0)
    return EndFields(found.value * factor, found.by_turn * factor)


def _of_unit_power(
    port: _Port, angles: FloatArray, direction: FloatArray, slopes: bool
) -> EndFields:
    slant, place = port.slant, np.array(port.place)
    if not slopes and not angles.any():
        own = local_field(port.pattern, slant, *angles_of(direction)).value
        own = np.conj(own) if port.receiving else own
        return _with_phase(own, NO_SLOPES, direction, place, np.eye(3)[None], None)
    matrix, change = rotation_matrices(angles)
    local = _rows_times(direction, matrix)  # Rᵀ k
    theta, phi = angles_of(local)
    field = local_field(port.pattern, slant, theta, phi)
    if port.receiving:
        field = LocalField(*map(np.conj, field))
    theta_hat, phi_hat, radial = _basis(theta, phi)
    seen = _basis(*angles_of(direction))[:2]
    vector = field.value[:, :1] * theta_hat + field.value[:, 1:] * phi_hat
    value = _along(seen, _times(matrix, vector))
    if not slopes:
        return _with_phase(value, NO_SLOPES, direction, place, matrix, None)
    # The frame (θ̂, φ̂) turns with the direction: ∂θ̂/∂θ = -r̂, ∂θ̂/∂φ = cos θ φ̂ and
    # ∂φ̂/∂φ = -(sin θ r̂ + cos θ θ̂).
    sine, cosine = np.sin(theta)[:, None], np.cos(theta)[:, None]
    f_theta, f_phi = field.value[:, :1], field.value[:, 1:]
    by_theta = field.by_theta[:, :1] * theta_hat + field.by_theta[:, 1:] * phi_hat
    by_theta = by_theta - f_theta * radial
    by_phi = field.by_phi[:, :1] * theta_hat + field.by_phi[:, 1:] * phi_hat
    by_phi = by_phi + f_theta * cosine * phi_hat - f_phi * (sine * radial + cosine * theta_hat)

    def along(step: FloatArray) -> NDArray[Any]:
        """Change of the field, in the scene, with the direction in the antenna's coordinates."""
        d_theta = (step * theta_hat).sum(axis=1, keepdims=True)
        d_phi = (step * phi_hat).sum(axis=1, keepdims=True) / np.maximum(sine, _ON_AXIS)
        return _times(matrix, by_theta * d_theta + by_phi * d_phi)

    found = [
        _along(seen, _times(each, vector) + along(_rows_times(direction, each))) for each in change
    ]
    found += [_along(seen, along(_rows_times(unit, matrix))) for unit in seen]
    # The scene's own frame turns with the direction, by cot θ an angle along φ̂.
    zenith = np.arccos(np.clip(direction[:, 2], -1.0, 1.0))
    cotangent = np.cos(zenith) / np.maximum(np.sin(zenith), _ON_AXIS)
    found[-1] = found[-1] + cotangent[:, None] * np.stack([value[:, 1], -value[:, 0]], axis=1)
    rates = [(direction * (each @ place)).sum(axis=1) for each in change]
    rates += [(unit * (matrix @ place)).sum(axis=1) for unit in seen]
    return _with_phase(value, np.stack(found), direction, place, matrix, rates)


def _with_phase(
    value: NDArray[Any],
    by_turn: NDArray[Any],
    direction: FloatArray,
    place: FloatArray,
    matrix: FloatArray,
    rates: Sequence[FloatArray] | None,
) -> EndFields:
    """Fields [P, 2] with the phase of an element at ``place`` [3] [wavelengths].

    :param rates: [P] change of that phase, in turns, with each that is differentiated by
    """
    if not place.any():
        return EndFields(value, by_turn)
    turns = (direction * (matrix @ place)).sum(axis=1)
    phase = np.exp(2j * np.pi * np.remainder(turns, 1.0))[:, None]
    if rates is None:
        return EndFields(value * phase, by_turn.astype(np.complex128))
    slopes = [
        (slope + 2j * np.pi * rate[:, None] * value) * phase
        for slope, rate in zip(by_turn, rates, strict=True)
    ]
    return EndFields(value * phase, np.stack(slopes))


def _basis(theta: FloatArray, phi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors θ̂, φ̂, r̂ [P, 3]."""
    sin_t, cos_t, sin_p, cos_p = np.sin(theta), np.cos(theta), np.sin(phi), np.cos(phi)
    return (
        np.column_stack([cos_t * cos_p, cos_t * sin_p, -sin_t]),
        np.column_stack([-sin_p, cos_p, np.zeros_like(sin_p)]),
        np.column_stack([sin_t * cos_p, sin_t * sin_p, cos_t]),
    )


def _times(matrix: FloatArray, vector: NDArray[Any]) -> NDArray[Any]:
    """[P, 3] matrices [P or 1, 3, 3] times vectors [P, 3], with one order of the sums."""
    m, v = matrix, vector[:, None, :]
    found: NDArray[Any] = m[:, :, 0] * v[..., 0] + m[:, :, 1] * v[..., 1] + m[:, :, 2] * v[..., 2]
    return found


def _rows_times(vector: FloatArray, matrix: FloatArray) -> FloatArray:
    """[P, 3] transposed matrices [P or 1, 3, 3] times vectors [P, 3]."""
    return _times(matrix.transpose(0, 2, 1), vector)


def _along(basis: Sequence[FloatArray], vector: NDArray[Any]) -> NDArray[Any]:
    """[P, 2] components of vectors [P, 3]."""
    return np.stack([(unit * vector).sum(axis=1) for unit in basis], axis=1)


def with_antennas(
    table: PathTable, link: IntArray, scene: SceneModel, campaign: Campaign, radio: RadioConfig
) -> PathTable:
    """The table of a campaign's links and ports from that of its geometry.

    :param table: paths of isotropic, vertically polarized antennas
    :param link: [M, N] link of ``table`` that each of the campaign's has the paths of, -1 for none
    :param campaign: M setups of N receivers
    """
    antennas = antennas_or_default(campaign, radio)
    own = np.array_equal(link[campaign.present], np.flatnonzero(campaign.present.ravel()))
    same = (table.num_setups, table.num_receivers) == link.shape
    if own and same and antennas.pairs.max() == 1:
        expanded = table
    else:
        expanded = _expanded(table, link, antennas, campaign.present)
    fields = AntennaFields(scene, campaign, radio, expanded)
    tx, rx = fields.tx(slopes=False).value, fields.rx(slopes=False).value
    return dataclasses.replace(expanded, tx_field=tx, rx_field=rx)


def _expanded(
    table: PathTable, link: IntArray, antennas: Antennas, present: BoolArray
) -> PathTable:
    """A row for each path of each pair of ports of each link."""
    order = np.argsort(table.link, kind="stable")
    begin = np.searchsorted(
        table.link[order], np.arange(table.num_setups * table.num_receivers + 1)
    )
    setup, receiver = np.nonzero(present)
    pairs = antennas.pairs[setup, receiver]
    repeated = np.repeat(np.arange(len(setup)), pairs)
    pair = np.arange(len(repeated)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    source = link[setup, receiver][repeated]
    size = begin[source + 1] - begin[source]
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    path = order[np.repeat(begin[source], size) + within]
    ports = PortRows(
        geometry=path,
        pair=np.repeat(pair, size),
        pairs=np.repeat(pairs[repeated], size),
        average=antennas.average,
    )
    of_setup = link.max(axis=1) // table.num_receivers
    rows = dataclasses.replace(table.rows(path), ports=ports)
    return dataclasses.replace(
        rows,
        num_setups=len(present),
        num_receivers=present.shape[1],
        setup=np.repeat(setup[repeated], size).astype(np.int32),
        receiver=np.repeat(receiver[repeated], size).astype(np.int32),
        complete_to=table.complete_to[of_setup],
        seconds=_shared(table.seconds, of_setup),
        seconds_in_solver=_shared(table.seconds_in_solver, of_setup),
    )


def _shared(seconds: FloatArray, of_setup: IntArray) -> FloatArray:
    """[M] time of tracing, that of one geometry divided among the setups that share it."""
    return seconds[of_setup] / np.bincount(of_setup, minlength=len(seconds))[of_setup]


def geometry_of(campaign: Campaign) -> tuple[Campaign, IntArray]:
    """A campaign in which every pair of positions of ``campaign`` stands once, and the link of it
    that each of the campaign's is [M, N], -1 for none.

    Setups of one transmitter position are one; a campaign without repeats stays as it is.
    """
    place = same_points(campaign.tx)
    setup, receiver = np.nonzero(campaign.present)
    points = same_points(campaign.rx[setup, receiver])
    key = place[setup] * (points.max() + 1) + points
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    link = np.full(campaign.present.shape, -1)
    if len(first) == len(key) and len(np.unique(place)) == len(place):
        link[setup, receiver] = setup * campaign.num_receivers + receiver
        return dataclasses.replace(campaign, antennas=None), link
    owner = place[setup[first]]  # the setup of the geometry that each different link is of
    order = np.lexsort([first, owner])
    count = np.bincount(owner, minlength=place.max() + 1)
    column = np.empty(len(first), np.int64)
    column[order] = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    rx = np.full((len(count), count.max(), 3), np.nan)
    rx[owner, column] = campaign.rx[setup[first], receiver[first]]
    tx = campaign.tx[np.unique(place, return_index=True)[1]]
    there = np.arange(count.max()) < count[:, None]
    link[setup, receiver] = (owner * count.max() + column)[group.reshape(-1)]
    return Campaign(tx, rx, present=there), link
