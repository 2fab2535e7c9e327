"""Replay of links whose antennas are stated, against links of isotropic antennas."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Antenna, Campaign, RadioConfig
from vlmrt_dist.studies.benchmarks.ratios import Bench, Ratio

ROUNDS = 400
"""Steps of each kind that count, taken in turns, so that what else the machine does hits all."""

WARM_UP = 10


def time_antennas(bench: Bench, depth: int) -> list[Ratio]:
    """Levels and derivatives with antennas of different kinds, every path, in turns."""
    from vlmrt_dist.field import Materials, Replay, trace

    radio = RadioConfig(max_depth=depth)
    dual = Antenna("tr38901", "VH", (0.3, 0.1, 0.0))
    kinds: dict[str, Campaign] = {
        "no antennas stated": bench.positions,
        "isotropic antennas stated": bench.positions.with_antennas(),
        "turned sector antennas": bench.positions.with_antennas(dual.replace(polarization="V")),
        "2 × 2 ports a link": bench.positions.with_antennas(dual, dual, split=True),
    }
    here = Materials(
        bench.itu, bench.room.relative_permittivity(radio.frequency), bench.room.thickness
    )
    engines = {n: Replay(trace(bench.room, c, radio), radio) for n, c in kinds.items()}
    seconds = _in_turns({name: _step(engine, here) for name, engine in engines.items()})
    bench.say("antennas timed")
    title = f"levels and derivatives, D = {depth}, every path"
    least = seconds["no antennas stated"]
    return [Ratio(title, n, s, s / least, "no antennas stated") for n, s in seconds.items()]


def _step(engine: Any, materials: Any) -> Callable[[], Any]:
    return lambda: engine.derivative(materials)


def _in_turns(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds of each of several steps."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    random = np.random.default_rng(0)
    names = list(steps)
    for number in range(WARM_UP + ROUNDS):
        # In another order each time: what runs after a large step finds other caches.
        for name in random.permutation(names).tolist():
            begin = time.perf_counter()
            steps[name]()
            if number >= WARM_UP:
                found[name].append(time.perf_counter() - begin)
    return {name: float(np.median(each)) for name, each in found.items()}
