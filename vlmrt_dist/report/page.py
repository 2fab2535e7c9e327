"""One HTML page of the contents of a ledger, without network or other files.

Texts of rows and names of studies are untrusted: all shown text passes ``html.escape``, and the
data of charts are JSON without ``<``. A content security policy in the page forbids any request.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import get_args

from vlmrt_dist.report.charts import charts_of
from vlmrt_dist.report.claims import claims_of
from vlmrt_dist.report.data import Picture, Results, StudyRows, command_of
from vlmrt_dist.report.paper import CLAIMS
from vlmrt_dist.report.plans import plans_of
from vlmrt_dist.report.plots import chart_json, plan_json
from vlmrt_dist.report.tables import Table, differences, provenance, tables_of
from vlmrt_dist.report.verdicts import Verdict

TITLE = "Conductivities by differentiable ray tracing: results"

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def report_page(results: Results) -> str:
    """The report as one HTML document."""
    from plotly.offline import get_plotlyjs

    style, script = (_asset(name) for name in ("report.css", "report.js"))
    pictures = {p.description.sweep: p for p in results.pictures}
    beside = {s.description.sweep for s in results.studies}
    alone = [p for p in results.pictures if p.description.sweep not in beside]
    sections = [
        _summary(results),
        *(_study(s, pictures.get(s.description.sweep)) for s in results.studies),
        *map(_picture, alone),
        _provenance(results),
    ]
    contents = [("summary", "What holds, what does not"),
                *((_anchor(s), _name(s)) for s in results.studies),
                *((f"picture-{p.description.sweep}", p.description.title) for p in alone),
                ("provenance", "Provenance")]  # fmt: skip
    links = "".join(f'<li><a href="#{a}">{_text(name)}</a></li>' for a, name in contents)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{TITLE}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header><h1>{TITLE}</h1>
<p>Our rows beside the numbers that the paper prints. Made by
<code>vlmrt report</code> from <code>{_text(results.source)}</code>.</p></header>
<nav aria-label="Contents"><h2>Contents</h2><ol>{links}</ol></nav>
<main id="main" tabindex="-1">
{"".join(sections)}
</main>
<script>{get_plotlyjs()}</script>
<script>{script}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return (files("vlmrt_dist.report") / "assets" / name).read_text(encoding="utf-8")


def _summary(results: Results) -> str:
    """Claims of the paper and the results of our rows; missing sweeps and damaged files."""
    judged = [
        j for study in results.studies for j in claims_of(study.name, study.rows, study.timings)
    ]
    lines = [
        (j.source, j.claim, j.told, f"{j.effect} {j.interval}; {j.asked}", j.numbers)
        for j in judged
    ]
    parts = []
    if lines:
        head = ("of the paper", "claim", "verdict", "effect, 95 % interval; asked for", "medians")
        claims = Table("Claims of the paper, held against our rows", head, tuple(lines))
        parts.append(table_html(claims, marked=2))
    else:
        parts.append("<p>No study in the ledger can judge a claim of the paper yet.</p>")
    counts = {v: sum(j.verdict == v for j in judged) for v in get_args(Verdict)}
    if judged:
        parts.insert(0, f"<p>Of {len(judged)} claims {counts['holds']} hold, "
                     f"{counts['not reproduced']} are not reproduced under the reading that was "
                     f"run, and {counts['undecided']} are undecided.</p>")  # fmt: skip
    if any(study.quick for study in results.studies):
        parts.append(
            '<p class="note">Studies named <em>quick</em> have few seeds, and no verdicts.</p>'
        )
    if results.missing:
        items = [
            f"{_text(q.title)}{_text(_of(q.paper))}: <code>{_text(command_of(q.sweep))}</code>"
            for q in results.missing
        ]
        parts.append(f"<h3>Not in the ledger</h3><p>These make them:</p>{_list(items)}")
    if results.damaged:
        parts.append("<h3>Damaged files</h3>" + _list(map(_text, results.damaged)))
    return _section("summary", "What holds, what does not", parts)


def _study(study: StudyRows, picture: Picture | None) -> str:
    anchor, description = _anchor(study), study.description
    parts = [] if picture is None else [_image(picture)]
    for source in description.paper:
        if source in CLAIMS:
            parts.append(f"<p>The paper, {_text(source)}: {_text(CLAIMS[source])}.</p>")
    against = differences(study)
    if against:
        parts.append('<div class="against"><h3>Where our numbers are not the printed ones</h3>'
                     + _list(map(_text, against)) + "</div>")  # fmt: skip
    parts += [table_html(table) for table in tables_of(study)]
    for chart in charts_of(study):
        name = f"{chart.title}; {chart.ylabel} against {chart.xlabel}"
        parts.append(_figure(f"{anchor}-{chart.key}", chart.title, name, chart.note, study,
                             chart_json(chart)))  # fmt: skip
    plans, more = plans_of(study)
    for number, plan in enumerate(plans, start=1):
        note = "Links from each transmitter to its receivers, seen from above."
        if plan.scene is None:
            note += " The scene is not one that this package can draw again."
        if more and number == len(plans):
            note += f" {more} more plans are not drawn."
        parts.append(_figure(f"{anchor}-plan-{number}", plan.title, f"{plan.title}, from above",
                             note, study, plan_json(plan)))  # fmt: skip
    return _section(anchor, _name(study), parts)


def _picture(picture: Picture) -> str:
    """Section of a picture whose study has no rows."""
    description = picture.description
    return _section(f"picture-{description.sweep}", description.title, [_image(picture)])


def _image(picture: Picture) -> str:
    description = picture.description
    said = "; ".join(CLAIMS[source] for source in description.paper) or description.title
    told = f"The paper{_text(_of(description.paper))}: {_text(said)}. " if description.paper else ""
    encoded = base64.b64encode(picture.png).decode()
    return (
        f'<figure><img src="data:image/png;base64,{encoded}" alt="{_text(said)}">'
        f'<p class="note">{told}Reproduce: '
        f"<code>{_text(command_of(description.sweep))}</code></p></figure>"
    )


def _figure(key: str, title: str, name: str, note: str, study: StudyRows, data: str) -> str:
    made = ""
    if study.command:
        made = f" Reproduce: <code>{_text(study.command)}</code>"
    return (
        f'<figure id="{key}"><figcaption><h3>{_text(title)}</h3></figcaption>'
        f'<div class="plot" role="img" aria-label="{_text(name)}" data-figure="{key}-data"></div>'
        f'<script type="application/json" id="{key}-data">{data}</script>'
        f'<p class="note">{_text(note)}{made}</p></figure>'
    )


def _provenance(results: Results) -> str:
    protocols = (
        "<p><em>same_paths</em>: the truth is simulated on the estimator's own sampled path set, "
        "as the paper's numbers imply. <em>exact</em>: truth and estimate both have every path up "
        "to the depth. <em>independent</em>: the truth has other paths than the estimate: every "
        "path where the estimate samples, a union of Sionna's solves where the estimate has every "
        "path.</p>"
    )
    figures = "<p>Figures as PNG and PDF: <code>vlmrt report RESULTS --figures FOLDER</code></p>"
    return _section(
        "provenance", "Provenance", [protocols, table_html(provenance(results)), figures]
    )


def table_html(table: Table, marked: int | None = None) -> str:
    """A table in a box that scrolls in a narrow window.

    :param marked: column of verdicts, which are highlighted
    """
    head = "".join(
        f'<th scope="col"{_kind(i in table.paper, "paper")}>{_text(name)}</th>'
        for i, name in enumerate(table.head)
    )
    body = []
    for line in table.lines:
        cells = []
        for i, cell in enumerate(line):
            if i == 0:
                cells.append(f'<th scope="row">{_text(cell)}</th>')
            else:
                kind = " ".join(
                    [*(["paper"] if i in table.paper else []),
                     *([cell.split(" under")[0].split(" (")[0].replace(" ", "-")]
                       if i == marked else []),
                     *(["number"] if _is_number(cell) else [])]
                )  # fmt: skip
                cells.append(f"<td{_kind(bool(kind), kind)}>{_text(cell)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    notes = "".join(f'<p class="note">{_text(note)}</p>' for note in table.notes)
    return (
        f'<div class="box" tabindex="0" role="region" aria-label="{_text(table.caption)}">'
        f"<table><caption>{_text(table.caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>{notes}"
    )


def _is_number(cell: str) -> bool:
    return len(cell) < 25 and (cell[:1].isdigit() or cell[:1] in "-–" or cell == "")


def _kind(there: bool, kind: str) -> str:
    return f' class="{_text(kind)}"' if there else ""


def _section(anchor: str, title: str, parts: Sequence[str]) -> str:
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">'
        f'<h2 id="{anchor}-title">{_text(title)}</h2>{"".join(parts)}</section>\n'
    )


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _anchor(study: StudyRows) -> str:
    return f"study-{study.name}"  # the ledger allows letters, digits, - and _


def _name(study: StudyRows) -> str:
    quick = ", quick" if study.quick else ""
    return f"{study.description.title}{_of(study.description.paper)}{quick}"


def _of(paper: Sequence[str]) -> str:
    return f" ({', '.join(paper)})" if paper else ""


def _text(text: str) -> str:
    return html.escape(text)
