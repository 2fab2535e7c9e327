"""The commands of ``vlmrt``, and what it does without one."""

from __future__ import annotations

import ast
import importlib.metadata
from pathlib import Path
from typing import Any

from vlmrt_dist.command_line import new_app

EPILOGUE = (
    "A first try: vlmrt simulate --perturb-seed 1 --noise-db 0.1 --out rss.csv, then "
    "vlmrt estimate --noise-db 0.1 --measurements rss.csv"
)


def _version() -> str:
    try:
        return f"vlmrt {importlib.metadata.version('vlmrt_dist')}"
    except importlib.metadata.PackageNotFoundError:
        return f"vlmrt (not installed, imported from {Path(__file__).parents[2]})"


app = new_app(
    "vlmrt",
    "Conductivities of the objects of a known scene, from received signal strengths.",
    help_epilogue=EPILOGUE,
    version=_version,
    version_flags=["--version"],
)
COMMANDS = {
    "doctor": "diagnosis:doctor",
    "estimate": "estimate:estimate_command",
    "predict": "predict:predict_command",
    "evaluate": "evaluate:evaluate_command",
    "convert": "convert:convert_command",
    "apply": "apply:apply_command",
    "simulate": "simulate:simulate_command",
    "plan": "plan:plan_command",
    "advise": "advise:advise_command",
    "materials": "materials:materials_command",
    "export-scene": "export_scene:export_command",
    "render": "render:render_command",
    "view": "view:view_command",
    "map": "coverage:map_command",
    "sweep": "sweep:sweep_command",
    "report": "report:report_command",
    "compact": "compact:compact_command",
    "cache": "cache:cache_command",
}
"""Module and function of each command; a module is imported when its command is called."""


def _description(module: str, function: str) -> str:
    """The docstring of a command's function, without importing its module."""
    tree = ast.parse((Path(__file__).parent / f"{module}.py").read_text("utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    return (ast.get_docstring(found) or "").partition(":param")[0].strip()


for _name, _place in COMMANDS.items():
    # The sweep that is named has a --help of its own.
    _more: dict[str, Any] = {"help_flags": []} if _name == "sweep" else {}
    _help = _description(*_place.split(":"))
    app.command(f"vlmrt_dist.cli.{_place}", name=_name, help=_help, help_epilogue="", **_more)
app.register_install_completion_command(
    help="Install completion of commands and options for the shell that is in use."
)
