"""The errors of this package: one class a cause, each message saying what to do.

Every class survives pickling (an exception crosses processes when it is raised inside a Ray
actor), which needs the constructor's own arguments to be passed to ``Exception.__init__``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

MAX_LISTED_PROBLEMS = 50
"""How many problems of a measurement file are printed; ``problems`` always holds all of them."""


class VlmrtError(Exception):
    """Base class of everything this package raises on purpose.

    :param message: what is wrong, and what to do about it
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class SceneError(VlmrtError):
    """A scene file or its geometry is refused."""


class MaterialError(VlmrtError):
    """A material is unknown, or its electrical properties are impossible."""


class FrequencyError(VlmrtError):
    """The carrier frequency lies outside a material's tabulated range (the message names it)."""


class CampaignError(VlmrtError):
    """Positions or signal strengths of a campaign cannot be used."""


class ConfigurationError(VlmrtError, ValueError):
    """A setting is outside what it may be (the message names the setting and the choice)."""


class MeasurementFileError(VlmrtError):
    """A measurement file is refused; it carries every problem with its line number.

    :param path: the file as the user named it
    :param problems: (line number, what is wrong) pairs; line 1 is the header, 0 the whole file
    """

    def __init__(self, path: str | os.PathLike[str], problems: Iterable[tuple[int, str]]) -> None:
        self.path = os.fspath(path)
        self.problems = [(int(line), str(text)) for line, text in problems]
        super().__init__(self._format())
        self.args = (self.path, self.problems)  # what pickle passes to the constructor

    def _format(self) -> str:
        shown = self.problems[:MAX_LISTED_PROBLEMS]
        lines = [f"line {line}: {text}" if line > 0 else text for line, text in shown]
        if len(self.problems) > len(shown):
            lines.append(f"... and {len(self.problems) - len(shown)} more problems")
        return f"{self.path} cannot be used as it is:\n  " + "\n  ".join(lines)


NO_PATHS = (
    "no path joins any transmitter with any of its receivers; check the positions, the scene's "
    "units (metres) and max_depth"
)


class NoPathsError(VlmrtError):
    """No propagation path connects a transmitter with any of its receivers."""


class PathOverflowError(VlmrtError):
    """Sionna's path buffer was full, so paths would have been dropped silently."""


class UnsupportedByReplay(VlmrtError):
    """The replay engine does not model what was asked for; the retrace engine may."""


class EngineUnavailable(VlmrtError):
    """The ray tracer cannot run on this machine (the message names the remedy)."""


class ActorFailure(VlmrtError):
    """A Ray actor failed more often than its retries allow."""


class StorageError(VlmrtError):
    """A result cannot be stored at, or read back from, the place that was named."""


class VlmError(VlmrtError):
    """A vision-language model cannot be asked, or gave no answer (the message says why)."""


class ImageError(VlmrtError):
    """A picture of a scene cannot be rendered, or a photograph is refused."""


class NumericalError(VlmrtError):
    """A computation produced a number that is not finite."""
