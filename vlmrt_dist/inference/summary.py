"""Summary of a solution in terms of objects: the :class:`Estimate`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, paths_provenance
from vlmrt_dist.inference.answers import (
    covariance_of,
    entry_names,
    gains_of,
    joint_of,
    quantity_of,
)
from vlmrt_dist.inference.multistart import Fit
from vlmrt_dist.inference.options import Adam, Solver
from vlmrt_dist.inference.problem import Problem
from vlmrt_dist.inference.quantities import LinkLevels, QuantityEstimate, root_mean_square
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.scene import SceneModel


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
    fit, given = solution.fit, problem.assumed.given
    links = _links(problem, solution)
    used = problem.data.used.reshape(campaign.present.shape)
    silent = campaign.present & ~used
    main = quantity_of("conductivity", unknowns, fit, problem.prior.median)
    names, joint = entry_names(unknowns), joint_of(unknowns, fit)
    return Estimate(
        names=scene.names,
        materials=scene.materials if given is None else given.materials,
        frequency=radio.frequency,
        conductivity=main.value,
        low=main.low,
        high=main.high,
        prior=main.prior,
        prior_low=main.prior_low,
        prior_high=main.prior_high,
        contradicts_prior=main.contradicts_prior,
        verdict=main.verdict,
        fitted=unknowns.conductivity(fit.x),
        covariance=covariance_of(joint, scene.num_objects),
        joint=joint,
        others=_others(scene, problem, fit),
        gains=gains_of(unknowns, fit),
        ties=unknowns.ties,
        entangled=tuple((names[i], names[j]) for i, j in fit.knowledge.entangled),
        num_unknowns=len(fit.x),
        determined=fit.knowledge.unknowns,
        search=fit.reason,
        outcome=fit.outcome,
        iterations=fit.evaluations,
        losses=solution.losses,
        engine=solver.engine if isinstance(solver, Adam) else "replay",
        optimizer=solver.name,
        loss="nae" if isinstance(solver, Adam) else solver.loss,
        protocol=_protocol(campaign, scene, radio, solver),
        combining=radio.combining,
        noise_db=float(np.median(links.noise_db[used])),
        noise_scale=fit.scale,
        residual_db=root_mean_square(fit.residual_db),
        held_out_db=root_mean_square(links.held_out_residual_db),
        num_links=int(campaign.present.sum()),
        num_unheard=int((silent & ~campaign.below).sum()),
        num_censored=int((used & campaign.below).sum()),
        num_saturated=int((used & campaign.saturated).sum()),
        num_paths=problem.evaluator.num_paths,
        complete_to=problem.evaluator.complete_to,
        num_fragile=problem.evaluator.num_fragile,
        max_depth=problem.assumed.radio.max_depth,
        seconds=seconds,
        links=links,
        scene=scene,
    )


def _links(problem: Problem, solution: Solution) -> LinkLevels:
    campaign, shape = problem.campaign, problem.campaign.present.shape
    used = problem.data.used.reshape(shape)
    held_out = solution.held_out_dbm
    if held_out is None:
        held_out = np.full(len(problem.data.used), np.nan)
    assert campaign.rss_dbm is not None  # a campaign without levels is no problem
    return LinkLevels(
        measured_dbm=campaign.rss_dbm,
        noise_db=np.where(campaign.present, problem.data.noise_db.reshape(shape), np.nan),
        censored=campaign.censored,
        saturated=campaign.saturated,
        replayed_dbm=np.where(used, solution.level_dbm.reshape(shape), np.nan),
        held_out_dbm=held_out.reshape(shape),
    )


def _others(scene: SceneModel, problem: Problem, fit: Fit) -> dict[str, QuantityEstimate]:
    """Unknown quantities beside the conductivity, by name."""
    unknowns = problem.unknowns
    known = {**unknowns.known._asdict(), "exponent": np.full(scene.num_objects, np.nan)}
    return {
        name: quantity_of(name, unknowns, fit, known[name])
        for name in unknowns.entry
        if name not in ("conductivity", "gain")
    }


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
