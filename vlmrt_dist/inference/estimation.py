"""Algorithm 1 and what it leaves open: from a measured campaign to conductivities, with intervals.

One function, :func:`estimate`, whoever evaluates (this process, or Ray actors) and whichever
optimizer is used; the answer is an :class:`~vlmrt_dist.inference.result.Estimate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, paths_provenance
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.answers import check_of, covariance_of, entry_names, gains_of, quantity_of
from vlmrt_dist.inference.conductivity_prior import (
    Initial,
    check_choice,
    initial_conductivity,
    prior_of,
)
from vlmrt_dist.inference.importance_check import PosteriorCheck, check_posterior
from vlmrt_dist.inference.multistart import (
    Fit,
    appraise,
    fit_doubting_prior,
    held_out_levels,
    starting_points,
)
from vlmrt_dist.inference.optimizers import StopRule, adam
from vlmrt_dist.inference.parameters import Groups
from vlmrt_dist.inference.problem import PRIOR_WIDTH, Clock, Engine, Problem, posed
from vlmrt_dist.inference.quantities import LinkLevels, root_mean_square
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneModel

Optimizer = Literal["levenberg_marquardt", "adam", "adam_fine", "adam_log"]
OPTIMIZERS: tuple[str, ...] = ("levenberg_marquardt", "adam", "adam_fine", "adam_log")

Loss = Literal["nae", "squared", "huber", "student_t"]
LOSSES: tuple[str, ...] = ("nae", "squared", "huber", "student_t")

LEARNING_RATE = {"adam": 1e-3, "adam_fine": 1e-4, "adam_log": 1e-2}
"""The paper's η [S/m], and a tenth of it; a step of one percent where ln σ is stepped."""


def estimate(
    scene: SceneModel,
    campaign: Campaign,
    *,
    radio: RadioConfig | None = None,
    initial: Initial | FloatArray = "itu",
    prior: MaterialPrior | None = None,
    # This, with its prior and squares for a loss, has the least error of sweeps/search.py
    # (configuration b08db23a2ab7) and is most of its front.
    optimizer: Optimizer = "levenberg_marquardt",
    engine: Engine = "replay",
    num_actors: int = 0,
    actor_options: dict[str, Any] | None = None,
    prior_width: float = PRIOR_WIDTH,
    noise_db: float | None = None,
    quantisation_db: float = 0.0,
    position_error_m: float = 0.0,
    loss: Loss | None = None,
    fixed: Sequence[str] = (),
    unknowns: Sequence[str] = ("conductivity",),
    groups: Groups = None,
    gain_offset_db: float | None = None,
    widths: Mapping[str, float] | None = None,
    check: bool = False,
    truth: FloatArray | None = None,
    seed: int = 0,
    num_starts: int = 8,
    folds: int = 5,
    learning_rate: float | None = None,
    max_iterations: int | None = None,
    stop: StopRule | None = None,
    progress: Progress | None = None,
) -> Estimate:
    """Estimate the conductivity of every object of ``scene`` from a measured campaign.

    Levels that the campaign calls censored count as what they are: the true one lies at or below
    the receiver's floor. A campaign may hold setups of several carriers, see
    :mod:`vlmrt_dist.campaign.carriers`; conductivities are those at the carrier of ``radio``.

    :param scene: K objects
    :param campaign: M setups with received levels [dBm]
    :param radio: radio configuration; default: 3.5 GHz, depth 4, the complete path set
    :param initial: "itu" (the class's value), "uniform" (UnifInit: their mean), "random"
        (RandInit), "vlm" (VLMInit: the values of ``prior``), or conductivities [K] [S/m]
    :param prior: somebody's belief about the materials; its medians and widths replace those of
        the scene's own material classes
    :param optimizer: "levenberg_marquardt" on ln σ with the prior, "adam" as in the paper (on σ,
        no prior), "adam_fine" (a tenth of its step), or "adam_log" (on ln σ, no prior)
    :param engine: "replay", or "retrace" (the paper's; needs one of the Adams)
    :param num_actors: shard the setups over so many Ray actors; 0: evaluate in this process
    :param actor_options: further options of
        :class:`~vlmrt_dist.distributed.actor_objective.ActorObjective`
    :param prior_width: standard deviation of ln σ about the ITU value; ``inf``: no prior. A
        ``prior`` has its own widths
    :param noise_db: standard deviation of the levels [dB]; default: the campaign's own
    :param quantisation_db: step that the receiver rounds levels to [dB], where ``noise_db`` does
        not contain it; its variance is step² / 12
    :param position_error_m: standard deviation of each coordinate of the receivers' true positions
        about the stated ones [m]. Each link's noise grows by how much its level at the prior
        differs between displaced copies of the receiver. With coherent combining five centimetres
        are more than half a wavelength at 3.5 GHz, so that links lose most of their weight
    :param loss: how large residuals count: "squared"; "huber" or "student_t" where some levels are
        grossly wrong; Adam's is "nae", the paper's (8). Default: what goes with the optimizer
    :param fixed: names of objects whose material is known and stays as the scene states it
    :param unknowns: which parameters of the objects are unknown: "conductivity",
        "relative_permittivity", "thickness", and "exponent", the d of σ = c f^d, which only several
        carriers tell. Adam estimates conductivities only
    :param groups: objects that share their parameters: "material", those of one class; a mapping
        from object to a group's name; None: each by itself
    :param gain_offset_db: standard deviation of an unknown offset of all levels of a setup (cable,
        transmit power) [dB], ``inf`` if nothing is known of it; None: there is none
    :param widths: prior standard deviations of ln ε_r ("relative_permittivity", default 0.15),
        ln thickness ("thickness", 0.3) and d ("exponent", 0.3)
    :param check: compare the normal posterior with draws that are weighed by the true one
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
    _check_options(scene, max_iterations, truth, learning_rate)
    if prior is None and isinstance(initial, str) and initial == "vlm":
        raise ConfigurationError(
            "initial='vlm' starts at the values of a prior; give it, as in "
            "prior=vd.propose_materials('offline', scene, frequency=3.5e9).prior"
        )
    check_choice("optimizer", optimizer, OPTIMIZERS)
    least_squares = optimizer == "levenberg_marquardt"
    if engine == "retrace" and least_squares:
        raise ConfigurationError(
            "levenberg_marquardt needs the Jacobian of the replay engine; use optimizer='adam' "
            "with engine='retrace'"
        )
    chosen = loss or ("squared" if least_squares else "nae")
    check_choice("loss", chosen, LOSSES)
    if (chosen == "nae") is least_squares:
        raise ConfigurationError(
            "loss 'nae' belongs to the Adams, and 'squared', 'huber' and 'student_t' to "
            f"levenberg_marquardt; {optimizer} cannot minimise {chosen!r}"
        )
    radio = radio or RadioConfig()
    if not least_squares:
        believed = prior is not None
        elsewhere = campaign.frequency is not None and bool(
            (campaign.frequency != radio.frequency).any()
        )
        _refuse_with_adam(
            campaign, unknowns, groups, gain_offset_db, check, exponents=believed and elsewhere
        )
    rng = np.random.default_rng(max(seed, 0))  # a negative one is refused below
    start = initial_conductivity(initial, prior_of(scene, radio, prior_width, fixed, prior), rng)
    clock = Clock()
    with posed(
        scene,
        campaign,
        radio=radio,
        engine=engine,
        num_actors=num_actors,
        actor_options=actor_options,
        prior=prior,
        prior_width=prior_width,
        noise_db=noise_db,
        quantisation_db=quantisation_db,
        position_error_m=position_error_m,
        loss="squared" if chosen == "nae" else chosen,
        fixed=fixed,
        unknowns=unknowns,
        groups=groups,
        gain_offset_db=gain_offset_db,
        widths=widths,
        seed=seed,
        progress=progress,
        clock=clock,
    ) as problem:
        predict, data, belief = problem.predict, problem.data, problem.belief
        losses: FloatArray = np.zeros(0)
        checked: PosteriorCheck | None = None
        with clock("fit"):
            if least_squares:
                begin = problem.unknowns.at_conductivity(start)
                starts = starting_points(begin, data, num_starts, rng)
                fit = fit_doubting_prior(predict, data, starts, max_iterations or 100, progress)
            else:
                rate = LEARNING_RATE[optimizer] if learning_rate is None else learning_rate
                run = adam(
                    problem.objective,
                    start[None],
                    learning_rate=rate,
                    max_iterations=max_iterations or 1000,
                    stop=stop,
                    logarithmic=optimizer == "adam_log",
                    free=belief.free,
                    progress=_adam_progress(progress, max_iterations or 1000),
                )
                losses = run.losses[:, 0]
        with clock("uncertainty"):
            held_out = np.full(len(data.used), np.nan)
            if not least_squares:
                # Adam knows no prior, so its answer must not be credited with one.
                alone = replace(data, prior_width=np.inf)
                x = problem.unknowns.at_conductivity(run.theta[0])
                fit = replace(
                    appraise(predict, alone, x),
                    evaluations=int(run.iterations[0]),
                    outcome=run.outcome[0],
                )
            elif folds > 1:
                scale = fit.scale if fit.scale > 1.0 else 1.0
                louder = replace(data, noise_db=data.noise_db * scale, prior_width=fit.width)
                held_out = held_out_levels(predict, louder, fit.x, folds, rng)
            if check:
                checked = check_posterior(predict, data, fit, rng)
            level, _ = predict(fit.x)
    return _answer(scene, problem, fit, level, held_out, checked, truth, clock, losses,
                   engine=engine, optimizer=optimizer, loss=chosen)  # fmt: skip


def _answer(
    scene: SceneModel,
    problem: Problem,
    fit: Fit,
    level: FloatArray,
    held_out: FloatArray,
    checked: PosteriorCheck | None,
    truth: FloatArray | None,
    clock: Clock,
    losses: FloatArray,
    *,
    engine: Engine,
    optimizer: Optimizer,
    loss: str,
) -> Estimate:
    """The estimate in terms of objects."""
    campaign, radio, unknowns = problem.campaign, problem.radio, problem.unknowns
    shape = campaign.present.shape
    used = problem.data.used.reshape(shape)
    noise = np.where(campaign.present, problem.data.noise_db.reshape(shape), np.nan)
    assert campaign.rss_dbm is not None  # a campaign without levels is no problem
    links = LinkLevels(
        measured_dbm=campaign.rss_dbm,
        noise_db=noise,
        censored=campaign.censored,
        replayed_dbm=np.where(used, level.reshape(shape), np.nan),
        held_out_dbm=held_out.reshape(shape),
    )
    main = quantity_of("conductivity", unknowns, fit, problem.belief.median)
    known = {**unknowns.known._asdict(), "exponent": np.full(scene.num_objects, np.nan)}
    names = entry_names(unknowns)
    fitted = unknowns.conductivity(fit.x)
    silent = campaign.present & ~used
    return Estimate(
        names=scene.names,
        materials=scene.materials if problem.given is None else problem.given.materials,
        frequency=radio.frequency,
        conductivity=main.value,
        low=main.low,
        high=main.high,
        prior=main.prior,
        prior_low=main.prior_low,
        prior_high=main.prior_high,
        contradicts_prior=main.contradicts_prior,
        verdict=main.verdict,
        fitted=fitted,
        covariance=covariance_of(unknowns, fit),
        others={
            q: quantity_of(q, unknowns, fit, known[q])
            for q in unknowns.entry
            if q not in ("conductivity", "gain")
        },
        gains=gains_of(unknowns, fit),
        entangled=tuple((names[i], names[j]) for i, j in fit.knowledge.entangled),
        num_unknowns=len(fit.x),
        determined=fit.knowledge.unknowns,
        check=None if checked is None else check_of(checked, names),
        outcome=fit.outcome,
        iterations=fit.evaluations,
        losses=losses,
        engine=engine,
        optimizer=optimizer,
        loss=loss,
        protocol=_protocol(campaign, scene, radio, engine),
        combining=radio.combining,
        noise_db=float(np.median(noise[used])),
        noise_scale=fit.scale,
        residual_db=root_mean_square(fit.residual_db),
        held_out_db=root_mean_square(links.held_out_residual_db),
        num_links=int(campaign.present.sum()),
        num_unheard=int((silent & ~campaign.censored).sum()),
        num_censored=int((used & campaign.censored).sum()),
        num_paths=problem.num_paths,
        incomplete=problem.incomplete,
        seconds=clock.seconds,
        mre=mean_relative_error(fitted, truth) if truth is not None else np.nan,
        links=links,
    )


def mean_relative_error(theta: FloatArray, truth: FloatArray) -> float:
    """The paper's MRE (17): mean of |σ - σ̂| / σ̂ over the objects with a conductivity."""
    there = np.asarray(truth) > 0.0
    return float(np.mean(np.abs(theta[there] - truth[there]) / truth[there]))


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


def _refuse_with_adam(
    campaign: Campaign,
    unknowns: Sequence[str],
    groups: Groups,
    gain_offset_db: float | None,
    check: bool,
    *,
    exponents: bool,
) -> None:
    """:raises ConfigurationError: if something is asked that Algorithm 1 cannot do"""
    asked = {
        f"unknowns {', '.join(unknowns)}": tuple(unknowns) != ("conductivity",),
        "groups": groups is not None,
        "gain_offset_db": gain_offset_db is not None,
        "check": check,
        "a prior's exponents at another carrier": exponents,
        "levels below a receiver's floor": bool(campaign.censored.any()),
    }
    for what, there in asked.items():
        if there:
            raise ConfigurationError(
                f"Adam, as in the paper, knows conductivities and their levels only, not {what}; "
                "use optimizer='levenberg_marquardt'"
            )


def _check_options(
    scene: SceneModel,
    max_iterations: int | None,
    truth: FloatArray | None,
    learning_rate: float | None,
) -> None:
    """:raises ConfigurationError: if a number makes no sense"""
    if learning_rate is not None and not 0.0 < learning_rate < np.inf:
        raise ConfigurationError("learning_rate must be positive and finite")
    if max_iterations is not None and max_iterations < 1:
        raise ConfigurationError("max_iterations must be 1 or more")
    if truth is not None and np.shape(truth) != (scene.num_objects,):
        raise ConfigurationError(f"truth must be {scene.num_objects} conductivities [S/m]")
