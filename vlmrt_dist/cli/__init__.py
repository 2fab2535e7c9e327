"""The ``vlmrt`` command: from measurement files and scenes to estimates, plans and reports."""

from vlmrt_dist.cli.app import main

__all__ = ["main"]
