"""``vlmrt sweep``: a sweep by its name, from a checkout or an installed package."""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import vlmrt_dist
from vlmrt_dist.command_line import leave
from vlmrt_dist.console import print_result
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.signals import STOP_SIGNAL
from vlmrt_dist.studies import KEPT, PROGRAM

HELP = """Usage: vlmrt sweep NAME[,NAME...] [OPTIONS]

Run a sweep, or several one after another with the options that all of them have; its own options:
vlmrt sweep NAME --help. Each is a question:
"""


def sweep_command(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
) -> None:
    """Run one of the sweeps: many estimations that answer a question; without a name: list them."""
    if not words or words[0] in ("--help", "-h"):
        print_result("\n".join([HELP, *_listed()]))
        leave()
    asked, *options = words
    files, names = sweep_files(), asked.split(",")
    for name in names:
        if name not in files:
            near = difflib.get_close_matches(name, files, n=1)
            raise ConfigurationError(
                f"there is no sweep {name!r}"
                + (f"; did you mean {near[0]}?" if near else ".")
                + f" The sweeps are {', '.join(files)}"
            )
    if len(names) == 1:
        sys.argv = [asked, *options]
        told = {PROGRAM: f"vlmrt sweep {asked}"}
        runpy.run_path(str(files[asked]), init_globals=told, run_name="__main__")
        return
    STOP_SIGNAL.install(f"stopped (SIGTERM); {KEPT}\n")
    for name in names:
        told = {PROGRAM: f"vlmrt sweep {name}"}
        file = runpy.run_path(str(files[name]), init_globals=told, run_name=f"sweep_{name}")
        if code := file["main"].run(options):
            leave(code)


def sweep_files() -> dict[str, Path]:
    """The sweeps' files by name: those of an installed package, or of the checkout around it.

    :raises StorageError: if there are none
    """
    package = Path(vlmrt_dist.__file__).parent
    for folder in (package / "sweeps", package.parent / "sweeps"):
        files = {file.stem: file for file in sorted(folder.glob("*.py"))}
        if files:
            return files
    raise StorageError(f"there are no sweeps in {package / 'sweeps'}; install the package again")


def _listed() -> list[str]:
    """A line a sweep: its name and question."""
    files = sweep_files()
    width = max(map(len, files))
    return [f"  {name:<{width}}  {_question(file)}" for name, file in files.items()]


def _question(file: Path) -> str:
    """The first sentence of a file's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return text.split("\n\n")[0].partition("?")[0].replace("\n", " ") + "?"
