"""The ``vlmrt`` command: from measurement files and scenes to estimates, plans and reports."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``vlmrt``.

    :param arguments: command line without the program's name; None: that of the process, which
        ends as programs do
    :return: exit code
    """
    if arguments is None:
        from vlmrt_dist.signals import end_imports_at_once

        end_imports_at_once()
    from vlmrt_dist.cli.app import app
    from vlmrt_dist.command_line import run_app

    return run_app(app, arguments)
