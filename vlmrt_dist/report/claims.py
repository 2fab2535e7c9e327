"""Claims of the paper, compared with our rows: a sentence with the numbers for each claim.

A claim is judged if the rows it needs are there, so a part of a study gives a part of the claims.
Errors are medians over the seeds, those of Adam with the paper's step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vlmrt_dist.store import Row, Timing, label_of
from vlmrt_dist.studies import backward, slope

NEAR = 0.01
"""Relative error up to which estimates count as converged (MRE of 1 %)."""

START_RATIO = 3.0
"""Least ratio of another start's initial error to that of VLMInit."""

CONSTANT, LINEAR = 0.5, (0.7, 1.3)
"""Greatest log-log slope of a nearly constant time; slopes of an about linear one."""

SAME = 0.1
"""Greatest relative difference of two errors that count as equal."""

ALIKE = 1.25
"""Greatest ratio of times that count as hardly different."""


@dataclass(frozen=True)
class Judged:
    """A claim of the paper and the result of our rows.

    :param source: table or figure of the paper
    :param claim: the claim, in short
    :param holds: true if our rows agree
    :param numbers: of our rows, in words
    """

    source: str
    claim: str
    holds: bool
    numbers: str

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "CONTRADICTED by our result"
        return f"{self.source}, {self.claim}: {verdict}; {self.numbers}"


def claims_of(study: str, rows: Sequence[Row], timings: Sequence[Timing] = ()) -> list[Judged]:
    """The claims that the rows of a study can judge; none for studies that are not the paper's.

    :param study: its name; the part after the first underscore (``_quick``, an advisor) is ignored
    :param timings: those of the study
    """
    name = study.split("_")[0]
    if name == "complexity":
        return complexity_claims(timings)
    return _JUDGES[name](rows) if name in _JUDGES else []


def complexity_claims(timings: Sequence[Timing]) -> list[Judged]:
    """Figures 1a and 1b, from timings of retrace, the paper's algorithm."""
    judged = []
    for source, varies in (("Figure 1a", "K"), ("Figure 1b", "M")):
        mine = [t for t in timings
                if t.engine == "retrace"
                and (label_of(t) or {}).get("varies") == varies]  # fmt: skip
        sizes = [t.num_objects if varies == "K" else t.num_setups for t in mine]
        if len(set(sizes)) < 2:
            continue
        passes = [t.seconds_value for t in mine], [backward(t) for t in mine]
        scene, forward, back = (
            slope(sizes, seconds) for seconds in ([t.seconds_scene for t in mine], *passes)
        )
        low, high = LINEAR
        superlinear = varies == "K"
        grows = "super-linearly" if superlinear else "about linearly"
        judged += [
            Judged(source, f"building the scene takes nearly the same time for every {varies}",
                   scene <= CONSTANT, f"its slope is {scene:.2f}"),
            Judged(source, f"the forward pass grows about linearly with {varies}",
                   low <= forward <= high, f"its slope is {forward:.2f}"),
            Judged(source, f"the backward pass grows {grows} with {varies}",
                   back > 1.1 if superlinear else low <= back <= high,
                   f"its slope is {back:.2f}"),
        ]  # fmt: skip
    return judged


def depth_claims(rows: Sequence[Row]) -> list[Judged]:
    """Table 1: the deepest is the most accurate and the quickest."""
    return _trend("Table 1", "D", "max_depth", "the deepest tracing", rows)


def rays_claims(rows: Sequence[Row]) -> list[Judged]:
    """Table 2: the most rays are the most accurate and the quickest, of the paper's numbers."""
    return _trend("Table 2", "U", "samples_per_src", "the largest number of rays", rows)


def _trend(source: str, symbol: str, column: str, best: str, rows: Sequence[Row]) -> list[Judged]:
    judged = []
    for protocol in sorted({r.protocol for r in rows}):
        groups: dict[float, list[Row]] = {}
        for row in _adam(rows):
            if row.protocol == protocol:
                groups.setdefault(getattr(row, column), []).append(row)
        values = sorted(groups)
        if len(values) < 2:
            continue
        errors = [_error(groups[v]) for v in values]
        first, last = errors[0], errors[-1]
        listed = ", ".join(
            f"{_percent(e)} at {symbol} = {v:g}" for v, e in zip(values, errors, strict=True)
        )
        judged.append(
            Judged(source, f"{best} gives the smallest error ({protocol})",
                   last <= min(errors) and last < (1.0 - SAME) * first, listed)
        )  # fmt: skip
        steps = [float(np.median([r.iterations for r in groups[v]])) for v in values]
        judged.append(
            Judged(source, f"{best} needs the fewest iterations ({protocol})",
                   steps[-1] <= min(steps) and steps[-1] < steps[0],
                   f"{steps[0]:.0f} for every {symbol}" if len(set(steps)) == 1 else
                   ", ".join(f"{i:.0f} at {symbol} = {v:g}"
                             for v, i in zip(values, steps, strict=True)))
        )  # fmt: skip
        spent = [
            1e3 * float(np.median([r.seconds_fit / max(r.iterations, 1) for r in groups[v]]))
            for v in values
        ]
        paths = [groups[v][0].num_paths for v in values]
        judged.append(
            Judged(source, f"the time of an iteration hardly depends on {symbol} ({protocol})",
                   max(spent) <= ALIKE * min(spent),
                   f"{spent[0]:.2g} ms with {paths[0]} paths at {symbol} = {values[0]:g}, "
                   f"{spent[-1]:.2g} ms with {paths[-1]} at {symbol} = {values[-1]:g}: "
                   "replay follows every path, and launches no rays")
        )  # fmt: skip
    return judged


def initialization_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 4: VLMInit starts nearer. Figure 3: the others need more iterations of Adam."""
    groups = _by_label(_adam(rows), "start")
    judged = []
    ours = groups.get("VLMInit")
    if not ours:
        return []
    for other, times in (("UnifInit", 2.0), ("RandInit", 4.0)):
        theirs = groups.get(other)
        if not theirs:
            continue
        here, there = (float(np.median([r.initial_mre for r in g])) for g in (ours, theirs))
        judged.append(
            Judged("Figure 4", f"VLMInit starts at least {START_RATIO:g} times nearer than {other}",
                   there >= START_RATIO * here,
                   f"{_percent(here)} against {_percent(there)}, {there / here:.1f} times")
        )  # fmt: skip
        quick, slow = (
            float(np.median([iterations_until(r, NEAR) for r in g])) for g in (ours, theirs)
        )
        arrived = sum(math.isfinite(iterations_until(r, NEAR)) for r in theirs)
        numbers = (
            f"{_steps(quick)} against {_steps(slow)} to stay below {_percent(NEAR)} "
            f"({arrived} of {len(theirs)} {other} seeds do)"
        )
        if math.isfinite(slow) and math.isfinite(quick):
            numbers += f", {slow / quick:.1f} times"
        judged.append(Judged("Figure 3", f"{other} needs more iterations of Adam than VLMInit",
                             slow > quick, numbers))  # fmt: skip
        judged.append(Judged("Figure 3", f"{other} needs over {times:g} times more iterations",
                             math.isfinite(quick) and slow > times * quick, numbers))  # fmt: skip
    return judged


def placement_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 5: positions of VLMSel, and starts of VLMInit, end at less error."""
    error = {
        tuple((label_of(g[0]) or {})[name] for name in ("positions", "start")): _error(g)
        for g in _by_label(_adam(rows), "positions", "start").values()
    }
    judged = []
    for start in ("VLMInit", "RandInit"):
        for selected in ("VLMSel (offline)", "D-optimal"):
            pair = error.get((selected, start)), error.get(("RandSel", start))
            if pair[0] is not None and pair[1] is not None:
                claim = f"{selected} ends at about 10 (5 or more) times less error than RandSel"
                judged.append(_less(f"{claim}, from {start}", pair[0], pair[1], 5.0))
    for selected in ("RandSel", "VLMSel (offline)", "D-optimal"):
        pair = error.get((selected, "VLMInit")), error.get((selected, "RandInit"))
        if pair[0] is not None and pair[1] is not None:
            claim = "VLMInit ends at 10 to 100 times less error than RandInit"
            judged.append(_less(f"{claim}, at {selected} positions", pair[0], pair[1], 10.0))
    return judged


def receivers_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 6: two receivers are too few, eight the most accurate."""
    judged = []
    for positions, mine in _by_label(_adam(rows), "positions").items():
        by_count = {int(n): g for n, g in _by_label(mine, "N").items() if n.isdecimal()}
        error = {n: _error(g) for n, g in by_count.items()}
        listed = ", ".join(f"{_percent(error[n])} at N = {n}" for n in sorted(error))
        more = [error[n] for n in (3, 4, 8) if n in error]
        if 2 in error and more:
            judged.append(Judged("Figure 6", f"N = 2 is worse than N = 3, 4, 8 ({positions})",
                                 error[2] > max(more), listed))  # fmt: skip
        if 8 in error and len(error) > 1:
            judged.append(Judged("Figure 6", f"N = 8 is the most accurate ({positions})",
                                 error[8] <= min(error.values()), listed))  # fmt: skip
        steps = {
            n: float(np.median([iterations_until(r, NEAR) for r in g])) for n, g in by_count.items()
        }
        if {3, 4, 8} <= set(steps):
            judged.append(Judged(
                "Figure 6", f"N = 8 is twice as fast as N = 3 and 4 ({positions})",
                math.isfinite(steps[8]) and 2.0 * steps[8] <= min(steps[3], steps[4]),
                ", ".join(f"{_steps(steps[n])} at N = {n}" for n in (3, 4, 8))
                + f" to stay below {_percent(NEAR)}",
            ))  # fmt: skip
    return judged


_JUDGES: dict[str, Callable[[Sequence[Row]], list[Judged]]] = {
    "depth": depth_claims,
    "rays": rays_claims,
    "initialization": initialization_claims,
    "placement": placement_claims,
    "receivers": receivers_claims,
}


def iterations_until(row: Row, error: float) -> float:
    """Iterations after which the relative error stays at or below ``error``; infinite if never."""
    above = np.flatnonzero(~(np.array(row.mre_history) <= error))
    if len(row.mre_history) == 0 or (len(above) and above[-1] == len(row.mre_history) - 1):
        return math.inf
    return float(above[-1] + 2 if len(above) else 1)


def without_drt(rows: Sequence[Row]) -> list[Row]:
    """VLMInit & w/o DRT of Figure 3: the starts, unchanged over all iterations."""
    return [
        dataclasses.replace(
            row,
            mre=row.initial_mre,
            mre_history=[row.initial_mre] * len(row.mre_history),
            loss_history=row.loss_history[:1] * len(row.loss_history),
        )
        for row in rows
    ]


def _less(claim: str, few: float, many: float, times: float) -> Judged:
    numbers = f"{_percent(few)} against {_percent(many)}, {many / few:.1f} times"
    return Judged("Figure 5", claim, many >= times * few, numbers)


def _adam(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.optimizer == "adam"]


def _error(rows: Sequence[Row]) -> float:
    """Median; a seed without a finite error counts as worse than any."""
    return float(np.median([r.mre if math.isfinite(r.mre) else math.inf for r in rows]))


def _by_label(rows: Iterable[Row], *names: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        label = label_of(row) or {}
        if all(name in label for name in names):
            groups.setdefault(" ".join(str(label[name]) for name in names), []).append(row)
    return groups


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _steps(count: float) -> str:
    return f"{count:.0f} iterations" if math.isfinite(count) else "never"
