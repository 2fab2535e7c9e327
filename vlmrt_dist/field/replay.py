"""Replay: received powers and their derivatives from stored paths, in float64 with Dr.Jit.

One kernel walks all paths of all parameter vectors side by side. A path's amplitude is

    a = λ / (4π L) · F_rxᵀ R_D C_D R_{D-1} ... C_1 R_0 F_tx

with the changes of basis R of the :class:`~vlmrt_dist.paths.path_table.PathTable` and, at each
interaction, the diagonal C of the slab's TE and TM coefficients, Recommendation ITU-R P.2040-4
equations (43) and (44). These are holomorphic functions of the complex relative permittivity
η = ε_r - jσ/(ωε_0) and of the thickness, so one complex derivative a path and interaction holds
the derivatives for σ, ε_r and thickness; it is written out, not taped.

Kernels are elementwise and every sum over paths is done in path order, so the result has the same
bits for any number of threads, any number of parameter vectors and any sharding of the setups.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.paths import NONE, REFLECTION, PathTable
from vlmrt_dist.units import VACUUM_PERMITTIVITY

VARIANT = prepare_engine()  # has to run before Dr.Jit is imported

import drjit as dr  # noqa: E402

_backend = dr.cuda if VARIANT.startswith("cuda") else dr.llvm
Float: Any = _backend.Float64
UInt: Any = _backend.UInt32
Complex: Any = _backend.Complex2f64

MAX_LANES = 1 << 18
"""Paths times parameter vectors that one kernel launch walks; bounds the memory of a batch."""

_ALIGNMENT = 64

_KINDS = 4  # a power of two above the kinds of interactions


class Derivative(NamedTuple):
    """Received powers of S parameter vectors over L = M · N links, and how paths change them.

    :param rss: [L, S] received power [W]
    :param by_path: [D · P, S] derivative of its link's received power with respect to the parameter
        of the object that path p meets at interaction d (row d · P + p), through that interaction
        alone [W/unit]
    """

    rss: FloatArray
    by_path: FloatArray


class Replay:
    """Received signal strengths of the paths in a table, as a function of the materials.

    :param table: the paths
    :param radio: carrier, transmit power and how paths combine; must be what the table was traced
        with
    """

    def __init__(self, table: PathTable, radio: RadioConfig) -> None:
        self.table = table
        self.radio = radio
        self.num_links = table.num_setups * table.num_receivers
        paths, depth = table.num_paths, table.max_depth
        self._sum_links = sp.csr_matrix(
            (np.ones(paths), (table.link, np.arange(paths))), (self.num_links, paths)
        )
        # Rows of `by_path` that belong to an interaction, and what each of them belongs to.
        there = table.kind.T != NONE
        self._there = np.flatnonzero(there)
        self._path_link = table.link
        self._link = np.tile(table.link, depth)[self._there]
        self._object = table.object.T.ravel()[self._there]
        # The kernel numbers the objects that paths meet, so its inputs do not grow with K. They are
        # one at least where there is one: Dr.Jit has no empty arrays to gather from.
        met = np.unique(self._object)
        self._objects = met if len(met) else np.arange(min(table.num_objects, 1))
        number = np.where(there, np.searchsorted(self._objects, table.object.T), 0)
        entry = np.tile(table.setup.astype(np.int64), depth)[self._there] * table.num_objects
        # Only pairs of setup and object that meet: they grow with the paths, not with M · K.
        self._met, row = np.unique(entry + self._object, return_inverse=True)
        self._sum_objects = sp.csr_matrix(
            (np.ones(len(entry)), (row, self._there)), (len(self._met), depth * paths)
        )
        self._object_of_met = self._met % max(table.num_objects, 1)
        # A ray of amplitude one at one metre carries (λ / 4π)² of the transmit power.
        scale = radio.wavelength / (4.0 * np.pi * table.length) * np.sqrt(radio.tx_power)
        turns = 2.0 * np.pi * table.length / radio.wavelength
        self._phase = np.exp(-1j * np.remainder(turns, 2.0 * np.pi))[:, None]
        floats = [table.tx_field[:, 0] * scale, table.tx_field[:, 1] * scale, *table.rx_field.T]
        floats += [*table.rotation[:, :, 0].T, *table.rotation[:, :, 1].T, *table.cosine.T]
        self._floats = [_device(Float, x) for x in floats]
        self._encounters = [_device(UInt, x) for x in number * _KINDS + table.kind.T]
        self._lanes: dict[int, _Lanes] = {}
        self._sum_pairs: tuple[NDArray[np.int64], sp.csr_matrix] | None = None

    def rss(self, materials: Materials) -> FloatArray:
        """Received powers [S, M, N] in watts (zero where no path arrives)."""
        rss = self.derivative(materials, "conductivity").rss
        return rss.T.reshape(-1, self.table.num_setups, self.table.num_receivers)

    def derivative(self, materials: Materials, unknown: Parameter = "conductivity") -> Derivative:
        """Received powers and their derivatives with respect to one parameter of each object."""
        sigma, permittivity, thickness = self._rows(materials)
        count = sigma.shape[0]
        step = max(1, MAX_LANES // max(self.table.num_paths, 1))
        parts = [
            self._derivative(
                sigma[i : i + step], permittivity[i : i + step], thickness[i : i + step], unknown
            )
            for i in range(0, count, step)
        ]
        if len(parts) == 1:
            return parts[0]
        return Derivative(*(np.concatenate(p, axis=1) for p in zip(*parts, strict=True)))

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
        by_path = derivative.by_path.reshape(self.table.max_depth, self.table.num_paths, vectors)
        # One parameter vector may meet several weights.
        weighed = by_path * weight.reshape(count, -1).T[self._path_link]
        found = self._sum_objects @ weighed.reshape(rows, count)
        if scale is not None:
            found *= scale[self._object_of_met, None]
        # Nothing else of the M · K entries is touched: for large rooms they are most of the time.
        total = np.zeros((setups * objects, count))
        total[self._met] = found
        return total.reshape(setups, objects, count).transpose(2, 0, 1)

    def jacobian(self, derivative: Derivative) -> sp.csr_matrix:
        """Sparse [M · N, K] derivative of the received powers of one parameter vector [W/unit]."""
        values = derivative.by_path[self._there, 0]
        shape = (self.num_links, self.table.num_objects)
        return sp.coo_matrix((values, (self._link, self._object)), shape).tocsr()

    def jacobians(self, derivative: Derivative) -> FloatArray:
        """Dense [S, M · N, K] derivatives of the received powers of S parameter vectors
        [W/unit]."""
        objects = self.table.num_objects
        if self._sum_pairs is None:
            pair, row = np.unique(self._link * objects + self._object, return_inverse=True)
            ones = np.ones(len(row))
            shape = len(pair), len(derivative.by_path)
            self._sum_pairs = pair, sp.csr_matrix((ones, (row, self._there)), shape)
        pair, add = self._sum_pairs
        found = np.zeros((derivative.rss.shape[1], self.num_links * objects))
        found[:, pair] = (add @ derivative.by_path).T
        return found.reshape(-1, self.num_links, objects)

    def _rows(self, materials: Materials) -> list[FloatArray]:
        objects = self.table.num_objects
        given = [np.array(x, np.float64, ndmin=2, copy=None) for x in materials]
        count = max(len(x) for x in given)
        for name, x in zip(Materials._fields, given, strict=True):
            if x.shape not in ((1, objects), (count, objects)):
                raise ValueError(f"{name} has shape {x.shape}, expected ({count}, {objects})")
        return [x if len(x) == count else np.broadcast_to(x, (count, objects)) for x in given]

    def _lanes_of(self, count: int) -> _Lanes:
        """The kernel's inputs that evaluations of ``count`` parameter vectors share."""
        if count not in self._lanes:
            path = offset = None
            if count > 1:
                every = np.arange(self.table.num_paths, dtype=np.uint32)
                first = np.arange(count, dtype=np.uint32) * len(self._objects)
                path = _device(UInt, np.repeat(every, count))
                offset = _device(UInt, np.tile(first, self.table.num_paths))
            buffers = [_aligned(Float, count * len(self._objects)) for _ in Materials._fields]
            self._lanes[count] = _Lanes(path, offset, buffers, (*map(Float, buffers),))
        return self._lanes[count]

    def _derivative(
        self,
        sigma: FloatArray,
        permittivity: FloatArray,
        thickness: FloatArray,
        unknown: Parameter,
    ) -> Derivative:
        paths, depth = self.table.num_paths, self.table.max_depth
        count = len(sigma)
        if paths == 0:
            return Derivative(np.zeros((self.num_links, count)), np.zeros((0, count)))
        omega_eps = 2.0 * np.pi * self.radio.frequency * VACUUM_PERMITTIVITY
        wavenumber = 2.0 * np.pi / self.radio.wavelength
        coherent = self.radio.combining == "coherent"
        # dη/dσ = -j/(ωε_0), dη/dε_r = 1; the kernel's thickness is in radians.
        factor = {
            "conductivity": -1j / omega_eps,
            "relative_permittivity": 1.0 + 0j,
            "thickness": wavenumber + 0j,
        }[unknown]
        lanes = self._lanes_of(count)
        values = _walk(
            lanes.path,
            lanes.offset,
            lanes.filled(
                permittivity[:, self._objects],
                sigma[:, self._objects] / omega_eps,
                thickness[:, self._objects] * wavenumber,
            ),
            self._floats,
            self._encounters,
            depth,
            (factor.real, factor.imag),
            unknown == "thickness",
            coherent,
        )
        columns = [v.numpy().reshape(paths, count) for v in values]
        if not coherent:
            by_path = np.concatenate(columns[1:]) if depth else np.zeros((0, count))
            if count == 1:  # the same sum in the same order, without scipy's overhead
                power = columns[0][:, 0]
                rss = np.bincount(self._path_link, power, self.num_links).astype(np.float64)
                return Derivative(rss[:, None], by_path)
            return Derivative(self._sum_links @ columns[0], by_path)
        amplitude = (columns[0] + 1j * columns[1]) * self._phase
        field = self._sum_links @ amplitude
        pointer = 2.0 * np.conj(field)[self._path_link] * self._phase
        change = [columns[2 + 2 * d] + 1j * columns[3 + 2 * d] for d in range(depth)]
        by_path = np.concatenate([(pointer * c).real for c in change] or [np.zeros((0, count))])
        return Derivative(field.real**2 + field.imag**2, by_path)


class _Lanes(NamedTuple):
    """Inputs of the kernel for one number of parameter vectors.

    :param path: [P · S] path of each lane; None: lanes are paths
    :param offset: [P · S] where the lane's parameter vector begins; None: at the beginning
    :param buffers: memory of the three material parameters [S · K']
    :param arrays: the same as Dr.Jit arrays
    """

    path: Any
    offset: Any
    buffers: list[FloatArray]
    arrays: tuple[Any, Any, Any]

    def filled(
        self,
        permittivity: FloatArray,
        loss: FloatArray,
        thickness: FloatArray,
    ) -> tuple[Any, Any, Any]:
        """The parameters [S, K'] as Dr.Jit arrays.

        On the CPU they are written where the arrays of the last evaluation read: nothing is
        running any more once its results are NumPy arrays, and to make and free Dr.Jit arrays
        takes as long as a small kernel.
        """
        values = permittivity, loss, thickness
        if _backend is dr.cuda:
            return _device(Float, permittivity), _device(Float, loss), _device(Float, thickness)
        for buffer, x in zip(self.buffers, values, strict=True):
            buffer[:] = x.ravel()
        return self.arrays


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
    path: Any,
    offset: Any,
    slabs: tuple[Any, Any, Any],
    floats: list[Any],
    encounters: list[Any],
    depth: int,
    factor: tuple[float, float],
    by_thickness: bool,
    coherent: bool,
) -> list[Any]:
    """Amplitude and its derivative for each interaction (``coherent``: real and imaginary parts
    apart), or power and its derivatives.

    :param path: [P · S] path of each lane; None: lanes are paths
    :param offset: [P · S] where the lane's parameter vector begins; None: at the beginning
    :param slabs: ε_r, σ/(ωε_0) and 2π · thickness / λ, [S · K'] each
    :param floats: columns of the path table: F_tx (2, scaled), F_rx (2), cos and sin of the
        rotations (D + 1 each), cosines of incidence (D)
    :param encounters: object and kind of each interaction as one number (D)
    :param factor: derivative of η, or of the thickness in radians, by the unknown
    """
    permittivity, loss, thickness = slabs
    column, encounter = floats, encounters
    if path is not None:
        column = [dr.gather(Float, x, path) for x in floats]
        encounter = [dr.gather(UInt, x, path) for x in encounters]
    tx, rx = column[0:2], column[2:4]
    cos, sin = column[4 : 5 + depth], column[5 + depth : 6 + 2 * depth]
    incidence = column[6 + 2 * depth :]

    coefficient = []
    for d in range(depth):
        k, kind = encounter[d] // _KINDS, encounter[d] % _KINDS
        if offset is not None:
            k += offset
        eta = Complex(dr.gather(Float, permittivity, k), -dr.gather(Float, loss, k))
        thick = dr.gather(Float, thickness, k)
        slab = _slab(incidence[d], eta, thick, kind == REFLECTION, by_thickness)
        passes = kind == NONE
        coefficient.append(
            [dr.select(passes, Complex(1.0 if i < 2 else 0.0), c) for i, c in enumerate(slab)]
        )

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
        te, tm, d_te, d_tm = coefficient[d]
        change.append(after[0] * d_te * before[d][0] + after[1] * d_tm * before[d][1])
        after = _turn([te * after[0], tm * after[1]], cos[d], -sin[d])
    change = [value * Complex(*factor) for value in reversed(change)]
    if coherent:
        return [part(value) for value in (amplitude, *change) for part in (dr.real, dr.imag)]
    pointer = 2.0 * dr.conj(amplitude)
    return [dr.squared_norm(amplitude), *(dr.real(pointer * value) for value in change)]


def _turn(field: list[Any], cos: Any, sin: Any) -> list[Any]:
    return [field[0] * cos + field[1] * sin, field[1] * cos - field[0] * sin]


def _slab(cos: Any, eta: Any, thickness: Any, reflects: Any, by_thickness: bool) -> list[Any]:
    """A coefficient of a slab in vacuum, and its derivative by η or by the thickness.

    Recommendation ITU-R P.2040-4, equations (37), (43), (44), with primes for the interface.

    :param cos: cosine of the angle of incidence
    :param eta: complex relative permittivity
    :param thickness: 2π · thickness / λ
    :param reflects: the coefficient of reflection is wanted, and not that of transmission
    :return: TE, TM, dTE, dTM
    """
    u = dr.sqrt(eta - (1.0 - cos * cos))
    exp_q = dr.exp(Complex(0.0, -1.0) * (thickness * u))
    exp_2q = exp_q * exp_q
    if by_thickness:
        du = Complex(0.0)
        d_exp = Complex(0.0, -1.0) * u * exp_q
    else:
        du = dr.rcp(2.0 * u)
        d_exp = Complex(0.0, -1.0) * (thickness * du) * exp_q
    d_exp_2q = 2.0 * exp_q * d_exp

    te_sum, tm_sum = dr.rcp(cos + u), dr.rcp(eta * cos + u)
    interface = [(cos - u) * te_sum, (eta * cos - u) * tm_sum]
    change = [
        -2.0 * cos * te_sum * te_sum * du,
        Complex(0.0) if by_thickness else 2.0 * cos * tm_sum * tm_sum * (u - eta * du),
    ]
    coefficient, derivative = [], []
    for r, dr_ in zip(interface, change, strict=True):
        square = r * r
        scale = dr.rcp(1.0 - square * exp_2q)
        d_scale = scale * (2.0 * r * dr_ * exp_2q + square * d_exp_2q)  # d(scale) / scale
        # Chosen as early as can be: what is not wanted would fill the processor's registers.
        value = dr.select(reflects, r * (1.0 - exp_2q), (1.0 - square) * exp_q) * scale
        d_value = dr.select(
            reflects,
            dr_ * (1.0 - exp_2q) - r * d_exp_2q,
            (1.0 - square) * d_exp - 2.0 * r * dr_ * exp_q,
        )
        coefficient.append(value)
        derivative.append(d_value * scale + value * d_scale)
    return coefficient + derivative
