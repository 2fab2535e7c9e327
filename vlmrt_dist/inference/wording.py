"""Verdicts in words: cells of tables, and sentences that say what was found and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vlmrt_dist.console import MOST_NAMES, listed
from vlmrt_dist.inference.quantities import Alternative, LayerEstimates, QuantityEstimate
from vlmrt_dist.inference.verdicts import Part, Verdict

VERDICT_WORDS: dict[Verdict, str] = {
    "estimated": "estimated",
    "weak": "weak",
    "at_least": "at least",
    "at_most": "at most",
    "several": "several",
    "not_identified": "not identified",
    "fixed": "fixed",
}
"""Verdicts as people read them."""

PLAN = "vlmrt plan --after LEVELS.csv --out next.csv"

MOST_PARTS = 4
"""Most intervals of one value that are told one by one."""

DIFFERENT = 0.05
"""Relative difference from which two solutions differ in a value."""


def number_text(value: float) -> str:
    """A value in four digits."""
    return f"{value:.4g}"


def value_text(quantity: QuantityEstimate, k: int) -> str:
    """The estimate of one object: a number, a bound, or several of them; a dash where not
    identified."""
    if quantity.verdict[k] == "not_identified":
        return "–"
    if quantity.verdict[k] == "fixed":
        return number_text(quantity.value[k])
    parts = quantity.parts_of(k)
    shown, rest = _heaviest(parts)
    return " or ".join([*(_short(part) for part in shown), *([f"{rest} more"] if rest else [])])


def interval_text(quantity: QuantityEstimate, k: int) -> str:
    """The 95 % interval of one object, or its intervals with their shares; empty where fixed."""
    verdict = quantity.verdict[k]
    if verdict == "fixed":
        return ""
    low, high = number_text(quantity.low[k]), number_text(quantity.high[k])
    if verdict == "not_identified":
        return f"prior: {low} … {high}"
    parts = quantity.parts_of(k)
    if len(parts) == 1:
        return _span(parts[0], " … ")
    shown, rest = _heaviest(parts)
    text = ", ".join(f"{_span(part, ' … ')} ({part.weight:.0%})" for part in shown)
    return f"{text}, {rest} more ({_left(shown):.0%})" if rest else text


def cells(quantity: QuantityEstimate, k: int) -> tuple[str, str, str, str]:
    """Prior, estimate, interval and verdict of one object."""
    return (
        number_text(quantity.prior[k]),
        value_text(quantity, k),
        interval_text(quantity, k),
        VERDICT_WORDS[quantity.verdict[k]],
    )


def verdict_sentences(
    names: Sequence[str], quantities: Mapping[str, QuantityEstimate]
) -> list[str]:
    """Meaning of the verdicts other than "estimated" for the objects, and the next thing to do."""
    lines: list[str] = []
    further = False
    for name, quantity in quantities.items():
        words = name.replace("_", " ")
        by: dict[Verdict, list[int]] = {}
        for k, verdict in enumerate(quantity.verdict):
            by.setdefault(verdict, []).append(k)
        for verdict, tell in (("several", _several), ("at_least", _one_sided),
                              ("at_most", _one_sided)):  # fmt: skip
            alike: dict[tuple[Part, ...], list[int]] = {}
            for k in by.get(verdict, []):
                alike.setdefault(quantity.parts_of(k), []).append(k)  # those that are tied
            for members in list(alike.values())[:MOST_NAMES]:
                what = f"{words} of {listed([names[k] for k in members])}"
                lines.append(f"{what}: {tell(quantity, members[0])}")
        told = [names[k] for k in by.get("weak", [])]
        if told:
            lines.append(
                f"{words} of {len(told)} weak ({listed(told)}): the links narrow the prior, but "
                "the interval is still wide"
            )
        told = [names[k] for k in by.get("not_identified", [])]
        if told:
            lines.append(
                f"{words} of {len(told)} not identified ({listed(told)}): the links do not narrow "
                "the prior, which is shown and kept instead"
            )
        further |= bool(by.keys() & {"several", "weak", "not_identified"})
    if further:
        lines.append(
            f"next: measure the links that {PLAN} finds (LEVELS.csv: your levels; with the scene "
            "and radio options of this estimate), and estimate from all levels together"
        )
    return lines


def _several(quantity: QuantityEstimate, k: int) -> str:
    shown, rest = _heaviest(quantity.parts_of(k))
    parts = [
        f"{_span(part, ' to ', _unit(quantity))} (probability {part.weight:.0%})" for part in shown
    ]
    if rest:
        parts.append(f"one of {rest} more intervals (together {_left(shown):.0%})")
    return (
        f"either {', or '.join(parts)}; each explains the measured levels. A link whose level "
        "differs between them decides"
    )


def _heaviest(parts: Sequence[Part]) -> tuple[list[Part], int]:
    """The intervals that are told one by one, in order of value, and how many others there are."""
    if len(parts) <= MOST_PARTS:
        return list(parts), 0
    least = sorted((part.weight for part in parts), reverse=True)[MOST_PARTS - 1]
    shown = [part for part in parts if part.weight >= least][:MOST_PARTS]
    return shown, len(parts) - len(shown)


def _left(shown: Sequence[Part]) -> float:
    """Probability of the intervals that are not shown."""
    return max(0.0, 1.0 - sum(part.weight for part in shown))


def _one_sided(quantity: QuantityEstimate, k: int) -> str:
    part = quantity.parts_of(k)[0]
    bound, side, beyond = (
        (part.low, "at least", "Above") if part.open_high else (part.high, "at most", "Below")
    )
    return (
        f"{side} {number_text(bound)}{_unit(quantity)} (probability 95%). {beyond} that the "
        "levels hardly depend on it, so any such value predicts them equally well; "
        f"{number_text(quantity.value[k])}{_unit(quantity)} is taken"
    )


def _unit(quantity: QuantityEstimate) -> str:
    return f" {quantity.unit}" if quantity.unit else ""


def _short(part: Part) -> str:
    if part.open_high:
        return f"≥ {number_text(part.low)}"
    return f"≤ {number_text(part.high)}" if part.open_low else number_text(part.value)


def _span(part: Part, to: str, unit: str = "") -> str:
    if part.open_high:
        return f"{number_text(part.low)}{unit} or more"
    if part.open_low:
        return f"{number_text(part.high)}{unit} or less"
    return f"{number_text(part.low)}{to}{number_text(part.high)}{unit}"


def differing(
    names: Sequence[str],
    solutions: Sequence[Alternative],
    quantities: Mapping[str, QuantityEstimate],
    offsets: Sequence[str] = (),
    layers: LayerEstimates | None = None,
) -> list[tuple[str, list[str]]]:
    """Name and value in each solution of all that the solutions differ in; what differs most is
    first.

    A value in an open interval is told as its bound, since any other beyond it would do.

    :param offsets: names of the levels' offsets
    :param layers: of objects that have layers
    """
    found: list[tuple[float, str, list[str]]] = []
    several = len(solutions[0].values) > 1
    for name in solutions[0].values:
        values = np.array([each.values[name] for each in solutions])
        labels = names if name != "gain" else offsets
        quantity = quantities.get(name)
        own = name.removeprefix("layer_")
        if layers is not None and own != name:
            labels, quantity = layers.names, layers.quantities.get(own)
        words = "offset" if name == "gain" else own.replace("_", " ")
        unit = "dB" if quantity is None else quantity.unit
        for k, label in enumerate(labels):
            one = values[:, k]
            scale = (
                1.0
                if name in ("gain", "exponent", "penetration_loss")
                else float(np.abs(one).max())
            )
            spread = float(np.ptp(one)) / scale if scale > 0.0 else 0.0
            if not spread > DIFFERENT:
                continue
            texts = [_in_part(value, quantity, k) for value in one.tolist()]
            if len(set(texts)) == 1:
                continue
            title = f"{words} of {label}" if several else label
            found.append((spread, f"{title} [{unit}]" if unit else title, texts))
    return [(title, texts) for _, title, texts in sorted(found, key=lambda each: -each[0])]


def _in_part(value: float, quantity: QuantityEstimate | None, k: int) -> str:
    if quantity is not None and quantity.verdict[k] not in ("fixed", "not_identified"):
        for part in quantity.parts_of(k):
            if (part.open_low or part.open_high) and part.low <= value <= part.high:
                return _short(part)
    return number_text(value)
