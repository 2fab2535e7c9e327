"""What a report is made of: the studies of a ledger, what each asks, and what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlmrt_dist.store import Ledger, Row, Timing
from vlmrt_dist.store import label_of as label_as_json


@dataclass(frozen=True)
class Question:
    """What a sweep asks.

    :param sweep: its file in ``sweeps/``, and the name of its study
    :param title: the question, in a few words
    :param paper: the paper's table or figure, as :data:`vlmrt_dist.report.paper.CLAIMS` calls it;
        empty where the paper has none
    :param by: entry of the label that the study varies, on the horizontal axis
    :param axis: what that axis says, with its unit
    """

    sweep: str
    title: str
    paper: tuple[str, ...] = ()
    by: str = ""
    axis: str = ""


QUESTIONS = (
    Question("depth", "Error against ray-tracing depth", ("Table 1",), "D", "depth D"),
    Question("rays", "Error against the number of rays", ("Table 2",), "U", "rays U"),
    Question("initialization", "Where the estimation starts", ("Figure 3", "Figure 4")),
    Question("complexity", "Time of an iteration", ("Figure 1a", "Figure 1b")),
    Question("placement", "Positions and start", ("Figure 5",)),
    Question("receivers", "How many receivers", ("Figure 6",), "N", "receivers of a setup N"),
    Question("rooms", "Rooms with more objects", ("Figure 7",), "K", "objects K"),
    Question("positions", "Positions selected", ("Figure 8",)),
    Question("noise", "Error and coverage against noise", (), "noise [dB]", "noise [dB]"),
    Question("joint", "What may be unknown"),
    Question("vlm_errors", "Misnamed materials", (), "misnamed", "share of objects misnamed"),
    Question("active", "Links until every object is known"),
    Question("search", "Which configuration is best"),
    Question("real_scenes", "Cities"),
    Question("large_k", "Thousands of objects"),
    Question("large_m", "Thousands of links"),
    Question("many_seeds", "Many estimations side by side"),
)
"""The sweeps, in the order of the report."""

QUICK = "_quick"

PICTURED = ("rooms", "real_scenes", "many_seeds")
"""Sweeps whose own picture is shown: it tells more than could be drawn from their rows, if any."""


@dataclass(frozen=True)
class Study:
    """What the ledger holds of one study.

    :param name: as it is stored
    :param question: what it asks; for a study that is no sweep of this package, its name
    :param rows: estimations
    :param timings: what only measures time
    """

    name: str
    question: Question
    rows: tuple[Row, ...] = ()
    timings: tuple[Timing, ...] = ()

    @property
    def quick(self) -> bool:
        """Whether it is the small version of its sweep."""
        return QUICK in self.name

    @property
    def command(self) -> str:
        """What makes it; empty if that is not known."""
        return command_of(self.question.sweep, self.quick) if self.question.sweep else ""


@dataclass(frozen=True)
class Results:
    """All that a report shows.

    :param source: the ledger's folder or URL, as the user named it
    :param studies: those with rows, in the order of :data:`QUESTIONS`, others after them
    :param missing: questions of which the ledger holds nothing
    :param damaged: a sentence for each file that could not be read
    :param pictures: those that sweeps have drawn themselves
    """

    source: str
    studies: tuple[Study, ...]
    missing: tuple[Question, ...]
    damaged: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Picture:
    """What a sweep has drawn, see :data:`PICTURED`.

    :param question: what it shows
    :param png: the image file's content
    """

    question: Question
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Group:
    """Rows that differ in nothing but their seed (and, for some studies, their positions).

    :param label: what the study varies
    :param optimizer: the method
    :param protocol: same_paths or independent
    :param combining: power or coherent
    """

    label: Mapping[str, Any]
    optimizer: str
    protocol: str
    combining: str
    rows: tuple[Row, ...] = field(repr=False)

    def quantiles(self, column: str, scale: float = 1.0) -> tuple[float, float, float]:
        """10 %, 50 % and 90 % of a column over the finite values of the seeds; NaN if none is."""
        values = scale * np.array([getattr(r, column) for r in self.rows], float)
        values = values[np.isfinite(values)]
        if not len(values):
            return (np.nan,) * 3
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
        return float(low), float(middle), float(high)


def command_of(sweep: str, quick: bool = False) -> str:
    """The command that makes the rows of a sweep."""
    return f"python sweeps/{sweep}.py" + (" --quick" if quick else "")


def gather(ledger: Ledger) -> Results:
    """Everything that a ledger holds; a full study stands for its quick version.

    :raises StorageError: if the place cannot be read
    """
    names = ledger.studies()
    found = [n for n in names if not (n.endswith(QUICK) and n.removesuffix(QUICK) in names)]
    studies = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name in sorted(found, key=_rank):
            rows, timings = ledger.rows(name), ledger.timings(name)
            if rows or timings:
                studies.append(Study(name, question_of(name), tuple(rows), tuple(timings)))
    damaged = [str(one.message) for one in said]
    damaged += [f"{file} was set aside earlier" for file in _set_aside(ledger)
                if not any(file in sentence for sentence in damaged)]  # fmt: skip
    pictures = _pictures(ledger)
    asked = {s.question.sweep for s in studies} | {p.question.sweep for p in pictures}
    missing = tuple(q for q in QUESTIONS if q.sweep not in asked)
    return Results(str(ledger.storage), tuple(studies), missing, tuple(damaged), pictures)


def _pictures(ledger: Ledger) -> tuple[Picture, ...]:
    """Those of :data:`PICTURED`; the full one stands for its quick version."""
    found = []
    for question in QUESTIONS:
        if question.sweep in PICTURED:
            for end in ("", QUICK):
                png = (ledger.storage / f"{question.sweep}{end}.png").read()
                if png is not None:
                    found.append(Picture(question, png))
                    break
    return tuple(found)


def _set_aside(ledger: Ledger) -> list[str]:
    """Files that were found damaged, now or earlier."""
    place = ledger.storage / "damaged"
    return sorted(
        str(place / table / study / file)
        for table in place.names()
        for study in (place / table).names()
        for file in (place / table / study).names()
    )


def question_of(study: str) -> Question:
    """What a study asks, from its name: that of a sweep, perhaps with _quick or more after it."""
    matching = [q for q in QUESTIONS if study == q.sweep or study.startswith(f"{q.sweep}_")]
    return matching[0] if matching else Question("", f"Study {study}")


def groups_of(rows: Iterable[Row]) -> list[Group]:
    """Rows by label, method, protocol and combining; in the order of the label's entries."""
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        key = (row.label, row.optimizer, row.protocol, row.combining)
        found.setdefault(key, []).append(row)
    groups = [
        Group(label_of(some[0]), *key[1:], tuple(sorted(some, key=lambda r: r.seed)))
        for key, some in found.items()
    ]
    return sorted(groups, key=lambda g: [*map(_order, g.label.values()), _order(g.optimizer),
                                         _order(g.protocol), _order(g.combining)])  # fmt: skip


def label_of(row: Row | Timing) -> dict[str, Any]:
    """What distinguishes a row within its study; a label that is no JSON object is its own text."""
    label = label_as_json(row)
    return {"label": row.label} if label is None else label


def varying(groups: Sequence[Group]) -> list[str]:
    """Entries of the labels, and fields of the groups, that differ among them."""
    names = list(dict.fromkeys(name for g in groups for name in g.label))
    names = [n for n in names if len({str(g.label.get(n)) for g in groups}) > 1]
    fields = ("optimizer", "protocol", "combining")
    return names + [f for f in fields if len({getattr(g, f) for g in groups}) > 1]


def value_of(group: Group, name: str) -> Any:
    """What a group has for a name of :func:`varying`."""
    return group.label[name] if name in group.label else getattr(group, name, "")


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)


def _rank(study: str) -> tuple[int, str]:
    question = question_of(study)
    return (QUESTIONS.index(question) if question.sweep else len(QUESTIONS), study)
