"""Materials before and after calibration, with the uncertainty of the levels that they give."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import (
    SCATTERING,
    SLAB,
    LayerMaterials,
    Levels,
    Materials,
    NormalLoss,
    Parameter,
    normal_loss,
    walls_of,
)
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.conductivity_prior import stated_prior
from vlmrt_dist.inference.options import Prior
from vlmrt_dist.inference.parameters import KINDS, LAYER, OF_LINKS
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.quantities import JointPosterior, QuantityEstimate
from vlmrt_dist.scene import MaterialPrior, SceneModel
from vlmrt_dist.units import watts_to_dbm

_AT_REFERENCE = "conductivity at the reference carrier"


@dataclass(frozen=True, eq=False)
class MaterialState:
    """Materials with the uncertainty of some of them.

    :param entry: for each uncertain quantity the unknown of each object [K], -1 where known
    :param covariance: [X, X] of the unknowns, or [X] variances where they are independent
    :param log_ratio: ln of the map's carrier over the one that an exponent's σ is given at
    :param loss: mean loss a metre of path beyond the model's [dB/m]
    :param loss_entry: the unknown that it is; None: there is none
    :param slab_loss: of the slabs at that carrier, where penetration losses are uncertain
    """

    materials: Materials
    entry: dict[str, IntArray]
    covariance: FloatArray
    log_ratio: float
    loss: float = 0.0
    loss_entry: int | None = None
    slab_loss: NormalLoss | None = None

    def shared(self, joint: JointPosterior) -> MaterialState:
        """The same variances [X] for unknowns that objects of a group share."""
        variance = np.zeros(len(joint.matrix))
        for quantity, entry in _slabs_of(joint).items():
            free = entry >= 0
            variance[entry[free]] = self.covariance[self.entry[quantity][free]]
        return dataclasses.replace(self, entry=_slabs_of(joint), covariance=variance)

    def level_and_std(
        self, levels: Levels, length_m: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """[P] levels [dBm], NaN where no path arrives, and their standard deviations [dB].

        :param length_m: [P] length of the paths [m], if there may be an excess loss
        """
        power = levels.rss[0]
        heard = power > 0.0
        jacobian = sp.csr_matrix((len(power), len(self.covariance)))
        by_slab = _by_quantity(levels, self.entry, self.slab_loss)
        for quantity, entry in self.entry.items():
            # An exponent acts through the conductivity: ln σ changes by ln(f / f0) for each unit.
            exponent = quantity == "exponent"
            by = levels.by["conductivity"] * self.log_ratio if exponent else by_slab[quantity]
            free = np.flatnonzero(entry >= 0)
            columns = sp.csr_matrix(
                (np.ones(len(free)), (free, entry[free])), (len(entry), len(self.covariance))
            )
            jacobian = jacobian + by @ columns
        lost: FloatArray | float = 0.0
        if self.loss_entry is not None and length_m is not None:
            along = np.nan_to_num(length_m)
            lost = self.loss * along
            there, at = np.arange(len(along)), np.full(len(along), self.loss_entry)
            jacobian = jacobian + sp.csr_matrix((-along, (there, at)), jacobian.shape)
        if self.covariance.ndim == 1:
            variance = np.asarray(jacobian.multiply(jacobian) @ self.covariance)
        else:
            spread = jacobian @ self.covariance
            variance = np.asarray(jacobian.multiply(spread).sum(axis=1)).ravel()
        with np.errstate(invalid="ignore"):
            level = np.where(heard, watts_to_dbm(power) - lost, np.nan)
        return level, np.where(heard, np.sqrt(np.maximum(variance, 0.0)), np.nan)


def _by_quantity(
    levels: Levels, entry: Mapping[str, IntArray], slab_loss: NormalLoss | None
) -> dict[str, sp.csr_matrix]:
    """Derivatives of levels by each quantity of objects and layers, the others held fixed: [L, K],
    or [L, Λ] for :data:`LAYER`.

    :param entry: for each uncertain quantity the unknown of each object, -1 where known
    :param slab_loss: see :func:`_slab_loss_of`
    """
    found: dict[str, sp.csr_matrix] = {str(name): by for name, by in levels.by.items()}
    found |= {LAYER[name]: by for name, by in levels.layers.items()}
    if slab_loss is None or "penetration_loss" not in entry:
        return found
    by_loss = found["penetration_loss"] = found.pop("extra_loss_db")
    objects = by_loss.shape[1]
    by_loss = by_loss @ sp.diags((entry["penetration_loss"] >= 0).astype(np.float64))
    for name in SLAB:  # what a slab takes is not extra
        change = by_loss @ slab_loss.by[name]
        if name in found:
            found[name] = found[name] - change[:, :objects]
        if LAYER[name] in found:
            found[LAYER[name]] = found[LAYER[name]] - change[:, objects:]
    return found


def _slab_loss_of(scene: SceneModel, calibration: Calibration) -> NormalLoss | None:
    """Losses of the slabs at the calibrated values; None where no penetration loss was unknown."""
    at = _at({name: q.value for name, q in calibration.slabs.items()}, calibration.slabs, 0.0)
    return _loss(scene, at, calibration.frequency)


def differentiated_by(named: Collection[str]) -> list[Parameter]:
    """Parameters that levels are differentiated by for the uncertainty of some quantities."""
    wanted: list[Parameter] = [q for q in SLAB if q in named or LAYER[q] in named]
    if "exponent" in named and "conductivity" not in wanted:
        wanted.insert(0, "conductivity")
    wanted += [q for q in SCATTERING if q in named]
    return [*wanted, "extra_loss_db"] if "penetration_loss" in named else wanted


def _slabs_of(joint: JointPosterior) -> dict[str, IntArray]:
    """The entries of a joint covariance that belong to objects."""
    return {name: entry for name, entry in joint.entry.items() if name not in OF_LINKS}


def states_of(
    scene: SceneModel,
    radio: RadioConfig,
    estimate: Calibration | None,
    prior: Prior | MaterialPrior | None,
) -> list[MaterialState]:
    """The state before calibration, and the one after it if there is an estimate."""
    if estimate is None or prior is not None:
        known = stated_prior(scene, radio, prior or Prior())
        materials = _materials(
            scene, radio.frequency, {"conductivity": known.median}, radio.frequency
        )
        width = np.where(np.isinf(known.width), KINDS["conductivity"].vague, known.width)
        before = _independent(materials, {"conductivity": (width, known.free)}, 0.0)
    if estimate is None:
        return [before]
    estimate.check_layers(scene)
    quantities = estimate.slabs
    stated = {name: q for name, q in quantities.items() if name != "exponent"}
    if prior is None and not all(np.isfinite(q.prior).all() for q in stated.values()):
        raise ConfigurationError(
            "the result file does not state the priors; give prior=vd.Prior() for the map before "
            "calibration, or write the file again with vlmrt estimate --out"
        )
    log_ratio = float(np.log(radio.frequency / estimate.frequency))
    if prior is None:
        at = _at({name: q.prior for name, q in quantities.items()}, quantities, log_ratio)
        widths = {name: (_width(name, q), _free(q)) for name, q in quantities.items()}
        materials = _materials(scene, radio.frequency, at, estimate.frequency)
        before = _independent(materials, widths, log_ratio)
        before = dataclasses.replace(before, slab_loss=_loss(scene, at, estimate.frequency))
        if estimate.joint is not None:
            before = before.shared(estimate.joint)
    materials = calibrated_materials(scene, estimate, radio.frequency)
    slab_loss = _slab_loss_of(scene, estimate)
    if estimate.joint is not None:
        after = MaterialState(
            materials, _slabs_of(estimate.joint), estimate.joint.matrix, log_ratio
        )
        entry = excess_loss_entry(estimate)
        if entry is not None:
            loss = float(estimate.joint.x[entry])
            after = dataclasses.replace(after, loss=loss, loss_entry=entry)
    else:
        spread = {name: (q.std, _free(q)) for name, q in quantities.items()}
        after = _independent(materials, spread, log_ratio)
    after = dataclasses.replace(after, slab_loss=slab_loss)
    return [before, after]


def calibrated_materials(
    scene: SceneModel, calibration: Calibration | None, frequency: float
) -> Materials:
    """Materials [K] at a carrier [Hz]: the calibrated values, or the scene's own for None."""
    if calibration is None:
        return Materials(
            scene.conductivity(frequency), scene.relative_permittivity(frequency), scene.thickness
        )
    calibration.check_layers(scene)
    quantities = calibration.slabs
    log_ratio = float(np.log(frequency / calibration.frequency))
    at = _at({name: q.value for name, q in quantities.items()}, quantities, log_ratio)
    return _materials(scene, frequency, at, calibration.frequency)


def prior_materials(scene: SceneModel, calibration: Calibration, frequency: float) -> Materials:
    """Materials [K] at a carrier [Hz] before the calibration; the scene's own where the prior is
    not known."""
    known = {
        name: quantity.prior
        for name, quantity in calibration.slabs.items()
        if name != "exponent" and np.isfinite(quantity.prior).all()
    }
    known.setdefault("conductivity", scene.conductivity(calibration.frequency))
    return _materials(scene, frequency, known, calibration.frequency)


def _at(
    values: dict[str, FloatArray], quantities: dict[str, QuantityEstimate], log_ratio: float
) -> dict[str, FloatArray]:
    """Values of the slabs; an exponent's difference from its prior moves the conductivity."""
    found = {name: value for name, value in values.items() if name != "exponent"}
    if "exponent" in values:
        change = np.nan_to_num(values["exponent"] - quantities["exponent"].prior)
        found[_AT_REFERENCE] = found["conductivity"]
        found["conductivity"] = found["conductivity"] * np.exp(log_ratio * change)
    if "penetration_loss" in values:  # that of objects that are fixed in it follows their slabs
        free = _free(quantities["penetration_loss"])
        found["penetration_loss"] = np.where(free, values["penetration_loss"], np.nan)
    return found


def _materials(
    scene: SceneModel, frequency: float, at: dict[str, FloatArray], reference: float
) -> Materials:
    """Materials at a carrier [Hz], from values at ``reference`` [Hz]; the scene's own
    where ``at`` says nothing."""
    here, there = scene.conductivity(frequency), scene.conductivity(reference)
    scale = np.divide(here, there, out=np.ones(len(here)), where=there > 0.0)
    permittivity = scene.relative_permittivity(frequency)
    if "relative_permittivity" in at:
        change = at["relative_permittivity"] / scene.relative_permittivity(reference)
        permittivity = permittivity * change
    extra, loss = scene.extra_loss_db, _loss(scene, at, reference)
    if loss is not None:
        own = at["penetration_loss"] - loss.value
        extra = np.where(np.isnan(own), extra, own)
    return Materials(
        at["conductivity"] * scale,
        permittivity,
        at.get("thickness", scene.thickness),
        _layers(scene, frequency, at, reference),
        None if loss is None else extra,
        *(at.get(name) for name in SCATTERING),
    )


def _layers(
    scene: SceneModel, frequency: float, at: dict[str, FloatArray], reference: float
) -> LayerMaterials | None:
    """The layers at a carrier [Hz]; None: as the scene states them."""
    if scene.layers is None or not set(LAYER.values()) & at.keys():
        return None
    here, there = scene.layers.values(frequency), scene.layers.values(reference)
    found = []
    for name, now, was in zip(SLAB, here, there, strict=True):
        value = at.get(LAYER[name], was)
        found.append(now * np.divide(value, was, out=np.ones(len(was)), where=was > 0.0))
    return LayerMaterials(*found)


def _loss(scene: SceneModel, at: dict[str, FloatArray], reference: float) -> NormalLoss | None:
    """Losses of the slabs at the reference carrier; None where no penetration loss is stated."""
    if "penetration_loss" not in at:
        return None
    own = Materials(
        at.get(_AT_REFERENCE, at["conductivity"]),
        at.get("relative_permittivity", scene.relative_permittivity(reference)),
        at.get("thickness", scene.thickness),
        _layers(scene, reference, at, reference),
    )
    return normal_loss(own, walls_of(scene, reference), reference)


def excess_loss_entry(estimate: Calibration) -> int | None:
    """The unknown that is the loss a metre of path; None: there is none, or a result file of
    values only does not tell it."""
    joint = estimate.joint
    if joint is None or "excess_loss" not in joint.quantity:
        return None
    return joint.quantity.index("excess_loss")


def _independent(
    materials: Materials,
    spread: dict[str, tuple[FloatArray, BoolArray]],
    log_ratio: float,
) -> MaterialState:
    """A state of which each value is uncertain by itself.

    :param spread: standard deviation and which objects are free [K], by quantity
    """
    entry, size = {}, 0
    for name, (_, free) in spread.items():
        entry[name] = np.where(free, size + np.arange(len(free)), -1)
        size += len(free)
    variance = np.concatenate([std**2 for std, _ in spread.values()])
    return MaterialState(materials, entry, variance, log_ratio)


def _free(quantity: QuantityEstimate) -> BoolArray:
    return np.array([verdict != "fixed" for verdict in quantity.verdict])


def _width(name: str, quantity: QuantityEstimate) -> FloatArray:
    """[K] prior standard deviation, of the logarithm where the quantity has one; 0 where fixed."""
    if KINDS[name].scale == "logit":
        free = _free(quantity)
        high, middle = (np.where(free, v, 0.5) for v in (quantity.prior_high, quantity.prior))
        return (KINDS[name].of_value(high) - KINDS[name].of_value(middle)) / NORMAL_95
    if KINDS[name].scale == "linear":
        return (quantity.prior_high - quantity.prior) / NORMAL_95
    there = _free(quantity)
    ratio = np.divide(quantity.prior_high, quantity.prior, out=np.ones(len(there)), where=there)
    return np.log(ratio) / NORMAL_95
