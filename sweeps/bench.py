#!/usr/bin/env python3
"""How fast is replay, against tracing anew in every step? All in one run, medians and ratios.

The paper's configuration: K = 9, M = 3, N = 8, D = 4, 5000 rays. Retrace is written as well as it
can be: opaque parameters, warm kernels, no compilation in the steps that count, the better of one
and all threads; setup by setup as in the paper's Algorithm 1, and all setups in one solve.
"""

import gc
import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import numpy as np
import typer

import vlmrt_dist as vd
from vlmrt_dist.llvm import prepare_engine
from vlmrt_dist.losses import Objective
from vlmrt_dist.optimizers import LeastSquares, adam, levenberg_marquardt
from vlmrt_dist.priors import prior_of
from vlmrt_dist.report import STORAGE_HELP, show, storage_folder
from vlmrt_dist.simulation import perturbed
from vlmrt_dist.terminal import run_script
from vlmrt_dist.unknowns import unknowns_of

PATHS_TO_EXTRACT = 30_000
WARM_UP = 3
RANDOM = np.random.default_rng(0)


def main(
    storage: Annotated[str | None, typer.Option(help=STORAGE_HELP)] = None,
    steps: Annotated[int, typer.Option(min=3, help="Retrace steps that count.")] = 15,
) -> None:
    """Time replay against retrace and print the ratios."""
    prepare_engine()
    import drjit as dr

    from vlmrt_dist.objective import ReplayObjective, RetraceObjective
    from vlmrt_dist.tracing import trace

    room, radio = vd.box_room(), vd.RadioConfig.paper()
    positions = vd.place("d_optimal", room, 3, 8, seed=0, radio=vd.RadioConfig.paper(max_depth=1))
    itu = room.conductivity(radio.frequency)
    truth = perturbed(itu, seed=0)
    campaign = vd.simulate(room, positions, conductivity=truth, radio=radio)
    table = trace(room, campaign, radio)
    replay = ReplayObjective(room, campaign, radio, table)
    # One after another, and each alone: Dr.Jit compiles the materials of every scene that is alive
    # into every kernel, which would make retrace slower than it is.
    contenders: dict[str, tuple[Callable[[], Callable[[], Any]], int]] = {
        "replay: loss and gradient": (lambda: _step(replay, itu), 200 * steps),
        "retrace: loss and gradient, setup by setup": (
            lambda: _step(RetraceObjective(room, campaign, radio), itu),
            steps,
        ),
        "retrace: loss and gradient, all setups in one solve": (
            lambda: partial(_Together(room, campaign, radio).step, itu),
            steps,
        ),
    }
    best: dict[str, tuple[float, int]] = {}
    for name, (build, count) in contenders.items():
        for threads in sorted({1, os.cpu_count() or 1}):
            dr.set_thread_count(threads)
            median = _median(build(), count)
            best[name] = min(best.get(name, (np.inf, 0)), (median, threads))
            gc.collect()
    first_name, *others = contenders
    dr.set_thread_count(best[first_name][1])
    replay_seconds = best[first_name][0]
    results = [_result(first_name, replay_seconds * 1e3, "ms", 1.0, "itself")]
    for name in others:
        results.append(
            _result(name, best[name][0] * 1e3, "ms", best[name][0] / replay_seconds, "replay")
        )

    level = campaign.rss_dbm.ravel()  # type: ignore[union-attr]
    asked = unknowns_of(room, campaign, radio, prior_of(room, radio, np.inf))
    data = LeastSquares(
        level, np.full(24, 1e-3), np.ones(24, bool), asked.mean, np.inf, asked.low, asked.high
    )
    predict = asked.predict(replay)
    fits = []
    fit_seconds = _median(
        lambda: fits.append(levenberg_marquardt(predict, data, asked.mean[None])), 20
    )
    error = float(np.mean(np.abs(np.exp(fits[0].x) / truth - 1.0)))
    first = next(
        i for i, x in enumerate(fits[0].path, 1) if np.mean(np.abs(np.exp(x) / truth - 1.0)) <= 1e-3
    )
    iteration = best[others[0]][0]
    results.append(
        _result(
            f"Levenberg-Marquardt from the ITU prior to MRE {100 * error:.0e} %, "
            f"{fits[0].evaluations} evaluations (0.1 % after {first})",
            fit_seconds * 1e3,
            "ms",
            fit_seconds / iteration,
            "one retrace step",
        )
    )
    many = np.array([perturbed(itu, s) for s in range(20)])
    batch = ReplayObjective(room, campaign, radio, table, measured=replay.rss(many))
    clock = time.perf_counter()
    adam(batch, np.tile(itu, (20, 1)))
    seconds = time.perf_counter() - clock
    results.append(
        _result("Adam, 20 seeds × 1000 iterations side by side", seconds, "s",
                seconds / (20 * 1000 * replay_seconds), "20 000 single steps")
    )  # fmt: skip
    results.append(_extraction(room, campaign, radio))

    print(f"K = 9, M = 3, N = 8, D = 4, {table.num_paths} paths, {os.cpu_count()} cores")
    for name, (_, threads) in best.items():
        print(f"  {name}: best with {threads} threads")
    show(_table(results))
    path = storage_folder(storage) / "bench.json"
    path.write((json.dumps(results, indent=2) + "\n").encode())
    print(f"written to {path}")


def _step(objective: Objective, itu: np.ndarray) -> Callable[[], Any]:
    return lambda: objective.value_and_grad(itu[None] * (1.0 + 1e-3 * RANDOM.random()))


class _Together:
    """A differentiated step of all M setups in one solve: M² · N links, of which M · N count."""

    def __init__(self, room: vd.SceneModel, campaign: vd.Campaign, radio: vd.RadioConfig) -> None:
        from vlmrt_dist.sionna_scene import LiveScene, mi, rt

        self.live = LiveScene(room, radio, material_per_object=True)
        self.live.solver.loop_mode = "evaluated"
        self.radio = radio
        measured = np.zeros((campaign.num_links, campaign.num_setups), np.float32)
        for m, setup in enumerate(campaign.setups):
            self.live.scene.add(rt.Transmitter(f"tx-{m}", position=mi.Point3f(setup.tx.tolist())))
            for n, rx in enumerate(setup.rx):
                name = f"rx-{m}-{n}"
                self.live.scene.add(rt.Receiver(name, position=mi.Point3f(rx.tolist())))
                measured[m * len(setup.rx) + n, m] = 1.0
        self.wanted = mi.TensorXf(measured)

    def step(self, itu: np.ndarray) -> np.ndarray:
        from vlmrt_dist.sionna_scene import dr, mi

        for material, value in zip(self.live.materials, itu, strict=True):
            material.conductivity = dr.opaque(
                mi.Float, float(value * (1.0 + 1e-3 * RANDOM.random()))
            )
            dr.enable_grad(material.conductivity)
        real, imaginary = (x[:, 0, :, 0, :] for x in self.live.solve(self.radio.seed).a)
        power = dr.sum(dr.square(real) + dr.square(imaginary), axis=2)
        dr.backward(dr.sum((power * self.wanted).array))
        return np.array([dr.grad(m.conductivity)[0] for m in self.live.materials])


def _extraction(
    room: vd.SceneModel, campaign: vd.Campaign, radio: vd.RadioConfig
) -> dict[str, Any]:
    """Sionna's tensors to table rows, against the solve that found them."""
    from vlmrt_dist import planes, tracing
    from vlmrt_dist.sionna_scene import FoundPaths, LiveScene

    live, flats, setup = LiveScene(room, radio), planes.planes_of(room), campaign.setups[0]
    solve = _median(lambda: live.find_paths(setup, 1), 5)
    found = live.find_paths(setup, 1)
    repeat = -(-PATHS_TO_EXTRACT // len(found.length))
    many = FoundPaths(*(np.concatenate([x] * repeat) for x in vars(found).values()))
    seconds = _median(lambda: tracing._table(live, flats, setup, many, 0), 5)
    name = f"extraction of {len(many.length)} paths"
    return _result(name, seconds, "s", seconds / repeat / solve, "the solve that finds them")


def _median(function: Callable[[], Any], count: int) -> float:
    """Median wall seconds of ``count`` calls after some that do not count."""
    for _ in range(WARM_UP):
        function()
    times = []
    for _ in range(count):
        clock = time.perf_counter()
        function()
        times.append(time.perf_counter() - clock)
    return float(np.median(times))


def _result(name: str, value: float, unit: str, ratio: float, to: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "ratio_to": to}


def _table(results: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("what", "median", "ratio", "to")
    for r in results:
        table.add_row(
            r["name"], f"{r['value']:.3g} {r['unit']}", f"{r['ratio']:.4g}", r["ratio_to"]
        )
    return table


if __name__ == "__main__":
    run_script(main, __doc__)
