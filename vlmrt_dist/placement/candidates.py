"""The pool that a plan is chosen from: candidate positions, traced once, and their sensitivities.

A link's sensitivities, the derivatives of what is measured of it by each ln σ, are rows of a
Jacobian: one where that is its level, see :mod:`~vlmrt_dist.placement.sensitivities`. The
conductivities are unknown when a measurement is planned, so there is a Jacobian for each of several
draws from the prior; all of them come from the same paths.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import AntennaSpace, Campaign, RadioConfig, Region
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import warn_if_nothing_scatters
from vlmrt_dist.inference import Prior, prior_of
from vlmrt_dist.placement.options import CandidateOptions
from vlmrt_dist.placement.sensitivities import LEVELS, Design, Rows, compact, link_rows
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

REACH = 200.0
"""Farthest that a candidate receiver lies from its transmitter [m]: across a whole city nothing is
received at street level."""

MAX_KERNEL = 20_000_000
"""Most numbers B · T · R² · r² of what a choice from a pool is made by (160 MB); about five such
arrays live at a time, and a larger pool is refused."""

MOST_ROWS = 4
"""Most rows that a candidate link keeps where several values are measured of it: the time that a
choice takes grows with their square."""


@dataclass(frozen=True, eq=False)
class CandidatePool:
    """T transmitters with R receivers each, and the sensitivities of their L = T · R links to Y
    unknowns: the conductivities of K objects, and perhaps other parameters behind them.

    :param campaign: the positions
    :param heard: [T, R] links that a path joins, whatever the materials
    :param jacobians: for each of B draws of the conductivities, the sparse derivative [L · r, Y] of
        what is measured, r rows a link, by the logarithms; zero for objects that are not free.
        Levels alone are in dB, other rows in units of their noise
    :param free: [K] objects whose materials are unknown
    :param design: what is measured, and unknown before
    :param per_link: r
    """

    campaign: Campaign
    heard: BoolArray
    jacobians: tuple[sp.csr_matrix, ...]
    free: BoolArray
    design: Design = LEVELS
    per_link: int = 1

    @functools.cached_property
    def rows(self) -> list[Rows]:
        """The Jacobians as ordinary arrays, unless they are large."""
        return compact(self.jacobians)

    def subset(self, choice: Sequence[tuple[int, Sequence[int]]]) -> Campaign:
        """The campaign of some transmitters, each with some of its receivers."""
        return Campaign(
            tx=np.array([self.campaign.tx[t] for t, _ in choice]),
            rx=np.array([self.campaign.rx[t, list(rx)] for t, rx in choice]),
        )

    def links(self, choice: Sequence[tuple[int, Sequence[int]]]) -> IntArray:
        """Numbers of the links of some transmitters, each with some of its receivers."""
        count = self.heard.shape[1]
        return np.array([t * count + n for t, rx in choice for n in rx], np.int64)

    def check(self, design: Design) -> None:
        """Refuse to use the rows for another measurement than they are of.

        :raises ConfigurationError: if they are
        """
        same = (design.observables, design.quantities) == (
            self.design.observables, self.design.quantities
        )  # fmt: skip
        if not same or (design.noise != self.design.noise and not design.levels_only):
            raise ConfigurationError(
                f"the pool was traced for {self.design.observables}, not for {design.observables}; "
                "trace one with the observables, unknowns and noise of the plan"
            )

    def rows_of(self, links: IntArray) -> IntArray:
        """Rows of the Jacobians of some links."""
        return (links[:, None] * self.per_link + np.arange(self.per_link)).ravel()


def pool_for(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    radio: RadioConfig | None = None,
    candidates: CandidateOptions | None = None,
    design: Design = LEVELS,
    extra: Campaign | None = None,
    progress: Progress | None = None,
) -> CandidatePool:
    """A traced pool that M setups of N receivers can be chosen from.

    :param seed: of positions and draws
    :param radio: radio configuration of the measurement
    :param candidates: the pool's positions
    :param design: what is measured of each link, and what is unknown before
    :param extra: setups that join the pool as they are, in front; each is filled up with random
        receivers of its own
    :param progress: called as "pool", transmitter by transmitter
    :raises CampaignError: if the pool is too small, or there is no free space
    :raises ConfigurationError: if a width is not positive, or a name in ``fixed`` is no object's
    """
    candidates, radio = candidates or CandidateOptions(), radio or RadioConfig()
    warn_if_nothing_scatters(scene, radio)
    size = candidates.size(num_setups, num_receivers)
    width, fixed = design.prior_width, design.fixed
    draws = prior_draws(scene, radio, width, candidates.num_draws, seed, fixed)
    positions = random_positions(scene, *size, seed=seed, region=candidates, extra=extra)
    free = prior_of(scene, radio, Prior(1.0), fixed).free
    return candidate_pool(
        scene, positions, radio, draws=draws, free=free, design=design, progress=progress
    )


def candidate_pool(
    scene: SceneModel,
    positions: Campaign,
    radio: RadioConfig,
    *,
    draws: FloatArray,
    free: BoolArray,
    design: Design = LEVELS,
    progress: Progress | None = None,
) -> CandidatePool:
    """Candidate positions, traced.

    :param positions: T setups of R receivers
    :param radio: radio configuration of the measurement
    :param draws: [B, K] conductivities at which the links are judged [S/m]
    :param free: [K] objects whose materials are unknown
    :param design: what is measured of each link, and what is unknown before
    :param progress: called as "pool", transmitter by transmitter
    """
    from vlmrt_dist.field import trace  # imports Dr.Jit

    # Links are ranked by all of their paths, whatever the estimation will use.
    ranking = radio.replace(path_set="exact")
    step = None if progress is None else lambda _, done, total: progress("pool", done, total)
    table = trace(scene, positions, ranking, progress=step)
    size = len(draws) * positions.num_setups * positions.num_receivers**2
    most = min(MOST_ROWS, max(1, int((MAX_KERNEL / size) ** 0.5)))
    unknown = design.repeated(free)
    found = link_rows(scene, positions, ranking, table, draws, design, unknown, most=most)
    return CandidatePool(
        positions, found.heard, found.scaled(unknown), free, design, found.per_link
    )


def prior_draws(
    scene: SceneModel,
    radio: RadioConfig,
    width: float | FloatArray,
    count: int,
    seed: int,
    fixed: Sequence[str] = (),
) -> FloatArray:
    """[B, K] conductivities [S/m]: the prior's median first, then draws from the prior.

    :param width: standard deviation of ln σ, one or [K]; draws use at most 1
    :raises ConfigurationError: if ``count`` is less than one, or a width is not positive
    """
    if count < 1:
        raise ConfigurationError("num_draws must be 1 or more")
    if not np.all(np.asarray(width) > 0.0):
        raise ConfigurationError("prior_width must be positive; use inf for no prior")
    prior = prior_of(scene, radio, Prior(1.0), fixed)
    rng = np.random.default_rng([seed, 1])
    noise = rng.standard_normal((count, scene.num_objects))
    noise[0] = 0.0
    return prior.median * np.exp(np.where(prior.free, noise * np.minimum(width, 1.0), 0.0))


def random_positions(
    scene: SceneModel,
    num_tx: int,
    num_rx: int,
    *,
    seed: int,
    region: Region | None = None,
    extra: Campaign | None = None,
) -> Campaign:
    """T transmitters uniform where antennas may stand, each with R receivers at most :data:`REACH`
    away.

    :param num_tx: T
    :param num_rx: R
    :param seed: of the positions
    :param region: where antennas may stand, see
        :class:`~vlmrt_dist.campaign.antenna_space.AntennaSpace`
    :param extra: setups that come first
    :raises CampaignError: if there is no free space
    """
    if num_tx < 1 or num_rx < 1:
        raise CampaignError("a pool needs at least one transmitter and one receiver")
    rng = np.random.default_rng(seed)
    space = AntennaSpace(scene, region or Region())
    low, high = scene.bounds
    tx = space.draw(num_tx, rng, transmitter=True)
    given: list[FloatArray] = []
    if extra is not None:
        tx = np.concatenate([extra.tx, tx])
        given = [setup.rx[:num_rx] for setup in extra.setups]
    rx = np.empty((len(tx), num_rx, 3))
    for t, centre in enumerate(tx):
        first = given[t] if t < len(given) else np.zeros((0, 3))
        near = np.array([np.maximum(low, centre - REACH), np.minimum(high, centre + REACH)])
        rx[t, : len(first)] = first
        if len(first) < num_rx:
            rx[t, len(first) :] = space.draw(num_rx - len(first), rng, near=near)
    return Campaign(tx=tx, rx=rx)
