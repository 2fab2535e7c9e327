"""Measurements of the cost against the number of objects, as rows of the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.distributed import ActorOptions, call
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Engine
from vlmrt_dist.progress import Progress
from vlmrt_dist.store import SCHEMA_VERSION, Ledger, Timing, label_of
from vlmrt_dist.studies.benchmarks import cost_by_objects as cost
from vlmrt_dist.studies.benchmarks.cost_by_objects import FIXED_PATHS, Cost, in_own_process
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.evaluation import hardware

RECEIVERS = 16
GIVEN_UP = "given up"


class ObjectCosts:
    """Costs of rooms of many sizes; measures what the ledger does not hold yet, for these versions
    and this hardware.

    :param study: name of the study
    :param radio: radio configuration of the estimation
    :param seed: of positions and truth
    :param workers: an actor of theirs starts the processes that are measured; None: this process
    :param progress: called with each size that was measured
    """

    def __init__(
        self,
        ledger: Ledger,
        study: str,
        radio: RadioConfig,
        seed: int,
        workers: ActorOptions | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._workers = workers
        self._ledger, self._study, self._radio, self._seed = ledger, study, radio, seed
        self._found = {timing.key: timing for timing in ledger.timings(study)}
        self._progress = progress

    def stored(self, sizes: list[int]) -> dict[str, bool]:
        """Whether the ledger holds the estimations of each size."""
        rows = {f"K = {k}, seed {self._seed}": self._row("replay", k, self._radio) for k in sizes}
        return {name: row.key in self._found for name, row in rows.items()}

    def replay(self, k: int) -> Timing:
        """All parts of an estimation by replay."""
        row = self._row("replay", k, self._radio)
        if row.key not in self._found:
            measured = self._alone(cost.measure_replay, k, self._radio)
            assert measured is not None  # it has no time limit
            self._keep(_filled(row, measured))
            self._say(f"K = {k} measured, peak {measured.peak / 1e9:.1f} GB")
        return self._found[row.key]

    def fixed(self, sizes: list[int]) -> list[Timing]:
        """Value and gradient with the same number of paths in rooms of all sizes."""
        what = {"varies": f"K, {FIXED_PATHS} paths", "beside": sizes}
        rows = [self._row("replay", k, self._radio, **what) for k in sizes]
        if any(row.key not in self._found for row in rows):
            seconds = self._alone(cost.measure_fixed, sizes, self._radio)
            assert seconds is not None
            for k, row in zip(sizes, rows, strict=True):
                self._keep(replace(row, num_paths=FIXED_PATHS, seconds_gradient=seconds[k]))
        return [self._found[row.key] for row in rows]

    def retraces(self, sizes: list[int], radio: RadioConfig, budget: float) -> list[Timing]:
        """Value and gradient by tracing anew, up to the first size that takes longer than
        ``budget`` seconds: a larger room takes longer still."""
        rows: list[Timing] = []
        for k in sizes if budget > 0.0 else []:
            rows.append(self._retrace(k, radio, budget))
            if rows[-1].outcome == GIVEN_UP:
                break
        return rows

    def _retrace(self, k: int, radio: RadioConfig, budget: float) -> Timing:
        """A row by tracing anew; one that was given up is tried again with a larger budget only."""
        row = self._row("retrace", k, radio)
        if row.key in self._found:
            return self._found[row.key]
        for other in self._found.values():
            tried = (label_of(other) or {}).get("budget", -1.0)
            same = other.key == self._row("retrace", k, radio, budget=tried).key
            if same and tried >= budget:
                return other
        seconds = self._alone(cost.measure_retrace, k, radio, seconds=budget)
        if seconds is None:
            row = self._row("retrace", k, radio, budget=budget)
            self._keep(replace(row, outcome=GIVEN_UP))
        else:
            self._keep(replace(row, seconds_gradient=seconds))
            self._say(f"K = {k}, retrace: {seconds:.1f} s")
        return self._found[row.key]

    def _alone(
        self,
        work: Callable[..., Any],
        size: int | list[int],
        radio: RadioConfig,
        seconds: float | None = None,
    ) -> Any:
        """A measurement in a process of its own; None if it takes longer than ``seconds``."""
        asked = partial(in_own_process, work, size, radio, RECEIVERS, self._seed, seconds=seconds)
        return call(asked, f"K = {size}", self._workers)

    def _say(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, 0, 0)

    def _keep(self, timing: Timing) -> None:
        self._ledger.publish_timings(self._study, [timing])
        self._found[timing.key] = timing

    def _row(self, engine: Engine, k: int, radio: RadioConfig, **more: Any) -> Timing:
        """A row with nothing measured yet; its key is that of what is to be."""
        label = {"seed": self._seed, "boxes": k - 5, "receivers": RECEIVERS, **more}
        parts = [engine, label, radio.key, hardware(), json.dumps(engine_versions()),
                 cost.COST_VERSION, SCHEMA_VERSION]  # fmt: skip
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return nothing_timed(self._study, key, json.dumps(label), engine, radio, num_objects=k)


def _filled(row: Timing, measured: Cost) -> Timing:
    """The row of a measurement; numbers without a column are in the label."""
    extra = (
        "around",
        "complete_to",
        "fragile",
        "value_cpu",
        "entries",
        "whole",
        "estimated",
        "seen",
        "load",
    )
    more = {name: getattr(measured, name) for name in extra}
    return replace(
        row,
        label=json.dumps({**(label_of(row) or {}), **more}),
        num_setups=measured.num_setups,
        num_links=measured.num_links,
        num_paths=measured.num_paths,
        seconds_scene=measured.scene,
        seconds_trace=measured.search + measured.around,
        seconds_gradient=measured.value,
        seconds_jacobian=measured.jacobian,
        seconds_fit=measured.fit,
        iterations=measured.iterations,
        mre=measured.mre,
        peak_bytes=measured.peak,
        outcome=measured.outcome,
    )
