"""The ``vlmrt`` command.

Results go to standard output; progress, warnings and errors to standard error. What a user can
mend ends with ``error: ...`` and exit code 2, Ctrl-C with 130; anything else keeps its traceback.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vlmrt_dist.cli import advise as advising
from vlmrt_dist.cli import estimate as estimating
from vlmrt_dist.cli import export_scene as scenes
from vlmrt_dist.cli import plan as planning
from vlmrt_dist.cli import render as rendering
from vlmrt_dist.cli import report as reporting
from vlmrt_dist.cli import simulate as simulating
from vlmrt_dist.console import is_interrupt, say, say_interrupted, show_warning
from vlmrt_dist.errors import VlmrtError

EXIT_USER = 2
EXIT_INTERRUPTED = 130


class _Commands(TyperGroup):
    """The one place where errors become words and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            try:
                return super().invoke(ctx)
            except VlmrtError as error:
                say(f"error: {error}")
                raise typer.Exit(EXIT_USER) from None
            except BaseException as error:
                if not is_interrupt(error):
                    raise
                say_interrupted("interrupted")
                raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets hold units here
    help="Conductivities of the objects of a known scene, from received signal strengths.",
    epilog="A first try: vlmrt simulate --out rss.csv, then vlmrt estimate --measurements rss.csv",
)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        import importlib.metadata

        try:
            typer.echo(f"vlmrt {importlib.metadata.version('vlmrt_dist')}")
        except importlib.metadata.PackageNotFoundError:
            typer.echo(f"vlmrt (not installed, imported from {Path(__file__).parents[2]})")
        raise typer.Exit


@app.command()
def doctor(
    address: Annotated[
        str | None, typer.Option(help="Look at this Ray cluster as well, host:port of its head.")
    ] = None,
) -> None:
    """What was found on this machine, with remedies; exit code 1 if the engine cannot run."""
    from vlmrt_dist.cli import diagnosis as machine

    raise typer.Exit(machine.main(address))


app.command("estimate")(estimating.estimate_command)
app.command("simulate")(simulating.simulate_command)
app.command("plan")(planning.plan)
app.command("advise")(advising.advise)
app.command("export-scene")(scenes.export_scene)
app.command("render")(rendering.render)
app.command("report")(reporting.report)
