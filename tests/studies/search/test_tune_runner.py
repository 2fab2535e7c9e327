"""The same search by Ray Tune and by the pool: the same rows for the same points."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vlmrt_dist as vd
from tests.studies.search.test_pool_runner import SPACE, crowded, make, spoilt
from vlmrt_dist.distributed.session import ActorOptions
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.studies.search.definition import Study, best, key_of, readable
from vlmrt_dist.studies.search.pool_runner import run_pool
from vlmrt_dist.studies.search.space import Choice

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def _ray() -> Iterator[None]:
    import ray
    from ray import cloudpickle

    from vlmrt_dist.distributed.session import connect

    connect("local")
    # Workers cannot import the tests' modules.
    for name in ("tests.studies.search.test_pool_runner", __name__):
        cloudpickle.register_pickle_by_value(sys.modules[name])
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def study() -> Study:
    return Study("both", make, SPACE, (0, 1), {"room": vd.box_room()}, 12, evaluate=spoilt)


def values(ledger: Ledger, study: Study) -> dict[str, list[Any]]:
    """What was computed, by configuration, without what a clock said; NaN compares as text."""
    times: dict[str, Any] = {"seconds_trace": 0.0, "seconds_fit": 0.0}
    return {
        key_of(f.params): [str(dataclasses.replace(f.rows[s], **times)) for s in sorted(f.rows)]
        for f in study.found(ledger)
    }


@pytest.mark.usefixtures("_ray")
def test_both_runners_give_the_same_rows(study: Study, tmp_path: Path) -> None:
    from vlmrt_dist.studies.search.tune_runner import run_tune

    tuned, pooled = Ledger(tmp_path / "tune"), Ledger(tmp_path / "pool")
    first = dataclasses.replace(study, num_points=5)
    run_tune(first, tuned, workers=ActorOptions(2), verbose=0)
    assert len(values(tuned, study)) == 5
    # Interrupted there, the search goes on from the ledger without a suggestion twice.
    found = run_tune(study, tuned, workers=ActorOptions(2), verbose=0)
    assert len(found) == 12
    assert all(set(f.rows) == {0, 1} for f in found)
    assert best(study, found)[0].params["optimizer"] != "levenberg_marquardt"
    bad = [f for f in found if f.values(("mre",), study.seeds) is None]
    assert bad
    # The pool's own 12 points are those that Tune would begin with, and the same points, the
    # same rows.
    run_pool(first, pooled, workers=ActorOptions(2))
    whole = values(tuned, study)
    assert len(values(pooled, study)) == 5
    assert all(whole[key] == rows for key, rows in values(pooled, study).items())
    rest = tuple(f.params for f in found)
    grid = dataclasses.replace(study, num_points=None, chosen=rest)
    run_pool(grid, pooled, workers=ActorOptions(2))
    assert values(pooled, study) == whole


@pytest.mark.usefixtures("_ray")
def test_early_stopping_and_refusals(study: Study, tmp_path: Path) -> None:
    from vlmrt_dist.studies.search.tune_runner import bundles, run_tune

    ledger = Ledger(tmp_path)
    stopping = dataclasses.replace(study, seeds=tuple(range(6)), block=2, num_points=6)
    found = run_tune(stopping, ledger, workers=ActorOptions(2), verbose=0)
    assert len(found) == 6
    finite = [f for f in found if f.values(("mre",), stopping.seeds) is not None]
    assert {len(f.rows) for f in finite} & {2, 4}
    assert best(stopping, found)[0].complete(stopping.seeds)
    with pytest.raises(ConfigurationError, match="there is room for"):
        run_tune(study, Ledger(tmp_path / "more"), workers=ActorOptions(1000))
    with pytest.raises(StorageError, match="no name"):
        run_tune(dataclasses.replace(study, name="../../x"), ledger)
    assert bundles({"CPU": 1.0}, "SPREAD").bundles == [{"CPU": 1.0}]


@pytest.mark.usefixtures("_ray")
def test_a_configuration_that_cannot_be_evaluated_ends_and_the_search_goes_on(
    study: Study, tmp_path: Path
) -> None:
    from vlmrt_dist.studies.search.tune_runner import run_tune

    partly = dataclasses.replace(study, make=crowded, num_points=8)
    found = run_tune(partly, Ledger(tmp_path), workers=ActorOptions(2), verbose=0)
    assert 0 < len(found) < 8
    assert all(each.params["receivers"] <= 5 for each in found)


@pytest.mark.usefixtures("_ray")
@pytest.mark.parametrize("grid", [False, True], ids=["search", "grid"])
def test_parameters_are_columns_and_names_can_be_read(
    study: Study, grid: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from vlmrt_dist.studies.search.trackers import trackers_named
    from vlmrt_dist.studies.search.tune_runner import tune_study

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    asked = dataclasses.replace(study, num_points=3)
    if grid:
        chosen = ({"optimizer": "map", "receivers": 4}, {"optimizer": "map", "receivers": 3})
        space = {"optimizer": Choice(("map",)), "receivers": Choice((3, 4))}
        asked = dataclasses.replace(study, num_points=None, space=space, chosen=chosen)
    ledger = Ledger(tmp_path)
    results = tune_study(
        asked, ledger, workers=ActorOptions(2), verbose=0,
        callbacks=trackers_named(("mlflow", "tensorboard"), asked, ledger.storage),
    )  # fmt: skip
    assert results is not None
    found = {readable(f.params): f for f in asked.found(ledger)}
    table = results.get_dataframe()
    assert len(table) == len(found) == asked.total
    assert set(table["config/receivers"]) == {f.params["receivers"] for f in found.values()}
    assert {"config/optimizer", "mre", "seeds"} <= set(table.columns)
    assert not any(name.startswith("config/params") for name in table.columns)
    # Tune's own files lie under the storage, in folders that tell what they are of.
    folders = [path for path in (tmp_path / "tune" / "both").iterdir() if path.is_dir()]
    assert all(any(path.name.startswith(f"{name}_") for name in found) for path in folders)
    assert len(folders) == len(found)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("both")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(found)
    for name, run in runs.items():
        assert run.data.params["receivers"] == str(found[name].params["receivers"])
    one = next(path for path in folders if "optimizer=levenberg" not in path.name)
    assert EventAccumulator(str(one)).Reload().Scalars("ray/tune/mre")
    assert tune_study(asked, ledger, workers=ActorOptions(2), verbose=0) is None
