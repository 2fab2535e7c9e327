"""Levels over a horizontal plane before and after calibration, with their standard deviations.

The posterior of the materials is propagated to the level of each cell through the replay's
Jacobian: var = J C Jᵀ, with C the covariance of all unknowns. It is the uncertainty that the
materials leave; geometry, noise and offsets of a receiver are not in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import RadioConfig, area_of
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import (
    SLAB,
    LayerMaterials,
    LengthsAt,
    Levels,
    MapPlane,
    Materials,
    NormalLoss,
    Parameter,
    normal_loss,
    point_levels,
    walls_of,
)
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.conductivity_prior import stated_prior
from vlmrt_dist.inference.options import Prior
from vlmrt_dist.inference.parameters import KINDS, LAYER, OF_LINKS
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.quantities import JointPosterior, QuantityEstimate
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneLike, SceneModel
from vlmrt_dist.units import dbm_to_watts, watts_to_dbm

ON_TRANSMITTER = 1e-3
"""Cells whose centre is nearer to the transmitter than this [m] have no level."""


@dataclass(frozen=True, eq=False)
class RadioMap:
    """Levels of T transmitters over H × W cells; NaN where no antenna can be, or no path arrives.

    :attr:`path_gain`, :attr:`rss` and :attr:`cell_centers` have the layout of Sionna's
    ``RadioMap``; where Sionna has zero watts they are NaN.

    :param tx: [T, 3] transmitters [m]
    :param x: [W] centres of the cells [m]
    :param y: [H] centres of the cells [m]
    :param height: z of the plane [m]
    :param size: side of a cell [m]
    :param tx_power_dbm: transmit power [dBm]
    :param frequency: carrier [Hz]
    :param free: [H, W] whether an antenna can be at the centre: in no closed object, on no surface
    :param prior_dbm: [T, H, W] levels with the prior's materials [dBm]
    :param prior_std_db: [T, H, W] their standard deviation by the prior [dB]
    :param calibrated_dbm: [T, H, W] levels with the estimated materials [dBm]; None: no estimate
    :param calibrated_std_db: [T, H, W] their standard deviation by the posterior [dB]
    :param joint: whether that contains the covariances of the objects; a result file has none
    """

    tx: FloatArray
    x: FloatArray
    y: FloatArray
    height: float
    size: float
    tx_power_dbm: float
    frequency: float
    free: BoolArray
    prior_dbm: FloatArray
    prior_std_db: FloatArray
    calibrated_dbm: FloatArray | None = None
    calibrated_std_db: FloatArray | None = None
    joint: bool = True

    def __repr__(self) -> str:
        kind = "prior" if self.calibrated_dbm is None else "prior and calibrated"
        shape = " × ".join(map(str, self.prior_dbm.shape))
        return f"RadioMap({shape} cells of {self.size:g} m at z = {self.height:g} m, {kind})"

    @property
    def level_dbm(self) -> FloatArray:
        """[T, H, W] calibrated levels, or the prior's where nothing was estimated [dBm]."""
        return self.prior_dbm if self.calibrated_dbm is None else self.calibrated_dbm

    @property
    def std_db(self) -> FloatArray:
        """[T, H, W] standard deviation of :attr:`level_dbm` [dB]."""
        return self.prior_std_db if self.calibrated_std_db is None else self.calibrated_std_db

    @property
    def difference_db(self) -> FloatArray | None:
        """[T, H, W] calibrated minus prior [dB]; None without an estimate."""
        return None if self.calibrated_dbm is None else self.calibrated_dbm - self.prior_dbm

    @property
    def rss(self) -> FloatArray:
        """[num_tx, num_cells_y, num_cells_x] received power of :attr:`level_dbm` [W]."""
        return dbm_to_watts(self.level_dbm)

    @property
    def path_gain(self) -> FloatArray:
        """[num_tx, num_cells_y, num_cells_x] received over transmitted power."""
        return self.rss / dbm_to_watts(self.tx_power_dbm)

    @property
    def cell_centers(self) -> FloatArray:
        """[num_cells_y, num_cells_x, 3] centres [m]."""
        y, x = np.meshgrid(self.y, self.x, indexing="ij")
        return np.stack([x, y, np.full(x.shape, self.height)], axis=-1)

    @property
    def cell_size(self) -> FloatArray:
        """[2] sides of a cell in x and y [m]."""
        return np.array([self.size, self.size])


def radio_map(
    scene: SceneLike,
    tx: npt.ArrayLike,
    *,
    estimate: Estimate | Calibration | None = None,
    plane: MapPlane | None = None,
    radio: RadioConfig | None = None,
    prior: Prior | MaterialPrior | None = None,
    progress: Progress | None = None,
) -> RadioMap:
    """Levels over a plane by the exact paths, before and after calibration.

    Offsets of the levels, if they were estimated, are not applied: the map is that of the stated
    transmit power. An excess loss along the paths is, in the calibrated map.

    :param scene: K objects: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param tx: transmitter [3] or transmitters [T, 3] [m]
    :param estimate: calibrated values with their posterior; None: the prior's map only
    :param plane: default: 1.5 m above the ground, the scene's bounds, 100 cells along their longer
        side
    :param radio: default: that of the estimate, else of a live scene, else every path up to depth
        4. At another carrier than the estimate's, conductivities follow the classes of the scene
    :param prior: of the map before calibration; default: that of the estimate, or ``Prior()``
    :param progress: called as "map" along the cells
    :raises SceneError: if the estimate is of another scene (the message says what differs)
    :raises ConfigurationError: if the plane is impossible
    :raises CampaignError: if a transmitter is not finite, inside an object or on a surface
    """
    if isinstance(estimate, Estimate):
        estimate = estimate.calibration
    stated = radio is not None
    scene, radio = scene_and_radio(scene, radio)
    if estimate is not None:
        scene = estimate.scene_of(scene)
        if not stated and estimate.origin is not None:
            radio = estimate.origin.radio
        elif not stated:
            radio = radio.replace(frequency=estimate.frequency)
    places = _transmitters(scene, tx)
    states = _states(scene, radio, estimate, prior)
    named = {name for state in states for name in state.entry}
    wanted = _wanted(named)
    cells = (plane or MapPlane()).cells_of(scene)
    free = cells.free(scene)
    points = cells.centers.reshape(-1, 3)
    levels = [np.full((2, len(places), points.shape[0]), np.nan) for _ in states]
    done = 0
    for t, place in enumerate(places):
        index = cells.in_tiles(free)
        index = index[np.linalg.norm(points[index] - place, axis=1) > ON_TRANSMITTER]
        blocks = point_levels(
            scene, place, points[index], radio, [state.materials for state in states], wanted,
            _lengths_at(scene, estimate, radio.frequency),
        )  # fmt: skip
        for some, found, lengths in blocks:
            for state, here, at in zip(states, levels, found, strict=True):
                here[:, t, index[some]] = state.level_and_std(at, lengths)
            done += len(some)
            if progress is not None:
                progress("map", done, len(places) * int(free.sum()))
    shape = (len(places), *cells.shape)
    (before, before_std), *after = [tuple(part.reshape(shape) for part in each) for each in levels]
    return RadioMap(
        tx=places, x=cells.x, y=cells.y, height=cells.height, size=cells.size,
        tx_power_dbm=radio.tx_power_dbm, frequency=radio.frequency, free=free,
        prior_dbm=before, prior_std_db=before_std,
        calibrated_dbm=after[0][0] if after else None,
        calibrated_std_db=after[0][1] if after else None,
        joint=estimate is None or estimate.joint is not None,
    )  # fmt: skip


def _lengths_at(
    scene: SceneModel, estimate: Calibration | None, frequency: float
) -> LengthsAt | None:
    """How the lengths of paths are counted that an excess loss needs: with the prior's powers, as
    when it was estimated."""
    if estimate is None or _excess_loss(estimate) is None:
        return None
    area = None if estimate.origin is None else estimate.origin.assumed.noise.clutter_area
    return LengthsAt(_prior_materials(scene, estimate, frequency), area_of(area))


def _excess_loss(estimate: Calibration) -> int | None:
    """The unknown that is the loss a metre of path; None: there is none, or a result file of
    values only does not tell it."""
    joint = estimate.joint
    known = joint is not None and "excess_loss" in joint.quantity
    return joint.quantity.index("excess_loss") if joint is not None and known else None


def _transmitters(scene: SceneModel, tx: npt.ArrayLike) -> FloatArray:
    """[T, 3] checked positions."""
    try:
        places = np.atleast_2d(np.array(tx, np.float64))
    except (TypeError, ValueError):
        places = np.zeros((0, 0))
    if places.ndim != 2 or places.shape[1] != 3 or len(places) == 0:
        raise CampaignError("tx must be a position [3] or positions [T, 3] in metres")
    if not np.isfinite(places).all():
        raise CampaignError("tx has a coordinate that is not finite")
    for t, k in enumerate(scene.inside_object(places)):
        if k >= 0:
            raise CampaignError(
                f"transmitter {t + 1} is inside object {scene.names[k]!r}; move it out"
            )
    return places


_AT_REFERENCE = "conductivity at the reference carrier"


@dataclass(frozen=True, eq=False)
class _State:
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

    def shared(self, joint: JointPosterior) -> _State:
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


def _wanted(named: Collection[str]) -> list[Parameter]:
    """What levels are differentiated by for the uncertainty of some quantities."""
    wanted: list[Parameter] = [q for q in SLAB if q in named or LAYER[q] in named]
    if "exponent" in named and "conductivity" not in wanted:
        wanted.insert(0, "conductivity")
    return [*wanted, "extra_loss_db"] if "penetration_loss" in named else wanted


def _slabs_of(joint: JointPosterior) -> dict[str, IntArray]:
    """The entries of a joint covariance that belong to objects."""
    return {name: entry for name, entry in joint.entry.items() if name not in OF_LINKS}


def _states(
    scene: SceneModel,
    radio: RadioConfig,
    estimate: Calibration | None,
    prior: Prior | MaterialPrior | None,
) -> list[_State]:
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
        after = _State(materials, _slabs_of(estimate.joint), estimate.joint.matrix, log_ratio)
        entry = _excess_loss(estimate)
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


def _prior_materials(scene: SceneModel, calibration: Calibration, frequency: float) -> Materials:
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


def _independent(
    materials: Materials,
    spread: dict[str, tuple[FloatArray, BoolArray]],
    log_ratio: float,
) -> _State:
    """A state of which each value is uncertain by itself.

    :param spread: standard deviation and which objects are free [K], by quantity
    """
    entry, size = {}, 0
    for name, (_, free) in spread.items():
        entry[name] = np.where(free, size + np.arange(len(free)), -1)
        size += len(free)
    variance = np.concatenate([std**2 for std, _ in spread.values()])
    return _State(materials, entry, variance, log_ratio)


def _free(quantity: QuantityEstimate) -> BoolArray:
    return np.array([verdict != "fixed" for verdict in quantity.verdict])


def _width(name: str, quantity: QuantityEstimate) -> FloatArray:
    """[K] prior standard deviation, of the logarithm where the quantity has one; 0 where fixed."""
    if not KINDS[name].log:
        return (quantity.prior_high - quantity.prior) / NORMAL_95
    there = _free(quantity)
    ratio = np.divide(quantity.prior_high, quantity.prior, out=np.ones(len(there)), where=there)
    return np.log(ratio) / NORMAL_95
