"""Limits of an exact search: depth and caps of the paths, budget of a setup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from vlmrt_dist.campaign import MAX_DEPTH_LIMIT, RadioConfig
from vlmrt_dist.errors import ConfigurationError

MAX_STEPS = 300_000_000
"""Steps of the search of one setup after which it is given up; some 20 s."""

MAX_PATHS = 5_000_000
"""Paths of one setup after which its search is given up; some 100 bytes each at depth 4."""


class Limits(NamedTuple):
    """Limits as the compiled search takes them.

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
            if value is not None and not 0 <= value <= MAX_DEPTH_LIMIT:
                raise ConfigurationError(
                    f"{name} must lie between 0 and {MAX_DEPTH_LIMIT}; got {value}"
                )
        for name in ("max_steps", "max_paths"):
            if not 1 <= getattr(self, name) <= 2**40:
                raise ConfigurationError(f"{name} must be a positive number")

    @classmethod
    def of(
        cls, radio: RadioConfig, *, max_steps: int = MAX_STEPS, max_paths: int = MAX_PATHS
    ) -> SearchLimits:
        """The depth and the caps that a radio configuration asks for."""
        return cls(
            radio.max_depth,
            radio.max_reflections,
            radio.max_transmissions,
            radio.line_of_sight,
            max_steps,
            max_paths,
        )

    def at_depth(self, depth: int) -> Limits:
        """The same limits for the compiled search, at most ``depth`` interactions a path."""
        caps = (self.max_reflections, self.max_transmissions)
        least = [depth if cap is None else min(cap, depth) for cap in caps]
        return Limits(depth, least[0], least[1], self.max_steps, self.max_paths)


class IncompleteSearch(UserWarning):
    """A search passed its budget; the message says to which depth the set is complete."""
