"""Measure, estimate, plan the next setup, until the answer is good enough.

The measured links enter the plan with their sensitivities at the estimate, so that the next setup
is chosen for what is still unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import (
    Campaign,
    CampaignLike,
    RadioConfig,
    as_campaign,
    check_campaign,
    observable_words,
)
from vlmrt_dist.console import listed
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import MIN_NOISE_DB, NORMAL_95, Estimate, LevenbergMarquardt, estimate
from vlmrt_dist.paths import scene_and_radio
from vlmrt_dist.placement.candidates import candidate_pool, random_positions
from vlmrt_dist.placement.deciding import differences
from vlmrt_dist.placement.options import CandidateOptions, check_count
from vlmrt_dist.placement.prediction import spread
from vlmrt_dist.placement.selection import DesignInformation, LinkChoice, select
from vlmrt_dist.placement.sensitivities import Design, link_jacobians
from vlmrt_dist.placement.strategies._base import Strategy
from vlmrt_dist.placement.strategies.a_optimal import AOptimal
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneLike, SceneModel

LEAST_HELP = 0.02
"""The loop ends where the next setup would narrow no object above the target by this share."""

DECISIVE = 4.0
"""Least difference of a setup's levels, as the root of the sum of squares, that tells two solutions
apart, in standard deviations."""

MOST_NAMED = 4
"""Most solutions whose levels a sentence names, the likeliest."""

TIED = 1e-8
"""Share of the prior's variance that a difference of tied objects is credited with; not zero."""


@dataclass(frozen=True)
class Target:
    """When a loop of measuring and planning ends.

    :param std: standard deviation of ln σ, 0.1 for 10 %
    :param scope: "all": every free object has to reach it; "median": their median
    :param max_setups: setups after which the loop ends even if the target is not reached
    :param lookahead: most setups that are planned together, of which the most informative one is
        measured next
    :raises ConfigurationError: if a number is not positive and finite
    """

    std: float
    scope: Literal["all", "median"] = "all"
    max_setups: int = 10
    lookahead: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.std < np.inf:
            raise ConfigurationError("the target must be positive and finite; 0.1 is 10 %")
        if self.scope not in ("all", "median"):
            raise ConfigurationError(f"scope must be all or median; got {self.scope!r}")
        check_count("max_setups", self.max_setups)
        check_count("lookahead", self.lookahead)

    def reached(self, std: FloatArray) -> bool:
        """Whether standard deviations of ln σ of the free objects lie at or below the target."""
        reduce = np.max if self.scope == "all" else np.median
        return bool(reduce(std) <= self.std)


class Estimator(Protocol):
    """Estimates all that is measured so far, as :func:`vlmrt_dist.estimate` does."""

    def __call__(
        self, scene: SceneModel, campaign: Campaign, *, radio: RadioConfig, seed: int
    ) -> Estimate:
        """The estimate from ``campaign``, for the scene and radio configuration of the loop."""
        ...


@dataclass(frozen=True, eq=False)
class NextSetup:
    """A setup that is proposed, and the uncertainty that it is predicted to leave.

    :param campaign: positions of one setup
    :param before: [K] standard deviation of ln σ as it is
    :param after: [K] the same once the setup is measured, as predicted at the estimate
    :param level_dbm: [S, N] where S solutions explain what is measured, the level that each
        predicts for each receiver [dBm], the receiver that tells most first; else empty
    :param noise_db: standard deviation that a level is expected to have [dB]
    """

    campaign: Campaign
    before: FloatArray
    after: FloatArray
    level_dbm: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    noise_db: float = 0.0

    def sentences(self) -> list[str]:
        """How the setup decides between several solutions; nothing where there is one."""
        if not len(self.level_dbm):
            return []
        tx, rx = (_point(at) for at in (self.campaign.tx[0], self.campaign.rx[0, 0]))
        predicted = ", ".join(
            f"{level:.1f} dBm by solution {number}"
            for number, level in enumerate(self.level_dbm[:MOST_NAMED, 0], start=1)
        )
        lines = [
            f"{len(self.level_dbm)} solutions explain what is measured. The link from {tx} to {rx} "
            f"tells most about which holds: {predicted}"
        ]
        pairs = combinations(enumerate(self.level_dbm, start=1), 2)
        distance, one, other = min(
            (float(np.linalg.norm(level - levels)), first, second)
            for (first, level), (second, levels) in pairs
        )
        if distance < DECISIVE * self.noise_db:
            lines.append(
                f"the setup does not tell solutions {one} and {other} apart: at all its receivers "
                f"together they differ by {distance:.2g} dB, little against the noise of "
                f"{self.noise_db:.2g} dB. To decide between them try more candidates "
                "(--num-tx-candidates, --num-rx-candidates), another area, or the mean of more "
                "readings"
            )
        return lines


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """Measurements and result of a loop.

    :param campaign: all that was measured
    :param result: the estimate from it
    :param reason: why it ended, in words
    :param reached: whether the target was reached
    :param num_links: links measured by the end of each round
    :param std: [rounds, K] standard deviation of ln σ after each round
    """

    campaign: Campaign
    result: Estimate
    reason: str
    reached: bool
    num_links: tuple[int, ...]
    std: FloatArray


def plan_next(
    scene: SceneLike,
    campaign: CampaignLike,
    result: Estimate,
    *,
    num_receivers: int = 8,
    target: Target | None = None,
    radio: RadioConfig | None = None,
    candidates: CandidateOptions | None = None,
    observables: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> NextSetup:
    """The next setup to measure, given what was measured and estimated.

    Where several solutions explain what was measured, it is the setup at which the levels that they
    predict differ most; see :mod:`~vlmrt_dist.placement.deciding`.

    Otherwise it minimises the variances of ln σ that it is predicted to leave (A-optimal), averaged
    over draws from the posterior. What else the estimate had to find (permittivities, offsets)
    makes the conductivities as uncertain as it says; of the next setup it is taken as known.

    With a target, as few setups are planned together as are predicted to reach it, and at most
    ``target.lookahead``; the one of them that tells most by itself is returned. Where one setup is
    predicted to be enough, receivers that the target does not need are left out.

    :param scene: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param campaign: the measured campaign (or its file, or data frame) that ``result`` was
        estimated from
    :param result: its estimate
    :param num_receivers: receivers of the setup; with a target, the most of them
    :param target: what is to be reached; None: one setup is planned, for itself
    :param radio: radio configuration of the estimation; None: a live scene's, or the default one
    :param candidates: the pool that the setup is chosen from; None: the default one
    :param observables: what is going to be measured there, as in "power,delay:10ns", see
        :func:`~vlmrt_dist.campaign.parse_observables`; None: what was measured in ``campaign``
    :param seed: of pool and draws
    :param progress: called along the way
    :return: positions of one setup, and the standard deviations before and after it
    :raises ConfigurationError: if ``num_receivers`` is less than 1, or the estimate leaves no
        conductivity open
    :raises CampaignError: if estimate and campaign do not belong together, or no candidate
        transmitter reaches enough receivers
    """
    scene, radio = scene_and_radio(scene, radio)
    campaign, candidates = as_campaign(campaign, scene, radio), candidates or CandidateOptions()
    check_count("num_receivers", num_receivers)
    if result.names != scene.names or result.links.noise_db.shape != campaign.present.shape:
        raise CampaignError("the estimate was not made from this scene and campaign")
    check_campaign(scene, campaign)
    known = _Measured(scene, campaign, result, radio)
    rows = known.rows(known.theta[None])[0]
    draws = _posterior_draws(known.theta, rows, known.width, candidates.num_draws, seed)
    most = 1
    if target is not None:
        most = max(1, min(target.lookahead, target.max_setups - campaign.num_setups))
    size = candidates.size(most, num_receivers)
    positions = random_positions(scene, *size, seed=seed, region=candidates)
    noise = max(np.nan_to_num(result.noise_db, nan=1.0), MIN_NOISE_DB) * known.scale
    design = Design(
        noise_db=noise, prior_width=known.width,
        observables=observables or observable_words(campaign),
    )  # fmt: skip
    pool = candidate_pool(
        scene, positions, radio, draws=draws, free=known.free, design=design, progress=progress
    )
    given = (rows, *known.rows(draws[1:]))
    information = DesignInformation(pool, "A", design, given=given)

    def after(choice: LinkChoice) -> FloatArray:
        added = pool.jacobians[0][pool.rows_of(pool.links(choice))] / design.noise
        return spread(sp.vstack([rows, added]).tocsr(), known.width, known.free)[0]

    def enough(choice: LinkChoice) -> bool:
        return target is not None and target.reached(after(choice)[known.free])

    levels, choice = np.zeros((0, 0)), None
    if len(result.solutions) > 1:
        apart = differences(scene, positions, pool.heard, result, radio, progress)
        setup = apart.choice(num_receivers)
        choice, levels = [setup], apart.level_dbm[:, setup[0], setup[1]]
    choice = choice or _ahead(information, enough, most, num_receivers, seed)
    if progress is not None:
        progress("choose", 1, 1)
    return NextSetup(
        campaign=pool.subset(choice),
        before=spread(rows, known.width, known.free)[0],
        after=after(choice),
        level_dbm=levels,
        noise_db=noise,
    )


def _ahead(
    information: DesignInformation,
    enough: Callable[[LinkChoice], bool],
    most: int,
    num_receivers: int,
    seed: int,
) -> LinkChoice:
    """The next setup: of the fewest setups that are predicted to be enough, planned together, the
    one that is worth most by itself; without the receivers that are not needed if it is the last.

    :param enough: whether links are predicted to reach the target
    :param most: setups that are planned together where fewer are not enough
    """
    heard = information.pool.heard.sum(1) >= num_receivers
    for together in range(1, max(1, min(most, int(heard.sum()))) + 1):
        choice = select(information, together, num_receivers, seed=seed, num_restarts=2)
        if enough(choice):
            break
    first = max(choice, key=lambda group: information.value([group]))
    if len(choice) > 1 or not enough(choice):
        return [first]
    tx, receivers = first
    while len(receivers) > 1:
        fewer = [[n for n in receivers if n != left] for left in receivers]
        kept = max(fewer, key=lambda rx: information.value([(tx, rx)]))
        if not enough([(tx, kept)]):
            break
        receivers = kept
    return [(tx, receivers)]


class _Measured:
    """Information of a measured campaign and its estimate on the conductivities.

    :param theta: [K] conductivities at which links are judged [S/m]
    :param free: [K] objects whose conductivity is unknown
    :param width: [K] standard deviation of ln σ before the measurement; 0 where not free
    :param scale: factor by which the residuals exceed the declared noise
    :raises ConfigurationError: if no conductivity is unknown
    """

    def __init__(
        self, scene: SceneModel, campaign: Campaign, result: Estimate, radio: RadioConfig
    ) -> None:
        from vlmrt_dist.field import trace  # imports Dr.Jit

        self.free = np.array([v != "fixed" for v in result.verdict])
        if not self.free.any():
            raise ConfigurationError(
                "the estimate leaves no conductivity open; there is nothing to plan"
            )
        self.theta = np.where(self.free, result.conductivity, result.fitted)
        one = np.ones(len(self.free))
        self.width = np.log(np.divide(result.prior_high, result.prior, out=one, where=self.free))
        self.width /= NORMAL_95
        self.scale = result.noise_factor
        # A censored level says less than a level does; it is left out of what is known.
        self._used = np.flatnonzero((campaign.present & ~campaign.censored).ravel())
        self._noise = np.maximum(result.links.noise_db.ravel()[self._used], MIN_NOISE_DB)
        self._noise = self._noise * self.scale
        self._scene, self._campaign, self._radio = scene, campaign, radio
        self._table = trace(scene, campaign, radio)
        # Not each conductivity by itself: other unknowns beside them, or objects that are tied.
        tied = result.num_unknowns < self.free.sum()
        beside = (result.gains, result.excess_loss)
        joint = bool(result.others) or any(each is not None for each in beside) or tied
        joint = joint or bool(campaign.observables) or bool(result.devices)
        self._covariance = result.covariance if joint else None

    def rows(self, draws: FloatArray) -> list[sp.csr_matrix]:
        """For each of B draws of the conductivities [B, K] [S/m], the sensitivities [n, K] of the
        measured links in units of their noise."""
        if self._covariance is not None:
            return [equivalent_rows(self._covariance, self.width, self.free)] * len(draws)
        _, jacobians = link_jacobians(self._scene, self._campaign, self._radio, self._table, draws)
        keep, weight = sp.diags(self.free.astype(float)), sp.diags(1.0 / self._noise)
        return [(weight @ j[self._used] @ keep).tocsr() for j in jacobians]


def equivalent_rows(covariance: FloatArray, width: FloatArray, free: BoolArray) -> sp.csr_matrix:
    """[n, K] sensitivities, in units of their noise, of links that would leave ``covariance``.

    They stand for the measured links once everything else that was unknown is averaged out.

    :param covariance: [K, K] of ln σ
    """
    index = np.flatnonzero(free)
    scaled = covariance[np.ix_(index, index)] / np.outer(width[index], width[index])
    size, basis = np.linalg.eigh(scaled)
    # A covariance as wide as the prior holds no information; a tie leaves no width at all.
    strength = np.sqrt(np.maximum(1.0 / np.maximum(size, TIED) - 1.0, 0.0))
    rows = np.zeros((len(index), len(free)))
    rows[:, index] = strength[:, None] * basis.T / width[index]
    return sp.csr_matrix(rows)


def _posterior_draws(
    theta: FloatArray,
    rows: sp.csr_matrix,
    width: FloatArray,
    count: int,
    seed: int,
) -> FloatArray:
    """[B, K] conductivities [S/m]: the estimate, then draws from its posterior.

    A draw from the prior, corrected by what the links would say of it (Matheron's rule): no
    matrix of K × K is needed.

    :param rows: [n, K] sensitivities of the measured links in units of their noise
    """
    rng = np.random.default_rng([seed, 4])
    whitened = (rows @ sp.diags(width)).tocsr()
    prior = rng.standard_normal((count, len(theta)))
    error = rng.standard_normal((count, rows.shape[0]))
    gram = np.eye(rows.shape[0]) + (whitened @ whitened.T).toarray()
    seen = np.linalg.solve(gram, (whitened @ prior.T) + error.T)
    step = width * (prior - (whitened.T @ seen).T)
    step[0] = 0.0
    return theta * np.exp(np.clip(step, -2.0, 2.0))


def measure_until(
    scene: SceneLike,
    measure: Callable[[Campaign], Campaign],
    target: Target,
    *,
    num_receivers: int = 8,
    start: Campaign | Strategy | None = None,
    radio: RadioConfig | None = None,
    estimator: Estimator | None = None,
    candidates: CandidateOptions | None = None,
    seed: int = 0,
    on_round: Callable[[Campaign, Estimate], None] | None = None,
) -> ClosedLoop:
    """Measure setup after setup, each planned from the estimate that the ones before gave.

    Setups are planned ahead, see :class:`Target` and :func:`plan_next`: the first one as part of
    ``target.lookahead`` setups, the last one with no more receivers than the target needs.

    :param scene: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param measure: makes a measurement: positions of some setups in, the same with levels out;
        a simulation, or a person who walks
    :param target: when the loop ends
    :param num_receivers: most receivers of a setup
    :param start: the first setups, measured already where they have levels; or a strategy that
        places the first one; None: the first of an A-optimal batch
    :param radio: radio configuration of estimates and plans; None: a live scene's, or the default
        one
    :param estimator: how a round's levels are estimated; None: :func:`vlmrt_dist.estimate` with
        its defaults, without cross-validation. Other priors, noise or unknowns are stated as in
        ``functools.partial(vd.estimate, prior=...)``
    :param candidates: the pools that setups are chosen from; None: the default ones
    :param seed: of pools, draws and estimates
    :param on_round: called after each round with all that is measured, and its estimate
    :raises CampaignError: if ``measure`` returns no levels
    """
    scene, radio = scene_and_radio(scene, radio)
    candidates = candidates or CandidateOptions()
    estimator = estimator or _estimate
    if start is None:
        batch = min(target.lookahead, target.max_setups)
        first = AOptimal(candidates=candidates, radio=radio)
        start = first.place(scene, batch, num_receivers, seed=seed).subset([0])
    elif not isinstance(start, Campaign):
        start = start.place(scene, 1, num_receivers, seed=seed)
    campaign = start if start.is_measured else _measured(measure, start)
    links: list[int] = []
    deviations: list[FloatArray] = []

    def end(reason: str, reached: bool = False) -> ClosedLoop:
        return ClosedLoop(campaign, result, reason, reached, tuple(links), np.array(deviations))

    while True:
        result = estimator(scene, campaign, radio=radio, seed=seed)
        free = np.array([v != "fixed" for v in result.verdict])
        std = np.where(free, np.log(result.high / result.low) / (2.0 * NORMAL_95), 0.0)
        links.append(campaign.num_links)
        deviations.append(std)
        if on_round is not None:
            on_round(campaign, result)
        if target.reached(std[free]):
            return end(f"the target of {100.0 * target.std:g} % is reached", True)
        open_ = free & (std > target.std)
        names = listed(np.array(scene.names)[open_].tolist())
        if campaign.num_setups >= target.max_setups:
            return end(f"{target.max_setups} setups are measured; above the target: {names}")
        # Another pool in each round, or what the first one lacks would never be found.
        plan = plan_next(
            scene, campaign, result, num_receivers=num_receivers, target=target, radio=radio,
            candidates=candidates, seed=seed + 1_000 * campaign.num_setups,
        )  # fmt: skip
        if (plan.after[open_] > (1.0 - LEAST_HELP) * plan.before[open_]).all():
            return end(f"no candidate setup would still help; above the target: {names}")
        campaign = joined([campaign, _measured(measure, plan.campaign)])


def _estimate(scene: SceneModel, campaign: Campaign, *, radio: RadioConfig, seed: int) -> Estimate:
    """The estimate of a round: Levenberg-Marquardt with the default prior, without folds."""
    return estimate(scene, campaign, radio=radio, solver=LevenbergMarquardt(folds=0), seed=seed)


def _point(at: FloatArray) -> str:
    return "({:.2f}, {:.2f}, {:.2f}) m".format(*at)


def _measured(measure: Callable[[Campaign], Campaign], planned: Campaign) -> Campaign:
    measured = measure(planned)
    if not measured.is_measured:
        raise CampaignError("measure returned positions without levels (rss_dbm) or observables")
    return measured


def joined(campaigns: Sequence[Campaign]) -> Campaign:
    """The setups of several measured campaigns in one, padded where they have fewer receivers.

    :raises CampaignError: if some have levels and some have not, or some name their carriers and
        some do not
    """
    for what in ("rss_dbm", "frequency"):
        if len({getattr(c, what) is None for c in campaigns}) > 1:
            raise CampaignError(f"some campaigns have {what} and some have not; join equal ones")
    most = max(c.num_receivers for c in campaigns)

    def padded(values: Any, c: Campaign, fill: float | bool) -> NDArray[Any]:
        array = np.broadcast_to(values, c.present.shape + np.shape(values)[2:])
        missing = [(0, 0), (0, most - c.num_receivers)] + [(0, 0)] * (array.ndim - 2)
        return np.pad(array, missing, constant_values=fill)

    first = campaigns[0]
    origin, sizes = {c.simulated_from for c in campaigns}, [c.num_setups for c in campaigns]
    return Campaign(
        tx=np.concatenate([c.tx for c in campaigns]),
        rx=np.concatenate([padded(c.rx, c, np.nan) for c in campaigns]),
        rss_dbm=None
        if first.rss_dbm is None
        else np.concatenate([padded(c.rss_dbm, c, np.nan) for c in campaigns]),
        noise_db=np.concatenate([padded(c.noise_db, c, np.nan) for c in campaigns]),
        present=np.concatenate([padded(c.present, c, False) for c in campaigns]),
        simulated_from=origin.pop() if len(origin) == 1 else None,
        censored=np.concatenate([padded(c.censored, c, False) for c in campaigns]),
        saturated=np.concatenate([padded(c.saturated, c, False) for c in campaigns]),
        frequency=None
        if first.frequency is None
        else np.concatenate([c.frequency for c in campaigns if c.frequency is not None]),
        observables=tuple(
            replace(block, setup=block.setup + before)
            for c, before in zip(campaigns, np.cumsum([0, *sizes]), strict=False)
            for block in c.observables
        ),
    )
