"""Replay against tracing anew in every step, and other ways: seconds of a step and of a fit."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cores import usable_cores
from vlmrt_dist.field import Differentiable, PowerLoss, ValueAndGrad, perturbed, simulate
from vlmrt_dist.inference import (
    ADAMS,
    PRIOR_WIDTH,
    Adam,
    LeastSquares,
    LevenbergMarquardt,
    Parameters,
    Prior,
    estimate,
    levenberg_marquardt,
    mean_relative_error,
    prior_of,
    run_adam,
    unknowns_of,
)
from vlmrt_dist.placement import place, strategy_named
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import empty_cache
from vlmrt_dist.studies.benchmarks.engine_timing import median_seconds
from vlmrt_dist.units import watts_to_dbm

SOLVED = 1e-3
"""Mean relative error at which a method is there: 0.1 %."""

STEP = ADAMS["adam_fine"].rate
"""Adam's η [S/m]: with the paper's 1e-3 the error stays above 0.1 %."""

MOST_STEPS = 600
"""Steps after which a method is given up."""

NAMES = {
    "replay": "replay",
    "retrace": "retrace, setup by setup",
    "one_solve": "retrace, all setups in one solve",
    "usual_loop": "Sionna as its guides write it: all setups in one solve, mitsuba.ad.Adam",
}

_median = partial(median_seconds, warm_up=3)


class Ratio(NamedTuple):
    """One line of a table: ``ratio`` is to the line that ``to`` names."""

    table: str
    name: str
    seconds: float
    ratio: float = 1.0
    to: str = ""


class PhaseSeconds(NamedTuple):
    """Seconds of the phases of one estimation, its paths not yet known.

    :param name: which paths
    :param seconds: by phase [s]
    :param mre: relative error (17)
    """

    name: str
    num_paths: int
    seconds: dict[str, float]
    mre: float


class StepSeconds(NamedTuple):
    """Seconds at one depth D.

    :param retrace: a step by tracing anew
    :param replay: a step by replay
    :param tracing: one solve
    :param fit: Levenberg-Marquardt until the error is at most 0.1 %
    """

    depth: int
    retrace: float
    replay: float
    tracing: float
    fit: float


@dataclass(frozen=True, eq=False)
class Bench:
    """The room, positions and conductivities that everything is timed on.

    :param itu: initial conductivities [K] [S/m]
    :param truth: true ones [K] [S/m]
    :param steps: retrace steps that count
    :param progress: called with what is timed
    """

    room: SceneModel
    positions: Campaign
    itu: FloatArray
    truth: FloatArray
    steps: int
    progress: Progress | None = None

    @classmethod
    def paper(cls, steps: int, progress: Progress | None = None) -> Bench:
        """The paper's room, M = 3 and N = 8, at D-optimal positions."""
        room = box_room()
        strategy = strategy_named("d_optimal", RadioConfig.paper(max_depth=1))
        positions = place(strategy, room, 3, 8, seed=0)
        itu = room.conductivity(RadioConfig.paper().frequency)
        return cls(room, positions, itu, perturbed(itu, seed=0), steps, progress)

    def say(self, what: str) -> None:
        """Report what is timed."""
        if self.progress is not None:
            self.progress(what, 0, 0)

    @property
    def blank(self) -> Campaign:
        """The positions with levels that nothing depends on."""
        return self.positions.with_rss(np.zeros(self.positions.present.shape))

    def replay(self, radio: RadioConfig) -> Any:
        """Replay of the truth's own powers."""
        from vlmrt_dist.field import ReplayObjective, trace

        return self.own(ReplayObjective, radio, trace(self.room, self.positions, radio))

    def retrace(self, radio: RadioConfig) -> Any:
        """Retrace setup by setup, of the truth's own powers."""
        from vlmrt_dist.field import RetraceObjective

        return self.own(RetraceObjective, radio)

    def own(self, kind: Any, radio: RadioConfig, *more: Any) -> Any:
        """An objective of the powers that it has itself at the truth."""
        rss = kind(self.room, self.blank, radio, *more).rss(self.truth[None])
        return kind(self.room, self.blank, radio, *more, measured=rss)

    def one_solve(self, radio: RadioConfig) -> Any:
        """Retrace with all setups in one solve."""
        from vlmrt_dist.studies.benchmarks.baselines import OneSolve

        return OneSolve(self.room, self.positions, radio, self.truth)

    def usual_loop(self, radio: RadioConfig) -> Any:
        """The loop of Sionna's guides."""
        from vlmrt_dist.studies.benchmarks.baselines import UsualLoop

        return UsualLoop(self.room, self.positions, radio, self.truth, self.itu, STEP)

    def step_seconds(self, name: str, radio: RadioConfig) -> float:
        """Median seconds of a step, with the better of one and all threads.

        :param name: one of :data:`NAMES`
        """
        import drjit as dr

        best = np.inf
        for threads in sorted({1, usable_cores()}):
            dr.set_thread_count(threads)
            # One after another, and each alone: Dr.Jit compiles the materials of every scene that
            # is alive into every kernel, which would make retrace slower than it is.
            gc.collect()
            contender = getattr(self, name)(radio)
            work = contender.step if name == "usual_loop" else step_of(contender, self.itu)
            best = min(best, _median(work, self.steps * (200 if name == "replay" else 1)))
            del contender, work
        return best


def step_of(objective: Differentiable, itu: FloatArray) -> Callable[[], Any]:
    """Value and gradient, each time at other conductivities."""
    random = np.random.default_rng(0)
    return lambda: objective.value_and_grad(itu[None] * (1.0 + 1e-3 * random.random()))


def time_steps(bench: Bench, depth: int) -> list[Ratio]:
    """A step by each way, one solve of 5000 rays."""
    radio = RadioConfig.paper(max_depth=depth)
    title = f"value and gradient, D = {depth}, 5000 rays"
    seconds = {}
    for name, words in NAMES.items():
        seconds[name] = bench.step_seconds(name, radio)
        bench.say(f"{title}: {words} timed")
    return [Ratio(title, NAMES[n], s, s / seconds["replay"], "replay") for n, s in seconds.items()]


def time_every_path(bench: Bench, depth: int) -> list[Ratio]:
    """Replay of every path, against retrace of what 5000 rays find of them."""
    radio, exact = RadioConfig.paper(max_depth=depth), RadioConfig(max_depth=depth)
    title = f"value and gradient, D = {depth}"
    least = bench.step_seconds("replay", exact)
    results = [Ratio(title, "replay, every path", least, 1.0, "itself")]
    for name in ("replay", "retrace", "one_solve"):
        seconds = bench.step_seconds(name, radio)
        results.append(Ratio(title, f"{NAMES[name]}, 5000 rays", seconds, seconds / least,
                             "replay of every path"))  # fmt: skip
    return results


def time_solving(bench: Bench, depth: int) -> list[Ratio]:
    """From the ITU values until the error is at most 0.1 %, each really run."""
    radio = RadioConfig.paper(max_depth=depth)
    title = f"from the ITU values to MRE 0.1 %, D = {depth}, paths at hand"
    runs = {"Levenberg-Marquardt by replay": _least_squares(bench, bench.replay(radio))}
    for name in ("replay", "retrace", "one_solve"):
        gc.collect()
        runs[f"Adam, η = 1e-4, by {NAMES[name]}"] = _adam(bench, getattr(bench, name)(radio))
        bench.say(f"{title}: {NAMES[name]} is there")
    gc.collect()
    loop = bench.usual_loop(radio)
    count, begin = 0, time.perf_counter()
    while mean_relative_error(loop.theta, bench.truth) > SOLVED and count < MOST_STEPS:
        loop.step()
        count += 1
    runs[NAMES["usual_loop"]] = count, time.perf_counter() - begin
    return _runs(title, runs)


def time_side_by_side(bench: Bench, depth: int, counts: Sequence[int]) -> list[Ratio]:
    """An iteration of one of many parameter vectors side by side.

    :param counts: numbers of parameter vectors, the first to compare with
    """
    from vlmrt_dist.field import ReplayObjective, trace

    radio, title = (
        RadioConfig.paper(max_depth=depth),
        f"Adam, D = {depth}, an iteration of one seed",
    )
    table = trace(bench.room, bench.positions, radio)
    single = ReplayObjective(bench.room, bench.blank, radio, table)
    results: list[Ratio] = []
    least = np.nan
    for count in counts:
        truth = np.array([perturbed(bench.itu, seed) for seed in range(count)])
        measured = single.rss(truth)
        batch = ReplayObjective(bench.room, bench.blank, radio, table, measured=measured)
        start = np.tile(bench.itu, (count, 1))
        seconds = _median(partial(run_adam, batch, start, Adam(max_iterations=100)), 3)
        seconds /= 100 * count
        least = seconds if not results else least
        results.append(Ratio(title, f"{count} side by side", seconds, seconds / least, "alone"))
    return results


def time_differt(bench: Bench, depth: int) -> list[Ratio]:
    """Reflections alone, where DiffeRT is installed."""
    from vlmrt_dist.field import ReplayObjective, trace
    from vlmrt_dist.paths import TRANSMISSION
    from vlmrt_dist.studies.benchmarks.baselines import DiffeRT

    radio, steps = RadioConfig(max_depth=depth), 20 * bench.steps
    try:
        other = DiffeRT(bench.room, bench.positions, radio, bench.truth)
    except ImportError:
        bench.say("DiffeRT is not installed (pip install .[bench]), so it is not compared")
        return []
    found = trace(bench.room, bench.positions, radio)
    table = found.rows(np.flatnonzero(~(found.kind == TRANSMISSION).any(axis=1)))
    replay = bench.own(ReplayObjective, radio, table)
    apart = np.abs(other.rss(bench.itu[None]) / replay.rss(bench.itu[None]) - 1.0).max()
    one, two = (o.value_and_grad(bench.itu[None]).gradient.sum(axis=1) for o in (other, replay))
    slope = np.abs(one - two).max() / np.abs(two).max()
    bench.say(
        f"DiffeRT finds {other.num_paths} reflected paths (we {table.num_paths}); received powers "
        f"differ by {apart:.0e} at most, gradients by {slope:.0e} of the largest"
    )
    title = f"reflections, D = {depth}"
    times = {
        "replay: value and gradient": _median(step_of(replay, bench.itu), steps),
        "DiffeRT: value and gradient on paths that it keeps, compiled": _median(
            step_of(other, bench.itu), steps
        ),
        "DiffeRT: exhaustive tracing": _median(other.trace, max(3, steps // 60)),
    }
    first = next(iter(times))
    results = [Ratio(title, n, s, s / times[first], first) for n, s in times.items()]
    contenders: list[tuple[str, Differentiable]] = [("replay", replay), ("DiffeRT", other)]
    runs = {f"Adam, η = 1e-4, by {n}": _adam(bench, o) for n, o in contenders}
    least = {"Levenberg-Marquardt by replay": _least_squares(bench, replay)}
    return results + _runs(f"{title}, from the ITU values to MRE 0.1 %", least | runs)


def time_phases(bench: Bench, depths: Sequence[int]) -> list[PhaseSeconds]:
    """Phases of whole estimations, kernels compiled before.

    :param depths: D of each exact path set; the first also with one solve of 5000 rays
    """
    cases = [(RadioConfig.paper(max_depth=depths[0]), "one solve of 5000 rays")]
    cases += [(RadioConfig(max_depth=depth), "every path") for depth in depths]
    results = []
    for radio, words in cases:
        with empty_cache():
            campaign = simulate(bench.room, bench.positions, conductivity=bench.truth, radio=radio)
        with empty_cache():
            solver = LevenbergMarquardt(folds=0)
            found = estimate(
                bench.room, campaign, radio=radio, prior=Prior(PRIOR_WIDTH), solver=solver
            )
        error = found.relative_error(bench.truth)
        name = f"D = {radio.max_depth}, {words}"
        results.append(PhaseSeconds(name, found.num_paths, dict(found.seconds), error))
    return results


def time_depths(bench: Bench, depths: Sequence[int]) -> list[StepSeconds]:
    """Seconds at each depth, one solve of 5000 rays."""
    results = []
    for depth in depths:
        radio = RadioConfig.paper(max_depth=depth)
        retrace, step = (bench.step_seconds(name, radio) for name in ("retrace", "replay"))
        gc.collect()
        with empty_cache():
            begin = time.perf_counter()
            replay = bench.replay(radio)
            tracing = time.perf_counter() - begin
        _, fit = _least_squares(bench, replay)
        results.append(StepSeconds(depth, retrace, step, tracing, fit))
    return results


def _runs(title: str, runs: dict[str, tuple[int, float]]) -> list[Ratio]:
    first = next(iter(runs))
    return [
        Ratio(title, f"{name}: {count} steps" + (", not there" if count >= MOST_STEPS else ""),
              seconds, seconds / runs[first][1], first)
        for name, (count, seconds) in runs.items()
    ]  # fmt: skip


def _adam(bench: Bench, objective: Differentiable) -> tuple[int, float]:
    """Steps of Adam until the error is at most 0.1 %, and their seconds, kernels warm."""
    objective.value_and_grad(bench.itu[None])
    watched = _Watched(objective, bench.truth)
    begin = time.perf_counter()
    with suppress(_Solved):
        run_adam(watched, bench.itu[None], Adam(STEP, max_iterations=MOST_STEPS))
    return watched.steps, time.perf_counter() - begin


class _Solved(Exception):
    """The error is small enough."""


class _Watched:
    """An objective that ends the optimization once the error is at most 0.1 %."""

    def __init__(self, objective: Differentiable, truth: FloatArray) -> None:
        self._objective, self._truth = objective, truth
        self.steps = 0

    def value_and_grad(self, theta: FloatArray, loss: PowerLoss = "nae") -> ValueAndGrad:
        if mean_relative_error(theta[0], self._truth) <= SOLVED:
            raise _Solved
        self.steps += 1
        return self._objective.value_and_grad(theta, loss)


def _least_squares(bench: Bench, objective: Any) -> tuple[int, float]:
    """Evaluations of Levenberg-Marquardt without a prior until the error is at most 0.1 %, and
    their share of the median seconds of a whole fit, which goes on to 1e-12."""
    radio = RadioConfig.paper()
    level = watts_to_dbm(objective.rss(bench.truth[None])[0]).ravel()
    prior = prior_of(bench.room, radio, Prior(np.inf))
    asked = unknowns_of(bench.room, bench.blank, radio, prior, Parameters())
    data = LeastSquares(
        level, np.full(level.shape, 1e-3), np.ones(level.shape, bool), asked.mean, np.inf,
        asked.low, asked.high,
    )  # fmt: skip
    predict = asked.predict(objective)
    fit = levenberg_marquardt(predict, data, asked.mean[None])
    seconds = _median(lambda: levenberg_marquardt(predict, data, asked.mean[None]), 20)
    errors = [mean_relative_error(np.exp(x), bench.truth) for x in fit.path]
    count = next((i for i, e in enumerate(errors, 1) if e <= SOLVED), MOST_STEPS)
    return count, seconds * count / fit.evaluations
