"""Estimations in the cities bundled with Sionna, from campaigns in their streets.

Their buildings are two objects each, walls and roof, so that K is twice the number of buildings.
Most of them are far from the streets of a campaign and have to be called not identified.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign import Campaign, Height, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import KINDS, MIN_NOISE_DB, LinkLoss
from vlmrt_dist.placement import (
    AOptimal,
    CandidateOptions,
    DOptimal,
    Random,
    Strategy,
)
from vlmrt_dist.scene import SceneModel, bundled_scene, load_scene
from vlmrt_dist.store import SCHEMA_VERSION, Ledger, Place, Row, Timing
from vlmrt_dist.studies.benchmarks.cost_by_objects import in_own_process
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.point import Point, Protocol
from vlmrt_dist.studies.runs import run

HEADROOM = 20.0
"""Air above the highest roof [m]; antennas stand far below."""

OPTIMAL: dict[str, type[DOptimal | AOptimal]] = {"d_optimal": DOptimal, "a_optimal": AOptimal}

STRATEGIES = ("random", *OPTIMAL)

NUM_DRAWS, NUM_RESTARTS = 2, 1
"""Of the search for positions, which has many links to choose from here."""


@dataclass(frozen=True)
class Case:
    """One scene and one way to choose positions in it.

    :param scene: name of one of Sionna's scenes
    :param strategy: "random" (street positions as they fall), "d_optimal" or "a_optimal" (out of a
        pool of twice as many transmitters and four times as many receivers of each)
    :param num_setups: M
    :param num_receivers: N
    :param height: receivers above the ground [m]
    :param tx_height: transmitters above the ground [m]
    :param protocol: see :class:`~vlmrt_dist.studies.point.Point`
    :param noise_db: standard deviation of a level [dB]
    :param prior_width: standard deviation of ln σ before the measurement
    :param seeds: truths, each with noise of its own, at the same positions
    :param loss: of the residuals. A path that only one of truth and estimate has makes its link an
        outlier, and with squares it can draw an object away by a factor of 20
    :param position_seed: of the positions
    """

    scene: str
    strategy: str
    num_setups: int
    num_receivers: int
    height: Height
    tx_height: Height
    protocol: Protocol
    noise_db: float
    prior_width: float
    seeds: tuple[int, ...]
    loss: LinkLoss = "huber"
    position_seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ConfigurationError(
                f"unknown placement {self.strategy!r}; use one of " + ", ".join(STRATEGIES)
            )

    def __str__(self) -> str:
        size = f"M={self.num_setups} N={self.num_receivers}"
        return f"{self.scene} {self.strategy} {self.protocol}: {size}, {len(self.seeds)} seeds"


@dataclass(frozen=True, eq=False)
class CityTask:
    """A case to be surveyed in a process of its own.

    :param study: name of the study
    :param storage: where its rows go
    """

    case: Case
    radio: RadioConfig
    study: str
    storage: Place

    def __str__(self) -> str:
        return str(self.case)

    @property
    def key(self) -> str:
        """Content hash of what determines the rows."""
        return survey_key(self.case, self.radio)

    def measure(self) -> Timing:
        """The survey's timing; see :func:`survey`."""
        timing = in_own_process(survey, self.case, self.radio, self.study, self.storage)
        assert timing is not None  # it has no time limit
        return timing


@dataclass(frozen=True, eq=False)
class Surveyed:
    """A case that was surveyed.

    :param rows: one a seed
    """

    case: Case
    timing: Timing
    rows: list[Row]

    @classmethod
    def read(cls, case: Case, timing: Timing, ledger: Ledger) -> Surveyed:
        """The rows that a survey's timing names."""
        keys = json.loads(timing.label)["rows"]
        rows = ledger.read(timing.study, keys)
        return cls(case, timing, [rows[key] for key in keys])


@dataclass(frozen=True)
class Finding:
    """Results of one seed over the objects whose conductivity is not fixed.

    Relative errors are means over the objects; NaN where there are none.

    :param verdicts: number of objects with each verdict
    :param mre: of the objects that are estimated
    :param prior_mre: of the prior of the same objects
    :param seen_mre: of all objects seen, at the reported conductivities
    :param seen_prior_mre: of the prior of the same objects
    :param coverage: share of the objects seen whose truth lies in the 95 % interval
    :param num_seen: objects seen
    :param num_contradicting: objects whose prior the levels contradict, which the verdict says
    """

    verdicts: Counter[str]
    mre: float
    prior_mre: float
    seen_mre: float
    seen_prior_mre: float
    coverage: float
    num_seen: int
    num_contradicting: int


def city(name: str) -> SceneModel:
    """One of Sionna's scenes, with air above.

    :raises SceneError: if there is no such scene
    """
    return load_scene(bundled_scene(name), headroom=HEADROOM)


def survey_key(case: Case, radio: RadioConfig) -> str:
    """Content hash of what determines the rows of a case."""
    parts = [dataclasses.asdict(case), radio.key, HEADROOM, NUM_DRAWS, NUM_RESTARTS]
    text = json.dumps([parts, engine_versions(), SCHEMA_VERSION], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def survey(case: Case, radio: RadioConfig, study: str, storage: Place) -> Timing:
    """Choose positions in a scene, measure there, estimate; rows and timing go to the ledger.

    To be called in a process of its own, as the memory of the process is measured. The timing's
    label holds, beside scene and positions, the keys of the rows ("rows", one for each seed),
    "triangles", the links "planned", and the wall seconds of "positions" (candidates, their
    tracing, the choice) and of the "study" (the links' own paths, the truth's, kernels, fits). What
    the path cache holds is not traced again; ``seconds_trace`` is what it took when it was.

    :param radio: of the estimation, and of the pool of candidates
    :raises CampaignError: if no positions are found
    """
    begin = time.perf_counter()
    scene = city(case.scene)
    loaded = time.perf_counter()
    campaign = positions(case, scene, radio)
    chosen = time.perf_counter()
    point = Point(
        study,
        scene,
        campaign,
        radio,
        ("map",),
        "itu",
        case.protocol,
        case.seeds,
        {"scene": case.scene, "positions": case.strategy},
        noise_db=case.noise_db,
        prior_width=case.prior_width,
        loss=case.loss,
        held_out=False,
    )
    ledger = Ledger(storage)
    rows = run([point], ledger)
    done = time.perf_counter()
    first = rows[0]
    label = point.label | {
        "rows": list(point.row_keys),
        "triangles": sum(len(o.faces) for o in scene.objects),
        "planned": campaign.num_links,
        "positions_s": chosen - loaded,
        "study_s": done - chosen,
        "busy": os.getloadavg()[0],
    }
    timing = nothing_timed(
        study,
        survey_key(case, radio),
        json.dumps(label, sort_keys=True),
        "replay",
        radio,
        num_objects=scene.num_objects,
        num_setups=first.num_setups,
        num_links=first.num_links,
        num_paths=first.num_paths,
        seconds_scene=loaded - begin,
        seconds_trace=first.seconds_trace,
        seconds_fit=float(np.median([row.seconds_fit for row in rows])),
        iterations=int(np.median([row.iterations for row in rows])),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        outcome=" ".join(sorted({row.outcome for row in rows})),
    )
    ledger.publish_timings(study, [timing])
    return timing


def positions(case: Case, scene: SceneModel, radio: RadioConfig) -> Campaign:
    """M setups of N receivers in the street."""
    street = CandidateOptions(
        num_tx=2 * case.num_setups,
        num_rx=4 * case.num_receivers,
        num_draws=NUM_DRAWS,
        height=case.height,
        tx_height=case.tx_height,
    )
    strategy: Strategy = Random(street)
    if case.strategy in OPTIMAL:
        strategy = OPTIMAL[case.strategy](
            candidates=street,
            radio=radio,
            noise_db=max(case.noise_db, MIN_NOISE_DB),
            prior_width=case.prior_width,
            num_restarts=NUM_RESTARTS,
        )
    return strategy.place(scene, case.num_setups, case.num_receivers, seed=case.position_seed)


def seen_by(row: Row) -> BoolArray:
    """[K] the objects of unknown conductivity that some level depends on, however little."""
    free = np.array(row.verdict) != "fixed"
    return free & (np.array(row.crb) < KINDS["conductivity"].vague)


def finding(row: Row, prior: FloatArray) -> Finding:
    """Results of a row, compared with its truth.

    :param prior: [K] prior medians of the conductivities [S/m]
    """
    truth, stated = np.array(row.truth), np.array(row.conductivity)
    verdict = np.array(row.verdict)
    # A row holds where the fit ended; what is not identified is told as the prior.
    stated = np.where(verdict == "not_identified", prior, stated)
    inside = (np.array(row.low) <= truth) & (truth <= np.array(row.high))
    free = verdict != "fixed"
    sure, seen = verdict == "estimated", seen_by(row)

    def mean(values: FloatArray, which: BoolArray) -> float:
        return float(values[which].mean()) if which.any() else float("nan")

    error = np.abs(stated - truth) / np.where(free, truth, 1.0)
    before = np.abs(prior - truth) / np.where(free, truth, 1.0)
    return Finding(
        verdicts=Counter(row.verdict),
        mre=mean(error, sure),
        prior_mre=mean(before, sure),
        seen_mre=mean(error, seen),
        seen_prior_mre=mean(before, seen),
        coverage=mean(inside.astype(float), seen),
        num_seen=int(seen.sum()),
        num_contradicting=sum(row.contradicts_prior),
    )
