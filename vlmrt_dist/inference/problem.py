"""An estimation problem as optimizers see it: objective, data with their noise, unknowns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import (
    Campaign,
    RadioConfig,
    ResponseMagnitude,
    area_of,
    check_campaign,
)
from vlmrt_dist.distributed import ActorObjective, ActorOptions
from vlmrt_dist.errors import NO_PATHS, CampaignError, ConfigurationError, NoPathsError
from vlmrt_dist.field import Engine, Objective, displaced
from vlmrt_dist.inference.conductivity_prior import ConductivityPrior, prior_of
from vlmrt_dist.inference.least_squares import LeastSquares, Predict
from vlmrt_dist.inference.observed import check_observables, observed_rows
from vlmrt_dist.inference.options import LinkLoss, Noise, Parameters, Prior
from vlmrt_dist.inference.parameters import Unknowns
from vlmrt_dist.inference.posterior import MIN_NOISE_DB
from vlmrt_dist.inference.quantities import Clutter
from vlmrt_dist.inference.unknown_vector import unknowns_of
from vlmrt_dist.paths import NOT_PROVEN
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import MaterialPrior, SceneModel

Moves = tuple[FloatArray, FloatArray]
"""Moves of transmitters [M, 3] and of receivers [M, N, 3] [m]."""

POSITION_COPIES = 8
"""Displaced copies of each receiver, from which a level's dependence on position is computed."""

COPY_SAMPLES = 200_000
"""Rays that the copies are traced with at most."""

RIPPLES = 4.0
"""Where amplitudes interfere, levels rise and fall over so much shorter distances."""

MAX_NOISE_DB = 60.0
"""Largest noise of a link [dB]; at this it carries no information."""


@dataclass(frozen=True, eq=False)
class Assumptions:
    """Assumptions about a measurement, made before its levels are looked at.

    :param radio: radio configuration
    :param prior: on the materials
    :param parameters: which of them are unknown
    :param noise: of the levels
    :param loss: how large residuals count
    :raises ConfigurationError: if the prior correlates quantities of which one is known
    """

    radio: RadioConfig = field(default_factory=RadioConfig)
    prior: Prior | MaterialPrior = field(default_factory=Prior)
    parameters: Parameters = field(default_factory=Parameters)
    noise: Noise = field(default_factory=Noise)
    loss: LinkLoss = "squared"

    def __post_init__(self) -> None:
        both = {"conductivity", "relative_permittivity"} <= {*self.parameters.quantities}
        if isinstance(self.prior, Prior) and self.prior.correlation and not both:
            raise ConfigurationError(
                "a prior correlation is that of conductivity and relative_permittivity: let both "
                "be unknown, or leave the correlation out"
            )

    @property
    def given(self) -> MaterialPrior | None:
        """The prior, where it is not that of the scene's own material classes."""
        return self.prior if isinstance(self.prior, MaterialPrior) else None


@dataclass(frozen=True, eq=False)
class Evaluator:
    """An objective, and what is reported about its paths.

    :param num_paths: paths traced (0 for retrace)
    :param complete_to: depth to which the path sets hold every path; NOT_PROVEN: sampled
    :param num_fragile: paths within 0.1 mm of an edge
    """

    objective: Objective
    num_paths: int = 0
    complete_to: int = NOT_PROVEN
    num_fragile: int = 0

    def close(self) -> None:
        """End the actors, if there are any."""
        if isinstance(self.objective, ActorObjective):
            self.objective.close()


@dataclass(frozen=True, eq=False)
class Problem:
    """All that an optimizer needs.

    :param campaign: M setups of N receivers, L = M · N links
    :param assumed: radio, prior, parameters, noise, loss
    :param prior: on the conductivities, and which objects are free
    :param unknowns: the vector x of everything unknown
    :param predict: levels [L] of a parameter vector
    :param data: levels, noise, prior on x, range searched
    :param length_m: [L + R] power-weighted mean length of the paths of each link [m], along which
        clutter acts; zero where there is none, and of rows that are not in decibels; None: nothing
        depends on it
    :param base_db: [L + R] noise without what clutter adds to it [dB]
    :param clutter: scatter of the levels beside their declared noise; None: there is none, or it
        is not known yet
    """

    campaign: Campaign
    assumed: Assumptions
    prior: ConductivityPrior
    unknowns: Unknowns
    evaluator: Evaluator
    predict: Predict
    data: LeastSquares
    length_m: FloatArray | None
    base_db: FloatArray
    clutter: Clutter | None = None

    @property
    def fits_clutter(self) -> bool:
        """Whether the levels are to tell the clutter."""
        return self.assumed.noise.clutter_db_per_sqrt_m == "fit"

    def noise_with(self, clutter: float) -> FloatArray:
        """[L] noise of the links with a clutter [dB/√m]."""
        if self.length_m is None:
            return self.base_db
        more = clutter * np.sqrt(self.length_m)
        return np.minimum(np.hypot(self.base_db, more), MAX_NOISE_DB)

    @property
    def num_levels(self) -> int:
        """L = M · N; behind the levels the data have the R rows of the campaign's observables."""
        return self.campaign.present.size

    def with_clutter(self, clutter: Clutter) -> Problem:
        """The same with the noise that a clutter makes."""
        data = replace(self.data, noise_db=self.noise_with(clutter.value))
        return replace(self, data=data, clutter=clutter)

    @property
    def objective(self) -> Objective:
        """Loss (8), its gradient, and levels."""
        return self.evaluator.objective


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
def open_problem(
    scene: SceneModel,
    campaign: Campaign,
    assumed: Assumptions,
    *,
    engine: Engine = "replay",
    workers: ActorOptions | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    clock: Clock | None = None,
    searched_at: Moves | None = None,
) -> Iterator[Problem]:
    """The problem of an estimation; closes its actors at the end.

    Whatever is wrong with the arguments is said before anything is traced.

    :param campaign: M setups with received levels [dBm]
    :param engine: "replay", or "retrace" (the paper's)
    :param workers: Ray actors that share the setups; None: this process evaluates
    :param seed: of the displaced copies that a position error is judged by
    :param clock: gets the seconds of the phases "trace" and "compile"
    :param searched_at: moves of the devices from where they are stated to where paths are searched;
        None: where they are stated
    :raises CampaignError: if the campaign does not fit the scene or holds no levels
    :raises ConfigurationError: if the options do not fit the scene
    :raises NoPathsError: if no link has a path
    """
    clock = clock or Clock()
    if seed < 0:
        raise ConfigurationError("seed must not be negative")
    check_campaign(scene, campaign)
    if not campaign.is_measured:
        raise CampaignError(
            "the campaign holds positions only, no levels; measure or simulate it (vlmrt simulate)"
        )
    check_observables(campaign, assumed.noise)
    prior = prior_of(scene, assumed.radio, assumed.prior, assumed.parameters.fixed)
    unknowns = unknowns_of_problem(scene, campaign, assumed, prior)
    with clock("trace"):
        places = campaign if searched_at is None else moved(campaign, searched_at)
        evaluator = _evaluator(scene, places, assumed.radio, engine, workers, progress)
    try:
        with clock("compile"):
            evaluator.objective.rss(prior.median[None])
        spread = None
        if assumed.noise.position_error_m > 0.0:
            here, _ = unknowns.predict(evaluator.objective)(unknowns.mean)
            with clock("trace"):
                copies = _displaced(scene, campaign, assumed.noise.position_error_m, seed)
                levels = _values_at(
                    scene, copies, assumed, prior, engine=engine, workers=workers, progress=progress
                )
            spread = _position_noise(levels, here)
        length = None
        if assumed.noise.needs_lengths:
            with clock("trace"):
                length = _lengths(scene, campaign, assumed, unknowns, progress)
        yield build_problem(
            scene, campaign, assumed, evaluator, prior, spread=spread, length_m=length,
            searched_at=searched_at,
        )  # fmt: skip
    finally:
        evaluator.close()


def _interfere(campaign: Campaign, radio: RadioConfig) -> bool:
    """Whether levels are those of sums of amplitudes, which materials turn against each other."""
    magnitudes = any(isinstance(b, ResponseMagnitude) for b in campaign.observables)
    return radio.combining == "coherent" or magnitudes


def build_problem(
    scene: SceneModel,
    campaign: Campaign,
    assumed: Assumptions,
    evaluator: Evaluator,
    prior: ConductivityPrior,
    *,
    spread: FloatArray | None = None,
    length_m: FloatArray | None = None,
    searched_at: Moves | None = None,
) -> Problem:
    """The problem of a measured campaign whose paths are at hand.

    :param campaign: M setups with received levels [dBm]
    :param evaluator: evaluates their links
    :param prior: on the conductivities, and which objects are free
    :param spread: [L + R] further standard deviation of levels and observables, in their units
    :param length_m: [M, N] length of the links' paths that clutter goes with [m]; None: there is
        none
    :param searched_at: see :func:`open_problem`
    :raises NoPathsError: if no link has a path
    """
    noise, shape = assumed.noise, campaign.present.shape
    audible = np.nan_to_num(evaluator.objective.rss(prior.median[None])[0]) > 0.0
    used = campaign.present & audible
    if not used.any():
        raise NoPathsError(NO_PATHS)
    unknowns = unknowns_of_problem(scene, campaign, assumed, prior, length_m)
    unknowns = replace(unknowns, searched_at=searched_at)
    deviation = np.broadcast_to(campaign.noise_db if noise.db is None else noise.db, shape)
    deviation = np.hypot(deviation, noise.quantisation_db / np.sqrt(12.0))
    links, more = campaign.present.size, np.zeros(1) if spread is None else spread
    own = more[:links].reshape(shape) if spread is not None else more
    deviation = np.clip(np.hypot(deviation, own), MIN_NOISE_DB, MAX_NOISE_DB)
    predict = unknowns.predict(evaluator.objective)
    behind = observed_rows(campaign, noise, used, predict, unknowns)
    if spread is not None:
        behind = behind._replace(noise=np.hypot(behind.noise, spread[links:]))
    ripples = _interfere(campaign, assumed.radio)
    level = np.full(shape, np.nan) if campaign.rss_dbm is None else campaign.rss_dbm
    has_level = campaign.has_level
    data = LeastSquares(
        level_dbm=np.concatenate([np.where(has_level, level, 0.0).ravel(), behind.value]),
        noise_db=np.concatenate([deviation.ravel(), behind.noise]),
        used=np.concatenate([(used & has_level).ravel(), behind.used]),
        prior=unknowns.mean,
        prior_width=unknowns.width,
        low=unknowns.low,
        high=unknowns.high,
        vague=unknowns.vague,
        spacing=unknowns.spacing / (RIPPLES if ripples else 1.0),
        shape=unknowns.shape,
        censored=np.concatenate([campaign.censored.ravel(), behind.censored]),
        loss=assumed.loss,
        saturated=np.concatenate([campaign.saturated.ravel(), np.zeros(len(behind.used), bool)]),
        link=None if not len(behind.used) else behind.link_of_all(used.size),
        ripples=ripples,
    )
    problem = Problem(
        campaign, assumed, prior, unknowns, evaluator, predict, data,
        None if length_m is None else _length_of_rows(campaign, length_m), data.noise_db,
    )  # fmt: skip
    given = noise.clutter_db_per_sqrt_m
    return (
        problem
        if given is None or given == "fit"
        else problem.with_clutter(Clutter(float(given), float(given), float(given), fitted=False))
    )


def unknowns_of_problem(
    scene: SceneModel,
    campaign: Campaign,
    assumed: Assumptions,
    prior: ConductivityPrior,
    length_m: FloatArray | None = None,
) -> Unknowns:
    """The vector of all unknowns of a campaign under some assumptions.

    :param length_m: [M, N] length of the links' paths [m], if something depends on it
    """
    return unknowns_of(
        scene, campaign, assumed.radio, prior, assumed.parameters,
        given=assumed.given, noise=assumed.noise, length_m=length_m,
    )  # fmt: skip


def _evaluator(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    engine: Engine,
    workers: ActorOptions | None,
    progress: Progress | None,
) -> Evaluator:
    if not campaign.has_level[campaign.present].all():  # an evaluator wants levels for loss (8)
        level = np.zeros(campaign.present.shape) if campaign.rss_dbm is None else campaign.rss_dbm
        campaign = replace(
            campaign, rss_dbm=np.where(campaign.present, np.nan_to_num(level), np.nan)
        )
    if workers is not None:
        actors = ActorObjective(
            scene, campaign, radio, engine=engine, workers=workers, progress=progress
        )
        return Evaluator(actors, actors.num_paths, actors.complete_to, actors.num_fragile)
    # Imported late: these import Dr.Jit.
    from vlmrt_dist.field import ReplayObjective, RetraceObjective, trace

    if engine == "retrace":
        return Evaluator(RetraceObjective(scene, campaign, radio))
    table = trace(scene, campaign, radio, progress=progress)
    objective = ReplayObjective(scene, campaign, radio, table)
    return Evaluator(objective, table.num_paths, table.certificate, table.num_fragile)


def _lengths(
    scene: SceneModel,
    campaign: Campaign,
    assumed: Assumptions,
    unknowns: Unknowns,
    progress: Progress | None,
) -> FloatArray:
    """[M, N] length of each link's paths at the prior, in the area where clutter is [m]."""
    from vlmrt_dist.field import path_lengths  # imports Dr.Jit

    return path_lengths(
        scene, campaign, assumed.radio, unknowns.materials(unknowns.mean),
        area=area_of(assumed.noise.clutter_area), progress=progress,
    )  # fmt: skip


def moved(campaign: Campaign, moves: Moves) -> Campaign:
    """A campaign whose devices stand elsewhere."""
    return replace(campaign, tx=campaign.tx + moves[0], rx=campaign.rx + moves[1])


def _length_of_rows(campaign: Campaign, length_m: FloatArray) -> FloatArray:
    """[L + R] length along which clutter acts: that of each link, also for its further rows in
    decibels; zero for rows that are delays or parts of a response."""
    of_link = np.nan_to_num(length_m.ravel())
    found = [of_link]
    for block in campaign.observables:
        link = block.row_setup * campaign.num_receivers + block.row_receiver
        found.append(of_link[link] * (block.unit == "dB"))
    return np.concatenate(found)


def _displaced(scene: SceneModel, campaign: Campaign, error: float, seed: int) -> list[Campaign]:
    """The campaign with displaced receivers: all copies as further receivers of their setups
    [M, copies · N], or, where there are observables, a campaign for each copy."""
    rng = np.random.default_rng([seed, 5])
    moved = [displaced(scene, campaign, error, rng) for _ in range(POSITION_COPIES)]
    if campaign.observables:
        return [replace(campaign, rx=each.rx) for each in moved]
    return [
        Campaign(
            campaign.tx,
            np.concatenate([c.rx for c in moved], axis=1),
            present=np.concatenate([c.present for c in moved], axis=1),
            frequency=campaign.frequency,
            antennas=None if campaign.antennas is None else campaign.antennas.repeated(len(moved)),
        )
    ]


def _values_at(
    scene: SceneModel,
    places: list[Campaign],
    assumed: Assumptions,
    prior: ConductivityPrior,
    *,
    engine: Engine,
    workers: ActorOptions | None,
    progress: Progress | None,
) -> FloatArray:
    """[copies, L + R] levels and observables at the prior where receivers are displaced."""
    radio = assumed.radio
    few = radio.replace(samples_per_src=min(radio.samples_per_src, COPY_SAMPLES))
    found = []
    for copy in places:
        other = _evaluator(scene, copy, few, engine, workers, progress)
        try:
            # An offset is the same wherever the receiver stands, and unknown.
            elsewhere = unknowns_of_problem(scene, copy, replace(assumed, noise=Noise()), prior)
            found.append(elsewhere.predict(other.objective)(elsewhere.mean)[0])
        finally:
            other.close()
    if len(found) > 1:
        return np.array(found)
    setups = len(places[0].tx)
    level = found[0].reshape(setups, POSITION_COPIES, -1)
    return level.transpose(1, 0, 2).reshape(POSITION_COPIES, -1)


def _position_noise(copies: FloatArray, here: FloatArray) -> FloatArray:
    """[L + R] root mean square difference between values and those of displaced copies; where
    either has none, so much that nothing is told."""
    with np.errstate(invalid="ignore"):  # neither hears anything
        difference = copies - here
    difference = np.nan_to_num(difference, posinf=MAX_NOISE_DB, neginf=MAX_NOISE_DB)
    return np.sqrt((difference**2).mean(axis=0))
