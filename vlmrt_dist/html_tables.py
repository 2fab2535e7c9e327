"""Tables for notebooks. Texts come from files, so all of them are escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

MOST_ROWS = 60
"""Most rows of a table in a notebook; a line counts the others."""


def html_table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> str:
    """A table with a caption, and lines below it, as HTML in the notebook's own colours.

    :param head: names of the columns
    :param rows: cells as text; the first of a row is its heading
    """
    shown = rows[:MOST_ROWS]
    lines = [f"{len(rows) - len(shown)} more rows are not shown", *notes]
    if len(rows) == len(shown):
        lines = list(notes)
    columns = "".join(f'<th scope="col" style="text-align: left">{_text(h)}</th>' for h in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row" style="text-align: left">{_text(cell)}</th>'
            if i == 0
            else f'<td style="text-align: left">{_text(cell)}</td>'
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in shown
    )
    below = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return (
        f'<div><table><caption style="text-align: left">{_text(caption)}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"
        + (f"<ul>{below}</ul>" if below else "")
        + "</div>"
    )


def _text(text: str) -> str:
    return html.escape(text)
