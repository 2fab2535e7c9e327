"""Readings of the paper: named choices of what its optimization leaves open.

The paper states Adam with η = 1e-3 and criterion (13) with α, β and J. As printed, that never stops
within 1000 iterations and circles the answer at 0.4 %, while its tables print 183 to 457 iterations
and 0.03 to 0.5 %. A reading is compatible with those numbers or not; none of them is known to be
what was run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from vlmrt_dist.campaign import Combining
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.options import Adam, NoImprovement, StepDecay, StopRule, check_choice

ReadingName = Literal[
    "literal", "small_step", "patience", "decibel_squares", "log_conductivity", "step_decay"
]
"""A named reading, see :data:`READINGS`."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One way to read the paper's optimization.

    :param name: in options, labels and verdicts
    :param solver: loss, space, rate and its decay, and stop rule
    :param combining: how a link's paths add up, in the truth and in the estimate
    :param summary: what it is, in a few words
    :raises ConfigurationError: if a link's paths cannot add up like that
    """

    name: str
    solver: Adam
    combining: Combining = "power"
    summary: str = ""

    def __post_init__(self) -> None:
        check_choice("combining", self.combining, get_args(Combining))


READINGS: Mapping[str, Reading] = MappingProxyType({
    reading.name: reading
    for reading in (
        Reading("literal", Adam(), summary="loss (8) on σ, η = 1e-3, rule (13): as printed"),
        Reading("small_step", Adam(rate=1e-4), summary="loss (8) on σ, η = 1e-4, rule (13)"),
        Reading(
            "patience",
            Adam(rate=1e-4, stop=NoImprovement()),
            summary="loss (8) on σ, η = 1e-4, until no loss is lower by α for J iterations",
        ),
        Reading(
            "decibel_squares",
            Adam(rate=1e-4, loss="decibel_squares", stop=NoImprovement()),
            summary="squares of decibels on σ, η = 1e-4, until no loss is lower by α for J "
            "iterations",
        ),
        Reading(
            "log_conductivity",
            Adam(rate=1e-3 * math.log(10.0), space="log_conductivity", loss="decibel_squares",
                 stop=StopRule(patience=0, lag=50)),
            summary="squares of decibels on log10 σ, η = 1e-3, rule (13) between iterations that "
            "are J apart",
        ),
        Reading(
            "step_decay",
            Adam(rate=1e-3, space="log_conductivity", decay=StepDecay()),
            summary="loss (8) on ln σ, η = 1e-3 halved every 100 iterations, rule (13)",
        ),
    )
})  # fmt: skip
"""The readings, each by its name."""


def reading_named(name: str) -> Reading:
    """A reading by its name.

    :raises ConfigurationError: if there is none of that name
    """
    if name not in READINGS:
        raise ConfigurationError(f"unknown reading {name!r}; use one of {', '.join(READINGS)}")
    return READINGS[name]
