"""The pool that a plan is chosen from: candidate positions, traced once, and their sensitivities.

A link's sensitivities, the derivatives of its level [dB] by each ln σ, are one row of a Jacobian.
The conductivities are unknown when a measurement is planned, so there is a Jacobian for each of
several draws from the prior; all of them come from the same paths.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import AntennaSpace, Campaign, RadioConfig, Region
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.inference import Prior, prior_of
from vlmrt_dist.placement.options import CandidateOptions
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

REACH = 200.0
"""Farthest that a candidate receiver lies from its transmitter [m]: across a whole city nothing is
received at street level."""

DENSE_NUMBERS = 4_000_000
"""Most numbers of sensitivities that are held as ordinary arrays (32 MB): in a room a sparse matrix
product takes far longer to set up than to compute."""

Rows: TypeAlias = "sp.csr_matrix | FloatArray"
"""Sensitivities [n, K] of links, sparse or not."""


@dataclass(frozen=True, eq=False)
class CandidatePool:
    """T transmitters with R receivers each, and the sensitivities of their L = T · R links to the
    conductivities of K objects.

    :param campaign: the positions
    :param heard: [T, R] links that a path joins, whatever the materials
    :param jacobians: for each of B draws of the conductivities, the sparse derivative [L, K] of
        the levels [dB] by ln σ; zero for objects that are not free
    :param free: [K] objects whose conductivity is unknown
    """

    campaign: Campaign
    heard: BoolArray
    jacobians: tuple[sp.csr_matrix, ...]
    free: BoolArray

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
        """Rows of the Jacobians of some transmitters, each with some of its receivers."""
        count = self.heard.shape[1]
        return np.array([t * count + n for t, rx in choice for n in rx], np.int64)


def pool_for(
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    seed: int,
    radio: RadioConfig | None = None,
    candidates: CandidateOptions | None = None,
    prior_width: float | FloatArray = 0.5,
    fixed: Sequence[str] = (),
    extra: Campaign | None = None,
    progress: Progress | None = None,
) -> CandidatePool:
    """A traced pool that M setups of N receivers can be chosen from.

    :param seed: of positions and draws
    :param radio: radio configuration of the measurement
    :param candidates: the pool's positions
    :param prior_width: standard deviation of ln σ before the measurement, one or [K]
    :param fixed: names of objects whose conductivity is known
    :param extra: setups that join the pool as they are, in front; each is filled up with random
        receivers of its own
    :param progress: called as "pool", transmitter by transmitter
    :raises CampaignError: if the pool is too small, or there is no free space
    :raises ConfigurationError: if a width is not positive, or a name in ``fixed`` is no object's
    """
    candidates, radio = candidates or CandidateOptions(), radio or RadioConfig()
    size = candidates.size(num_setups, num_receivers)
    draws = prior_draws(scene, radio, prior_width, candidates.num_draws, seed, fixed)
    positions = random_positions(scene, *size, seed=seed, region=candidates, extra=extra)
    free = prior_of(scene, radio, Prior(1.0), fixed).free
    return candidate_pool(scene, positions, radio, draws=draws, free=free, progress=progress)


def candidate_pool(
    scene: SceneModel,
    positions: Campaign,
    radio: RadioConfig,
    *,
    draws: FloatArray,
    free: BoolArray,
    progress: Progress | None = None,
) -> CandidatePool:
    """Candidate positions, traced.

    :param positions: T setups of R receivers
    :param radio: radio configuration of the measurement
    :param draws: [B, K] conductivities at which the links are judged [S/m]
    :param free: [K] objects whose conductivity is unknown
    :param progress: called as "pool", transmitter by transmitter
    """
    from vlmrt_dist.field import trace  # imports Dr.Jit

    # Links are ranked by all of their paths, whatever the estimation will use.
    ranking = radio.replace(path_set="exact")
    step = None if progress is None else lambda _, done, total: progress("pool", done, total)
    table = trace(scene, positions, ranking, progress=step)
    heard, jacobians = link_jacobians(scene, positions, ranking, table, draws)
    keep = sp.diags(free.astype(float))
    return CandidatePool(positions, heard, tuple((j @ keep).tocsr() for j in jacobians), free)


def link_jacobians(
    scene: SceneModel,
    campaign: Campaign,
    radio: RadioConfig,
    table: object,
    draws: FloatArray,
) -> tuple[BoolArray, list[sp.csr_matrix]]:
    """Which links are heard [M, N], and the derivative [M · N, K] of their levels [dB] by ln σ.

    :param table: the paths of ``campaign``
    :param draws: [B, K] conductivities [S/m]; one derivative for each
    """
    from vlmrt_dist.field import ReplayObjective

    blank = campaign.with_rss(np.where(campaign.present, 0.0, np.nan))
    objective = ReplayObjective(scene, blank, radio, table)  # type: ignore[arg-type]
    heard, jacobians = campaign.present.copy(), []
    for theta in draws:
        rss, jacobian = objective.log_jacobian(theta)
        heard &= np.nan_to_num(rss) > 0.0
        jacobians.append(jacobian)
    return heard, jacobians


def compact(rows: Sequence[sp.csr_matrix]) -> list[Rows]:
    """Sensitivities as ordinary arrays, unless they hold more than :data:`DENSE_NUMBERS`."""
    if sum(r.shape[0] * r.shape[1] for r in rows) > DENSE_NUMBERS:
        return list(rows)
    return [r.toarray() for r in rows]


def dense(rows: Rows) -> FloatArray:
    """Sensitivities as an ordinary array."""
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


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
