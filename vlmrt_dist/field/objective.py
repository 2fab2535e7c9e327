"""The protocol of an objective, which estimation minimises, and the paper's loss (8).

An objective takes S conductivity vectors at once and returns a loss and a gradient for each of the
M setups. The caller sums the setups, in setup order, so that the result does not depend on which
process evaluated which of them. Nothing here imports Dr.Jit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.field.materials import Materials, Parameter
from vlmrt_dist.units import dbm_to_watts

Engine = Literal["replay", "retrace"]

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
    """

    rss: FloatArray
    by: dict[Parameter, sp.csr_matrix]
    layers: dict[Parameter, sp.csr_matrix]


class ManyLevels(NamedTuple):
    """:class:`Levels` of S parameter vectors.

    :param rss: [S, M, N] received powers [W]
    :param by: for each parameter asked for, the dense derivative [S, M · N, K] of the levels [dB]
        by its logarithm
    """

    rss: FloatArray
    by: dict[Parameter, FloatArray]


class Observed(NamedTuple):
    """Predicted values of the R rows of a campaign's observables for S parameter vectors.

    :param value: [S, R] in the rows' own units; -inf dB where no path arrives
    :param by: for each parameter asked for, [S, R, K] derivatives by its logarithm at each object,
        or by the extra loss [dB]; layers behind the objects
    :param by_delay: [S, R] by the offset of the link's delays [1/ns]
    :param by_gain: [S, R] by the link's gain [1/dB]
    """

    value: FloatArray
    by: dict[Parameter, FloatArray]
    by_delay: FloatArray
    by_gain: FloatArray


class LinkOffsets(NamedTuple):
    """:param delay_ns: [S, M · N] by which a link's measured delays exceed the paths' [ns]
    :param gain_db: [S, M · N] by which its power exceeds the paths' [dB]
    """

    delay_ns: FloatArray
    gain_db: FloatArray


class Differentiable(Protocol):
    """An evaluator as Adam needs it."""

    def value_and_grad(self, theta: FloatArray) -> ValueAndGrad:
        """The normalized absolute error (8) of each setup and its gradient.

        :param theta: [S, K] conductivities at the reference carrier [S/m]
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

    def levels(self, materials: Mapping[float, Materials], wanted: Sequence[Parameter]) -> Levels:
        """Received powers for any materials, and their derivatives.

        :param materials: those at each carrier [Hz] of the campaign, [K] each
        :param wanted: parameters to differentiate by
        """
        ...

    def observe(
        self,
        materials: Mapping[float, Materials],
        wanted: Sequence[Parameter],
        offsets: LinkOffsets,
    ) -> Observed:
        """Values of the campaign's observables for S parameter vectors, and their derivatives.

        :param materials: those at each carrier [Hz] of the campaign, [S, K] or, of one, [K] each
        :param wanted: parameters to differentiate by
        :param offsets: of the links
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


class NormalizedError:
    """The terms of the paper's loss (8): per setup, the mean over its receivers of |r - r_RT| / r.

    :param measured: [S or 1, M, N] measured powers, NaN where there is no receiver
    """

    def __init__(self, measured: FloatArray) -> None:
        there = ~np.isnan(measured)
        self._measured = measured
        self._absent = None if there.all() else ~there
        self._count = np.maximum(there.sum(2), 1)
        self._scale = np.where(there, 1.0 / (self._count[:, :, None] * measured), 0.0)

    def __call__(self, rss: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Loss [S, M] of simulated powers [S, M, N], and its derivative by each [S, M, N]."""
        error = (rss - self._measured) / self._measured
        if self._absent is not None:
            error[np.broadcast_to(self._absent, error.shape)] = 0.0
        # A running sum adds receivers one after another, whatever the array's shape; NumPy's own
        # sum would pair them.
        loss = np.cumsum(np.abs(error), axis=2)[:, :, -1]
        return loss / self._count, np.sign(error) * self._scale


def normalized_absolute_error(
    rss: FloatArray, measured: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """:class:`NormalizedError` of powers that are measured once."""
    return NormalizedError(measured)(rss)
