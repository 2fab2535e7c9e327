"""Versions of the libraries that results depend on; part of every row's key."""

from __future__ import annotations

import functools
from importlib.metadata import version

ENGINE_VERSIONS = ("sionna-rt", "drjit", "mitsuba", "numpy", "scipy")


@functools.cache
def engine_versions() -> dict[str, str]:
    """Versions of the libraries that results depend on."""
    return {name: version(name) for name in ENGINE_VERSIONS}
