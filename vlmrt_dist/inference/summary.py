"""Summary of a solution in terms of objects: the :class:`Estimate`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, joined, paths_provenance
from vlmrt_dist.field import SLAB, ScatteringError, penetration_loss, scattering_error
from vlmrt_dist.inference.answers import (
    covariance_of,
    delay_offsets_in,
    devices_found,
    entry_names,
    excess_loss_of,
    gains_of,
    joint_of,
    quantity_of,
)
from vlmrt_dist.inference.devices import ANGLES, OF_DEVICES, directional
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.observed import fits_of
from vlmrt_dist.inference.options import Adam, Solver
from vlmrt_dist.inference.origin import origin_of
from vlmrt_dist.inference.parameters import LAYER, OF_LINKS
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.inference.quantities import (
    Alternative,
    LayerEstimates,
    LinkLevels,
    QuantityEstimate,
    root_mean_square,
)
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.verdicts import Marginals, entangled, marginals
from vlmrt_dist.scene import SceneModel

LEAST_WEIGHT = 0.01
"""Solutions with a smaller share of the posterior are not told."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Solution of a problem by an optimizer.

    :param fit: parameters and posterior
    :param level_dbm: [L] levels there
    :param held_out_dbm: [L] levels as fits to other links predict them; None: not done
    :param losses: [I] loss (8) along Adam's iterations
    """

    fit: Fit
    level_dbm: FloatArray
    held_out_dbm: FloatArray | None = None
    losses: FloatArray = field(default_factory=lambda: np.zeros(0))


def summarise(
    scene: SceneModel,
    problem: Problem,
    solver: Solver,
    solution: Solution,
    seconds: dict[str, float],
) -> Estimate:
    """The estimate in terms of objects.

    :param seconds: wall time by phase [s]
    """
    campaign, radio, unknowns = problem.campaign, problem.assumed.radio, problem.unknowns
    fit, given, joint = solution.fit, problem.assumed.given, joint_of(unknowns, solution.fit)
    found, (used, silent) = marginals(fit, unknowns), _used_and_silent(problem)
    main, links = _conductivities(problem, fit, found), _links(problem, solution)
    return Estimate(
        names=scene.names,
        materials=scene.materials if given is None else given.materials,
        frequency=radio.frequency,
        conductivity=main.value, low=main.low, high=main.high,
        prior=main.prior, prior_low=main.prior_low, prior_high=main.prior_high,
        contradicts_prior=main.contradicts_prior,
        verdict=main.verdict,
        fitted=unknowns.conductivity(fit.x),
        covariance=covariance_of(joint, scene.num_objects),
        joint=joint,
        parts=main.parts,
        solutions=_solutions(problem, fit),
        others=_others(scene, problem, fit, found),
        layers=_layers(scene, problem, fit, found),
        gains=gains_of(unknowns, found),
        ties=unknowns.ties,
        clutter=problem.clutter,
        excess_loss=excess_loss_of(unknowns, found),
        devices=devices_found(unknowns, found),
        directional=_known_direction(problem),
        entangled=_entangled(entry_names(unknowns), fit, found),
        num_unknowns=len(fit.x),
        determined=fit.knowledge.unknowns,
        search=fit.reason,
        outcome=fit.outcome,
        iterations=fit.evaluations,
        losses=solution.losses,
        engine=solver.engine if isinstance(solver, Adam) else "replay",
        optimizer=solver.name,
        loss=solver.loss,
        protocol=_protocol(campaign, scene, radio, solver),
        combining=radio.combining,
        noise_db=_median_noise(problem),
        noise_scale=fit.scale,
        residual_db=_residual(problem, fit),
        held_out_db=root_mean_square(links.held_out_residual_db),
        num_links=int(campaign.present.sum()),
        num_unheard=int((silent & ~campaign.below).sum()),
        num_censored=int((used & campaign.below).sum()),
        num_saturated=int((used & campaign.saturated).sum()),
        num_paths=problem.evaluator.num_paths,
        complete_to=problem.evaluator.complete_to,
        num_fragile=problem.evaluator.num_fragile,
        max_depth=radio.max_depth,
        seconds=seconds,
        links=links,
        scene=scene,
        origin=origin_of(scene, problem, fit.scale),
        delay_offsets=delay_offsets_in(unknowns, found),
        observables=fits_of(campaign, solution.level_dbm, problem.data),
        scattering_error=_scattering_error(scene, problem, fit, solver),
    )  # fmt: skip


def _scattering_error(
    scene: SceneModel, problem: Problem, fit: Fit, solver: Solver
) -> ScatteringError | None:
    """How well the points of surfaces know the levels at the estimate."""
    campaign, radio = problem.campaign, problem.assumed.radio
    retraced = isinstance(solver, Adam) and solver.engine == "retrace"
    if not radio.diffuse_reflection or retraced:
        return None
    return scattering_error(scene, campaign, radio, problem.unknowns.materials(fit.x))


def _known_direction(problem: Problem) -> bool:
    """Whether an antenna has a direction, and orientations count as known."""
    return not set(ANGLES) & problem.unknowns.entry.keys() and directional(problem.campaign)


def _conductivities(problem: Problem, fit: Fit, found: Marginals) -> QuantityEstimate:
    return quantity_of("conductivity", problem.unknowns, fit, problem.prior.median, found)


def _used_and_silent(problem: Problem) -> tuple[BoolArray, BoolArray]:
    """[M, N] links whose level was used, and links that nothing of could be used."""
    campaign = problem.campaign
    used = problem.data.used[: problem.num_levels].reshape(campaign.present.shape)
    return used, campaign.present & ~used & (campaign.has_level | ~observed_there(problem))


def _entangled(names: list[str], fit: Fit, found: Marginals) -> tuple[tuple[str, str], ...]:
    pairs = entangled(fit.knowledge, found.verdict)
    return tuple((names[i], names[j]) for i, j in pairs)


def _median_noise(problem: Problem) -> float:
    """Declared noise of the levels [dB]; where none was measured that of the powers in delay bins
    or the like, and NaN where nothing is in decibels."""
    data, num = problem.data, problem.num_levels
    rows = np.flatnonzero(data.used[:num])
    if not len(rows):
        units = joined(
            problem.campaign.observables, lambda b: np.full(len(b.row_setup), b.unit == "dB")
        )
        rows = num + np.flatnonzero(data.used[num:] & units.astype(bool))
    return float(np.median(data.noise_db[rows])) if len(rows) else float("nan")


def _residual(problem: Problem, fit: Fit) -> float:
    """Root mean square residual of the levels [dB]; NaN where none was measured."""
    if not problem.campaign.observables:
        return root_mean_square(fit.residual_db)
    links, data = problem.data.links, problem.data
    heard = np.flatnonzero(data.used)[~links.censored]
    return root_mean_square(fit.residual_db[heard < problem.num_levels])


def observed_there(problem: Problem) -> BoolArray:
    """[M, N] links with an observable that was used."""
    there = np.zeros(problem.num_levels, bool)
    used = problem.data.used[problem.num_levels :]
    there[problem.unknowns.row_link[used]] = True
    return there.reshape(problem.campaign.present.shape)


def _links(problem: Problem, solution: Solution) -> LinkLevels:
    campaign, shape = problem.campaign, problem.campaign.present.shape
    num = problem.num_levels
    noise = problem.data.noise_db[:num].reshape(shape)
    held_out = solution.held_out_dbm
    if held_out is None:
        held_out = np.full(num, np.nan)
    measured = np.full(shape, np.nan) if campaign.rss_dbm is None else campaign.rss_dbm
    return LinkLevels(
        measured_dbm=measured,
        noise_db=np.where(campaign.present, noise, np.nan),
        censored=campaign.censored,
        saturated=campaign.saturated,
        replayed_dbm=_replayed(problem, solution).reshape(shape),
        held_out_dbm=held_out[:num].reshape(shape),
    )


def _replayed(problem: Problem, solution: Solution) -> FloatArray:
    """[L] levels at the estimate [dBm], also of links whose level was not measured; NaN where no
    path arrives."""
    level = solution.level_dbm[: problem.num_levels]
    used = problem.data.used[: problem.num_levels]
    used = used | (observed_there(problem).ravel() & ~problem.campaign.has_level.ravel())
    return np.where(used, level, np.nan)


def _others(
    scene: SceneModel, problem: Problem, fit: Fit, found: Marginals
) -> dict[str, QuantityEstimate]:
    """Unknown quantities beside the conductivity, by name."""
    unknowns = problem.unknowns
    known = {**unknowns.known._asdict(), "exponent": np.full(scene.num_objects, np.nan)}
    elsewhere = ("conductivity", *OF_LINKS, *LAYER.values())
    names = [name for name in unknowns.entry if name not in elsewhere]
    if "penetration_loss" in names:
        walls = unknowns.walls.get(unknowns.reference)
        known["penetration_loss"] = penetration_loss(unknowns.known, walls, unknowns.reference)
    return {name: quantity_of(name, unknowns, fit, known[name], found) for name in names}


def _layers(
    scene: SceneModel, problem: Problem, fit: Fit, found: Marginals
) -> LayerEstimates | None:
    """The layers of objects that have any; None if none has, or nothing of layers was asked for."""
    unknowns, layers = problem.unknowns, scene.layers
    known = unknowns.known.layers
    if layers is None or known is None or not set(LAYER.values()) & unknowns.entry.keys():
        return None
    values = known._asdict()
    quantities: dict[str, QuantityEstimate] = {
        name: quantity_of(LAYER[name], unknowns, fit, values[name], found)
        for name in SLAB
        if LAYER[name] in unknowns.entry
    }
    return LayerEstimates(layers.names, layers.materials, quantities)


def _solutions(problem: Problem, fit: Fit) -> tuple[Alternative, ...]:
    """The minima within the noise of the best, where there are several."""
    modes = sorted(fit.modes, key=lambda mode: -mode.weight)
    modes = [mode for mode in modes if mode.weight >= LEAST_WEIGHT]
    if len(modes) < 2:
        return ()
    unknowns, data = problem.unknowns, problem.data
    heard = np.flatnonzero(data.used)
    heard = heard[~data.links.censored]
    found = []
    for mode in modes:
        level, _ = problem.predict(mode.x)
        values = {
            name: unknowns.values(name, mode.x) for name in unknowns.entry if name not in OF_DEVICES
        }
        if "conductivity" in values:
            values["conductivity"] = unknowns.conductivity(mode.x)
        if "gain" in values:
            values["gain"] = mode.x[unknowns.offsets]
        residual = root_mean_square((level - data.level_dbm)[heard[heard < problem.num_levels]])
        found.append(Alternative(mode.weight, mode.cost, residual, values))
    return tuple(found)


def _protocol(campaign: Campaign, scene: SceneModel, radio: RadioConfig, solver: Solver) -> str:
    """How truth and estimate share their paths; see :class:`Estimate`."""
    if campaign.simulated_from is None:
        return "measured"
    # Retrace makes one solve in each step, whatever the truth was simulated with.
    one_solve = radio.path_set == "single_solve"
    retraced = isinstance(solver, Adam) and solver.engine == "retrace" and not one_solve
    if retraced or campaign.simulated_from != paths_provenance(scene, radio):
        return "independent"
    return "exact" if radio.path_set == "exact" else "same_paths"
