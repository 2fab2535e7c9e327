"""Trackers, for real: MLflow's stores, TensorBoard's event files, Weights & Biases offline."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.store.test_ledger import row
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import LocalPlace, place_of
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.search.definition import Study, readable
from vlmrt_dist.studies.search.pool_runner import run_pool
from vlmrt_dist.studies.search.space import Choice
from vlmrt_dist.studies.search.trackers import TrackerName, trackers_named

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

ROOM = vd.box_room(0)
ERRORS = {"adam": 0.25, "map": 0.125}


def make(params: Mapping[str, Any], seeds: tuple[int, ...]) -> Point:
    if params["receivers"] == 5:
        raise CampaignError("no free place found")
    receivers = np.tile([1.0, 0.0, 1.5], (1, params["receivers"], 1))
    campaign = vd.Campaign(np.array([[0.0, 0.0, 1.5]]), receivers)
    return Point("", ROOM, campaign, vd.RadioConfig(), (params["optimizer"],), "itu", "same_paths",
                 seeds, noise_db=0.1)  # fmt: skip


def known(point: Point) -> list[Row]:
    """Rows without a computation."""
    return [
        dataclasses.replace(
            row(key), study=point.study, label=json.dumps(point.label), seed=seed,
            mre=ERRORS[point.optimizers[0]],
        )
        for seed, key in zip(point.seeds, point.row_keys, strict=True)
    ]  # fmt: skip


@pytest.fixture
def study() -> Study:
    space = {"optimizer": Choice(("adam", "map")), "receivers": Choice((3, 5))}
    return Study("tracked", make, space, (0, 1), evaluate=known)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")


def tracked(study: Study, folder: Path, *names: TrackerName) -> None:
    found = run_pool(
        study, Ledger(folder), callbacks=trackers_named(names, study, LocalPlace(folder))
    )
    assert len(found) == 2


@pytest.mark.parametrize("store", ["sqlite", "files"])
def test_mlflow_has_a_run_for_each_configuration(
    study: Study, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    where = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if store == "files":
        where = (tmp_path / "mlruns").as_uri()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracked(study, tmp_path, "mlflow")
    client = MlflowClient(where)
    experiment = client.get_experiment_by_name("tracked")
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert set(by_name) == {readable(params) for params in study.grid}
    for params in study.grid:
        run = by_name[readable(params)]
        assert run.data.params == {name: str(value) for name, value in params.items()}
        failed = params["receivers"] == 5
        assert run.info.status == ("FAILED" if failed else "FINISHED")
        if not failed:
            assert run.data.metrics["mre"] == ERRORS[params["optimizer"]]
            assert run.data.metrics["seeds"] == 2


def test_tensorboard_opens_the_event_files(study: Study, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracked(study, tmp_path, "tensorboard")
    folders = {path.name.rpartition("_")[0].rpartition("_")[0]: path
               for path in (tmp_path / "tune" / "tracked").iterdir()}  # fmt: skip
    assert set(folders) == {readable(params) for params in study.grid}
    events = EventAccumulator(str(folders["optimizer=map,receivers=3"])).Reload()
    [value] = events.Scalars("ray/tune/mre")
    assert (value.step, value.value) == (1, ERRORS["map"])


def test_wandb_keeps_its_runs_in_the_storage(study: Study, tmp_path: Path) -> None:
    tracked(study, tmp_path, "wandb")
    runs = list((tmp_path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(runs) == 4
    content = b"".join(path.read_bytes() for path in runs)
    assert b"optimizer=map,receivers=3" in content
    assert b"tracked" in content


def test_a_tracker_that_cannot_work_says_what_to_do(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = place_of("s3://bucket/folder")
    for name in ("mlflow", "tensorboard", "wandb"):
        with pytest.raises(ConfigurationError, match=f"--callback {name}.* needs a folder"):
            trackers_named((name,), study, far)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="run wandb login, or set WANDB_MODE=offline"):
        trackers_named(("wandb",), study, LocalPlace(tmp_path))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'vlmrt_dist\[trackers\]'"):
        trackers_named(("mlflow",), study, LocalPlace(tmp_path))


def test_names_of_trials_can_be_read() -> None:
    name = readable({"optimizer": "adam", "parametrisation": "ln σ", "learning_rate": 1e-3})
    assert name == "optimizer=adam,parametrisation=ln-sigma,learning_rate=0.001"
