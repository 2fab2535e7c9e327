"""Options of an estimation: frozen values that check themselves when they are made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import AreaLike, area_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import Engine, PowerLoss
from vlmrt_dist.inference.devices import (
    RX_PLACES,
    OrientationPrior,
    PositionPrior,
    orientation_widths,
    position_widths,
)
from vlmrt_dist.inference.offsets import DelaySharing, GainSharing, check_sharing
from vlmrt_dist.scene import Tails

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Quantity = Literal[
    "conductivity",
    "relative_permittivity",
    "thickness",
    "exponent",
    "penetration_loss",
    "scattering_coefficient",
    "xpd_coefficient",
]
"""A parameter of an object; the exponent is the d of σ = c f^d, the penetration loss what the
object takes from what passes through it at normal incidence [dB], while reflection stays. The last
two are Sionna's S and K_x, of campaigns with diffuse reflection."""

Groups = Literal["material"] | Mapping[str, str] | None
"""Objects that share their parameters: those of one class (their thickness and penetration loss
only where the thickness is declared equal), or a mapping from object to group, which shares
whatever is unknown."""

Initial = Literal["itu", "uniform", "uniform_table", "random", "vlm"]
"""Start of a fit: at the class's value; at the mean of the objects' classes, or of all classes that
ITU-R P.2040 has values of at the carrier, but for vacuum and metal (both are readings of the
paper's UnifInit); at random (RandInit); or at the values of a prior that somebody gave (VLMInit).
"""

LinkLoss = Literal["squared", "huber", "student_t"]
"""Loss of the links' residuals."""

PosteriorShape = Literal["auto", "normal", "sampled"]
"""Posterior of a fit: "normal" about its best minimum; "sampled": weighted draws; "auto": draws
only where a quick screening finds that the normal posterior does not hold."""

Space = Literal["conductivity", "log_conductivity"]

PRIOR_WIDTH = 0.5
"""Standard deviation of ln σ about the ITU value that studies and plans assume: a factor of 2.7
either way at 95 %. Measured specimens of one class spread more (:class:`Prior`)."""


def check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    """:raises ConfigurationError: if ``value`` is none of ``choices``"""
    if value not in choices:
        raise ConfigurationError(f"unknown {what} {value!r}; use one of {', '.join(choices)}")


def check_numbers(options: DataclassInstance) -> None:
    """:raises ConfigurationError: if a field of a dataclass that is a number holds a text or a
    truth value"""
    for each in fields(options):
        value, kind = getattr(options, each.name), str(each.type)
        words = set(re.findall(r"\w+", kind))
        if not {"float", "int"} & words or "Literal" in words:  # a word may be meant
            continue
        if isinstance(value, (str, bytes, bool)):
            raise ConfigurationError(f"{each.name} must be a number, not {value!r}")


def check_correlation(value: float | None) -> None:
    """:raises ConfigurationError: if ``value`` is not within -1 and 1"""
    if value is not None and not -1.0 < value < 1.0:
        raise ConfigurationError("correlation must lie between -1 and 1, both excluded")


def _check_initial(initial: Initial | FloatArray) -> None:
    if isinstance(initial, str):
        check_choice("initial", initial, get_args(Initial))


@dataclass(frozen=True)
class Prior:
    """Prior about the ITU-R P.2040 values of the scene's own material classes.

    Where somebody states materials of their own, a
    :class:`~vlmrt_dist.scene.MaterialPrior` takes its place.

    :param width: standard deviation of ln σ of every object; ``inf``: no prior; None: that of
        published measurements of each class at the carrier
        (:func:`~vlmrt_dist.scene.published_spreads.spread_of`), which then also gives the width of
        ln ε_r where :class:`Parameters` states none
    :param tails: of the prior on ln σ and ln ε_r: "normal", or "student_t" where a class may be
        wrong (:mod:`vlmrt_dist.inference.prior_term`)
    :param correlation: of ln σ and ln ε_r of an object where both are unknown; None: that of
        published pairs (:data:`~vlmrt_dist.scene.published_spreads.CORRELATION`) where ``width``
        is None, 0 where a width is stated
    :raises ConfigurationError: if the width is not positive, or the correlation not within -1 and 1
    """

    width: float | None = None
    tails: Tails = "normal"
    correlation: float | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        check_choice("tails", self.tails, get_args(Tails))
        check_correlation(self.correlation)
        if self.width is not None and not self.width > 0.0:
            raise ConfigurationError(
                "width must be positive; use inf for no prior, or leave it out for that of "
                "published measurements"
            )


@dataclass(frozen=True)
class Parameters:
    """The unknown parameters of the objects.

    :param quantities: "conductivity", "relative_permittivity", "thickness", also of each layer of
        objects that have layers; "exponent", the d of σ = c f^d, which only several carriers tell;
        "penetration_loss"; "scattering_coefficient" and "xpd_coefficient", which need
        ``RadioConfig(diffuse_reflection=True)``
    :param fixed: names of objects whose material is known and stays as the scene states it, and of
        layers ("object/layer")
    :param groups: objects that share their parameters: "material", those of one class, except that
        a thickness or a penetration loss is shared only by objects of one class whose declared
        thicknesses agree; a mapping from object to a group's name, which share all that is unknown;
        None: each by itself
    :param widths: prior standard deviations of ln ε_r ("relative_permittivity", default 0.15, or
        that of each class, see :class:`Prior`), ln thickness ("thickness", 0.3), d ("exponent",
        0.3) and penetration losses ("penetration_loss", 5 dB about what the slab or the layers have
        at normal incidence); of the logits ln(v / (1 - v)) of the scattering and the XPD
        coefficient (1, which is 4.3 dB of the ratio of polarizations)
    :raises ConfigurationError: if a quantity or a kind of group does not exist, or a width is not
        positive
    """

    quantities: tuple[Quantity, ...] = ("conductivity",)
    fixed: tuple[str, ...] = ()
    groups: Groups = None
    widths: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("quantities", "fixed"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ConfigurationError(f"{name} takes several names, as in ({value!r},)")
            object.__setattr__(self, name, tuple(value))
        known = get_args(Quantity)
        strange = [q for q in (*self.quantities, *self.widths) if q not in known]
        if strange:
            raise ConfigurationError(
                f"unknown quantity {strange[0]!r}; what can be estimated is {', '.join(known)}"
            )
        if not self.quantities or len(set(self.quantities)) < len(self.quantities):
            raise ConfigurationError("quantities must name at least one, and each only once")
        if "conductivity" in self.widths:
            raise ConfigurationError(
                "the width of conductivities is the prior's: Prior(width=...), or a MaterialPrior"
            )
        if not all(isinstance(w, (int, float)) and w > 0.0 for w in self.widths.values()):
            raise ConfigurationError("prior widths must be positive numbers; use inf for no prior")
        if isinstance(self.groups, str) and self.groups != "material":
            raise ConfigurationError(
                f"groups must be 'material', a mapping from object to group, or None; got "
                f"{self.groups!r}"
            )


@dataclass(frozen=True, eq=False)
class Noise:
    """Errors of the measured levels.

    :param db: standard deviation of each level [dB], one number or [M, N]; None: the campaign's
    :param quantisation_db: step that the receiver rounds levels to [dB], where ``db`` does not
        contain it; its variance is step² / 12
    :param position_error_m: standard deviation of each coordinate of the receivers' true positions
        about the stated ones [m]. Each link's noise grows by how much its level at the prior
        differs between displaced copies of the receiver. With coherent combining five centimetres
        are more than half a wavelength at 3.5 GHz, so that links lose most of their weight
    :param gain_offset_db: standard deviation of an unknown offset of levels (cable, transmit power)
        [dB], ``inf`` if nothing is known of it; None: there is none
    :param gain_shared: links that share one offset: those of a "setup", of a transmitting "device"
        (setups whose transmitters stand at one place, whatever their carriers), of a "receiver" (a
        position that several setups have), all of the "campaign"; or a mapping from the setups'
        numbers, counted from 1, to the names of their devices. An offset that setups share does not
        hide what tells them apart, such as a slab that only one of them is behind
    :param clutter_db_per_sqrt_m: scatter by what is not in the scene (furniture, people): beside
        ``db`` each link has a variance of clutter² · length, with the power-weighted mean length
        [m] of its paths; a number [dB/√m], or "fit", which finds it by the marginal likelihood of
        the levels (:mod:`vlmrt_dist.inference.clutter`). ``db`` is then the error of the receiver
        alone, such as the scatter of repeated readings. None: there is none
    :param excess_loss_db_per_m: standard deviation, about zero, of an unknown mean loss of the
        levels a metre of that length, beyond the model's [dB/m]. Furniture attenuates (positive);
        paths that the model lacks, being deeper than ``max_depth`` or diffuse, add power with the
        distance (negative). None: there is none
    :param delay_offset_ns: standard deviation, about zero, of an unknown offset of measured delays
        [ns]: of a clock, or of the arrival that a receiver takes for the first path; ``inf`` if
        nothing is known of it. None: of delays that count from the first path one bin, of others
        none
    :param delay_shared: links that share one such offset: each "link" has its own, or as of
        ``gain_shared``
    :param orientation_deg: standard deviation of the antennas' orientations about those that the
        campaign states [°]: one number for yaw, pitch and roll of every transmitter, or a mapping
        from angles (tx_yaw, ..., rx_roll) to numbers; None: they are as stated
    :param tx_power_db: standard deviation of each transmitter's power about the one stated [dB];
        None: it is as stated
    :param position_m: standard deviation of the devices' positions about those that the campaign
        states [m]: one number for x, y and z of every transmitter and receiver, or a mapping from
        coordinates (tx_x, ..., rx_z) to numbers. They are unknowns, and paths are searched again
        where the fit moves them; with received powers of single-layer walls only. None: they are as
        stated, see ``position_error_m``
    :param clutter_area: the part of the plan where both arise: lengths are those of the paths in
        it, see :func:`~vlmrt_dist.campaign.area.area_of`; None: everywhere
    :raises ConfigurationError: if a number is negative or not finite where it has to be, offsets
        are shared or an area is given that nothing uses, or the area is none
    """

    db: float | FloatArray | None = None
    quantisation_db: float = 0.0
    position_error_m: float = 0.0
    gain_offset_db: float | None = None
    gain_shared: GainSharing = "setup"
    clutter_db_per_sqrt_m: float | Literal["fit"] | None = None
    excess_loss_db_per_m: float | None = None
    clutter_area: AreaLike | None = None
    delay_offset_ns: float | None = None
    delay_shared: DelaySharing = "link"
    orientation_deg: OrientationPrior | None = None
    tx_power_db: float | None = None
    position_m: PositionPrior | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        sizes: dict[str, float | FloatArray] = {
            "quantisation_db": self.quantisation_db,
            "position_error_m": self.position_error_m,
            "db": 0.0 if self.db is None else self.db,
        }
        for name, value in sizes.items():
            if not bool(np.all((np.asarray(value) >= 0.0) & np.isfinite(value))):
                raise ConfigurationError(f"{name} must be a finite number, not negative")
        if self.gain_offset_db is not None and not self.gain_offset_db > 0.0:
            raise ConfigurationError(
                "gain_offset_db must be a positive number of dB, inf if nothing is known of the "
                "offset, or None if there is none"
            )
        check_sharing(self.gain_shared)
        if self.gain_offset_db is None and self.gain_shared != "setup":
            raise ConfigurationError("gain_shared says who shares an offset: give gain_offset_db")
        orientation_widths(self.orientation_deg)
        moved = position_widths(self.position_m)
        if self.position_error_m > 0.0 and set(RX_PLACES) & moved.keys():
            raise ConfigurationError(
                "position_error_m makes levels uncertain by wrong positions of receivers, "
                "position_m lets these positions be unknown: give one of them"
            )
        self._check_power()
        self._check_clutter()
        if self.delay_offset_ns is not None and not self.delay_offset_ns > 0.0:
            raise ConfigurationError(
                "delay_offset_ns must be a positive number of ns, inf if nothing is known of the "
                "offset"
            )
        check_choice("delay_shared", self.delay_shared, get_args(DelaySharing))
        object.__setattr__(self, "clutter_area", area_of(self.clutter_area))

    def _check_power(self) -> None:
        if self.tx_power_db is None:
            return
        if not self.tx_power_db > 0.0:
            raise ConfigurationError(
                "tx_power_db must be a positive number of dB, the standard deviation of an unknown "
                "transmit power, or inf if nothing is known of it"
            )
        if self.gain_offset_db is not None and self.gain_shared != "receiver":
            raise ConfigurationError(
                "tx_power_db is an offset of all levels of a transmitter, as gain_offset_db is "
                f"that {self.gain_shared!r} shares: give one of them"
            )

    def _check_clutter(self) -> None:
        clutter, loss = self.clutter_db_per_sqrt_m, self.excess_loss_db_per_m
        number = isinstance(clutter, (int, float)) and 0.0 <= clutter < math.inf
        if not (clutter is None or clutter == "fit" or number):
            raise ConfigurationError(
                "clutter_db_per_sqrt_m must be fit or a finite number of dB/√m, not negative; got "
                f"{clutter!r}"
            )
        if loss is not None and not loss > 0.0:
            raise ConfigurationError(
                "excess_loss_db_per_m must be a positive number of dB/m, the standard deviation of "
                "an unknown loss, inf if nothing is known of it, or None if there is none"
            )
        if self.clutter_area is not None and not self.needs_lengths:
            raise ConfigurationError(
                "clutter_area says where clutter is: give clutter_db_per_sqrt_m or "
                "excess_loss_db_per_m"
            )

    @property
    def needs_lengths(self) -> bool:
        """Whether something depends on the length of the paths."""
        return self.clutter_db_per_sqrt_m is not None or self.excess_loss_db_per_m is not None


@dataclass(frozen=True)
class StopRule:
    """The paper's stopping criterion (13), for each parameter vector by itself.

    :param loss_tolerance: α, largest change of the loss
    :param step_tolerance: β, largest change of any conductivity [S/m]
    :param patience: J, iterations over which both must hold
    :param lag: iterations between the values that are compared; (13) as printed compares each with
        the next
    :raises ConfigurationError: if a number makes no sense
    """

    loss_tolerance: float = 1e-5
    step_tolerance: float = 1e-4
    patience: int = 50
    lag: int = 1

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_tolerances(self.loss_tolerance, self.step_tolerance)
        if self.patience < 0 or self.lag < 1:
            raise ConfigurationError("patience must not be negative, and lag must be 1 or more")


@dataclass(frozen=True)
class NoImprovement:
    """Stop once the loss improves no more, for each parameter vector by itself.

    :param loss_tolerance: α, by how much a loss must be below the lowest so far to count
    :param patience: J, iterations without such a loss after which a vector stops
    :raises ConfigurationError: if a number makes no sense
    """

    loss_tolerance: float = 1e-5
    patience: int = 50

    def __post_init__(self) -> None:
        check_numbers(self)
        _check_tolerances(self.loss_tolerance)
        if self.patience < 1:
            raise ConfigurationError("patience must be 1 or more")


def _check_tolerances(*tolerances: float) -> None:
    if not all(0.0 <= tolerance < math.inf for tolerance in tolerances):
        raise ConfigurationError("tolerances must be finite and not negative")


@dataclass(frozen=True)
class StepDecay:
    """A rate that falls in steps: ``rate · factor^⌊i / every⌋`` after i steps.

    :param factor: of the rate at each fall, between 0 and 1
    :param every: iterations between falls
    :raises ConfigurationError: if a number makes no sense
    """

    factor: float = 0.5
    every: int = 100

    def __post_init__(self) -> None:
        check_numbers(self)
        if not 0.0 < self.factor < 1.0:
            raise ConfigurationError("factor must lie between 0 and 1, both excluded")
        if self.every < 1:
            raise ConfigurationError("every must be 1 or more iterations")


@dataclass(frozen=True, eq=False)
class LevenbergMarquardt:
    """Least squares on ln σ (and whatever else is unknown) with the prior.

    :param loss: "squared"; "huber" or "student_t" where some levels are grossly wrong
    :param starts: most starts; further ones are only tried while the fit is worse than the noise
        explains
    :param folds: parts of the cross-validation over links; 0: none
    :param max_evaluations: most evaluations of one start
    :param initial: where the first start is, or conductivities [K] [S/m]
    :param posterior: normal, sampled, or as a screening decides
    :param max_total: after so many evaluations, all starts together, no further search or round of
        draws begins; fewer in scenes of many paths, 40 million paths in all
    :raises ConfigurationError: if a choice does not exist or a number makes no sense
    """

    loss: LinkLoss = "squared"
    starts: int = 8
    folds: int = 5
    max_evaluations: int = 100
    initial: Initial | FloatArray = "itu"
    posterior: PosteriorShape = "auto"
    max_total: int = 80_000

    @property
    def name(self) -> str:
        """Name in results and tables."""
        return "levenberg_marquardt"

    def __post_init__(self) -> None:
        check_numbers(self)
        check_choice("loss", self.loss, get_args(LinkLoss))
        check_choice("posterior", self.posterior, get_args(PosteriorShape))
        _check_initial(self.initial)
        if self.max_evaluations < 1:
            raise ConfigurationError("max_evaluations must be 1 or more")
        if self.max_total < 1:
            raise ConfigurationError("max_total must be 1 or more")
        if self.folds < 0:
            raise ConfigurationError("folds must not be negative; 0: no cross-validation")


@dataclass(frozen=True, eq=False)
class Adam:
    """The paper's Algorithm 1: Adam on loss (8), without a prior, on conductivities only.

    What the paper leaves open are options; :data:`~vlmrt_dist.inference.readings.READINGS` has
    named choices of them.

    :param rate: η, the size of a step: in S/m, or of ln σ
    :param space: step the conductivities themselves, as the paper does, or their logarithms
    :param loss: of the received powers: "nae", the paper's (8), or "decibel_squares"
    :param decay: how the rate falls; None: it stays
    :param max_iterations: most iterations
    :param stop: criterion (13), or another
    :param initial: where it begins, or conductivities [K] [S/m]
    :param engine: "replay" of traced paths, or "retrace" in every step as the paper does
    :raises ConfigurationError: if a choice does not exist or a number makes no sense
    """

    rate: float = 1e-3
    space: Space = "conductivity"
    loss: PowerLoss = "nae"
    decay: StepDecay | None = None
    max_iterations: int = 1000
    stop: StopRule | NoImprovement = field(default_factory=StopRule)
    initial: Initial | FloatArray = "itu"
    engine: Engine = "replay"

    @property
    def name(self) -> str:
        """Name in results and tables."""
        return "adam" if self.space == "conductivity" else "adam_log"

    def __post_init__(self) -> None:
        check_numbers(self)
        check_choice("space", self.space, get_args(Space))
        check_choice("loss", self.loss, get_args(PowerLoss))
        check_choice("engine", self.engine, get_args(Engine))
        _check_initial(self.initial)
        if not 0.0 < self.rate < math.inf:
            raise ConfigurationError("the rate of Adam must be positive and finite")
        if self.max_iterations < 1:
            raise ConfigurationError("max_iterations must be 1 or more")


Solver = LevenbergMarquardt | Adam

ADAMS: dict[str, Adam] = {
    "adam": Adam(),
    "adam_fine": Adam(rate=1e-4),
    "adam_log": Adam(rate=1e-2, space="log_conductivity"),
}
"""Adams that studies compare: the paper's, one with a tenth of its step, and one on ln σ whose step
is one percent."""
