"""Weights & Biases as a callback of Ray Tune that runs in the driver.

Ray's own callback starts an actor for each trial and puts the key into its runtime environment,
which everyone on the cluster can read.
"""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Any

import wandb
from ray.tune.logger import LoggerCallback

from vlmrt_dist.errors import ConfigurationError

_OFFLINE = ("offline", "dryrun", "disabled")
_NOT_LOGGED = ("done", "pid", "timestamp")
"""Numbers of Tune's own that tell nothing of a trial."""


def check_login() -> None:
    """:raises ConfigurationError: if runs would go to a server that knows nobody here"""
    if os.environ.get("WANDB_MODE", "online") in _OFFLINE or os.environ.get("WANDB_API_KEY"):
        return
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("://")[2]
    try:
        known = netrc.netrc().authenticators(host.split("/")[0].partition(":")[0])
    except (OSError, RuntimeError, netrc.NetrcParseError):
        known = None
    if known is None:
        raise ConfigurationError(
            "--callback wandb: nobody is logged in; run wandb login, or set WANDB_MODE=offline to "
            "keep the runs in the storage"
        )


class WandbTracker(LoggerCallback):
    """A run for each trial.

    :param project: of all runs
    :param group: of the runs of one search
    :param folder: for the runs' files
    """

    def __init__(self, project: str, group: str, folder: Path) -> None:
        self._project, self._group, self._folder = project, group, folder
        self._runs: dict[Any, Any] = {}

    def log_trial_start(self, trial: Any) -> None:
        """Begin a run."""
        if trial.trial_id not in self._runs:
            self._runs[trial.trial_id] = wandb.init(
                project=self._project, group=self._group, name=str(trial), config=trial.config,
                dir=str(self._folder), reinit="create_new",
                settings=wandb.Settings(silent=True, console="off"),
            )  # fmt: skip

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Log the numbers of a result."""
        self.log_trial_start(trial)
        numbers = {
            name: value
            for name, value in result.items()
            if isinstance(value, (bool, int, float)) and name not in _NOT_LOGGED
        }
        self._runs[trial.trial_id].log(numbers, step=result["training_iteration"])

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """End the run."""
        if (run := self._runs.pop(trial.trial_id, None)) is not None:
            run.finish(exit_code=int(failed))
