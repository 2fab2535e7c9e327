"""From a measured campaign to conductivities with intervals: Algorithm 1, and least squares."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, CampaignLike, RadioConfig, as_campaign, check_campaign
from vlmrt_dist.distributed import ActorOptions
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference.adam import run_adam
from vlmrt_dist.inference.clutter import fit_with_clutter
from vlmrt_dist.inference.conductivity_prior import initial_conductivity, prior_of
from vlmrt_dist.inference.fitting import appraise_adam, fit_least_squares
from vlmrt_dist.inference.least_squares import levenberg_marquardt
from vlmrt_dist.inference.multistart import held_out_levels, louder
from vlmrt_dist.inference.options import (
    Adam,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    Solver,
)
from vlmrt_dist.inference.problem import (
    Assumptions,
    Clock,
    Moves,
    Problem,
    moved,
    open_problem,
)
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.summary import Solution, summarise
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneLike, SceneModel

SEARCHES = 6
"""Most searches for paths until devices of unknown positions rest."""

SETTLED_M = 1e-3
"""Distance of the devices from where paths were searched at which these are not searched again
[m]."""

SHARES = (1.0, 0.5, 0.25)
"""Shares of a move that are tried where a device would come to stand in an object."""


def estimate(
    scene: SceneLike,
    campaign: CampaignLike,
    *,
    radio: RadioConfig | None = None,
    prior: Prior | MaterialPrior | None = None,
    parameters: Parameters | None = None,
    noise: Noise | None = None,
    # This, with its prior and squares for a loss, has the least error of sweeps/search.py
    # (configuration b08db23a2ab7) and is most of its front.
    solver: Solver | None = None,
    workers: ActorOptions | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the conductivity of every object of ``scene`` from a measured campaign.

    Levels that the campaign calls censored count as what they are: the true one lies at or below
    the receiver's floor, or where saturated at or above its ceiling. A campaign may hold setups of
    several carriers, see :mod:`vlmrt_dist.campaign.carriers`; conductivities are those at the
    carrier of ``radio``.

    :param scene: K objects: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param campaign: M setups with received levels [dBm]: a campaign, the path of a measurement
        file, or a data frame with the columns of one
    :param radio: radio configuration; default: that of a live scene, else 3.5 GHz; every path up to
        depth 4
    :param prior: widths about the ITU values of the scene's own material classes (default: those of
        published measurements of each class; ``Prior(width=0.5)``: one for all), or a
        ``MaterialPrior``, whose medians and widths replace them; its classes also fill materials
        that the scene leaves unstated
    :param parameters: which parameters of the objects are unknown; default: their conductivities
    :param noise: of the levels; default: the campaign's own
    :param solver: ``LevenbergMarquardt`` (default) on ln σ with the prior, or ``Adam`` as in the
        paper, on σ and without a prior
    :param workers: Ray actors that share the setups; None: this process evaluates
    :param seed: of random starts, folds and displaced copies of receivers
    :param progress: called along the way
    :raises ConfigurationError: if the options do not fit the scene or each other
    :raises CampaignError: if the campaign does not fit the scene or holds no levels
    :raises NoPathsError: if no link has a path
    """
    solver = solver or LevenbergMarquardt()
    scene, radio = scene_and_radio(scene, radio)
    campaign = as_campaign(campaign, scene, radio)
    assumed = Assumptions(
        radio=radio,
        prior=prior or Prior(),
        parameters=parameters or Parameters(),
        noise=noise or Noise(),
        loss=solver.loss if isinstance(solver, LevenbergMarquardt) else "squared",
    )
    _refuse_contradictions(campaign, assumed, solver)
    if isinstance(prior, MaterialPrior) and prior.names == scene.names:
        scene = scene.fill_materials(prior.materials)
    rng = np.random.default_rng(max(seed, 0))  # a negative one is refused below
    conductivity = prior_of(scene, assumed.radio, assumed.prior, assumed.parameters.fixed)
    start = initial_conductivity(solver.initial, conductivity, assumed.radio.frequency, rng)
    clock = Clock()
    ask = partial(
        open_problem, scene, campaign, assumed,
        engine=solver.engine if isinstance(solver, Adam) else "replay", workers=workers, seed=seed,
        progress=progress, clock=clock,
    )  # fmt: skip
    searched_at = _settled(scene, ask) if assumed.noise.position_m is not None else None
    for last in (False, True):
        with ask(searched_at=searched_at) as problem:
            if isinstance(solver, Adam):
                solution = _adam(problem, solver, start, clock, progress)
            else:
                problem, solution = _least_squares(problem, solver, start, rng, clock, progress)
        left, moves = _moved(problem, solution.fit.x)
        again = None if last or left <= SETTLED_M else _allowed(scene, problem, moves)
        if again is None:
            _tell_of_moves(left)
            break
        searched_at = again
    return summarise(scene, problem, solver, solution, clock.seconds)


def _settled(
    scene: SceneModel, ask: Callable[..., AbstractContextManager[Problem]]
) -> Moves | None:
    """Moves of the devices at which paths are searched: paths are searched anew and levels fitted
    near the last fit until the devices rest."""
    searched_at, x = None, None
    for _ in range(SEARCHES):
        with ask(searched_at=searched_at) as problem:
            begin = problem.data.prior if x is None else x
            x = levenberg_marquardt(problem.predict, problem.data, begin[None]).x
        left, moves = _moved(problem, x)
        again = None if left <= SETTLED_M else _allowed(scene, problem, moves)
        if again is None:
            break
        searched_at = again
    return searched_at


def _moved(problem: Problem, x: FloatArray) -> tuple[float, Moves | None]:
    """Farthest that a device is found from where paths were searched [m], and all moves from where
    they are stated; None where no position is unknown."""
    found, before = problem.unknowns.moves(x), problem.unknowns.searched_at
    if found is None:
        return 0.0, None
    before = before or (np.zeros(()), np.zeros(()))
    return max(float(np.abs(f - b).max()) for f, b in zip(found, before, strict=True)), found


def _allowed(scene: SceneModel, problem: Problem, moves: Moves | None) -> Moves | None:
    """The moves, or the largest share of the way to them at which no device stands in an object;
    None where there is none."""
    before = problem.unknowns.searched_at or (np.zeros(()), np.zeros(()))
    for share in SHARES if moves is not None else ():
        assert moves is not None
        tx, rx = (b + share * (m - b) for m, b in zip(moves, before, strict=True))
        try:
            check_campaign(scene, moved(problem.campaign, (tx, rx)))
        except CampaignError:
            continue
        return tx, rx
    return None


def _tell_of_moves(left: float) -> None:
    if left > SETTLED_M:
        warnings.warn(
            f"the devices were found up to {1e3 * left:.3g} mm from where paths were searched "
            "last, since they do not come to rest or would stand in an object; paths between them "
            "may be others. Give a narrower position_m, or more levels of each device",
            stacklevel=3,
        )


def _least_squares(
    problem: Problem,
    solver: LevenbergMarquardt,
    start: FloatArray,
    rng: np.random.Generator,
    clock: Clock,
    progress: Progress | None,
) -> tuple[Problem, Solution]:
    """The solution, and the problem with the clutter that was found."""
    with clock("fit"):
        problem, fit = fit_with_clutter(
            problem, lambda each: fit_least_squares(each, solver, start, rng, progress)
        )
    predict, data = problem.predict, problem.data
    with clock("uncertainty"):
        held_out = None
        if solver.folds > 1:
            held_out = held_out_levels(predict, louder(data, fit), fit.x, solver.folds, rng)
        level, _ = predict(fit.x)
    return problem, Solution(fit, level, held_out)


def _adam(
    problem: Problem, solver: Adam, start: FloatArray, clock: Clock, progress: Progress | None
) -> Solution:
    with clock("fit"):
        run = run_adam(
            problem.objective, start[None], solver, free=problem.prior.free, progress=progress
        )
    with clock("uncertainty"):
        fit = appraise_adam(problem, run, 0)
        level, _ = problem.predict(fit.x)
    return Solution(fit, level, losses=run.losses[:, 0])


def _refuse_contradictions(campaign: Campaign, assumed: Assumptions, solver: Solver) -> None:
    """:raises ConfigurationError: if a start needs a prior that is not there, or something is asked
    that Algorithm 1 cannot do
    """
    given, radio = assumed.given, assumed.radio
    if given is None and isinstance(solver.initial, str) and solver.initial == "vlm":
        raise ConfigurationError(
            "initial='vlm' starts at the values of a prior; give it, as in "
            "prior=vd.propose_materials('offline', scene, frequency=3.5e9).prior"
        )
    if not isinstance(solver, Adam):
        return
    elsewhere = campaign.frequency is not None and bool(
        (campaign.frequency != radio.frequency).any()
    )
    parameters = assumed.parameters
    asked = {
        f"the quantities {', '.join(parameters.quantities)}": (
            parameters.quantities != ("conductivity",)
        ),
        "groups": parameters.groups is not None,
        "gain_offset_db": assumed.noise.gain_offset_db is not None,
        "unknown positions": assumed.noise.position_m is not None,
        "clutter and excess loss": assumed.noise.needs_lengths,
        "a prior's exponents at another carrier": given is not None and elsewhere,
        "values beside received powers": bool(campaign.observables),
        "levels below a receiver's floor": bool(campaign.below.any()),
        "levels that saturate a receiver": bool(campaign.saturated.any()),
    }
    for what, there in asked.items():
        if there:
            raise ConfigurationError(
                f"Adam, as in the paper, knows conductivities and their levels only, not {what}; "
                "use least squares (levenberg_marquardt)"
            )
