"""Coefficients of slabs and of stacks of layers with written-out derivatives, in Dr.Jit."""

from __future__ import annotations

from typing import Any

from vlmrt_dist.engine import limit_threads, prepare_engine

VARIANT = prepare_engine()  # has to run before Dr.Jit is imported

import drjit as dr  # noqa: E402

limit_threads()

_backend = dr.cuda if VARIANT.startswith("cuda") else dr.llvm
Complex: Any = _backend.Complex2f64


def slab(cos: Any, eta: Any, thickness: Any, reflects: Any, by_thickness: bool) -> list[Any]:
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


def stack(
    cos: Any, layers: list[tuple[Any, Any]], reflects: Any, by_thickness: bool
) -> tuple[list[Any], list[list[Any]]]:
    """A coefficient of layers in vacuum, and its derivative by each layer's η or thickness.

    The layers are lines of characteristic admittance Y = u (TE) or u/η (TM), with u² = η - sin² θ,
    one behind the other and vacuum behind the last. From behind, with E = exp(-2j q) and the phase
    q of a layer,

        D = Y (1 + E) + Y_behind (1 - E),    Y_in = Y (Y_behind (1 + E) + Y (1 - E)) / D

    and with Y_0 = cos θ in front, R = (Y_0 - Y_in) / (Y_0 + Y_in) and
    T = 2 Y_0 / (Y_0 + Y_in) · Π 2 Y exp(-jq) / D. This is the recursion of Recommendation ITU-R
    P.2040-4 for layers, without its growing exponentials; one layer gives :func:`slab`. The
    derivative of R, or of ln T, by Y_in goes from the front to the back.

    :param layers: η and 2π · thickness / λ of each, from the front; thickness 0 where there is none
    :return: [TE, TM], and [dTE, dTM] for each layer
    """
    vacuum = Complex(cos)
    u = [dr.sqrt(eta - (1.0 - cos * cos)) for eta, _ in layers]
    exp_q = [
        dr.exp(Complex(0.0, -1.0) * (thick * x)) for (_, thick), x in zip(layers, u, strict=True)
    ]
    tm = [x * dr.rcp(eta) for (eta, _), x in zip(layers, u, strict=True)]
    coefficient, derivative = [], []
    for of_tm, admittance in enumerate((u, tm)):
        value, by_admittance, by_q = _line(vacuum, admittance, exp_q, reflects)
        coefficient.append(value)
        changes = []
        for (eta, thick), x, dy, dq in zip(layers, u, by_admittance, by_q, strict=True):
            if by_thickness:
                changes.append(dq * x)
                continue
            du = dr.rcp(2.0 * x)
            own = (du - x * dr.rcp(eta)) * dr.rcp(eta) if of_tm else du
            changes.append(dy * own + dq * (thick * du))
        derivative.append(changes)
    return coefficient, [list(pair) for pair in zip(*derivative, strict=True)]


def _line(
    vacuum: Any, admittance: list[Any], exp_q: list[Any], reflects: Any
) -> tuple[Any, list[Any], list[Any]]:
    """R or T of lines in a row, and its derivatives by each line's admittance and phase."""
    behind, divisor = [vacuum], []
    through = Complex(1.0)
    for y, e in zip(reversed(admittance), reversed(exp_q), strict=True):
        square, last = e * e, behind[-1]
        inverse = dr.rcp(y * (1.0 + square) + last * (1.0 - square))
        divisor.append(inverse)
        through *= 2.0 * y * e * inverse
        behind.append(y * (last * (1.0 + square) + y * (1.0 - square)) * inverse)
    seen = behind.pop()
    total = dr.rcp(vacuum + seen)
    through *= 2.0 * vacuum * total
    value = dr.select(reflects, (vacuum - seen) * total, through)
    # By Y_in: of R, or of ln T, and then T times that.
    by_seen = dr.select(reflects, -2.0 * vacuum * total * total, -total)
    passes = dr.select(reflects, Complex(0.0), Complex(1.0))
    scale = dr.select(reflects, Complex(1.0), through)
    by_admittance, by_q = [], []
    for y, e, last, inverse in zip(
        admittance, exp_q, reversed(behind), reversed(divisor), strict=True
    ):
        square = e * e
        less, four = 1.0 - square, 4.0 * square * y * inverse * inverse
        seen = y * (last * (1.0 + square) + y * less) * inverse
        d_seen = seen * dr.rcp(y) - four * last
        d_square = 2.0 * y * (last * last - y * y) * inverse * inverse
        by_admittance.append(
            scale * (by_seen * d_seen + passes * (last * less * dr.rcp(y) * inverse))
        )
        d_square = by_seen * d_square - passes * (y - last) * inverse
        by_q.append(scale * Complex(0.0, -1.0) * (2.0 * square * d_square + passes))
        by_seen = by_seen * four * y - passes * less * inverse
    return value, by_admittance, by_q
