"""Received powers beside those of the paths of a table, and reflections that roughness weakens.

A :class:`Mechanism` adds powers, or where phases are known fields, to those of the paths that
:class:`~vlmrt_dist.field.replay.Replay` walks. It is built once for a table's links and evaluated
for any materials, with its derivatives written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.objective import Slopes
from vlmrt_dist.paths import DIFFRACTION, REFLECTION, PathTable


class Added(NamedTuple):
    """Powers or fields of one mechanism on L = M · N links, for S parameter vectors.

    :param value: [L, S] powers [W], or complex fields [√W] that add to those of the paths
    :param by: for each parameter asked for its derivative, of the same kind as ``value``; the same
        pair of link and object may occur several times. The parameter itself is the unit, not its
        logarithm
    """

    value: NDArray[Any]
    by: dict[Parameter, Slopes]


class Mechanism(Protocol):
    """A way from transmitters to receivers beside specular reflection and transmission."""

    def added(self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool) -> Added:
        """Powers or fields that the links receive by it, with their derivatives.

        :param materials: [S, K] each; what is None is as the scene states it
        :param wanted: parameters to differentiate by; those it does not depend on may be left out
        :param coherent: paths add as complex amplitudes. A mechanism whose phases are known then
            returns complex fields with the phase e^{-j2πL/λ} of their length, the square root of
            the transmit power included; one whose phases are random returns powers all the same
        """
        ...


class Roughness:
    """Loss of specular reflections to diffuse scattering.

    As in Sionna every specular reflection carries the factor √(1 - S²) of its object, and so do the
    coefficients of a wedge's faces where an edge diffracts; transmissions carry none.

    :param table: the paths
    :param scattering_coefficient: [K] S of the objects as the scene states them
    """

    def __init__(self, table: PathTable, scattering_coefficient: FloatArray) -> None:
        self.scattering_coefficient, self._table = scattering_coefficient, table
        self._reflections = _Encounters(table, REFLECTION)
        self._edges = _Encounters(table, DIFFRACTION)

    def of(self, materials: Materials, count: int) -> FloatArray:
        """[S, K] scattering coefficients of S = ``count`` parameter vectors."""
        given = materials.scattering_coefficient
        own = self.scattering_coefficient if given is None else given
        return np.broadcast_to(own, (count, len(self.scattering_coefficient)))

    def share(self, coefficient: FloatArray) -> FloatArray:
        """[P, S] share of each path's power that its reflections leave."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.exp(self._reflections.count @ np.log1p(-(coefficient.T**2))))

    def slopes(
        self,
        value: NDArray[Any],
        coefficient: FloatArray,
        *,
        coherent: bool,
        faces: NDArray[Any] | None = None,
    ) -> Slopes:
        """Derivative by S of what the links receive over the paths.

        :param value: [P, S] powers, or amplitudes with their phase, the share included
        :param faces: [P, S] the part of the diffracted paths' that the faces of wedges reflect: of
            amplitudes that part itself; of powers the real part of the product of both, the
            amplitude conjugated. None: no path is diffracted
        """
        slope = _slope(coefficient, coherent)
        parts = [self._reflections.slopes(value, slope)]
        if faces is not None:
            parts.append(self._edges.slopes(faces, slope))
        return merged(parts)

    def by_interaction(
        self, value: NDArray[Any], coefficient: FloatArray, *, coherent: bool,
        faces: NDArray[Any] | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """[D · P, S] derivatives by S of what paths carry, through each of their interactions alone
        (row d · P + p); parameters as of :meth:`slopes`."""
        slope = _slope(coefficient, coherent)
        kind, met = self._table.kind.T[..., None], self._table.object.T
        rows = np.where(kind == REFLECTION, value, 0.0)
        if faces is not None:
            rows = np.where(kind == DIFFRACTION, faces, rows)
        return (rows * slope.T[met]).reshape(-1, value.shape[1])


class _Encounters:
    """The objects that paths meet in one kind of interaction."""

    def __init__(self, table: PathTable, kind: int) -> None:
        paths, objects = table.num_paths, table.num_objects
        path, depth = np.nonzero(table.kind == kind)
        met = table.object[path, depth].astype(np.int64)
        self.count = sp.csr_matrix((np.ones(len(path)), (path, met)), (paths, objects))
        self.count.sum_duplicates()
        pairs = self.count.tocoo()
        entry, row = np.unique(
            table.link[pairs.row].astype(np.int64) * objects + pairs.col, return_inverse=True
        )
        self._link, self._object = np.divmod(entry, max(objects, 1))
        self._sum = sp.csr_matrix((pairs.data, (row, pairs.row)), (len(entry), paths))

    def slopes(self, value: NDArray[Any], slope: FloatArray) -> Slopes:
        """Sums over the links' paths of what they carry [P, S], times an object's factor [S, K]."""
        return Slopes(self._link, self._object, slope.T[self._object] * (self._sum @ value))


def _slope(coefficient: FloatArray, coherent: bool) -> FloatArray:
    """[S, K] derivative by S of ln √(1 - S²), or of powers twice that."""
    left = np.maximum(1.0 - coefficient**2, np.finfo(float).tiny)
    return (-1.0 if coherent else -2.0) * coefficient / left


def merged(parts: Sequence[Slopes]) -> Slopes:
    """Slopes of the same links and objects added up, in order of link and object."""
    if len(parts) == 1:
        return parts[0]
    link, slab = (np.concatenate([part[i] for part in parts]) for i in range(2))
    value = np.concatenate([part.value for part in parts])
    width = int(slab.max(initial=0)) + 1
    entry, row = np.unique(link.astype(np.int64) * width + slab, return_inverse=True)
    total = sp.csr_matrix((np.ones(len(row)), (row, np.arange(len(row)))), (len(entry), len(row)))
    return Slopes(entry // width, entry % width, np.asarray(total @ value))
