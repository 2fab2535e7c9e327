"""Weights of the minima of problems with several, beside long reference runs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.inference import (
    MOST_UNKNOWNS,
    LevenbergMarquardt,
    fit_least_squares,
    lattice_shares,
    louder,
    open_problem,
    particle_shares,
)
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.benchmarks.two_minima import TwoMinima
from vlmrt_dist.studies.point import content_key

WEIGHT_BOUND = 0.2
"""Largest share by which a weight may differ from its reference."""

Reference = Literal["lattice", "particles"]
"""Quadrature over all of the range, where there are few unknowns; else tempered particles."""

FINENESS = (1.0, 0.7)
"""Largest change of the residuals from the centre of a cell to its faces, in each quadrature."""

NEAR = 2.0
"""Minima whose cost exceeds the best one's by more are not compared."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the minima near the best one.

    :param name: of the problem
    :param width: of its prior on ln σ
    :param weight: [C] as the fit tells them
    :param reference: [R, C] shares of the posterior about them, in R runs
    :param by: what the reference was made by
    :param evaluations: of the fit
    :param seconds: processor time of the fit [s]
    """

    name: str
    width: float
    weight: FloatArray
    reference: FloatArray
    by: Reference
    evaluations: int
    seconds: float

    @property
    def ratio(self) -> FloatArray:
        """[C] weights over their references."""
        return self.weight / np.maximum(self.reference.mean(axis=0), 1e-12)

    @property
    def error(self) -> FloatArray:
        """[C] relative standard errors of the references."""
        runs = len(self.reference)
        spread = self.reference.std(axis=0, ddof=1) / np.sqrt(runs)
        return np.asarray(spread / np.maximum(self.reference.mean(axis=0), 1e-12))

    @staticmethod
    def of(timing: Timing) -> Weights:
        """Those that a row of the ledger holds in its label."""
        told = json.loads(timing.label)
        weight, reference = (np.array(told[name]) for name in ("weight", "reference"))
        return Weights(
            told["name"], float(told["width"]), weight, reference, told["by"],
            timing.iterations, timing.seconds_fit,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class WeightsTask:
    """One problem at one width of the prior.

    :param case: the problem
    :param width: prior standard deviation of ln σ; ``inf``: no prior
    :param count: particles of a reference, a power of two
    :param runs: references made of particles
    """

    case: TwoMinima
    width: float
    count: int
    runs: int

    def __str__(self) -> str:
        return f"{self.case.name}, prior {self.width:g}"

    @property
    def key(self) -> str:
        """Content hash of what is compared."""
        case = self.case
        parts = [
            case.name, case.scene.key, case.positions.key, self.width, self.count, self.runs,
            MOST_UNKNOWNS, FINENESS, engine_versions(), SCHEMA_VERSION,
        ]  # fmt: skip
        return content_key(parts)

    def measure(self, study: str) -> Timing:
        """The weights as a row of the ledger; its label holds them."""
        case = self.case
        campaign = case.measured()
        with open_problem(case.scene, campaign, case.assumptions(self.width)) as problem:
            begin = time.process_time()
            rng = np.random.default_rng(0)
            fit = fit_least_squares(problem, LevenbergMarquardt(), problem.prior.median, rng)
            seconds = time.process_time() - begin
            data = louder(problem.data, fit)
            cost = np.array([mode.cost for mode in fit.modes])
            near = np.flatnonzero(cost <= cost.min() + NEAR)
            by: Reference = "lattice" if len(fit.x) <= MOST_UNKNOWNS else "particles"
            of_fit = problem.predict, data, fit.modes
            if by == "lattice":
                shares = [lattice_shares(*of_fit, fineness) for fineness in FINENESS]
            else:
                seeds = range(1, self.runs + 1)
                shares = [particle_shares(*of_fit, self.count, seed) for seed in seeds]
            reference = np.array(shares)
        label = {
            "name": case.name, "width": self.width,
            "weight": [fit.modes[i].weight for i in near], "reference": reference[:, near].tolist(),
            "by": by,
        }  # fmt: skip
        return nothing_timed(
            study, self.key, json.dumps(label, sort_keys=True), "replay", case.radio,
            num_objects=case.scene.num_objects, num_setups=campaign.num_setups,
            num_links=campaign.num_links, num_paths=problem.evaluator.num_paths,
            seconds_fit=seconds, iterations=fit.evaluations, outcome="converged",
        )  # fmt: skip


def told_within(found: Sequence[Weights], within: float = WEIGHT_BOUND) -> tuple[int, int]:
    """Problems whose every weight lies within a share of its reference, and how many there are."""
    good = sum(bool((np.abs(each.ratio - 1.0) <= within).all()) for each in found)
    return good, len(found)
