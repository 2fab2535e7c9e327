"""The loss of several campaigns of one scene, evaluated by one kernel.

A kernel of few paths takes as long as one of some thousands, so campaigns that are estimated apart
are walked together: as one scene that has the objects of each campaign beside those of the others.
Kernels are elementwise and sums go in path order, so each has the bits that it has alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.field.materials import Materials
from vlmrt_dist.field.objective import PowerErrors, PowerLoss, ValueAndGrad
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.paths import PathTable, concatenate_setups
from vlmrt_dist.scene import SceneModel


class SideBySide:
    """C campaigns of M setups of N receivers each, with S parameter vectors each.

    Vectors are those of the first campaign, then those of the second, and so on.

    :param scene: K objects, each one slab
    :param radio: radio configuration of all
    :param tables: paths of each campaign
    :param measured: [S, M, N] received powers of each campaign [W], NaN where no receiver is
    """

    def __init__(
        self,
        scene: SceneModel,
        radio: RadioConfig,
        tables: Sequence[PathTable],
        measured: Sequence[FloatArray],
    ) -> None:
        self.num_setups, self.num_objects = tables[0].num_setups, scene.num_objects
        self._campaigns, self._count = len(tables), len(measured[0])
        self._replay = Replay(_beside_each_other(tables), radio)
        self._errors = PowerErrors(np.concatenate(measured, axis=1))
        known = scene.relative_permittivity(radio.frequency), scene.thickness
        self._permittivity, self._thickness = (np.tile(x, len(tables)) for x in known)

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """Loss of each setup and its gradient, as those of an objective.

        :param theta: [C · S, K] conductivities [S/m]
        """
        campaigns, vectors = self._campaigns, self._count
        setups, objects = self.num_setups, self.num_objects
        sigma = theta.reshape(campaigns, vectors, objects).transpose(1, 0, 2)
        materials = Materials(
            sigma.reshape(vectors, -1), self._permittivity, self._thickness
        )  # fmt: skip
        derivative = self._replay.derivative(materials)
        rss = derivative.rss.T.reshape(vectors, campaigns * setups, -1)
        value, weight = self._errors(rss, loss)
        entry, found = self._replay.gradient_entries(derivative, weight)
        setup, slab = np.divmod(entry, campaigns * objects)
        total = np.zeros((campaigns * setups * objects, vectors))
        total[setup * objects + slab % objects] = found
        gradient = total.reshape(campaigns, setups, objects, vectors).transpose(0, 3, 1, 2)
        losses = value.reshape(vectors, campaigns, setups).transpose(1, 0, 2)
        return ValueAndGrad(
            losses.reshape(-1, setups), gradient.reshape(-1, setups, objects)
        )  # fmt: skip


def _beside_each_other(tables: Sequence[PathTable]) -> PathTable:
    """One table of all setups; the objects of a campaign are numbered behind those before."""
    objects = tables[0].num_objects
    apart = [
        dataclasses.replace(
            table, num_objects=len(tables) * objects, object=table.object + np.int32(c * objects)
        )
        for c, table in enumerate(tables)
    ]
    return concatenate_setups(apart)
