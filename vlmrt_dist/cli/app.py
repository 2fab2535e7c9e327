"""The commands of ``vlmrt``, and what it does without one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from cyclopts import Group

from vlmrt_dist import __version__
from vlmrt_dist.command_line import new_app

EPILOGUE = (
    "A first try: vlmrt simulate --perturb-seed 1 --noise-db 0.1 --out rss.csv, then "
    "vlmrt estimate --noise-db 0.1 --measurements rss.csv"
)


app = new_app(
    "vlmrt",
    "Conductivities of the objects of a known scene, from received signal strengths.",
    help_epilogue=EPILOGUE,
    version=f"vlmrt {__version__}",
    version_flags=["--version"],
)
TASKS = {
    "From levels to materials": {
        "convert": "convert:convert_command",
        "estimate": "estimate:estimate_command",
        "apply": "apply:apply_command",
        "materials": "materials:materials_command",
    },
    "Where to measure": {
        "plan": "plan:plan_command",
        "advise": "advise:advise_command",
        "simulate": "simulate:simulate_command",
    },
    "With a calibrated scene": {
        "predict": "predict:predict_command",
        "evaluate": "evaluate:evaluate_command",
        "map": "coverage:map_command",
    },
    "Scenes": {
        "view": "view:view_command",
        "render": "render:render_command",
        "export-scene": "export_scene:export_command",
    },
    "Studies": {
        "sweep": "sweep:sweep_command",
        "report": "report:report_command",
        "compact": "compact:compact_command",
    },
    "This machine": {
        "doctor": "diagnosis:doctor",
        "cache": "cache:cache_command",
    },
}
"""Module and function of each command, by what it is for; a module is imported when its command is
called."""

COMMANDS = {name: place for commands in TASKS.values() for name, place in commands.items()}


def _description(module: str, function: str) -> str:
    """The docstring of a command's function, without importing its module."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text("utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    return (ast.get_docstring(found) or "").partition(":param")[0].strip()


def _add_commands() -> None:
    for task, commands in TASKS.items():
        group = Group.create_ordered(task)
        for place_in_group, (name, place) in enumerate(commands.items()):
            # The sweep that is named has a --help of its own.
            more: dict[str, Any] = {"help_flags": []} if name == "sweep" else {}
            app.command(
                f"vlmrt_dist.cli.{place}",
                name=name,
                help=_description(*place.split(":")),
                help_epilogue="",
                group=group,
                sort_key=place_in_group,
                **more,
            )
    others = Group.create_ordered("Also")
    app.register_install_completion_command(
        help="Install completion of commands and options for the shell that is in use.",
        group=others,
    )
    for flag in ("--help", "--version"):
        app[flag].group = others


_add_commands()
