"""One vector x of everything that is not known, and what its entries mean.

Material parameters of the objects (or of groups of objects that share them), logarithms where a
factor is the natural step, and offsets of the levels of links that share a device. The optimizer,
the posterior and the verdicts work on x and know nothing of that; here x becomes materials and
levels, and what was learned about x becomes values of objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, Carrier, RadioConfig, carriers_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import ManyObjective, Materials, Objective, Parameter
from vlmrt_dist.inference.conductivity_prior import ConductivityPrior
from vlmrt_dist.inference.least_squares import NO_PRIOR_WIDTH, SPACING
from vlmrt_dist.inference.offsets import offsets_of
from vlmrt_dist.inference.options import Groups, Noise, Parameters
from vlmrt_dist.scene import (
    MAX_CONDUCTIVITY,
    MIN_CONDUCTIVITY,
    MaterialPrior,
    SceneModel,
    conductivity_table,
)
from vlmrt_dist.units import SPEED_OF_LIGHT, watts_to_dbm


class _Kind(NamedTuple):
    """:param log: x holds the logarithm of the value
    :param low: lower end of the range of values searched
    :param high: upper end
    :param width: standard deviation in x before the measurement, where nobody says
    :param vague: width that stands for no prior
    :param unit: of a value, for people
    """

    log: bool
    low: float
    high: float
    width: float
    vague: float
    unit: str


KINDS: dict[str, _Kind] = {
    "conductivity": _Kind(True, MIN_CONDUCTIVITY, MAX_CONDUCTIVITY, 0.5, NO_PRIOR_WIDTH, "S/m"),
    # Published permittivities of one class spread by some 10 to 20 %.
    "relative_permittivity": _Kind(True, 1.0, 100.0, 0.15, 2.0, ""),
    "thickness": _Kind(True, 1e-4, 10.0, 0.3, 2.0, "m"),
    "exponent": _Kind(False, -5.0, 10.0, 0.3, 2.0, ""),
    "gain": _Kind(False, -90.0, 90.0, 3.0, 30.0, "dB"),
}
"""Kinds of unknowns. The exponent is d of σ = c f^d, the gain an offset of levels."""


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


@dataclass(frozen=True, eq=False)
class Unknowns:
    """X unknowns of K objects and M setups.

    :param quantity: [X] what each entry of x is: a :data:`Quantity`, or "gain"
    :param label: [X] the object, the group or the setup that it belongs to
    :param mean: [X] prior mean
    :param width: [X] prior standard deviation; infinite for none
    :param entry: for each quantity that is unknown, the entry of x of each object [K], -1 where the
        object is fixed; for "gain" that of each link [M · N], -1 where no receiver is
    :param known: what is not unknown: conductivity at the reference carrier, and thickness [K]
    :param carriers: of the campaign; their ``scale`` follows the prior's exponents
    :param num_receivers: N
    :param ties: objects that share an entry
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

    @property
    def low(self) -> FloatArray:
        """[X] lower end of the range searched."""
        return np.array([_to_x(KINDS[q], KINDS[q].low) for q in self.quantity])

    @property
    def high(self) -> FloatArray:
        """[X] upper end of the range searched."""
        return np.array([_to_x(KINDS[q], KINDS[q].high) for q in self.quantity])

    @property
    def vague(self) -> FloatArray:
        """[X] width that stands for no prior."""
        return np.array([KINDS[q].vague for q in self.quantity])

    @property
    def spacing(self) -> FloatArray:
        """[X] distance over which levels may rise and fall again.

        A slab is transparent wherever its thickness is a multiple of half the wavelength inside,
        λ / (2 √ε_r); a search for minima has to look at a few values between two of those.
        """
        index = np.sqrt(self.known.relative_permittivity)
        turn = max(c.radio.frequency for c in self.carriers) / SPEED_OF_LIGHT
        # Half wavelengths inside each object's slab, at least one.
        halves = np.maximum(2.0 * self.known.thickness * index * turn, 1.0)
        found = np.full(len(self.mean), SPACING)
        for quantity, entry in self.entry.items():
            if quantity == "gain":
                found[entry] = np.inf
                continue
            free = np.flatnonzero(entry >= 0)
            if quantity == "relative_permittivity":  # its root counts
                np.minimum.at(found, entry[free], 2.0 * RIPPLE / halves[free])
            elif quantity == "thickness":
                np.minimum.at(found, entry[free], RIPPLE / halves[free])
        return found

    def values(self, quantity: str, x: FloatArray) -> FloatArray:
        """[K] values of the objects (of a gain: [M · N], of the links); NaN where fixed."""
        entry = self.entry[quantity]
        value = np.where(entry >= 0, x[entry], np.nan)
        return np.exp(value) if KINDS[quantity].log else value

    def conductivity(self, x: FloatArray) -> FloatArray:
        """[K] conductivities at the reference carrier [S/m], fixed ones as they are known."""
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
        """Material parameters [K] at each carrier [Hz]."""
        sigma = self.conductivity(x)
        thickness = self.known.thickness
        if "thickness" in self.entry:
            value = self.values("thickness", x)
            thickness = np.where(np.isnan(value), thickness, value)
        change: FloatArray | float = 1.0
        if "relative_permittivity" in self.entry:
            value = self.values("relative_permittivity", x)
            change = np.where(np.isnan(value), 1.0, value / self.known.relative_permittivity)
        found = {}
        for carrier in self.carriers:
            scale = carrier.scale
            if "exponent" in self.entry:
                more = self.values("exponent", x) - self.values("exponent", self.mean)
                scale = scale * self._ratio(carrier) ** np.nan_to_num(more)
            found[carrier.radio.frequency] = Materials(
                sigma * scale, carrier.relative_permittivity * change, thickness
            )
        return found

    def predict(self, objective: Objective) -> LevelModel:
        """Levels as a function of x, with their derivative."""
        wanted: list[Parameter] = [q for q in _PARAMETERS if q in self.entry]
        if "exponent" in self.entry and "conductivity" not in wanted:
            wanted.insert(0, "conductivity")
        size = len(self.mean)
        columns = {q: _columns(entry, size) for q, entry in self.entry.items()}
        setups = sum(len(c.setups) for c in self.carriers)
        log_ratio = np.zeros(setups)
        for carrier in self.carriers:
            log_ratio[carrier.setups] = np.log(self._ratio(carrier))
        by_link = np.repeat(log_ratio, self.num_receivers)
        return LevelModel(self, objective, tuple(wanted), columns, by_link)

    def _ratio(self, carrier: Carrier) -> float:
        return carrier.radio.frequency / self.reference


class LevelModel:
    """Levels [L] [dBm] of a parameter vector x [X], with their derivative.

    :param unknowns: the meaning of x
    :param objective: evaluates the links
    :param wanted: parameters that the objective differentiates by
    :param columns: for each quantity [K, X] (for "gain" [L, X]) which entry of x each object or
        link follows
    :param log_ratio: [L] logarithm of each link's carrier over the reference
    """

    def __init__(
        self,
        unknowns: Unknowns,
        objective: Objective,
        wanted: tuple[Parameter, ...],
        columns: dict[str, sp.csr_matrix],
        log_ratio: FloatArray,
    ) -> None:
        self._unknowns, self._objective, self._wanted = unknowns, objective, wanted
        self._columns, self._log_ratio = columns, log_ratio
        self._by_link = sp.diags(log_ratio)
        self._by_gain = columns.get("gain")

    def __call__(self, x: FloatArray) -> tuple[FloatArray, sp.csr_matrix]:
        """Levels [L] and their sparse derivative [L, X]."""
        rss, by = self._objective.levels(self._unknowns.materials(x), self._wanted)
        level = watts_to_dbm(rss).ravel()
        jacobian = sp.csr_matrix((len(level), len(x)))
        for name in self._wanted:
            if name in self._columns:
                jacobian = jacobian + by[name] @ self._columns[name]
        if "exponent" in self._columns:
            jacobian = jacobian + self._by_link @ by["conductivity"] @ self._columns["exponent"]
        if self._by_gain is not None:
            level = level + self._by_gain @ x
            jacobian = jacobian + self._by_gain
        return level, jacobian

    def many(self, x: FloatArray, *, slopes: bool = True) -> tuple[FloatArray, FloatArray]:
        """Levels [S, L] of many vectors [S, X], and their dense derivatives [S, L, X].

        :param slopes: False: the derivatives are not wanted, and are empty
        """
        if not isinstance(self._objective, ManyObjective):
            found = [self(row) for row in x]
            rows = [jacobian.toarray() for _, jacobian in found] if slopes else []
            return np.array([level for level, _ in found]), np.array(rows)
        each = [self._unknowns.materials(row) for row in x]
        stacked = {
            carrier: Materials(*map(np.array, zip(*(m[carrier] for m in each), strict=True)))
            for carrier in each[0]
        }
        rss, by = self._objective.many_levels(stacked, self._wanted if slopes else ())
        level = watts_to_dbm(rss).reshape(len(x), -1)
        if self._by_gain is not None:
            level = level + (self._by_gain @ x.T).T
        if not slopes:
            return level, np.zeros((0, level.shape[1], x.shape[1]))
        jacobian = np.zeros((*level.shape, x.shape[1]))
        for name in self._wanted:
            if name in self._columns:
                jacobian += by[name] @ self._columns[name].toarray()
        if "exponent" in self._columns:
            more = by["conductivity"] @ self._columns["exponent"].toarray()
            jacobian += self._log_ratio[:, None] * more
        if self._by_gain is not None:
            jacobian += self._by_gain.toarray()
        return level, jacobian


_PARAMETERS: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")


def unknowns_of(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    prior: ConductivityPrior,
    parameters: Parameters,
    *,
    given: MaterialPrior | None = None,
    noise: Noise | None = None,
) -> Unknowns:
    """The vector of all unknowns, with the prior on each.

    :param prior: on the conductivities at the carrier of ``radio``, and which objects are free;
        fixed objects are fixed in everything
    :param parameters: which material parameters are unknown, their widths, objects that share them
    :param given: where ``prior`` comes from, if not from the scene's own material classes
    :param noise: whose offsets of levels are unknown; None: there are none
    :raises ConfigurationError: if a group names an object that does not exist, the exponent is
        asked for and there is one carrier only, or no links can share offsets as asked
    """
    carriers = tuple(_carriers(scene, campaign, radio, prior, given))
    if "exponent" in parameters.quantities and len(carriers) < 2:
        raise ConfigurationError(
            "the exponent of the conductivity is only told by a campaign of several carriers"
        )
    materials = scene.materials if given is None else given.materials
    known = Materials(prior.median, scene.relative_permittivity(radio.frequency), scene.thickness)
    medians = {**known._asdict(), "exponent": _exponents(scene, radio, given)}
    vector = _Vector()
    for q in parameters.quantities:
        kind = KINDS[q]
        spread = np.full(scene.num_objects, parameters.widths.get(q, kind.width))
        if q == "conductivity":
            spread = prior.width
        elif q == "relative_permittivity" and q not in parameters.widths:
            spread = spread if prior.permittivity_width is None else prior.permittivity_width
        shared = _groups(q, scene.names, materials, known.thickness, parameters.groups)
        members_of: dict[tuple[bool, str], list[int]] = {}
        for k in np.flatnonzero(prior.free).tolist():
            members_of.setdefault(shared[k], []).append(k)
        vector.entry[q] = np.full(scene.num_objects, -1)
        for name, members in members_of.items():
            vector.entry[q][members] = len(vector.mean)
            stated = medians[q][members]
            mean = float(np.mean([_to_x(kind, v) for v in stated]))
            vector.append(q, name[1], mean, float(spread[members].mean()))
            if len(members) > 1:
                names = tuple(scene.names[k] for k in members)
                tie = Tie(q, name[1], names, float(stated.min()), float(stated.max()))
                vector.ties.append(tie)
    if noise is not None and noise.gain_offset_db is not None:
        offsets = offsets_of(campaign, noise.gain_shared)
        there = offsets.of_link >= 0
        vector.entry["gain"] = np.where(there, len(vector.mean) + offsets.of_link, -1).ravel()
        for label in offsets.names:
            vector.append("gain", label, 0.0, float(noise.gain_offset_db))
    return Unknowns(
        tuple(vector.quantity),
        tuple(vector.label),
        np.array(vector.mean),
        np.array(vector.width),
        vector.entry,
        known,
        carriers,
        radio.frequency,
        campaign.num_receivers,
        tuple(vector.ties),
    )


@dataclass
class _Vector:
    """The unknowns as they are collected."""

    quantity: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    entry: dict[str, IntArray] = field(default_factory=dict)
    ties: list[Tie] = field(default_factory=list)

    def append(self, quantity: str, label: str, mean: float, width: float) -> None:
        self.quantity.append(quantity)
        self.label.append(label)
        self.mean.append(mean)
        self.width.append(width)


def _groups(
    quantity: str,
    names: Sequence[str],
    materials: Sequence[str],
    thickness: FloatArray,
    groups: Groups,
) -> list[tuple[bool, str]]:
    """[K] (belongs to a group, name of the group or of the object)."""
    if groups is None:
        return [(False, name) for name in names]
    if isinstance(groups, str):
        if quantity != "thickness":
            return [(True, material) for material in materials]
        each = zip(materials, thickness.tolist(), strict=True)
        return [(True, f"{material}, {100.0 * depth:.6g} cm") for material, depth in each]
    strange = sorted(set(groups) - set(names))
    if strange:
        raise ConfigurationError(f"no object is named {', '.join(map(repr, strange))}")
    return [(name in groups, groups.get(name, name)) for name in names]


def _carriers(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    prior: ConductivityPrior,
    given: MaterialPrior | None,
) -> list[Carrier]:
    """The campaign's carriers; conductivities follow the exponents of ``given``, if any, but those
    that stay as the scene states them follow the scene's."""
    carriers = carriers_of(scene, campaign, radio)
    if given is None:
        return carriers
    theirs = prior.free | (prior.median == given.conductivity(radio.frequency))
    d = np.asarray(given.d, np.float64)
    return [
        Carrier(
            c.radio,
            c.setups,
            np.where(theirs, (c.radio.frequency / radio.frequency) ** d, c.scale),
            c.relative_permittivity,
        )
        for c in carriers
    ]


def _exponents(scene: SceneModel, radio: RadioConfig, given: MaterialPrior | None) -> FloatArray:
    """[K] d of σ = c f^d; zero where the scene gives a number instead of a class."""
    if given is not None:
        return np.asarray(given.d, np.float64)
    table = conductivity_table(radio.frequency)
    return np.array(
        [0.0 if o.conductivity is not None else table[o.material][1] for o in scene.objects]
    )


def _to_x(kind: _Kind, value: float) -> float:
    return float(np.log(value)) if kind.log else float(value)


def _columns(entry: IntArray, size: int) -> sp.csr_matrix:
    """[K, X] which entry of x each object (or link) follows."""
    there = np.flatnonzero(entry >= 0)
    return sp.csr_matrix((np.ones(len(there)), (there, entry[there])), (len(entry), size))
