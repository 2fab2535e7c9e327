"""How often the intervals that go with each verdict hold the truth.

Truths are drawn from the prior that the estimator is given, within the range searched, and levels
from the noise that it is told; so the intervals should hold 95 %. The paths of a case are traced
once.
"""

from __future__ import annotations

import json
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy.stats

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.inference import (
    Assumptions,
    LevenbergMarquardt,
    Marginals,
    Noise,
    Parameters,
    Prior,
    Problem,
    Quantity,
    fit_least_squares,
    marginals,
    open_problem,
)
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.benchmarks.two_minima import two_minima_problems
from vlmrt_dist.studies.point import content_key

ROUGH_SHARE, ROUGH_XPD, ROUGH_WIDTH, ROUGH_NOISE_DB = 0.3, 0.1, 0.5, 0.05
"""Prior medians of S and K_x in the room that scatters, standard deviation of ln σ, noise [dB]."""

ROUGH_CAMPAIGNS = 2
"""Sets of random positions in that room."""

FLOOR_DBM = -120.0
"""Floor of the receivers: behind a partition of metal nothing can be measured."""


@dataclass(frozen=True, eq=False)
class CoverageCase:
    """A problem whose truths are drawn.

    :param name: of the problem
    :param group: cases of one group are counted together
    """

    name: str
    group: str
    scene: SceneModel
    campaign: Campaign
    assumed: Assumptions


def coverage_cases(
    widths: Sequence[float], noises_db: Sequence[float], room_positions: Campaign
) -> list[CoverageCase]:
    """The twenty problems with two minima at each prior width, the paper's room at each noise, and
    the room with surfaces that scatter by unknown S and K_x.

    :param widths: prior standard deviations of ln σ
    :param noises_db: of the levels of the room [dB]; its prior is the default one
    :param room_positions: where the room is measured
    """
    cases = []
    for problem in two_minima_problems():
        blank = problem.positions.with_rss(np.zeros(problem.positions.present.shape))
        for width in widths:
            assumed = problem.assumptions(width)
            group = f"two minima, prior {width:g}"
            cases.append(CoverageCase(problem.name, group, problem.scene, blank, assumed))
    room = box_room()
    blank = room_positions.with_rss(np.zeros(room_positions.present.shape))
    for noise in noises_db:
        assumed = Assumptions(RadioConfig(), Prior(), noise=Noise(db=noise))
        cases.append(CoverageCase("box_room", f"room, {noise:g} dB", room, blank, assumed))
    return cases + rough_cases()


def rough_cases() -> list[CoverageCase]:
    """The paper's room with surfaces that scatter: σ, S and K_x of each class of materials are
    unknown, at 3 × 20 links."""
    size = box_room().num_objects
    room = box_room().with_materials(
        scattering_coefficient=np.full(size, ROUGH_SHARE), xpd_coefficient=np.full(size, ROUGH_XPD)
    )
    radio = RadioConfig(max_depth=1, diffuse_reflection=True, scattering_points=100)
    unknown: tuple[Quantity, ...] = ("conductivity", "scattering_coefficient", "xpd_coefficient")
    assumed = Assumptions(
        radio, Prior(ROUGH_WIDTH), Parameters(unknown, groups="material"), Noise(db=ROUGH_NOISE_DB)
    )
    cases = []
    for seed in range(ROUGH_CAMPAIGNS):
        positions = random_campaign(room, 3, 20, seed=seed)
        blank = positions.with_rss(np.zeros(positions.present.shape))
        cases.append(CoverageCase(f"rough_room_{seed}", "rough room", room, blank, assumed))
    return cases


class Tally(NamedTuple):
    """Answers with one verdict.

    :param answers: how many
    :param missed: of how many of them no interval holds the truth
    """

    answers: int
    missed: int

    @property
    def share(self) -> float:
        """Share that is missed."""
        return self.missed / self.answers if self.answers else float("nan")

    @property
    def ends(self) -> tuple[float, float]:
        """95 % interval of that share (Clopper and Pearson), as if answers were independent."""
        if self.answers == 0:
            return 0.0, 1.0
        found = scipy.stats.binomtest(self.missed, self.answers).proportion_ci(0.95)
        return float(found.low), float(found.high)


Tallies = dict[str, Tally]
"""Answers by verdict."""


@dataclass(frozen=True, eq=False)
class CoverageTask:
    """Draws of one case.

    :param draws: how many truths
    :param first: number of the first of them, which seeds it
    """

    case: CoverageCase
    draws: int
    first: int = 0

    def __str__(self) -> str:
        return f"{self.case.name}, {self.case.group}: {self.draws} truths"

    @property
    def key(self) -> str:
        """Content hash of what is counted."""
        case = self.case
        parts = [
            case.name, case.group, case.scene.key, case.campaign.key, case.assumed.radio.key,
            self.draws, self.first, engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return content_key(parts)

    def tallies(self) -> dict[str, Tallies]:
        """Answers by verdict: of all unknowns ("all"), and of each quantity where several are
        unknown."""
        count: Counter[tuple[str, str]] = Counter()
        missed: Counter[tuple[str, str]] = Counter()
        case = self.case
        own = zlib.crc32(f"{case.name} {case.group}".encode())  # other truths for each case
        with open_problem(case.scene, case.campaign, case.assumed) as problem:
            for seed in range(self.first, self.first + self.draws):
                rng = np.random.default_rng([seed, own])
                truth = draw_truth(problem, rng)
                found = answer(problem, truth, rng)
                for k in np.flatnonzero(told(problem)).tolist():
                    wrong = not holds(found, problem, k, float(truth[k]))
                    for of in ("all", problem.unknowns.quantity[k]):
                        count[of, found.verdict[k]] += 1
                        missed[of, found.verdict[k]] += wrong
        tallies: dict[str, Tallies] = {}
        for (of, verdict), number in count.items():
            tallies.setdefault(of, {})[verdict] = Tally(number, missed[of, verdict])
        return tallies if len(tallies) > 2 else {"all": tallies.get("all", {})}

    def measure(self, study: str) -> Timing:
        """The tallies as a row of the ledger; its label holds them."""
        begin = time.perf_counter()
        found = self.tallies()
        label = {"group": self.case.group, "case": self.case.name, "tallies": found.pop("all")}
        if found:
            label["quantities"] = found
        return nothing_timed(
            study, self.key, json.dumps(label, sort_keys=True), "replay", self.case.assumed.radio,
            num_objects=self.case.scene.num_objects, num_setups=self.case.campaign.num_setups,
            num_links=self.case.campaign.num_links, num_paths=0,
            seconds_fit=(time.perf_counter() - begin) / self.draws, iterations=self.draws,
            outcome="converged",
        )  # fmt: skip


def told(problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """[X] the unknowns whose answers are counted: all but offsets, which are no material."""
    return np.array([quantity != "gain" for quantity in problem.unknowns.quantity])


def draw_truth(problem: Problem, rng: np.random.Generator) -> FloatArray:
    """[X] a draw from the prior within the range searched."""
    unknowns = problem.unknowns
    width = np.minimum(unknowns.width, unknowns.vague)
    low, high = (unknowns.low - unknowns.mean) / width, (unknowns.high - unknowns.mean) / width
    drawn = scipy.stats.truncnorm.rvs(
        low, high, unknowns.mean, width, size=len(width), random_state=rng
    )
    return np.asarray(drawn, np.float64)


def answer(problem: Problem, truth: FloatArray, rng: np.random.Generator) -> Marginals:
    """Intervals and verdicts from levels of a truth [X] with noise, and with a floor."""
    level, _ = problem.predict(truth)
    measured = level + problem.data.noise_db * rng.standard_normal(len(level))
    measured = np.where(problem.data.used, measured, problem.data.level_dbm)
    hidden = problem.data.used & ~(measured > FLOOR_DBM)
    measured = np.where(hidden, FLOOR_DBM, measured)
    data = replace(problem.data, level_dbm=measured, censored=hidden)
    posed = replace(problem, data=data)
    fit = fit_least_squares(posed, LevenbergMarquardt(folds=0), problem.prior.median, rng)
    return marginals(fit, problem.unknowns)


def holds(found: Marginals, problem: Problem, k: int, truth: float) -> bool:
    """Whether an interval of one unknown holds the truth; that of what is not identified is the
    prior's."""
    if found.verdict[k] == "not_identified":
        unknowns = problem.unknowns
        width = min(unknowns.width[k], unknowns.vague[k])
        return bool(abs(truth - unknowns.mean[k]) <= 1.959964 * width)
    if not found.parts[k]:
        return bool(found.low[k] <= truth <= found.high[k])
    return any(part.low <= truth <= part.high for part in found.parts[k])


def counted(timings: Sequence[Timing]) -> dict[str, Tallies]:
    """Tallies of all cases of each group, by verdict; and those of each quantity where a group has
    several."""
    groups: dict[str, Tallies] = {}
    for timing in timings:
        label = json.loads(timing.label)
        parts = {label["group"]: label["tallies"]}
        for quantity, tallies in label.get("quantities", {}).items():
            parts[f"{label['group']}, {quantity.replace('_', ' ')}"] = tallies
        for name, tallies in parts.items():
            group = groups.setdefault(name, {})
            for verdict, (number, missed) in tallies.items():
                before = group.get(verdict, Tally(0, 0))
                group[verdict] = Tally(before.answers + number, before.missed + missed)
    return groups


def held(tallies: Tallies) -> Tally:
    """Answers of all verdicts together."""
    return Tally(*(sum(column) for column in zip(*tallies.values(), strict=True)))
