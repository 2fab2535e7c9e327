"""Claims of the paper, held against our rows: a verdict with an interval for each claim.

A claim is judged from the seeds that all of its groups share, by the paper's method (Adam) under
the reading that the rows name; never from a quick run, and never where one of the paper's values
was not run. Errors compare as ratios of medians over the seeds, whose intervals are bootstrapped
over the seeds; times by the slope of a line, with its t interval.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vlmrt_dist.report.data import QUICK, description_of
from vlmrt_dist.report.paper import CLAIMS, TABLE_1, TABLE_2
from vlmrt_dist.report.verdicts import (
    MIN_SEEDS,
    MIN_SIZES,
    SMALLEST,
    Interval,
    Judged,
    Statistic,
    Verdict,
    at_least,
    bootstrap,
    exponent,
    paired,
    ratio_of_medians,
    ratio_of_seeds,
    within,
)
from vlmrt_dist.store import Row, Timing, label_of
from vlmrt_dist.studies import backward

NEAR = 0.01
"""Relative error up to which estimates count as converged (MRE of 1 %)."""

CONSTANT, LINEAR = (-0.5, 0.5), (0.7, 1.3)
"""Log-log slopes of a nearly constant time, and of one that grows about linearly."""

SUPERLINEAR = (1.1, math.inf)

HARDLY = (-0.25, 0.25)
"""Log-log slope of a time that hardly depends on a size."""

RETRACE = "the retrace engine"

QUICK_NOTE = "a quick run prints numbers and no verdict; leave --quick out"

_READINGS = {"reading", "vlm", "prompt", "images", "said", "remarks"}
"""Entries of a label that say how the paper was read, or what an advisor answered."""

Groups = dict[tuple[object, ...], list[Row]]


def claims_of(study: str, rows: Sequence[Row], timings: Sequence[Timing] = ()) -> list[Judged]:
    """The claims that the rows of a study can judge; none for studies that are not the paper's, and
    for quick ones.

    :param study: its name; the part after the first underscore (a reading, an advisor) is ignored
    :param timings: those of the study
    """
    name = study.split("_")[0]
    if QUICK in study:
        return []
    if name == "complexity":
        return complexity_claims(timings)
    return _JUDGES[name](rows) if name in _JUDGES else []


class Halves(NamedTuple):
    """A claim judged from two disjoint sets of seeds.

    :param whole: judged from all seeds
    :param parts: verdicts of the seeds of even and of odd rank; None where one has too few
    """

    whole: Judged
    parts: tuple[Verdict, Verdict] | None

    @property
    def told(self) -> str:
        """Whether both agree, in words."""
        if self.parts is None:
            return f"fewer than {2 * MIN_SEEDS} seeds"
        one, two = self.parts
        return "the same" if one == two else f"{one} and {two}"


def halves_of(study: str, rows: Sequence[Row]) -> list[Halves]:
    """The claims of a study, judged from all seeds and from two halves of them.

    A verdict that its own rows can repeat is one that new seeds will hardly change. Neither half
    can say the opposite of the other unless an interval of 95 % misses; near what a claim asks for,
    one half may decide and the other not.
    """
    seeds = sorted({row.seed for row in rows})
    even = set(seeds[::2])
    parts = [claims_of(study, [r for r in rows if (r.seed in even) == first])
             for first in (True, False)]  # fmt: skip
    enough = len(seeds) >= 2 * MIN_SEEDS
    return [
        Halves(whole, (one.verdict, two.verdict) if enough else None)
        for whole, one, two in zip(claims_of(study, rows), *parts, strict=True)
    ]


def of_the_paper(
    study: str, rows: Sequence[Row] = (), timings: Sequence[Timing] = ()
) -> list[str]:  # fmt: skip
    """The paper's sentences on a study's subject, and the verdicts on them, as lines."""
    lines = [f"the paper's {source}: {CLAIMS[source]}" for source in description_of(study).paper]
    if QUICK in study:
        return [*lines, QUICK_NOTE]
    return lines + [str(judged) for judged in claims_of(study, rows, timings)]


def complexity_claims(timings: Sequence[Timing]) -> list[Judged]:
    """Figures 1a and 1b, and the times of Tables 1 and 2, from timings of retrace, the paper's
    algorithm."""
    judged = []
    for source, varies in (("Figure 1a", "K"), ("Figure 1b", "M")):
        some = _retraced(timings, varies)
        sizes = [t.num_objects if varies == "K" else t.num_setups for t in some]
        if len(set(sizes)) < MIN_SIZES:
            continue
        grows = "super-linearly" if varies == "K" else "about linearly"
        for claim, seconds, asked in (
            (f"building the scene takes nearly the same time for every {varies}",
             [t.seconds_scene for t in some], CONSTANT),
            (f"the forward pass grows about linearly with {varies}",
             [t.seconds_value for t in some], LINEAR),
            (f"the backward pass grows {grows} with {varies}", [backward(t) for t in some],
             SUPERLINEAR if varies == "K" else LINEAR),
        ):  # fmt: skip
            judged.append(_growth(source, claim, varies, sizes, seconds, asked))
    for source, varies in (("Table 1", "D"), ("Table 2", "U")):
        some = _retraced(timings, varies)
        sizes = [t.max_depth if varies == "D" else t.samples_per_src for t in some]
        if len(set(sizes)) >= MIN_SIZES:
            claim = f"the time of an iteration hardly depends on {varies}"
            seconds = [t.seconds_gradient for t in some]
            judged.append(_growth(source, claim, varies, sizes, seconds, HARDLY))
    return judged


def _retraced(timings: Sequence[Timing], varies: str) -> list[Timing]:
    return [
        t for t in timings
        if t.engine == "retrace" and (label_of(t) or {}).get("varies") == varies
    ]  # fmt: skip


def _growth(
    source: str,
    claim: str,
    symbol: str,
    sizes: Sequence[int],
    seconds: Sequence[float],
    asked: tuple[float, float],
) -> Judged:
    timed = [(size, s) for size, s in zip(sizes, seconds, strict=True) if s > 0.0]
    sizes, seconds = [size for size, _ in timed], [s for _, s in timed]
    interval = exponent(sizes, seconds)
    count = len(set(sizes))
    low, high = asked
    words = f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} or more"
    listed = ", ".join(
        f"{1e3 * s:.3g} ms at {symbol} = {size}"
        for size, s in (
            (size, float(np.median([s for z, s in zip(sizes, seconds, strict=True) if z == size])))
            for size in sorted(set(sizes))
        )
    )
    return Judged(
        source, claim, within(interval, low, high, count), RETRACE,
        f"exponent of {symbol}", interval, words, listed, f"{count} sizes",
    )  # fmt: skip


def depth_claims(rows: Sequence[Row]) -> list[Judged]:
    """Table 1: the deepest is the most accurate and needs the fewest iterations."""
    return _trend("Table 1", "D", "max_depth", TABLE_1, rows)


def rays_claims(rows: Sequence[Row]) -> list[Judged]:
    """Table 2: the most rays are the most accurate and need the fewest iterations, of the paper's
    numbers."""
    return _trend("Table 2", "U", "samples_per_src", TABLE_2, rows)


def _trend(
    source: str, symbol: str, column: str, printed: Iterable[int], rows: Sequence[Row]
) -> list[Judged]:
    judged = []
    *others, best = sorted(printed)
    for (protocol, reading), mine in _grouped(_papers(rows, {symbol}), "protocol").items():
        groups = {v: [r for r in mine if getattr(r, column) == v] for v in (*others, best)}
        if not all(groups.values()):
            continue
        where = f"{symbol} = {best}"
        for claim, of, name, shown in (
            (f"{where} gives the smallest error", _error, "error", _percent),
            (f"{where} needs the fewest iterations", _iterations, "iterations", _steps),
        ):
            judged.append(_ratio(
                source, f"{claim} ({protocol})", reading, list(groups.values()), of,
                f"least {name} elsewhere over that at {where}", SMALLEST,
                {f"{symbol} = {v}": shown(_median(some, of)) for v, some in groups.items()},
            ))  # fmt: skip
    return judged


def initialization_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 4: VLMInit starts nearer. Figure 3: the others need more iterations of Adam."""
    judged = []
    for (reading,), mine in _grouped(_papers(rows, {"start"})).items():
        groups = _by_label(mine, "start")
        ours = groups.get(("VLMInit",))
        for other, times, nearer in (("UnifInit", 2.0, 10.0), ("RandInit", 4.0, 3.0)):
            theirs = groups.get((other,))
            if not ours or not theirs:
                continue
            both = {"VLMInit": ours, other: theirs}
            starts = {name: _percent(_median(some, _start)) for name, some in both.items()}
            judged.append(_ratio(
                "Figure 4", f"VLMInit starts nearer than {other}", reading, [theirs, ours],
                _start, f"initial error of {other} over that of VLMInit", SMALLEST, starts,
            ))  # fmt: skip
            judged.append(_ratio(
                "Figure 4", f"VLMInit starts up to {nearer:g} times nearer than {other}", reading,
                [theirs, ours], _start, f"ratio to {other} that a tenth of the seeds exceed",
                nearer, starts, ratio_of_seeds(0.9),
            ))  # fmt: skip
            steps = {name: _steps(_median(some, _until_near)) for name, some in both.items()}
            arrived = sum(math.isfinite(_until_near(r)) for r in theirs)
            steps[f"{other} seeds that arrive"] = f"{arrived} of {len(theirs)}"
            for claim, asked in (
                (f"{other} needs more iterations of Adam than VLMInit", SMALLEST),
                (f"{other} needs over {times:g} times more iterations", times),
            ):
                judged.append(_ratio(
                    "Figure 3", claim, reading, [theirs, ours], _until_near,
                    f"iterations of {other} until the error stays below {_percent(NEAR)}, over "
                    "those of VLMInit", asked, steps,
                ))  # fmt: skip
    return judged


def placement_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 5: positions of VLMSel, and starts of VLMInit, end at less error."""
    judged = []
    for (reading,), mine in _grouped(_papers(rows, {"positions", "start"})).items():
        groups = _by_label(mine, "positions", "start")

        def compare(
            claim: str,
            few: tuple[str, str],
            many: tuple[str, str],
            asked: float,
            reading: str = reading,
            groups: Groups = groups,
        ) -> None:
            if few in groups and many in groups:
                both = {" & ".join(name): groups[name] for name in (many, few)}
                judged.append(_ratio(
                    "Figure 5", claim, reading, list(both.values()), _error,
                    "error of " + " over that of ".join(both), asked,
                    {name: _percent(_median(some, _error)) for name, some in both.items()},
                ))  # fmt: skip

        for start in ("VLMInit", "RandInit"):
            for selected in ("VLMSel (offline)", "D-optimal"):
                compare(
                    f"{selected} ends at about 10 (5 or more) times less error than RandSel, from "
                    f"{start}", (selected, start), ("RandSel", start), 5.0,
                )  # fmt: skip
        for selected in ("RandSel", "VLMSel (offline)", "D-optimal"):
            compare(
                "VLMInit ends at 10 to 100 (10 or more) times less error than RandInit, at "
                f"{selected} positions", (selected, "VLMInit"), (selected, "RandInit"), 10.0,
            )  # fmt: skip
    return judged


def receivers_claims(rows: Sequence[Row]) -> list[Judged]:
    """Figure 6: two receivers are too few, eight the most accurate."""
    judged = []
    for (reading,), every in _grouped(_papers(rows, {"positions", "N"})).items():
        for (positions,), mine in _by_label(every, "positions").items():
            groups = {key[0]: some for key, some in _by_label(mine, "N").items()}
            if not {2, 3, 4, 8} <= set(groups):
                continue
            errors = {f"N = {n}": _percent(_median(groups[n], _error)) for n in (2, 3, 4, 8)}
            steps = {f"N = {n}": _steps(_median(groups[n], _until_near)) for n in (3, 4, 8)}

            def of(*counts: int, groups: dict[object, list[Row]] = groups) -> list[list[Row]]:
                return [groups[n] for n in counts]

            judged += [
                _ratio("Figure 6", f"N = 2 is worse than N = 3, 4, 8 ({positions})", reading,
                       of(3, 4, 8, 2), _error, "error at N = 2 over the largest elsewhere",
                       SMALLEST, errors, _last_over_largest),
                _ratio("Figure 6", f"N = 8 is the most accurate ({positions})", reading,
                       of(2, 3, 4, 8), _error, "least error elsewhere over that at N = 8",
                       SMALLEST, errors),
                _ratio("Figure 6", f"N = 8 is twice as fast as N = 3 and 4 ({positions})", reading,
                       of(3, 4, 8), _until_near,
                       f"least iterations elsewhere until the error stays below {_percent(NEAR)}, "
                       "over those at N = 8", 2.0, steps),
            ]  # fmt: skip
    return judged


_JUDGES: dict[str, Callable[[Sequence[Row]], list[Judged]]] = {
    "depth": depth_claims,
    "rays": rays_claims,
    "initialization": initialization_claims,
    "placement": placement_claims,
    "receivers": receivers_claims,
}


def _ratio(
    source: str,
    claim: str,
    reading: str,
    groups: Sequence[Sequence[Row]],
    of: Callable[[Row], float],
    effect: str,
    asked: float,
    numbers: dict[str, str],
    statistic: Statistic = ratio_of_medians,
) -> Judged:
    """A claim that a ratio is ``asked`` or more."""
    values = paired([{row.seed: of(row) for row in group} for group in groups])
    count = values.shape[1]
    interval = bootstrap(values, statistic) if count else Interval(math.nan, 0.0, math.inf)
    told = f"{count} seeds" + (f" of the {MIN_SEEDS} needed" if count < MIN_SEEDS else "")
    listed = ", ".join(f"{value} at {name}" for name, value in numbers.items())
    return Judged(
        source, claim, at_least(interval, asked, count), f"reading {reading}", effect, interval,
        f"{asked:g} or more", listed, told,
    )  # fmt: skip


def _last_over_largest(values: np.ndarray) -> np.ndarray:
    """The last group's median over the largest of the others."""
    middle = np.median(values, axis=-1)
    swapped = np.stack([middle[..., -1], middle[..., :-1].max(axis=-1)], axis=-1)
    return ratio_of_medians(swapped[..., None])


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


def _papers(rows: Iterable[Row], axes: set[str]) -> list[Row]:
    """Rows of the paper's method whose label has the study's axes, and nothing else but how the
    paper was read."""
    found = []
    for row in rows:
        label = label_of(row) or {}
        if row.optimizer == "adam" and axes <= set(label) <= axes | _READINGS:
            found.append(row)
    return found


def _grouped(rows: Iterable[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by columns, and the reading last."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        reading = str((label_of(row) or {}).get("reading", "literal"))
        key = (*(str(getattr(row, name)) for name in columns), reading)
        groups.setdefault(key, []).append(row)
    return dict(sorted(groups.items()))


def _by_label(rows: Iterable[Row], *names: str) -> Groups:
    groups: Groups = {}
    for row in rows:
        label = label_of(row) or {}
        groups.setdefault(tuple(label[name] for name in names), []).append(row)
    return groups


def _median(rows: Sequence[Row], of: Callable[[Row], float]) -> float:
    """A seed without a number counts as worse than any."""
    values = [of(row) for row in rows]
    return float(np.median([math.inf if math.isnan(value) else value for value in values]))


def _error(row: Row) -> float:
    return row.mre


def _start(row: Row) -> float:
    return row.initial_mre


def _iterations(row: Row) -> float:
    return float(row.iterations)


def _until_near(row: Row) -> float:
    return iterations_until(row, NEAR)


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _steps(count: float) -> str:
    return f"{count:.0f} iterations" if math.isfinite(count) else "never"
