"""Kernels that walk stored paths through their interactions, in float64 with Dr.Jit.

Each lane is one path of one parameter vector. What a path meets enters as the diagonal C of a
slab's, or a stack's, TE and TM coefficients with its derivatives, and the changes of basis R
between; see :mod:`~vlmrt_dist.field.replay`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.field.materials import SLAB
from vlmrt_dist.field.slabs import VARIANT, Complex, dr, slab, stack
from vlmrt_dist.paths import DIFFRACTION, NONE, REFLECTION, TRANSMISSION

ON_CUDA = VARIANT.startswith("cuda")
_backend = dr.cuda if ON_CUDA else dr.llvm
Float: Any = _backend.Float64
UInt: Any = _backend.UInt32

KINDS = 4
"""A power of two above the kinds of interactions: object and kind of one are KINDS · k + kind."""

NO_LAYER = 0xFFFFFFFF

_EDGE_INPUTS = 10
"""Columns of edges before the objects of their wedges."""

_ALIGNMENT = 64


def aligned(kind: Any, size: int) -> NDArray[Any]:
    """Uninitialised memory for a Dr.Jit array.

    On the CPU Dr.Jit reads NumPy's memory in place, and a frozen kernel is recorded again whenever
    the alignment of one of its arrays differs; so they all get the same.
    """
    dtype = np.dtype(np.float64 if kind is Float else np.uint32)
    buffer = np.empty(size * dtype.itemsize + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size * dtype.itemsize].view(dtype)


def device(kind: Any, values: NDArray[Any]) -> Any:
    """``values``, flattened, as a Dr.Jit array."""
    memory = aligned(kind, values.size)
    memory[:] = values.ravel()
    return kind(memory)


# A recording for each depth and combining is in order, so no warning before there are very many.
@dr.freeze(state_fn=None, warn_after=10_000)
def walk(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    floats: list[Any],
    encounters: list[Any],
    stacked: tuple[Any, int] | None,
    edges: list[Any] | None,
    depth: int,
    factors: tuple[tuple[float, float], ...],
    unknown: str,
    coherent: bool,
) -> list[Any]:
    """Amplitude and, for each factor, its derivative for each interaction and layer (``coherent``:
    real and imaginary parts apart), or power and its derivatives.

    :param lanes: [P · S] path of each lane (None: lanes are paths), and where its parameters of
        slabs and of objects begin (None: at the beginning)
    :param materials: ε_r, σ/(ωε_0) and 2π · thickness / λ, [S · K'] each; and, where there is an
        extra loss, the share of the amplitude that it leaves [S · K'']
    :param floats: columns of the path table: F_tx (2, scaled), F_rx (2) (4 each where they are
        complex: real and imaginary parts), cos and sin of the rotations (D + 1 each), cosines of
        incidence (D)
    :param encounters: object and kind of each interaction as one number (D)
    :param stacked: slabs of each object [K'' · N], and N; None: every object is one
    :param edges: of diffracted paths, zeros for others: weights of the near and the far face's
        coefficients (real and imaginary parts apart), cos and sin of the turns to the far face's
        basis and back, cosine of incidence on the far face, whether it reflects, and the object;
        behind them, where surfaces scatter, what that leaves of the objects' reflection
        coefficients [S · K'']. None: no path is diffracted
    :param factors: derivatives of η, of the thickness in radians, or of ln T, by the parameters
        that are differentiated by; none: by none
    :param unknown: which of the three: "eta", "thickness", "extra_loss_db"
    """
    column, coefficient, derivative, edge = _interactions(
        lanes, materials, floats, encounters, stacked, edges, depth, unknown
    )
    ends, (cos, sin) = column[: -3 * depth - 2], _rotations(column, depth)
    if len(ends) == 4:
        tx, rx = ends[0:2], ends[2:4]
    else:
        pairs = [Complex(*ends[i : i + 2]) for i in range(0, 8, 2)]
        tx, rx = pairs[0:2], pairs[2:4]

    # Forwards: the field before and after each interaction.
    field = [Complex(tx[0]), Complex(tx[1])]
    before = []
    for d in range(depth):
        field = _turn(field, cos[d], sin[d])
        before.append(field)
        field = _met(field, coefficient[d], edge, d)
    field = _turn(field, cos[depth], sin[depth])
    amplitude = field[0] * rx[0] + field[1] * rx[1]

    # Backwards: what a change of the field behind each interaction does to the amplitude.
    after = _turn([Complex(rx[0]), Complex(rx[1])], cos[depth], -sin[depth])
    change = []
    for d in range(depth - 1, -1, -1):
        change += _changes(after, derivative[d], before[d], edge, d)
        after = _turn(_met(after, coefficient[d], edge, d, backwards=True), cos[d], -sin[d])
    change = [value * Complex(*factor) for factor in factors for value in reversed(change)]
    if coherent:
        return [part(value) for value in (amplitude, *change) for part in (dr.real, dr.imag)]
    pointer = 2.0 * dr.conj(amplitude)
    return [dr.squared_norm(amplitude), *(dr.real(pointer * value) for value in change)]


def _interactions(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    floats: list[Any],
    encounters: list[Any],
    stacked: tuple[Any, int] | None,
    edges: list[Any] | None,
    depth: int,
    unknown: str,
) -> tuple[list[Any], list[Any], list[Any], _Edge | None]:
    """Columns of the lanes; coefficients of each interaction; derivatives of these for each layer;
    the far faces of wedges.

    Parameters as of :func:`walk`.
    """
    path, slab_offset, object_offset = lanes
    column, encounter = floats, encounters
    if path is not None:
        column = [dr.gather(Float, x, path) for x in floats]
        encounter = [dr.gather(UInt, x, path) for x in encounters]
    incidence = column[len(column) - depth :]
    edge = None
    if edges is not None:
        edge = _edge_of(lanes, materials, edges, stacked, unknown)

    coefficient, derivative = [], []
    for d in range(depth):
        k, kind = encounter[d] // KINDS, encounter[d] % KINDS
        slabs = _slabs_of(materials, k, slab_offset, stacked)
        reflects = kind == REFLECTION
        if edge is not None:
            edge.here.append(kind == DIFFRACTION)
            reflects = reflects | edge.here[d]
        value, changes = _of_object(incidence[d], slabs, reflects, unknown, stacked)
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
    return column, coefficient, derivative, edge


def _of_object(
    cos: Any,
    slabs: list[tuple[Any, Any]],
    reflects: Any,
    unknown: str,
    stacked: tuple[Any, int] | None,
) -> tuple[list[Any], list[list[Any]]]:
    """Coefficients of a slab or a stack, and their derivatives for each layer."""
    by_thickness = unknown == "thickness"
    if stacked is None:
        both = slab(cos, *slabs[0], reflects, by_thickness)
        return both[:2], [both[2:]]
    return stack(cos, slabs, reflects, by_thickness)


class _Edge(NamedTuple):
    """Far faces of the wedges that lanes are diffracted by; see
    :mod:`~vlmrt_dist.paths.edge_rows`.

    :param near: weight of the near face's coefficients
    :param far: weight of the far face's
    :param turned: cosine and sine of the turn to the far face's basis
    :param back: of the turn back
    :param value: its coefficients
    :param changes: their derivatives for each layer
    :param here: for each depth whether the interaction is a diffraction
    """

    near: Any
    far: Any
    turned: tuple[Any, Any]
    back: tuple[Any, Any]
    value: list[Any]
    changes: list[list[Any]]
    here: list[Any]


def _edge_of(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    edges: list[Any],
    stacked: tuple[Any, int] | None,
    unknown: str,
) -> _Edge:
    """The far faces; parameters as of :func:`walk`."""
    path, slab_offset, object_offset = lanes
    column, k, rough = edges[:_EDGE_INPUTS], edges[_EDGE_INPUTS], edges[_EDGE_INPUTS + 1 :]
    if path is not None:
        column, k = [dr.gather(Float, x, path) for x in column], dr.gather(UInt, k, path)
    slabs = _slabs_of(materials, k, slab_offset, stacked)
    bright = column[9] > 0.5
    value, changes = _of_object(column[8], slabs, bright | True, unknown, stacked)
    if unknown == "extra_loss_db":
        changes = [[Complex(0.0), Complex(0.0)]]
    value = [dr.select(bright, x, Complex(-1.0)) for x in value]
    changes = [[dr.select(bright, x, Complex(0.0)) for x in pair] for pair in changes]
    near, far = Complex(*column[0:2]), Complex(*column[2:4])
    if rough:
        left = dr.gather(Float, rough[0], k if object_offset is None else k + object_offset)
        near, far = near * left, far * dr.select(bright, left, 1.0)
    turned, back = (column[4], column[5]), (column[6], column[7])
    return _Edge(near, far, turned, back, value, changes, [])


def _met(
    field: list[Any], coefficient: list[Any], edge: _Edge | None, d: int, backwards: bool = False
) -> list[Any]:
    """The field behind interaction ``d``; ``backwards``: by the transposed matrix."""
    plain = [coefficient[0] * field[0], coefficient[1] * field[1]]
    if edge is None:
        return plain
    first, second = edge.turned, edge.back
    if backwards:
        (cos, sin), (other, across) = edge.back, edge.turned
        first, second = (cos, -sin), (other, -across)
    far = _turn(field, *first)
    far = _turn([edge.value[0] * far[0], edge.value[1] * far[1]], *second)
    both = [edge.near * p + edge.far * f for p, f in zip(plain, far, strict=True)]
    return [dr.select(edge.here[d], b, p) for b, p in zip(both, plain, strict=True)]


def _changes(
    after: list[Any], derivative: list[list[Any]], before: list[Any], edge: _Edge | None, d: int
) -> list[Any]:
    """Derivatives of what arrives by each layer of interaction ``d``, from the last to the first.

    :param after: what a change of the field behind the interaction does
    :param before: field in front of it
    """
    found = []
    for d_te, d_tm in reversed(derivative):
        found.append(after[0] * d_te * before[0] + after[1] * d_tm * before[1])
    if edge is None:
        return found
    cos, sin = edge.back
    into, out = _turn(before, *edge.turned), _turn(after, cos, -sin)
    for i, (d_te, d_tm) in enumerate(reversed(edge.changes)):
        both = edge.near * found[i]
        both += edge.far * (out[0] * d_te * into[0] + out[1] * d_tm * into[1])
        found[i] = dr.select(edge.here[d], both, found[i])
    return found


def _rotations(column: list[Any], depth: int) -> tuple[list[Any], list[Any]]:
    """Cosines and sines of the D + 1 changes of basis, from the lanes' columns."""
    first = len(column) - 3 * depth - 2
    return column[first : first + depth + 1], column[first + depth + 1 : first + 2 * depth + 2]


@dr.freeze(state_fn=None, warn_after=10_000)
def transfer(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    floats: list[Any],
    encounters: list[Any],
    stacked: tuple[Any, int] | None,
    edges: list[Any] | None,
    depth: int,
    factors: tuple[tuple[float, float], ...],
    unknown: str,
) -> list[Any]:
    """Transfer matrix T of each path, from (θ̂, φ̂) at its departure to those at its arrival, and its
    derivative for each factor, interaction and layer: T_θθ, T_θφ, T_φθ, T_φφ, real and imaginary
    parts.

    Parameters as of :func:`walk`, but ``floats`` has no columns of antennas.
    """
    column, coefficient, derivative, edge = _interactions(
        lanes, materials, floats, encounters, stacked, edges, depth, unknown
    )
    cos, sin = _rotations(column, depth)
    one, none = Complex(1.0), Complex(0.0)
    fields, before = [[one, none], [none, one]], []
    for d in range(depth):
        fields = [_turn(field, cos[d], sin[d]) for field in fields]
        before.append(fields)
        fields = [_met(field, coefficient[d], edge, d) for field in fields]
    fields = [_turn(field, cos[depth], sin[depth]) for field in fields]
    found = [[fields[j][i] for i in range(2) for j in range(2)]]
    after = [_turn(unit, cos[depth], -sin[depth]) for unit in ([one, none], [none, one])]
    change = []
    for d in range(depth - 1, -1, -1):
        pairs = [_changes(out, derivative[d], into, edge, d) for out in after for into in before[d]]
        change += [list(each) for each in zip(*pairs, strict=True)]
        behind = [_met(out, coefficient[d], edge, d, backwards=True) for out in after]
        after = [_turn(out, cos[d], -sin[d]) for out in behind]
    for factor in factors:
        found += [[value * Complex(*factor) for value in each] for each in reversed(change)]
    return [part(value) for each in found for value in each for part in (dr.real, dr.imag)]


@dr.freeze(state_fn=None, warn_after=10_000)
def scatter(
    lanes: tuple[Any, Any, Any],
    materials: list[Any],
    floats: list[Any],
    encounters: list[Any],
    stacked: tuple[Any, int] | None,
    edges: list[Any] | None,
    depth: int,
    factors: tuple[tuple[float, float], ...],
    unknown: str,
    split: tuple[Any, Any],
) -> list[Any]:
    """Power by chains whose last interaction scatters, apart from the scattering coefficients; its
    derivative by the XPD coefficient times twice the root of K_x (1 - K_x); and as of :func:`walk`
    its derivatives for each factor, interaction and layer.

    With the incident field e along (TE, TM) and (e_θ, e_φ), the power is Γ² |X|², where

        Γ² = (|r_TE e_TE|² + |r_TM e_TM|²) / |e|²,
        X = √(1 - K_x) (F_θ e_θ + F_φ e_φ) + √K_x (F_φ e_θ - F_θ e_φ).

    Parameters as of :func:`walk`; no path is diffracted, and the last change of basis is the one
    from (TE, TM) to (θ̂, φ̂).

    :param split: √(1 - K_x) and √K_x [S · K''] of the objects
    """
    column, coefficient, derivative, _ = _interactions(
        lanes, materials, floats, encounters, stacked, edges, depth, unknown
    )
    ends, (cos, sin) = column[: -3 * depth - 2], _rotations(column, depth)
    if len(ends) == 4:
        tx, rx = ends[0:2], ends[2:4]
    else:
        pairs = [Complex(*ends[i : i + 2]) for i in range(0, 8, 2)]
        tx, rx = pairs[0:2], pairs[2:4]
    path, _, offset = lanes
    met = encounters[-1] if path is None else dr.gather(UInt, encounters[-1], path)
    met = met // KINDS if offset is None else met // KINDS + offset
    straight, crossed = (dr.gather(Float, x, met) for x in split)

    field = [Complex(tx[0]), Complex(tx[1])]
    before = []
    for d in range(depth - 1):
        field = _turn(field, cos[d], sin[d])
        before.append(field)
        field = [coefficient[d][i] * field[i] for i in range(2)]
    field = _turn(field, cos[depth - 1], sin[depth - 1])
    incident = [dr.squared_norm(x) for x in field]
    reflected = [dr.squared_norm(x) for x in coefficient[-1]]
    total = incident[0] + incident[1]
    lit = total > 0.0
    inverse = dr.select(lit, dr.rcp(dr.select(lit, total, 1.0)), 0.0)
    back = (reflected[0] * incident[0] + reflected[1] * incident[1]) * inverse  # Γ²
    own = [Complex(x) for x in rx]
    turned = [own[1], -own[0]]  # what receives a field turned by 90°
    toward = [straight * own[i] + crossed * turned[i] for i in range(2)]
    other = [straight * turned[i] - crossed * own[i] for i in range(2)]
    toward, other = (_turn(each, cos[depth], -sin[depth]) for each in (toward, other))
    received = toward[0] * field[0] + toward[1] * field[1]
    rest = other[0] * field[0] + other[1] * field[1]
    power = dr.squared_norm(received)
    found = [back * power, 2.0 * back * dr.real(dr.conj(received) * rest)]

    # What a change of the incident field does to the power, and of the last coefficients.
    pull = [
        2.0 * (power * inverse * (reflected[i] - back) * dr.conj(field[i])
               + back * dr.conj(received) * toward[i])
        for i in range(2)
    ]  # fmt: skip
    strength = [2.0 * power * inverse * incident[i] for i in range(2)]
    change = [
        sum(strength[i] * dr.conj(coefficient[-1][i]) * slope[i] for i in range(2))
        for slope in reversed(derivative[-1])
    ]
    after = _turn(pull, cos[depth - 1], -sin[depth - 1])
    for d in range(depth - 2, -1, -1):
        for slope in reversed(derivative[d]):
            change.append(sum(after[i] * slope[i] * before[d][i] for i in range(2)))
        after = [coefficient[d][i] * after[i] for i in range(2)]
        after = _turn(after, cos[d], -sin[d])
    by = [value * Complex(*factor) for factor in factors for value in reversed(change)]
    return [*found, *(dr.real(value) for value in by)]


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
        there = at != NO_LAYER
        if offset is not None:
            at = at + offset
        real = dr.select(there, dr.gather(Float, permittivity, at, there), 1.0)
        eta = Complex(real, -dr.gather(Float, loss, at, there))
        slabs.append((eta, dr.gather(Float, thickness, at, there)))
    return slabs
