"""Replay: received powers and their derivatives from stored paths, in float64 with Dr.Jit.

One kernel walks all paths of all parameter vectors side by side. A path's amplitude is

    a = λ / (4π L) · F_rxᵀ R_D C_D R_{D-1} ... C_1 R_0 F_tx

with the changes of basis R of the :class:`~vlmrt_dist.paths.path_table.PathTable` and, at each
interaction, the diagonal C of the slab's TE and TM coefficients, Recommendation ITU-R P.2040-4
equations (43) and (44). These are holomorphic functions of the complex relative permittivity
η = ε_r - jσ/(ωε_0) and of the thickness, so one complex derivative a path and interaction holds
the derivatives for σ, ε_r and thickness; it is written out, not taped. Where objects have layers or
an extra loss (:class:`~vlmrt_dist.field.walls.Walls`) the coefficients are those of the stack, and
there is one such derivative for each layer. Where several pairs of ports share a path, or antennas
turn, its 2×2 matrix is computed once, and every pair's amplitude from it
(:mod:`~vlmrt_dist.field.polarimetry`).

Kernels are elementwise and every sum over paths is done in path order, so the result has the same
bits for any number of threads, any number of parameter vectors and any sharding of the setups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.field.diffraction import edge_weights
from vlmrt_dist.field.kernels import (
    KINDS,
    NO_LAYER,
    ON_CUDA,
    Float,
    UInt,
    aligned,
    device,
    transfer,
    walk,
)
from vlmrt_dist.field.materials import SLAB, Materials, Parameter
from vlmrt_dist.field.objective import DB, Slopes
from vlmrt_dist.field.polarimetry import (
    Ends,
    PortAverages,
    columns_of,
    different_paths,
    matrices,
)
from vlmrt_dist.field.walls import Walls
from vlmrt_dist.paths import DIFFRACTION, NONE, EdgeRows, EndFields, PathTable
from vlmrt_dist.units import VACUUM_PERMITTIVITY

MAX_LANES = 1 << 18
"""Paths times parameter vectors that one kernel launch walks; bounds the memory of a batch."""

BY_ETA: frozenset[Parameter] = frozenset({"conductivity", "relative_permittivity"})
"""Parameters that levels depend on through η alone."""

NEPER = float(np.log(10.0) / 20.0)
"""Natural logarithm of an amplitude per decibel."""


class Derivative(NamedTuple):
    """Received powers of S parameter vectors over L = M · N links, and how paths change them.

    :param rss: [L, S] received power [W]
    :param by_path: [D · P, S] derivative of its link's received power with respect to the parameter
        of the object that path p meets at interaction d (row d · P + p), through that interaction
        alone [W/unit]. Where objects have layers, up to N each, [D · N · P, S] for each layer
        (row (d · N + n) · P + p), but for the extra loss
    """

    rss: FloatArray
    by_path: FloatArray


class PathValues(NamedTuple):
    """:param value: [P, S] power [W], or complex amplitude [√W], of each path
    :param by_path: for each parameter its derivative, row by row as of :class:`Derivative`
    """

    value: NDArray[Any]
    by_path: dict[Parameter, NDArray[Any]]


class Replay:
    """Received signal strengths of the paths in a table, as a function of the materials.

    :param table: the paths
    :param radio: carrier, transmit power and how paths combine; must be what the table was traced
        with
    :param walls: layers and extra losses of the objects; None: every object is one slab
    :param turning: :meth:`aim` is going to turn the antennas
    """

    def __init__(
        self,
        table: PathTable,
        radio: RadioConfig,
        walls: Walls | None = None,
        *,
        turning: bool = False,
    ) -> None:
        self.table = table
        self.radio = radio
        self.walls = walls
        self.num_links = table.num_setups * table.num_receivers
        self._path_link = table.link
        several = table.ports is not None and table.ports.pairs.max(initial=1) > 1
        self._averages = PortAverages(table) if several else None
        self._target, targets = self._path_link, self.num_links
        if self._averages is not None:
            self._target, targets = self._averages.of_path, self._averages.num_pairs
        paths = table.num_paths
        self._sum_links = sp.csr_matrix(
            (np.ones(paths), (self._target, np.arange(paths))), (targets, paths)
        )
        there = table.kind.T != NONE
        objects = table.num_objects
        self._by_object = _Rows.of(table, np.where(there, table.object.T, -1), objects)
        # The kernel numbers the objects that paths meet, so its inputs do not grow with K. They are
        # one at least where there is one: Dr.Jit has no empty arrays to gather from.
        met = np.unique(self._by_object.slab)
        self._objects = met if len(met) else np.arange(min(objects, 1))
        self._by_slab, self._slabs, self._stacked = self._by_object, self._objects, None
        if walls is not None and walls.stack is not None:
            stack = walls.stack[self._objects]
            self._slabs = np.unique(stack[stack >= 0])
            placed = np.where(stack >= 0, np.searchsorted(self._slabs, stack), NO_LAYER)
            self._stacked = device(UInt, placed), placed.shape[1]
            met_layers = walls.stack[table.object.T].transpose(0, 2, 1)  # [D, N, P]
            layered = np.where(there[:, None], met_layers, -1).reshape(-1, paths)
            self._by_slab = _Rows.of(table, layered, objects + walls.num_layers)
        # A ray of amplitude one at one metre carries (λ / 4π)² of the transmit power.
        self._scale = radio.wavelength / (4.0 * np.pi * table.length) * np.sqrt(radio.tx_power)
        turns = 2.0 * np.pi * table.length / radio.wavelength
        self._phase = np.exp(-1j * np.remainder(turns, 2.0 * np.pi))[:, None]
        self._load(turning)
        self._lanes: dict[int, _Lanes] = {}
        self._pairs_of: dict[bool, _Pairs] = {}
        self._sum_met: dict[int, tuple[IntArray, sp.csr_matrix]] = {}

    def _load(self, turning: bool) -> None:
        """The kernel's inputs: of each path, or of the different ones, of which all rows are."""
        table, first = self.table, slice(None)
        self._which: IntArray | None = None
        self._lane_paths = table.num_paths
        ends = [table.tx_field * self._scale[:, None], table.rx_field]
        self._ends = Ends(*ends)
        floats = [part for end in ends for column in end.T for part in _parts_of(column, ends)]
        different, which = different_paths(table)
        if turning or len(different) < table.num_paths:
            self._which, self._lane_paths, floats = which, len(different), []
            first = different  # type: ignore[assignment]
        rotation = table.rotation[first]
        floats += [*rotation[:, :, 0].T, *rotation[:, :, 1].T, *table.cosine[first].T]
        self._floats = [device(Float, x) for x in floats]
        kind, met = table.kind[first].T, table.object[first].T
        number = np.where(kind != NONE, np.searchsorted(self._objects, met), 0)
        self._encounters = [device(UInt, x) for x in number * KINDS + kind]
        self._edges = self._edges_of(first)

    def _edges_of(self, first: Any) -> list[Any] | None:
        """The kernel's inputs of wedges, for the rows ``first`` of the table."""
        table = self.table
        if table.edge is None or not (table.kind == DIFFRACTION).any():
            return None
        there = (table.kind[first] == DIFFRACTION).any(axis=1)
        rows, weights = EdgeRows.of(table.edge[first]), np.zeros((len(there), 2), complex)
        weights[there] = np.stack(
            edge_weights(EdgeRows.of(table.edge[first][there]), self.radio.wavelength), axis=1
        )
        columns = [part for each in weights.T for part in (each.real, each.imag)]
        for angle in (rows.turned, rows.back):
            columns += [np.cos(angle), np.sin(angle)]
        columns += [np.where(there, rows.cosine, 1.0), rows.bright]
        met = np.where(table.kind[first] == DIFFRACTION, table.object[first], 0).sum(axis=1)
        met = np.where(there, np.searchsorted(self._objects, met), 0)
        return [*(device(Float, x) for x in columns), device(UInt, met)]

    def aim(self, tx: EndFields, rx: EndFields) -> None:
        """Replace the fields of the antennas, of a replay whose antennas turn."""
        self._ends = Ends(tx.value * self._scale[:, None], rx.value)
        self._turned = tx.by_turn * self._scale[:, None], rx.by_turn

    def by_turn(self, materials: Materials) -> FloatArray:
        """[L, 6] derivatives of the levels of one parameter vector by the orientations that
        :meth:`aim` was given: yaw, pitch and roll of the transmitter, then of the receiver
        [dB/rad]; zero where no path arrives."""
        rows = self._rows(materials)
        assert self._which is not None  # a replay whose antennas do not turn has no matrices
        if self.table.num_paths == 0:
            return np.zeros((self.num_links, 6))
        coherent = self.radio.combining == "coherent"
        matrix = matrices(self._kernel(rows, (), coherent))[0]
        tx, rx = self._ends
        ends = [Ends(slope, rx) for slope in self._turned[0]]
        ends += [Ends(tx, slope) for slope in self._turned[1]]
        changes = [end.amplitude(matrix, self._which) for end in ends]
        value = self._ends.amplitude(matrix, self._which)
        rss, by_path = self._summed(columns_of(value, changes, coherent))
        power = rss[:, 0]
        per_link = np.divide(DB, power, out=np.zeros_like(power), where=power > 0.0)
        slopes = by_path.reshape(len(changes), -1)
        summed = [np.bincount(self._path_link, each, self.num_links) for each in slopes]
        return np.stack(summed, axis=1) * per_link[:, None]

    def rss(self, materials: Materials) -> FloatArray:
        """Received powers [S, M, N] in watts (zero where no path arrives)."""
        rss, _ = self.slopes(materials, ())
        return rss.T.reshape(-1, self.table.num_setups, self.table.num_receivers)

    def derivative(self, materials: Materials, unknown: Parameter = "conductivity") -> Derivative:
        """Received powers and their derivatives with respect to one parameter of each object.

        :raises ValueError: if materials are not those of K objects, or an extra loss is given or
            differentiated by without walls that have one
        """
        return self.derivatives(materials, (unknown,))[unknown]

    def derivatives(
        self, materials: Materials, wanted: Sequence[Parameter]
    ) -> dict[Parameter, Derivative]:
        """:meth:`derivative` for each of several parameters. Conductivity and permittivity are
        parts of one complex number, so paths are walked once for both."""
        found: dict[Parameter, Derivative] = {}
        for group in _walks(wanted):
            parts = [self._derivative(rows, group) for rows in self._parts(materials, group)]
            whole = parts[0]
            if len(parts) > 1:
                joined = (np.concatenate(p, axis=1) for p in zip(*parts, strict=True))
                whole = Derivative(*joined)
            each = np.split(whole.by_path, len(group))
            found |= {n: Derivative(whole.rss, rows) for n, rows in zip(group, each, strict=True)}
        return found

    def slopes(
        self, materials: Materials, wanted: Sequence[Parameter]
    ) -> tuple[FloatArray, dict[Parameter, Slopes]]:
        """Received powers [L, S] of S parameter vectors, and their derivatives [W/unit] by each of
        several parameters, summed over the paths of a link."""
        found: dict[Parameter, Slopes] = {}
        for group in _walks(wanted):
            pairs = [self._pairs(name) for name in group]
            powers, values = [], []
            for rows in self._parts(materials, group):
                rss, by_path = self._derivative(rows, group)
                powers.append(rss)
                each = np.split(by_path, len(group))
                values.append([p.sum @ part for p, part in zip(pairs, each, strict=True)])
            for name, p, parts in zip(group, pairs, zip(*values, strict=True), strict=True):
                found[name] = Slopes(p.link, p.slab, _beside(parts))
        if not wanted:
            powers = [self._derivative(rows, ()).rss for rows in self._parts(materials, ())]
        return _beside(powers), found

    def _parts(
        self, materials: Materials, wanted: tuple[Parameter, ...]
    ) -> Iterator[list[FloatArray]]:
        """The materials of so many parameter vectors at a time as one kernel launch may walk."""
        rows = self._rows(materials, "extra_loss_db" in wanted)
        step = max(1, MAX_LANES // max(self.table.num_paths, 1))
        for i in range(0, len(rows[0]), step):
            yield rows if len(rows[0]) <= step else [x[i : i + step] for x in rows]

    def by_path(
        self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool
    ) -> PathValues:
        """Powers or amplitudes of single paths and their derivatives.

        :param coherent: amplitudes at the carrier, with their phase; else powers
        """
        found: dict[Parameter, NDArray[Any]] = {}
        value: NDArray[Any] = np.zeros((0, 0))
        for group in tuple(_walks(wanted)) or ((),):
            every = [
                self._of_paths(rows, group, coherent) for rows in self._parts(materials, group)
            ]
            columns = [_beside(each) for each in zip(*every, strict=True)]
            value = columns[0]
            if group:
                rows = np.concatenate(columns[1:] or [value[:0]])
                found |= zip(group, np.split(rows, len(group)), strict=True)
        return PathValues(value, found)

    def _of_paths(
        self, rows: list[FloatArray], wanted: tuple[Parameter, ...], coherent: bool
    ) -> list[NDArray[Any]]:
        if self.table.num_paths == 0:
            return [np.zeros((0, len(rows[0])), np.complex128 if coherent else np.float64)]
        columns = self._columns(rows, wanted, coherent)
        if not coherent:
            return list(columns)
        pairs = zip(columns[::2], columns[1::2], strict=True)
        return [(real + 1j * imaginary) * self._phase for real, imaginary in pairs]

    def by_object(self, by_path: NDArray[Any], unknown: Parameter) -> NDArray[Any]:
        """Dense [S, P, K] derivatives of the paths' values by a parameter of the objects (behind
        them the layers, as of :meth:`jacobian`), from those at each interaction [D · P, S].

        :param unknown: parameter that they are by
        """
        of = self._by_object if unknown == "extra_loss_db" else self._by_slab
        paths, slabs = self.table.num_paths, of.num_slabs
        if id(of) not in self._sum_met:
            pair, row = np.unique(of.there % max(paths, 1) * slabs + of.slab, return_inverse=True)
            shape = len(pair), len(by_path)
            self._sum_met[id(of)] = (
                pair, sp.csr_matrix((np.ones(len(row)), (row, of.there)), shape)
            )  # fmt: skip
        pair, add = self._sum_met[id(of)]
        found = np.zeros((by_path.shape[1], paths * slabs), by_path.dtype)
        found[:, pair] = (add @ by_path).T
        return found.reshape(-1, paths, slabs)

    def gradient(
        self,
        derivative: Derivative,
        weight: FloatArray,
        scale: FloatArray | None = None,
    ) -> FloatArray:
        """Gradient per setup of Σ_links f(rss) from ``weight`` = df/drss.

        :param derivative: what :meth:`derivative` returned for S parameter vectors
        :param weight: [S, M, N] derivative of the objective by each received power [1/W]
        :param scale: [K] factor of each object's derivative; None: one
        :return: [S, M, K] gradient, one slice a setup
        """
        setups, objects, count = self.table.num_setups, self.table.num_objects, len(weight)
        rows, vectors = derivative.by_path.shape
        paths, of = self.table.num_paths, self._by_slab
        by_path = derivative.by_path.reshape(rows // max(paths, 1), paths, vectors)
        # One parameter vector may meet several weights.
        weighed = by_path * weight.reshape(count, -1).T[self._path_link]
        found = of.sum @ weighed.reshape(rows, count)
        if scale is not None:
            found *= scale[of.met % objects, None]
        # Nothing else of the M · K entries is touched: for large rooms they are most of the time.
        total = np.zeros((setups * objects, count))
        total[of.met] = found
        return total.reshape(setups, objects, count).transpose(2, 0, 1)

    def jacobian(
        self, derivative: Derivative, unknown: Parameter = "conductivity"
    ) -> sp.csr_matrix:
        """Sparse derivative of the received powers of one parameter vector [W/unit].

        :param unknown: what ``derivative`` was asked for
        :return: [M · N, K] for an extra loss, or where no object has layers; otherwise
            [M · N, K + Λ], the layers behind the objects
        """
        pairs = self._pairs(unknown)
        values = pairs.sum @ derivative.by_path[:, 0]
        return sp.csr_matrix(
            (values, pairs.slab, pairs.begin), (len(pairs.begin) - 1, pairs.num_slabs)
        )

    def _pairs(self, unknown: Parameter) -> _Pairs:
        """The pairs of links and objects, or of links and slabs, that a parameter changes."""
        of_objects = unknown == "extra_loss_db"
        if of_objects not in self._pairs_of:
            rows = self._by_object if of_objects else self._by_slab
            self._pairs_of[of_objects] = _Pairs.of(rows, self.num_links)
        return self._pairs_of[of_objects]

    def steps(self, materials: Materials, unknown: Parameter) -> FloatArray:
        """[S, K] or [S, K + Λ] columns' factors that turn a :meth:`jacobian` by a parameter into
        one by its logarithm: its values; of an extra loss [dB] ones."""
        if unknown == "extra_loss_db":
            return np.ones((1, self.table.num_objects))
        return self._rows(materials)[SLAB.index(unknown)]

    def _rows(self, materials: Materials, by_loss: bool = False) -> list[FloatArray]:
        """σ, ε_r and thickness of the slabs, [S, K] or [S, K + Λ] each; and, where there is one or
        it is differentiated by, the extra loss [S, K]."""
        objects = self.table.num_objects
        names, given = list(SLAB), list(materials.slab)
        loss = materials.extra_loss_db
        if loss is None and self.walls is not None:
            loss = self.walls.extra_loss_db
        if loss is not None or by_loss:
            names.append("extra_loss_db")
            given.append(np.zeros(objects) if loss is None else loss)
        arrays = [np.array(x, np.float64, ndmin=2, copy=None) for x in given]
        count = max(len(x) for x in arrays)
        for name, x in zip(names, arrays, strict=True):
            if x.shape not in ((1, objects), (count, objects)):
                raise ValueError(f"{name} has shape {x.shape}, expected ({count}, {objects})")
        rows = [x if len(x) == count else np.broadcast_to(x, (count, objects)) for x in arrays]
        if self.walls is None or self.walls.stack is None:
            return rows
        layers = self.walls.layers if materials.layers is None else materials.layers
        sizes = (count, self.walls.num_layers)
        for i, x in enumerate(layers):
            rows[i] = np.concatenate([rows[i], np.broadcast_to(x, sizes)], axis=1)
        return rows

    def _lanes_of(self, count: int) -> _Lanes:
        """The kernel's inputs that evaluations of ``count`` parameter vectors share."""
        if count not in self._lanes:
            path = slab_offset = object_offset = None
            if count > 1:
                every = np.arange(self._lane_paths, dtype=np.uint32)
                vector = np.arange(count, dtype=np.uint32)
                path = device(UInt, np.repeat(every, count))
                slab_offset, object_offset = (
                    device(UInt, np.tile(vector * n, len(every)))
                    for n in (len(self._slabs), len(self._objects))
                )
            sizes = (*(count * len(self._slabs),) * len(SLAB), count * len(self._objects))
            buffers = [aligned(Float, size) for size in sizes]
            self._lanes[count] = _Lanes(
                path, slab_offset, object_offset, buffers, [*map(Float, buffers)]
            )
        return self._lanes[count]

    def _derivative(self, rows: list[FloatArray], wanted: tuple[Parameter, ...]) -> Derivative:
        if self.table.num_paths == 0:
            count = len(rows[0])
            return Derivative(np.zeros((self.num_links, count)), np.zeros((0, count)))
        return self._summed(self._columns(rows, wanted, self.radio.combining == "coherent"))

    def _columns(
        self, rows: list[FloatArray], wanted: tuple[Parameter, ...], coherent: bool
    ) -> list[FloatArray]:
        """Columns of :func:`walk`, [P, S] each: power or amplitude, then derivatives."""
        columns = self._kernel(rows, wanted, coherent)
        if self._which is None:
            return columns
        amplitude, *changes = (self._ends.amplitude(m, self._which) for m in matrices(columns))
        return columns_of(amplitude, changes, coherent)

    def _kernel(
        self, rows: list[FloatArray], wanted: tuple[Parameter, ...], coherent: bool
    ) -> list[FloatArray]:
        """Columns [P, S] of :func:`walk`, or of :func:`transfer` for the different paths."""
        paths, depth = self._lane_paths, self.table.max_depth
        count = len(rows[0])
        sigma, permittivity, thickness = (x[:, self._slabs] for x in rows[: len(SLAB)])
        omega_eps = 2.0 * np.pi * self.radio.frequency * VACUUM_PERMITTIVITY
        wavenumber = 2.0 * np.pi / self.radio.wavelength
        # dη/dσ = -j/(ωε_0), dη/dε_r = 1; the kernel's thickness is in radians.
        factor = {
            "conductivity": -1j / omega_eps,
            "relative_permittivity": 1.0 + 0j,
            "thickness": wavenumber + 0j,
            "extra_loss_db": -NEPER + 0j,
        }
        lanes = self._lanes_of(count)
        given = [permittivity, sigma / omega_eps, thickness * wavenumber]
        given += [np.exp(-NEPER * loss[:, self._objects]) for loss in rows[len(SLAB) :]]
        common = (
            (lanes.path, lanes.slab_offset, lanes.object_offset),
            lanes.filled(given),
            self._floats,
            self._encounters,
            self._stacked,
            self._edges,
            depth,
            tuple((factor[name].real, factor[name].imag) for name in wanted),
            "eta" if set(wanted) <= BY_ETA else wanted[0],
        )
        if self._which is None:
            return [v.numpy().reshape(paths, count) for v in walk(*common, coherent)]
        # What does not depend on a path, as the depth zero has it, is one number.
        shape = (paths * count,)
        found = [np.broadcast_to(v.numpy(), shape) for v in transfer(*common)]
        return [v.reshape(paths, count) for v in found]

    def _summed(self, columns: list[FloatArray]) -> Derivative:
        """Powers of links from what the kernel gave for each path [P, S]."""
        found = self._of_targets(columns)
        if self._averages is None:
            return found
        return Derivative(*self._averages.folded(*found))

    def _of_targets(self, columns: list[FloatArray]) -> Derivative:
        """Powers of the links, or where they have several of the pairs of ports."""
        count, targets = columns[0].shape[1], self._sum_links.shape[0]
        if self.radio.combining == "power":
            by_path = np.concatenate(columns[1:]) if len(columns) > 1 else np.zeros((0, count))
            if count == 1:  # the same sum in the same order, without scipy's overhead
                power = columns[0][:, 0]
                rss = np.bincount(self._target, power, targets).astype(np.float64)
                return Derivative(rss[:, None], by_path)
            return Derivative(self._sum_links @ columns[0], by_path)
        amplitude = (columns[0] + 1j * columns[1]) * self._phase
        field = self._sum_links @ amplitude
        pointer = 2.0 * np.conj(field)[self._target] * self._phase
        parts = zip(columns[2::2], columns[3::2], strict=True)
        change = [(pointer * (real + 1j * imaginary)).real for real, imaginary in parts]
        by_path = np.concatenate(change or [np.zeros((0, count))])
        return Derivative(field.real**2 + field.imag**2, by_path)


def _parts_of(column: NDArray[Any], ends: list[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """The kernel's columns of one component of a field: complex ones if any component is."""
    if any(np.iscomplexobj(end) for end in ends):
        return column.real, column.imag
    return (column,)


class _Rows(NamedTuple):
    """Links and slabs that the rows of :attr:`Derivative.by_path` belong to.

    :param there: rows that belong to an interaction [R]
    :param link: [R] of each of them
    :param slab: [R] of each of them
    :param num_slabs: how many there are, objects first
    :param met: pairs of setup and object that meet, as setup · K + object: they grow with the
        paths, not with M · K
    :param sum: [met, all rows] sums what belongs to each pair
    """

    there: IntArray
    link: IntArray
    slab: IntArray
    num_slabs: int
    met: IntArray
    sum: sp.csr_matrix

    @staticmethod
    def of(table: PathTable, slab: IntArray, num_slabs: int) -> _Rows:
        """Rows of ``slab`` [R', P], the slab that each path meets there, -1 for none."""
        blocks, paths = slab.shape
        flat = slab.ravel()
        there = np.flatnonzero(flat >= 0)
        # Layers have no gradient: they are known where one is asked for.
        own = np.flatnonzero((flat >= 0) & (flat < table.num_objects))
        entry = np.tile(table.setup.astype(np.int64), blocks)[own] * table.num_objects
        met, row = np.unique(entry + flat[own], return_inverse=True)
        shape = (len(met), blocks * paths)
        total = sp.csr_matrix((np.ones(len(own)), (row, own)), shape)
        link = np.tile(table.link, blocks)[there]
        return _Rows(there, link, flat[there].astype(np.int64), num_slabs, met, total)


class _Pairs(NamedTuple):
    """Pairs of a link and a slab that one of its paths meets, in order.

    :param link: [R] of each pair
    :param slab: [R] of each pair
    :param begin: [L + 1] the first pair of each link, and how many there are
    :param num_slabs: K'
    :param sum: [R, rows of :attr:`Derivative.by_path`] sums what belongs to each pair
    """

    link: IntArray
    slab: IntArray
    begin: IntArray
    num_slabs: int
    sum: sp.csr_matrix

    @staticmethod
    def of(rows: _Rows, num_links: int) -> _Pairs:
        entry, row = np.unique(rows.link * rows.num_slabs + rows.slab, return_inverse=True)
        shape = len(entry), rows.sum.shape[1]
        total = sp.csr_matrix((np.ones(len(row)), (row, rows.there)), shape)
        begin = np.searchsorted(entry, np.arange(num_links + 1) * rows.num_slabs)
        link, slab = np.divmod(entry, max(rows.num_slabs, 1))
        return _Pairs(link, slab, begin, rows.num_slabs, total)


class _Lanes(NamedTuple):
    """Inputs of the kernel for one number of parameter vectors.

    :param path: [P · S] path of each lane; None: lanes are paths
    :param slab_offset: [P · S] where the lane's parameters of slabs begin; None: at the beginning
    :param object_offset: [P · S] the same for parameters of objects
    :param buffers: memory of the material parameters: three of slabs, one of objects
    :param arrays: the same as Dr.Jit arrays
    """

    path: Any
    slab_offset: Any
    object_offset: Any
    buffers: list[FloatArray]
    arrays: list[Any]

    def filled(self, values: list[FloatArray]) -> list[Any]:
        """The parameters, [S, K'] each, as Dr.Jit arrays.

        On the CPU they are written where the arrays of the last evaluation read: nothing is
        running any more once its results are NumPy arrays, and to make and free Dr.Jit arrays
        takes as long as a small kernel.
        """
        if ON_CUDA:
            return [device(Float, x) for x in values]
        for buffer, x in zip(self.buffers, values, strict=False):
            buffer[:] = x.ravel()
        return self.arrays[: len(values)]


def _walks(wanted: Sequence[Parameter]) -> Iterator[tuple[Parameter, ...]]:
    """The parameters that one walk differentiates by: all that levels depend on through η, or one
    other."""
    by_eta = tuple(name for name in wanted if name in BY_ETA)
    if by_eta:
        yield by_eta
    yield from ((name,) for name in wanted if name not in BY_ETA)


def _beside(parts: Sequence[FloatArray]) -> FloatArray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
