"""Tables of a report as values, with the paper's numbers, and differences from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmrt_dist.report.data import (
    Group,
    Results,
    StudyRows,
    label_of,
    shown_names,
    words_of,
)
from vlmrt_dist.report.paper import TABLE_1, TABLE_2, Printed
from vlmrt_dist.report.paper_comparison import CUT_NOTE, OPTIMIZER_NAMES
from vlmrt_dist.report.printed_numbers import LIKELIHOOD_NOTE, PAPER_SCATTER, by_reading
from vlmrt_dist.store import Row, Timing, column

MOST_LINES = 400
"""Most lines of a table; a note counts those left out."""


@dataclass(frozen=True)
class Table:
    """A table of text. The first cell of a line names it.

    :param paper: indices of the paper's columns
    :param notes: footnotes
    :param brief: indices of the columns that are shown at first, the first one among them; empty:
        all
    :param group: index of a column whose values part the lines under headings of their own
    """

    caption: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    paper: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    brief: tuple[int, ...] = ()
    group: int | None = None


BRIEF = {"method", "MRE [%]", "paper's MRE [%]", "10 … 90 % [%]", "iterations",
         "paper's iterations", "coverage [%]"}  # fmt: skip
"""Columns that are shown at first, beside those of the label."""


BRIEF_ORIGIN = ("study", "rows", "timings", "seeds", "protocol", "made by")
"""The same of the table of origins."""


def tables_of(study: StudyRows) -> list[Table]:
    """The tables of one study."""
    tables = []
    if study.description.sweep == "readings":
        tables += _readings(study)
    if study.rows:
        tables.append(_estimations(study))
    if study.timings:
        tables.append(_times(study))
    return tables


def _readings(study: StudyRows) -> list[Table]:
    """Hits of each reading among the printed numbers."""
    rows = [r for r in study.rows if {"positions", "reading"} <= set(label_of(r))]
    lines = []
    for positions, reading, cells in by_reading(rows):
        kinds = [(t, c) for t in (1, 2) for c in ("mre", "iterations")]
        hits = [[c.inside for c in cells if (c.table, c.column) == kind] for kind in kinds]
        lines.append((
            reading.replace("_", " "), positions, *(f"{sum(h)} of {len(h)}" for h in hits),
            f"{sum(map(sum, hits))} of {len(cells)}", f"{sum(c.log_likelihood for c in cells):.1f}",
        ))  # fmt: skip
    head = ("reading", "positions", "Table 1: errors", "Table 1: iterations", "Table 2: errors",
            "Table 2: iterations", "all", "ln likelihood")  # fmt: skip
    caption = "Printed numbers inside the 10 … 90 % range of our seeds"
    notes = (LIKELIHOOD_NOTE, f"{PAPER_SCATTER[0].upper()}{PAPER_SCATTER[1:]}.")
    return [Table(caption, head, tuple(lines), notes=notes, group=1)] if lines else []


def _printed(study: StudyRows) -> dict[int, Printed]:
    return {"depth": TABLE_1, "rays": TABLE_2}.get(study.description.sweep, {})


def _estimations(study: StudyRows) -> Table:
    groups, printed = study.groups, _printed(study)
    labels = shown_names(g.label for g in groups)
    priors = any(g.optimizer == "map" for g in groups)
    head = [
        *map(words_of, labels),
        "method",
        "protocol",
        "combining",
        "seeds",
        "links",
        "MRE at the start [%]",
        "MRE [%]",
    ]
    paper = []

    def beside(name: str) -> None:
        if printed:
            paper.append(len(head))
            head.append(f"paper's {name}")

    beside("MRE [%]")
    head += ["10 … 90 % [%]", "iterations"]
    beside("iterations")
    head.append("fit [s]")
    beside("time [s]")
    head.append("s / iteration")
    beside("s / iteration")
    head += [
        "tracing [s]",
        "error at new receivers [dB]",
        *(["coverage [%]"] if priors else []),
        "failed",
    ]
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
    caption = f"{study.description.title}{study.description.of_the_paper}"
    protocols = len({g.protocol for g in groups}) > 1
    combined = {"combining"} if len({g.combining for g in groups}) > 1 else set()
    brief = tuple(i for i, name in enumerate(head) if i < len(labels) or name in BRIEF | combined)
    by = head.index("protocol") if protocols else None
    return Table(caption, tuple(head), tuple(lines), tuple(paper), tuple(notes), brief, by)


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
        ("paths", "num_paths"), ("D", "max_depth"), ("U", "samples_per_src"),
        ("scene [s]", "seconds_scene"),
        ("tracing [s]", "seconds_trace"), ("forward [s]", "seconds_value"),
        ("with gradient [s]", "seconds_gradient"), ("Jacobian [s]", "seconds_jacobian"),
        ("estimation [s]", "seconds_fit"), ("iterations", "iterations"), ("MRE [%]", "mre"),
        ("memory [MB]", "peak_bytes"), ("outcome", "outcome"),
    )  # fmt: skip
    scale = {"mre": 100.0, "peak_bytes": 1e-6}
    timings = sorted(study.timings, key=_order_of_time)
    others = {name for name, _ in columns}
    if len({label_of(t).get("seed") for t in timings}) == 1:
        others.add("seed")
    labels = [n for n in shown_names(label_of(t) for t in timings) if n not in others]
    lines = [
        (*(_cell(label_of(t).get(name, "")) for name in labels),
         *(_measured(getattr(t, c), scale.get(c, 1.0)) for _, c in columns))
        for t in timings[:MOST_LINES]
    ]  # fmt: skip
    caption = f"{study.description.title}: times{study.description.of_the_paper}"
    head = (*map(words_of, labels), *(name for name, _ in columns))
    measured = [i for i in range(len(head)) if any(line[i] for line in lines)]
    plain = {"paths", "memory [MB]", "outcome", "links"}
    plain |= {n for i, n in enumerate(head) if n in "MDU" and len({line[i] for line in lines}) == 1}
    brief = tuple(i for i in measured if head[i] not in plain)[:10]
    group = head.index("engine") if len({t.engine for t in timings}) > 1 else None
    return Table(caption, head, tuple(lines), notes=("Empty: not measured.",), brief=brief,
                 group=group)  # fmt: skip


def _order_of_time(timing: Timing) -> tuple[Any, ...]:
    """By engine, what is varied, and the sizes."""
    varies = str(label_of(timing).get("varies", ""))
    sizes = timing.num_objects, timing.num_setups, timing.max_depth, timing.samples_per_src
    return timing.engine, varies, *sizes


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
    brief = tuple(head.index(name) for name in BRIEF_ORIGIN)
    return Table("Where the numbers come from", head, tuple(lines), brief=brief)


def _tracing_seconds(study: StudyRows) -> float:
    """Tracing of all configurations; its seeds and methods share it."""
    names = ("label", "protocol", "combining", "seconds_trace")
    found = set(zip(*(column(study.rows, name) for name in names), strict=True))
    return float(sum(seconds for *_, seconds in found))


def _versions(text: str) -> str:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return ", ".join(f"{k} {v}" for k, v in found.items()) if isinstance(found, dict) else text


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
