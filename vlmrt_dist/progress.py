"""The callback by which a long computation reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the phase ("trace", "fit", "pool", ...), the steps done and the steps in all (0 if
unknown)."""
