"""One vector x of everything that is not known, and what its entries mean.

Material parameters of the objects (or of groups of objects that share them), logarithms where a
factor is the natural step, and offsets of the levels of links that share a device. The optimizer,
the posterior and the verdicts work on x and know nothing of that; here x becomes materials and
levels, and what was learned about x becomes values of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, logit

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Carrier
from vlmrt_dist.field import (
    SCATTERING,
    SLAB,
    LayerMaterials,
    Levels,
    LinkOffsets,
    ManyObjective,
    Materials,
    NormalLoss,
    Objective,
    Parameter,
    Slopes,
    Walls,
    normal_loss,
)
from vlmrt_dist.inference.devices import (
    ANGLES,
    OF_DEVICES,
    PLACES,
    RX_ANGLES,
    RX_PLACES,
    TX_ANGLES,
    TX_PLACES,
)
from vlmrt_dist.inference.least_squares import NO_PRIOR_WIDTH, SPACING
from vlmrt_dist.inference.prior_term import PriorShape
from vlmrt_dist.paths import POSE, Poses
from vlmrt_dist.scene import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY
from vlmrt_dist.units import SPEED_OF_LIGHT, watts_to_dbm

Scale = Literal["linear", "log", "logit"]
"""How an entry of x stands for a value v: as v itself, as ln v, or as ln(v / (1 - v))."""


class _Kind(NamedTuple):
    """:param scale: what x holds of the value
    :param low: lower end of the range of values searched
    :param high: upper end
    :param width: standard deviation in x before the measurement, where nobody says
    :param vague: width that stands for no prior
    :param unit: of a value, for people
    """

    scale: Scale
    low: float
    high: float
    width: float
    vague: float
    unit: str

    def to_x(self, value: float) -> float:
        """The entry of x that stands for a value."""
        return float(self.of_value(np.array(value)))

    def of_value(self, value: FloatArray) -> FloatArray:
        """The entries of x that stand for values."""
        if self.scale == "linear":
            return value
        return np.asarray(np.log(value) if self.scale == "log" else logit(value))

    def value(self, x: FloatArray) -> FloatArray:
        """The values that entries of x stand for."""
        if self.scale == "linear":
            return x
        return np.asarray(np.exp(x) if self.scale == "log" else expit(x))


KINDS: dict[str, _Kind] = {
    "conductivity": _Kind("log", MIN_CONDUCTIVITY, MAX_CONDUCTIVITY, 0.5, NO_PRIOR_WIDTH, "S/m"),
    # Published permittivities of one class spread by some 10 to 20 %.
    "relative_permittivity": _Kind("log", 1.0, 100.0, 0.15, 2.0, ""),
    "thickness": _Kind("log", 1e-4, 10.0, 0.3, 2.0, "m"),
    "exponent": _Kind("linear", -5.0, 10.0, 0.3, 2.0, ""),
    # Entry losses of buildings spread by 4.4 dB (low-loss) to 6.5 dB (high-loss) about the model of
    # 3GPP TR 38.901, table 7.4.3-2.
    "penetration_loss": _Kind("linear", 0.0, 150.0, 5.0, 30.0, "dB"),
    "gain": _Kind("linear", -90.0, 90.0, 3.0, 30.0, "dB"),
    "excess_loss": _Kind("linear", -20.0, 20.0, 0.5, 5.0, "dB/m"),
    "delay_offset": _Kind("linear", -1000.0, 1000.0, 1.0, 100.0, "ns"),
    "tx_power": _Kind("linear", -90.0, 90.0, 3.0, 30.0, "dB"),
    # Half to twice as much of either; of the XPD coefficient ±4.3 dB of the ratio of polarizations.
    "scattering_coefficient": _Kind("logit", 0.001, 0.999, 1.0, 5.0, ""),
    "xpd_coefficient": _Kind("logit", 0.0001, 0.9999, 1.0, 5.0, ""),
    **dict.fromkeys(ANGLES, _Kind("linear", -np.pi, np.pi, np.radians(10.0), np.pi, "rad")),
    **dict.fromkeys(PLACES, _Kind("linear", -20.0, 20.0, 0.1, 20.0, "m")),
}
"""Kinds of unknowns. The exponent is d of σ = c f^d, the gain an offset of levels, the excess loss
what a metre of path loses beyond the model, the delay offset by how much measured delays exceed
those of the paths; the penetration loss is that at normal incidence, which
acts on what passes through alone."""

LAYER: dict[str, str] = {name: f"layer_{name}" for name in SLAB}
"""Quantities of layers by those of objects."""

KINDS |= {LAYER[name]: KINDS[name] for name in SLAB}

OF_LINKS = ("gain", "excess_loss", "delay_offset", *OF_DEVICES)
"""Kinds that belong to links, not to objects."""


class Tie(NamedTuple):
    """Objects that share one unknown.

    :param quantity: which
    :param group: name of what they have in common
    :param objects: their names, two at least
    :param low: lowest prior median among them, the one that the scene states for one of them [unit]
    :param high: highest
    """

    quantity: str
    group: str
    objects: tuple[str, ...]
    low: float
    high: float

    def __str__(self) -> str:
        words = self.quantity.replace("_", " ")
        text = f"{words} of {len(self.objects)} objects of {self.group}"
        if self.high - self.low <= DIFFERENT * abs(self.high):
            return text
        unit = f" {KINDS[self.quantity].unit}".rstrip()
        return f"{text}, for which the scene states {self.low:.3g} to {self.high:.3g}{unit}"


DIFFERENT = 1e-6
"""Relative difference from which on two declared values are different ones."""

RIPPLE = 0.35
"""Share of the way from one transparency of a slab to the next that a search moves at a time."""

TURN_SPACING = 0.5
"""Angle between values of an orientation that a search for minima looks at [rad]."""

MOVE_SPACING = 0.5
"""Distance between positions that a search for minima looks at [m]."""

LINEAR = ("gain", "excess_loss", "tx_power")
"""Quantities that levels are linear in."""


@dataclass(frozen=True, eq=False)
class Unknowns:
    """X unknowns of K objects and M setups.

    :param quantity: [X] what each entry of x is: a :data:`Quantity`, or one of :data:`OF_LINKS`
    :param label: [X] the object, the group or the setup that it belongs to
    :param mean: [X] prior mean
    :param width: [X] prior standard deviation; infinite for none
    :param entry: for each quantity that is unknown, the entry of x of each object [K], -1 where the
        object is fixed; for quantities of layers (:data:`LAYER`) that of each layer [Λ]; for those
        of links (:data:`OF_LINKS`) that of each link [M · N], -1 where there is none
    :param known: what is not unknown: conductivity at the reference carrier, and thickness [K]
    :param carriers: of the campaign; their ``scale`` follows the prior's exponents
    :param num_receivers: N
    :param ties: objects that share an entry
    :param length_m: [M · N] length of each link's paths, along which an excess loss acts [m]
    :param shape: correlations and tails of the prior; None: independent and normal
    :param walls: layers and extra losses of the scene at the reference and at each carrier [Hz]
    :param row_link: [R] link of each row of the campaign's observables
    :param searched_at: moves of transmitters [M, 3] and receivers [M, N, 3] from where they are
        stated to where paths were searched [m]; None: paths are those between stated positions
    :param delay_spacing: distance over which powers in delay bins may rise and fall again [ns]
    """

    quantity: tuple[str, ...]
    label: tuple[str, ...]
    mean: FloatArray
    width: FloatArray
    entry: dict[str, IntArray]
    known: Materials
    carriers: tuple[Carrier, ...]
    reference: float
    num_receivers: int
    ties: tuple[Tie, ...] = ()
    length_m: FloatArray | None = None
    shape: PriorShape | None = None
    walls: dict[float, Walls | None] = field(default_factory=dict)
    row_link: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    delay_spacing: float = np.inf
    searched_at: tuple[FloatArray, FloatArray] | None = None

    @property
    def low(self) -> FloatArray:
        """[X] lower end of the range searched."""
        return np.array([KINDS[q].to_x(KINDS[q].low) for q in self.quantity])

    @property
    def high(self) -> FloatArray:
        """[X] upper end of the range searched."""
        return np.array([KINDS[q].to_x(KINDS[q].high) for q in self.quantity])

    @property
    def vague(self) -> FloatArray:
        """[X] width that stands for no prior."""
        return np.array([KINDS[q].vague for q in self.quantity])

    @property
    def spacing(self) -> FloatArray:
        """[X] distance over which levels may rise and fall again; infinite where they are linear.

        A slab is transparent wherever its thickness is a multiple of half the wavelength inside,
        λ / (2 √ε_r); a search for minima has to look at a few values between two of those.
        """
        found = np.full(len(self.mean), SPACING)
        turn = max(c.radio.frequency for c in self.carriers) / SPEED_OF_LIGHT
        layers = self.known.layers
        for name, entry in self.entry.items():
            spacing = dict.fromkeys(LINEAR, np.inf) | dict.fromkeys(ANGLES, TURN_SPACING)
            spacing |= dict.fromkeys(PLACES, MOVE_SPACING)
            if name in spacing:
                found[entry[entry >= 0]] = spacing[name]
                continue
            if name == "delay_offset":
                found[entry[entry >= 0]] = self.delay_spacing
                continue
            slab = self.known if name not in LAYER.values() else layers
            if slab is None or ("thickness" not in name and "permittivity" not in name):
                continue
            # Half wavelengths inside each slab, at least one.
            depth = slab.thickness * np.sqrt(slab.relative_permittivity)
            halves = np.maximum(2.0 * depth * turn, 1.0)
            step = RIPPLE / halves if "thickness" in name else 2.0 * RIPPLE / halves
            free = np.flatnonzero(entry >= 0)
            np.minimum.at(found, entry[free], step[free])
        return found

    @property
    def offsets(self) -> IntArray:
        """Places in x of the offsets of levels."""
        return np.flatnonzero(np.array(self.quantity) == "gain")

    @property
    def num_layers(self) -> int:
        """Λ"""
        return 0 if self.known.layers is None else len(self.known.layers.conductivity)

    def values(self, quantity: str, x: FloatArray) -> FloatArray:
        """[..., K] values of the objects (of a gain: [..., M · N], of the links) for parameters
        [..., X]; NaN where fixed."""
        entry = self.entry[quantity]
        value = np.where(entry >= 0, x[..., entry], np.nan)
        return KINDS[quantity].value(value)

    def conductivity(self, x: FloatArray) -> FloatArray:
        """[..., K] conductivities at the reference carrier [S/m], fixed ones as they are known."""
        if "conductivity" not in self.entry:
            return self.known.conductivity
        value = self.values("conductivity", x)
        return np.where(np.isnan(value), self.known.conductivity, value)

    def at_conductivity(self, theta: FloatArray) -> FloatArray:
        """[..., X] the prior mean, but conductivities as given [..., K]; of a group, their mean."""
        x = np.broadcast_to(self.mean, (*theta.shape[:-1], len(self.mean))).copy()
        entry = self.entry.get("conductivity")
        if entry is None:
            return x
        free = np.flatnonzero(entry >= 0)
        members = np.bincount(entry[free], minlength=x.shape[-1])
        for i in np.flatnonzero(members > 1):
            x[..., i] = np.log(theta[..., entry == i]).mean(axis=-1)
        alone = free[members[entry[free]] == 1]
        x[..., entry[alone]] = np.log(theta[..., alone])
        return x

    def materials(self, x: FloatArray) -> dict[float, Materials]:
        """Material parameters [K] at each carrier [Hz]; of parameters [S, X], [S, K] where they
        differ."""
        return self.materials_with(x, self.loss(x))

    def materials_with(self, x: FloatArray, loss: NormalLoss | None) -> dict[float, Materials]:
        """The same for given losses of the slabs."""
        here = self._at_reference(x)
        change = here.relative_permittivity / self.known.relative_permittivity
        extra = None
        if loss is not None:
            value = self.values("penetration_loss", x)
            own = self.known.extra_loss_db
            extra = np.where(np.isnan(value), 0.0 if own is None else own, value - loss.value)
        found = {}
        for carrier in self.carriers:
            scale = carrier.scale
            if "exponent" in self.entry:
                more = self.values("exponent", x) - self.values("exponent", self.mean)
                scale = scale * self.ratio(carrier) ** np.nan_to_num(more)
            found[carrier.radio.frequency] = Materials(
                here.conductivity * scale,
                carrier.relative_permittivity * change,
                here.thickness,
                self._layers(x, carrier.radio.frequency),
                extra,
                *(self._surface(name, x) for name in SCATTERING),
            )
        return found

    def _surface(self, name: Parameter, x: FloatArray) -> FloatArray | None:
        """[K] S or XPD coefficients; None: as the scene states them."""
        if name not in self.entry:
            return None
        value = self.values(name, x)
        return np.where(np.isnan(value), getattr(self.known, name), value)

    def _at_reference(self, x: FloatArray) -> Materials:
        """Material parameters [K] at the reference carrier, the extra loss left out."""
        thickness, permittivity = self.known.thickness, self.known.relative_permittivity
        if "thickness" in self.entry:
            value = self.values("thickness", x)
            thickness = np.where(np.isnan(value), thickness, value)
        if "relative_permittivity" in self.entry:
            value = self.values("relative_permittivity", x)
            permittivity = np.where(np.isnan(value), permittivity, value)
        layers = self._layers(x, self.reference)
        return Materials(self.conductivity(x), permittivity, thickness, layers)

    def _layers(self, x: FloatArray, frequency: float) -> LayerMaterials | None:
        """[Λ] parameters of the layers at a carrier; None: as the scene states them."""
        walls = self.walls.get(frequency)
        known = self.known.layers
        if walls is None or known is None or not set(LAYER.values()) & self.entry.keys():
            return None
        found = []
        for name, own, here in zip(SLAB, known, walls.layers, strict=True):
            if LAYER[name] not in self.entry:
                found.append(here)
                continue
            # At another carrier a value changes by as much as at the reference.
            value = self.values(LAYER[name], x)
            ratio = np.divide(value, own, out=np.ones_like(value), where=own > 0.0)
            found.append(here * np.where(np.isnan(ratio), 1.0, ratio))
        return LayerMaterials(*found)

    def loss(self, x: FloatArray) -> NormalLoss | None:
        """Losses of the slabs and layers; None where no penetration loss is unknown."""
        if "penetration_loss" not in self.entry:
            return None
        walls = self.walls.get(self.reference)
        return normal_loss(self._at_reference(x), walls, self.reference)

    def of_links(self, quantity: str, x: FloatArray) -> FloatArray:
        """[S, M · N] values of a quantity of links at vectors [S, X]; zero where there is none."""
        links = self.num_receivers * sum(len(c.setups) for c in self.carriers)
        entry = self.entry.get(quantity)
        if entry is None:
            return np.zeros((len(x), links))
        return np.where(entry >= 0, x[:, entry], 0.0)

    def poses(self, x: FloatArray) -> Poses | None:
        """Changes of the antennas' orientations and positions; None where none is unknown."""
        turning, moving = (bool(set(each) & self.entry.keys()) for each in (ANGLES, PLACES))
        if not (turning or moving):
            return None
        setups = sum(len(c.setups) for c in self.carriers)
        found = []
        for names in (TX_ANGLES, RX_ANGLES, TX_PLACES, RX_PLACES):
            entries = [self.entry.get(name, np.full(setups * self.num_receivers, -1))
                       for name in names]  # fmt: skip
            entry = np.stack(entries, axis=1).reshape(setups, self.num_receivers, 3)
            if names in (TX_ANGLES, TX_PLACES):  # alike for all receivers; -1 where there is none
                entry = entry.max(axis=1)
            found.append(np.where(entry >= 0, x[entry], 0.0))
        turns, moves = found[:2], found[2:]
        if not moving:
            return Poses(*turns)
        if self.searched_at is not None:  # paths are those between ends that have moved already
            moves = [m - s for m, s in zip(moves, self.searched_at, strict=True)]
        return Poses(*turns, *moves)

    def moves(self, x: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Moves of transmitters [M, 3] and receivers [M, N, 3] from where they are stated [m];
        None where no position is unknown."""
        poses = replace(self, searched_at=None).poses(x)
        if poses is None or poses.tx_move is None or poses.rx_move is None:
            return None
        return poses.tx_move, poses.rx_move

    def predict(self, objective: Objective) -> LevelModel:
        """Levels as a function of x, with their derivative."""
        return LevelModel(self, objective)

    def loss_columns(self, loss: NormalLoss, columns: dict[str, sp.csr_matrix]) -> sp.csr_matrix:
        """[K, X] derivative of the extra loss by x: what the slab takes is not extra."""
        free = self.entry["penetration_loss"] >= 0
        total = columns["penetration_loss"]
        for name in SLAB:
            by = sp.diags(free.astype(np.float64)) @ loss.by[name]
            if name in columns:
                total = total - by[:, : len(free)] @ columns[name]
            if LAYER[name] in columns:
                total = total - by[:, len(free) :] @ columns[LAYER[name]]
        return total

    def ratio(self, carrier: Carrier) -> float:
        """A carrier over the reference."""
        return carrier.radio.frequency / self.reference


SIZES = (1, 4, 8, 16, 32, 64)
"""Numbers of vectors that are evaluated at once; the kernels keep buffers for each number."""

PADDED, SHARE_PADDED = 2, 8
"""So many vectors, or one in so many, are evaluated for nothing at most, to save a launch."""


class LevelModel:
    """Values of a parameter vector x [X] that were measured, with their derivative: the levels [L]
    [dBm], and behind them the rows of the campaign's observables [R] in their own units.

    :param unknowns: the meaning of x
    :param objective: evaluates the links
    """

    def __init__(self, unknowns: Unknowns, objective: Objective) -> None:
        entry, size = unknowns.entry, len(unknowns.mean)
        wanted: list[Parameter] = [q for q in SLAB if q in entry or LAYER[q] in entry]
        if "exponent" in entry and "conductivity" not in wanted:
            wanted.insert(0, "conductivity")
        if "penetration_loss" in entry:
            wanted.append("extra_loss_db")
        wanted += [q for q in SCATTERING if q in entry]
        self._unknowns, self._objective, self._wanted = unknowns, objective, tuple(wanted)
        self._columns = columns = {q: _columns(each, size) for q, each in entry.items()}
        self._dense = {q: each.toarray() for q, each in columns.items() if q not in OF_LINKS}
        setups = sum(len(c.setups) for c in unknowns.carriers)
        log_ratio = np.zeros(setups)
        for carrier in unknowns.carriers:
            log_ratio[carrier.setups] = np.log(unknowns.ratio(carrier))
        self._by_link = sp.diags(np.repeat(log_ratio, unknowns.num_receivers))
        added = [columns["gain"]] if "gain" in columns else []
        if "excess_loss" in columns:
            lengths = np.zeros(columns["excess_loss"].shape[0])
            if unknowns.length_m is not None:
                lengths = np.nan_to_num(unknowns.length_m)
            added.append(sp.diags(-lengths) @ columns["excess_loss"])
            self._lengths = lengths
        if "tx_power" in columns:
            added.append(columns["tx_power"])
        self._by_link_alone = sum(added) if added else None
        lossy = "penetration_loss" in entry
        turning = bool({*ANGLES, *PLACES} & entry.keys())
        self._together: ManyObjective | None = None
        if isinstance(objective, ManyObjective) and not (lossy or turning):
            self._together = objective
        self._places: dict[str, _Places] = {}

    def __call__(self, x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """Levels [L] and their sparse derivative [L, X]."""
        return self._one(x, slopes=True)

    def _one(self, x: FloatArray, *, slopes: bool) -> tuple[FloatArray, sp.csr_matrix]:
        """Values of one vector; without ``slopes`` their derivative has no rows."""
        loss = self._unknowns.loss(x)
        materials = self._unknowns.materials_with(x, loss)
        wanted = self._wanted if slopes else ()
        found = self._objective.levels(materials, wanted, self._unknowns.poses(x))
        level = watts_to_dbm(found.rss).ravel()
        if self._by_link_alone is not None:
            level = level + self._by_link_alone @ x
        jacobian = self._by_x(found, loss) if slopes else sp.csr_matrix((0, len(x)))
        if not len(self._unknowns.row_link):
            return level, jacobian
        values, rows = self._observed(x[None], materials, loss, slopes=slopes)
        if slopes:
            jacobian = sp.vstack([jacobian, sp.csr_matrix(rows[0])], "csr")
        return np.concatenate([level, values[0]]), jacobian

    def _by_x(self, found: Levels, loss: NormalLoss | None) -> sp.csr_matrix:
        """[L, X] derivative of the levels by x from those by the materials and orientations."""
        columns = self._columns
        jacobian = sp.csr_matrix((found.rss.size, len(self._unknowns.mean)))
        for name in (*SLAB, *SCATTERING):
            if name in columns:
                jacobian = jacobian + found.by[name] @ columns[name]
            if LAYER.get(name) in columns:
                jacobian = jacobian + found.layers[name] @ columns[LAYER[name]]
        if loss is not None:
            by_loss = found.by["extra_loss_db"] @ self._unknowns.loss_columns(loss, columns)
            jacobian = jacobian + by_loss
        if "exponent" in columns:
            jacobian = jacobian + self._by_link @ found.by["conductivity"] @ columns["exponent"]
        if found.by_pose is not None:
            for pose, change in zip(POSE, found.by_pose.T, strict=True):
                if pose in columns:
                    jacobian = jacobian + sp.diags(change) @ columns[pose]
        return jacobian if self._by_link_alone is None else jacobian + self._by_link_alone

    def _observed(
        self,
        x: FloatArray,
        materials: Mapping[float, Materials],
        loss: NormalLoss | None,
        *,
        slopes: bool,
    ) -> tuple[FloatArray, FloatArray]:
        """Rows of the observables [S, R] of vectors [S, X], and their derivatives [S, R, X].

        :param materials: of the vectors
        :param loss: losses of the slabs of the one vector, where a penetration loss is unknown
        """
        unknowns, dense = self._unknowns, self._dense
        gain = unknowns.of_links("gain", x) + unknowns.of_links("tx_power", x)
        if "excess_loss" in unknowns.entry:
            gain = gain - self._lengths * unknowns.of_links("excess_loss", x)
        offsets = LinkOffsets(unknowns.of_links("delay_offset", x), gain)
        poses = unknowns.poses(x[0]) if len(x) == 1 else None  # of many vectors nothing turns
        wanted = self._wanted if slopes else ()
        found = self._objective.observe(materials, wanted, offsets, poses)
        if not slopes:
            return found.value, np.zeros((len(x), 0, 0))
        total = np.zeros((*found.value.shape, x.shape[1]))
        objects = len(unknowns.known.conductivity)
        for name in SLAB:
            if name in dense:
                total += found.by[name][:, :, :objects] @ dense[name]
            if LAYER[name] in dense:
                total += found.by[name][:, :, objects:] @ dense[LAYER[name]]
        if loss is not None:
            columns = unknowns.loss_columns(loss, self._columns).toarray()
            total += found.by["extra_loss_db"][:, :, :objects] @ columns
        if "exponent" in dense:
            ratio = self._by_link.diagonal()[unknowns.row_link, None]
            total += ratio * (found.by["conductivity"][:, :, :objects] @ dense["exponent"])
        rows = np.arange(total.shape[1])
        slope_of = {
            "gain": found.by_gain, "tx_power": found.by_gain, "delay_offset": found.by_delay
        }  # fmt: skip
        if "excess_loss" in unknowns.entry:
            slope_of["excess_loss"] = -found.by_gain * self._lengths[unknowns.row_link]
        if found.by_pose is not None:
            slope_of |= {name: found.by_pose[..., i] for i, name in enumerate(ANGLES)}
        for kind, slope in slope_of.items():
            if kind in unknowns.entry:
                entry = unknowns.entry[kind][unknowns.row_link]
                free = entry >= 0
                total[:, rows[free], entry[free]] += slope[:, free]
        return found.value, total

    def many(self, x: FloatArray, *, slopes: bool = True) -> tuple[FloatArray, FloatArray]:
        """Levels [S, L] of many vectors [S, X], and their dense derivatives [S, L, X].

        :param slopes: False: the derivatives are not wanted, and are empty
        """
        if self._together is None:
            alone = [self._one(row, slopes=slopes) for row in x]
            rows = [jacobian.toarray() for _, jacobian in alone] if slopes else []
            return np.array([level for level, _ in alone]), np.array(rows)
        parts = [self._many(part, slopes=slopes) for part in _launches(x)]
        if len(parts) == 1:
            level, jacobian = parts[0]
            return level[: len(x)], jacobian[: len(x)]
        level, jacobian = (np.concatenate(each)[: len(x)] for each in zip(*parts, strict=True))
        return level, jacobian

    def _many(self, x: FloatArray, *, slopes: bool) -> tuple[FloatArray, FloatArray]:
        """:meth:`many` where all vectors are evaluated together."""
        assert self._together is not None
        materials = self._materials(x)
        rss, by = self._together.many_levels(materials, self._wanted if slopes else ())
        level = watts_to_dbm(rss).reshape(len(x), -1)
        if self._by_link_alone is not None:
            level = level + (self._by_link_alone @ x.T).T
        values, behind = level[:, :0], np.zeros((len(x), 0, x.shape[1]))
        if len(self._unknowns.row_link):
            values, behind = self._observed(x, materials, None, slopes=slopes)
        if not slopes:
            return np.concatenate([level, values], 1), behind
        jacobian = np.zeros((level.shape[1] * x.shape[1], len(x)))
        for name in self._wanted:
            if name in self._columns or LAYER.get(name) in self._columns:
                self._placed(name, by[name]).add(jacobian, by[name].value)
        if "exponent" in self._columns:
            found = by["conductivity"]
            ratio = self._by_link.diagonal()[found.link, None]
            self._placed("exponent", found).add(jacobian, ratio * found.value)
        jacobian = jacobian.T.reshape(*level.shape, x.shape[1])
        if self._by_link_alone is not None:
            jacobian = jacobian + self._by_link_alone.toarray()
        return np.concatenate([level, values], 1), np.concatenate([jacobian, behind], 1)

    def _materials(self, x: FloatArray) -> dict[float, Materials]:
        """Material parameters of vectors [S, X] at each carrier [Hz]."""
        shape = len(x), self._objective.num_objects
        return {
            carrier: each._replace(conductivity=np.broadcast_to(each.conductivity, shape))
            for carrier, each in self._unknowns.materials(x).items()
        }

    def _placed(self, quantity: str, found: Slopes) -> _Places:
        """Where derivatives by a quantity of the slabs belong in those by x."""
        if quantity not in self._places:
            entry = self._unknowns.entry
            none = np.full(self._objective.num_objects, -1)
            behind = entry.get(LAYER.get(quantity, ""), np.full(self._unknowns.num_layers, -1))
            of_slab = np.concatenate([entry.get(quantity, none), behind])
            size = len(self._unknowns.mean)
            self._places[quantity] = _Places.of(found.link, of_slab[found.slab], size)
        return self._places[quantity]


def _launches(x: FloatArray) -> list[FloatArray]:
    """Vectors [S, X] in parts of :data:`SIZES`; the last is padded by a few copies of its own."""
    parts: list[FloatArray] = []
    begin = 0
    while begin < len(x):
        left = len(x) - begin
        fits = (s for s in SIZES if left <= s <= left + max(PADDED, s // SHARE_PADDED))
        size = next(fits, max(s for s in SIZES if s <= left))
        part = x[begin : begin + size]
        if len(part) < size:
            part = np.concatenate([part, np.tile(x[-1], (size - len(part), 1))])
        parts.append(part)
        begin += size
    return parts


class _Places(NamedTuple):
    """Entries of a dense [L · X] derivative that R sparse ones belong to.

    :param kept: those of the R whose slab follows an unknown
    :param entry: [R'] distinct entries
    :param sum: [R', kept] sums what belongs to each; None: one belongs to each
    """

    kept: IntArray
    entry: IntArray
    sum: sp.csr_matrix | None

    @staticmethod
    def of(link: IntArray, column: IntArray, size: int) -> _Places:
        kept = np.flatnonzero(column >= 0)
        entry, place = np.unique(link[kept] * size + column[kept], return_inverse=True)
        ones = np.ones(len(kept))
        total = sp.csr_matrix((ones, (place, np.arange(len(kept)))), (len(entry), len(kept)))
        if len(entry) == len(kept):
            return _Places(kept[np.argsort(place)], entry, None)
        return _Places(kept, entry, total)

    def add(self, jacobian: FloatArray, value: FloatArray) -> None:
        """Add derivatives [R, S] to [L · X, S]."""
        own = value[self.kept]
        jacobian[self.entry] += own if self.sum is None else self.sum @ own


def _columns(entry: IntArray, size: int) -> sp.csr_matrix:
    """[K, X] which entry of x each object (or link) follows."""
    there = np.flatnonzero(entry >= 0)
    return sp.csr_matrix((np.ones(len(there)), (there, entry[there])), (len(entry), size))
