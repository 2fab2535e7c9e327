"""The vector of unknowns of a scene and a measurement: which entries it has, and their priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, Carrier, DelayPower, RadioConfig, carriers_of
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError, UnsupportedByReplay
from vlmrt_dist.field import (
    SCATTERING,
    SLAB,
    Materials,
    Walls,
    penetration_loss,
    walls_of,
    warn_if_nothing_scatters,
)
from vlmrt_dist.inference.conductivity_prior import ConductivityPrior
from vlmrt_dist.inference.devices import devices_of, orientation_widths, position_widths
from vlmrt_dist.inference.offsets import Offsets, delay_offsets_of, has_delays, offsets_of
from vlmrt_dist.inference.options import Groups, Noise, Parameters
from vlmrt_dist.inference.parameters import KINDS, LAYER, Tie, Unknowns
from vlmrt_dist.inference.prior_term import PriorShape
from vlmrt_dist.scene import MaterialPrior, SceneModel, conductivity_table

UNSTATED: dict[str, float] = {"scattering_coefficient": 0.3, "xpd_coefficient": 0.1}
"""Prior medians where the scene states a smooth surface, or no change of polarization."""


def unknowns_of(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    prior: ConductivityPrior,
    parameters: Parameters,
    *,
    given: MaterialPrior | None = None,
    noise: Noise | None = None,
    length_m: FloatArray | None = None,
) -> Unknowns:
    """The vector of all unknowns, with the prior on each.

    :param prior: on the conductivities at the carrier of ``radio``, and which objects are free;
        fixed objects are fixed in everything
    :param parameters: which material parameters are unknown, their widths, objects that share them
    :param given: where ``prior`` comes from, if not from the scene's own material classes
    :param noise: whose offsets of levels, excess loss, powers and orientations are unknown; None:
        there are none
    :param length_m: [M, N] length of each link's paths [m], if there is an excess loss; None: not
        known yet
    :raises ConfigurationError: if a group names an object that does not exist, the exponent is
        asked for and there is one carrier only, or no links can share offsets as asked
    :raises UnsupportedByReplay: if orientations or positions are unknown beside diffuse reflection
    """
    carriers = tuple(_carriers(scene, campaign, radio, prior, given))
    rough = [q for q in SCATTERING if q in parameters.quantities]
    if rough and not radio.diffuse_reflection:
        raise ConfigurationError(
            f"{rough[0]} has no effect on smooth surfaces; ask for RadioConfig("
            "diffuse_reflection=True), --diffuse-reflection"
        )
    if "scattering_coefficient" not in rough:
        warn_if_nothing_scatters(scene, radio)
    turning = {}
    if noise is not None:
        turning = orientation_widths(noise.orientation_deg) | position_widths(noise.position_m)
    if radio.diffuse_reflection and turning:
        raise UnsupportedByReplay(
            "unknown orientations and positions are not modelled together with diffuse scattering; "
            "state them, or leave out diffuse_reflection"
        )
    if "exponent" in parameters.quantities and len(carriers) < 2:
        raise ConfigurationError(
            "the exponent of the conductivity is only told by a campaign of several carriers"
        )
    frequencies = {radio.frequency, *(carrier.radio.frequency for carrier in carriers)}
    walls = {frequency: walls_of(scene, frequency) for frequency in frequencies}
    slabs = _slabs_of(scene, radio, prior, parameters, given, walls[radio.frequency])
    vector = _Vector()
    for q in parameters.quantities:
        vector.add(q, slabs, parameters, scene.num_objects)
    if noise is not None and noise.gain_offset_db is not None:
        offsets = offsets_of(campaign, noise.gain_shared)
        vector.add_of_links("gain", offsets, float(noise.gain_offset_db))
    if noise is not None:
        if noise.tx_power_db is not None:
            vector.add_of_links("tx_power", devices_of(campaign, "tx"), noise.tx_power_db)
        for name, width in turning.items():
            vector.add_of_links(name, devices_of(campaign, name.partition("_")[0]), width)
    if noise is not None and noise.excess_loss_db_per_m is not None:
        vector.entry["excess_loss"] = np.where(campaign.present, len(vector.mean), -1).ravel()
        vector.append("excess_loss", "all links", 0.0, float(noise.excess_loss_db_per_m))
    if noise is not None:
        _add_delay_offsets(vector, campaign, noise)
    return Unknowns(
        tuple(vector.quantity),
        tuple(vector.label),
        np.array(vector.mean),
        np.array(vector.width),
        vector.entry,
        slabs.known,
        carriers,
        radio.frequency,
        campaign.num_receivers,
        tuple(vector.ties),
        None if length_m is None else length_m.ravel(),
        _shape(vector, prior),
        walls,
        _row_links(campaign),
        _delay_spacing(campaign),
    )


def _row_links(campaign: Campaign) -> IntArray:
    """[R] link of each row of the observables."""
    links = [b.row_setup * campaign.num_receivers + b.row_receiver for b in campaign.observables]
    return np.concatenate([*links, np.zeros(0, np.int64)])


def _delay_spacing(campaign: Campaign) -> float:
    """Half the narrowest delay bin [ns]; infinite where there are none."""
    bins = [b.narrowest for b in campaign.observables if isinstance(b, DelayPower)]
    return 0.5 * min(bins, default=np.inf)


def _add_delay_offsets(vector: _Vector, campaign: Campaign, noise: Noise) -> None:
    """Offsets of the delays, where they are unknown."""
    moved = [block for block in campaign.observables if has_delays(block)]
    first = [b for b in moved if getattr(b, "counted_from", "") == "first_path"]
    width = noise.delay_offset_ns
    if width is None and first:
        bins = [b.narrowest for b in first if isinstance(b, DelayPower)]
        width = min(bins, default=KINDS["delay_offset"].width)
    if width is None or not moved:
        return
    offsets = delay_offsets_of(campaign, noise.delay_shared)
    vector.add_of_links("delay_offset", offsets, float(width))


@dataclass(frozen=True, eq=False)
class _Slabs:
    """K objects, and behind them the Λ layers of those that have any.

    :param names: [K + Λ]
    :param materials: [K + Λ] classes
    :param known: [K] what is not unknown, at the reference carrier
    :param median: [K + Λ] prior median of each quantity
    :param free: [K + Λ] slabs in which each quantity can be unknown
    :param width: [K + Λ] prior standard deviation of each quantity, where one is stated
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    known: Materials
    median: dict[str, FloatArray]
    free: dict[str, BoolArray]
    width: dict[str, FloatArray]


def _slabs_of(
    scene: SceneModel,
    radio: RadioConfig,
    prior: ConductivityPrior,
    parameters: Parameters,
    given: MaterialPrior | None,
    walls: Walls | None,
) -> _Slabs:
    """All slabs of a scene with what is known of each, see :func:`unknowns_of`."""
    own = Materials(prior.median, scene.relative_permittivity(radio.frequency), scene.thickness)
    layers = scene.layers
    behind = None if walls is None or layers is None else walls.layers
    extra = None if walls is None else walls.extra_loss_db
    known = own._replace(
        layers=behind,
        extra_loss_db=extra,
        scattering_coefficient=scene.scattering_coefficient,
        xpd_coefficient=scene.xpd_coefficient,
    )
    names, materials = scene.names, scene.materials if given is None else given.materials
    if layers is not None:  # of such an object only a penetration loss can be unknown, or tied
        pairs = zip(scene.objects, materials, strict=True)
        materials = tuple(o.layered.name if o.layered else m for o, m in pairs)
    median: dict[str, FloatArray] = dict(zip(SLAB, own.slab, strict=True))
    free = np.concatenate([prior.free, prior.layer_free])
    frees: dict[str, BoolArray] = dict.fromkeys(SLAB, free)
    if layers is not None and behind is not None:
        names, materials = names + layers.names, tuple(materials) + layers.materials
        median = {q: np.concatenate([median[q], x]) for q, x in zip(SLAB, behind, strict=True)}
    none = np.zeros(len(prior.layer_free))
    objects = np.arange(len(names)) < scene.num_objects
    median["exponent"] = np.concatenate([_exponents(scene, radio, given), none])
    frees["exponent"] = free & objects
    for q in SCATTERING:
        stated = np.concatenate([getattr(scene, q), none])
        kind = KINDS[q]
        inside = (stated > kind.low) & (stated < kind.high)
        median[q], frees[q] = np.where(inside, stated, UNSTATED[q]), free & objects
    if "penetration_loss" in parameters.quantities:
        loss = penetration_loss(known, walls, radio.frequency)
        kind = KINDS["penetration_loss"]
        open_ = (loss > 0.0) & (loss < kind.high) & ~np.isin(scene.names, parameters.fixed)
        median["penetration_loss"] = np.concatenate([loss, none])
        frees["penetration_loss"] = np.concatenate([open_, none > 0.0])
    width = {"conductivity": np.concatenate([prior.width, prior.layer_width])}
    if prior.permittivity_width is not None:
        width["relative_permittivity"] = np.concatenate(
            [prior.permittivity_width, prior.layer_permittivity_width]
        )
    return _Slabs(names, tuple(materials), known, median, frees, width)


def _shape(vector: _Vector, prior: ConductivityPrior) -> PriorShape | None:
    """Correlation of ln σ and ln ε_r of each object or group, and tails; None: there are none."""
    size = len(vector.mean)
    partner, heavy = np.full(size, -1), np.zeros(size, bool)
    electrical = ("conductivity", "relative_permittivity")
    sigma, epsilon = (vector.of_slabs(q) for q in electrical)
    if prior.heavy:
        heavy = np.isin(vector.quantity, [*electrical, *(LAYER[q] for q in electrical)])
    if sigma is not None and epsilon is not None and prior.correlation:
        pairs = {(int(i), int(j)) for i, j in zip(sigma, epsilon, strict=True) if i >= 0 and j >= 0}
        for i, j in pairs:
            partner[i], partner[j] = j, i
    if not heavy.any() and not (partner >= 0).any():
        return None
    return PriorShape(partner, np.where(partner >= 0, prior.correlation, 0.0), heavy)


@dataclass
class _Vector:
    """The unknowns as they are collected."""

    quantity: list[str] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    entry: dict[str, IntArray] = field(default_factory=dict)
    ties: list[Tie] = field(default_factory=list)

    def add(self, quantity: str, slabs: _Slabs, parameters: Parameters, num_objects: int) -> None:
        """The unknowns of one quantity of the objects, and of their layers where they have any."""
        kind, count = KINDS[quantity], len(slabs.names)
        spread = np.full(count, parameters.widths.get(quantity, kind.width))
        if quantity not in parameters.widths:
            spread = slabs.width.get(quantity, spread)
        depth = slabs.median["thickness"]
        shared = _groups(quantity, slabs.names, slabs.materials, depth, parameters.groups)
        members_of: dict[tuple[bool, str], list[int]] = {}
        for k in np.flatnonzero(slabs.free[quantity]).tolist():
            members_of.setdefault(shared[k], []).append(k)
        entry = np.full(count, -1)
        for name, members in members_of.items():
            entry[members] = len(self.mean)
            stated = slabs.median[quantity][members]
            mean = float(np.mean([kind.to_x(v) for v in stated]))
            told = quantity if members[0] < num_objects else LAYER[quantity]
            self.append(told, name[1], mean, float(spread[members].mean()))
            if len(members) > 1:
                names = tuple(slabs.names[k] for k in members)
                tie = Tie(quantity, name[1], names, float(stated.min()), float(stated.max()))
                self.ties.append(tie)
        self.entry[quantity] = entry[:num_objects]
        if count > num_objects and quantity in LAYER:
            self.entry[LAYER[quantity]] = entry[num_objects:]

    def add_of_links(self, quantity: str, offsets: Offsets, width: float) -> None:
        """Unknowns about zero that links share."""
        there = offsets.of_link >= 0
        self.entry[quantity] = np.where(there, len(self.mean) + offsets.of_link, -1).ravel()
        for label in offsets.names:
            self.append(quantity, label, 0.0, width)

    def of_slabs(self, quantity: str) -> IntArray | None:
        """[K + Λ] entries of the objects and of the layers; None: the quantity is known."""
        own = self.entry.get(quantity)
        behind = self.entry.get(LAYER[quantity], np.zeros(0, np.int64))
        return None if own is None else np.concatenate([own, behind])

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
        if quantity not in ("thickness", "penetration_loss"):
            return [(True, material) for material in materials]
        each = zip(materials, thickness.tolist(), strict=True)
        return [(True, f"{material}, {100.0 * depth:.6g} cm") for material, depth in each]
    strange = sorted(set(groups) - set(names))
    if strange:
        raise ConfigurationError(
            f"no object is named {', '.join(map(repr, strange))}; the objects are {listed(names)}"
        )
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
