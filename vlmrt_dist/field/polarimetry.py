"""Amplitudes of port pairs from the transfer matrices of the paths that they share.

The 2×2 matrix T of a path, from the components of the field at its departure to those at its
arrival, does not depend on the antennas; every pair of ports adds F_rxᵀ T F_tx. Complex numbers are
multiplied by their real and imaginary parts, one operation at a time, so that the result has the
same bits however the paths are split.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.paths import PathTable


class Parts(NamedTuple):
    """Real and imaginary parts of complex numbers; None: they are real."""

    real: FloatArray
    imaginary: FloatArray | None

    @staticmethod
    def of(values: NDArray[Any]) -> Parts:
        """The parts of an array."""
        return Parts(values.real, values.imag if np.iscomplexobj(values) else None)

    def times(self, other: Parts) -> Parts:
        """The product; one of both may be real."""
        a, b = self, other
        if a.imaginary is None and b.imaginary is None:
            return Parts(a.real * b.real, None)
        if b.imaginary is None:
            a, b = b, a
        assert b.imaginary is not None
        if a.imaginary is None:
            return Parts(a.real * b.real, a.real * b.imaginary)
        return Parts(
            a.real * b.real - a.imaginary * b.imaginary,
            a.real * b.imaginary + a.imaginary * b.real,
        )

    def plus(self, other: Parts) -> Parts:
        """The sum."""
        parts = [x for x in (self.imaginary, other.imaginary) if x is not None]
        return Parts(self.real + other.real, sum(parts[1:], parts[0]) if parts else None)


class Ends(NamedTuple):
    """Fields of the antennas at both ends of P paths, the transmitter's with the amplitude that a
    path has by its length.

    :param tx: [P, 2], real or complex
    :param rx: [P, 2]
    """

    tx: NDArray[Any]
    rx: NDArray[Any]

    def amplitude(self, matrix: list[Parts], which: IntArray) -> Parts:
        """F_rxᵀ T F_tx of each path [P, S].

        :param matrix: T_θθ, T_θφ, T_φθ, T_φφ of the different paths, [P', S] each
        :param which: [P] which of those each path is
        """
        tx, rx = ([Parts.of(end[:, i, None]) for i in range(2)] for end in self)
        arriving = []
        for i in range(2):
            row = [_taken(matrix[2 * i + j], which).times(tx[j]) for j in range(2)]
            arriving.append(rx[i].times(row[0].plus(row[1])))
        return arriving[0].plus(arriving[1])


def _taken(parts: Parts, which: IntArray) -> Parts:
    return Parts(parts.real[which], None if parts.imaginary is None else parts.imaginary[which])


def matrices(columns: list[FloatArray]) -> list[list[Parts]]:
    """The four elements of each matrix, from their real and imaginary parts."""
    pairs = [Parts(*columns[i : i + 2]) for i in range(0, len(columns), 2)]
    return [pairs[i : i + 4] for i in range(0, len(pairs), 4)]


def columns_of(amplitude: Parts, changes: list[Parts], coherent: bool) -> list[FloatArray]:
    """Amplitudes and their derivatives, or powers and theirs, as the kernel of single paths gives
    them: :func:`~vlmrt_dist.field.kernels.walk`."""
    real, imaginary = _both(amplitude)
    if coherent:
        return [real, imaginary, *(part for change in changes for part in _both(change))]
    power = real * real + imaginary * imaginary
    slopes = []
    for change in changes:
        d_real, d_imaginary = _both(change)
        slopes.append(2.0 * (real * d_real + imaginary * d_imaginary))
    return [power, *slopes]


def _both(parts: Parts) -> tuple[FloatArray, FloatArray]:
    none = parts.imaginary is None
    return parts.real, np.zeros_like(parts.real) if none else parts.imaginary  # type: ignore[return-value]


def different_paths(table: PathTable) -> tuple[IntArray, IntArray]:
    """A row of each different path [P'], and which of these each row has [P]."""
    if table.ports is None:
        every = np.arange(table.num_paths)
        return every, every
    _, first, which = np.unique(table.ports.geometry, return_index=True, return_inverse=True)
    return first, which.reshape(-1)


ORTHOGONAL = 1e-20
"""Share of the strongest pair's power below which a pair of ports hears nothing but the rounding of
what cancels, as crossed polarizations do on a line of sight."""


class PortAverages:
    """Levels of links as averages over their pairs of ports.

    :param table: whose links have several
    """

    def __init__(self, table: PathTable) -> None:
        assert table.ports is not None
        pairs = table.ports.pairs
        most = int(pairs.max())
        number = table.link * most + table.ports.pair
        found, self.of_path = np.unique(number, return_inverse=True)
        self.of_path = self.of_path.reshape(-1)
        self.num_pairs = len(found)
        self._link_of_pair, self._link = found // most, table.link
        self._pairs = np.ones(self.num_pairs)
        self._pairs[self.of_path] = pairs
        self._num_links = table.num_setups * table.num_receivers
        self._in_db = table.ports.average == "db"

    def folded(self, power: FloatArray, by_path: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Powers [L, S] of the links, and derivatives of these, from those of the pairs.

        :param power: [pairs, S] [W]
        :param by_path: [rows · P, S] derivatives of each path's pair [W/unit]
        """
        count = power.shape[1]
        share = 1.0 / self._pairs[:, None]
        if self._in_db:
            best = np.zeros((self._num_links, count))
            np.maximum.at(best, self._link_of_pair, power)
            there = power > ORTHOGONAL * best[self._link_of_pair]
            logarithm = np.log(power, out=np.zeros_like(power), where=there)
            mean = self._summed(logarithm * share, count)
            heard = self._summed(np.where(there, share, 0.0), count)
            # The level of a pair that hears nothing is minus infinity, and so is the mean.
            rss = np.where(heard > 1.0 - 1e-9, np.exp(mean), 0.0)
            share = np.divide(share, power, out=np.zeros_like(power), where=power > 0.0)
            scale = share[self.of_path] * rss[self._link]
        else:
            rss = self._summed(power * share, count)
            scale = np.broadcast_to(share[self.of_path], (len(self.of_path), count))
        rows = by_path.reshape(-1, *scale.shape) * scale
        return rss, rows.reshape(by_path.shape)

    def _summed(self, values: FloatArray, count: int) -> FloatArray:
        """[L, S] sums over each link's pairs, in their order."""
        found = np.zeros((self._num_links, count))
        np.add.at(found, self._link_of_pair, values)
        return found
