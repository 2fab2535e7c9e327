"""Tables of a report as values, with the paper's numbers, and differences from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.report.data import Group, Results, StudyRows, label_of
from vlmrt_dist.report.paper import TABLE_1, TABLE_2, Printed
from vlmrt_dist.report.paper_comparison import CUT_NOTE, OPTIMIZER_NAMES
from vlmrt_dist.store import Row, column

MOST_LINES = 400
"""Most lines of a table; a note counts those left out."""


@dataclass(frozen=True)
class Table:
    """A table of text. The first cell of a line names it.

    :param paper: indices of the paper's columns
    :param notes: footnotes
    """

    caption: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    paper: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def tables_of(study: StudyRows) -> list[Table]:
    """The tables of one study."""
    tables = []
    if study.rows:
        tables.append(_estimations(study))
    if study.timings:
        tables.append(_times(study))
    return tables


def _printed(study: StudyRows) -> dict[int, Printed]:
    return {"depth": TABLE_1, "rays": TABLE_2}.get(study.description.sweep, {})


def _estimations(study: StudyRows) -> Table:
    groups, printed = study.groups, _printed(study)
    labels = list(dict.fromkeys(name for g in groups for name in g.label))
    priors = any(g.optimizer == "map" for g in groups)
    head = [
        *labels,
        "method",
        "protocol",
        "combining",
        "seeds",
        "links",
        "start MRE [%]",
        "MRE [%]",
    ]
    paper = []

    def beside() -> None:
        if printed:
            paper.append(len(head))
            head.append("paper")

    beside()
    head += ["10 … 90 % [%]", "iterations"]
    beside()
    head.append("fit [s]")
    beside()
    head.append("s / iteration")
    beside()
    head += ["tracing [s]", "held out [dB]", *(["coverage [%]"] if priors else []), "failed"]
    lines = []
    for group in groups[:MOST_LINES]:
        value = group.label.get(study.description.by)
        line = printed.get(value) if isinstance(value, int) else None
        lines.append(_line(group, labels, line, bool(printed), priors))
    notes = ["MRE, times and iterations are medians over the seeds. Tracing is done once for all "
             "seeds of a configuration; fit is the time of one seed."]  # fmt: skip
    if study.description.sweep == "real_scenes":
        notes.append("Here the error is that of all objects, most of which no link sees; the sweep "
                     "prints it of those that are estimated.")  # fmt: skip
    if len(groups) > MOST_LINES:
        notes.append(f"{len(groups) - MOST_LINES} more lines are left out; they are in the ledger.")
    cut = _cut_depths(study.rows)
    if len(cut):
        notes.append(CUT_NOTE.format(depth=cut.min()))
    caption = f"{study.description.title}{_of_the_paper(study)}"
    return Table(caption, tuple(head), tuple(lines), tuple(paper), tuple(notes))


def _cut_depths(rows: Sequence[Row]) -> NDArray[np.int64]:
    """Depths to which the path sets of rows are complete, where that is less than was asked for."""
    complete = np.array(column(rows, "complete_to"), np.int64)
    return complete[(complete >= 0) & (complete < np.array(column(rows, "max_depth"), np.int64))]


def _line(
    group: Group, labels: Sequence[str], printed: Printed | None, beside: bool, priors: bool
) -> tuple[str, ...]:
    def paper(text: str) -> list[str]:
        return [text if printed else ""] if beside else []

    rows = group.rows
    low, middle, high = group.quantiles("mre", 100.0)
    iterations = group.quantiles("iterations")[1]
    iteration = np.maximum(column(rows, "iterations"), 1)
    each = float(np.median(np.array(column(rows, "seconds_fit")) / iteration))
    cut = " ‡" if len(_cut_depths(rows)) else ""
    failed = sum(o in ("non_finite", "diverged", "no_signal") for o in column(rows, "outcome"))
    cells = [
        *(_cell(group.label.get(name, "")) for name in labels),
        OPTIMIZER_NAMES.get(group.optimizer, group.optimizer),
        group.protocol,
        group.combining,
        str(len(set(column(rows, "seed")))),
        f"{group.quantiles('num_links')[1]:.0f}",
        percent(group.quantiles("initial_mre", 100.0)[1]),
        percent(middle) + cut,
        *paper(f"{printed.mre:.3f}" if printed else ""),
        f"{percent(low)} … {percent(high)}",
        f"{iterations:.0f}",
        *paper(str(printed.iterations) if printed else ""),
        f"{group.quantiles('seconds_fit')[1]:.2g}",
        *paper(f"{printed.seconds:.0f}" if printed else ""),
        f"{each:.1e}",
        *paper(f"{printed.per_iteration:.2f}" if printed else ""),
        f"{group.quantiles('seconds_trace')[1]:.2g}",
        f"{group.quantiles('held_out_db')[1]:.1e}",
    ]
    if priors:
        cells.append(f"{100.0 * np.mean(column(rows, 'coverage')):.1f}"
                     if group.optimizer == "map" else "")  # fmt: skip
    return (*cells, str(failed))


def _times(study: StudyRows) -> Table:
    columns = (
        ("engine", "engine"), ("K", "num_objects"), ("M", "num_setups"), ("links", "num_links"),
        ("paths", "num_paths"), ("D", "max_depth"), ("scene [s]", "seconds_scene"),
        ("tracing [s]", "seconds_trace"), ("forward [s]", "seconds_value"),
        ("with gradient [s]", "seconds_gradient"), ("Jacobian [s]", "seconds_jacobian"),
        ("estimation [s]", "seconds_fit"), ("iterations", "iterations"), ("MRE [%]", "mre"),
        ("memory [MB]", "peak_bytes"), ("outcome", "outcome"),
    )  # fmt: skip
    scale = {"mre": 100.0, "peak_bytes": 1e-6}
    timings = sorted(study.timings, key=lambda t: (t.engine, t.num_objects, t.num_setups))
    said = [(name, value) for t in timings for name, value in label_of(t).items()]
    # Lists, such as the keys of rows, are for programs.
    labels = list(dict.fromkeys(n for n, v in said if not isinstance(v, list | dict)))
    lines = [
        (*(_cell(label_of(t).get(name, "")) for name in labels),
         *(_measured(getattr(t, c), scale.get(c, 1.0)) for _, c in columns))
        for t in timings[:MOST_LINES]
    ]  # fmt: skip
    caption = f"{study.description.title}: times{_of_the_paper(study)}"
    return Table(caption, (*labels, *(name for name, _ in columns)), tuple(lines),
                 notes=("Empty: not measured.",))  # fmt: skip


def differences(study: StudyRows) -> list[str]:
    """Sentences on printed numbers of the paper that lie outside the 10 to 90 % range of our seeds.

    The paper's own method (Adam) is compared, by the reading that the rows name. A quick study says
    nothing.
    """
    if study.quick:
        return []
    sentences = []
    for group in study.groups:
        value = group.label.get(study.description.by)
        printed = _printed(study).get(value) if isinstance(value, int) else None
        if printed is None or group.optimizer != "adam":
            continue
        where = f"{study.description.by} = {value}, {group.protocol}"
        low, middle, high = group.quantiles("mre", 100.0)
        if not low <= printed.mre <= high:
            sentences.append(
                f"{where}: Adam ends at {middle:.3f} % (10 … 90 % of {len(group.rows)} seeds: "
                f"{low:.3f} … {high:.3f}); the paper prints {printed.mre:.3f} %."
            )
        low, middle, high = group.quantiles("iterations")
        if not low <= printed.iterations <= high:
            sentences.append(
                f"{where}: it takes {middle:.0f} iterations ({low:.0f} … {high:.0f}); the paper "
                f"prints {printed.iterations}."
            )
    return sentences


def provenance(results: Results) -> Table:
    """Origin of each study's numbers: rows, seeds, engine, hardware, versions, command."""
    lines = []
    for study in results.studies:
        seeds = sorted(set(column(study.rows, "seed")))

        def all_of(name: str, study: StudyRows = study) -> set[str]:
            return {*column(study.rows, name), *column(study.timings, name)}

        count = f"{len(seeds)} ({seeds[0]} … {seeds[-1]})" if seeds else ""
        lines.append((
            study.name,
            f"{len(study.rows)}",
            f"{len(study.timings)}",
            count,
            ", ".join(sorted(set(column(study.rows, "protocol")))),
            ", ".join(sorted(all_of("engine"))),
            f"{_tracing_seconds(study):.3g}",
            f"{sum(column(study.rows, 'seconds_fit')):.3g}",
            "; ".join(sorted(all_of("hardware"))),
            "; ".join(sorted(map(_versions, all_of("versions")))),
            study.command or "not known",
        ))  # fmt: skip
    head = ("study", "rows", "timings", "seeds", "protocol", "engine", "tracing [s]", "fitting [s]",
            "hardware", "versions", "made by")  # fmt: skip
    return Table("Where the numbers come from", head, tuple(lines))


def _tracing_seconds(study: StudyRows) -> float:
    """Tracing of all configurations; its seeds and methods share it."""
    names = ("label", "protocol", "combining", "seconds_trace")
    found = set(zip(*(column(study.rows, name) for name in names), strict=True))
    return float(sum(seconds for *_, seconds in found))


def _versions(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return ", ".join(f"{k} {v}" for k, v in found.items()) if isinstance(found, dict) else text


def _of_the_paper(study: StudyRows) -> str:
    return f" ({', '.join(study.description.paper)})" if study.description.paper else ""


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _measured(value: object, scale: float) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and scale == 1.0:
        return str(value) if value >= 0 else ""
    number = float(value)  # type: ignore[arg-type]
    return f"{scale * number:.3g}" if np.isfinite(number) and number >= 0.0 else ""


def percent(value: float) -> str:
    """A percentage as text, also a very small one."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.3g}" if value >= 5e-4 else f"{value:.0e}"
