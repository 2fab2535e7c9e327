"""Objectives that evaluate in this process: by replaying stored paths, or by tracing anew."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.losses import DB, ValueAndGrad, measured_power, normalized_absolute_error
from vlmrt_dist.path_table import PathTable
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.replay import Materials, Replay
from vlmrt_dist.retrace import Retrace
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign


class ReplayObjective:
    """Evaluates by replaying stored paths.

    :param scene: the scene, for its permittivities and thicknesses
    :param campaign: M setups with their measured levels
    :param radio: radio configuration
    :param table: the paths of the campaign
    :param measured: [S, M, N] received powers in watts instead of the campaign's, so that S
        parameter vectors can have S truths
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        table: PathTable,
        measured: NDArray[np.float64] | None = None,
    ) -> None:
        self.num_setups = table.num_setups
        self.num_objects = table.num_objects
        self._permittivity = scene.relative_permittivity(radio.frequency)
        self._thickness = scene.thickness
        self._replay = Replay(table, radio)
        self._present = campaign.present
        self._measured = measured_power(campaign, measured)

    def value_and_grad(self, theta: NDArray[np.float64]) -> ValueAndGrad:
        """See :meth:`Objective.value_and_grad`."""
        derivative = self._replay.derivative(self._materials(theta))
        shape = (len(theta), *self._present.shape)
        rss = derivative.rss.T.reshape(shape)
        loss, weight = normalized_absolute_error(rss, self._measured)
        return ValueAndGrad(loss, self._replay.gradient(derivative, weight))

    def rss(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :meth:`Objective.rss`."""
        return np.where(self._present, self._replay.rss(self._materials(theta)), np.nan)

    def log_jacobian(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], sp.csr_matrix]:
        """See :meth:`Objective.log_jacobian`."""
        derivative = self._replay.derivative(self._materials(theta))
        rss = derivative.rss[:, 0]
        per_link = np.divide(DB, rss, out=np.zeros_like(rss), where=rss > 0.0)
        jacobian = self._replay.jacobian(derivative)
        scaled = sp.diags(per_link) @ jacobian @ sp.diags(theta)
        return np.where(self._present, rss.reshape(self._present.shape), np.nan), scaled.tocsr()

    def _materials(self, theta: NDArray[np.float64]) -> Materials:
        return Materials(theta, self._permittivity, self._thickness)


class RetraceObjective:
    """Evaluates by solving for the paths anew, as the paper does. Slow; see :mod:`retrace`.

    Parameters as of :class:`ReplayObjective`, without the paths.
    """

    def __init__(
        self,
        scene: SceneModel,
        campaign: Campaign,
        radio: RadioConfig,
        measured: NDArray[np.float64] | None = None,
    ) -> None:
        self.num_setups = campaign.num_setups
        self.num_objects = scene.num_objects
        self._present = campaign.present
        self._measured = measured_power(campaign, measured)
        self._retrace = Retrace(scene, campaign, radio)

    def value_and_grad(self, theta: NDArray[np.float64]) -> ValueAndGrad:
        """See :meth:`Objective.value_and_grad`."""
        count = len(theta)
        loss = np.zeros((count, self.num_setups))
        gradient = np.zeros((count, self.num_setups, self.num_objects))
        for s, sigma in enumerate(theta):
            truth = self._measured[min(s, len(self._measured) - 1)]
            for m in range(self.num_setups):
                measured = truth[m][self._present[m]]
                weigh = partial(_error_weight, measured=measured)
                rss, gradient[s, m] = self._retrace.rss_and_gradient(sigma, m, weigh)
                loss[s, m] = normalized_absolute_error(rss[None, None], measured[None, None])[0][
                    0, 0
                ]
        return ValueAndGrad(loss, gradient)

    def rss(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :meth:`Objective.rss`."""
        result = np.full((len(theta), *self._present.shape), np.nan)
        for s, sigma in enumerate(theta):
            for m in range(self.num_setups):
                result[s, m, self._present[m]] = self._retrace.rss(sigma, m)
        return result

    def log_jacobian(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], sp.csr_matrix]:
        """See :meth:`Objective.log_jacobian`; one differentiated solve a link."""
        rss = np.full(self._present.shape, np.nan)
        rows = np.zeros((*self._present.shape, self.num_objects))
        for m in range(self.num_setups):
            there = np.flatnonzero(self._present[m])
            for position, n in enumerate(there):
                weigh = partial(_one_weight, position=position)
                power, row = self._retrace.rss_and_gradient(theta, m, weigh)
                rss[m, there] = power
                if power[position] > 0.0:
                    rows[m, n] = DB * row * theta / power[position]
        return rss, sp.csr_matrix(rows.reshape(-1, self.num_objects))


def _error_weight(rss: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative [n] of one setup's loss (8) by its received powers [n]."""
    return normalized_absolute_error(rss[None, None], measured[None, None])[1][0, 0]


def _one_weight(rss: NDArray[np.float64], position: int) -> NDArray[np.float64]:
    """Derivative [n] of the received power at one receiver by all [n]."""
    return (np.arange(len(rss)) == position).astype(np.float64)
