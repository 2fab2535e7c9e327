"""What is asked, as an optimizer sees it: an objective, the data with their noise, the unknowns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, check_campaign
from vlmrt_dist.errors import NO_PATHS, CampaignError, ConfigurationError, NoPathsError
from vlmrt_dist.field import Objective, displaced
from vlmrt_dist.inference.conductivity_prior import Prior, check_choice, prior_of
from vlmrt_dist.inference.likelihood import LOSSES
from vlmrt_dist.inference.optimizers import LeastSquares, Predict
from vlmrt_dist.inference.parameters import Groups, Unknowns, unknowns_of
from vlmrt_dist.inference.posterior import MIN_NOISE_DB
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneModel

Engine = Literal["replay", "retrace"]
ENGINES: tuple[str, ...] = ("replay", "retrace")

PRIOR_WIDTH = 0.5
"""Default standard deviation of ln σ about the ITU value: a factor of 2.7 either way at 95 %.

Published conductivities of one class of material differ by about that much."""

POSITION_COPIES = 8
"""So many displaced copies of each receiver say how much a level depends on the position."""

COPY_SAMPLES = 200_000
"""Rays that the copies are traced with at most."""

MAX_NOISE_DB = 60.0
"""A link that is as uncertain as this says nothing [dB]."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A question, ready to be answered.

    :param campaign: M setups of N receivers, L = M · N links
    :param given: where the belief comes from, if not from the scene's own material classes
    :param belief: of the conductivities, and which objects are free
    :param predict: levels [L] of a parameter vector
    :param data: levels, noise, prior, range searched
    :param num_paths: paths traced (0 for retrace)
    :param incomplete: largest share of a link's power that the last solve added (NaN: unknown)
    """

    campaign: Campaign
    radio: RadioConfig
    given: MaterialPrior | None
    belief: Prior
    unknowns: Unknowns
    objective: Objective
    predict: Predict
    data: LeastSquares
    num_paths: int
    incomplete: float


class Clock:
    """Wall seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Count the time of a ``with`` block towards ``phase``."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - begin


@contextmanager
def posed(
    scene: SceneModel,
    campaign: Campaign,
    *,
    radio: RadioConfig | None = None,
    engine: Engine = "replay",
    num_actors: int = 0,
    actor_options: dict[str, Any] | None = None,
    prior: MaterialPrior | None = None,
    prior_width: float = PRIOR_WIDTH,
    noise_db: float | None = None,
    quantisation_db: float = 0.0,
    position_error_m: float = 0.0,
    loss: str = "squared",
    fixed: Sequence[str] = (),
    unknowns: Sequence[str] = ("conductivity",),
    groups: Groups = None,
    gain_offset_db: float | None = None,
    widths: Mapping[str, float] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Iterator[Problem]:
    """The problem of an estimation; closes its actors at the end.

    Parameters are those of :func:`vlmrt_dist.inference.estimation.estimate`. Whatever is wrong
    with them is said before anything is traced.
    """
    radio, clock = radio or RadioConfig(), clock or Clock()
    check_choice("engine", engine, ENGINES)
    check_choice("loss", loss, LOSSES)
    _check_options(noise_db, quantisation_db, position_error_m, num_actors, seed)
    check_campaign(scene, campaign)
    if campaign.rss_dbm is None:
        raise CampaignError("the campaign holds positions only; measure it, or use vd.simulate")
    belief = prior_of(scene, radio, prior_width, fixed, prior)
    asked: dict[str, Any] = {
        "given": prior,
        "quantities": unknowns,
        "groups": groups,
        "gain_offset_db": gain_offset_db,
        "widths": widths,
    }
    meant = unknowns_of(scene, campaign, radio, belief, **asked)

    sharing: dict[str, Any] = {"num_actors": num_actors, "actor_options": actor_options or {}}
    noise = np.broadcast_to(campaign.noise_db if noise_db is None else noise_db, _shape(campaign))
    noise = np.hypot(noise, quantisation_db / np.sqrt(12.0))
    with clock("trace"):
        opened = _opened(scene, campaign, radio, engine, progress=progress, **sharing)
    try:
        objective = opened.objective
        with clock("compile"):
            rss = objective.rss(belief.median[None])[0]
        used = campaign.present & (np.nan_to_num(rss) > 0.0)
        if not used.any():
            raise NoPathsError(NO_PATHS)
        predict = meant.predict(objective)
        if position_error_m > 0.0:
            with clock("trace"):
                copies = _copies(scene, campaign, position_error_m, seed)
                few = radio.replace(samples_per_src=min(radio.samples_per_src, COPY_SAMPLES))
                spread = _opened(scene, copies, few, engine, progress=progress, **sharing)
            try:
                elsewhere = unknowns_of(scene, copies, radio, belief, **asked)
                level, _ = elsewhere.predict(spread.objective)(elsewhere.mean)
            finally:
                spread.close()
            here, _ = predict(meant.mean)
            noise = np.hypot(noise, _position_noise(level, here, _shape(campaign)))
        noise = np.clip(noise, MIN_NOISE_DB, MAX_NOISE_DB)
        data = LeastSquares(
            level_dbm=campaign.rss_dbm.ravel(),
            noise_db=noise.ravel().copy(),
            used=used.ravel(),
            prior=meant.mean,
            prior_width=meant.width,
            low=meant.low,
            high=meant.high,
            vague=meant.vague,
            censored=campaign.censored.ravel(),
            loss=loss,  # type: ignore[arg-type]  # checked above
        )
        yield Problem(
            campaign, radio, prior, belief, meant, objective, predict, data,
            opened.num_paths, opened.incomplete,
        )  # fmt: skip
    finally:
        opened.close()


@dataclass(frozen=True, eq=False)
class _Opened:
    """An objective, and what is reported about its paths."""

    objective: Objective
    num_paths: int
    incomplete: float

    def close(self) -> None:
        """End the actors, if there are any."""
        end = getattr(self.objective, "close", None)
        if end is not None:
            end()


def _opened(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    engine: Engine,
    *,
    num_actors: int,
    actor_options: dict[str, Any],
    progress: Progress | None,
) -> _Opened:
    if campaign.rss_dbm is None:
        campaign = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
    if num_actors > 0:
        from vlmrt_dist.distributed import ActorObjective, ActorOptions

        actors = ActorObjective(
            scene, campaign, radio, engine=engine, progress=progress,
            workers=ActorOptions(num_actors=num_actors, **actor_options),
        )  # fmt: skip
        return _Opened(actors, actors.num_paths, actors.incomplete)
    # Imported late: the modules below wake up Dr.Jit.
    from vlmrt_dist.field import ReplayObjective, RetraceObjective, trace

    if engine == "retrace":
        return _Opened(RetraceObjective(scene, campaign, radio), 0, float("nan"))
    table = trace(scene, campaign, radio, progress=progress)
    replay = ReplayObjective(scene, campaign, radio, table)
    return _Opened(replay, table.num_paths, table.incomplete)


def _copies(scene: SceneModel, campaign: Campaign, error: float, seed: int) -> Campaign:
    """Displaced copies of every receiver, as further receivers of its setup [M, copies · N]."""
    rng = np.random.default_rng([seed, 5])
    moved = [displaced(scene, campaign, error, rng) for _ in range(POSITION_COPIES)]
    return Campaign(
        campaign.tx,
        np.concatenate([c.rx for c in moved], axis=1),
        present=np.concatenate([c.present for c in moved], axis=1),
        frequency=campaign.frequency,
    )


def _position_noise(
    copies_dbm: FloatArray, level_dbm: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """[M, N] root mean square difference between a level and those of its displaced copies [dB]."""
    there = level_dbm.reshape(shape[0], 1, shape[1])
    with np.errstate(invalid="ignore"):  # neither hears anything
        difference = copies_dbm.reshape(shape[0], POSITION_COPIES, shape[1]) - there
    difference = np.nan_to_num(difference, posinf=MAX_NOISE_DB, neginf=MAX_NOISE_DB)
    return np.sqrt((difference**2).mean(axis=1))


def _shape(campaign: Campaign) -> tuple[int, int]:
    return campaign.num_setups, campaign.num_receivers


def _check_options(
    noise_db: float | None,
    quantisation_db: float,
    position_error_m: float,
    num_actors: int,
    seed: int,
) -> None:
    """:raises ConfigurationError: if a number makes no sense"""
    sizes = {"quantisation_db": quantisation_db, "position_error_m": position_error_m}
    if noise_db is not None:
        sizes["noise_db"] = noise_db
    for name, value in sizes.items():
        if not 0.0 <= value < np.inf:
            raise ConfigurationError(f"{name} must be a finite number, not negative")
    if seed < 0:
        raise ConfigurationError("seed must not be negative")
    if num_actors < 0:
        raise ConfigurationError("num_actors must not be negative; 0 evaluates in this process")
