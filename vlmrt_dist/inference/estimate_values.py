"""The numbers of an estimate, without what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.field import ScatteringError
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.likelihood import known_factor
from vlmrt_dist.inference.observed import ObservableFit
from vlmrt_dist.inference.origin import Origin
from vlmrt_dist.inference.outcome import Outcome
from vlmrt_dist.inference.parameters import Tie
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.quantities import (
    Alternative,
    Clutter,
    DelayOffsets,
    DeviceEstimate,
    ExcessLoss,
    Gains,
    JointPosterior,
    LayerEstimates,
    LinkLevels,
    QuantityEstimate,
)
from vlmrt_dist.inference.verdicts import Part, Verdict
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True, eq=False)
class EstimateValues:
    """Conductivities of K objects.

    :param names: [K]
    :param materials: [K] material classes
    :param frequency: reference carrier, at which conductivities and permittivities are given [Hz]
    :param conductivity: [K] posterior median (Adam, which knows no prior: where it ended); the
        prior's where not identified; see
        :class:`~vlmrt_dist.inference.quantities.QuantityEstimate`, as for all that follow [S/m]
    :param low: [K] lower end of the 95 % interval, of several the lowest [S/m]
    :param high: [K] upper end of the 95 % interval, of several the highest [S/m]
    :param prior: [K] prior median [S/m]
    :param prior_low: [K] lower end of the prior's 95 % interval [S/m]
    :param prior_high: [K] upper end of the prior's 95 % interval [S/m]
    :param verdict: [K]
    :param contradicts_prior: [K] the levels contradict the prior of this object, which was widened
    :param parts: [K] the intervals of an object that has several, or an open one; else none
    :param solutions: where several solutions explain the levels about equally well: all of them,
        the heaviest first; else none
    :param fitted: [K] where the optimizer ended, whatever the verdict [S/m]
    :param covariance: [K, K] posterior covariance of ln σ, other unknowns averaged out; 0 where
        fixed (the interval is the prior's where not identified)
    :param joint: posterior of all unknowns together; None: not known
    :param others: the other quantities that were unknown, by name: "relative_permittivity",
        "thickness", "exponent", "penetration_loss", "scattering_coefficient", "xpd_coefficient"
    :param layers: the layers of objects that have any, where they could be unknown; None: there are
        none. Of such an object the conductivity here is that of the slab that stands for them, and
        fixed
    :param gains: offsets of the levels, if they were unknown
    :param ties: objects that share an unknown
    :param clutter: scatter of the levels that grows with the paths' length; None: there was none.
        ``links.noise_db`` contains it, and so do all intervals
    :param excess_loss: mean loss a metre beyond the model's, if it was unknown
    :param devices: orientations of antennas and transmit powers that were unknown, as differences
        to those stated
    :param directional: antennas have patterns that turning changes in azimuth, and orientations
        that were taken for known
    :param entangled: pairs of unknowns that the links only tell together
    :param num_unknowns: unknowns in all; objects of a group share theirs
    :param determined: how many of them the links determined, one left half to the prior counting
        as half
    :param search: how the search for the best minimum ended, as a sentence
    :param outcome: how the optimizer ended
    :param iterations: iterations of Adam, evaluations of Levenberg-Marquardt
    :param losses: [I] loss along Adam's iterations (empty for Levenberg-Marquardt)
    :param engine: "replay" or "retrace"
    :param optimizer: its name
    :param loss: how large residuals counted
    :param protocol: "measured"; or, for simulated levels, "exact" if truth and estimate both have
        every path, "same_paths" if they share a sampled path set, and "independent" if their paths
        come from different solvers or solves
    :param combining: how the paths' contributions were added
    :param noise_db: noise that was declared, median over the links [dB]
    :param noise_scale: factor by which the residuals exceed that (1: they do not; NaN: too few
        links to say); the intervals contain it
    :param residual_db: root mean square residual of the links used [dB]
    :param held_out_db: root mean square error of links left out of a least-squares fit [dB] (NaN:
        not done)
    :param num_links: links measured
    :param num_unheard: links that no traced path reaches, which the fit could not use
    :param num_censored: links used of which only is known that they lie below a receiver's floor
    :param num_saturated: links used of which only is known that they lie above its ceiling
    :param num_paths: paths traced (0 for retrace)
    :param complete_to: depth to which the path sets hold every path; -1: the paths were sampled
    :param num_fragile: paths within 0.1 mm of an edge, which stand on the accuracy of the scene
    :param max_depth: depth that was asked for
    :param seconds: wall time by phase: trace, compile, fit, uncertainty [s]
    :param links: level by level, what was measured and what the estimate says
    :param scene: what it was estimated for, with its own materials
    :param origin: scene, radio and measurement that it was made from
    :param delay_offsets: offsets of measured delays, if they were unknown
    :param observables: how what was measured beside received powers is met, one for each kind
    :param scattering_error: standard errors of the levels by the points that stand for what
        surfaces scatter; None: nothing scatters, or it was solved for anew in every step
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    conductivity: FloatArray
    low: FloatArray
    high: FloatArray
    prior: FloatArray
    prior_low: FloatArray
    prior_high: FloatArray
    verdict: tuple[Verdict, ...]
    contradicts_prior: tuple[bool, ...]
    fitted: FloatArray
    outcome: Outcome
    iterations: int
    losses: FloatArray
    engine: str
    optimizer: str
    protocol: str
    combining: str
    noise_db: float
    noise_scale: float
    residual_db: float
    held_out_db: float
    num_links: int
    num_unheard: int
    num_paths: int
    complete_to: int
    num_fragile: int
    max_depth: int
    seconds: dict[str, float]
    links: LinkLevels
    frequency: float = 3.5e9
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    joint: JointPosterior | None = None
    others: dict[str, QuantityEstimate] = field(default_factory=dict)
    gains: Gains | None = None
    ties: tuple[Tie, ...] = ()
    clutter: Clutter | None = None
    excess_loss: ExcessLoss | None = None
    devices: tuple[DeviceEstimate, ...] = ()
    directional: bool = False
    entangled: tuple[tuple[str, str], ...] = ()
    num_unknowns: int = 0
    determined: float = 0.0
    search: str = ""
    loss: str = "squared"
    num_censored: int = 0
    parts: tuple[tuple[Part, ...], ...] = ()
    solutions: tuple[Alternative, ...] = ()
    num_saturated: int = 0
    layers: LayerEstimates | None = None
    scene: SceneModel | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, repr=False)
    delay_offsets: DelayOffsets | None = None
    observables: tuple[ObservableFit, ...] = ()
    scattering_error: ScatteringError | None = None

    @property
    def noise_factor(self) -> float:
        """``noise_scale``, and 1 where the links are too few to say."""
        return known_factor(self.noise_scale)

    @property
    def std(self) -> FloatArray:
        """[K] standard deviation of ln σ of a normal posterior with an interval as wide; 0 where
        fixed."""
        there = self.low > 0.0
        ratio = np.divide(self.high, self.low, out=np.ones(len(there)), where=there)
        return np.log(ratio) / (2.0 * NORMAL_95)

    @property
    def calibration(self) -> Calibration:
        """The values of the objects: the conductivity and what else was unknown."""
        main = QuantityEstimate(
            "S/m", self.conductivity, self.std, self.low, self.high, self.prior, self.prior_low,
            self.prior_high, self.verdict, self.contradicts_prior, self.parts,
        )  # fmt: skip
        asked = {"conductivity": main, **self.others}
        return Calibration(
            self.names,
            self.materials,
            self.frequency,
            asked,
            self.joint,
            self.origin,
            self.layers,
        )
