"""Space of a search: choices and ranges, with the parameters that they depend on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmrt_dist.errors import ConfigurationError

Params = dict[str, Any]
"""One configuration: a name and a number or a word for each of its parameters."""

When = Mapping[str, tuple[Any, ...]]
"""Values that earlier parameters must have for one to exist at all; empty: it always does."""


@dataclass(frozen=True)
class Choice:
    """One of several numbers or words."""

    values: tuple[Any, ...]
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) < len(self.values):
            raise ConfigurationError(f"a choice needs different values; got {self.values}")

    def __str__(self) -> str:
        return ", ".join(map(str, self.values)) + _where(self.when)

    def distribution(self) -> Any:
        """Optuna's name for it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, even on a logarithmic scale if ``log``, whole if
    ``integer``."""

    low: float
    high: float
    log: bool = False
    integer: bool = False
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        ordered = math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high
        if not ordered or (self.log and self.low <= 0.0):
            raise ConfigurationError(
                "a range needs finite ends in order, above zero if log; got "
                f"{self.low}, {self.high}"
            )
        if self.integer and not (self.low == int(self.low) and self.high == int(self.high)):
            raise ConfigurationError("a range of whole numbers needs whole ends")

    def __str__(self) -> str:
        scale = " (log)" if self.log else ""
        return f"{self.low:g} to {self.high:g}{scale}{_where(self.when)}"

    def distribution(self) -> Any:
        """Optuna's name for it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


Space = Mapping[str, Choice | Range]


def _where(when: When) -> str:
    told = " and ".join(f"{name} is {' or '.join(map(str, v))}" for name, v in when.items())
    return f", where {told}" if told else ""


def check_space(space: Space) -> None:
    """:raises ConfigurationError: if a parameter depends on one that does not come before it"""
    seen: set[str] = set()
    for name, dimension in space.items():
        if set(dimension.when) - seen:
            raise ConfigurationError(
                f"{name} depends on {', '.join(sorted(set(dimension.when) - seen))}, which must "
                "come before it"
            )
        seen.add(name)


def exists(dimension: Choice | Range, params: Params) -> bool:
    """True if a parameter exists, given those drawn before it."""
    return all(params.get(name) in values for name, values in dimension.when.items())


def draw(space: Space, trial: Any) -> Params:
    """One configuration, asked of an Optuna trial parameter by parameter."""
    params: Params = {}
    for name, dimension in space.items():
        if not exists(dimension, params):
            continue
        if isinstance(dimension, Choice):
            params[name] = trial.suggest_categorical(name, dimension.values)
        elif dimension.integer:
            low, high = int(dimension.low), int(dimension.high)
            params[name] = trial.suggest_int(name, low, high, log=dimension.log)
        else:
            params[name] = trial.suggest_float(
                name, dimension.low, dimension.high, log=dimension.log
            )
    return params


def contains(space: Space, params: Params) -> bool:
    """True if a configuration belongs to the space."""
    expected = {name for name, dimension in space.items() if exists(dimension, params)}
    if expected != set(params):
        return False
    for name, value in params.items():
        dimension = space[name]
        if isinstance(dimension, Choice):
            inside = value in dimension.values
        else:
            inside = isinstance(value, (int, float)) and dimension.low <= value <= dimension.high
        if not inside:
            return False
    return True


def every(space: Space) -> Iterator[Params] | None:
    """All configurations of a finite space, in order; None for an infinite one."""
    if any(isinstance(d, Range) and not d.integer for d in space.values()):
        return None
    return _every(space)


def _every(space: Space) -> Iterator[Params]:
    values = [
        d.values if isinstance(d, Choice) else range(int(d.low), int(d.high) + 1)
        for d in space.values()
    ]
    seen: set[tuple[Any, ...]] = set()
    for combination in itertools.product(*values):
        params: Params = {}
        for (name, dimension), value in zip(space.items(), combination, strict=True):
            if exists(dimension, params):
                params[name] = value
        key = tuple(params.items())
        if key not in seen:
            seen.add(key)
            yield params
