"""Arrivals at links by their delay: paths of a replay, and behind them scattered power.

Scattered power arrives at all delays from the shortest on. It is summed in steps of delay, each at
its mean, which are fine against the pulses that will weigh them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.field.mechanisms import Added
from vlmrt_dist.field.replay import PathValues, Replay
from vlmrt_dist.field.scattering import Scattering
from vlmrt_dist.units import SPEED_OF_LIGHT

STEP_OF_PULSE = 0.25
"""Steps of delay over the standard deviation of the shortest pulse. What is lost within a step is a
twelfth of its square, 0.5 % of the pulse's variance."""

STEP_NS = 0.25
"""Steps of delay where no pulse is stated [ns]."""


class ArrivalValues(NamedTuple):
    """Powers [W] or amplitudes [√W] of the arrivals of S parameter vectors.

    :param value: [A, S]
    :param paths: of the paths alone
    :param scattered: of what is scattered
    """

    value: NDArray[Any]
    paths: PathValues
    scattered: list[Added]


class Arrivals:
    """A arrivals at the links of a replay: its P paths, and scattered power by steps of delay.

    :param replay: of the setups of one carrier
    :param pulse_ns: standard deviation of the shortest pulse [ns]; None: there is none
    """

    def __init__(self, replay: Replay, pulse_ns: float | None = None) -> None:
        self.replay = replay
        step = STEP_NS if pulse_ns is None else STEP_OF_PULSE * pulse_ns
        width = 1e-9 * step * SPEED_OF_LIGHT
        self._scattered = [
            m.arriving(width) for m in replay.mechanisms if isinstance(m, Scattering)
        ]
        table = replay.table
        self.link: IntArray = np.concatenate([table.link, *(s.link for s in self._scattered)])
        """[A] link of each."""
        self.length: FloatArray = np.concatenate(
            [table.length, *(s.length for s in self._scattered)]
        )
        """[A] length of its path, or mean length of its paths [m]."""

    def at(
        self, materials: Materials, wanted: Sequence[Parameter], *, coherent: bool
    ) -> ArrivalValues:
        """Powers of the arrivals, or amplitudes of those whose phases are known."""
        paths = self.replay.by_path(materials, wanted, coherent=coherent)
        if not self._scattered:
            return ArrivalValues(paths.value, paths, [])
        assert not coherent  # refused before: what is scattered has no phases
        every = self.replay.vectors(materials)
        found = [s.at(every, wanted) for s in self._scattered]
        value = np.concatenate([paths.value, *(each.value for each in found)])
        return ArrivalValues(value, paths, found)

    def by_object(self, values: ArrivalValues, unknown: Parameter) -> NDArray[Any]:
        """[S, A, K] derivatives by a parameter of the objects, as of :meth:`Replay.by_object`."""
        dense = self.replay.by_object(values.paths.by_path[unknown], unknown)
        if not self._scattered:
            return dense
        parts = [dense]
        for each in values.scattered:
            found = np.zeros((dense.shape[0], len(each.value), dense.shape[2]))
            if unknown in each.by:
                target, slab, value = each.by[unknown]
                for one, own in zip(found, value.T, strict=True):
                    np.add.at(one, (target, slab), own)
            parts.append(found)
        return np.concatenate(parts, axis=1)
