"""Templates of the HTML pages: each page is one document that asks for nothing from a network."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from vlmrt_dist.extras import need

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


@functools.cache
def environment() -> Environment:
    """All templates; the text that they show is escaped."""
    return Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def document(template: str, *, styles: Sequence[str], script: str, **parts: Any) -> str:
    """A page as an HTML document with Plotly, its styles and its script in it.

    :param template: name of one that extends ``document.html``
    :param styles: names of style sheets
    :param script: name of its script
    :param parts: what the template shows, such as ``title``
    """
    need("plotly", "report", "an HTML page")
    from plotly.offline import get_plotlyjs

    return environment().get_template(template).render(
        policy=Markup(_POLICY), style=Markup("".join(map(_asset, styles))),
        plotly=Markup(get_plotlyjs()), script=Markup(_asset(script)), **parts,
    )  # fmt: skip


def in_script(json_text: str) -> Markup:
    """JSON as the content of a script element, which a ``<`` in it could end."""
    return Markup(json_text.replace("<", "\\u003c"))


def _asset(name: str) -> str:
    return (files("vlmrt_dist.report") / "assets" / name).read_text(encoding="utf-8")
