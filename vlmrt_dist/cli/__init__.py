"""The ``vlmrt`` command: estimate, simulate, plan, advise, render, sweep, report and doctor."""

from vlmrt_dist.cli.app import main

__all__ = ["main"]
