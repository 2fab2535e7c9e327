"""Searches in this process: resumed from the ledger, never repeated, never won by no number."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import vlmrt_dist as vd
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies.evaluation import evaluate
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.search.definition import Study, again, best, key_of
from vlmrt_dist.studies.search.pool_runner import run_pool
from vlmrt_dist.studies.search.sampler import optuna_study, write_optuna
from vlmrt_dist.studies.search.space import Choice, Range

OPTIMIZERS = ("levenberg_marquardt", "adam", "adam_log")
SPACE: dict[str, Choice | Range] = {
    "optimizer": Choice(OPTIMIZERS),
    "learning_rate": Range(1e-4, 1e-1, log=True, when={"optimizer": ("adam", "adam_log")}),
    "receivers": Range(3, 8, integer=True),
}


def make(params: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    radio = vd.RadioConfig.paper(max_depth=1)
    campaign = vd.place("random", params["room"], 2, params["receivers"], seed=0)
    return Point(
        "", params["room"], campaign, radio, (params["optimizer"],), "itu", "same_paths", seeds,
        noise_db=0.1, learning_rate=params.get("learning_rate"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Study:
    return Study("searched", make, SPACE, (0, 1), {"room": vd.box_room()}, 8)


def spoilt(point: Point) -> list[Row]:
    """Rows of which every Levenberg-Marquardt's has no number."""
    rows = evaluate(point)
    bad = point.optimizers == ("levenberg_marquardt",)
    return [dataclasses.replace(r, mre=np.nan, outcome="non_finite") if bad else r for r in rows]


def sizes(ledger: Ledger, study: Study) -> dict[str, set[int]]:
    return {key_of(f.params): set(f.rows) for f in study.found(ledger)}


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_without_repeating_itself(
    study: Study, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path)
    asked: list[dict[str, Any]] = []

    def dying(point: Point) -> list[Row]:
        if len(asked) == 4:
            raise KeyboardInterrupt
        asked.append(point.label)
        return evaluate(point)

    with pytest.raises(KeyboardInterrupt):
        run_pool(dataclasses.replace(study, evaluate=dying), ledger)
    first = sizes(ledger, study)
    assert len(first) == 4

    def watched(point: Point) -> list[Row]:
        asked.append(point.label)
        return evaluate(point)

    found = run_pool(dataclasses.replace(study, evaluate=watched), ledger)
    assert len(asked) == len({key_of(label) for label in asked}) == len(found) == 8
    assert all(set(f.rows) == {0, 1} for f in found)
    run_pool(dataclasses.replace(study, evaluate=dying), ledger)  # nothing is left to do
    assert len(asked) == 8


@pytest.mark.slow
def test_what_is_not_finite_is_kept_and_never_the_best(study: Study, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    found = run_pool(dataclasses.replace(study, evaluate=spoilt), ledger)
    bad = [f for f in found if f.params["optimizer"] == "levenberg_marquardt"]
    assert bad
    assert {r.outcome for f in bad for r in f.rows.values()} == {"non_finite"}
    assert all(f.values(("mre",), study.seeds) is None for f in bad)
    front = best(study, found)
    assert len(front) == 1
    assert front[0].params["optimizer"] != "levenberg_marquardt"
    rebuilt = optuna_study(study, found)
    states = [trial.state.name for trial in rebuilt.trials]
    assert states.count("FAIL") == len(bad)
    assert states.count("COMPLETE") == 8 - len(bad)
    assert rebuilt.best_params == front[0].params
    # The fresh seeds' rows are told from the search's by their seeds only.
    fresh = again(study, front, (100, 101, 102))
    [checked] = [f for f in run_pool(fresh, ledger) if f.complete(fresh.seeds)]
    assert checked.params == front[0].params
    assert set(checked.rows) == {0, 1, 100, 101, 102}
    assert checked.values(("mre",), fresh.seeds) != front[0].values(("mre",), study.seeds)


def crowded(params: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    """As :func:`make`, but no place is found for many receivers."""
    if params["receivers"] > 5:
        raise CampaignError("no free place found")
    return make(params, seeds)


@pytest.mark.slow
def test_a_configuration_that_cannot_be_evaluated_ends_and_the_search_goes_on(
    study: Study, tmp_path: Path
) -> None:
    ledger, told = Ledger(tmp_path), []
    partly = dataclasses.replace(study, make=crowded)
    found = run_pool(partly, ledger, progress=lambda name, done, _: told.append((done, name)))
    failed = [name for _, name in told if name.endswith("failed: no free place found")]
    assert 0 < len(failed) < 8
    assert len(found) == 8 - len(failed)
    assert told[-1][0] == 8
    assert all(each.params["receivers"] <= 5 for each in found)


@pytest.mark.slow
def test_a_bad_configuration_is_given_up_after_few_seeds(study: Study, tmp_path: Path) -> None:
    ledger, told = Ledger(tmp_path), []
    pruned = dataclasses.replace(study, seeds=tuple(range(12)), block=3, num_points=10)
    found = run_pool(pruned, ledger, progress=lambda name, done, _: told.append((done, name)))
    seeds = [len(f.rows) for f in found]
    assert max(seeds) == 12
    assert min(seeds) < 12
    assert sum("given up" in name for _, name in told) == sum(n < 12 for n in seeds)
    [winner] = best(pruned, found)
    assert winner.complete(pruned.seeds)
    # A second run gives up the same ones without evaluating anything that is complete.
    again_found = run_pool(pruned, ledger)
    assert len(again_found) == 10


@pytest.mark.slow
def test_a_grid_is_evaluated_once_and_extended_by_seeds(study: Study, tmp_path: Path) -> None:
    space = {"optimizer": Choice(("levenberg_marquardt", "map")), "receivers": Choice((3, 4))}
    grid = dataclasses.replace(study, space=space, num_points=None)
    ledger, asked = Ledger(tmp_path), []

    def watched(point: Point) -> list[Row]:
        asked.append(point.seeds)
        return evaluate(point)

    found = run_pool(dataclasses.replace(grid, evaluate=watched), ledger)
    assert sorted(key_of(f.params) for f in found) == sorted(map(key_of, grid.grid))
    assert asked == [(0, 1)] * 4
    more = dataclasses.replace(grid, seeds=(0, 1, 2), evaluate=watched)
    assert all(set(f.rows) == {0, 1, 2} for f in run_pool(more, ledger))
    assert asked[4:] == [(2,)] * 4


@pytest.mark.slow
def test_optuna_opens_what_the_ledger_holds(study: Study, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    two = dataclasses.replace(study, objectives=("mre", "links"), num_points=3)
    found = run_pool(two, ledger)
    for _ in range(2):  # written anew, over what was there
        file = write_optuna(two, found, tmp_path / "search.db")
    opened = optuna.load_study(study_name="searched", storage=f"sqlite:///{file}")
    assert opened.metric_names == ["mre", "links"]
    values = {key_of(t.params): tuple(t.values) for t in opened.trials}
    assert values == {key_of(f.params): f.values(two.objectives, two.seeds) for f in found}


def test_a_study_that_could_never_end_is_refused(study: Study) -> None:
    space = {"optimizer": Choice(("adam", "map")), "receivers": Choice((3, 4))}
    with pytest.raises(ConfigurationError, match="holds 4 configurations, so 5 different"):
        dataclasses.replace(study, space=space, num_points=5)
    conditional = space | {"eta": Choice((1.0, 2.0), when={"optimizer": ("adam",)})}
    with pytest.raises(ConfigurationError, match="holds 6 configurations"):
        dataclasses.replace(study, space=conditional, num_points=7)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_points": None}, "made of choices"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seeds": ()}, "needs seeds"),
        ({"objectives": ("speed",)}, "objectives are some of"),
        ({"objectives": ("mre", "links"), "block": 2}, "one objective"),
        ({"space": {"a": Choice((1,), when={"b": (1,)})}}, "come before it"),
    ],
)
def test_studies_that_make_no_sense_are_refused(
    study: Study, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        dataclasses.replace(study, **change)


def test_rows_of_another_base_are_not_the_search_s(study: Study) -> None:
    other = dataclasses.replace(study, base={"room": vd.box_room(5)})
    assert other.fingerprint != study.fingerprint
    point = study.point({"optimizer": "adam", "receivers": 3}, (0,))
    assert json.loads(json.dumps(point.label))["base"] == study.fingerprint
