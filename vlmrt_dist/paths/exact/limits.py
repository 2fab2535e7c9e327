"""What an exact search is to find, and what it may spend on a setup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from vlmrt_dist.errors import ConfigurationError

MAX_STEPS = 1_000_000_000
"""Steps of the search of one setup after which it is given up; some minutes."""

MAX_PATHS = 5_000_000
"""Paths of one setup after which its search is given up; some 100 bytes each at depth 4."""


class Limits(NamedTuple):
    """What a search may find and spend.

    :param depth: most interactions of a path
    :param reflections: most reflections among them
    :param transmissions: most transmissions among them
    :param steps: most steps of the search of one setup
    :param rows: most paths of one setup
    """

    depth: int
    reflections: int
    transmissions: int
    steps: int
    rows: int


@dataclass(frozen=True)
class SearchLimits:
    """Which paths a search is to find, and what it may spend on a setup.

    :param max_depth: most interactions (>= 0)
    :param max_reflections: most reflections among them; None: ``max_depth``
    :param max_transmissions: most transmissions among them; None: ``max_depth``
    :param line_of_sight: "always" keeps the straight path of every link with all the surfaces that
        it passes through; "limited" treats it as any other path
    :param max_steps: budget of steps: nodes of the image tree, receivers and images that are asked
        whether they see them; a step takes some 0.1 to 10 µs
    :param max_paths: budget of paths, which bounds the memory
    :raises ConfigurationError: if a value is outside what is stated here
    """

    max_depth: int
    max_reflections: int | None = None
    max_transmissions: int | None = None
    line_of_sight: Literal["limited", "always"] = "limited"
    max_steps: int = MAX_STEPS
    max_paths: int = MAX_PATHS

    def __post_init__(self) -> None:
        if self.line_of_sight not in ("limited", "always"):
            raise ConfigurationError("line_of_sight must be limited or always")
        for name in ("max_depth", "max_reflections", "max_transmissions"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 32:
                raise ConfigurationError(f"{name} must lie between 0 and 32; got {value}")
        for name in ("max_steps", "max_paths"):
            if not 1 <= getattr(self, name) <= 2**40:
                raise ConfigurationError(f"{name} must be a positive number")

    def at_depth(self, depth: int) -> Limits:
        """What the compiled search takes, with paths of at most ``depth`` interactions."""
        caps = (self.max_reflections, self.max_transmissions)
        least = [depth if cap is None else min(cap, depth) for cap in caps]
        return Limits(depth, least[0], least[1], self.max_steps, self.max_paths)


class IncompleteSearch(UserWarning):
    """A search passed its budget; the message says to which depth the set is complete."""
