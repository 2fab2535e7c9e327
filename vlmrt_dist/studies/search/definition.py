"""Definition of a search: base configuration, space, seeds; and the results of its rows."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import ConfigurationError, VlmrtError
from vlmrt_dist.store import Ledger, Row, label_of
from vlmrt_dist.streams import spelled
from vlmrt_dist.studies.evaluation import evaluate as evaluate_point
from vlmrt_dist.studies.point import STUDY_VERSION, Point
from vlmrt_dist.studies.search.space import Choice, Params, Space, check_space, contains, every

OBJECTIVES = {
    "mre": "mean of the relative error over the seeds",
    "seconds": "tracing, and the mean time of one fit [s]",
    "links": "links heard",
}

Values = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """A search: base configuration, space, seeds, number of points.

    :param name: the study's name in the ledger
    :param make: ``(base and parameters, seeds) -> Point`` with one optimizer; called where the
        point is evaluated, so it may choose positions. Ray must be able to pickle it
    :param base: what all configurations share, given to ``make`` beside the parameters
    :param space: what is varied
    :param seeds: those of each configuration, side by side in one batch
    :param num_points: configurations that a search evaluates in all; None: the space is a grid
    :param chosen: exactly these configurations, instead of the grid's
    :param objectives: what a search makes small, of :data:`OBJECTIVES`
    :param block: seeds of a batch, after each of which a search for one objective may give a
        configuration up; None: all seeds in one batch
    :param sampler_seed: of the search's random choices
    :param evaluate: gives the rows of a point
    :raises ConfigurationError: if it makes no sense, or could never end
    """

    name: str
    make: Callable[[Mapping[str, Any], tuple[int, ...]], Point]
    space: Space
    seeds: tuple[int, ...]
    base: Mapping[str, Any] = field(default_factory=dict)
    num_points: int | None = None
    chosen: tuple[Params, ...] = ()
    objectives: tuple[str, ...] = ("mre",)
    block: int | None = None
    sampler_seed: int = 0
    evaluate: Callable[[Point], list[Row]] = evaluate_point

    def __post_init__(self) -> None:
        check_space(self.space)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigurationError("a study needs seeds, each once")
        if not self.objectives or set(self.objectives) - set(OBJECTIVES):
            raise ConfigurationError(f"objectives are some of {', '.join(OBJECTIVES)}")
        if self.num_points is None:
            if self.block is not None:
                raise ConfigurationError("a grid gives no configuration up; leave block out")
            if self.chosen:
                if not all(contains(self.space, params) for params in self.chosen):
                    raise ConfigurationError("a chosen configuration lies outside the space")
            elif any(d.when or not isinstance(d, Choice) for d in self.space.values()):
                raise ConfigurationError(
                    "a grid is made of choices that depend on nothing; give num_points for a search"
                )
            return
        if self.num_points < 1 or self.chosen:
            raise ConfigurationError("a search needs num_points of 1 or more, and nothing chosen")
        if self.block is not None and (self.block < 1 or len(self.objectives) > 1):
            raise ConfigurationError(
                "block must be 1 or more seeds, in a search for one objective: only there can a "
                "configuration be given up"
            )
        there = every(self.space)
        if there is not None:
            count = sum(1 for _ in itertools.islice(there, self.num_points))
            if count < self.num_points:
                raise ConfigurationError(
                    f"the space holds {count} configurations, so {self.num_points} different ones "
                    "would be waited for for ever; lower num_points, or leave it out for the grid"
                )

    @property
    def grid(self) -> list[Params]:
        """The configurations of a grid, in order; empty for a search."""
        if self.num_points is not None:
            return []
        return list(self.chosen) or list(every(self.space) or ())

    @property
    def total(self) -> int:
        """Configurations in all."""
        return self.num_points if self.num_points is not None else len(self.grid)

    @property
    def fingerprint(self) -> str:
        """Hash of all that configurations share: rows of another base are another search's."""
        base = {k: getattr(v, "key", v) for k, v in self.base.items()}
        parts = json.dumps([base, engine_versions(), STUDY_VERSION], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:12]

    def point(self, params: Params, seeds: Sequence[int]) -> Point:
        """Points of some seeds of a configuration.

        :raises ConfigurationError: if ``make`` gives more than one optimizer
        """
        made = self.make({**self.base, **params}, tuple(seeds))
        if len(made.optimizers) != 1:
            raise ConfigurationError("a configuration of a study has one optimizer")
        label = {"base": self.fingerprint, **params}
        return dataclasses.replace(made, study=self.name, label=label)

    def rows_of(self, params: Params, seeds: Sequence[int]) -> list[Row] | VlmrtError:
        """Evaluate some seeds of a configuration; what makes that impossible (no position is free,
        no link has a path) ends the configuration, not the search."""
        try:
            return self.evaluate(self.point(params, seeds))
        except VlmrtError as error:
            return error

    def missing(self, found: Found) -> list[tuple[int, ...]]:
        """The seeds that a configuration has no rows of, in batches."""
        left = [seed for seed in self.seeds if seed not in found.rows]
        size = self.block or len(self.seeds)
        return [tuple(left[i : i + size]) for i in range(0, len(left), size)]

    def found(self, ledger: Ledger) -> list[Found]:
        """Every configuration that the ledger has rows of, in the order of their names."""
        by_params: dict[str, Found] = {}
        for row in ledger.rows(self.name):
            label = label_of(row) or {}
            if label.pop("base", None) != self.fingerprint or not contains(self.space, label):
                continue
            found = by_params.setdefault(key_of(label), Found(self.ordered(label)))
            found.rows[row.seed] = row
        return [by_params[name] for name in sorted(by_params)]

    def ordered(self, params: Mapping[str, Any]) -> Params:
        """The configuration with its parameters in the order of the space."""
        return {name: params[name] for name in self.space if name in params}


@dataclass(frozen=True, eq=False)
class Found:
    """A configuration and its rows, by seed."""

    params: Params
    rows: dict[int, Row] = field(default_factory=dict)

    def values(self, objectives: Sequence[str], seeds: Sequence[int]) -> Values | None:
        """Its objectives over the seeds that it has rows of; None where one is not finite, or
        nothing is there: such a configuration can never be the best."""
        rows = [self.rows[seed] for seed in seeds if seed in self.rows]
        if not rows or not all(finite(row) for row in rows):
            return None
        known = {
            "mre": float(np.mean([row.mre for row in rows])),
            # Batches of one configuration trace the same paths.
            "seconds": float(
                np.median([r.seconds_trace for r in rows]) + np.mean([r.seconds_fit for r in rows])
            ),
            "links": float(rows[0].num_links),
        }
        values = tuple(known[name] for name in objectives)
        return values if np.isfinite(values).all() else None

    def complete(self, seeds: Sequence[int]) -> bool:
        """True if there is a row for each of the seeds."""
        return all(seed in self.rows for seed in seeds)


def finite(row: Row) -> bool:
    """True if an estimation ended at finite numbers; false after a non-finite loss, although the
    row then holds the last finite conductivities."""
    numbers = [row.mre, *row.conductivity]
    return row.outcome != "non_finite" and bool(np.isfinite(numbers).all())


def best(study: Study, found: Sequence[Found]) -> list[Found]:
    """The complete configurations that none other is better than in every objective, by the first
    objective: of one objective, the best; of several, the Pareto front."""
    some = [
        (values, each)
        for each in found
        if each.complete(study.seeds)
        and (values := each.values(study.objectives, study.seeds)) is not None
    ]
    table = np.array([values for values, _ in some]).reshape(-1, len(study.objectives))
    front = [
        (values, each)
        for values, each in some
        if not ((table <= values).all(axis=1) & (table < values).any(axis=1)).any()
    ]
    return [each for _, each in sorted(front, key=lambda pair: (pair[0], key_of(pair[1].params)))]


def again(study: Study, chosen: Sequence[Found], seeds: Sequence[int]) -> Study:
    """The chosen configurations on fresh seeds, as a grid. The error on the seeds of the search is
    biased by the selection, so only this one may be reported.

    :raises ConfigurationError: if a seed is one that the search has seen
    """
    if set(seeds) & set(study.seeds):
        raise ConfigurationError("fresh seeds must not be those of the search")
    return dataclasses.replace(
        study,
        seeds=tuple(seeds),
        num_points=None,
        block=None,
        chosen=tuple(found.params for found in chosen),
    )


def key_of(params: Params) -> str:
    """Canonical text of a configuration."""
    return json.dumps(params, sort_keys=True)


def text(params: Params) -> str:
    """A configuration in words."""
    return ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}"
                     for k, v in params.items())  # fmt: skip


def readable(params: Params) -> str:
    """A configuration as a name, in letters that files may have: ``optimizer=adam,M=3``."""
    words = text(params).replace(", ", ",")
    return re.sub(r"[^A-Za-z0-9=,_.+-]+", "-", spelled(words))[:100]
