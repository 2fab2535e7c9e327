"""Replay: received powers and their derivatives from stored paths, in float64 with Dr.Jit.

One kernel walks all paths of all parameter vectors side by side. A path's amplitude is

    a = λ / (4π L) · F_rxᵀ R_D C_D R_{D-1} ... C_1 R_0 F_tx

with the changes of basis R of the :class:`~vlmrt_dist.paths.path_table.PathTable` and, at each
interaction, the diagonal C of the slab's TE and TM coefficients, Recommendation ITU-R P.2040-4
equations (43) and (44). These are holomorphic functions of the complex relative permittivity
η = ε_r - jσ/(ωε_0) and of the thickness, so one complex derivative a path and interaction holds
the derivatives for σ, ε_r and thickness; it is written out, not taped. Where objects have layers or
an extra loss (:class:`~vlmrt_dist.field.walls.Walls`) the coefficients are those of the stack, and
there is one such derivative for each layer.

Kernels are elementwise and every sum over paths is done in path order, so the result has the same
bits for any number of threads, any number of parameter vectors and any sharding of the setups.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.field.materials import SLAB, Materials, Parameter
from vlmrt_dist.field.slabs import VARIANT, Complex, dr, slab, stack
from vlmrt_dist.field.walls import Walls
from vlmrt_dist.paths import NONE, REFLECTION, TRANSMISSION, PathTable
from vlmrt_dist.units import VACUUM_PERMITTIVITY

_backend = dr.cuda if VARIANT.startswith("cuda") else dr.llvm
Float: Any = _backend.Float64
UInt: Any = _backend.UInt32

MAX_LANES = 1 << 18
"""Paths times parameter vectors that one kernel launch walks; bounds the memory of a batch."""

_ALIGNMENT = 64

_KINDS = 4  # a power of two above the kinds of interactions

_NO_LAYER = 0xFFFFFFFF

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
    :param by_path: [D · P, S] its derivative, row by row as of :class:`Derivative`
    """

    value: NDArray[Any]
    by_path: NDArray[Any]


class Replay:
    """Received signal strengths of the paths in a table, as a function of the materials.

    :param table: the paths
    :param radio: carrier, transmit power and how paths combine; must be what the table was traced
        with
    :param walls: layers and extra losses of the objects; None: every object is one slab
    """

    def __init__(self, table: PathTable, radio: RadioConfig, walls: Walls | None = None) -> None:
        self.table = table
        self.radio = radio
        self.walls = walls
        self.num_links = table.num_setups * table.num_receivers
        paths = table.num_paths
        self._sum_links = sp.csr_matrix(
            (np.ones(paths), (table.link, np.arange(paths))), (self.num_links, paths)
        )
        self._path_link = table.link
        there = table.kind.T != NONE
        objects = table.num_objects
        self._by_object = _Rows.of(table, np.where(there, table.object.T, -1), objects)
        # The kernel numbers the objects that paths meet, so its inputs do not grow with K. They are
        # one at least where there is one: Dr.Jit has no empty arrays to gather from.
        met = np.unique(self._by_object.slab)
        self._objects = met if len(met) else np.arange(min(objects, 1))
        number = np.where(there, np.searchsorted(self._objects, table.object.T), 0)
        self._by_slab, self._slabs, self._stacked = self._by_object, self._objects, None
        if walls is not None and walls.stack is not None:
            stack = walls.stack[self._objects]
            self._slabs = np.unique(stack[stack >= 0])
            placed = np.where(stack >= 0, np.searchsorted(self._slabs, stack), _NO_LAYER)
            self._stacked = _device(UInt, placed), placed.shape[1]
            met_layers = walls.stack[table.object.T].transpose(0, 2, 1)  # [D, N, P]
            layered = np.where(there[:, None], met_layers, -1).reshape(-1, paths)
            self._by_slab = _Rows.of(table, layered, objects + walls.num_layers)
        # A ray of amplitude one at one metre carries (λ / 4π)² of the transmit power.
        scale = radio.wavelength / (4.0 * np.pi * table.length) * np.sqrt(radio.tx_power)
        turns = 2.0 * np.pi * table.length / radio.wavelength
        self._phase = np.exp(-1j * np.remainder(turns, 2.0 * np.pi))[:, None]
        floats = [table.tx_field[:, 0] * scale, table.tx_field[:, 1] * scale, *table.rx_field.T]
        floats += [*table.rotation[:, :, 0].T, *table.rotation[:, :, 1].T, *table.cosine.T]
        self._floats = [_device(Float, x) for x in floats]
        self._encounters = [_device(UInt, x) for x in number * _KINDS + table.kind.T]
        self._lanes: dict[int, _Lanes] = {}
        self._sum_pairs: tuple[IntArray, sp.csr_matrix] | None = None
        self._sum_met: dict[int, tuple[IntArray, sp.csr_matrix]] = {}

    def rss(self, materials: Materials) -> FloatArray:
        """Received powers [S, M, N] in watts (zero where no path arrives)."""
        rss = self.derivative(materials, "conductivity").rss
        return rss.T.reshape(-1, self.table.num_setups, self.table.num_receivers)

    def derivative(self, materials: Materials, unknown: Parameter = "conductivity") -> Derivative:
        """Received powers and their derivatives with respect to one parameter of each object.

        :raises ValueError: if materials are not those of K objects, or an extra loss is given or
            differentiated by without walls that have one
        """
        rows = self._rows(materials, unknown)
        count, step = len(rows[0]), max(1, MAX_LANES // max(self.table.num_paths, 1))
        if count <= step:
            return self._derivative(rows, unknown)
        parts = [
            self._derivative([x[i : i + step] for x in rows], unknown)
            for i in range(0, count, step)
        ]
        return Derivative(*(np.concatenate(p, axis=1) for p in zip(*parts, strict=True)))

    def by_path(self, materials: Materials, unknown: Parameter, *, coherent: bool) -> PathValues:
        """Powers or amplitudes of single paths and their derivatives.

        :param coherent: amplitudes at the carrier, with their phase; else powers
        """
        rows, paths = self._rows(materials, unknown), self.table.num_paths
        count, step = len(rows[0]), max(1, MAX_LANES // max(paths, 1))
        if paths == 0:
            kind = np.complex128 if coherent else np.float64
            return PathValues(np.zeros((0, count), kind), np.zeros((0, count), kind))
        parts = [
            self._columns([x[i : i + step] for x in rows], unknown, coherent)
            for i in range(0, count, step)
        ]
        columns = [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]
        if coherent:
            pairs = zip(columns[::2], columns[1::2], strict=True)
            columns = [(real + 1j * imaginary) * self._phase for real, imaginary in pairs]
        none = np.zeros((0, count), columns[0].dtype)
        return PathValues(columns[0], np.concatenate(columns[1:] or [none]))

    def by_object(self, by_path: NDArray[Any], unknown: Parameter) -> NDArray[Any]:
        """Dense [S, P, K] derivatives of the paths' values by a parameter of the objects (behind
        them the layers, as of :meth:`jacobian`), from those at each interaction [D · P, S].

        :param unknown: what :meth:`by_path` was asked for
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
        of = self._by_object if unknown == "extra_loss_db" else self._by_slab
        values = derivative.by_path[of.there, 0]
        return sp.coo_matrix((values, (of.link, of.slab)), (self.num_links, of.num_slabs)).tocsr()

    def jacobians(self, derivative: Derivative) -> FloatArray:
        """Dense [S, M · N, K] derivatives of the received powers of S parameter vectors by a
        parameter of the objects' own slabs [W/unit]."""
        of = self._by_slab
        if self._sum_pairs is None:
            pair, row = np.unique(of.link * of.num_slabs + of.slab, return_inverse=True)
            ones = np.ones(len(row))
            shape = len(pair), len(derivative.by_path)
            self._sum_pairs = pair, sp.csr_matrix((ones, (row, of.there)), shape)
        pair, add = self._sum_pairs
        found = np.zeros((derivative.rss.shape[1], self.num_links * of.num_slabs))
        found[:, pair] = (add @ derivative.by_path).T
        return found.reshape(-1, self.num_links, of.num_slabs)[:, :, : self.table.num_objects]

    def steps(self, materials: Materials, unknown: Parameter) -> FloatArray:
        """Columns' factors that turn a :meth:`jacobian` by a parameter into one by its logarithm:
        the values of one parameter vector; of an extra loss [dB] ones."""
        return self.all_steps(materials, unknown)[0]

    def all_steps(self, materials: Materials, unknown: Parameter) -> FloatArray:
        """:meth:`steps` of S parameter vectors, a row each."""
        if unknown == "extra_loss_db":
            return np.ones((len(self._rows(materials, unknown)[0]), self.table.num_objects))
        return self._rows(materials, unknown)[SLAB.index(unknown)]

    def _rows(self, materials: Materials, unknown: Parameter) -> list[FloatArray]:
        """σ, ε_r and thickness of the slabs, [S, K] or [S, K + Λ] each; and, where there is one,
        the extra loss [S, K]."""
        objects = self.table.num_objects
        names, given = list(SLAB), list(materials.slab)
        loss = materials.extra_loss_db
        if loss is None and self.walls is not None:
            loss = self.walls.extra_loss_db
        if loss is not None or unknown == "extra_loss_db":
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
                every = np.arange(self.table.num_paths, dtype=np.uint32)
                vector = np.arange(count, dtype=np.uint32)
                path = _device(UInt, np.repeat(every, count))
                slab_offset, object_offset = (
                    _device(UInt, np.tile(vector * n, len(every)))
                    for n in (len(self._slabs), len(self._objects))
                )
            sizes = (*(count * len(self._slabs),) * len(SLAB), count * len(self._objects))
            buffers = [_aligned(Float, size) for size in sizes]
            self._lanes[count] = _Lanes(
                path, slab_offset, object_offset, buffers, [*map(Float, buffers)]
            )
        return self._lanes[count]

    def _derivative(self, rows: list[FloatArray], unknown: Parameter) -> Derivative:
        if self.table.num_paths == 0:
            count = len(rows[0])
            return Derivative(np.zeros((self.num_links, count)), np.zeros((0, count)))
        return self._summed(self._columns(rows, unknown, self.radio.combining == "coherent"))

    def _columns(
        self, rows: list[FloatArray], unknown: Parameter, coherent: bool
    ) -> list[FloatArray]:
        """What the kernel gives for each path, [P, S] each, see :func:`_walk`."""
        paths, depth = self.table.num_paths, self.table.max_depth
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
        }[unknown]
        lanes = self._lanes_of(count)
        given = [permittivity, sigma / omega_eps, thickness * wavenumber]
        given += [np.exp(-NEPER * loss[:, self._objects]) for loss in rows[len(SLAB) :]]
        values = _walk(
            (lanes.path, lanes.slab_offset, lanes.object_offset),
            lanes.filled(given),
            self._floats,
            self._encounters,
            self._stacked,
            depth,
            (factor.real, factor.imag),
            unknown,
            coherent,
        )
        return [v.numpy().reshape(paths, count) for v in values]

    def _summed(self, columns: list[FloatArray]) -> Derivative:
        """Powers of links from what the kernel gave for each path [P, S]."""
        count = columns[0].shape[1]
        if self.radio.combining == "power":
            by_path = np.concatenate(columns[1:]) if len(columns) > 1 else np.zeros((0, count))
            if count == 1:  # the same sum in the same order, without scipy's overhead
                power = columns[0][:, 0]
                rss = np.bincount(self._path_link, power, self.num_links).astype(np.float64)
                return Derivative(rss[:, None], by_path)
            return Derivative(self._sum_links @ columns[0], by_path)
        amplitude = (columns[0] + 1j * columns[1]) * self._phase
        field = self._sum_links @ amplitude
        pointer = 2.0 * np.conj(field)[self._path_link] * self._phase
        parts = zip(columns[2::2], columns[3::2], strict=True)
        change = [(pointer * (real + 1j * imaginary)).real for real, imaginary in parts]
        by_path = np.concatenate(change or [np.zeros((0, count))])
        return Derivative(field.real**2 + field.imag**2, by_path)


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
        if _backend is dr.cuda:
            return [_device(Float, x) for x in values]
        for buffer, x in zip(self.buffers, values, strict=False):
            buffer[:] = x.ravel()
        return self.arrays[: len(values)]


def _aligned(kind: Any, size: int) -> NDArray[Any]:
    """Uninitialised memory for a Dr.Jit array.

    On the CPU Dr.Jit reads NumPy's memory in place, and a frozen kernel is recorded again whenever
    the alignment of one of its arrays differs; so they all get the same.
    """
    dtype = np.dtype(np.float64 if kind is Float else np.uint32)
    buffer = np.empty(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size * dtype.itemsize].view(dtype)


def _device(kind: Any, values: NDArray[Any]) -> Any:
    """``values``, flattened, as a Dr.Jit array."""
    aligned = _aligned(kind, values.size)
    aligned[:] = values.ravel()
    return kind(aligned)


# A recording for each depth and combining is in order, so no warning before there are very many.
@dr.freeze(state_fn=None, warn_after=10_000)
def _walk(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    floats: list[Any],
    encounters: list[Any],
    stacked: tuple[Any, int] | None,
    depth: int,
    factor: tuple[float, float],
    unknown: Parameter,
    coherent: bool,
) -> list[Any]:
    """Amplitude and its derivative for each interaction and layer (``coherent``: real and imaginary
    parts apart), or power and its derivatives.

    :param lanes: [P · S] path of each lane (None: lanes are paths), and where its parameters of
        slabs and of objects begin (None: at the beginning)
    :param materials: ε_r, σ/(ωε_0) and 2π · thickness / λ, [S · K'] each; and, where there is an
        extra loss, the share of the amplitude that it leaves [S · K'']
    :param floats: columns of the path table: F_tx (2, scaled), F_rx (2), cos and sin of the
        rotations (D + 1 each), cosines of incidence (D)
    :param encounters: object and kind of each interaction as one number (D)
    :param stacked: slabs of each object [K'' · N], and N; None: every object is one
    :param factor: derivative of η, of the thickness in radians, or of ln T, by the unknown
    """
    path, slab_offset, object_offset = lanes
    column, encounter = floats, encounters
    if path is not None:
        column = [dr.gather(Float, x, path) for x in floats]
        encounter = [dr.gather(UInt, x, path) for x in encounters]
    tx, rx = column[0:2], column[2:4]
    cos, sin = column[4 : 5 + depth], column[5 + depth : 6 + 2 * depth]
    incidence = column[6 + 2 * depth :]

    coefficient, derivative = [], []
    for d in range(depth):
        k, kind = encounter[d] // _KINDS, encounter[d] % _KINDS
        slabs = _slabs_of(materials, k, slab_offset, stacked)
        by_thickness = unknown == "thickness"
        if stacked is None:
            both = slab(incidence[d], *slabs[0], kind == REFLECTION, by_thickness)
            value, changes = both[:2], [both[2:]]
        else:
            value, changes = stack(incidence[d], slabs, kind == REFLECTION, by_thickness)
        if len(materials) > len(SLAB):
            at = k if object_offset is None else k + object_offset
            through = kind == TRANSMISSION
            share = dr.select(through, dr.gather(Float, materials[-1], at), 1.0)
            value = [x * share for x in value]
            changes = [[x * share for x in pair] for pair in changes]
            if unknown == "extra_loss_db":
                changes = [[dr.select(through, x, Complex(0.0)) for x in value]]
        passes = kind == NONE
        coefficient.append([dr.select(passes, Complex(1.0), x) for x in value])
        derivative.append([[dr.select(passes, Complex(0.0), x) for x in pair] for pair in changes])

    # Forwards: the field before and after each interaction.
    field = [Complex(tx[0]), Complex(tx[1])]
    before = []
    for d in range(depth):
        field = _turn(field, cos[d], sin[d])
        before.append(field)
        field = [coefficient[d][0] * field[0], coefficient[d][1] * field[1]]
    field = _turn(field, cos[depth], sin[depth])
    amplitude = field[0] * rx[0] + field[1] * rx[1]

    # Backwards: what a change of the field behind each interaction does to the amplitude.
    after = _turn([Complex(rx[0]), Complex(rx[1])], cos[depth], -sin[depth])
    change = []
    for d in range(depth - 1, -1, -1):
        for d_te, d_tm in reversed(derivative[d]):
            change.append(after[0] * d_te * before[d][0] + after[1] * d_tm * before[d][1])
        te, tm = coefficient[d]
        after = _turn([te * after[0], tm * after[1]], cos[d], -sin[d])
    change = [value * Complex(*factor) for value in reversed(change)]
    if coherent:
        return [part(value) for value in (amplitude, *change) for part in (dr.real, dr.imag)]
    pointer = 2.0 * dr.conj(amplitude)
    return [dr.squared_norm(amplitude), *(dr.real(pointer * value) for value in change)]


def _turn(field: list[Any], cos: Any, sin: Any) -> list[Any]:
    return [field[0] * cos + field[1] * sin, field[1] * cos - field[0] * sin]


def _slabs_of(
    materials: list[Any], k: Any, offset: Any, stacked: tuple[Any, int] | None
) -> list[tuple[Any, Any]]:
    """η and 2π · thickness / λ of the slabs of object ``k``, from its front.

    Of objects with fewer layers than others the last ones are vacuum of no thickness.
    """
    permittivity, loss, thickness = materials[: len(SLAB)]
    if stacked is None:
        if offset is not None:
            k = k + offset
        eta = Complex(dr.gather(Float, permittivity, k), -dr.gather(Float, loss, k))
        return [(eta, dr.gather(Float, thickness, k))]
    slabs, (stack_, most) = [], stacked
    for layer in range(most):
        at = dr.gather(UInt, stack_, k * most + layer)
        there = at != _NO_LAYER
        if offset is not None:
            at = at + offset
        real = dr.select(there, dr.gather(Float, permittivity, at, there), 1.0)
        eta = Complex(real, -dr.gather(Float, loss, at, there))
        slabs.append((eta, dr.gather(Float, thickness, at, there)))
    return slabs
