"""Contents of a report: the studies of a ledger, their descriptions, and the missing sweeps."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store import Ledger, Row, Timing, nothing_written
from vlmrt_dist.store import column as column_of
from vlmrt_dist.store import label_of as label_as_json


@dataclass(frozen=True)
class StudyDescription:
    """Title, paper references and horizontal axis of a sweep's study.

    :param sweep: its file in ``sweeps/``, and the name of its study
    :param title: its subject, in a few words
    :param paper: the paper's table or figure, as :data:`vlmrt_dist.report.paper.CLAIMS` calls it;
        empty where the paper has none
    :param by: entry of the label that the study varies, on the horizontal axis
    :param axis: label of that axis, with its unit
    :param xlog: whether it is logarithmic
    """

    sweep: str
    title: str
    paper: tuple[str, ...] = ()
    by: str = ""
    axis: str = ""
    xlog: bool = False

    @property
    def of_the_paper(self) -> str:
        """The paper's table or figure in brackets, behind a title; empty where there is none."""
        return f" ({', '.join(self.paper)})" if self.paper else ""


SWEEPS = (
    StudyDescription("depth", "Error against ray-tracing depth", ("Table 1",), "D", "depth D"),
    StudyDescription(
        "rays", "Error against the number of rays", ("Table 2",), "U", "rays U", xlog=True
    ),
    StudyDescription("readings", "Readings of the paper", ("Table 1", "Table 2")),
    StudyDescription("initialization", "Where the estimation starts", ("Figure 3", "Figure 4")),
    StudyDescription("complexity", "Time of an iteration", ("Figure 1a", "Figure 1b")),
    StudyDescription("placement", "Positions and start", ("Figure 5",)),
    StudyDescription(
        "receivers", "How many receivers", ("Figure 6",), "N", "receivers of a setup N"
    ),
    StudyDescription("rooms", "Rooms with more objects", ("Figure 7",), "K", "objects K"),
    StudyDescription("positions", "Positions selected", ("Figure 8",)),
    StudyDescription("success", "How often optimizers find the materials"),
    StudyDescription("best_positions", "Positions beside the best found"),
    StudyDescription(
        "links_needed",
        "Links for rooms of K objects",
        (),
        "links per object",
        "links for each object",
        xlog=True,
    ),
    StudyDescription(
        "frequency", "Error against the carrier", (), "carrier [GHz]", "carrier [GHz]", xlog=True
    ),
    StudyDescription("inverse_crime", "Truths of other making"),
    StudyDescription("noise", "Error and coverage against noise", (), "noise [dB]", "noise [dB]"),
    StudyDescription("intervals", "Do the intervals hold the truth"),
    StudyDescription("minima", "Are the weights of several minima right"),
    StudyDescription("observables", "Do the intervals from each observable hold the truth"),
    StudyDescription("mismatch", "A flat that is more than its model"),
    StudyDescription("scattering", "Surfaces that scatter"),
    StudyDescription("joint", "What may be unknown"),
    StudyDescription(
        "vlm_errors", "Misnamed materials", (), "misnamed", "share of objects misnamed"
    ),
    StudyDescription("active", "Links until every object is known"),
    StudyDescription("search", "Which configuration is best"),
    StudyDescription("real_scenes", "Cities"),
    StudyDescription("diffraction", "What edges make heard"),
    StudyDescription("large_k", "Thousands of objects"),
    StudyDescription("large_m", "Thousands of links"),
    StudyDescription("many_seeds", "Many estimations side by side"),
)
"""The sweeps, in the order of the report."""

QUICK = "_quick"

PICTURED = (
    "rooms", "readings", "success", "best_positions", "links_needed", "frequency", "inverse_crime",
    "intervals", "minima", "mismatch", "scattering", "real_scenes", "many_seeds",
)  # fmt: skip
"""Sweeps whose own picture is shown, as it cannot be drawn from their rows."""


@dataclass(frozen=True)
class StudyRows:
    """Rows and timings of one study.

    :param name: as it is stored
    :param description: of its sweep; for a study that is no sweep of this package, its name
    :param rows: estimations
    :param timings: timings without an estimation
    """

    name: str
    description: StudyDescription
    rows: tuple[Row, ...] = ()
    timings: tuple[Timing, ...] = ()

    @cached_property
    def groups(self) -> list[Group]:
        """Its rows in groups, see :func:`groups_of`."""
        return groups_of(self.rows)

    @property
    def quick(self) -> bool:
        """True for the small version of its sweep."""
        return QUICK in self.name

    @property
    def command(self) -> str:
        """The command that makes its rows; empty if unknown."""
        return command_of(self.description.sweep, self.quick) if self.description.sweep else ""


@dataclass(frozen=True)
class Results:
    """Contents of a report.

    :param source: the ledger's folder or URL, as the user named it
    :param studies: those with rows, in the order of :data:`SWEEPS`, others after them
    :param missing: sweeps without rows in the ledger
    :param damaged: a sentence for each file that could not be read
    :param pictures: drawn by the sweeps themselves
    """

    source: str
    studies: tuple[StudyRows, ...]
    missing: tuple[StudyDescription, ...]
    damaged: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture drawn by a sweep, see :data:`PICTURED`.

    :param description: of the sweep
    :param png: the image file's content
    """

    description: StudyDescription
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Group:
    """Rows that differ only in their seed (and, for some studies, their positions).

    :param label: the settings that the study varies
    :param optimizer: the method
    :param protocol: same_paths, exact or independent
    :param combining: power or coherent
    """

    label: Mapping[str, Any]
    optimizer: str
    protocol: str
    combining: str
    rows: tuple[Row, ...] = field(repr=False)

    def quantiles(self, column: str, scale: float = 1.0) -> tuple[float, float, float]:
        """10 %, 50 % and 90 % of a column over the finite values of the seeds; NaN if none is."""
        values = scale * np.array(column_of(self.rows, column), float)
        values = values[np.isfinite(values)]
        if not len(values):
            return (np.nan,) * 3
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
        return float(low), float(middle), float(high)


def command_of(sweep: str, quick: bool = False) -> str:
    """The command that makes the rows of a sweep."""
    return f"python sweeps/{sweep}.py" + (" --quick" if quick else "")


def gather(ledger: Ledger) -> Results:
    """The contents of a ledger; a full study replaces its quick version.

    :raises StorageError: if the place cannot be read
    """
    with nothing_written():
        return _gathered(ledger)


def _gathered(ledger: Ledger) -> Results:
    names = ledger.studies()
    found = [n for n in names if not (n.endswith(QUICK) and n.removesuffix(QUICK) in names)]
    studies = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name in sorted(found, key=_rank):
            rows, timings = ledger.rows(name), ledger.timings(name)
            if rows or timings:
                studies.append(StudyRows(name, description_of(name), tuple(rows), tuple(timings)))
    damaged = [str(one.message) for one in said]
    damaged += [f"{file} was set aside earlier" for file in _set_aside(ledger)
                if not any(file in sentence for sentence in damaged)]  # fmt: skip
    pictures = _pictures(ledger)
    asked = {s.description.sweep for s in studies} | {p.description.sweep for p in pictures}
    missing = tuple(q for q in SWEEPS if q.sweep not in asked)
    return Results(str(ledger.storage), tuple(studies), missing, tuple(damaged), pictures)


def _pictures(ledger: Ledger) -> tuple[Picture, ...]:
    """The pictures of :data:`PICTURED`; a full one replaces its quick version."""
    found = []
    for description in SWEEPS:
        if description.sweep in PICTURED:
            for end in ("", QUICK):
                png = (ledger.storage / f"{description.sweep}{end}.png").read()
                if png is not None:
                    found.append(Picture(description, png))
                    break
    return tuple(found)


def _set_aside(ledger: Ledger) -> list[str]:
    """Files that were set aside as damaged; a name that is none of ours is left out."""
    found, place = [], ledger.storage / "damaged"
    for table in place.names():
        with contextlib.suppress(StorageError):
            for study in (place / table).names():
                with contextlib.suppress(StorageError):
                    folder = place / table / study
                    found += [f"{folder}/{file}" for file in folder.names()]
    return sorted(found)


def description_of(study: str) -> StudyDescription:
    """Description of a study by its name: a sweep's, perhaps followed by _quick or a suffix."""
    matching = [q for q in SWEEPS if study == q.sweep or study.startswith(f"{q.sweep}_")]
    return matching[0] if matching else StudyDescription("", f"Study {study}")


def groups_of(rows: Iterable[Row]) -> list[Group]:
    """Rows by label, method, protocol and combining; in the order of the label's entries."""
    found: dict[tuple[str, str, str, str], list[tuple[int, Row]]] = {}
    rows = list(rows)
    keys = zip(*(column_of(rows, name) for name in ("label", "optimizer", "protocol", "combining")),
               strict=True)  # fmt: skip
    for key, seed, row in zip(keys, column_of(rows, "seed"), rows, strict=True):
        found.setdefault(key, []).append((seed, row))
    groups = [
        Group(
            label_of(some[0][1]),
            *key[1:],
            tuple(row for _, row in sorted(some, key=lambda each: each[0])),
        )
        for key, some in found.items()
    ]
    return sorted(groups, key=lambda g: [*(_order(v) for n, v in g.label.items()
                                           if n not in FOR_PROGRAMS), _order(g.optimizer),
                                         _order(g.protocol), _order(g.combining)])  # fmt: skip


def label_of(row: Row | Timing) -> dict[str, Any]:
    """The label of a row as an object; a label that is no JSON object becomes its text."""
    label = label_as_json(row)
    return {"label": row.label} if label is None else label


LABEL_WORDS = {
    "D": "depth D", "U": "rays U", "K": "objects K", "N": "receivers N", "M": "setups M",
    "misnamed": "share misnamed", "vlm": "advisor", "truth_width": "std of the truths",
    "noise_db": "noise [dB]", "tx_power_dbm": "power [dBm]", "frequency": "carrier [Hz]",
    "rate": "η", "adam_loss": "loss of Adam", "placement": "positions",
}  # fmt: skip
"""Headings of label entries."""

FOR_PROGRAMS = ("said", "remarks", "prompt", "images", "P.2040", "adds")
"""Label entries that are too long for a table, or follow from others; they are in the ledger."""

_HASH = re.compile(r"[0-9a-f]{12,}")


def words_of(name: str) -> str:
    """Heading of a label entry."""
    return LABEL_WORDS.get(name, name.replace("_", " "))


def shown_names(labels: Iterable[Mapping[str, Any]]) -> list[str]:
    """Entries of labels that a reader can use: no lists, no content hashes, no long answers."""
    names: dict[str, None] = {}
    for label in labels:
        for name, value in label.items():
            hidden = isinstance(value, list | dict) or _HASH.fullmatch(str(value))
            if not hidden and name not in FOR_PROGRAMS:
                names[name] = None
    return list(names)


def varying(groups: Sequence[Group]) -> list[str]:
    """Names of the label entries and fields that differ among groups."""
    names = shown_names(g.label for g in groups)
    names = [n for n in names if len({str(g.label.get(n)) for g in groups}) > 1]
    fields = ("optimizer", "protocol", "combining")
    return names + [f for f in fields if len({getattr(g, f) for g in groups}) > 1]


def value_of(group: Group, name: str) -> Any:
    """A group's value of an entry or field named by :func:`varying`."""
    return group.label[name] if name in group.label else getattr(group, name, "")


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)


def _rank(study: str) -> tuple[int, str]:
    description = description_of(study)
    return (SWEEPS.index(description) if description.sweep else len(SWEEPS), study)
