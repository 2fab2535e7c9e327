"""Libraries that only some uses need; each is installed with an extra of the package."""

from __future__ import annotations

import importlib.util
from typing import Literal

from vlmrt_dist.errors import ConfigurationError

Extra = Literal["ray", "report", "trackers", "vlm"]


def need(library: str, extra: Extra, purpose: str) -> None:
    """Check that a library is installed, without importing it.

    :param library: its module
    :param extra: the extra that installs it
    :param purpose: what needs it, for people
    :raises ConfigurationError: if it is not; the message says how to install it
    """
    if not _installed(library):
        raise ConfigurationError(
            f"{purpose} needs the package {library}, which is not installed; run: "
            f"pip install 'vlmrt_dist[{extra}]'"
        )


def _installed(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:  # the package around it is missing already
        return False
