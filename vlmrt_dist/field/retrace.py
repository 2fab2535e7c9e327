"""Retrace: the paper's Algorithm 1 to the letter, a differentiable path solve in every step.

The reference that replay is measured against, and the way for what replay does not model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field.tracing import own_power
from vlmrt_dist.paths import LiveScene, dr, mi, rt, warn_of_sionna_limits
from vlmrt_dist.scene import SceneModel

DIFFUSE = int(rt.InteractionType.DIFFUSE)

Weigh = Callable[[FloatArray], FloatArray]
"""From received powers [n] to the derivative of an objective by each of them [n]."""


class Retrace:
    """Received signal strengths by Sionna's path solver, differentiable by conductivity.

    Warns with :class:`~vlmrt_dist.paths.SionnaLimits` of links that the solver gets wrong because
    it drops short segments and computes in float32.

    :param scene: the scene of K objects
    :param campaign: M setups
    :param radio: carrier, antennas and solver settings; its seed is the seed of every solve
    """

    def __init__(self, scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> None:
        warn_of_sionna_limits(scene, campaign, radio, partial(own_power, scene, radio))
        self.radio = radio
        self._setups = campaign.setups
        self._live = LiveScene(scene, radio, material_per_object=True)
        # Reverse-mode differentiation needs loops that are evaluated, not recorded.
        self._live.solver.loop_mode = "evaluated"

    def rss(self, conductivity: FloatArray, setup: int) -> FloatArray:
        """Received powers [n] in watts at the n receivers of one setup (zero without a path).

        :param conductivity: [K] σ [S/m]
        :param setup: which of the M setups
        """
        with dr.suspend_grad():
            power = self._power(conductivity, setup)
            return np.asarray(power.numpy(), np.float64) * self.radio.tx_power

    def rss_and_gradient(
        self, conductivity: FloatArray, setup: int, weigh: Weigh
    ) -> tuple[FloatArray, FloatArray]:
        """Received powers [n] in watts, and the gradient [K] of an objective of theirs [1/(S/m)].

        :param conductivity: [K] σ [S/m]
        :param setup: which of the M setups
        :param weigh: the objective's derivative by each received power
        """
        power = self._power(conductivity, setup)
        rss = np.asarray(dr.detach(power).numpy(), np.float64) * self.radio.tx_power
        weight = weigh(rss) * self.radio.tx_power
        gradient = np.zeros(len(conductivity))
        if dr.grad_enabled(power):  # not without a path, or on lines of sight alone
            dr.backward(dr.sum(power * mi.Float(weight.astype(np.float32))))
            for k, material in enumerate(self._live.materials):
                gradient[k] = dr.grad(material.conductivity)[0]
        return rss, gradient

    def _power(self, conductivity: FloatArray, setup: int) -> Any:
        """Received over transmitted power of each receiver, attached to the conductivities."""
        self._live.differentiate_by(conductivity)
        placed = self._setups[setup]
        self._live.place(placed.tx, placed.rx)
        paths = self._live.solve(self.radio.seed)
        real, imaginary = (x[:, 0, 0, 0, :] for x in paths.a)
        if real.shape[-1] == 0:
            return dr.zeros(mi.Float, len(placed.rx))
        if self.radio.combining == "power":
            return dr.sum(dr.square(real) + dr.square(imaginary), axis=1).array
        scattered: Any = 0.0
        if self.radio.diffuse_reflection:
            # The phases of what is scattered are random: its powers add.
            diffuse = dr.any(paths.interactions[:, :, 0] == DIFFUSE, axis=0)
            power = dr.square(real) + dr.square(imaginary)
            scattered = dr.sum(dr.select(diffuse, power, 0.0), axis=1).array
            real, imaginary = (dr.select(diffuse, 0.0, x) for x in (real, imaginary))
        # Σ a e^{-j2πfτ}; Sionna leaves the phase of the delay to its cir() and cfr().
        # Where a receiver has fewer paths than the longest row, the delay is -1 and not a delay.
        delay = dr.select(paths.valid[:, 0, :], paths.tau[:, 0, :], 0.0)
        sin, cos = dr.sincos(-2.0 * np.pi * self.radio.frequency * delay)
        in_phase = dr.sum(real * cos - imaginary * sin, axis=1)
        quadrature = dr.sum(real * sin + imaginary * cos, axis=1)
        return (dr.square(in_phase) + dr.square(quadrature)).array + scattered
