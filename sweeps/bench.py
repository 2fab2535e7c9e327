#!/usr/bin/env python3
"""How fast is replay, against tracing anew in every step? All in one run, medians and ratios.

The paper's configuration: K = 9, M = 3, N = 8, 5000 rays. Retrace is written as well as it can be:
opaque parameters, warm kernels, no compilation in the steps that count, the better of one and all
threads; setup by setup as in the paper's Algorithm 1, and all setups in one solve. Beside it stands
the loop that Sionna's guides write, with Mitsuba's Adam.

DiffeRT, another differentiable ray tracer, reflects but does not pass through walls. Where it is
installed (pip install .[bench]) it is compared on the reflections alone, D = 2.
"""

import gc
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

import vlmrt_dist as vd
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.engine import prepare_engine
from vlmrt_dist.field import Differentiable, perturbed
from vlmrt_dist.inference import (
    ADAMS,
    Adam,
    LeastSquares,
    LevenbergMarquardt,
    Parameters,
    Prior,
    levenberg_marquardt,
    mean_relative_error,
    prior_of,
    run_adam,
    unknowns_of,
)
from vlmrt_dist.report import HARDWARE, TABLE_1
from vlmrt_dist.store import empty_cache, results_place
from vlmrt_dist.studies import STORAGE_HELP, hardware, median_seconds
from vlmrt_dist.units import watts_to_dbm

SOLVED = 1e-3
"""Mean relative error at which a method is there: 0.1 %."""

STEP = ADAMS["adam_fine"].rate
"""Adam's η [S/m]: with the paper's 1e-3 the error stays above 0.1 %."""

GIVEN_UP = 600
_median = partial(median_seconds, warm_up=3)
RANDOM = np.random.default_rng(0)


class Result(NamedTuple):
    """One line of a table: ``ratio`` is to the line that ``to`` names."""

    table: str
    name: str
    seconds: float
    ratio: float = 1.0
    to: str = ""


def main(
    steps: Annotated[int, typer.Option(min=3, help="Retrace steps that count.")] = 15,
    quick: Annotated[bool, typer.Option("--quick", help="One step at D = 4 only.")] = False,
    storage: Annotated[str | None, typer.Option(help=STORAGE_HELP)] = None,
) -> None:
    """Time replay against retrace and print the ratios."""
    prepare_engine()
    import drjit as dr

    room = vd.box_room()
    positions = vd.place(vd.DOptimal(radio=vd.RadioConfig.paper(max_depth=1)), room, 3, 8, seed=0)
    itu = room.conductivity(vd.RadioConfig.paper().frequency)
    case = Case(room, positions, itu, perturbed(itu, seed=0))
    results = _steps(case, 4, steps)
    if not quick:
        results += _deep(case, steps)
        dr.set_thread_count(os.cpu_count() or 1)
        results += _solving(case) + _many(case) + _differt(case, 20 * steps)
    show(f"K = 9, M = 3, N = 8 on {hardware()}")
    for title in dict.fromkeys(r.table for r in results):
        show(_table(title, [r for r in results if r.table == title]))
    if not quick:
        show(*_shares(case), *_beside_the_paper(case, steps))
    path = results_place(storage) / "bench.json"
    path.write((json.dumps([r._asdict() for r in results], indent=2) + "\n").encode())
    show(f"written to {path}")


class Case(NamedTuple):
    """What everything here is timed on: ``itu`` and ``truth`` are conductivities [K] [S/m]."""

    room: vd.SceneModel
    positions: vd.Campaign
    itu: FloatArray
    truth: FloatArray

    @property
    def blank(self) -> vd.Campaign:
        """The positions with levels that nothing depends on."""
        return self.positions.with_rss(np.zeros(self.positions.present.shape))

    def replay(self, radio: vd.RadioConfig) -> Any:
        """Replay of the truth's own powers."""
        from vlmrt_dist.field import ReplayObjective, trace

        return self.own(ReplayObjective, radio, trace(self.room, self.positions, radio))

    def retrace(self, radio: vd.RadioConfig) -> Any:
        """Retrace setup by setup, of the truth's own powers."""
        from vlmrt_dist.field import RetraceObjective

        return self.own(RetraceObjective, radio)

    def own(self, kind: Any, radio: vd.RadioConfig, *more: Any) -> Any:
        """An objective of the powers that it has itself at the truth."""
        rss = kind(self.room, self.blank, radio, *more).rss(self.truth[None])
        return kind(self.room, self.blank, radio, *more, measured=rss)

    def one_solve(self, radio: vd.RadioConfig) -> Any:
        """Retrace with all setups in one solve."""
        from vlmrt_dist.studies import OneSolve

        return OneSolve(self.room, self.positions, radio, self.truth)

    def usual_loop(self, radio: vd.RadioConfig) -> Any:
        """The loop of Sionna's guides."""
        from vlmrt_dist.studies import UsualLoop

        return UsualLoop(self.room, self.positions, radio, self.truth, self.itu, STEP)


NAMES = {
    "replay": "replay",
    "retrace": "retrace, setup by setup",
    "one_solve": "retrace, all setups in one solve",
    "usual_loop": "Sionna as its guides write it: all setups in one solve, mitsuba.ad.Adam",
}


def _steps(case: Case, depth: int, steps: int) -> list[Result]:
    """A step by each, one solve of 5000 rays."""
    radio = vd.RadioConfig.paper(max_depth=depth)
    title = f"value and gradient, D = {depth}, 5000 rays"
    seconds = {}
    for name in NAMES:
        seconds[name] = _step_seconds(case, name, radio, steps)
        say(f"{title}: {NAMES[name]} timed")
    return [Result(title, NAMES[n], s, s / seconds["replay"], "replay")
            for n, s in seconds.items()]  # fmt: skip


def _deep(case: Case, steps: int) -> list[Result]:
    """D = 6: replay of the complete path set, against retrace of what 5000 rays find of it."""
    radio = vd.RadioConfig.paper(max_depth=6)
    complete = vd.RadioConfig(max_depth=6)
    title = "value and gradient, D = 6"
    least = _step_seconds(case, "replay", complete, steps)
    results = [Result(title, "replay, complete path set", least, 1.0, "itself")]
    for name in ("replay", "retrace", "one_solve"):
        seconds = _step_seconds(case, name, radio, steps)
        results.append(Result(title, f"{NAMES[name]}, 5000 rays", seconds, seconds / least,
                              "replay of the complete set"))  # fmt: skip
    return results


def _step_seconds(case: Case, name: str, radio: vd.RadioConfig, steps: int) -> float:
    """Median seconds of a step, with the better of one and all threads."""
    import drjit as dr

    best = np.inf
    for threads in sorted({1, os.cpu_count() or 1}):
        dr.set_thread_count(threads)
        # One after another, and each alone: Dr.Jit compiles the materials of every scene that is
        # alive into every kernel, which would make retrace slower than it is.
        gc.collect()
        contender = getattr(case, name)(radio)
        work = contender.step if name == "usual_loop" else _step(contender, case.itu)
        best = min(best, _median(work, steps * (200 if name == "replay" else 1)))
        del contender, work
    return best


def _step(objective: Differentiable, itu: FloatArray) -> Callable[[], Any]:
    return lambda: objective.value_and_grad(itu[None] * (1.0 + 1e-3 * RANDOM.random()))


def _solving(case: Case) -> list[Result]:
    """From the ITU values until the error is at most 0.1 %, each really run."""
    radio, title = vd.RadioConfig.paper(), "from the ITU values to MRE 0.1 %, D = 4, paths at hand"
    runs = {"Levenberg-Marquardt by replay": _least_squares(case, case.replay(radio))}
    for name in ("replay", "retrace", "one_solve"):
        gc.collect()
        runs[f"Adam, η = 1e-4, by {NAMES[name]}"] = _adam(case, getattr(case, name)(radio))
        say(f"{title}: {NAMES[name]} is there")
    gc.collect()
    loop = case.usual_loop(radio)
    count, begin = 0, time.perf_counter()
    while mean_relative_error(loop.theta, case.truth) > SOLVED and count < GIVEN_UP:
        loop.step()
        count += 1
    runs[NAMES["usual_loop"]] = count, time.perf_counter() - begin
    return _runs(title, runs)


def _runs(title: str, runs: dict[str, tuple[int, float]]) -> list[Result]:
    first = next(iter(runs))
    return [
        Result(title, f"{name}: {count} steps" + (", not there" if count >= GIVEN_UP else ""),
               seconds, seconds / runs[first][1], first)
        for name, (count, seconds) in runs.items()
    ]  # fmt: skip


def _adam(case: Case, objective: Differentiable) -> tuple[int, float]:
    """Steps of Adam until the error is at most 0.1 %, and their seconds, kernels warm."""
    objective.value_and_grad(case.itu[None])
    watched = _Watched(objective, case.truth)
    begin = time.perf_counter()
    with suppress(_Solved):
        run_adam(watched, case.itu[None], Adam(STEP, max_iterations=GIVEN_UP))
    return watched.steps, time.perf_counter() - begin


class _Solved(Exception):
    """The error is small enough."""


class _Watched:
    """An objective that ends the optimization once the error is at most 0.1 %."""

    def __init__(self, objective: Differentiable, truth: FloatArray) -> None:
        self._objective, self._truth = objective, truth
        self.steps = 0

    def value_and_grad(self, theta: FloatArray) -> Any:
        if mean_relative_error(theta[0], self._truth) <= SOLVED:
            raise _Solved
        self.steps += 1
        return self._objective.value_and_grad(theta)


def _least_squares(case: Case, objective: Any) -> tuple[int, float]:
    """Evaluations of Levenberg-Marquardt without a prior until the error is at most 0.1 %, and
    their share of the median seconds of a whole fit, which goes on to 1e-12."""
    radio = vd.RadioConfig.paper()
    level = watts_to_dbm(objective.rss(case.truth[None])[0]).ravel()
    asked = unknowns_of(
        case.room, case.blank, radio, prior_of(case.room, radio, Prior(np.inf)), Parameters()
    )
    data = LeastSquares(
        level, np.full(level.shape, 1e-3), np.ones(level.shape, bool), asked.mean, np.inf,
        asked.low, asked.high,
    )  # fmt: skip
    predict = asked.predict(objective)
    fit = levenberg_marquardt(predict, data, asked.mean[None])
    seconds = _median(lambda: levenberg_marquardt(predict, data, asked.mean[None]), 20)
    errors = [mean_relative_error(np.exp(x), case.truth) for x in fit.path]
    count = next((i for i, e in enumerate(errors, 1) if e <= SOLVED), GIVEN_UP)
    return count, seconds * count / fit.evaluations


def _many(case: Case) -> list[Result]:
    """What one of many parameter vectors side by side costs."""
    from vlmrt_dist.field import ReplayObjective, trace

    radio, title = vd.RadioConfig.paper(), "Adam, D = 4, an iteration of one seed"
    table = trace(case.room, case.positions, radio)
    single = ReplayObjective(case.room, case.blank, radio, table)
    results, least = [], np.nan
    for count in (1, 20, 200):
        truth = np.array([perturbed(case.itu, seed) for seed in range(count)])
        batch = ReplayObjective(case.room, case.blank, radio, table, measured=single.rss(truth))
        start = np.tile(case.itu, (count, 1))
        seconds = _median(lambda b=batch, s=start: run_adam(b, s, Adam(max_iterations=100)), 3)  # type: ignore[misc]
        seconds /= 100 * count
        least = seconds if count == 1 else least
        results.append(Result(title, f"{count} side by side", seconds, seconds / least, "alone"))
    return results


def _differt(case: Case, steps: int) -> list[Result]:
    """Reflections alone, where DiffeRT is installed."""
    from vlmrt_dist.field import ReplayObjective, trace
    from vlmrt_dist.paths import TRANSMISSION
    from vlmrt_dist.studies import DiffeRT

    radio = vd.RadioConfig(max_depth=2)
    try:
        other = DiffeRT(case.room, case.positions, radio, case.truth)
    except ImportError:
        say("DiffeRT is not installed (pip install .[bench]), so it is not compared")
        return []
    found = trace(case.room, case.positions, radio)
    table = found.rows(np.flatnonzero(~(found.kind == TRANSMISSION).any(axis=1)))
    replay = case.own(ReplayObjective, radio, table)
    apart = np.abs(other.rss(case.itu[None]) / replay.rss(case.itu[None]) - 1.0).max()
    one, two = (o.value_and_grad(case.itu[None]).gradient.sum(axis=1) for o in (other, replay))
    slope = np.abs(one - two).max() / np.abs(two).max()
    say(
        f"DiffeRT finds {other.num_paths} reflected paths (we {table.num_paths}); received powers "
        f"differ by {apart:.0e} at most, gradients by {slope:.0e} of the largest"
    )
    title = "reflections, D = 2"
    times = {
        "replay: value and gradient": _median(_step(replay, case.itu), steps),
        "DiffeRT: value and gradient on paths that it keeps, compiled": _median(
            _step(other, case.itu), steps
        ),
        "DiffeRT: exhaustive tracing": _median(other.trace, max(3, steps // 60)),
    }
    first = next(iter(times))
    results = [Result(title, n, s, s / times[first], first) for n, s in times.items()]
    contenders: list[tuple[str, Differentiable]] = [("replay", replay), ("DiffeRT", other)]
    runs = {f"Adam, η = 1e-4, by {n}": _adam(case, o) for n, o in contenders}
    least = {"Levenberg-Marquardt by replay": _least_squares(case, replay)}
    return results + _runs("reflections, D = 2, from the ITU values to MRE 0.1 %", least | runs)


def _shares(case: Case) -> list[Any]:
    """Where the time of one whole estimation goes, its paths not yet known."""
    title = "One estimation from nothing, kernels compiled before"
    table = Table(title=title, title_justify="left")
    phases = ("trace", "compile", "fit", "uncertainty")
    for name in ("paths", "number", *(f"{p} [s]" for p in phases), "tracing's share", "MRE [%]"):
        table.add_column(escape(name), justify="left" if name == "paths" else "right")
    for depth, complete in ((4, False), (4, True), (6, True)):
        paper, all_paths = vd.RadioConfig.paper(max_depth=depth), vd.RadioConfig(max_depth=depth)
        radio = all_paths if complete else paper
        with empty_cache():
            campaign = vd.simulate(case.room, case.positions, conductivity=case.truth, radio=radio)
        with empty_cache():
            found = vd.estimate(
                case.room, campaign, radio=radio, solver=LevenbergMarquardt(folds=0)
            )
        error = found.relative_error(case.truth)
        total = sum(found.seconds.values())
        table.add_row(
            f"D = {depth}, " + ("complete" if complete else "one solve of 5000 rays"),
            str(found.num_paths), *(f"{found.seconds.get(p, 0.0):.3g}" for p in phases),
            f"{100 * found.seconds['trace'] / total:.1f} %", f"{100 * error:.2g}",
        )  # fmt: skip
    return [table]


def _beside_the_paper(case: Case, steps: int) -> list[Any]:
    """Our seconds and the paper's, each on its own machine."""
    table = Table(title="Beside the paper's Table 1 (seconds)", title_justify="left")
    for name in ("D", "paper: an iteration", "retrace: an iteration", "replay: an iteration",
                 "paper: to convergence", "at MRE [%]", "tracing, one solve",
                 "Levenberg-Marquardt to 0.1 %"):  # fmt: skip
        table.add_column(escape(name), justify="right")
    for depth, printed in TABLE_1.items():
        radio = vd.RadioConfig.paper(max_depth=depth)
        times = [_step_seconds(case, name, radio, steps) for name in ("retrace", "replay")]
        gc.collect()
        with empty_cache():
            begin = time.perf_counter()
            replay = case.replay(radio)
            tracing = time.perf_counter() - begin
        _, fit = _least_squares(case, replay)
        table.add_row(
            str(depth), f"{printed.per_iteration:.2f}", *(f"{t:.2g}" for t in times),
            f"{printed.seconds:.0f}", f"{printed.mre:.3f}", f"{tracing:.2g}", f"{fit:.2g}",
        )  # fmt: skip
    return [
        table,
        f"the paper's seconds: {HARDWARE}, positions by VLMSel, until its rule (13) holds; ours: "
        f"{hardware()}, D-optimal positions, same_paths. Other machines and other rules of "
        "stopping: what may be compared is within each column, and retrace with replay",
    ]


def _table(title: str, results: list[Result]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("what", "seconds", "ratio", "to"):
        table.add_column(name, justify="right" if name in ("seconds", "ratio") else "left")
    for r in results:
        table.add_row(escape(r.name), f"{r.seconds:.3g}", f"{r.ratio:.4g}", escape(r.to))
    return table


if __name__ == "__main__":
    run_script(main, __doc__)
