"""The posterior of an estimate, propagated to the levels of links.

Near the estimate levels are linear in the unknowns, so their covariance is J C Jᵀ, with C the
posterior covariance of everything that was unknown, offsets of the setups included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig, carriers_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import Materials, Parameter
from vlmrt_dist.inference import (
    KINDS,
    OF_LINKS,
    Calibration,
    JointCovariance,
    calibrated_materials,
    prior_materials,
)
from vlmrt_dist.prediction.baselines import without_group_means
from vlmrt_dist.prediction.link_geometry import same_transmitters
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import watts_to_dbm

SLABS: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")


NOTHING = JointCovariance({}, np.zeros((0, 0)))


@dataclass(frozen=True, eq=False)
class LevelPosterior:
    """Levels of the L links of M setups with N receivers, as an estimate predicts them.

    :param level_dbm: [M, N] levels [dBm]; NaN where no receiver is or no path arrives
    :param jacobian: [M · N, Y] derivative of the levels by Y unknowns: those of the estimate, and
        an offset for each setup whose transmitter it does not know
    :param covariance: [Y, Y] of the unknowns
    :param known: [M] whether the estimate knows the setup's offset, or needs none
    """

    level_dbm: FloatArray
    jacobian: FloatArray
    covariance: FloatArray
    known: BoolArray

    def std_db(self, index: IntArray | None = None, group: IntArray | None = None) -> FloatArray:
        """[L] standard deviation of the levels of links [dB].

        :param index: [L] links, numbered setup by setup; None: all M · N
        :param group: [L] links of one number lose the mean over them first, so that the deviation
            is that of the level less the group's mean; -1: none; None: none of them
        """
        jacobian = self.jacobian if index is None else self.jacobian[index]
        if group is not None:
            jacobian = without_group_means(jacobian, group)
        variance = np.einsum("lx,xy,ly->l", jacobian, self.covariance, jacobian, optimize=True)
        return np.sqrt(np.maximum(variance, 0.0))


def level_posterior(
    scene: SceneModel,
    estimate: Calibration | None,
    positions: Campaign,
    radio: RadioConfig,
    progress: Progress | None = None,
) -> LevelPosterior:
    """Levels at ``positions`` with their derivatives by everything that was unknown.

    :param estimate: None: the scene's own materials, taken for certain
    :param positions: M setups of N receivers; levels are ignored
    :param radio: states the reference carrier and how paths are traced
    :raises ConfigurationError: if the estimate is about other objects
    """
    from vlmrt_dist.field import ReplayObjective, path_lengths, trace  # imports Dr.Jit

    if estimate is not None:
        scene = scene_of(estimate, scene)
    empty = positions.with_rss(np.where(positions.present, 0.0, np.nan))
    table = trace(scene, positions, radio, progress=progress)
    objective = ReplayObjective(scene, empty, radio, table)
    carriers = carriers_of(scene, positions, radio)
    joint = NOTHING if estimate is None else estimate.joint or independent(estimate)
    entry, reference = joint.entry, radio.frequency if estimate is None else estimate.frequency
    materials: dict[float, Materials] = {}
    log_ratio = np.zeros(positions.num_setups)
    for carrier in carriers:
        frequency = carrier.radio.frequency
        materials[frequency] = calibrated_materials(scene, estimate, frequency)
        log_ratio[carrier.setups] = np.log(frequency / reference)
    wanted = [q for q in SLABS if q in entry or (q == "conductivity" and "exponent" in entry)]
    levels = objective.levels(materials, wanted)
    heard = np.nan_to_num(levels.rss) > 0.0
    with np.errstate(divide="ignore"):
        level = np.where(heard, watts_to_dbm(np.where(heard, levels.rss, np.nan)), np.nan)
    jacobian = np.zeros((positions.present.size, len(joint.matrix)))
    by_setup = np.repeat(log_ratio, positions.num_receivers)
    for quantity, columns in entry.items():
        free = np.flatnonzero(columns >= 0)
        if quantity in OF_LINKS:
            continue
        # An exponent acts through the conductivity: ln σ changes by ln(f / f0) for each unit.
        exponent = quantity == "exponent"
        by = levels.by["conductivity" if exponent else quantity]  # type: ignore[index]
        dense = by[:, free].toarray()
        np.add.at(jacobian.T, columns[free], (dense * by_setup[:, None] if exponent else dense).T)
    if estimate is not None and estimate.along.excess_loss is not None:
        before = {f: prior_materials(scene, estimate, f) for f in materials}
        length = path_lengths(
            scene, positions, radio, before, area=estimate.along.area, table=table
        )
        level = level - estimate.along.excess_loss.value * length
        if "excess_loss" in entry:
            jacobian[:, entry["excess_loss"].max()] -= np.nan_to_num(length.ravel())
    return _with_offsets(level, jacobian, joint, estimate, positions)


def scene_of(estimate: Calibration, scene: SceneModel) -> SceneModel:
    """The scene, unstated materials filled with the classes that the estimate took them for.

    :raises ConfigurationError: if the estimate is about other objects
    """
    if estimate.names != scene.names:
        raise ConfigurationError(
            f"the estimate is about other objects than the scene: it has {len(estimate.names)}, "
            f"the scene {scene.num_objects}, or their names differ; give the scene that it was "
            "made for"
        )
    return scene.fill_materials(estimate.materials)


def _with_offsets(
    level: FloatArray,
    jacobian: FloatArray,
    joint: JointCovariance,
    estimate: Calibration | None,
    positions: Campaign,
) -> LevelPosterior:
    """Add the offsets of the setups: those of known transmitters, and priors of the others."""
    count, covariance = positions.num_setups, joint.matrix
    if estimate is None or estimate.gains is None:
        return LevelPosterior(level, jacobian, covariance, np.ones(count, bool))
    gains, origin = estimate.gains, estimate.origin
    known, value = np.zeros(count, bool), np.zeros(count)
    of_setup = np.array([row[row >= 0][0] for row in gains.of_link])
    if origin is not None and (gains.of_link <= of_setup[:, None]).all():
        same = same_transmitters(positions.tx, origin.tx)
        known[same.any(axis=1)] = True
        share = same / np.maximum(same.sum(axis=1, keepdims=True), 1)
        value = share @ gains.value[of_setup]
        if "gain" in joint.entry:
            first = joint.entry["gain"][joint.entry["gain"] >= 0].min()
            by_gain = np.zeros((count, len(covariance)))
            np.add.at(by_gain.T, first + of_setup, share.T)
            jacobian = jacobian + np.repeat(by_gain, positions.num_receivers, axis=0)
    width = KINDS["gain"].vague
    if origin is not None and origin.gain_width_db is not None:
        width = min(width, origin.gain_width_db)
    strangers = np.flatnonzero(~known)
    more = np.zeros((len(jacobian), len(strangers)))
    setup = np.repeat(np.arange(count), positions.num_receivers)
    for i, m in enumerate(strangers.tolist()):
        more[setup == m, i] = 1.0
    size = len(covariance)
    larger = np.zeros((size + len(strangers), size + len(strangers)))
    larger[:size, :size] = covariance
    larger[size:, size:] = width**2 * np.eye(len(strangers))
    jacobian = np.concatenate([jacobian, more], axis=1)
    return LevelPosterior(level + value[:, None], jacobian, larger, known)


def independent(estimate: Calibration) -> JointCovariance:
    """A covariance of values that know nothing of each other, from their standard deviations."""
    entry: dict[str, IntArray] = {}
    variance: list[FloatArray] = []
    size = 0
    for name, quantity in estimate.quantities.items():
        free = np.array([verdict != "fixed" for verdict in quantity.verdict])
        entry[name] = np.where(free, size + np.cumsum(free) - 1, -1)
        variance.append(np.nan_to_num(quantity.std[free]) ** 2)
        size += int(free.sum())
    return JointCovariance(entry, np.diag(np.concatenate(variance)))
