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
(:mod:`~vlmrt_dist.field.polarimetry`). What reaches receivers otherwise is added by
:mod:`~vlmrt_dist.field.mechanisms`.

Kernels are elementwise and every sum over paths is done in path order, so the result has the same
bits for any number of threads, any number of parameter vectors and any sharding of the setups.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
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
from vlmrt_dist.field.materials import SCATTERING, SLAB, LayerMaterials, Materials, Parameter
from vlmrt_dist.field.mechanisms import Added, Mechanism, Roughness, merged
from vlmrt_dist.field.moves import Bent, amplitudes_by_moves
from vlmrt_dist.field.objective import DB, Slopes
from vlmrt_dist.field.polarimetry import (
    Ends,
    Parts,
    PortAverages,
    columns_of,
    different_paths,
    matrices,
)
from vlmrt_dist.field.walls import Walls
from vlmrt_dist.paths import DIFFRACTION, NONE, POSE, EdgeRows, EndFields, PathTable
from vlmrt_dist.units import VACUUM_PERMITTIVITY

MAX_LANES = 1 << 18
"""Paths times parameter vectors that one kernel launch walks; bounds the memory of a batch."""

OF_OBJECTS: frozenset[Parameter] = frozenset({"extra_loss_db", *SCATTERING})
"""Parameters of objects, which their layers do not have."""

_SURFACE = frozenset(SCATTERING)

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
        (row (d · N + n) · P + p), but for the extra loss. Of a parameter of the surface no rows
    :param added: what else changes links, by rough surfaces and by mechanisms beside the paths;
        None: nothing
    """

    rss: FloatArray
    by_path: FloatArray
    added: Slopes | None = None


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
    :param mechanisms: what reaches the receivers beside these paths
    :param roughness: what reflections lose to scattering; None: nothing
    :raises UnsupportedByReplay: if there are mechanisms, and antennas turn or have several ports
    """

    def __init__(
        self,
        table: PathTable,
        radio: RadioConfig,
        walls: Walls | None = None,
        *,
        turning: bool = False,
        mechanisms: Sequence[Mechanism] = (),
        roughness: Roughness | None = None,
    ) -> None:
        self.mechanisms, self.roughness = tuple(mechanisms), roughness
        self._plain = not self.mechanisms and roughness is None
        self.table = table
        self.radio = radio
        self.walls = walls
        self.num_links = table.num_setups * table.num_receivers
        self._path_link = table.link
        several = table.ports is not None and table.ports.pairs.max(initial=1) > 1
        if not self._plain and (several or turning):
            what = "averages over ports" if several else "unknown orientations"
            raise UnsupportedByReplay(
                f"{what} are not modelled together with diffuse scattering; state "
                "the orientations, give devices one port, or leave out diffuse_reflection"
            )
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
        self._by_object = Met.of(table, np.where(there, table.object.T, -1), objects)
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
            self._by_slab = Met.of(table, layered, objects + walls.num_layers)
        self._spread()
        self._bent: Bent | None = None
        self._turning = turning
        self._last_walk: tuple[list[FloatArray], list[Parts]] | None = None
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
        if self.roughness is not None:  # what a far face in shadow adds is no reflection
            lit = np.where(rows.bright > 0.5, weights[:, 1], 0.0)
            self._lit = [device(Float, x) for x in (lit.real, lit.imag)]
        met = np.where(table.kind[first] == DIFFRACTION, table.object[first], 0).sum(axis=1)
        met = np.where(there, np.searchsorted(self._objects, met), 0)
        return [*(device(Float, x) for x in columns), device(UInt, met)]

    def _rough_edges(self, coefficient: FloatArray, *, faces: bool) -> list[Any] | None:
        """The inputs of wedges whose faces scatter.

        :param coefficient: [S, K] S of the objects
        :param faces: leave out what no face reflects
        """
        if self._edges is None:
            return None
        left = device(Float, np.sqrt(1.0 - coefficient[:, self._objects] ** 2))
        return [*self._edges[:2], *(self._lit if faces else self._edges[2:4]), *self._edges[4:],
                left]  # fmt: skip

    def moved(self, bent: Bent) -> Replay:
        """The replay of the same paths between other ends, of one whose antennas turn.

        :raises UnsupportedByReplay: if objects have layers or extra losses, or links several pairs
            of ports
        """
        if self.walls is not None or self._averages is not None:
            what = "layers or extra losses" if self.walls is not None else "averages over ports"
            raise UnsupportedByReplay(
                f"unknown positions are not modelled together with {what}; leave out the one or "
                "the other"
            )
        other = copy.copy(self)
        other.table, other._bent, other._last_walk = bent.table, bent, None
        other._spread()
        other._load(True)
        return other

    def _spread(self) -> None:
        """Amplitude and phase that paths have by their length."""
        length, radio = self.table.length, self.radio
        # A ray of amplitude one at one metre carries (λ / 4π)² of the transmit power.
        self._scale = radio.wavelength / (4.0 * np.pi * length) * np.sqrt(radio.tx_power)
        turns = 2.0 * np.pi * length / radio.wavelength
        self._omega_eps = 2.0 * np.pi * radio.frequency * VACUUM_PERMITTIVITY
        self._wavenumber = 2.0 * np.pi / radio.wavelength
        self._factor = _factors(self._omega_eps, self._wavenumber)
        self._phase = np.exp(-1j * np.remainder(turns, 2.0 * np.pi))[:, None]

    def aim(self, tx: EndFields, rx: EndFields) -> None:
        """Replace the fields of the antennas, of a replay whose antennas turn."""
        self._ends = Ends(tx.value * self._scale[:, None], rx.value)
        scale = self._scale[:, None]
        self._turned = EndFields(self._ends.tx, tx.by_turn * scale), rx

    def by_pose(self, materials: Materials) -> FloatArray:
        """[L, 12] derivatives of the levels of one parameter vector by the changes that
        :meth:`aim` was given, see :data:`~vlmrt_dist.paths.poses.POSE` [dB/rad, dB/m]; zero where
        no path arrives."""
        found = np.zeros((self.num_links, len(POSE)))
        if self.table.num_paths == 0:
            return found
        coherent = self.radio.combining == "coherent"
        rss, by_path, _ = self._summed(self._posed(materials, coherent))
        power = rss[:, 0]
        per_link = np.divide(DB, power, out=np.zeros_like(power), where=power > 0.0)
        slopes = by_path.reshape(-1, self.table.num_paths)
        summed = [np.bincount(self._path_link, each, self.num_links) for each in slopes]
        found[:, : len(summed)] = np.stack(summed, axis=1) * per_link[:, None]
        return found

    def turned_paths(self, materials: Materials, *, coherent: bool) -> NDArray[Any]:
        """[P, 6] derivatives of the powers, or complex amplitudes, of single paths by the
        orientations."""
        if self.table.num_paths == 0:
            return np.zeros((0, 6), np.complex128 if coherent else np.float64)
        columns = self._posed(materials, coherent)
        if not coherent:
            return np.concatenate(columns[1:], axis=1)
        parts = zip(columns[2::2], columns[3::2], strict=True)
        return np.concatenate(
            [(real + 1j * imaginary) * self._phase for real, imaginary in parts], axis=1
        )

    def _posed(self, materials: Materials, coherent: bool) -> list[FloatArray]:
        """Columns [P, 1] of the paths' values and of their derivatives by the changes."""
        assert self._which is not None  # a replay whose antennas do not turn has no matrices
        matrix = self._matrix_of(self._rows(materials))
        tx, rx = self._ends
        ends = [Ends(slope, rx) for slope in self._turned[0].by_turn[:3]]
        ends += [Ends(tx, slope) for slope in self._turned[1].by_turn[:3]]
        changes = [end.amplitude(matrix, self._which) for end in ends]
        if self._bent is not None:
            changes += [Parts.of(each[:, None]) for each in self._by_moves(materials).T]
        return columns_of(self._ends.amplitude(matrix, self._which), changes, coherent)

    def _by_moves(self, materials: Materials) -> NDArray[np.complex128]:
        """[P, 6] derivatives of the amplitudes by the moves of both ends."""
        assert self._bent is not None
        sigma, permittivity, thickness = (x[0] for x in self._rows(materials)[: len(SLAB)])
        eta, met = permittivity - 1j * sigma / self._omega_eps, self.table.object
        slabs = eta[met], thickness[met] * self._wavenumber
        return amplitudes_by_moves(self._bent, self._turned, slabs, self._wavenumber)

    def _matrix_of(self, rows: list[FloatArray]) -> list[Parts]:
        """Transfer matrices of the different paths, those of the last walk where it had the same
        materials: levels are evaluated before their derivatives by the antennas."""
        if self._last_walk is not None:
            last, matrix = self._last_walk
            if len(last) == len(rows) and all(map(np.array_equal, last, rows)):
                return matrix
        return matrices(self._kernel(rows, (), False, self._edges))[0]

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
        for group in walks_of(wanted):
            parts = [self._derivative(part, group)[1] for part in self._parts(materials, group)]
            found |= (
                parts[0] if len(parts) == 1 else {n: _joined([p[n] for p in parts]) for n in group}
            )
        return found

    def slopes(
        self, materials: Materials, wanted: Sequence[Parameter]
    ) -> tuple[FloatArray, dict[Parameter, Slopes]]:
        """Received powers [L, S] of S parameter vectors, and their derivatives [W/unit] by each of
        several parameters, summed over the paths of a link."""
        found: dict[Parameter, Slopes] = {}
        for group in walks_of(wanted):
            parts = [self._derivative(part, group) for part in self._parts(materials, group)]
            powers = [rss for rss, _ in parts]
            for name in group:
                every = [self._per_link(name, part[name]) for _, part in parts]
                found[name] = every[0]._replace(value=_beside([each.value for each in every]))
        if not wanted:
            powers = [self._derivative(part, ())[0] for part in self._parts(materials, ())]
        return _beside(powers), found

    def _per_link(self, name: Parameter, derivative: Derivative) -> Slopes:
        """A derivative summed over the paths of each link."""
        if name in SCATTERING:
            return derivative.added or _no_slopes(derivative.rss.shape[1])
        pairs = self._pairs(name)
        own = Slopes(pairs.link, pairs.slab, pairs.sum @ derivative.by_path)
        return own if derivative.added is None else merged([own, derivative.added])

    def _parts(self, materials: Materials, wanted: tuple[Parameter, ...]) -> Iterator[_Part]:
        """The materials of so many parameter vectors at a time as one kernel launch may walk."""
        rows = self._rows(materials, "extra_loss_db" in wanted)
        count = len(rows[0])
        step = max(1, MAX_LANES // max(self.table.num_paths, 1))
        for i in range(0, count, step):
            some = slice(i, i + step)
            given = None if self._plain else _some_of(materials, some, count)
            yield _Part(rows if count <= step else [x[some] for x in rows], given)

    def by_path(
        self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool
    ) -> PathValues:
        """Powers or amplitudes of single paths and their derivatives.

        :param coherent: amplitudes at the carrier, with their phase; else powers
        """
        found: dict[Parameter, NDArray[Any]] = {}
        value: NDArray[Any] = np.zeros((0, 0))
        for group in tuple(walks_of(wanted)) or ((),):
            every = [
                self._of_paths(part, group, coherent) for part in self._parts(materials, group)
            ]
            value = _beside([each.value for each in every])
            found |= {name: _beside([each.by_path[name] for each in every]) for name in group}
        return PathValues(value, found)

    def _of_paths(self, part: _Part, group: tuple[Parameter, ...], coherent: bool) -> PathValues:
        walked = tuple(n for n in group if n not in SCATTERING)
        count = len(part.rows[0])
        if self.table.num_paths == 0:
            none = np.zeros((0, count), np.complex128 if coherent else np.float64)
            return PathValues(none, dict.fromkeys(group, none))
        columns: list[NDArray[Any]] = list(
            self._columns(part.rows, walked, coherent, self._edges_at(part))
        )
        if coherent:
            pairs = zip(columns[::2], columns[1::2], strict=True)
            columns = [(real + 1j * imaginary) * self._phase for real, imaginary in pairs]
        share = coefficient = None
        if self.roughness is not None and part.materials is not None:
            coefficient = self.roughness.of(part.materials, count)
            share = self.roughness.share(coefficient)
            columns = [x * (np.sqrt(share) if coherent else share) for x in columns]
        found = split_rows(walked, np.concatenate(columns[1:])) if walked else {}
        for name in group:
            if name not in walked:
                shape = self.table.max_depth * self.table.num_paths, count
                found[name] = np.zeros(shape, columns[0].dtype)
        if "scattering_coefficient" in group and coefficient is not None and share is not None:
            assert self.roughness is not None
            faces = self._of_faces(part.rows, coefficient, share, coherent)
            found["scattering_coefficient"] = self.roughness.by_interaction(
                columns[0], coefficient, coherent=coherent, faces=faces
            )
        return PathValues(columns[0], found)

    def _edges_at(self, part: _Part) -> list[Any] | None:
        """The kernel's inputs of wedges at some parameter vectors."""
        if self._edges is None or self.roughness is None or part.materials is None:
            return self._edges
        coefficient = self.roughness.of(part.materials, len(part.rows[0]))
        return self._rough_edges(coefficient, faces=False)

    def vectors(self, materials: Materials) -> Materials:
        """Materials of S parameter vectors, [S, K] each."""
        return _some_of(materials, slice(None), len(self._rows(materials)[0]))

    def by_object(self, by_path: NDArray[Any], unknown: Parameter) -> NDArray[Any]:
        """Dense [S, P, K] derivatives of the paths' values by a parameter of the objects (behind
        them the layers, as of :meth:`jacobian`), from those at each interaction [D · P, S].

        :param unknown: parameter that they are by
        """
        of = self._by_object if unknown in OF_OBJECTS else self._by_slab
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
        met, found = self.gradient_entries(derivative, weight)
        if scale is not None:
            found *= scale[met % objects, None]
        # Nothing else of the M · K entries is touched: for large rooms they are most of the time.
        total = np.zeros((setups * objects, count))
        total[met] = found
        if derivative.added is not None:
            link, slab, value = derivative.added
            change = value * weight.reshape(count, -1).T[link]
            if scale is not None:
                change *= scale[slab, None]
            np.add.at(total, link // self.table.num_receivers * objects + slab, change)
        return total.reshape(setups, objects, count).transpose(2, 0, 1)

    def gradient_entries(
        self, derivative: Derivative, weight: FloatArray
    ) -> tuple[IntArray, FloatArray]:
        """The entries of :meth:`gradient` that paths contribute to.

        :return: [R] pairs of setup and object, as setup · K + object, and [R, S] their gradient
        """
        rows, vectors = derivative.by_path.shape
        paths, of, count = self.table.num_paths, self._by_slab, len(weight)
        by_path = derivative.by_path.reshape(rows // max(paths, 1), paths, vectors)
        # One parameter vector may meet several weights.
        weighed = by_path * weight.reshape(count, -1).T[self._path_link]
        return of.met, of.sum @ weighed.reshape(rows, count)

    def jacobian(
        self, derivative: Derivative, unknown: Parameter = "conductivity"
    ) -> sp.csr_matrix:
        """Sparse derivative of the received powers of one parameter vector [W/unit].

        :param unknown: what ``derivative`` was asked for
        :return: [M · N, K] for an extra loss, or where no object has layers; otherwise
            [M · N, K + Λ], the layers behind the objects
        """
        if unknown in SCATTERING or derivative.added is not None:
            link, slab, value = self._per_link(unknown, derivative)
            shape = self.num_links, self._pairs(unknown).num_slabs
            return sp.csr_matrix((value[:, 0], (link, slab)), shape)
        pairs = self._pairs(unknown)
        values = pairs.sum @ derivative.by_path[:, 0]
        return sp.csr_matrix(
            (values, pairs.slab, pairs.begin), (len(pairs.begin) - 1, pairs.num_slabs)
        )

    def met(self, of_objects: bool) -> Met:
        """Rows of the derivatives by objects, or by slabs."""
        return self._by_object if of_objects else self._by_slab

    def _pairs(self, unknown: Parameter) -> _Pairs:
        """The pairs of links and objects, or of links and slabs, that a parameter changes."""
        of_objects = unknown in OF_OBJECTS
        if of_objects not in self._pairs_of:
            rows = self._by_object if of_objects else self._by_slab
            self._pairs_of[of_objects] = _Pairs.of(rows, self.num_links)
        return self._pairs_of[of_objects]

    def steps(self, materials: Materials, unknown: Parameter) -> FloatArray:
        """[S, K] or [S, K + Λ] columns' factors that turn a :meth:`jacobian` by a parameter into
        one by its logarithm: its values; of an extra loss [dB] ones; of S and the XPD coefficient
        into one by their logit, ln(v / (1 - v)): v (1 - v)."""
        if unknown == "extra_loss_db":
            return np.ones((1, self.table.num_objects))
        if unknown in SCATTERING:
            value = np.array(getattr(materials, unknown), np.float64, ndmin=2)
            return value * (1.0 - value)
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
        count = max(map(len, arrays))
        for rough in (materials.scattering_coefficient, materials.xpd_coefficient):
            if rough is not None and np.ndim(rough) == 2:
                count = max(count, len(rough))
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

    def _derivative(
        self, part: _Part, group: tuple[Parameter, ...]
    ) -> tuple[FloatArray, dict[Parameter, Derivative]]:
        """Received powers [L, S], and with them the derivative by each parameter of a walk."""
        walked = group
        if not _SURFACE.isdisjoint(group):
            walked = tuple(n for n in group if n not in SCATTERING)
        coherent = self.radio.combining == "coherent"
        if self.table.num_paths == 0:
            columns = [np.zeros((0, len(part.rows[0])))] * (1 + coherent)
        else:
            columns = self._columns(part.rows, walked, coherent, self._edges_at(part))
        if not self._plain:
            return self._with_mechanisms(columns, part, group, walked)
        rss, by_path, _ = self._summed(columns)
        found = {n: Derivative(rss, own) for n, own in split_rows(walked, by_path).items()}
        if len(walked) < len(group):  # smooth surfaces do not change with S
            found |= {n: Derivative(rss, by_path[:0]) for n in group if n not in found}
        return rss, found

    def _with_mechanisms(
        self,
        columns: list[FloatArray],
        part: _Part,
        group: tuple[Parameter, ...],
        walked: tuple[Parameter, ...],
    ) -> tuple[FloatArray, dict[Parameter, Derivative]]:
        """:meth:`_derivative` from the paths' columns, which are those of smooth surfaces."""
        assert part.materials is not None
        coherent, count = self.radio.combining == "coherent", columns[0].shape[1]
        slopes: dict[Parameter, list[Slopes]] = {name: [] for name in group}
        added = [m.added(part.materials, group, coherent=coherent) for m in self.mechanisms]
        if self.roughness is not None:
            coefficient = self.roughness.of(part.materials, count)
            share = self.roughness.share(coefficient)
            columns = [x * (np.sqrt(share) if coherent else share) for x in columns]
            if "scattering_coefficient" in group:
                value = columns[0]
                if coherent:
                    value = (columns[0] + 1j * columns[1]) * self._phase
                faces = self._of_faces(part.rows, coefficient, share, coherent)
                found = self.roughness.slopes(value, coefficient, coherent=coherent, faces=faces)
                none = np.zeros((self.num_links, count), value.dtype)
                added.append(Added(none, {"scattering_coefficient": found}))
        fields = [each.value for each in added if np.iscomplexobj(each.value)]
        rss, by_path, field = self._summed(columns, sum(fields) if fields else 0.0)
        rss = sum((x.value for x in added if not np.iscomplexobj(x.value)), start=rss)
        for each in added:
            for name, found in each.by.items():
                if np.iscomplexobj(found.value):
                    change = 2.0 * (np.conj(field)[found.link] * found.value).real
                    found = found._replace(value=change)
                slopes[name].append(found)
        rows = split_rows(walked, by_path)
        none = np.zeros((0, count))
        return rss, {
            name: Derivative(rss, rows.get(name, none), merged(parts) if parts else None)
            for name, parts in slopes.items()
        }

    def _of_faces(
        self, rows: list[FloatArray], coefficient: FloatArray, share: FloatArray, coherent: bool
    ) -> NDArray[Any] | None:
        """What faces of wedges reflect of each path, as :meth:`Roughness.slopes` takes it."""
        if self._edges is None:
            return None
        whole, faces = (
            real + 1j * imaginary
            for real, imaginary in (
                self._columns(rows, (), True, self._rough_edges(coefficient, faces=only))
                for only in (False, True)
            )
        )
        if coherent:
            return np.asarray(faces * np.sqrt(share) * self._phase)
        return np.asarray((np.conj(whole) * faces).real * share)

    def _columns(
        self,
        rows: list[FloatArray],
        wanted: tuple[Parameter, ...],
        coherent: bool,
        edges: list[Any] | None,
    ) -> list[FloatArray]:
        """Columns of :func:`walk`, [P, S] each: power or amplitude, then derivatives."""
        columns = self._kernel(rows, wanted, coherent, edges)
        if self._which is None:
            return columns
        every = matrices(columns)
        if self._turning:
            self._last_walk = [x.copy() for x in rows], every[0]
        amplitude, *changes = (self._ends.amplitude(m, self._which) for m in every)
        return columns_of(amplitude, changes, coherent)

    def _kernel(
        self,
        rows: list[FloatArray],
        wanted: tuple[Parameter, ...],
        coherent: bool,
        edges: list[Any] | None,
    ) -> list[FloatArray]:
        """Columns [P, S] of :func:`walk`, or of :func:`transfer` for the different paths."""
        paths, count = self._lane_paths, len(rows[0])
        common = self._common(rows, wanted, edges)
        if self._which is None:
            return [v.numpy().reshape(paths, count) for v in walk(*common, coherent)]
        # What does not depend on a path, as the depth zero has it, is one number.
        shape = (paths * count,)
        found = [np.broadcast_to(v.numpy(), shape) for v in transfer(*common)]
        return [v.reshape(paths, count) for v in found]

    def _common(
        self, rows: list[FloatArray], wanted: tuple[Parameter, ...], edges: list[Any] | None
    ) -> _Arguments:
        """Arguments that all kernels share."""
        count = len(rows[0])
        sigma, permittivity, thickness = (x[:, self._slabs] for x in rows[: len(SLAB)])
        lanes = self._lanes_of(count)
        given = [permittivity, sigma / self._omega_eps, thickness * self._wavenumber]
        given += [np.exp(-NEPER * loss[:, self._objects]) for loss in rows[len(SLAB) :]]
        return (
            (lanes.path, lanes.slab_offset, lanes.object_offset),
            lanes.filled(given),
            self._floats,
            self._encounters,
            self._stacked,
            edges,
            self.table.max_depth,
            tuple([self._factor[name] for name in wanted]),
            "eta" if set(wanted) <= BY_ETA else wanted[0],
        )

    def _summed(
        self, columns: list[FloatArray], beside: NDArray[Any] | float = 0.0
    ) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
        """Powers of links from what the kernel gave for each path [P, S]; the rows of
        :attr:`Derivative.by_path`; and where paths add coherently the fields [√W].

        :param beside: fields that add to those of the paths, where they add coherently
        """
        rss, by_path, field = self._of_targets(columns, beside)
        if self._averages is None:
            return rss, by_path, field
        return *self._averages.folded(rss, by_path), field

    def _of_targets(
        self, columns: list[FloatArray], beside: NDArray[Any] | float
    ) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
        """Powers of the links, or where they have several of the pairs of ports."""
        count, targets = columns[0].shape[1], self._sum_links.shape[0]
        if self.radio.combining == "power":
            by_path = np.concatenate(columns[1:]) if len(columns) > 1 else np.zeros((0, count))
            if count == 1:  # the same sum in the same order, without scipy's overhead
                power = columns[0][:, 0]
                rss = np.bincount(self._target, power, targets).astype(np.float64)
                return rss[:, None], by_path, rss
            return self._sum_links @ columns[0], by_path, by_path
        amplitude = (columns[0] + 1j * columns[1]) * self._phase
        field = self._sum_links @ amplitude + beside
        pointer = 2.0 * np.conj(field)[self._target] * self._phase
        parts = zip(columns[2::2], columns[3::2], strict=True)
        change = [(pointer * (real + 1j * imaginary)).real for real, imaginary in parts]
        by_path = np.concatenate(change or [np.zeros((0, count))])
        return field.real**2 + field.imag**2, by_path, field


_Arguments = tuple[Any, Any, Any, Any, Any, Any, Any, Any, Any]
"""The arguments that all kernels share."""


def _factors(omega_eps: float, wavenumber: float) -> dict[Parameter, tuple[float, float]]:
    """Derivatives of η, of the kernel's thickness, which is in radians, and of ln T by each
    parameter: dη/dσ = -j/(ωε_0), dη/dε_r = 1."""
    factor: dict[Parameter, complex] = {
        "conductivity": -1j / omega_eps,
        "relative_permittivity": 1.0 + 0j,
        "thickness": wavenumber + 0j,
        "extra_loss_db": -NEPER + 0j,
    }
    return {name: (value.real, value.imag) for name, value in factor.items()}


class _Part(NamedTuple):
    """:param rows: see :meth:`Replay._rows`
    :param materials: the same with those of the surfaces [S, K] each; None: not needed
    """

    rows: list[FloatArray]
    materials: Materials | None


def _some_of(materials: Materials, some: slice, count: int) -> Materials:
    """Some of ``count`` parameter vectors, [S, K] each."""

    @overload
    def of(x: FloatArray) -> FloatArray: ...
    @overload
    def of(x: None) -> None: ...
    def of(x: FloatArray | None) -> FloatArray | None:
        if x is None:
            return None
        every = np.array(x, np.float64, ndmin=2, copy=None)
        return np.broadcast_to(every, (count, every.shape[1]))[some]

    layers = materials.layers
    if layers is not None:
        layers = LayerMaterials(*(of(x) for x in layers))
    return Materials(
        of(materials.conductivity),
        of(materials.relative_permittivity),
        of(materials.thickness),
        layers,
        of(materials.extra_loss_db),
        of(materials.scattering_coefficient),
        of(materials.xpd_coefficient),
    )


def _joined(parts: Sequence[Derivative]) -> Derivative:
    """Derivatives of one parameter for the vectors of each part, one behind another."""
    rss, by_path = (np.concatenate([part[i] for part in parts], axis=1) for i in range(2))
    added = [part.added for part in parts if part.added is not None]
    if not added:
        return Derivative(rss, by_path)
    values = _beside([each.value for each in added])
    return Derivative(rss, by_path, added[0]._replace(value=values))


def split_rows(names: tuple[Parameter, ...], rows: NDArray[Any]) -> dict[Parameter, NDArray[Any]]:
    """The rows of each of several parameters, one behind another."""
    size = len(rows) // max(len(names), 1)
    return {name: rows[i * size : (i + 1) * size] for i, name in enumerate(names)}


def _no_slopes(count: int) -> Slopes:
    none = np.zeros(0, np.int64)
    return Slopes(none, none, np.zeros((0, count)))


def _parts_of(column: NDArray[Any], ends: list[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """The kernel's columns of one component of a field: complex ones if any component is."""
    if any(np.iscomplexobj(end) for end in ends):
        return column.real, column.imag
    return (column,)


class Met(NamedTuple):
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
    def of(table: PathTable, slab: IntArray, num_slabs: int) -> Met:
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
        return Met(there, link, flat[there].astype(np.int64), num_slabs, met, total)


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
    def of(rows: Met, num_links: int) -> _Pairs:
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


def walks_of(wanted: Sequence[Parameter]) -> Iterator[tuple[Parameter, ...]]:
    """The parameters that one walk differentiates by: all that levels depend on through η, or one
    other; those of surfaces, which need none, go with the first."""
    if len(wanted) == 1:
        yield tuple(wanted)
        return
    groups = [tuple(n for n in wanted if n in BY_ETA)]
    groups += [(n,) for n in wanted if n not in BY_ETA and n not in SCATTERING]
    groups = [group for group in groups if group]
    rough = tuple(n for n in wanted if n in SCATTERING)
    if rough:
        groups[:1] = [(*groups[0], *rough)] if groups else [rough]
    yield from groups


def _beside(parts: Sequence[FloatArray]) -> FloatArray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
