"""The protocol of an objective, which estimation minimises, and losses of received powers.

An objective takes S conductivity vectors at once and returns a loss and a gradient for each of the
M setups. The caller sums the setups, in setup order, so that the result does not depend on which
process evaluated which of them. Nothing here imports Dr.Jit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.paths import Poses
from vlmrt_dist.units import dbm_to_watts

Engine = Literal["replay", "retrace"]

PowerLoss = Literal["nae", "decibel_squares"]
"""Loss of a setup's received powers, a mean over its receivers: "nae", the paper's normalized
absolute error (8), |r - r_RT| / r; or "decibel_squares", the squared difference of levels [dB²]."""

DB = 10.0 / np.log(10.0)
"""Decibels per natural logarithm of a power."""


class ValueAndGrad(NamedTuple):
    """:param loss: [S, M]; :param gradient: [S, M, K] by conductivity [1/(S/m)]"""

    loss: FloatArray
    gradient: FloatArray


class Levels(NamedTuple):
    """:param rss: [M, N] received powers [W] (NaN where no receiver is, zero where no path arrives)
    :param by: for each parameter asked for, the sparse derivative [M · N, K] of the levels [dB] by
        its logarithm at each object, or by the extra loss [dB] (zero rows where no path arrives)
    :param layers: the same [M · N, Λ] by the logarithm at each layer; empty where no object has any
    :param by_pose: [M · N, 12] derivative by what can change of each link's devices, see
        :data:`~vlmrt_dist.paths.poses.POSE` [dB/rad, dB/m]; None: nothing does
    """

    rss: FloatArray
    by: dict[Parameter, sp.csr_matrix]
    layers: dict[Parameter, sp.csr_matrix]
    by_pose: FloatArray | None = None


class Slopes(NamedTuple):
    """Derivatives of what links of S parameter vectors receive by a parameter of each slab, or by
    the extra loss of each object, where they are not zero.

    :param link: [R] number of the link, of M · N
    :param slab: [R] number of the slab: objects first, layers behind them; of the object
    :param value: [R, S]
    """

    link: IntArray
    slab: IntArray
    value: FloatArray

    @staticmethod
    def joined(parts: Sequence[Slopes]) -> Slopes:
        """Those of links that are apart."""
        if len(parts) == 1:
            return parts[0]
        return Slopes(*(np.concatenate(each) for each in zip(*parts, strict=True)))


class ManyLevels(NamedTuple):
    """:class:`Levels` of S parameter vectors.

    :param rss: [S, M, N] received powers [W]
    :param by: derivatives of the levels [dB] by the logarithm of each parameter asked for, or by
        the extra loss [dB]
    """

    rss: FloatArray
    by: dict[Parameter, Slopes]


class Observed(NamedTuple):
    """Predicted values of the R rows of a campaign's observables for S parameter vectors.

    :param value: [S, R] in the rows' own units; -inf dB where no path arrives
    :param by: for each parameter asked for, [S, R, K] derivatives by its logarithm at each object,
        or by the extra loss [dB]; layers behind the objects
    :param by_delay: [S, R] by the offset of the link's delays [1/ns]
    :param by_gain: [S, R] by the link's gain [1/dB]
    :param by_pose: [S, R, 6] by the orientations of the link's devices, the first of
        :data:`~vlmrt_dist.paths.poses.POSE` [1/rad]; None: nothing turns
    """

    value: FloatArray
    by: dict[Parameter, FloatArray]
    by_delay: FloatArray
    by_gain: FloatArray
    by_pose: FloatArray | None = None


class LinkOffsets(NamedTuple):
    """:param delay_ns: [S, M · N] by which a link's measured delays exceed the paths' [ns]
    :param gain_db: [S, M · N] by which its power exceeds the paths' [dB]
    """

    delay_ns: FloatArray
    gain_db: FloatArray


class Differentiable(Protocol):
    """An evaluator as Adam needs it."""

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        """The loss of each setup and its gradient.

        :param theta: [S, K] conductivities at the reference carrier [S/m]
        :param loss: of the received powers; default: the paper's (8)
        """
        ...


class Objective(Differentiable, Protocol):
    """An evaluator as estimation needs it, local or sharded over actors."""

    num_setups: int
    num_objects: int

    def rss(self, theta: FloatArray) -> FloatArray:
        """Received powers [S, M, N] in watts of conductivities [S, K] (NaN where no receiver is,
        zero where no path arrives)."""
        ...

    def levels(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        poses: Poses | None = None,
    ) -> Levels:
        """Received powers for any materials, and their derivatives.

        :param materials: those at each carrier [Hz] of the campaign, [K] each
        :param wanted: parameters to differentiate by
        :param poses: changes of the antennas' orientations and positions, also to differentiate
            by; None: they are as the campaign states them. Paths keep the faces that they meet
        """
        ...

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
        poses: Poses | None = None,
    ) -> Observed:
        """Values of the campaign's observables for S parameter vectors, and their derivatives.

        :param materials: those at each carrier [Hz] of the campaign, [S, K] or, of one, [K] each
        :param wanted: parameters to differentiate by
        :param offsets: of the links
        :param poses: changes of the antennas' orientations, also to differentiate by, of one
            vector; None: they are as the campaign states them
        """
        ...

    def log_jacobian(self, theta: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """:meth:`levels` of conductivities [K] at the reference carrier, the scene's other
        parameters as they are: received powers [M, N], derivative [M · N, K] by ln σ."""
        ...


@runtime_checkable
class ManyObjective(Protocol):
    """An evaluator that takes many materials at once."""

    def many_levels(
        self, materials: Mapping[float, Materials], wanted: Sequence[Parameter]
    ) -> ManyLevels:
        """:meth:`Objective.levels` of S parameter vectors, [S, K] each."""
        ...


def measured_power(campaign: Campaign, measured: FloatArray | None) -> FloatArray:
    """[S or 1, M, N] measured powers in watts, NaN where there is no receiver.

    :raises CampaignError: if the campaign was never measured, or a power is not positive
    """
    if measured is None:
        if campaign.rss_dbm is None:
            raise CampaignError(
                "the campaign holds positions only; measure it, or simulate it with vd.simulate"
            )
        measured = dbm_to_watts(campaign.rss_dbm)[None]
    power = np.asarray(measured, np.float64)
    if power.ndim != 3 or power.shape[1:] != campaign.present.shape:
        raise ValueError(f"measured powers have shape {power.shape}, expected [S, M, N]")
    there = power[:, campaign.present]
    if not (np.isfinite(there).all() and (there > 0.0).all()):
        raise CampaignError(
            "a received power of zero, or one that is not finite, cannot be fitted; remove the "
            "receiver from the campaign"
        )
    return np.where(campaign.present, power, np.nan)


class PowerErrors:
    """Losses of powers against those that were measured once.

    :param measured: [S or 1, M, N] measured powers, NaN where there is no receiver
    """

    def __init__(self, measured: FloatArray) -> None:
        there = ~np.isnan(measured)
        self._measured = measured
        self._absent = None if there.all() else ~there
        self._count = np.maximum(there.sum(2), 1)
        self._scale = np.where(there, 1.0 / (self._count[:, :, None] * measured), 0.0)

    def __call__(self, rss: FloatArray, loss: PowerLoss = "nae") -> tuple[FloatArray, FloatArray]:
        """Loss [S, M] of simulated powers [S, M, N], and its derivative by each [S, M, N]."""
        return self._absolute(rss) if loss == "nae" else self._decibel_squares(rss)

    def _absolute(self, rss: FloatArray) -> tuple[FloatArray, FloatArray]:
        error = (rss - self._measured) / self._measured
        if self._absent is not None:
            error[np.broadcast_to(self._absent, error.shape)] = 0.0
        return _in_order(np.abs(error)) / self._count, np.sign(error) * self._scale

    def _decibel_squares(self, rss: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Infinite where no power is simulated."""
        with np.errstate(divide="ignore", invalid="ignore"):
            error = DB * np.log(rss / self._measured)
            weight = 2.0 * DB * error / (self._count[:, :, None] * rss)
        if self._absent is not None:
            absent = np.broadcast_to(self._absent, error.shape)
            error[absent] = weight[absent] = 0.0
        return _in_order(error**2) / self._count, weight


def _in_order(terms: FloatArray) -> FloatArray:
    """[S, M] sum over receivers of [S, M, N]. A running sum adds them one after another, whatever
    the array's shape; NumPy's own sum would pair them."""
    total: FloatArray = np.cumsum(terms, axis=2)[:, :, -1]
    return total


def power_loss(
    rss: FloatArray, measured: FloatArray, loss: PowerLoss = "nae"
) -> tuple[FloatArray, FloatArray]:
    """:class:`PowerErrors` of one evaluation."""
    return PowerErrors(measured)(rss, loss)
