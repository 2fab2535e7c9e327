"""Estimations per second, side by side and one after another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import perturbed
from vlmrt_dist.inference import (
    Adam,
    AdamResult,
    Assumptions,
    ConductivityPrior,
    Evaluator,
    Prior,
    build_problem,
    mean_relative_error,
    run_adam,
)
from vlmrt_dist.placement import place, strategy_named
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import SCHEMA_VERSION, Timing
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.evaluation import hardware
from vlmrt_dist.studies.methods import MethodFit, run_method
from vlmrt_dist.studies.point import Method, Point
from vlmrt_dist.units import watts_to_dbm


@dataclass(frozen=True, eq=False)
class Batch:
    """Truths of the paper's room on one path set, from which estimations of many seeds are timed.

    :param iterations: iterations of Adam
    :param depth: most interactions of a path
    :param most: seeds that there are
    """

    iterations: int
    depth: int
    most: int

    @cached_property
    def room(self) -> SceneModel:
        """The paper's room, K = 9."""
        return box_room()

    @cached_property
    def radio(self) -> RadioConfig:
        """One solve of 5000 rays."""
        return RadioConfig.paper(max_depth=self.depth)

    @cached_property
    def positions(self) -> Campaign:
        """D-optimal positions, M = 3, N = 8."""
        strategy = strategy_named("d_optimal", RadioConfig.paper(max_depth=1))
        return place(strategy, self.room, 3, 8, seed=0)

    @cached_property
    def table(self) -> Any:
        """The traced paths."""
        from vlmrt_dist.field import trace

        return trace(self.room, self.positions, self.radio)

    def traced(self) -> Batch:
        """Itself, once its positions are chosen and traced."""
        assert self.table.num_paths >= 0
        return self

    @cached_property
    def itu(self) -> FloatArray:
        """[K] initial conductivities [S/m]."""
        return self.room.conductivity(self.radio.frequency)

    @cached_property
    def truth(self) -> FloatArray:
        """[S, K] true conductivities [S/m]."""
        return np.array([perturbed(self.itu, seed) for seed in range(self.most)])

    @cached_property
    def rss(self) -> FloatArray:
        """[S, M, N] received powers [W]."""
        return self.objective(None).rss(self.truth)

    def objective(self, measured: FloatArray | None) -> Any:
        """Replay of the paths; ``measured`` are powers [S, M, N] [W]."""
        from vlmrt_dist.field import ReplayObjective

        blank = self.positions.with_rss(np.zeros(self.positions.present.shape))
        return ReplayObjective(self.room, blank, self.radio, self.table, measured=measured)

    def side_by_side(self, seeds: slice) -> tuple[AdamResult, float]:
        """Adam of some seeds in one kernel, and its seconds."""
        batch = self.objective(self.rss[seeds])
        start = np.tile(self.itu, (len(self.truth[seeds]), 1))
        run_adam(batch, start, Adam(max_iterations=2))  # compiles
        begin = time.perf_counter()
        result = run_adam(batch, start, Adam(max_iterations=self.iterations))
        return result, time.perf_counter() - begin

    def in_turn(self, count: int) -> tuple[list[MethodFit], float]:
        """Levenberg-Marquardt of some seeds, one after another, and its seconds."""
        point = Point("", self.room, self.positions, self.radio, ("levenberg_marquardt",), "itu",
                      "same_paths", seeds=(0,))  # fmt: skip
        size = len(self.itu)
        none = ConductivityPrior(self.itu, np.full(size, np.inf), np.ones(size, bool))
        evaluator = Evaluator(self.objective(self.rss[:1]))
        assumed = Assumptions(self.radio, Prior(np.inf), noise=point.noise)
        problems = [
            build_problem(self.room, self.positions.with_rss(watts_to_dbm(each)), assumed,
                          evaluator, none)
            for each in self.rss[:count]
        ]  # fmt: skip
        start = np.tile(self.itu, (count, 1))
        begin = time.perf_counter()
        fits = run_method("levenberg_marquardt", range(count), problems, start, self.truth[:count])
        return fits, time.perf_counter() - begin

    def same_alone(self, some: int, alone: int) -> str:
        """Comparison of seeds that run alone with the same ones side by side, in a sentence.

        :param some: seeds side by side
        :param alone: seeds of them that are run again
        """
        together, _ = self.side_by_side(slice(0, some))
        picked = np.linspace(0, some - 1, min(alone, some)).astype(int)
        same = all(
            np.array_equal(one.path[:, 0], together.path[: len(one.path), s], equal_nan=True)
            for s in picked
            for one in [self.side_by_side(slice(s, s + 1))[0]]
        )
        bits = "have the same bits at every iteration" if same else "DIFFER from what they are"
        return f"{len(picked)} seeds, run alone, {bits} among {some} side by side"


@dataclass(frozen=True, eq=False)
class TimedSeeds:
    """Estimations of some seeds by one method, to be timed.

    :param study: name of the study
    :param count: seeds S
    """

    study: str
    method: Method
    count: int
    batch: Batch

    def __str__(self) -> str:
        return f"{self.method} S={self.count}"

    @property
    def label(self) -> str:
        """JSON object of method and seeds."""
        return json.dumps({"optimizer": self.method, "seeds": self.count})

    @property
    def key(self) -> str:
        """Content hash of what is timed, on which hardware."""
        batch = self.batch
        text = json.dumps([self.label, batch.iterations, batch.radio.key, batch.table.key,
                           hardware(), json.dumps(engine_versions()), SCHEMA_VERSION])  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()

    def measure(self) -> Timing:
        """Estimate, and state the seconds of all seeds together."""
        batch, table = self.batch, self.batch.table
        if self.method == "adam":
            result, seconds = batch.side_by_side(slice(0, self.count))
            theta, steps = result.theta, batch.iterations
        else:
            fits, seconds = batch.in_turn(self.count)
            theta = np.array([fit.theta for fit in fits])
            steps = int(np.median([fit.iterations for fit in fits]))
        error = [mean_relative_error(*pair) for pair in zip(theta, batch.truth, strict=False)]
        one = nothing_timed(
            self.study, self.key, self.label, "replay", batch.radio,
            num_objects=table.num_objects, num_setups=table.num_setups,
            num_links=table.num_setups * table.num_receivers, num_paths=table.num_paths,
            seconds_trace=float(table.seconds.sum()),
        )  # fmt: skip
        return dataclasses.replace(
            one, seconds_fit=seconds, iterations=steps, mre=float(np.median(error))
        )
