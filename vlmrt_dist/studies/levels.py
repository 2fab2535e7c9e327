"""Levels that a point of a study is measured with: paths, true values, noise, what is heard."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.field import Materials
from vlmrt_dist.inference import ConductivityPrior, Prior, initial_conductivity, prior_of
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import MAX_CONDUCTIVITY, MIN_CONDUCTIVITY, SceneModel
from vlmrt_dist.studies.methods import MethodFit
from vlmrt_dist.studies.point import TRUNCATION, Point
from vlmrt_dist.studies.truths import Truth, level_errors, truth_of
from vlmrt_dist.units import watts_to_dbm

if TYPE_CHECKING:
    from vlmrt_dist.field import ReplayObjective

HELD_OUT_RECEIVERS, HELD_OUT_SEED = 8, 20_251
"""The random setup that every fit is tried on, though none has seen it."""

HELD_OUT_KEPT = 4
"""Scenes and radio configurations whose held-out setup a process keeps."""


@dataclass(frozen=True, eq=False)
class StudyLevels:
    """Received powers of S seeds, and what their estimations start from; points that are evaluated
    together have their seeds one after another.

    :param seeds: [S]
    :param table: the estimation's paths, of all setups
    :param replay: replays them
    :param truth: true values of the seeds
    :param rss: [S, M, N] received powers with their errors [W]
    :param heard: [M, N] links that truth and estimation both have a path for
    :param free: [K] objects whose conductivity is unknown
    :param priors: one for each seed
    :param start: [S, K] initial conductivities [S/m]
    """

    seeds: tuple[int, ...]
    table: PathTable
    replay: ReplayObjective
    truth: Truth
    rss: FloatArray
    heard: BoolArray
    free: BoolArray
    priors: tuple[ConductivityPrior, ...]
    start: FloatArray

    def kept(self, point: Point) -> tuple[Campaign, PathTable, ReplayObjective, FloatArray]:
        """The point's campaign, its paths, their replay and powers without links that are not
        heard, and without setups left empty."""
        from vlmrt_dist.field import ReplayObjective

        setups = self.heard.any(axis=1)
        rss = np.where(self.heard, self.rss, np.nan)[:, setups]
        campaign = _keep(point.campaign, self.heard)
        if setups.all():
            return campaign, self.table, self.replay.remeasured(campaign, rss), rss
        table = self.table.setups(np.flatnonzero(setups).tolist())
        replay = ReplayObjective(point.scene, campaign, point.radio, table, measured=rss)
        return campaign, table, replay, rss


def study_levels(points: Sequence[Point]) -> StudyLevels:
    """Trace the paths of points that differ only in their start, and draw the levels of their
    seeds."""
    # Imported late: these import Dr.Jit, which the driver of a pool must not.
    from vlmrt_dist.field import ReplayObjective, trace

    point = points[0]
    scene, radio, seeds = point.scene, point.radio, point.seeds
    table = trace(scene, point.campaign, radio)
    itu = scene.conductivity(radio.frequency)
    free = prior_of(scene, radio, Prior(np.inf)).free
    priors = tuple(
        prior_of(scene, radio, given or Prior(point.prior_width))
        for given in point.priors or (None,) * len(seeds)
    )
    planned = point.campaign.with_rss(np.where(point.campaign.present, 0.0, np.nan))
    same = ReplayObjective(scene, planned, radio, table)
    truth = truth_of(point, free)
    rss = truth.received(same)
    if point.position_error_m:
        rss = np.array(
            [
                truth.received(_true_replay(point, moved), s)[0]
                for s, moved in enumerate(displaced(point, planned))
            ]
        )
    elif point.protocol == "independent":
        rss = truth.received(_true_replay(point, planned))
    # A link that either side cannot hear is no measurement.
    heard = point.campaign.present & (rss > 0.0).all(axis=0) & (same.rss(itu[None])[0] > 0.0)
    start = np.concatenate([_starts(each, priors) for each in points])
    # A prior that says metal or vacuum is no value to start at.
    start = np.where(free, np.clip(start, MIN_CONDUCTIVITY, MAX_CONDUCTIVITY), itu)
    error_db = np.array([level_errors(seed, rss.shape[1:]) for seed in seeds]) * point.noise_db
    rss = rss * 10.0 ** (error_db / 10.0)
    count = len(points)
    return StudyLevels(
        seeds * count, table, same, truth.repeated(count), np.tile(rss, (count, 1, 1)), heard, free,
        priors * count, start,
    )  # fmt: skip


def _starts(point: Point, priors: Sequence[ConductivityPrior]) -> FloatArray:
    """[S, K] initial conductivities of a point [S/m]."""
    frequency = point.radio.frequency
    return np.array(
        [
            initial_conductivity(point.initial, prior, frequency, np.random.default_rng([seed, 1]))
            for seed, prior in zip(point.seeds, priors, strict=True)
        ]
    )


def displaced(point: Point, planned: Campaign) -> Iterator[Campaign]:
    """Where the antennas stood in the truth of each seed."""
    most = TRUNCATION * point.position_error_m
    for seed in point.seeds:
        rng = np.random.default_rng([seed, 6])
        moves = [
            np.clip(point.position_error_m * rng.standard_normal(places.shape), -most, most)
            for places in (planned.tx, planned.rx)
        ]
        yield dataclasses.replace(planned, tx=planned.tx + moves[0], rx=planned.rx + moves[1])


def _true_replay(point: Point, campaign: Campaign) -> ReplayObjective:
    """Levels of the truth at a campaign's positions."""
    from vlmrt_dist.field import ReplayObjective, trace

    paths = trace(point.scene, campaign, point.true_radio)
    return ReplayObjective(point.scene, campaign, point.true_radio, paths)


def held_out_db(point: Point, fits: Sequence[MethodFit], truth: Truth) -> FloatArray:
    """[F] root mean square error [dB] on links of one random setup that no fit has seen, without
    the setups' offsets; NaN where none is asked for.

    :param fits: those of all seeds, optimizer by optimizer
    :param truth: the seeds' true values
    """
    if not point.held_out:
        return np.full(len(fits), np.nan)
    theta = np.array([fit.theta for fit in fits])
    found = [x for fit in fits if (x := fit.fitted_permittivity) is not None]
    rss = []
    for radio, sigma, permittivity in (
        (point.radio, theta, np.array(found) if found else None),
        (point.true_radio, truth.conductivity, truth.permittivity),
    ):
        objective = _held_out_setup(_Place.of(point.scene, radio))
        if permittivity is None:
            rss.append(objective.rss(sigma))
            continue
        each = [Materials(*x, point.scene.thickness) for x in zip(sigma, permittivity, strict=True)]
        rss.append(np.array([objective.levels({radio.frequency: x}, ()).rss for x in each]))
    there = (rss[0] > 0.0).all(axis=0) & (rss[1] > 0.0).all(axis=0)
    if not there.any():
        return np.full(len(theta), np.nan)
    true_rss = np.tile(rss[1][:, there], (len(theta) // len(truth.conductivity), 1))
    error = watts_to_dbm(rss[0][:, there] / true_rss) - 30.0
    # Row by row: added up together, other seeds would change the last bit.
    return np.array([np.sqrt(np.mean(each)) for each in np.ascontiguousarray(error**2)])


@dataclass(frozen=True)
class _Place:
    """Scene and radio of a held-out setup, equal to others of the same content."""

    scene_key: str
    bounds: bytes
    radio: RadioConfig
    scene: SceneModel = dataclasses.field(compare=False)

    @classmethod
    def of(cls, scene: SceneModel, radio: RadioConfig) -> _Place:
        return cls(scene.key, scene.bounds.tobytes(), radio, scene)


@functools.lru_cache(maxsize=HELD_OUT_KEPT)
def _held_out_setup(place: _Place) -> ReplayObjective:
    """Replays the paths of the setup that no fit has seen; all points of a place have the same."""
    from vlmrt_dist.field import ReplayObjective, trace

    fresh = random_campaign(place.scene, 1, HELD_OUT_RECEIVERS, seed=HELD_OUT_SEED)
    fresh = fresh.with_rss(np.zeros(fresh.present.shape))
    table = trace(place.scene, fresh, place.radio)
    return ReplayObjective(place.scene, fresh, place.radio, table)


def _keep(campaign: Campaign, heard: BoolArray) -> Campaign:
    kept = heard.any(axis=1)
    return dataclasses.replace(
        campaign,
        tx=campaign.tx[kept],
        rx=np.where(heard[..., None], campaign.rx, np.nan)[kept],
        rss_dbm=None,
        noise_db=0.0,
        present=heard[kept],
        censored=None,  # type: ignore[arg-type]  # none, as many as are kept
        saturated=None,  # type: ignore[arg-type]  # likewise
        frequency=None if campaign.frequency is None else campaign.frequency[kept],
    )
