"""Measurements of tracing against the number of links, as rows of the ledger."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store import SCHEMA_VERSION, Timing, label_of
from vlmrt_dist.studies.benchmarks.cost_by_links import TracingCost, measure_tracing
from vlmrt_dist.studies.benchmarks.cost_by_objects import in_own_process
from vlmrt_dist.studies.benchmarks.engine_timing import nothing_timed
from vlmrt_dist.studies.evaluation import hardware

MEASURED = 3
"""Part of every key: raise it when something else is timed."""

COLUMNS = {"value": "seconds_gradient", "jacobian": "seconds_jacobian", "peak": "peak_bytes"}
"""Columns of the ledger whose names differ from the measurement's."""


@dataclass(frozen=True, eq=False)
class TracingTask:
    """M setups of N receivers, to be traced in a process of their own.

    :param study: name of the study
    :param seed: of the positions
    :param compared: compare with a union of Sionna's solves
    """

    study: str
    num_setups: int
    num_receivers: int
    radio: RadioConfig
    seed: int
    compared: bool

    def __str__(self) -> str:
        return f"{self.num_setups} x {self.num_receivers} links, seed {self.seed}"

    @property
    def what(self) -> dict[str, Any]:
        """Sizes and seed, for the label."""
        return {"setups": self.num_setups, "receivers": self.num_receivers, "seed": self.seed,
                "compared": self.compared}  # fmt: skip

    @property
    def key(self) -> str:
        """Content hash of what is traced, on which hardware."""
        parts = [self.what, self.radio.key, hardware(), engine_versions(), SCHEMA_VERSION, MEASURED]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def measure(self) -> Timing:
        """A row of the ledger; what it has no column for is in the label."""
        cost = in_own_process(measure_tracing, self.num_setups, self.num_receivers, self.radio,
                              self.seed, self.compared)  # fmt: skip
        assert cost is not None  # it has no time limit
        have = {f.name for f in fields(Timing)}
        values = {COLUMNS.get(name, name): value for name, value in asdict(cost).items()}
        label = json.dumps(self.what | {n: v for n, v in values.items() if n not in have})
        known = {name: value for name, value in values.items() if name in have}
        trace = cost.search + cost.around
        return nothing_timed(
            self.study, self.key, label, "replay", self.radio, seconds_trace=trace, **known
        )


def tracing_cost(timing: Timing) -> TracingCost:
    """The measurement that a row of the ledger holds.

    :raises ConfigurationError: if another program has written it
    """
    values = asdict(timing) | (label_of(timing) or {})
    try:
        return TracingCost(**{f.name: values[COLUMNS.get(f.name, f.name)]
                              for f in fields(TracingCost)})  # fmt: skip
    except KeyError:
        raise ConfigurationError(f"the timing {timing.key} of {timing.study} is damaged") from None


def sizes_of(words: tuple[str, ...]) -> list[tuple[int, int]]:
    """(M, N) of words such as 3x8, in growing number of links.

    :raises ConfigurationError: if one is not two whole numbers
    """
    found = []
    for part in words:
        m, _, n = part.strip().partition("x")
        if not (m.isdecimal() and n.isdecimal() and int(m) > 0 and int(n) > 0):
            raise ConfigurationError(f"--sizes: {part!r} is no size; write setups x receivers, 3x8")
        found.append((int(m), int(n)))
    return sorted(found, key=lambda size: size[0] * size[1])
