"""Diffuse scattering, traced once and replayed: powers of links by what surfaces scatter.

As in Sionna RT, of the wave that a surface reflects the share S² of the power is scattered, in all
directions of its side by a pattern f_s, with the share K_x of it in the other polarization. A path
that comes to a point by a chain of length L from a transmitter of power P, on a cell of area A,
under the angle θ_i, and is scattered to a receiver at the distance r, carries

    P (λ / 4π)² S² Γ² |X|² f_s A cos θ_i / (L² r²),

where Γ² is the share of the incident power that the surface would reflect and X the field of the
incident wave as the receiver's antenna takes it, see :func:`~vlmrt_dist.field.kernels.scatter`.
Phases are random, so powers add. The reflections on the way lose what they scatter: 1 - S² each.

S of the objects enters through one factor for each group of rows of a link that reflect at and are
scattered by the same objects; so the rows are summed to groups first, and what is differentiated
by S costs the groups. What depends on σ, ε_r and thickness changes with the angles of each row,
and is computed for each row, once for all receivers where these have one pattern for all
directions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import (
    Antennas,
    Campaign,
    FrequencyResponse,
    RadioConfig,
    ResponseMagnitude,
)
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field.kernels import Float, device, scatter
from vlmrt_dist.field.materials import SCATTERING, Materials, Parameter
from vlmrt_dist.field.mechanisms import Added
from vlmrt_dist.field.objective import Slopes
from vlmrt_dist.field.replay import OF_OBJECTS, Replay, split_rows, walks_of
from vlmrt_dist.field.walls import Walls
from vlmrt_dist.paths import (
    REFLECTION,
    PathTable,
    ScatteringRows,
    antennas_or_default,
    received_field,
    trace_scattering,
)
from vlmrt_dist.scene import SceneModel, scattering_density

_TINY = np.finfo(np.float64).tiny

ALIKE = 1e-12
"""Fields of receiving antennas that differ by less are one."""


class Scattering:
    """The mechanism of diffuse scattering for the links of a campaign.

    :param scene: of K objects
    :param campaign: M setups of N receivers
    :param radio: carrier, antennas, depth and number of points
    :param walls: layers and extra losses of the objects
    :raises UnsupportedByReplay: if devices have several ports, or there are frequency responses
    """

    def __init__(
        self, scene: SceneModel, campaign: Campaign, radio: RadioConfig, walls: Walls | None
    ) -> None:
        refuse_beside_scattering(campaign)
        self._own = scene.scattering_coefficient, scene.xpd_coefficient
        self._links = campaign.num_setups * campaign.num_receivers
        rows = trace_scattering(scene, campaign, radio)
        lanes, self._entries = _lanes_of(scene, campaign, radio, rows)
        self._length = lanes.length[self._entries.row] + self._entries.far
        self._replay = _Rows(lanes, radio.replace(combining="power"), walls)
        self._by_link = _Summed(self._replay, self._entries, self._entries.link, self._links)

    @property
    def num_rows(self) -> int:
        """Rows that each evaluation computes."""
        return self._replay.table.num_paths

    @property
    def num_groups(self) -> int:
        """Groups of rows of a link that share a factor of the scattering coefficients."""
        return len(self._by_link.groups.target)

    def added(self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool) -> Added:
        """See :meth:`~vlmrt_dist.field.mechanisms.Mechanism.added`."""
        return self._by_link.at(materials, wanted, self._own)

    def arriving(self, width: float) -> ScatteredArrivals:
        """Scattered power by the lengths of its paths.

        :param width: of the steps in which lengths are told apart [m]
        """
        entries, length = self._entries, self._length
        step = np.floor(length / width).astype(np.int64)
        most = int(step.max(initial=0)) + 1
        key, place = np.unique(entries.link * most + step, return_inverse=True)
        place = place.reshape(-1)
        # Means by what the entries carry apart from their coefficients.
        weight = entries.weight / self._replay.table.length[entries.row] ** 2
        total = np.bincount(place, weight, len(key))
        mean = np.bincount(place, weight * length, len(key)) / np.maximum(total, _TINY)
        summed = _Summed(self._replay, entries, place, len(key))
        return ScatteredArrivals(key // most, mean, summed, self._own)


class ScatteredArrivals(NamedTuple):
    """Scattered power that arrives at links with about one delay.

    :param link: [G]
    :param length: [G] mean length of its paths [m]
    """

    link: IntArray
    length: FloatArray
    summed: _Summed
    own: tuple[FloatArray, FloatArray]

    def at(self, materials: Materials, wanted: Sequence[Parameter]) -> Added:
        """Powers [G, S] and their derivatives, the arrivals in place of the links.

        :param materials: [S, K] each
        """
        return self.summed.at(materials, wanted, self.own)


class _Summed:
    """Sums of the rows' powers over targets: over links, or over parts of them.

    :param target: [E] of each entry
    :param num: how many there are
    """

    def __init__(self, rows: _Rows, entries: _Entries, target: IntArray, num: int) -> None:
        self._rows, self._entries = rows, entries._replace(link=target)
        self._num = num
        self.groups = _Groups.of(rows.table, self._entries, num)
        self._pairs: dict[bool, _Pairs] = {}

    def at(
        self,
        materials: Materials,
        wanted: Sequence[Parameter],
        stated: tuple[FloatArray, FloatArray],
    ) -> Added:
        """Powers of the targets with their derivatives.

        :param materials: [S, K] each
        :param stated: S and K_x of the objects [K] each where ``materials`` has none
        """
        count = max(np.shape(materials.conductivity)[0], 1)
        own = [
            np.broadcast_to(default if given is None else given, (count, len(default))).T
            for given, default in zip(
                (materials.scattering_coefficient, materials.xpd_coefficient), stated, strict=True
            )
        ]
        if self._rows.table.num_paths == 0:
            return Added(np.zeros((self._num, count)), {})
        groups = self.groups
        coefficient, xpd = own
        slabs = tuple(name for name in wanted if name not in SCATTERING)
        power, crossed, by = self._rows.powers(materials, xpd.T, slabs)
        factor = groups.factor(coefficient)
        sums = groups.sum @ power
        total = np.asarray(groups.of_target @ (sums * factor[groups.kind]))
        slopes = {name: self._slopes(name, rows, factor) for name, rows in by.items()}
        if "scattering_coefficient" in wanted:
            slopes["scattering_coefficient"] = groups.by_coefficient(sums, coefficient)
        if "xpd_coefficient" in wanted:
            value = (groups.sum @ crossed) * factor[groups.kind]
            root = 2.0 * np.sqrt(xpd * (1.0 - xpd))[groups.scatters[groups.kind]]
            value = np.divide(value, root, out=np.zeros_like(value), where=root > 0.0)
            scatters = groups.scatters[groups.kind]
            slopes["xpd_coefficient"] = Slopes(groups.target, scatters, value)
        return Added(total, slopes)

    def _slopes(self, name: Parameter, rows: FloatArray, factor: FloatArray) -> Slopes:
        """Derivatives of the targets' powers from those of the rows [D · R, S]."""
        of_objects = name in OF_OBJECTS
        if of_objects not in self._pairs:
            self._pairs[of_objects] = _Pairs.of(self._rows, self._entries, of_objects)
        pairs, count = self._pairs[of_objects], factor.shape[1]
        weighed = rows.reshape(-1, self._rows.table.num_paths, count) * factor[self.groups.of_row]
        return Slopes(pairs.link, pairs.slab, pairs.sum @ weighed.reshape(-1, count))


class _Entries(NamedTuple):
    """Which links, or other targets, rows reach, and what they weigh there.

    :param link: [E]
    :param row: [E]
    :param weight: [E] f_s A cos θ_i / r² [1/sr]
    :param far: [E] distance r from the point to the receiver [m]
    """

    link: IntArray
    row: IntArray
    weight: FloatArray
    far: FloatArray


class _Rows(Replay):
    """Powers of rows whose last interaction scatters, apart from weights and coefficients S."""

    def powers(
        self, materials: Materials, xpd: FloatArray, wanted: Sequence[Parameter]
    ) -> tuple[FloatArray, FloatArray, dict[Parameter, FloatArray]]:
        """Powers [R, S]; their derivatives by the XPD coefficient, times 2 √(K_x (1 - K_x)); and
        for each parameter those at each interaction [D · R, S].

        :param xpd: [S, K]
        """
        by: dict[Parameter, FloatArray] = {}
        for group in tuple(walks_of(wanted)) or ((),):
            parts, begin = [], 0
            for part in self._parts(materials, group):
                end = begin + len(part.rows[0])
                parts.append(self._walked(part.rows, xpd[begin:end], group))
                begin = end
            columns = [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]
            if group:
                rows = np.concatenate(columns[2:])
                by |= split_rows(group, rows)
        return columns[0], columns[1], by

    def _walked(
        self, rows: list[FloatArray], xpd: FloatArray, wanted: tuple[Parameter, ...]
    ) -> list[FloatArray]:
        """Columns of :func:`~vlmrt_dist.field.kernels.scatter` [R, S]."""
        own = xpd[:, self._objects]
        split = device(Float, np.sqrt(1.0 - own)), device(Float, np.sqrt(own))
        shape = self.table.num_paths, len(own)
        return [v.numpy().reshape(shape) for v in scatter(*self._common(rows, wanted, None), split)]


class _Groups(NamedTuple):
    """Rows of a target that reflect at and are scattered by the same objects.

    :param of_row: [R] kind of each row: which objects it meets
    :param scatters: [kinds] object that scatters
    :param reflects: [kinds, K] reflections at each object
    :param target: [G] link, or other target, of each group
    :param kind: [G] kind of its rows
    :param sum: [G, R] weights
    :param of_target: [T, G] sums the groups of each target
    """

    of_row: IntArray
    scatters: IntArray
    reflects: sp.csr_matrix
    target: IntArray
    kind: IntArray
    sum: sp.csr_matrix
    of_target: sp.csr_matrix

    @staticmethod
    def of(table: PathTable, entries: _Entries, num: int) -> _Groups:
        met = np.where(table.kind == REFLECTION, table.object, -1)[:, :-1]
        signature = np.concatenate([np.sort(met, axis=1), table.object[:, -1:]], axis=1)
        kinds, of_row = np.unique(signature, axis=0, return_inverse=True)
        of_row = of_row.reshape(-1)
        at, depth = np.nonzero(kinds[:, :-1] >= 0)
        ones = np.ones(len(at))
        reflects = sp.csr_matrix((ones, (at, kinds[at, depth])), (len(kinds), table.num_objects))
        key = entries.link * len(kinds) + of_row[entries.row]
        group, place = np.unique(key, return_inverse=True)
        target, kind = np.divmod(group, max(len(kinds), 1))
        shape = len(group), table.num_paths
        total = sp.csr_matrix((entries.weight, (place.reshape(-1), entries.row)), shape)
        every = np.arange(len(group))
        added = sp.csr_matrix((np.ones(len(group)), (target, every)), (num, len(group)))
        scatters = kinds[:, -1].astype(np.int64)
        return _Groups(of_row, scatters, reflects, target, kind, total, added)

    def left(self, coefficient: FloatArray) -> FloatArray:
        """[kinds, S] share of the power that the reflections leave, of coefficients [K, S]."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(self.reflects @ np.log1p(-(coefficient**2))))

    def factor(self, coefficient: FloatArray) -> FloatArray:
        """[kinds, S] what the scattering coefficients multiply powers by."""
        return self.left(coefficient) * coefficient[self.scatters] ** 2

    def by_coefficient(self, sums: FloatArray, coefficient: FloatArray) -> Slopes:
        """Derivative of the targets' powers by S, from the groups' sums [G, S]."""
        left, own = self.left(coefficient), coefficient[self.scatters]
        scattered = sums * (2.0 * own * left)[self.kind]
        pairs = self.reflects.tocoo()
        slope = -2.0 * coefficient / np.maximum(1.0 - coefficient**2, np.finfo(float).tiny)
        by_pair = pairs.data[:, None] * slope[pairs.col] * (left * own**2)[pairs.row]
        order = np.argsort(pairs.row, kind="stable")
        begin = np.searchsorted(pairs.row[order], np.arange(len(own) + 1))
        size = np.diff(begin)[self.kind]
        group = np.repeat(np.arange(len(self.kind)), size)
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        pair = order[begin[self.kind[group]] + within]
        return Slopes(
            np.concatenate([self.target, self.target[group]]),
            np.concatenate([self.scatters[self.kind], pairs.col[pair].astype(np.int64)]),
            np.concatenate([scattered, sums[group] * by_pair[pair]]),
        )


class _Pairs(NamedTuple):
    """Pairs of a link and a slab, or an object, that one of its rows meets.

    :param link: [R'] of each pair
    :param slab: [R'] of each pair
    :param sum: [R', D · R] weights of the rows' derivatives
    """

    link: IntArray
    slab: IntArray
    sum: sp.csr_matrix

    @staticmethod
    def of(replay: _Rows, entries: _Entries, of_objects: bool) -> _Pairs:
        met = replay.met(of_objects)
        rows = replay.table.num_paths
        order = np.argsort(met.there % rows, kind="stable")
        begin = np.searchsorted((met.there % rows)[order], np.arange(rows + 1))
        size = np.diff(begin)[entries.row]
        entry = np.repeat(np.arange(len(size)), size)
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        column = order[begin[entries.row[entry]] + within]
        key = entries.link[entry] * met.num_slabs + met.slab[column]
        pair, place = np.unique(key, return_inverse=True)
        link, slab = np.divmod(pair, met.num_slabs)
        shape = len(pair), met.sum.shape[1]
        weight = entries.weight[entry]
        total = sp.csr_matrix((weight, (place.reshape(-1), met.there[column])), shape)
        return _Pairs(link, slab, total)


def refuse_beside_scattering(campaign: Campaign) -> None:
    """:raises UnsupportedByReplay: if links of a campaign have several pairs of ports, or it has
    frequency responses
    """
    for block in campaign.observables:
        if isinstance(block, (FrequencyResponse, ResponseMagnitude)):
            raise UnsupportedByReplay(
                f"{block.name} is not modelled together with diffuse scattering, whose phases are "
                "random; give levels, powers in delay bins, delays or delay spreads, or leave out "
                "diffuse_reflection"
            )
    if campaign.antennas is not None and campaign.antennas.pairs.max(initial=1) > 1:
        raise UnsupportedByReplay(
            "levels that are averages over ports are not modelled together with diffuse "
            "scattering; make each pair of ports a link of its own (with_antennas(..., "
            "split=True)), give devices one port, or leave out diffuse_reflection"
        )


def _received(antennas: Antennas, kind: IntArray, direction: FloatArray) -> NDArray[Any]:
    """Fields [E, 2] of receivers in directions [E, 3] seen from them.

    :param kind: [E] antenna of each
    """
    parts = [(np.flatnonzero(kind == k), antennas.kinds[k]) for k in np.unique(kind).tolist()]
    fields = [received_field(antenna, direction[own]) for own, antenna in parts]
    found = np.zeros((len(kind), 2), np.result_type(np.float64, *fields))
    for (own, _), field in zip(parts, fields, strict=True):
        found[own] = field
    return found


def _lanes_of(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, rows: ScatteringRows
) -> tuple[PathTable, _Entries]:
    """The rows to evaluate, and where they arrive: one for all receivers that take a field alike,
    or one for each."""
    table, patterns = rows.table, [item.scattering_pattern for item in scene.objects]
    row, column = np.nonzero(rows.seen)
    receiver = np.full((campaign.num_setups, campaign.num_receivers), -1)
    for m, there in enumerate(campaign.present):
        receiver[m, : there.sum()] = np.flatnonzero(there)
    setup = table.setup.astype(np.int64)[row]
    to = receiver[setup, column]
    way = campaign.rx[setup, to] - rows.position[row]
    far = np.linalg.norm(way, axis=1)
    way /= far[:, None]
    density = np.zeros(len(row))
    for pattern in set(patterns):
        own = np.array([each == pattern for each in patterns])[rows.object[row]]
        geometry = rows.direction[row][own], way[own], rows.normal[row][own]
        density[own] = scattering_density(pattern, *geometry)
    weight = density * (rows.area * table.cosine[:, -1])[row] / far**2
    antennas = antennas_or_default(campaign, radio)
    field = _received(antennas, antennas.rx[setup, to], -way)
    link = setup * campaign.num_receivers + to
    if len(field) == 0:
        return table, _Entries(link, row, weight, far)
    if np.abs(field - field[0]).max() < ALIKE:
        alike = np.tile(field[0], (table.num_paths, 1))
        return dataclasses.replace(table, rx_field=alike), _Entries(link, row, weight, far)
    lanes = dataclasses.replace(table.rows(row), rx_field=field)
    return lanes, _Entries(link, np.arange(len(row)), weight, far)
