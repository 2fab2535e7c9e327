"""Calibrated values of objects without the fit that they come from, as a result file holds them."""

from __future__ import annotations

from dataclasses import dataclass

from vlmrt_dist.inference.quantities import JointCovariance, QuantityEstimate


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated parameters of K objects.

    :param names: [K]
    :param materials: [K] material classes
    :param frequency: carrier that conductivities and permittivities are given at [Hz]
    :param quantities: the conductivity and the other quantities that were unknown, by name
    :param joint: posterior covariance of all unknowns; None: not known
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    frequency: float
    quantities: dict[str, QuantityEstimate]
    joint: JointCovariance | None = None
