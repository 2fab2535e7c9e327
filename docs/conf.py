"""Sphinx: the documentation, with pages made of the commands' help and of the schemas.

``make docs`` builds it. Notebooks are shown as they are stored, and no page loads anything from a
network.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pyarrow as pa
from sphinx.application import Sphinx

import vlmrt_dist

HERE = Path(__file__).parent

project = "vlmrt_dist"
author = "the authors of vlmrt_dist"
copyright = author
release = version = vlmrt_dist.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "vlmrt_dist"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # no script of another host
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": False}
python_maximum_signature_line_length = 90
suppress_warnings = ["ref.python"]  # a name that several rooms' faces have


def _commands() -> str:
    """The help of ``vlmrt`` and of each of its commands."""
    from vlmrt_dist.cli.app import app

    text: str = app.generate_docs(output_format="markdown", include_hidden=False)
    return text[text.index("## vlmrt ") :].partition("## vlmrt --install")[0]


def _columns() -> str:
    """Names, types and units of the columns of each data set of a ledger."""
    from vlmrt_dist.store import rows

    parts = []
    for name, schema in rows.SCHEMAS.items():
        lines = [f"## `{name}`", "", "| column | type | unit |", "|---|---|---|"]
        for field in schema:
            unit = (field.metadata or {}).get(b"unit", b"").decode()
            lines.append(f"| `{field.name}` | {_kind(field.type)} | {unit or '–'} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _kind(kind: pa.DataType) -> str:
    return f"list of {kind.value_type}" if pa.types.is_list(kind) else str(kind)


def _parts_of_the_paper() -> str:
    """Each part of the paper, with module, command and result."""
    from vlmrt_dist.report import ITEMS, command_of

    lines = ["| in the paper | subject | here | command | result |", "|---|---|---|---|---|"]
    for item in ITEMS:
        modules = ", ".join(f"`vlmrt_dist.{name}`" for name in item.module.split(", "))
        commands = [command_of(item.sweep)] if item.sweep else []
        commands += [item.command] if item.command else []
        told = ", ".join(f"`{command}`" for command in commands)
        lines.append(f"| {item.name} | {item.subject} | {modules} | {told} | {item.result} |")
    return "\n".join(lines)


GENERATED = {
    "<!-- vlmrt --help -->": _commands,
    "<!-- columns of rows -->": _columns,
    "<!-- parts of the paper -->": _parts_of_the_paper,
}


INCLUDED = {"cluster/README.md": "howto/cluster.md", "sweeps/README.md": "explanation/sweeps.md"}


def _fill_in(app: Sphinx, name: str, source: list[str]) -> None:
    for mark, made in GENERATED.items():
        if mark in source[0]:
            source[0] = source[0].replace(mark, made())


def _without_inherited_docstring(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """A dataclass without a docstring of its own would show its signature twice."""
    if lines and inspect.isclass(value) and lines[0].startswith(f"{value.__name__}("):
        lines.clear()


def _link_here(app: Sphinx, place: Path, name: str, content: list[str]) -> None:
    """Let an included README refer to the pages that include the others."""
    for readme, page in INCLUDED.items():
        content[0] = content[0].replace(f"](../{readme}", f"](../docs/{page}")


def _take_notebooks() -> None:
    """Copy the notebooks among the tutorials; links do not resolve through symbolic links."""
    for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
        copy = HERE / "tutorials" / notebook.name
        if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
            shutil.copy(notebook, copy)


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    _take_notebooks()
    app.connect("include-read", _link_here)
    app.connect("source-read", _fill_in)
    app.connect("autodoc-process-docstring", _without_inherited_docstring)
