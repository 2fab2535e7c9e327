"""The posterior of an estimate, propagated to the levels of any links.

Near the estimate levels are linear in the unknowns, so their covariance is J C Jᵀ, with C the
posterior covariance of everything that was unknown, offsets of levels included. Where that normal
posterior does not hold, the levels of its draws take its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.spatial
import scipy.special

from vlmrt_dist.arrays import BoolArray, FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.calibration import Calibration
from vlmrt_dist.inference.devices import OF_DEVICES
from vlmrt_dist.inference.likelihood import known_factor
from vlmrt_dist.inference.origin import SAME_PLACE, KnownOffsets, Origin, device_of
from vlmrt_dist.inference.parameters import KINDS
from vlmrt_dist.inference.posterior import NORMAL_95
from vlmrt_dist.inference.problem import Problem, open_problem
from vlmrt_dist.inference.quantities import JointPosterior
from vlmrt_dist.inference.weighted_draws import WeightedDraws
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel

MOST_DRAWS = 200
"""Draws whose levels are computed."""

NOISE_STEPS = 25
"""Equally likely values that stand for the noise of a link, beside draws of its level."""


@dataclass(frozen=True, eq=False)
class LevelPosterior:
    """Levels of the L links of M setups with N receivers, as an estimate predicts them.

    :param level_dbm: [M, N] levels [dBm]; NaN where no receiver is or no path arrives
    :param noise_db: [M, N] standard deviation of a measured level about the true one [dB]
    :param known: [M, N] whether the offset of the link was estimated, or there is none
    :param jacobian: [M · N, Y] derivative of the levels by Y unknowns: those of the estimate, and
        the offsets that it does not know
    :param covariance: [Y, Y] of the unknowns
    :param draws_db: [S, M · N] levels of draws from the posterior minus ``level_dbm``, where the
        normal posterior does not hold; else None
    :param offset_width_db: standard deviation of an offset that is not known [dB]
    """

    level_dbm: FloatArray
    noise_db: FloatArray
    known: BoolArray
    jacobian: FloatArray
    covariance: FloatArray
    draws_db: FloatArray | None = None
    offset_width_db: float = 0.0

    def std_db(self, index: IntArray, group: IntArray | None = None) -> FloatArray:
        """[L] standard deviation of the true levels of links [dB]; NaN where no path arrives.

        :param index: [L] links, numbered setup by setup
        :param group: [L] links of one number lose the mean over them first, so that the deviation
            is that of the level less the group's mean; -1: none; None: none of them
        """
        if self.draws_db is not None:
            std = self._draws(index, group).std(axis=0)
        else:
            jacobian = centred(self.jacobian[index], group)
            variance = np.einsum("lx,xy,ly->l", jacobian, self.covariance, jacobian, optimize=True)
            std = np.sqrt(np.maximum(variance, 0.0))
        return np.where(np.isfinite(self.level_dbm.ravel()[index]), std, np.nan)

    def bounds_db(
        self, index: IntArray, group: IntArray | None = None, *, noise_db: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """[L] lower and upper end of the 95 % interval of links' levels, relative to
        ``level_dbm`` [dB].

        :param index: see :meth:`std_db`, as is ``group``
        :param noise_db: [L] standard deviation of a measured level, whose interval it then is, not
            that of the true level; None: none
        """
        noise = np.zeros(len(index)) if noise_db is None else centred_noise(noise_db, group)
        if self.draws_db is None:
            half = NORMAL_95 * np.hypot(self.std_db(index, group), noise)
            return -half, half
        draws = self._draws(index, group)
        if noise_db is not None:
            share = (np.arange(NOISE_STEPS) + 0.5) / NOISE_STEPS
            step = scipy.special.ndtri(share)
            draws = (draws[:, None] + step[None, :, None] * noise).reshape(-1, len(index))
        heard = np.isfinite(self.level_dbm.ravel()[index])
        low, high = np.where(heard, np.quantile(draws, [0.025, 0.975], axis=0), np.nan)
        return low, high

    def _draws(self, index: IntArray, group: IntArray | None) -> FloatArray:
        assert self.draws_db is not None
        return centred(self.draws_db[:, index].T, group).T


def centred(values: FloatArray, group: IntArray | None) -> FloatArray:
    """Values [L, ...] less the mean over their group [L]; those of group -1 as they are."""
    result = np.array(values, np.float64)
    if group is not None:
        for each in np.unique(group[group >= 0]):
            result[group == each] -= result[group == each].mean(axis=0)
    return result


def centred_noise(noise_db: FloatArray, group: IntArray | None) -> FloatArray:
    """[L] standard deviation of independent errors less their mean over a group; -1: no group."""
    variance = np.asarray(noise_db, np.float64) ** 2
    if group is not None:
        for each in np.unique(group[group >= 0]):
            some = group == each
            count = int(some.sum())
            mean = variance[some].sum() / count**2
            variance[some] = np.maximum(variance[some] * (1.0 - 2.0 / count) + mean, 0.0)
    return np.sqrt(variance)


def level_posterior(
    scene: SceneModel,
    estimate: Calibration,
    positions: Campaign,
    *,
    radio: RadioConfig | None = None,
    progress: Progress | None = None,
) -> LevelPosterior:
    """Levels at ``positions``, with all that the estimate knows and does not know.

    :param scene: that of the estimate, see :meth:`Calibration.scene_of`
    :param positions: M setups of N receivers; levels are ignored
    :param radio: default: that of the estimate
    :raises SceneError: if it is another scene
    :raises ConfigurationError: if the estimate does not carry its posterior
    :raises NoPathsError: if no link has a path
    """
    origin, joint = estimate.origin, estimate.joint
    if origin is None or joint is None:
        raise ConfigurationError(
            "this estimate does not carry its posterior; write it as .parquet or .json with "
            "vlmrt estimate --out, or vd.write_estimate"
        )
    scene = estimate.scene_of(scene)
    noise = replace(
        origin.assumed.noise, gain_offset_db=None, gain_shared="setup", delay_offset_ns=None,
        delay_shared="link",
    )  # fmt: skip
    assumed = replace(origin.assumed, noise=noise, radio=radio or origin.radio)
    if _at_reference(positions, assumed.radio):  # where an exponent of conductivity does nothing
        quantities = tuple(q for q in assumed.parameters.quantities if q != "exponent")
        assumed = replace(assumed, parameters=replace(assumed.parameters, quantities=quantities))
    empty = replace(positions, observables=())
    empty = empty.with_rss(np.where(positions.present, 0.0, np.nan))
    with open_problem(scene, empty, assumed, progress=progress) as problem:
        return _propagated(problem, joint, origin)


def _propagated(problem: Problem, joint: JointPosterior, origin: Origin) -> LevelPosterior:
    shape = problem.campaign.present.shape
    # The same unknowns in the same order, but for the offsets, which belong to links, and exponents
    # where they do nothing.
    known = _known_unknowns(problem, joint, origin)
    share, stranger = _offsets(problem.campaign, origin.offsets, len(joint.x))
    level, by = problem.predict(known.of(joint.x[None], _normal_steps(1, known.strangers))[0])
    told, foreign = known.columns(by.toarray())
    jacobian = np.array(share) + told
    more = np.zeros((len(level), int(stranger.max(initial=-1)) + 1))
    more[stranger >= 0, stranger[stranger >= 0]] = 1.0
    width = 0.0 if origin.offsets is None else min(origin.offsets.width_db, KINDS["gain"].vague)
    size, extra = len(joint.x), more.shape[1]
    more = np.concatenate([more, foreign], axis=1)
    covariance = np.zeros((size + more.shape[1],) * 2)
    covariance[:size, :size] = joint.matrix
    widths = np.concatenate([np.full(extra, width), known.width])
    covariance[size:, size:] = np.diag(widths**2)
    heard = np.isfinite(level) & problem.data.used
    level = np.where(heard, level + share @ joint.x, np.nan)
    draws = None
    if joint.draws is not None:
        x = evenly_weighted(joint.draws, MOST_DRAWS)
        here = known.of(x, _normal_steps(len(x), known.strangers))
        draws = np.array([
            problem.predict(own)[0] + share @ each for own, each in zip(here, x, strict=True)
        ])  # fmt: skip
        draws += width * _normal_steps(len(x), extra) @ more[:, :extra].T
        middle = np.where(heard, draws.mean(axis=0), np.nan)
        level, draws = middle, np.where(heard, draws - middle, 0.0)
    jacobian = np.where(heard[:, None], np.concatenate([jacobian, more], axis=1), 0.0)
    scale = known_factor(origin.noise_scale)
    return LevelPosterior(
        level.reshape(shape), scale * problem.data.noise_db.reshape(shape),
        (stranger < 0).reshape(shape), jacobian, covariance, draws, width,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _KnownUnknowns:
    """Unknowns of a problem by those of an estimate.

    :param source: [X] unknown of the estimate that each is; -1 where the estimate knows nothing of
        a device
    :param mean: [X] prior means
    :param width: [U] prior standard deviations of those that it does not know
    :param size: unknowns of the estimate
    """

    source: IntArray
    mean: FloatArray
    width: FloatArray
    size: int

    @property
    def strangers(self) -> int:
        """U"""
        return len(self.width)

    def of(self, x: FloatArray, steps: FloatArray) -> FloatArray:
        """[S, X] vectors of the problem.

        :param x: [S, size] of the estimate
        :param steps: [S, U] of what it does not know, in standard deviations
        """
        found = np.where(self.source >= 0, x[:, self.source], self.mean)
        found[:, self.source < 0] += steps * self.width
        return found

    def columns(self, by: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives [L, size] by unknowns of the estimate, and [L, U] by others."""
        there = self.source >= 0
        told = by[:, there] @ np.eye(self.size)[self.source[there]]
        return told, by[:, ~there]


def _known_unknowns(problem: Problem, joint: JointPosterior, origin: Origin) -> _KnownUnknowns:
    """The same unknowns in the same order, but for offsets, which belong to links, for exponents
    where they do nothing, and for those of devices, which are found by name or place.

    :raises ConfigurationError: if they are those of other objects
    """
    unknowns = problem.unknowns
    absent = {"gain", "delay_offset", "exponent"} - set(problem.assumed.parameters.quantities)
    place = np.flatnonzero(~np.isin(joint.quantity, [*absent, *OF_DEVICES]))
    of_devices = np.isin(unknowns.quantity, OF_DEVICES)
    here = [(unknowns.quantity[i], unknowns.label[i]) for i in np.flatnonzero(~of_devices)]
    if here != [(joint.quantity[i], joint.label[i]) for i in place]:
        raise ConfigurationError("the posterior has other unknowns than the scene's objects")
    source = np.full(len(unknowns.mean), -1)
    source[~of_devices] = place
    for i in np.flatnonzero(of_devices).tolist() if origin.devices is not None else ():
        assert origin.devices is not None
        name, at = device_of(problem.campaign, unknowns, i)
        source[i] = origin.devices.entry_of(unknowns.quantity[i], name, at)
    width = np.minimum(unknowns.width, unknowns.vague)[source < 0]
    return _KnownUnknowns(source, unknowns.mean, width, len(joint.x))


def _at_reference(positions: Campaign, radio: RadioConfig) -> bool:
    frequency = positions.frequency
    return frequency is None or bool((frequency == radio.frequency).all())


def _normal_steps(count: int, size: int) -> FloatArray:
    """[S, U] equally likely values of U normal variables, each in an order of its own."""
    rng = np.random.default_rng(0)
    steps = scipy.special.ndtri((np.arange(count) + 0.5) / count)
    return np.array([rng.permutation(steps) for _ in range(size)]).reshape(size, count).T


def _offsets(
    campaign: Campaign, offsets: KnownOffsets | None, size: int
) -> tuple[FloatArray, IntArray]:
    """[M · N, X] share of each unknown in the links' offsets, and [M · N] number of the offset that
    is not known; -1 where it is."""
    count, receivers = campaign.present.shape
    share = np.zeros((count * receivers, size))
    stranger = np.full(count * receivers, -1)
    if offsets is None:
        return share, stranger
    if offsets.by == "campaign":
        share[:, offsets.entry[0]] = 1.0
        return share, stranger
    there = np.arange(count * receivers)
    places = np.repeat(campaign.tx, receivers, axis=0)
    if offsets.by == "receiver":
        there = np.flatnonzero(campaign.present.ravel())
        places = campaign.rx.reshape(-1, 3)[there]
    known = scipy.spatial.KDTree(offsets.place)
    for link, near in zip(there, known.query_ball_point(places, SAME_PLACE), strict=True):
        # Setups of one transmitter may have an offset each: their mean.
        for p in near:
            share[link, offsets.entry[p]] += 1.0 / len(near)
    lost = there[share[there].sum(axis=1) == 0.0]
    if len(lost):
        own = places[np.isin(there, lost)]
        stranger[lost] = np.unique(np.round(own, 2), axis=0, return_inverse=True)[1].ravel()
    return share, stranger


def evenly_weighted(draws: WeightedDraws, most: int) -> FloatArray:
    """[S, X] at most ``most`` draws of equal weight: systematic resampling, always the same."""
    count = min(most, len(draws.weight))
    reached = np.cumsum(draws.weight)
    ticks = (np.arange(count) + 0.5) / count * reached[-1]
    return draws.x[np.minimum(np.searchsorted(reached, ticks), len(reached) - 1)]
