"""The sampler: nothing twice, whatever it has settled on, and nothing again after a resumption."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from vlmrt_dist.studies.runs import Point
from vlmrt_dist.studies.search.definition import Study, key_of
from vlmrt_dist.studies.search.sampler import optuna_study, suggest, tell
from vlmrt_dist.studies.search.space import Choice, Params, Range, Space, contains, every

FINITE: Space = {"a": Choice(("x", "y")), "b": Range(1, 3, integer=True),
                 "c": Choice((1, 2), when={"a": ("x",)})}  # fmt: skip
ENDLESS: Space = {"a": Choice(("x", "y")), "c": Range(1e-3, 1.0, log=True, when={"a": ("y",)})}


def never(_: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    raise AssertionError("no point is asked for")


def drawn(study: Study, count: int, seen: set[str]) -> list[Params]:
    """Configurations in a search where "x" is always by far the best."""
    made, every_one = optuna_study(study, []), []
    for _ in range(count):
        trial, params = suggest(study, made, seen)
        tell(made, trial, [0.0 if params["a"] == "x" else 1.0])
        every_one.append(params)
    return every_one


@pytest.mark.parametrize(("space", "count"), [(FINITE, 9), (ENDLESS, 40)])
def test_no_configuration_is_suggested_twice(space: Space, count: int) -> None:
    study = Study("sampled", never, space, (0,), num_points=count)
    params = drawn(study, count, set())
    assert len({key_of(p) for p in params}) == count
    assert all(contains(space, p) for p in params)
    if space is FINITE:
        assert {key_of(p) for p in params} == {key_of(p) for p in every(space) or ()}


def test_the_same_seed_suggests_the_same() -> None:
    study = Study("sampled", never, ENDLESS, (0,), num_points=12)
    assert drawn(study, 12, set()) == drawn(study, 12, set())
    other = dataclasses.replace(study, sampler_seed=1)
    assert drawn(study, 12, set()) != drawn(other, 12, set())
