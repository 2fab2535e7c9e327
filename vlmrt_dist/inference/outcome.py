"""Outcome of an optimizer."""

from typing import Literal

Outcome = Literal["converged", "max_iterations", "diverged", "non_finite", "no_signal"]
"""Outcome of an estimation. "diverged": at a far larger loss than it began with; "no_signal": no
link has a path, so it never began."""
