"""Problems of a measurement file, each with its line; not more than a reader can use are kept."""

from __future__ import annotations

from collections.abc import Iterable

MAX_PROBLEMS = 1000
"""So many problems are kept; a file with more is not read on."""

MAX_SHOWN = 40
"""So much of a cell [characters] is repeated in a message."""

MAX_NAME = 200
"""Longest name [characters]; what follows is cut off."""

Problem = tuple[int, str]
"""A line's number (0: the whole file) and what is wrong with it."""


class Problems:
    """Problems in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether no more are kept."""
        return len(self._found) >= MAX_PROBLEMS

    def add(self, line: int, text: str) -> None:
        """Keep a problem of a line, once; 0 stands for the whole file."""
        if not self.full:
            self._found[int(line), text] = None

    def extend(self, found: Iterable[Problem]) -> None:
        """Keep several, as long as they are wanted."""
        for line, text in found:
            if self.full:
                return
            self.add(line, text)

    def sorted(self) -> list[Problem]:
        """The problems by line."""
        more = [(10**9, f"not read on after {MAX_PROBLEMS} problems")] if self.full else []
        return sorted(self._found) + [(0, text) for _, text in more]


def printable(text: str) -> str:
    """A name from a file on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:MAX_NAME]).split())


def shown(value: object) -> str:
    """A cell in a message."""
    text = str(value)[: MAX_SHOWN + 1].strip()
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")
