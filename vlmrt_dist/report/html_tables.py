"""Tables as HTML, by great_tables: headings that assistive programs connect with their cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from vlmrt_dist.report.tables import Table
from vlmrt_dist.report.templates import environment

_NUMBER = re.compile(r"[-–<>]?\s*\d[\d.,e+\-… ]*( ‡)?")


def table_html(table: Table, key: str = "table") -> Markup:
    """A table in a box that scrolls in a narrow window; columns that are not its brief ones are
    shown on demand.

    :param key: identifier of the table within its page
    """
    every = tuple(range(len(table.head)))
    brief = table.brief or every
    more = len(set(every) - set(brief) - {table.group})
    template = environment().get_template("table.html")
    return Markup(template.render(
        key=key, table=table, short=_grid(table, brief, key), more=more,
        whole=_grid(table, every, f"{key}-all") if more else "", columns=len(every),
    ))  # fmt: skip


def _grid(table: Table, columns: Sequence[int], key: str) -> Markup:
    """The ``table`` element of some columns."""
    import pandas as pd
    from great_tables import GT, loc, style

    groups = {line[table.group] for line in table.lines} if table.group is not None else set()
    by = table.group if len(groups) > 1 else None
    first, *others = [c for c in columns if c != by]
    taken = [*([] if by is None else [by]), first, *others]
    frame = pd.DataFrame({f"c{c}": [line[c] for line in table.lines] for c in taken}, dtype=str)
    grid = (
        GT(frame, rowname_col=f"c{first}", groupname_col=None if by is None else f"c{by}", id=key)
        .tab_stubhead(table.head[first] or "line")
        .cols_label({f"c{c}": table.head[c] for c in others})
    )
    numbers = [f"c{c}" for c in others if _numeric([line[c] for line in table.lines])]
    if numbers:
        grid = grid.cols_align("right", columns=numbers)
    paper = [f"c{c}" for c in others if c in table.paper]
    if paper:
        grid = grid.tab_style(style.css("font-style: italic"), loc.body(columns=paper))
    html = grid.as_raw_html()
    # Its own colours would not follow the page's.
    return Markup(html[html.index("<table") : html.rindex("</table>") + len("</table>")])


def _numeric(cells: Sequence[str]) -> bool:
    return all(not cell or cell == "–" or _NUMBER.fullmatch(cell) for cell in cells)
