"""The ``vlmrt`` command inside a test's own process."""

from __future__ import annotations

import contextlib
import io
import resource
from dataclasses import dataclass

from vlmrt_dist.cli import main

COMMAND = "import sys; from vlmrt_dist.cli import main; sys.exit(main())"
"""The command as a program for ``python -c``."""


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr


def invoke(*arguments: object) -> Done:
    """Run ``vlmrt``; a bug's exception comes through."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(each) for each in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def children_seconds() -> float:
    """Processor time of all child processes that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
