"""The findings of a ledger, in at most five sentences with numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vlmrt_dist.report.claims import RETRACE
from vlmrt_dist.report.data import QUICK, Results, StudyRows
from vlmrt_dist.report.paper import TABLE_1
from vlmrt_dist.report.printed_numbers import by_reading
from vlmrt_dist.report.sweeps.positions import labelled, of_method
from vlmrt_dist.report.verdicts import MIN_SEEDS, Judged
from vlmrt_dist.store import Row, Timing, label_of

MOST = 5
"""Most sentences."""


def findings(results: Results, judged: Sequence[Judged]) -> list[str]:
    """The sentences, those on the paper first."""
    studies = {study.name.removesuffix(QUICK): study for study in results.studies}
    found = [_verdicts(judged)]
    for name, tell in _SENTENCES:
        if name in studies and (sentence := tell(studies[name])):
            found.append(sentence)
    return found[:MOST]


def _verdicts(judged: Sequence[Judged]) -> str:
    if not judged:
        return (
            "No claim of the paper is judged yet: that takes a full run with each of the paper's "
            f"values and {MIN_SEEDS} seeds."
        )
    counts = Counter(one.verdict for one in judged)
    found = {one.under for one in judged if one.verdict == "not reproduced"}
    readings = sorted(found - {RETRACE})
    under = f" under {' or '.join(readings)}" if readings else ""
    if RETRACE in found:
        under += f"{' or' if under else ''} in times of {RETRACE}"
    return (
        f"Of {len(judged)} claims of the paper {counts['holds']} hold, "
        f"{counts['not reproduced']} are not reproduced{under}, and {counts['undecided']} are "
        "undecided."
    )


def _table_1(study: StudyRows) -> str:
    rows = _of(study.rows, optimizer="adam", protocol="same_paths")
    rows = [r for r in rows if r.max_depth in TABLE_1]
    if not rows:
        return ""
    depths = sorted({r.max_depth for r in rows})
    errors = [100.0 * _median(r.mre for r in rows if r.max_depth == d) for d in depths]
    steps = [_median(r.iterations for r in rows if r.max_depth == d) for d in depths]
    printed = [TABLE_1[d] for d in depths]
    return (
        f"Read as printed, Adam ends at {_range(errors)} % after {_range(steps, '.0f')} iterations "
        f"at depths {', '.join(map(str, depths))}; the paper prints "
        f"{_range([p.mre for p in printed])} % after {_range([p.iterations for p in printed])}."
    )


def _readings(study: StudyRows) -> str:
    hits = {
        (positions, reading): (sum(c.inside for c in cells), len(cells))
        for positions, reading, cells in by_reading(_labelled(study.rows, "positions", "reading"))
    }
    if not hits:
        return ""
    (positions, best), (most, total) = max(hits.items(), key=lambda one: one[1][0])
    literal = hits.get((positions, "literal"))
    start = f"{literal[0]} under the literal reading and " if literal else ""
    return (
        f"Of the {total} numbers that the paper prints in Tables 1 and 2, {start}{most} under the "
        f"reading {best.replace('_', ' ')} lie inside the range of our seeds: that is compatible, "
        "not shown to be what was run."
    )


def _positions(study: StudyRows) -> str:
    rows = of_method(study.rows, "adam")
    error = {
        name: _median(r.mre for r in labelled(rows, positions=name, start="VLMInit"))
        for name in ("RandSel", "VLMSel (offline)", "D-optimal")
    }
    if not all(np.isfinite(value) for value in error.values()):
        return ""
    told = ", ".join(f"{100.0 * value:.2g} % at {name}" for name, value in error.items())
    return f"From VLMInit with few receivers Adam ends at {told} positions (medians)."


def _least_squares(study: StudyRows) -> str:
    rows = _of(study.rows, optimizer="levenberg_marquardt", protocol="same_paths")
    if not rows:
        return ""
    return (
        f"Levenberg-Marquardt needs {_median(r.iterations for r in rows):.0f} evaluations on the "
        f"same levels and ends at {100.0 * _median(r.mre for r in rows):.0e} %, as the truth has "
        "the estimate's own paths and no noise."
    )


def _starts(study: StudyRows) -> str:
    starts = {
        name: _median(r.initial_mre for r in labelled(study.rows, start=name))
        for name in ("VLMInit", "UnifInit", "RandInit")
    }
    if not all(np.isfinite(value) for value in starts.values()):
        return ""
    told = ", ".join(f"{name} at {100.0 * value:.2g} %" for name, value in starts.items())
    return f"The estimation starts with {told} of error (medians)."


def _step(study: StudyRows) -> str:
    def seconds(engine: str) -> float:
        some: list[Timing] = [
            t for t in study.timings
            if t.engine == engine and (label_of(t) or {}).get("varies") in (None, "K", "M")
        ]  # fmt: skip
        return _median(t.seconds_gradient for t in some if t.num_objects == 9)

    fast, slow = seconds("replay"), seconds("retrace")
    if not (np.isfinite(fast) and np.isfinite(slow)):
        return ""
    return (
        f"An iteration takes {_plain(1e3 * fast)} ms by replay of stored paths and "
        f"{_plain(1e3 * slow)} ms "
        f"by tracing anew, {slow / fast:.0f} times as long (K = 9)."
    )


_SENTENCES: tuple[tuple[str, Callable[[StudyRows], str]], ...] = (
    ("depth", _table_1),
    ("readings", _readings),
    ("placement", _positions),
    ("depth", _least_squares),
    ("complexity", _step),
    ("initialization", _starts),
)


def _of(rows: Sequence[Row], **columns: str) -> list[Row]:
    return [r for r in rows if all(getattr(r, name) == v for name, v in columns.items())]


def _labelled(rows: Sequence[Row], *names: str) -> list[Row]:
    """Rows whose label has these entries as texts."""
    return [r for r in rows if all(isinstance((label_of(r) or {}).get(n), str) for n in names)]


def _median(values: Iterable[float]) -> float:
    found = [v for v in values if np.isfinite(v)]
    return float(np.median(found)) if found else np.nan


def _plain(value: float) -> str:
    """Two digits, without an exponent."""
    return f"{value:.2g}" if value < 100.0 else f"{float(f'{value:.2g}'):.0f}"


def _range(values: Sequence[float], digits: str = ".3g") -> str:
    low, high = f"{min(values):{digits}}", f"{max(values):{digits}}"
    return low if low == high else f"{low} to {high}"
