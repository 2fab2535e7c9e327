"""Prior on ln σ from a named material class and the confidence in it: VLMInit with a width.

A class that is named with confidence p is right with probability p; otherwise the object is any
other class of the table. The prior is the normal distribution about the named class's ln σ with
the second moment of that mixture:

    width² = w² + (1 - p) · S²,        S² = mean over the other classes j of (ln σ_j - ln σ)²

w is the spread within one class, that of published measurements unless another is stated. At p = 1
the width is w, at p = 0 it reaches every class of the table; a class at the edge of the table,
which is farther from the others, gets more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene.published_spreads import CORRELATION, spread_of

MIN_CONDUCTIVITY, MAX_CONDUCTIVITY = 1e-5, 1e3
"""Range searched [S/m]: from air-like to a conductor whose reflection no longer changes."""


Tails = Literal["normal", "student_t"]
"""Tails of a prior: normal, or Student's with 4 degrees of freedom, which let go of a class that
the measurement contradicts."""


@dataclass(frozen=True, eq=False)
class MaterialPrior:
    """Prior on the materials of K objects, as a model, a person or the offline rules state it.

    :param names: [K] the scene's objects, in its order
    :param materials: [K] material classes of ITU-R P.2040
    :param c: [K] factor of conductivity = c · f^d [S/m], f in GHz
    :param d: [K] exponent of the same
    :param confidence: [K] confidence in each class, in [0, 1]
    :param sources: [K] where each comes from, for people ("ITU-R: Brick", "fallback: ...")
    :param width: [K] standard deviation of ln σ that goes with the confidence
    :param tails: of the distribution
    :param correlation: of ln σ and ln ε_r of an object, where an estimation has both unknown
    """

    names: tuple[str, ...]
    materials: tuple[str, ...]
    c: FloatArray
    d: FloatArray
    confidence: FloatArray
    sources: tuple[str, ...]
    width: FloatArray
    tails: Tails = "normal"
    correlation: float = 0.0

    def conductivity(self, frequency: float) -> FloatArray:
        """Median conductivities [K] [S/m] at ``frequency`` [Hz]: VLMInit, c · f^d."""
        return self.c * (frequency / 1e9) ** self.d


def prior_from_classes(
    names: Sequence[str],
    materials: Sequence[str],
    confidence: npt.ArrayLike,
    sources: Sequence[str],
    table: Mapping[str, tuple[float, float]],
    *,
    frequency: float,
    class_width: float | None = None,
) -> MaterialPrior:
    """The prior of K named classes with the confidence in each.

    Vacuum and metal have no conductivity to estimate: an object that is taken for one of them has
    width 0 and is held fixed by an estimation; they do not count among the others.

    :param names: [K] the scene's objects, in its order
    :param materials: [K] classes, each one of ``table``
    :param confidence: [K] in [0, 1]
    :param sources: [K] where each comes from, for people
    :param table: class -> (c, d) of conductivity = c · f^d, f in GHz, all valid at the carrier
    :param frequency: carrier [Hz]
    :param class_width: standard deviation of ln σ within one class; None: that of published
        measurements of each class (:func:`~vlmrt_dist.scene.published_spreads.spread_of`). Where
        objects are known to lie nearer to the table (the paper's truths: 0.1), say so
    :raises MaterialError: if a class is not in the table, a confidence is no number in [0, 1], or
        the lists differ in length
    """
    trust = np.array(confidence, dtype=np.float64)
    if not len(names) == len(materials) == len(sources) == trust.size or trust.ndim != 1:
        raise MaterialError("names, materials, confidences and sources must be equally many")
    if not ((trust >= 0.0) & (trust <= 1.0)).all():
        raise MaterialError("a confidence must be a number between 0 and 1")
    if class_width is not None and not 0.0 < class_width < np.inf:
        raise MaterialError("class_width must be positive and finite")
    unknown = [m for m in materials if m not in table]
    if unknown:
        raise MaterialError(f"{unknown[0][:60]!r} is none of the classes " + ", ".join(table))
    spread = class_spread(table, frequency)
    distance = np.array([spread.get(m, 0.0) for m in materials])
    within = np.array(
        [
            spread_of(m, frequency).conductivity if class_width is None else class_width
            for m in materials
        ]
    )
    width = np.sqrt(within**2 + (1.0 - trust) * distance**2)
    return MaterialPrior(
        names=tuple(names),
        materials=tuple(materials),
        c=np.array([table[m][0] for m in materials]),
        d=np.array([table[m][1] for m in materials]),
        confidence=trust,
        sources=tuple(sources),
        width=np.where([m in spread for m in materials], width, 0.0),
        correlation=CORRELATION if class_width is None else 0.0,
    )


def misnamed(
    materials: Sequence[str],
    rate: float,
    table: Mapping[str, tuple[float, float]],
    *,
    frequency: float,
    seed: int,
) -> list[str]:
    """Material classes named wrongly for a share ``rate`` of the objects.

    The mixture that the widths above describe: with probability ``rate`` another class of the table
    that has a conductivity to estimate, each as likely. With one seed, what is wrong at a rate is
    wrong in the same way at every higher one.

    :param materials: [K] what the objects are
    """
    rng = np.random.default_rng([seed, 5])
    answers = list(class_spread(table, frequency))
    doubt = rng.random(len(materials))
    wrong = [str(rng.choice([a for a in answers if a != right])) for right in materials]
    return [w if d < rate else right for w, d, right in zip(wrong, doubt, materials, strict=True)]


def class_spread(table: Mapping[str, tuple[float, float]], frequency: float) -> dict[str, float]:
    """S of each class with a conductivity to estimate: root mean square of ln(σ_j / σ) over the
    others (0 where there is no other)."""
    logs = {
        name: float(np.log(value))
        for name, (c, d) in table.items()
        if MIN_CONDUCTIVITY < (value := c * (frequency / 1e9) ** d) < MAX_CONDUCTIVITY
    }
    values = np.array(list(logs.values()))
    others = max(len(values) - 1, 1)  # the class itself adds nothing to the sum
    return {name: float(np.sqrt(((values - x) ** 2).sum() / others)) for name, x in logs.items()}
