"""Algorithm 1 and what it leaves open: from a measured campaign to conductivities, with intervals.

One function, :func:`estimate`, whoever evaluates (this process, or Ray actors) and whichever
optimizer is used; the answer is an :class:`~vlmrt_dist.results.Estimate`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.errors import (
    NO_PATHS,
    CampaignError,
    ConfigurationError,
    NoPathsError,
)
from vlmrt_dist.fitting import (
    SEARCHED,
    Progress,
    fit_doubting_prior,
    held_out_levels,
    misfit,
    starting_points,
)
from vlmrt_dist.images import SceneImage
from vlmrt_dist.itu import conductivity_table
from vlmrt_dist.losses import Objective
from vlmrt_dist.optimizers import (
    LeastSquares,
    Outcome,
    StopRule,
    adam,
)
from vlmrt_dist.posterior import MIN_NOISE_DB, NO_PRIOR_WIDTH, NORMAL_95, posterior
from vlmrt_dist.priors import (
    Initial,
    MaterialPrior,
    check_choice,
    initial_conductivity,
    prior_of,
)
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.results import Estimate, LinkLevels, root_mean_square
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import Campaign, check_campaign, paths_provenance
from vlmrt_dist.units import watts_to_dbm

Optimizer = Literal["levenberg_marquardt", "adam", "adam_fine", "adam_log"]
Engine = Literal["replay", "retrace"]

OPTIMIZERS: tuple[str, ...] = ("levenberg_marquardt", "adam", "adam_fine", "adam_log")
ENGINES: tuple[str, ...] = ("replay", "retrace")

PRIOR_WIDTH = 0.5
"""Default standard deviation of ln σ about the ITU value: a factor of 2.7 either way at 95 %.

Published conductivities of one class of material differ by about that much."""

LEARNING_RATE = {"adam": 1e-3, "adam_fine": 1e-4, "adam_log": 1e-2}
"""The paper's η [S/m], and a tenth of it; a step of one percent where ln σ is stepped."""


def estimate(
    scene: SceneModel,
    campaign: Campaign,
    *,
    radio: RadioConfig | None = None,
    initial: Initial | NDArray[np.float64] = "itu",
    prior: MaterialPrior | None = None,
    vlm: str = "offline",
    optimizer: Optimizer = "levenberg_marquardt",
    engine: Engine = "replay",
    num_actors: int = 0,
    actor_options: dict[str, Any] | None = None,
    prior_width: float = PRIOR_WIDTH,
    noise_db: float | None = None,
    fixed: Sequence[str] = (),
    truth: NDArray[np.float64] | None = None,
    seed: int = 0,
    num_starts: int = 8,
    folds: int = 5,
    learning_rate: float | None = None,
    max_iterations: int | None = None,
    stop: StopRule | None = None,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the conductivity of every object of ``scene`` from a measured campaign.

    :param scene: K objects
    :param campaign: M setups with received levels [dBm]
    :param radio: radio configuration; default: 3.5 GHz, depth 4, the complete path set
    :param initial: "itu" (the class's value), "uniform" (UnifInit: their mean), "random"
        (RandInit), "vlm" (VLMInit: what an advisor says), or conductivities [K] [S/m]
    :param prior: somebody's belief about the materials; its medians and widths replace those of
        the scene's own material classes
    :param vlm: with ``initial="vlm"`` and no ``prior``, the advisor that is asked for one;
        "offline" knows the objects' names only
    :param optimizer: "levenberg_marquardt" on ln σ with the prior, "adam" as in the paper (on σ,
        no prior), "adam_fine" (a tenth of its step), or "adam_log" (on ln σ, no prior)
    :param engine: "replay", or "retrace" (the paper's; needs one of the Adams)
    :param num_actors: shard the setups over so many Ray actors; 0: evaluate in this process
    :param actor_options: further options of :class:`~vlmrt_dist.actors.ActorObjective`
    :param prior_width: standard deviation of ln σ about the ITU value; ``inf``: no prior. A
        ``prior`` has its own widths
    :param noise_db: standard deviation of the levels [dB]; default: the campaign's own
    :param fixed: names of objects whose conductivity is known and stays as the scene states it
    :param truth: [K] true conductivities where they are known, for the relative error (17)
    :param seed: seed of random starts and folds
    :param num_starts: most starts of Levenberg-Marquardt; further ones are only tried while the
        fit is worse than the noise explains
    :param folds: parts of the cross-validation over links; 0: none
    :param learning_rate: Adam's η; default as in :data:`LEARNING_RATE`
    :param max_iterations: most iterations of Adam (default 1000), or evaluations of one start of
        Levenberg-Marquardt (default 100)
    :param stop: criterion (13); default: the paper's tolerances
    :param progress: called along the way
    :raises ConfigurationError: if an option is unknown or makes no sense
    :raises CampaignError: if the campaign does not fit the scene or holds no levels
    :raises NoPathsError: if no link has a path
    """
    radio = radio or RadioConfig()
    _check_options(
        scene, noise_db, num_actors, max_iterations, prior_width, truth, learning_rate, seed
    )
    check_choice("optimizer", optimizer, OPTIMIZERS)
    check_choice("engine", engine, ENGINES)
    if engine == "retrace" and optimizer == "levenberg_marquardt":
        raise ConfigurationError(
            "levenberg_marquardt needs the Jacobian of the replay engine; use optimizer='adam' "
            "with engine='retrace'"
        )
    check_campaign(scene, campaign)
    if campaign.rss_dbm is None:
        raise CampaignError("the campaign holds positions only; measure it, or use vd.simulate")
    declared = campaign.noise_db if noise_db is None else noise_db
    noise = np.maximum(np.broadcast_to(declared, campaign.present.shape), MIN_NOISE_DB)
    if prior is None and isinstance(initial, str) and initial == "vlm":
        prior = _advised(scene, radio, vlm)
    belief = prior_of(scene, radio, prior_width, fixed, prior)
    rng = np.random.default_rng(seed)
    start = initial_conductivity(initial, belief, rng)
    clock = _Clock()

    with _objective(scene, campaign, radio, engine, num_actors, actor_options, progress, clock) as (
        objective,
        paths,
    ):
        with clock("compile"):
            rss = objective.rss(belief.median[None])[0]
        used = campaign.present & (np.nan_to_num(rss) > 0.0)
        if not used.any():
            raise NoPathsError(NO_PATHS)
        data = LeastSquares(
            level_dbm=campaign.rss_dbm.ravel(),
            noise_db=noise.ravel().copy(),
            used=used.ravel(),
            prior=belief.median,
            prior_width=belief.width,
            free=belief.free,
        )
        losses: NDArray[np.float64] = np.zeros(0)
        outcome: Outcome
        width = belief.width
        with clock("fit"):
            if optimizer == "levenberg_marquardt":
                starts = starting_points(start, belief, num_starts, rng)
                theta, iterations, outcome, scale, width = fit_doubting_prior(
                    objective, data, starts, max_iterations or 100, progress
                )
            else:
                rate = LEARNING_RATE[optimizer] if learning_rate is None else learning_rate
                run = adam(
                    objective,
                    start[None],
                    learning_rate=rate,
                    max_iterations=max_iterations or 1000,
                    stop=stop,
                    logarithmic=optimizer == "adam_log",
                    free=belief.free,
                    progress=_adam_progress(progress, max_iterations or 1000),
                )
                theta, iterations, outcome = run.theta[0], int(run.iterations[0]), run.outcome[0]
                losses = run.losses[:, 0]
        with clock("uncertainty"):
            rss, jacobian = objective.log_jacobian(theta)
            index = np.flatnonzero(data.used)
            residual = watts_to_dbm(rss.ravel()[index]) - data.level_dbm[index]
            if optimizer != "levenberg_marquardt":
                # Adam knows no prior, so its answer must not be credited with one.
                data = replace(data, prior_width=np.inf)
                width = np.full(scene.num_objects, np.inf)
                scale = misfit(residual, jacobian[index], theta, data)
            data = replace(
                data, prior_width=width, noise_db=data.noise_db * (scale if scale > 1.0 else 1.0)
            )
            knowledge = posterior(
                jacobian[index], data.noise_db[index], theta, belief.free, width, SEARCHED
            )
            held_out = np.full(len(data.used), np.nan)
            if folds > 1 and optimizer == "levenberg_marquardt":
                held_out = held_out_levels(objective, data, folds, rng)
    shape = campaign.present.shape
    links = LinkLevels(
        measured_dbm=campaign.rss_dbm,
        noise_db=np.where(campaign.present, noise, np.nan),
        censored=campaign.censored,
        replayed_dbm=np.where(used, watts_to_dbm(np.where(used, rss, 1.0)), np.nan),
        held_out_dbm=held_out.reshape(shape),
    )
    # An object that the data say nothing about is reported as what was believed before.
    unseen = np.array([v == "unidentifiable" for v in knowledge.verdict])
    shown = np.where(unseen, belief.median, theta)
    prior_std = np.where(belief.free, np.minimum(belief.width, NO_PRIOR_WIDTH), 0.0)
    std = np.where(unseen, prior_std, knowledge.std)
    return Estimate(
        names=scene.names,
        materials=scene.materials if prior is None else prior.materials,
        conductivity=shown,
        low=shown * np.exp(-NORMAL_95 * std),
        high=shown * np.exp(NORMAL_95 * std),
        prior=belief.median,
        prior_low=belief.median * np.exp(-NORMAL_95 * prior_std),
        prior_high=belief.median * np.exp(NORMAL_95 * prior_std),
        contradicts_prior=tuple(bool(w) for w in (width > belief.width) & np.isfinite(width)),
        verdict=knowledge.verdict,
        fitted=theta,
        outcome=outcome,
        iterations=iterations,
        losses=losses,
        engine=engine,
        optimizer=optimizer,
        protocol=_protocol(campaign, scene, radio, engine),
        combining=radio.combining,
        noise_db=float(np.median(noise[used])),
        noise_scale=scale,
        residual_db=float(np.sqrt((residual**2).mean())),
        held_out_db=root_mean_square(links.held_out_residual_db),
        num_links=int(campaign.present.sum()),
        num_unheard=int((campaign.present & ~used).sum()),
        num_paths=paths.count,
        incomplete=paths.incomplete,
        seconds=clock.seconds,
        mre=mean_relative_error(theta, truth) if truth is not None else np.nan,
        links=links,
    )


def mean_relative_error(theta: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """The paper's MRE (17): mean of |σ - σ̂| / σ̂ over the objects with a conductivity."""
    there = np.asarray(truth) > 0.0
    return float(np.mean(np.abs(theta[there] - truth[there]) / truth[there]))


def _advised(scene: SceneModel, radio: RadioConfig, vlm: str) -> MaterialPrior:
    """What the advisor named ``vlm`` takes the objects for; it is shown renders if it can look."""
    from vlmrt_dist.vlm import advisor_named

    images: Sequence[SceneImage] = ()
    if vlm != "offline":
        from vlmrt_dist.rendering import render_scene

        images = render_scene(scene)
    table = conductivity_table(radio.frequency)
    advice = advisor_named(vlm).propose_materials(images, scene, table, frequency=radio.frequency)
    return advice.prior


@dataclass(frozen=True)
class _Paths:
    """What is reported about the paths an objective holds."""

    count: int
    incomplete: float


@contextmanager
def _objective(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    engine: Engine,
    num_actors: int,
    actor_options: dict[str, Any] | None,
    progress: Progress | None,
    clock: _Clock,
) -> Iterator[tuple[Objective, _Paths]]:
    """The objective, and what is known about its paths; closes actors at the end."""

    def step(done: int, total: int) -> None:
        if progress is not None:
            progress("trace", done, total)

    if num_actors > 0:
        from vlmrt_dist.actors import ActorObjective

        with clock("trace"):
            actors = ActorObjective(
                scene,
                campaign,
                radio,
                engine=engine,
                num_actors=num_actors,
                progress=step,
                **(actor_options or {}),
            )
        try:
            yield actors, _Paths(actors.num_paths, actors.incomplete)
        finally:
            actors.close()
        return
    # Imported late: the modules below wake up Dr.Jit.
    from vlmrt_dist.objective import ReplayObjective, RetraceObjective
    from vlmrt_dist.tracing import trace

    if engine == "retrace":
        with clock("trace"):
            traced = RetraceObjective(scene, campaign, radio)
        yield traced, _Paths(0, float("nan"))
        return
    with clock("trace"):
        table = trace(scene, campaign, radio, progress=step)
    yield (
        ReplayObjective(scene, campaign, radio, table),
        _Paths(table.num_paths, table.incomplete),
    )


class _Clock:
    """Wall seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - begin


def _protocol(campaign: Campaign, scene: SceneModel, radio: RadioConfig, engine: Engine) -> str:
    if campaign.simulated_from is None:
        return "measured"
    # Retrace makes one solve in each step, whatever the truth was united from.
    same = campaign.simulated_from == paths_provenance(scene, radio)
    return "same_paths" if same and not (engine == "retrace" and radio.complete) else "independent"


def _adam_progress(progress: Progress | None, total: int) -> Callable[[int, float], None] | None:
    if progress is None:
        return None
    return lambda done, _loss: progress("fit", done, total)


def _check_options(
    scene: SceneModel,
    noise_db: float | None,
    num_actors: int,
    max_iterations: int | None,
    prior_width: float,
    truth: NDArray[np.float64] | None,
    learning_rate: float | None,
    seed: int,
) -> None:
    """:raises ConfigurationError: if a number makes no sense"""
    if learning_rate is not None and not 0.0 < learning_rate < np.inf:
        raise ConfigurationError("learning_rate must be positive and finite")
    if seed < 0:
        raise ConfigurationError("seed must not be negative")
    if noise_db is not None and not 0.0 <= noise_db < np.inf:
        raise ConfigurationError("noise_db must be a finite number, not negative [dB]")
    if num_actors < 0:
        raise ConfigurationError("num_actors must not be negative; 0 evaluates in this process")
    if max_iterations is not None and max_iterations < 1:
        raise ConfigurationError("max_iterations must be 1 or more")
    if not prior_width > 0.0:
        raise ConfigurationError("prior_width must be positive; use inf for no prior")
    if truth is not None and np.shape(truth) != (scene.num_objects,):
        raise ConfigurationError(f"truth must be {scene.num_objects} conductivities [S/m]")
