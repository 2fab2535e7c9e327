"""Trackers of experiments: MLflow, Weights & Biases, TensorBoard, as callbacks of Ray Tune.

Tune calls them by itself; :class:`Reports` does where the driver runs a search, so that both
runners report the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.extras import need
from vlmrt_dist.store import LocalPlace, Place, Row
from vlmrt_dist.studies.search.definition import Found, Study, key_of, readable
from vlmrt_dist.studies.search.space import Params

if TYPE_CHECKING:
    from ray.tune import Callback

TrackerName = Literal["mlflow", "wandb", "tensorboard"]

PACKAGES: dict[TrackerName, str] = {
    "mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"
}  # fmt: skip
"""Modules that each tracker imports."""

PROJECT = "vlmrt_dist"
"""Project of Weights & Biases unless ``WANDB_PROJECT`` names another."""


def trackers_named(
    names: Sequence[TrackerName], study: Study, storage: Place
) -> tuple[Callback, ...]:
    """The callbacks of trackers.

    MLflow writes where ``MLFLOW_TRACKING_URI`` says, else to ``mlflow.db`` in the storage; wandb to
    its server, or, with ``WANDB_MODE=offline``, to the storage; TensorBoard to ``tune/<study>`` in
    the storage.

    :raises ConfigurationError: if a package is missing, nobody is logged in, or the storage is no
        folder where one is needed
    """
    if names:
        need("ray", "ray", "--callback")
    for name in names:
        need(PACKAGES[name], "trackers", f"--callback {name}")
    return tuple(_tracker(name, study, storage) for name in dict.fromkeys(names))


def _tracker(name: TrackerName, study: Study, storage: Place) -> Callback:
    if name == "tensorboard":
        from ray.tune.logger import TBXLoggerCallback

        _folder(storage, "--callback tensorboard")
        return TBXLoggerCallback()
    if name == "mlflow":
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        where = os.environ.get("MLFLOW_TRACKING_URI")
        if where is None:
            folder = _folder(storage, "--callback mlflow, or set MLFLOW_TRACKING_URI, since it")
            where = f"sqlite:///{folder / 'mlflow.db'}"
        return MLflowLoggerCallback(tracking_uri=where, experiment_name=study.name)
    from vlmrt_dist.studies.search.wandb_tracker import WandbTracker, check_login

    check_login()
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    return WandbTracker(project, study.name, _folder(storage, "--callback wandb"))


def _folder(storage: Place, who: str) -> Path:
    """The storage as a folder that is there.

    :raises ConfigurationError: if it is none
    """
    if not isinstance(storage, LocalPlace):
        raise ConfigurationError(f"{who} needs a folder as --storage; {storage} is none")
    folder = storage.path.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def reported(study: Study, found: Found, failed: str = "") -> dict[str, Any]:
    """Report of a configuration after a batch of its seeds.

    :param failed: why it could not be evaluated
    """
    values = found.values(study.objectives, study.seeds)
    finite = values is not None and not failed
    return {
        "failed": failed,
        # Infinity keeps early stopping informed; a search is told that the configuration failed.
        **dict(zip(study.objectives, values or [float("inf")] * 3, strict=False)),
        "finite": finite,
        "seeds": sum(seed in found.rows for seed in study.seeds),
        "done": not finite or found.complete(study.seeds),
    }


class PoolTrial:
    """A configuration as callbacks of Tune expect a trial.

    :param study: the search
    :param params: the configuration
    :param folder: of all trials' files
    :param number: of the trial in this run
    """

    def __init__(self, study: Study, params: Params, folder: Path, number: int) -> None:
        self.trial_id = f"{os.getpid():x}_{number:05d}"
        self.config = self.evaluated_params = dict(params)
        self.experiment_dir_name = self.trainable_name = study.name
        self.name = readable(params)
        self.local_path = str(folder / f"{self.name}_{self.trial_id}")
        self.checkpoint = None
        self.iterations = 0

    def __str__(self) -> str:
        return self.name

    def init_local_path(self) -> None:
        """Make the folder of its files."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)


class Reports:
    """Callbacks of Tune, called for a search that the driver runs.

    :param study: the search
    :param storage: where trackers keep their files
    :param callbacks: Tune's; none: nothing is reported
    """

    def __init__(self, study: Study, storage: Place, callbacks: Sequence[Callback]) -> None:
        self._study, self._callbacks = study, callbacks
        self._trials: dict[str, Any] = {}
        self._found: dict[str, Found] = {}
        self._folder = Path(os.devnull)
        if callbacks:
            self._folder = _folder(storage, "a callback") / "tune" / study.name
        for each in callbacks:
            each.setup()

    def started(self, params: Params, rows: Mapping[int, Row]) -> None:
        """A configuration is begun, or goes on.

        :param rows: those it has already, by seed
        """
        key = key_of(params)
        if not self._callbacks or key in self._trials:
            return
        trial = PoolTrial(self._study, params, self._folder, len(self._trials))
        self._trials[key], self._found[key] = trial, Found(params, dict(rows))
        self._tell("on_trial_start", trial)

    def told(self, params: Params, rows: Sequence[Row], failed: str, ended: bool) -> None:
        """A batch of seeds was evaluated, or could not be.

        :param failed: why not
        :param ended: whether it was the last
        """
        if not self._callbacks:
            return
        trial, found = self._trials[key_of(params)], self._found[key_of(params)]
        found.rows.update({row.seed: row for row in rows})
        trial.iterations += 1
        result = reported(self._study, found, failed)
        result |= {"training_iteration": trial.iterations, "trial_id": trial.trial_id}
        self._tell("on_trial_result", trial, result=result)
        if ended:
            self._tell("on_trial_error" if failed else "on_trial_complete", trial)

    def close(self) -> None:
        """Nothing more will be reported."""
        for each in self._callbacks:
            each.on_experiment_end(trials=list(self._trials.values()))

    def _tell(self, event: str, trial: Any, **more: Any) -> None:
        trials = list(self._trials.values())
        for each in self._callbacks:
            getattr(each, event)(iteration=trial.iterations, trials=trials, trial=trial, **more)
