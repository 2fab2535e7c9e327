"""One HTML page of the contents of a ledger, without network or other files.

Texts of rows and names of studies are untrusted: the templates escape all that they show, and the
data of charts are JSON without ``<``. A content security policy in the page forbids any request.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from vlmrt_dist.extras import need
from vlmrt_dist.report.charts import charts_of
from vlmrt_dist.report.claims import QUICK_NOTE, claims_of
from vlmrt_dist.report.data import Picture, Results, StudyRows, command_of
from vlmrt_dist.report.findings import findings
from vlmrt_dist.report.html_tables import table_html
from vlmrt_dist.report.paper import CLAIMS
from vlmrt_dist.report.paper_index import ITEMS
from vlmrt_dist.report.plans import plans_of
from vlmrt_dist.report.plots import chart_json, plan_json
from vlmrt_dist.report.tables import Table, differences, provenance, tables_of
from vlmrt_dist.report.templates import document
from vlmrt_dist.report.verdicts import Judged

TITLE = "Conductivities by differentiable ray tracing: results"

PROTOCOLS = (
    "same_paths: the truth is simulated on the estimator's own sampled path set, as the paper's "
    "numbers imply. exact: truth and estimate both have every path up to the depth. independent: "
    "the truth has other paths than the estimate: every path where the estimate samples, a union "
    "of Sionna's solves where the estimate has every path."
)


class _Item(NamedTuple):
    text: str
    command: str = ""


class _Lines(NamedTuple):
    title: str
    items: Sequence[_Item]
    open: bool = False


class _Shown(NamedTuple):
    """A chart or a plan."""

    key: str
    title: str
    name: str
    note: str
    data: Markup


class _Image(NamedTuple):
    data: str
    alt: str
    command: str


@dataclass(frozen=True)
class _Section:
    """A section of the page, in the order in which its parts are shown."""

    anchor: str
    title: str
    paper: Sequence[str] = ()
    text: Sequence[str] = ()
    picture: _Image | None = None
    lists: Sequence[_Lines] = ()
    tables: Sequence[Markup] = ()
    figures: Sequence[_Shown] = ()
    command: str = ""


def report_page(results: Results) -> str:
    """The report as one HTML document.

    :raises ConfigurationError: if a package is missing
    """
    for library in ("plotly", "great_tables"):
        need(library, "report", "the report")
    pictures = {p.description.sweep: p for p in results.pictures}
    beside = {s.description.sweep for s in results.studies}
    verdicts = {s.name: claims_of(s.name, s.rows, s.timings) for s in results.studies}
    judged = [j for some in verdicts.values() for j in some]
    sections = [
        _claims(results, judged),
        _paper(results, judged),
        *(_study(s, pictures.get(s.description.sweep), verdicts[s.name]) for s in results.studies),
        *(_picture(p) for p in results.pictures if p.description.sweep not in beside),
        _Section("provenance", "Where the numbers come from", text=[PROTOCOLS],
                 tables=[table_html(provenance(results), "provenance-table")],
                 lists=[_Lines("The same figures as files",
                               [_Item("PNG and PDF:", "vlmrt report RESULTS --figures FOLDER")],
                               open=True)]),
    ]  # fmt: skip
    return document(
        "report.html", styles=["report.css"], script="report.js", title=TITLE,
        findings=findings(results, judged), source=results.source, sections=sections,
    )  # fmt: skip


def _claims(results: Results, judged: Sequence[Judged]) -> _Section:
    """Verdicts on the paper's claims; missing sweeps and damaged files."""
    text, lists = [], []
    if any(study.quick for study in results.studies):
        text.append("Studies named quick have few seeds, and no verdicts.")
    tables = []
    if judged:
        tables.append(table_html(claims_table(judged), "claims"))
        text.append(
            "A claim holds where the whole 95 % interval of its effect is what the claim asks for, "
            "and is not reproduced where none of it is; what is between is undecided, and so is an "
            "effect within a quarter of a round number of the paper (2, 5, 10 times). Intervals "
            "are bootstrapped over the seeds; those of times are of a fitted line."
        )
    if results.missing:
        items = [_Item(f"{q.title}{q.of_the_paper}:", command_of(q.sweep)) for q in results.missing]
        lists.append(_Lines("Not in the ledger; these make them", items))
    if results.damaged:
        lists.append(_Lines("Damaged files", [_Item(one) for one in results.damaged], open=True))
    return _Section(
        "summary", "Claims of the paper, and our verdicts", text=text, lists=lists, tables=tables
    )


def claims_table(judged: Sequence[Judged]) -> Table:
    """Verdicts as a table, in parts by the paper's tables and figures."""
    lines = [
        (j.claim, j.source, j.verdict, str(j.interval), j.asked, j.under, j.effect, j.count,
         j.numbers)
        for j in judged
    ]  # fmt: skip
    head = ("claim", "of the paper", "verdict", "effect (95 %)", "asked for", "under",
            "what is compared", "seeds or sizes", "medians")  # fmt: skip
    return Table("Claims of the paper, held against our rows", head, tuple(lines),
                 brief=(0, 2, 3, 4, 5), group=1)  # fmt: skip


def _paper(results: Results, judged: Sequence[Judged]) -> _Section:
    """Every part of the paper, with what stands for it here."""
    there = {s.description.sweep for s in results.studies}
    there |= {p.description.sweep for p in results.pictures}
    lines = []
    for item in ITEMS:
        verdicts = [j.verdict for j in judged if j.source == item.name]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        told = item.result or ("drawn below" if item.sweep in there else "")
        told = "; ".join(filter(None, [f"claims: {counts}" if counts else "", told]))
        commands = [command_of(item.sweep)] if item.sweep else []
        command = "; ".join([*commands, *filter(None, [item.command])])
        here = ", ".join(f"vlmrt_dist.{name}" for name in item.module.split(", "))
        lines.append((item.name, item.subject, here, command, told))
    head = ("in the paper", "subject", "here", "command", "result")
    table = Table("The paper's equations, algorithm, tables and figures, and ours", head,
                  tuple(lines))  # fmt: skip
    return _Section("paper", "The paper, part by part", tables=[table_html(table, "parts")])


def _study(study: StudyRows, picture: Picture | None, judged: Sequence[Judged]) -> _Section:
    anchor, description = _anchor(study), study.description
    lists = []
    verdicts = [_Item(str(j)) for j in judged]
    if verdicts:
        count = "1 claim" if len(verdicts) == 1 else f"{len(verdicts)} claims"
        lists.append(_Lines(f"Verdicts on {count}", verdicts))
    apart = [_Item(sentence) for sentence in differences(study)]
    if apart:
        lists.append(_Lines(f"{len(apart)} printed numbers outside our 10 … 90 % range", apart))
    figures = [
        _Shown(f"{anchor}-{chart.key}", chart.title,
               f"{chart.title}; {chart.ylabel} against {chart.xlabel}", chart.note,
               Markup(chart_json(chart)))
        for chart in charts_of(study)
    ]  # fmt: skip
    plans, more = plans_of(study)
    for number, plan in enumerate(plans, start=1):
        note = "Links from each transmitter to its receivers, seen from above."
        if plan.scene is None:
            note += " The scene is not one that this package can draw again."
        if more and number == len(plans):
            note += f" {more} more plans are not drawn."
        figures.append(_Shown(f"{anchor}-plan-{number}", plan.title, f"{plan.title}, from above",
                              note, Markup(plan_json(plan))))  # fmt: skip
    return _Section(
        anchor, _name(study),
        paper=[f"{source}: {CLAIMS[source]}" for source in description.paper if source in CLAIMS],
        text=[QUICK_NOTE.capitalize() + "."] if study.quick and description.paper else [],
        picture=None if picture is None else _image(picture), lists=lists,
        tables=[table_html(t, f"{anchor}-table{n}") for n, t in enumerate(tables_of(study))],
        figures=figures, command=study.command,
    )  # fmt: skip


def _picture(picture: Picture) -> _Section:
    """Section of a picture whose study has no rows."""
    description = picture.description
    return _Section(
        f"picture-{description.sweep}", f"{description.title}{description.of_the_paper}",
        paper=[f"{source}: {CLAIMS[source]}" for source in description.paper],
        picture=_image(picture),
    )  # fmt: skip


def _image(picture: Picture) -> _Image:
    description = picture.description
    said = "; ".join(CLAIMS[source] for source in description.paper) or description.title
    return _Image(base64.b64encode(picture.png).decode(), said, command_of(description.sweep))


def _anchor(study: StudyRows) -> str:
    return f"study-{study.name}"  # the ledger allows letters, digits, - and _


def _name(study: StudyRows) -> str:
    """Title of a study, with the reading or advisor that its name ends in."""
    rest = study.name.removeprefix(study.description.sweep).strip("_").replace("_", " ")
    if not study.description.sweep:
        rest = ""
    return f"{study.description.title}{study.description.of_the_paper}{f', {rest}' if rest else ''}"
